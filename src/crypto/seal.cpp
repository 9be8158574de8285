#include "crypto/seal.hpp"

#include <algorithm>

#include "crypto/hash.hpp"
#include "crypto/sodium.hpp"

namespace perdure::crypto {
namespace {

static_assert(seal_overhead == crypto_aead_xchacha20poly1305_ietf_ABYTES);

constexpr std::size_t point_size = 32;

using X25519 = std::array<u8, point_size>;

// Each box has its own ephemeral key, so key and nonce are both a hash of what the two sides share and of both public keys;
// the receiver's is in it because X25519 gives one result for several public keys (RFC 7748, 6.1).
struct BoxKey {
  Seed key;
  Nonce24 nonce;
  ~BoxKey() { sodium_memzero(key.bytes.data(), key.bytes.size()); }
};

BoxKey box_key(const X25519& shared, ByteView ephemeral, const X25519& to) {
  BoxKey k;
  k.key = derive(shared, "perdure/box/1", ephemeral);
  k.key = derive(k.key.view(), "perdure/box/1", to);
  Hash n = blake2b_keyed(k.key.view(), {view("perdure/box/1/nonce")});
  std::copy_n(n.bytes.begin(), k.nonce.size(), k.nonce.begin());
  return k;
}

}  // namespace

Bytes seal(const Seed& key, const Nonce24& nonce, ByteView aad, ByteView plain) {
  need_sodium();
  Bytes out(plain.size() + seal_overhead);
  crypto_aead_xchacha20poly1305_ietf_encrypt(out.data(), nullptr, plain.data(), plain.size(), aad.data(), aad.size(),
                                             nullptr, nonce.data(), key.bytes.data());
  return out;
}

std::optional<Bytes> unseal(const Seed& key, const Nonce24& nonce, ByteView aad, ByteView sealed) {
  if (sealed.size() < seal_overhead) return std::nullopt;
  need_sodium();
  Bytes out(sealed.size() - seal_overhead);
  int bad = crypto_aead_xchacha20poly1305_ietf_decrypt(out.data(), nullptr, nullptr, sealed.data(), sealed.size(),
                                                       aad.data(), aad.size(), nonce.data(), key.bytes.data());
  if (bad) return std::nullopt;
  return out;
}

std::optional<Bytes> seal_to(const DeviceId& to, ByteView plain, Random& random) {
  need_sodium();
  // libsodium refuses points off the curve and outside the main subgroup.
  X25519 their;
  if (!is_sound_point(to.view()) || crypto_sign_ed25519_pk_to_curve25519(their.data(), to.bytes.data()) != 0)
    return std::nullopt;

  Seed ephemeral_secret = random.fixed<Seed>();
  X25519 ephemeral, shared;
  crypto_scalarmult_base(ephemeral.data(), ephemeral_secret.bytes.data());
  bool agreed = crypto_scalarmult(shared.data(), ephemeral_secret.bytes.data(), their.data()) == 0;
  sodium_memzero(ephemeral_secret.bytes.data(), ephemeral_secret.bytes.size());
  if (!agreed) return std::nullopt;

  BoxKey k = box_key(shared, ephemeral, their);
  sodium_memzero(shared.data(), shared.size());
  Bytes out(ephemeral.begin(), ephemeral.end());
  Bytes box = seal(k.key, k.nonce, {}, plain);
  out.insert(out.end(), box.begin(), box.end());
  return out;
}

std::optional<Bytes> unseal_from(const SigningKey& own, ByteView sealed) {
  if (sealed.size() < point_size + seal_overhead) return std::nullopt;
  need_sodium();
  X25519 secret, pub, shared;
  if (crypto_sign_ed25519_pk_to_curve25519(pub.data(), own.pub.data()) != 0) return std::nullopt;
  crypto_sign_ed25519_sk_to_curve25519(secret.data(), own.secret.data());
  ByteView ephemeral = sealed.first(point_size);
  // not for a point of small order
  bool agreed = crypto_scalarmult(shared.data(), secret.data(), ephemeral.data()) == 0;
  sodium_memzero(secret.data(), secret.size());
  if (!agreed) return std::nullopt;

  BoxKey k = box_key(shared, ephemeral, pub);
  sodium_memzero(shared.data(), shared.size());
  return unseal(k.key, k.nonce, {}, sealed.subspan(point_size));
}

}  // namespace perdure::crypto
