// Clocks that are wrong: our own, put right by those whom we are linked to; others', whose batches wait until they are due.
#include <algorithm>

#include "catch_amalgamated.hpp"
#include "unit/support/solo.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

const Secret secret = named_secret("a topic");
constexpr u64 hour_ms = 3'600'000, year_ms = u64{365} * 24 * hour_ms;

// Tells the core what time it is there.
void tells(Stranger& peer, u64 wall_ms) {
  auto ping = peer.last<wire::Ping>();
  REQUIRE(ping);
  peer.say(wire::Pong{ping->id, wall_ms});
}

u64 time_of_newest(Solo& solo, u32 topic) { return solo.ask<MessagePage>(Latest{topic, 1}).messages.at(0).time_ms; }

}  // namespace

TEST_CASE("a clock that is an hour slow is put right by three others, and not by two") {
  Solo ada("ada");
  u32 topic = ada.join(secret);
  const u64 slow = ada.wall_ms, right = slow + hour_ms;
  Stranger one(ada, "one"), two(ada, "two"), three(ada, "three");
  tells(one, right);
  tells(two, right);
  (void)ada.append(topic, "by our own clock");
  CHECK(time_of_newest(ada, topic) < slow + 1'000);
  tells(three, right);
  (void)ada.append(topic, "by theirs");
  CHECK(time_of_newest(ada, topic) >= right);
  CHECK(time_of_newest(ada, topic) < right + 1'000);
  CHECK(ada.status.skew_ms == static_cast<i64>(hour_ms));
  // Who has left is not asked any more.
  three.close();
  two.close();
  (void)ada.append(topic, "later than what was said");
  CHECK(time_of_newest(ada, topic) < right + 1'000);
}

TEST_CASE(
    "a device whose clock is days ahead is told so while too few are there to put it right, and a slow one is not") {
  for (const bool fast : {true, false}) {
    Solo ada("ada");
    (void)ada.join(secret);
    const u64 right = fast ? ada.wall_ms - 72 * hour_ms : ada.wall_ms + 72 * hour_ms;
    auto told = [&] { return ada.status.trouble.empty() ? "" : ada.status.trouble.front().text; };
    Stranger one(ada, "one"), two(ada, "two"), three(ada, "three");
    tells(one, right);
    const char*
        text = "This device's clock is 72 hours ahead of others: what is said here shows there only when it is due. Set the clock.";
    CHECK(told() == (fast ? text : ""));
    tells(two, right);
    tells(three, right);
    CHECK(told() == "");
  }
}

TEST_CASE("one liar among three does not move the clock, and clocks that differ by seconds are left alone") {
  Solo ada("ada");
  u32 topic = ada.join(secret);
  const u64 now = ada.wall_ms;
  Stranger one(ada, "one"), two(ada, "two"), three(ada, "three");
  tells(one, now + 2 * year_ms);
  tells(two, now + 20'000);
  tells(three, now - 20'000);
  (void)ada.append(topic, "m");
  CHECK(time_of_newest(ada, topic) < now + 1'000);
}

TEST_CASE("what was appended under a clock two years ahead is appended again, once, when the clock is put right") {
  Solo ada("ada");
  const u64 right = ada.wall_ms;
  ada.wall_ms += 2 * year_ms;
  u32 topic = ada.join(secret);
  (void)ada.append(topic, "ahead");
  CHECK(time_of_newest(ada, topic) > right + year_ms);
  Stranger one(ada, "one"), two(ada, "two"), three(ada, "three");
  for (Stranger* peer : {&one, &two, &three}) tells(*peer, right);
  ada.pass(10'000);
  for (Stranger* peer : {&one, &two, &three}) {
    peer->listen();
    tells(*peer, right + 10'000);
  }
  (void)ada.append(topic, "now");
  CHECK(ada.messages(topic) == std::vector<std::string>{"ahead", "now"});
  CHECK(time_of_newest(ada, topic) < right + hour_ms);
  one.enter(secret);
  auto hello = one.last<wire::Hello>();
  REQUIRE(hello);
  for (const wire::Item& item : hello->items) CHECK((item.cut == 1 || item.time_s < (right + hour_ms) / 1000));
}

TEST_CASE("a batch dated two years ahead is kept and passed on, and shown when it is due") {
  Solo ada("ada");
  u32 topic = ada.join(secret);
  (void)ada.append(topic, "ours");
  Stranger eve(ada, "eve"), bob(ada, "bob");
  eve.enter(secret);
  bob.enter(secret);
  Ledger ledger(eve.identity, *eve.keys);
  ledger.add({{log::Op::Kind::message, {}, Solo::message("early").value, {}}}, ada.wall_ms + 2 * year_ms);
  eve.say(ledger.page(), 1);
  bob.pass(1'000);
  CHECK(ada.messages(topic) == std::vector<std::string>{"ours"});
  CHECK(ada.topics[topic].held == 1);
  auto told = bob.all<wire::Items>();
  REQUIRE_FALSE(told.empty());  // it is there for whoever wants it
  CHECK(told.back().items.at(0).length == 1);
  (void)ada.append(topic, "meanwhile");
  CHECK(time_of_newest(ada, topic) < ada.wall_ms + 1'000);
  ada.wall_ms += 2 * year_ms;
  ada.turn();
  CHECK(ada.messages(topic) == std::vector<std::string>{"ours", "meanwhile", "early"});
  CHECK(ada.topics[topic].held == 0);
}

TEST_CASE("a ping is answered once: nobody moves our clock as often as he likes") {
  Solo ada("ada");
  Stranger one(ada, "one");
  tells(one, ada.wall_ms + hour_ms);
  const auto told = ada.status.skew_ms;
  tells(one, ada.wall_ms);
  ada.turn();
  CHECK(ada.status.skew_ms == told);
}

TEST_CASE("of batches dated ahead no more are asked for than a mebibyte") {
  Solo ada("ada");
  u32 topic = ada.join(secret);
  Stranger eve(ada, "eve");
  eve.enter(secret);
  Ledger ledger(eve.identity, *eve.keys);
  for (int i = 0; i < 5; ++i)
    ledger.add({{log::Op::Kind::message, {}, Bytes(250'000, 0x01), {}}}, ada.wall_ms + 2 * year_ms);
  wire::LogTag tag = eve.tag(ledger.id());
  eve.say(wire::Items{{ledger.item(tag, 5)}}, 1);
  for (u64 i = 0; i < 5; ++i) {
    auto want = eve.last<wire::Want>();
    if (!want) break;
    u32 request = eve.request<wire::Want>();
    eve.heard.clear();
    for (u64 at = want->from; at < std::min<u64>(want->from + 2, 5); ++at) {
      wire::Page page = ledger.page(at, at + 1);
      page.log = tag;
      page.last = at + 1 == std::min<u64>(want->from + 2, 5);
      eve.say(page, 1, request);
    }
  }
  CHECK(eve.linked());
  CHECK(ada.topics[topic].length == 0);
  CHECK(eve.all<wire::Want>().empty());  // it has had enough of them
}
