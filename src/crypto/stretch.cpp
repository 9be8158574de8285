#include "crypto/stretch.hpp"

#include "crypto/sodium.hpp"

namespace perdure::crypto {

std::optional<Secret> stretch(ByteView code, ByteView salt) {
  PERDURE_ASSERT(salt.size() >= crypto_pwhash_argon2id_SALTBYTES);
  need_sodium();
  // A phone does this once, in about a second; who guesses pays it for every guess. RFC 9106 names 64 MiB and 3 passes for
  // small devices; half of that is what an old phone's tab can be sure to get.
  constexpr unsigned long long passes = 3;
  constexpr std::size_t memory = 32 * 1024 * 1024;
  Secret out;
  int failed = crypto_pwhash_argon2id(out.bytes.data(), out.bytes.size(), reinterpret_cast<const char*>(code.data()),
                                      code.size(), salt.data(), passes, memory, crypto_pwhash_argon2id_ALG_ARGON2ID13);
  if (failed) return std::nullopt;
  return out;
}

}  // namespace perdure::crypto
