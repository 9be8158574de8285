// What was accepted and does not count where it stands is appended again: all of it, once, and by whatever way it was lost.
#include <algorithm>

#include "catch_amalgamated.hpp"
#include "sim/world.hpp"
#include "unit/support/solo.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

const Secret secret = named_secret("a topic");
using Words = std::vector<std::string>;

Words sorted(Words words) {
  std::ranges::sort(words);
  return words;
}

// A few devices in one topic, linked as the test says.
struct Few {
  sim::World world{11};
  std::map<sim::HostId, u32> topic;
  sim::HostId add() {
    sim::HostId host = world.add({.name = {}, .rtc = false, .anchors = {}, .device_seed = {}, .disk = {}});
    open(host);
    return host;
  }
  void open(sim::HostId host) {
    identity::Invite invite;
    std::copy_n(identity::network_id("sim").bytes.begin(), 4, invite.network_tag.begin());
    invite.secret = secret;
    topic[host] = ask<OpenedTopic>(host, TopicJoin{identity::encode_invite(invite), {}}).topic;
  }
  template <class R>
  R ask(sim::HostId host, CallBody body) {
    std::optional<ReplyBody> got;
    world.call(host, std::move(body), [&](const ReplyBody* reply) { if (reply) got = *reply; });
    bool answered = world.run_until([&] { return got.has_value(); }, 30'000);
    REQUIRE(answered);
    REQUIRE(std::holds_alternative<R>(*got));
    return std::get<R>(*got);
  }
  std::string say(sim::HostId host, std::string_view text) { return ask<Appended>(host, Append{topic[host], {}, {Solo::message(text)}}).id; }
  Words words(sim::HostId host) {
    Words out;
    for (const MessageOut& m : ask<MessagePage>(host, Latest{topic[host], 256}).messages) out.emplace_back(text(ByteView(m.value).subspan(2)));
    return sorted(out);
  }
  void meet(sim::HostId a, sim::HostId b) {
    world.connect(a, b);
    world.run_for(20'000);
  }
  void part(sim::HostId a, sim::HostId b) {
    world.disconnect(a, b);
    world.run_for(1'000);
  }
};

}  // namespace

TEST_CASE("a lost branch of which peers hold different parts is taken back whole, and no part of it twice") {
  for (bool longer_first : {false, true}) {
    CAPTURE(longer_first);
    Few few;
    sim::HostId ada = few.add(), bob = few.add(), eve = few.add();
    few.say(ada, "0");
    sim::Disk::Rows backup = few.world.disk(ada)->rows;
    few.say(ada, "1");
    few.meet(ada, bob);
    few.part(ada, bob);
    few.say(ada, "2");
    few.meet(ada, eve);
    few.part(ada, eve);
    few.world.crash(ada);
    few.world.disk(ada)->rows = backup;
    few.world.restart(ada);
    few.open(ada);
    few.say(ada, "3");                                        // in the place of "1"
    for (sim::HostId other : longer_first ? std::vector{eve, bob} : std::vector{bob, eve}) {
      few.meet(ada, other);
      few.part(ada, other);
    }
    CHECK(few.words(ada) == Words{"0", "1", "2", "3"});
    few.meet(ada, bob);
    few.meet(ada, eve);
    for (sim::HostId host : {bob, eve}) CHECK(few.words(host) == few.words(ada));
  }
}

TEST_CASE("what a device said after its store was put back survives a void that a life before had declared") {
  Few few;
  sim::HostId ada = few.add(), bob = few.add();
  few.say(ada, "0");
  sim::Disk::Rows first = few.world.disk(ada)->rows;
  few.say(ada, "1");
  few.meet(ada, bob);
  few.part(ada, bob);
  for (const char* word : {"2", "3"}) {                       // twice the same backup
    few.world.crash(ada);
    few.world.disk(ada)->rows = first;
    few.world.restart(ada);
    few.open(ada);
    few.say(ada, word);
    few.meet(ada, bob);
    few.part(ada, bob);
  }
  CHECK(few.words(ada) == Words{"0", "1", "2", "3"});
  CHECK(few.words(bob) == few.words(ada));
}

TEST_CASE("own batches dated ahead are appended again, of whatever incarnation they are") {
  Solo ada("ada");
  u32 topic = ada.join(secret);
  ada.wall_ms += 7'200'000;
  (void)ada.append(topic, "a");
  ada.next_save = SaveOutcome::unknown;
  (void)ada.call(Append{topic, {}, {Solo::message("in doubt")}});
  ada.pass(6'000);
  (void)ada.append(topic, "b");                               // so this is another incarnation
  ada.wall_ms -= 7'200'000;
  ada.pass(1'000);
  CHECK(sorted(ada.messages(topic)) == Words{"a", "b"});
  CHECK(ada.topics[topic].held == 0);
  (void)ada.append(topic, "c");
  CHECK(ada.messages(topic).back() == "c");
}

TEST_CASE("who appends in the very turn in which the clock was put back is dated by it, and so is what was dated ahead") {
  Solo ada("ada");
  u32 topic = ada.join(secret);
  constexpr u64 year_ms = 365ull * 86'400'000;
  ada.wall_ms += year_ms;
  (void)ada.append(topic, "ahead");
  ada.wall_ms -= year_ms;
  (void)ada.append(topic, "now");
  CHECK(ada.messages(topic) == Words{"ahead", "now"});
  for (const MessageOut& m : ada.ask<MessagePage>(Latest{topic, 10}).messages) CHECK(m.time_ms <= ada.wall_ms + 1'000);
  CHECK(ada.topics[topic].held == 0);
}

TEST_CASE("what is appended behind a head that is dated ahead is seen at once, also while the disk has just failed") {
  Solo ada("ada");
  u32 topic = ada.join(secret);
  ada.wall_ms += 7'200'000;
  (void)ada.append(topic, "a");
  ada.next_save = SaveOutcome::full;
  (void)ada.call(MarkRead{topic, {}});                        // fails, and for a while nothing is written unasked
  ada.wall_ms -= 7'200'000;
  (void)ada.append(topic, "b");
  CHECK(std::ranges::count(ada.messages(topic), "b") == 1);
  ada.pass(20'000);
  CHECK(sorted(ada.messages(topic)) == Words{"a", "b"});
}

TEST_CASE("a topic closes once all that was asked to be appended is stored and answered") {
  Solo ada("ada");
  u32 topic = ada.join(secret);
  ada.answers_saves = false;
  std::vector<u32> calls;
  for (const char* word : {"a", "b", "c"}) calls.push_back(ada.call(Append{topic, {}, {Solo::message(word)}}));
  u32 close = ada.call(TopicClose{topic}), late = ada.call(Append{topic, {}, {Solo::message("late")}});
  CHECK(ada.error(late) == Code::closed);
  CHECK_FALSE(ada.answered(close));
  ada.answers_saves = true;
  for (int i = 0; i < 4; ++i) ada.pass(10);
  for (u32 call : calls) {
    REQUIRE(ada.answered(call));
    CHECK_FALSE(ada.error(call));
  }
  CHECK(ada.answered(close));
  topic = ada.join(secret);
  CHECK(ada.messages(topic) == Words{"a", "b", "c"});
}

TEST_CASE("a topic that is opened again while it is being closed or left is open afterwards") {
  for (bool leaving : {false, true}) {
    CAPTURE(leaving);
    Solo ada("ada");
    u32 topic = ada.join(secret);
    std::string invite = ada.ask<Text>(TopicInvite{topic}).text;
    ada.answers_saves = false;
    u32 said = ada.call(Append{topic, {}, {Solo::message("a")}});
    u32 closed = leaving ? ada.call(TopicLeave{topic, false}) : ada.call(TopicClose{topic});
    u32 opened = ada.call(TopicJoin{invite, {}});
    CHECK_FALSE(ada.answered(opened));
    ada.answers_saves = true;
    for (int i = 0; i < 4; ++i) ada.pass(10);
    CHECK_FALSE(ada.error(said));
    CHECK_FALSE(ada.error(closed));
    REQUIRE(ada.answered(opened));
    (void)ada.append(topic, "b");
    CHECK(ada.messages(topic) == Words{"a", "b"});
  }
}

TEST_CASE("a topic that was closed and opened again while its rows were being read is open afterwards") {
  Solo ada("ada");
  u32 topic = ada.join(secret);
  std::string invite = ada.ask<Text>(TopicInvite{topic}).text;
  ada.answers_reads = false;
  ada.next_save = SaveOutcome::failed;
  (void)ada.call(Append{topic, {}, {Solo::message("not kept")}});
  u32 said = ada.call(Append{topic, {}, {Solo::message("a")}}), closed = ada.call(TopicClose{topic}), opened = ada.call(TopicJoin{invite, {}});
  CHECK_FALSE(ada.answered(opened));
  ada.answers_reads = true;
  for (int i = 0; i < 8; ++i) ada.pass(1'000);
  for (u32 call : {said, closed, opened}) {
    REQUIRE(ada.answered(call));
    CHECK_FALSE(ada.error(call));
  }
  (void)ada.append(topic, "b");
  CHECK(ada.messages(topic) == Words{"a", "b"});
}

TEST_CASE("after a disk was full nothing is taken in for a while, and all of it is fetched then") {
  Solo ada("ada");
  u32 topic = ada.join(secret);
  Stranger eve(ada, "eve");
  eve.enter(secret);
  Ledger ledger(eve.identity, *eve.keys);
  for (int i = 0; i < 3; ++i) ledger.say("theirs");
  ada.next_save = SaveOutcome::full;
  eve.say(ledger.page(), 1);
  eve.say(wire::Done{{eve.epoch, 3, {}}}, 1);
  eve.heard.clear();
  auto rows = ada.disk.rows;
  for (int i = 0; i < 5; ++i) eve.say(ledger.page(), 1);      // as a peer does that pushes in answer to each greeting
  CHECK(ada.disk.rows == rows);
  CHECK(eve.all<wire::Hello>().empty());
  eve.pass(6'000);
  auto want = eve.last<wire::Want>();
  REQUIRE(want);
  eve.say(ledger.page(), 1, eve.request<wire::Want>());
  CHECK(ada.messages(topic).size() == 3);
  CHECK(eve.linked());
}

TEST_CASE("an answer to what was asked before the rows were read again is no breach of the rules") {
  Solo ada("ada");
  u32 topic = ada.join(secret);
  Stranger eve(ada, "eve");
  eve.enter(secret);
  Ledger ledger(eve.identity, *eve.keys);
  for (int i = 0; i < 3; ++i) ledger.say("theirs");
  eve.say(wire::Items{{ledger.item(eve.tag(ledger.id()), 3)}}, 1);
  u32 request = eve.request<wire::Want>();
  REQUIRE(request != 0);
  ada.next_save = SaveOutcome::failed;
  (void)ada.call(Append{topic, {}, {Solo::message("not kept")}});
  eve.say(ledger.page(), 1, request);
  CHECK(eve.linked());
}
