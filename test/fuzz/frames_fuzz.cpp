// Every message, and the greeting in the handshake: what decodes, encodes to the same bytes, and costs memory by its length, not by its claims.
#include "fuzz/samples.hpp"
#include "fuzz/target.hpp"

namespace perdure::fuzz {

namespace {

template <class M>
void check(const wire::Frame& frame, ByteView in) {
  if (M::tag != frame.tag) return;
  Meter meter;
  auto message = wire::decode<M>(frame);
  CHECK(meter.bytes() <= 64 * in.size() + 1024);
  if (message) CHECK(std::ranges::equal(wire::encode(frame.header, *message), in));
}

}  // namespace

void target(ByteView in) {
  if (auto greeting = wire::decode_body<wire::Greeting>(in))
    CHECK(std::ranges::equal(wire::encode_body(*greeting), in));
  auto frame = wire::parse(in);
  if (!frame) return;
  each_message([&]<class M>(const M&) { check<M>(*frame, in); });
  // What was heard of abilities, said again, is heard the same.
  if (auto said = frame->tag == wire::Tag::abilities ? wire::decode<wire::Abilities>(*frame) : std::nullopt) {
    const wire::Able able = wire::hear(*said), again = wire::hear(wire::say(able));
    CHECK(able.numbers == again.numbers && able.piece_bytes == again.piece_bytes &&
          able.batch_format == again.batch_format && able.version == again.version);
    CHECK(able.version.size() <= wire::version_max);
  }
}

std::vector<Bytes> seeds() {
  std::vector<Bytes> out;
  each_message([&]<class M>(const M& sample) { out.push_back(wire::encode({1, 2}, sample)); });
  out.push_back(wire::encode_body(wire::Greeting{.rtc = true, .stun_port = {13, 150}, .refusal = 1}));
  return out;
}

}  // namespace perdure::fuzz
