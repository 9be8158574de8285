#include "node/op_text.hpp"

#include <sodium.h>

#include "codec/bytes.hpp"

namespace perdure {

std::string op_text(const OpId& id) {
  codec::Writer w;
  w.raw(id.log.view().first(16)).varint(id.batch).varint(id.position);
  std::array<char, 64> out;
  sodium_bin2base64(out.data(), out.size(), w.peek().data(), w.size(), sodium_base64_VARIANT_URLSAFE_NO_PADDING);
  return out.data();
}

std::optional<OpId> parse_op(const sync::Topic& topic, std::string_view text) {
  std::array<u8, 48> bin;
  std::size_t size = 0;
  const char* end = nullptr;
  if (text.size() > 40 ||
      sodium_base642bin(bin.data(), bin.size(), text.data(), text.size(), nullptr, &size, &end,
                        sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 ||
      end != text.data() + text.size())
    return std::nullopt;
  codec::Reader r(ByteView(bin).first(size));
  ByteView prefix = r.raw(16);
  OpId id;
  id.batch = static_cast<u32>(r.varint_max(~u32{0}));
  id.position = static_cast<u32>(r.varint_max(~u32{0}));
  if (!r.done()) return std::nullopt;
  LogId low;
  std::copy(prefix.begin(), prefix.end(), low.bytes.begin());
  auto at = topic.numbers.lower_bound(low);
  const bool here = at != topic.numbers.end() && std::equal(prefix.begin(), prefix.end(), at->first.bytes.begin());
  // A log that is not here may be said again in one that is: crdt::Counted completes the name.
  if (!here && topic.counters.said_again == 0) return std::nullopt;
  id.log = here ? at->first : low;
  return id;
}

}  // namespace perdure
