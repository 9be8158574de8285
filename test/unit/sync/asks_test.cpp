// synced(): all is here that somebody held when asked, and not when he was last heard.
#include "catch_amalgamated.hpp"
#include "unit/support/scene.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {
std::size_t hellos(Stranger& who) {
  who.listen();
  std::size_t n = 0;
  for (const Heard& h : std::exchange(who.heard, {})) n += h.tag == wire::Tag::hello;
  return n;
}
void alive(Stranger& who, u64 ms) {
  for (u64 at = 0; at < ms; at += 1'000) {
    who.say(wire::Ping{1, 0});
    who.pass(1'000);
  }
}
}  // namespace

TEST_CASE("synced asks anew whoever is linked, and is answered once what they hold is here") {
  Scene s;
  Stranger bob(s.ada, "bob");
  bob.enter(secret);
  Ledger ledger(bob.identity, *bob.keys);
  ledger.say("new");
  (void)hellos(bob);
  const u32 call = s.ada.call(WaitSynced{s.topic});
  CHECK_FALSE(s.ada.answered(call));
  CHECK(hellos(bob) == 1);
  bob.say(wire::Items{{ledger.item(bob.tag(ledger.id()), 1)}}, 1);
  bob.say(wire::Done{{bob.epoch, 1, {}}}, 1);
  CHECK_FALSE(s.ada.answered(call));
  const u32 request = bob.request<wire::Want>();
  REQUIRE(request != 0);
  bob.say(ledger.page(), 1, request);
  REQUIRE(s.ada.answered(call));
  CHECK_FALSE(s.ada.error(call));
  CHECK(s.ada.messages(s.topic).size() == 3);
}

TEST_CASE("a greeting that was under way when synced was called is no answer to it, and another follows") {
  Scene s;
  Stranger bob(s.ada, "bob");
  bob.enter(secret);
  (void)hellos(bob);
  const u32 third = s.ada.call(WaitSynced{s.topic});
  CHECK(hellos(bob) == 1);
  const u32 fourth = s.ada.call(WaitSynced{s.topic});
  CHECK(hellos(bob) == 0);
  bob.say(wire::Done{{bob.epoch, 0, {}}}, 1);
  CHECK(s.ada.answered(third));
  CHECK_FALSE(s.ada.answered(fourth));
  CHECK(hellos(bob) == 1);
  bob.say(wire::Done{{bob.epoch, 0, {}}}, 1);
  CHECK(s.ada.answered(fourth));
}

TEST_CASE("who does not answer when he is asked is believed what he said last, after ten seconds") {
  Scene s;
  Stranger bob(s.ada, "bob");
  bob.enter(secret);
  const u32 call = s.ada.call(WaitSynced{s.topic});
  alive(bob, 9'000);
  CHECK_FALSE(s.ada.answered(call));
  alive(bob, 2'000);
  CHECK(s.ada.answered(call));
  CHECK_FALSE(s.ada.error(call));
}

TEST_CASE("who goes instead of answering is waited for no more, and the next who comes answers") {
  Scene s;
  Stranger bob(s.ada, "bob");
  bob.enter(secret);
  const u32 call = s.ada.call(WaitSynced{s.topic});
  bob.close();
  s.ada.pass(60'000);
  CHECK_FALSE(s.ada.answered(call));
  Stranger eve(s.ada, "eve");
  eve.enter(secret);
  CHECK(s.ada.answered(call));
}

TEST_CASE("a greeting that came with the topic's MAC before synced was called is no answer to it") {
  Scene s;
  Stranger bob(s.ada, "bob");  // is shown the topic, with a greeting
  const u32 call = s.ada.call(WaitSynced{s.topic});
  bob.enter(secret);
  CHECK_FALSE(s.ada.answered(call));
  CHECK(hellos(bob) == 2);
  bob.say(wire::Done{{bob.epoch, 0, {}}}, 1);
  CHECK(s.ada.answered(call));
}

TEST_CASE("what is said in answer to a greeting of before the rows were read anew answers nothing") {
  Scene s;
  Stranger bob(s.ada, "bob");
  bob.enter(secret);
  const u32 call = s.ada.call(WaitSynced{s.topic});
  (void)hellos(bob);
  s.ada.next_save = SaveOutcome::failed;
  (void)s.ada.call(Append{s.topic, {}, {Solo::message("lost")}});
  bob.pass(10);
  CHECK(hellos(bob) == 1);
  bob.say(wire::Done{{bob.epoch, 1, {}}}, 1);  // to the greeting of before; what came with it is forgotten
  CHECK_FALSE(s.ada.answered(call));
  CHECK(s.ada.topics[s.topic].state == TopicState::syncing);
  for (std::size_t n = hellos(bob); n > 0; n = hellos(bob)) bob.say(wire::Done{{bob.epoch, 1, {}}}, 1);
  CHECK(s.ada.answered(call));
  CHECK(s.ada.topics[s.topic].state == TopicState::live);
}

TEST_CASE(
    "of one topic four such questions are under way at once; who asks beyond that shares one that is sent later") {
  Scene s;
  Stranger bob(s.ada, "bob");
  bob.enter(secret);
  (void)hellos(bob);
  std::vector<u32> calls;
  for (int n = 0; n < 6; ++n) calls.push_back(s.ada.call(WaitSynced{s.topic}));
  CHECK(hellos(bob) == 1);
  for (u32 call : calls) CHECK_FALSE(s.ada.answered(call));
  bob.say(wire::Done{{bob.epoch, 0, {}}}, 1);
  for (std::size_t n = 0; n < calls.size(); ++n) CHECK(s.ada.answered(calls[n]) == (n == 0));
  std::size_t asked = 0;
  for (std::size_t n = hellos(bob); n > 0; n = hellos(bob)) {
    asked += n;
    bob.say(wire::Done{{bob.epoch, 0, {}}}, 1);
  }
  for (u32 call : calls) CHECK(s.ada.answered(call));
  CHECK(asked <= 2);
}

TEST_CASE("more than thirty such questions a minute are asked as often as that allows, and each is answered") {
  Scene s;
  Stranger bob(s.ada, "bob");
  bob.enter(secret);
  (void)hellos(bob);
  std::size_t asked = 0;
  auto answer = [&] {
    for (std::size_t n = hellos(bob); n > 0; n = hellos(bob)) {
      asked += n;
      bob.say(wire::Done{{bob.epoch, 0, {}}}, 1);
    }
  };
  std::vector<u32> calls;
  for (int n = 0; n < 100; ++n) {
    calls.push_back(s.ada.call(WaitSynced{s.topic}));
    answer();
    CHECK(s.ada.answered(calls.back()) == (n < 30));
  }
  CHECK(asked == 30);
  bob.pass(2'000);
  answer();
  CHECK(asked == 31);
  for (u32 call : calls) CHECK(s.ada.answered(call));
}

TEST_CASE("who waits for his question to be sent and is alone by then is answered by the next who comes") {
  Scene s;
  Stranger bob(s.ada, "bob");
  bob.enter(secret);
  std::vector<u32> calls;
  for (int n = 0; n < 6; ++n) calls.push_back(s.ada.call(WaitSynced{s.topic}));
  bob.close();
  s.ada.pass(60'000);
  Stranger eve(s.ada, "eve");
  eve.enter(secret);
  for (u32 call : calls) CHECK(s.ada.answered(call));
}
