// What a peer says that it holds and does not give: it keeps nobody from being up to date with all others.
#include "catch_amalgamated.hpp"
#include "unit/support/scene.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

constexpr wire::LogTag no_log{7, 7, 7};

wire::Items claim(const wire::LogTag& log, u64 length = 1u << 20) {
  return wire::Items{{{log, length, length * 200, 1'700'000'000, {1, 2, 3, 4}, 0}}};
}

// Answers each want, and says of how many there were.
std::size_t has_nothing(Stranger& who) {
  std::size_t n = 0;
  who.listen();
  for (const Heard& h : std::exchange(who.heard, {})) {
    const auto want = h.as<wire::Want>();
    if (!want) continue;
    ++n;
    who.say(wire::NoPage{want->log}, 1, h.header.request);
  }
  return n;
}

}  // namespace

TEST_CASE("what somebody says he holds and does not give does not count as behind, nor keep a topic syncing") {
  for (bool says_so : {true, false}) {
    CAPTURE(says_so);
    Scene s;
    Stranger bob(s.ada, "bob"), eve(s.ada, "eve");
    bob.enter(secret);
    eve.enter(secret);
    CHECK(s.ada.topics[s.topic].state == TopicState::live);
    eve.say(claim(no_log), 1);
    CHECK(s.ada.topics[s.topic].behind > 0);
    CHECK(s.ada.topics[s.topic].state == TopicState::syncing);
    for (int n = 0; n < 25 && !says_so; ++n) {
      for (Stranger* who : {&bob, &eve}) who->say(wire::Ping{1, 0}), who->pass(1'000);
    }
    if (says_so) CHECK(has_nothing(eve) == 1);
    CHECK(s.ada.topics[s.topic].behind == 0);
    CHECK(s.ada.topics[s.topic].state == TopicState::live);
    // Claimed again it is asked for again, and is still not taken for something that is to be had.
    eve.heard.clear();
    eve.say(claim(no_log), 1);
    CHECK(s.ada.topics[s.topic].behind == 0);
    CHECK(s.ada.topics[s.topic].state == TopicState::live);
    CHECK(has_nothing(eve) == 1);
    eve.say(wire::Hello{{7}, 1, claim(no_log).items, {}}, 1);
    CHECK(s.ada.topics[s.topic].behind == 0);
    CHECK(eve.linked());
    CHECK(bob.linked());
  }
}

TEST_CASE(
    "what one peer does not give is asked of the next who says that he holds it, and counts as behind until then") {
  Scene s;
  Stranger bob(s.ada, "bob"), eve(s.ada, "eve");
  eve.enter(secret);
  Ledger ledger(bob.identity, *eve.keys);
  for (const char* word : {"a", "b", "c"}) ledger.say(word);
  wire::Page first = ledger.page(0, 1);
  bob.enter(secret);
  bob.say(first, 1);
  REQUIRE(s.ada.messages(s.topic).size() == 3);
  eve.heard.clear();
  bob.heard.clear();
  eve.say(wire::Items{{ledger.item(eve.tag(ledger.id()), 3)}}, 1);
  bob.say(wire::Items{{ledger.item(bob.tag(ledger.id()), 3)}}, 1);
  CHECK(eve.all<wire::Want>().size() == 1);
  CHECK(bob.all<wire::Want>().empty());  // one link a log
  CHECK(has_nothing(eve) == 1);
  CHECK(s.ada.topics[s.topic].behind == 2);
  bob.listen();
  const u32 request = bob.request<wire::Want>();
  REQUIRE(request != 0);
  wire::Page rest = ledger.page(1, 3);
  rest.log = bob.tag(ledger.id());
  bob.say(rest, 1, request);
  CHECK(s.ada.messages(s.topic).size() == 5);
  CHECK(s.ada.topics[s.topic].behind == 0);
  CHECK(s.ada.topics[s.topic].state == TopicState::live);
}

TEST_CASE("who gives at last what he did not give counts with the rest of it as before") {
  Scene s;
  Stranger bob(s.ada, "bob");
  bob.enter(secret);
  Ledger ledger(bob.identity, *bob.keys);
  for (const char* word : {"a", "b", "c"}) ledger.say(word);
  const auto tag = bob.tag(ledger.id());
  bob.say(wire::Items{{ledger.item(tag, 3)}}, 1);
  CHECK(has_nothing(bob) == 1);
  CHECK(s.ada.topics[s.topic].behind == 0);
  bob.say(wire::Items{{ledger.item(tag, 3)}}, 1);
  CHECK(s.ada.topics[s.topic].behind == 0);
  const u32 request = bob.request<wire::Want>();
  REQUIRE(request != 0);
  wire::Page some = ledger.page(0, 1);
  some.last = false;
  bob.say(some, 1, request);
  CHECK(s.ada.topics[s.topic].behind == 2);
}
