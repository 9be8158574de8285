#include "peers/signal.hpp"

#include "catch_amalgamated.hpp"
#include "peers/links.hpp"

using namespace perdure;
using namespace perdure::peers;

namespace {

Seed seed(u8 n) { return Seed::from(Bytes(32, n)); }

struct Three {
  identity::Identity ada{"chat", seed(1)}, bob{"chat", seed(2)}, eve{"chat", seed(3)};
  identity::TopicKeys topic = identity::topic_keys(Secret::from(Bytes(32, 7))),
                      other = identity::topic_keys(Secret::from(Bytes(32, 8)));
  crypto::Random random{seed(9)};
  SignalText text{{1, 2, 3}, SignalKind::answer, "v=0\r\na=setup:active\r\n"};
  wire::Signal sealed() { return *seal_signal(ada, bob.id(), topic, text, random); }
};

std::string fingerprint(std::string_view byte, int count = 32) {
  std::string out = "a=fingerprint:sha-256 ";
  for (int i = 0; i < count; ++i) {
    if (i > 0) out += ':';
    out += byte;
  }
  return out + "\r\n";
}

}  // namespace

TEST_CASE("a signal is read by whom it is for, and proves a topic that both share") {
  Three t;
  wire::Signal signal = t.sealed();
  auto opened = open_signal(t.bob, signal);
  REQUIRE(opened);
  CHECK(opened->text.nonce == t.text.nonce);
  CHECK(opened->text.kind == t.text.kind);
  CHECK(opened->text.text == t.text.text);
  CHECK(opened->proof == signal_proof(t.topic, t.ada.id(), t.bob.id(), t.text.nonce));
  CHECK(opened->proof != signal_proof(t.other, t.ada.id(), t.bob.id(), t.text.nonce));
  CHECK(opened->proof != signal_proof(t.topic, t.bob.id(), t.ada.id(), t.text.nonce));
}

TEST_CASE("who forwards a signal can neither read it, bend it, nor say that it is its own") {
  Three t;
  const wire::Signal signal = t.sealed();
  CHECK(std::string(text(signal.sealed)).find("setup") == std::string::npos);
  CHECK_FALSE(open_signal(t.eve, signal));
  wire::Signal readdressed = signal;
  readdressed.to = t.eve.id();
  CHECK_FALSE(open_signal(t.eve, readdressed));
  wire::Signal claimed = signal;
  claimed.from = t.eve.id();
  CHECK_FALSE(open_signal(t.bob, claimed));
  for (std::size_t at = 0; at < signal.sealed.size(); ++at) {
    wire::Signal bent = signal;
    bent.sealed[at] ^= 1;
    CHECK_FALSE(open_signal(t.bob, bent));
  }
  for (std::size_t size = 0; size < signal.sealed.size(); size += 7) {
    wire::Signal cut = signal;
    cut.sealed.resize(size);
    CHECK_FALSE(open_signal(t.bob, cut));
  }
}

TEST_CASE("a signal of another network says nothing") {
  Three t;
  identity::Identity ada_elsewhere("other app", seed(1));
  CHECK_FALSE(open_signal(t.bob, *seal_signal(ada_elsewhere, t.bob.id(), t.topic, t.text, t.random)));
}

TEST_CASE("a signal of the longest text fits a frame, a longer one is not made, and nobody is addressed by a bad id") {
  Three t;
  t.text.text = std::string(5600, 'x');
  auto longest = seal_signal(t.ada, t.bob.id(), t.topic, t.text, t.random);
  REQUIRE(longest);
  CHECK(longest->sealed.size() <= wire::signal_max);
  CHECK(open_signal(t.bob, *longest)->text.text == t.text.text);
  t.text.text += 'x';
  CHECK_FALSE(seal_signal(t.ada, t.bob.id(), t.topic, t.text, t.random));
  t.text.text = "v=0";
  CHECK_FALSE(seal_signal(t.ada, DeviceId{}, t.topic, t.text, t.random));
}

TEST_CASE("a description has one fingerprint") {
  std::array<u8, 32> ab;
  ab.fill(0xab);
  CHECK(fingerprint_of("v=0\r\n" + fingerprint("AB") + "a=mid:0\r\n") == ab);
  CHECK(fingerprint_of(fingerprint("aB")) == ab);
  CHECK(fingerprint_of(fingerprint("ab") + "m=application\r\n" + fingerprint("AB")) == ab);
  CHECK_FALSE(fingerprint_of(""));
  CHECK_FALSE(fingerprint_of("v=0\r\na=setup:actpass\r\n"));
  CHECK_FALSE(fingerprint_of(fingerprint("ab") + fingerprint("cd")));
  CHECK_FALSE(fingerprint_of(fingerprint("ab", 31)));
  CHECK_FALSE(fingerprint_of(fingerprint("ag")));
  CHECK_FALSE(fingerprint_of(fingerprint("a")));
  CHECK_FALSE(fingerprint_of("a=fingerprint:sha-1 ab:cd\r\n" + fingerprint("ab")));
  CHECK_FALSE(fingerprint_of("a=fingerprint:sha-256 "));
  CHECK_FALSE(fingerprint_of("a=fingerprint:"));
}

TEST_CASE("both sides bind the same fingerprints, whichever is whose") {
  std::array<u8, 32> a, b;
  a.fill(1);
  b.fill(2);
  CHECK(binding_of(a, b) == binding_of(b, a));
  CHECK(binding_of(a, b).size() == 64);
  CHECK(binding_of(a, a) != binding_of(a, b));
}

TEST_CASE("affinity is the same from both sides, and different for each pair") {
  Three t;
  CHECK(affinity(t.ada.id(), t.bob.id()) == affinity(t.bob.id(), t.ada.id()));
  CHECK(affinity(t.ada.id(), t.bob.id()) != affinity(t.ada.id(), t.eve.id()));
}

TEST_CASE("a topic's MAC is good on one session, in one direction, for one pair") {
  Three t;
  const Hash session = Hash::from(Bytes(32, 1)), later = Hash::from(Bytes(32, 2));
  auto mac = topic_mac({t.topic, session, t.ada.id(), t.bob.id()});
  CHECK(mac == topic_mac({t.topic, session, t.ada.id(), t.bob.id()}));
  CHECK(mac != topic_mac({t.topic, later, t.ada.id(), t.bob.id()}));
  CHECK(mac != topic_mac({t.topic, session, t.bob.id(), t.ada.id()}));
  CHECK(mac != topic_mac({t.other, session, t.ada.id(), t.bob.id()}));
  CHECK(mac != topic_mac({t.topic, session, t.eve.id(), t.bob.id()}));
}

TEST_CASE("who has the topic's secret enters it at an anchor, on its own session only") {
  Three t;
  const Hash session = Hash::from(Bytes(32, 1)), later = Hash::from(Bytes(32, 2));
  Signature signature = enter_signature(t.topic, session, t.ada.id());
  CHECK(may_enter(t.topic.id, session, t.ada.id(), signature));
  CHECK_FALSE(may_enter(t.topic.id, later, t.ada.id(), signature));
  CHECK_FALSE(may_enter(t.topic.id, session, t.eve.id(), signature));
  CHECK_FALSE(may_enter(t.other.id, session, t.ada.id(), signature));
}
