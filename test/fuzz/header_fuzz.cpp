// A frame's header, of which every peer sends what it likes.
#include "codec/bytes.hpp"
#include "fuzz/target.hpp"
#include "wire/frames.hpp"
#include "wire/table.hpp"

namespace perdure::fuzz {

void target(ByteView in) {
  Meter meter;
  auto frame = wire::parse(in);
  CHECK(meter.bytes() == 0);
  if (!frame) return;
  codec::Writer w;
  w.u8(static_cast<u8>(frame->tag)).u8(0).varint(frame->header.alias).varint(frame->header.request).raw(frame->body);
  CHECK(std::ranges::equal(w.peek(), in));
  const wire::Tag unknown = wire::prices.back().tag;
  CHECK(wire::known(frame->tag) == (frame->tag != unknown && wire::price_of(frame->tag).tag == frame->tag));
}

std::vector<Bytes> seeds() {
  return {wire::encode({1, 2}, wire::Bye{}),
          wire::encode({300, 70'000}, wire::Ping{7, 8}),
          wire::encode({}, wire::Abilities{}),
          {200, 0, 0, 0}};
}

}  // namespace perdure::fuzz
