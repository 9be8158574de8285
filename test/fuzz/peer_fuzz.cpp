// A whole core and a member of its topic that says anything: after the handshake, with a log of its own, and ours to speak of.
//
//     frames: u8 how | be16 length | bytes; how: 0-3 as they are, 4 time passes, 5 an honest page, 6 the page with one byte other
//     8 bytes of 0xee stand for the tag of the core's log, of 0xdd for the tag of ours
#include <algorithm>

#include "fuzz/samples.hpp"
#include "fuzz/target.hpp"
#include "unit/support/solo.hpp"

namespace perdure::fuzz {

namespace {

constexpr wire::LogTag their_log{0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee, 0xee},
    our_log{0xdd, 0xdd, 0xdd, 0xdd, 0xdd, 0xdd, 0xdd, 0xdd};

void replace(Bytes& in, const wire::LogTag& what, const wire::LogTag& with) {
  for (auto at = in.begin(); (at = std::search(at, in.end(), what.bytes.begin(), what.bytes.end())) != in.end();
       at += 8)
    std::ranges::copy(with.bytes, at);
}

}  // namespace

void target(ByteView in) {
  const Secret secret = test::named_secret("topic");
  Draw draw(in);
  const u8 first = draw.byte();
  Config config;
  config.anchor = first & 1;
  config.app = "fuzz";
  test::Solo solo("ada", config);
  u32 topic = 0;
  if (!config.anchor) {
    topic = solo.join(secret);
    for (int i = 0; i < 3; ++i) solo.append(topic, "said before");
  }
  test::Stranger eve(solo, "eve", {.kind = config.anchor ? LinkKind::websocket : LinkKind::local});
  eve.enter(secret, first & 2);
  test::Ledger ledger(eve.identity, *eve.keys);
  for (int i = 0; i < 5; ++i) ledger.say("from outside");
  wire::LogTag theirs{};
  for (const wire::Hello& hello : eve.all<wire::Hello>())
    if (!hello.items.empty()) theirs = hello.items[0].log;
  const wire::LogTag ours = eve.tag(ledger.id());
  for (int n = 0; !draw.empty() && n < 60 && eve.linked(); ++n) {
    u8 how = draw.byte() % 7;
    if (how == 4) {
      eve.pass(draw.be16());
      continue;
    }
    Bytes frame;
    if (how >= 5) {
      u64 from = draw.byte() % 5, to = std::min<u64>(5, from + 1 + draw.byte() % 5);
      wire::Page page = ledger.page(from, to);
      page.log = ours;
      frame = wire::encode({1, how == 6 ? 1u : 0u}, page);
      if (u8 at = draw.byte(); how == 6) frame[at % frame.size()] ^= draw.byte();
    } else {
      frame = own(draw.bytes(draw.be16() % 4096));
      replace(frame, their_log, theirs);
      replace(frame, our_log, ours);
    }
    eve.say_bytes(frame);
  }
  if (config.anchor) return;
  // Whatever was said: what was accepted stays, and the app is served.
  auto said = solo.messages(topic);
  CHECK(std::ranges::count(said, "said before") == 3);
  solo.append(topic, "said after");
}

std::vector<Bytes> seeds() {
  std::vector<Bytes> out;
  auto put = [](Bytes& to, const Bytes& frame) {
    to.insert(to.end(), {0, static_cast<u8>(frame.size() >> 8), static_cast<u8>(frame.size())});
    to.insert(to.end(), frame.begin(), frame.end());
  };
  Bytes everything{2};
  each_message([&]<class M>(const M& sample) {
    for (u32 request : {0u, 1u}) {
      M message = sample;
      if constexpr (requires { message.log = wire::LogTag{}; }) message.log = their_log;
      if constexpr (requires { message.items; }) message.items[0].log = their_log, message.items[1].log = our_log;
      Bytes one{2}, anchor{3};
      put(one, wire::encode({1, request}, message));
      put(anchor, wire::encode({1, request}, message));
      out.push_back(one);
      out.push_back(anchor);
      if (request == 0 && M::tag != wire::Tag::bye) put(everything, wire::encode({1, 0}, message));
    }
  });
  out.push_back(everything);
  out.push_back({2, 5, 0, 2, 0, 4, 2, 0, 5, 0, 4, 0, 4, 2, 0});
  out.push_back({2, 6, 0, 4, 90, 1, 5, 0, 4, 0});
  return out;
}

}  // namespace perdure::fuzz
