// What was accepted and does not count where it stands is appended again: all of it, once, and by whatever way it was lost.
#include "sim/rows.hpp"
#include "unit/support/group.hpp"

using namespace perdure;
using namespace perdure::test;

TEST_CASE("a lost branch of which peers hold different parts is taken back whole, and no part of it twice") {
  for (bool longer_first : {false, true}) {
    CAPTURE(longer_first);
    Group few;
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
    few.say(ada, "3");  // in the place of "1"
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
  Group few;
  sim::HostId ada = few.add(), bob = few.add();
  few.say(ada, "0");
  sim::Disk::Rows first = few.world.disk(ada)->rows;
  few.say(ada, "1");
  few.meet(ada, bob);
  few.part(ada, bob);
  for (const char* word : {"2", "3"}) {  // twice the same backup
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

TEST_CASE(
    "a device whose store is put back to the same copy ten times in a row loses nothing, whatever it says each time") {
  for (bool equal : {true, false})
    for (bool late : {false, true}) {  // says it before it has met anybody, or after
      CAPTURE(equal, late);
      Group few;
      sim::HostId ada = few.add(), bob = few.add();
      few.say(ada, "0");
      few.meet(ada, bob);
      few.part(ada, bob);
      sim::Disk::Rows copy = few.world.disk(ada)->rows;
      Words all = {"0"};
      for (int n = 0; n < 10; ++n) {
        few.world.crash(ada);
        few.world.disk(ada)->rows = copy;
        few.world.restart(ada);
        few.open(ada);
        all.push_back(equal ? "same" : "other " + std::to_string(n));
        if (late) few.meet(ada, bob);
        few.say(ada, all.back().c_str());
        if (late) few.world.run_for(20'000);
        else few.meet(ada, bob);
        few.part(ada, bob);
        CHECK(sorted(few.words(bob)) == sorted(all));
        CHECK(sorted(few.words(ada)) == sorted(all));
      }
    }
}

TEST_CASE(
    "the id of a receipt leads to what it was given for, by whatever it is asked, though another life has given it out as well") {
  Group few;
  sim::HostId ada = few.add(), bob = few.add();
  few.say(ada, "0");
  const sim::Disk::Rows copy = few.world.disk(ada)->rows;
  const std::string first = few.say(ada, "1");
  few.meet(ada, bob);
  few.part(ada, bob);
  few.restart(ada, [&](sim::Disk& disk) { disk.rows = copy; });
  const std::string second = few.say(ada, "2");
  REQUIRE(second == first);
  few.meet(ada, bob);
  const u32 topic = few.topic[ada];
  auto said = [](const MessagePage& page) {
    Words out;
    for (const MessageOut& m : page.messages) out.emplace_back(text(ByteView(m.value).subspan(2)));
    return out;
  };
  CHECK(said(few.ask<MessagePage>(ada, GetMessage{topic, second})) == Words{"2"});
  CHECK(said(few.ask<MessagePage>(bob, GetMessage{few.topic[bob], first})) == Words{"1"});
  CHECK(said(few.ask<MessagePage>(ada, Messages{topic, second, {}, 10, false})) == Words{"0", "1"});
  const auto copies = few.ask<CopyList>(ada, GetCopies{topic, second});
  CHECK(copies.here);
  CHECK(copies.peers == std::vector{few.world.device(bob)});
  few.say(bob, "3");
  few.world.run_for(1'000);
  (void)few.ask<Nothing>(ada, MarkRead{topic, second});
  CHECK(few.world.topics(ada)[topic].unread == 1);
}

TEST_CASE("own batches dated ahead are appended again, of whatever incarnation they are") {
  Solo ada("ada");
  u32 topic = ada.join(secret);
  ada.wall_ms += 7'200'000;
  (void)ada.append(topic, "a");
  ada.next_save = SaveOutcome::unknown;
  (void)ada.call(Append{topic, {}, {Solo::message("in doubt")}});
  ada.pass(6'000);
  (void)ada.append(topic, "b");  // so this is another incarnation
  ada.wall_ms -= 7'200'000;
  ada.pass(1'000);
  CHECK(sorted(ada.messages(topic)) == Words{"a", "b"});
  CHECK(ada.topics[topic].held == 0);
  (void)ada.append(topic, "c");
  CHECK(ada.messages(topic).back() == "c");
}

TEST_CASE(
    "who appends in the very turn in which the clock was put back is dated by it, and so is what was dated ahead") {
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

TEST_CASE("a clock that is put back again and again leaves own messages in the order in which they were said") {
  Solo ada("ada");
  u32 topic = ada.join(secret);
  ada.wall_ms += 10 * 3'600'000;
  const Words said = {"a", "b", "c", "d", "e", "f"};
  for (const std::string& word : said) {
    (void)ada.append(topic, word.c_str());
    ada.wall_ms -= 3'600'000;  // each time a new incarnation, and their ids are in no order
    ada.pass(1'000);
  }
  CHECK(ada.messages(topic) == said);
  CHECK(ada.topics[topic].held == 0);
}

TEST_CASE("what is appended behind a head that is dated ahead is seen at once, also while the disk has just failed") {
  Solo ada("ada");
  u32 topic = ada.join(secret);
  ada.wall_ms += 7'200'000;
  (void)ada.append(topic, "a");
  ada.next_save = SaveOutcome::full;
  (void)ada.call(MarkRead{topic, {}});  // fails, and for a while nothing is written unasked
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
  u32 said = ada.call(Append{topic, {}, {Solo::message("a")}}), closed = ada.call(TopicClose{topic}),
      opened = ada.call(TopicJoin{invite, {}});
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
  for (int i = 0; i < 5; ++i) eve.say(ledger.page(), 1);  // as a peer does that pushes in answer to each greeting
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

TEST_CASE(
    "what stands behind a batch of ours that is lost and held by nobody reaches others all the same, and the loss is reported") {
  Group few;
  sim::HostId ada = few.add(), bob = few.add();
  for (const char* word : {"0", "1", "2", "3"}) few.say(ada, word);
  few.restart(ada, [&](sim::Disk& disk) { harm(disk, few.rows(ada, 'B').at(1), Harm::lost); });
  CHECK(few.words(ada) == Words{"0", "2", "3"});  // meets the hole
  few.meet(ada, bob);
  CHECK(few.words(ada) == Words{"0", "2", "3"});
  CHECK(few.words(bob) == few.words(ada));
  CHECK(few.troubled(ada, Code::storage_lost));
  few.say(ada, "4");
  few.world.run_for(5'000);
  CHECK(few.words(bob) == Words{"0", "2", "3", "4"});
  CHECK(few.digest(bob) == few.digest(ada));
  few.restart(ada, [](sim::Disk&) {});  // once, not with each life
  few.meet(ada, bob);
  CHECK(few.words(bob) == Words{"0", "2", "3", "4"});
  CHECK(few.troubled(ada, Code::storage_lost));
}

TEST_CASE("a lost batch that somebody shows after all counts again, once, and so does all behind it") {
  for (std::size_t nth : {0u, 1u}) {
    for (int how = 0; how < 4; ++how) {
      const bool longer = how % 2 == 1;  // whether who shows it holds what is behind it, too
      const bool told = how / 2 == 1;    // … and has heard of the void first
      CAPTURE(nth, longer, told);
      const Words all{"0", "1", "2", "3"};
      Group few;
      sim::HostId ada = few.add(), bob = few.add(), eve = few.add();
      for (std::size_t i = 0; i < all.size(); ++i) {
        few.say(ada, all[i]);
        if (i != (longer ? all.size() - 1 : nth)) continue;
        few.meet(ada, eve);
        few.part(ada, eve);
      }
      few.restart(ada, [&](sim::Disk& disk) { harm(disk, few.rows(ada, 'B').at(nth), Harm::lost); });
      (void)few.words(ada);
      few.meet(ada, bob);  // who has none of it
      Words rest = all;
      rest.erase(rest.begin() + static_cast<std::ptrdiff_t>(nth));
      CHECK(few.words(bob) == rest);
      if (told) {
        few.meet(bob, eve);
        few.part(bob, eve);
      }
      few.meet(ada, eve);
      few.world.run_for(60'000);
      for (sim::HostId host : {ada, bob, eve}) {
        CHECK(few.words(host) == all);
        CHECK(few.digest(host) == few.digest(ada));
      }
      CHECK_FALSE(few.troubled(ada, Code::storage_lost));
    }
  }
}

TEST_CASE("a lost batch is taken from who is there and has it, and nothing is said twice") {
  Group few;
  sim::HostId ada = few.add(), bob = few.add();
  few.meet(ada, bob);
  for (const char* word : {"0", "1", "2"}) few.say(ada, word);
  few.world.run_for(1'000);
  few.restart(ada, [&](sim::Disk& disk) { harm(disk, few.rows(ada, 'B').at(1), Harm::bent); });
  few.meet(ada, bob);
  (void)few.words(ada);
  few.world.run_for(40'000);
  CHECK(few.words(ada) == Words{"0", "1", "2"});
  CHECK(few.rows(ada, 'B').size() == 3);
  CHECK(few.digest(bob) == few.digest(ada));
  CHECK_FALSE(few.troubled(ada, Code::storage_lost));
}

TEST_CASE(
    "what stood behind a void and was not said again is asked for of each peer that comes, also by a later life") {
  Group few;
  sim::HostId ada = few.add(), bob = few.add(), eve = few.add();
  few.say(ada, "0");
  sim::Disk::Rows backup = few.world.disk(ada)->rows;
  few.say(ada, "1");
  few.meet(ada, bob);
  few.part(ada, bob);
  few.say(ada, "2");
  few.meet(ada, eve);
  few.part(ada, eve);
  few.restart(ada, [&](sim::Disk& disk) { disk.rows = backup; });
  few.say(ada, "3");
  few.meet(ada, bob);  // voids "1" and what was behind it, and takes "1" back
  CHECK(few.words(ada) == Words{"0", "1", "3"});
  few.restart(ada, [](sim::Disk&) {});
  few.meet(bob, eve);  // who hears of the void first from another
  few.part(bob, eve);
  few.meet(ada, eve);
  for (sim::HostId host : {ada, eve}) CHECK(few.words(host) == Words{"0", "1", "2", "3"});
  few.meet(ada, bob);
  CHECK(few.words(bob) == few.words(ada));
}

TEST_CASE("what a peer gives back of a log that was voided meanwhile is said again, once") {
  Solo ada("ada");
  u32 topic = ada.join(secret);
  ada.wall_ms += 7'200'000;
  (void)ada.append(topic, "0");
  auto backup = ada.disk.rows;
  Stranger bob(ada, "bob");
  bob.enter(secret);
  auto first = bob.last<wire::Page>();
  REQUIRE(first);
  bob.heard.clear();
  (void)ada.append(topic, "1");
  bob.listen();
  auto second = bob.last<wire::Page>();
  REQUIRE(second);
  REQUIRE(second->from == 1);
  ada.disk.rows = backup;
  ada.wall_ms -= 7'200'000;  // "0" is dated ahead now: its log is voided from the first batch on
  ada.start();
  topic = ada.join(secret);
  ada.pass(1'000);
  REQUIRE(ada.messages(topic) == Words{"0"});
  Stranger again(ada, "bob");
  again.enter(secret);
  const u64 incarnation = incarnation_of(*first);
  second->log = again.tag(again.log_of(ada.id(), incarnation));
  for (int i = 0; i < 2; ++i) again.say(*second, 1);
  again.pass(1'000);
  CHECK(again.linked());
  CHECK(sorted(ada.messages(topic)) == Words{"0", "1"});
  ada.start();
  topic = ada.join(secret);
  ada.pass(1'000);
  CHECK(sorted(ada.messages(topic)) == Words{"0", "1"});
}

TEST_CASE("what is appended again in two parts, one of them dated ahead, names the logs that have grown once") {
  Group few;
  sim::HostId ada = few.add(), bob = few.add();
  few.say(ada, "0");
  const sim::Disk::Rows backup = few.world.disk(ada)->rows;
  few.say(ada, "1");
  few.world.hold_wall(ada, few.world.wall(ada) + 7'200'000);
  few.say(ada, "2");
  few.meet(ada, bob);
  few.say(bob, "3");
  few.part(ada, bob);
  few.world.crash(ada);
  few.world.disk(ada)->rows = backup;
  few.world.hold_wall(ada, few.world.wall(bob));
  few.world.restart(ada);
  few.open(ada);
  few.say(ada, "4");
  few.meet(ada, bob);
  const auto keys = identity::topic_keys(secret);
  const NetworkId network = identity::network_id("sim");
  const DeviceId device = few.world.device(ada);
  std::size_t said_again = 0;
  sim::DiskRows rows(*few.world.disk(ada));
  for (const sim::StoredLog& log : sim::logs_on(*few.world.disk(ada))) {
    if (log.state.opening.device != device) continue;
    const LogId id = identity::log_id(network, keys.id, device, log.state.opening.incarnation);
    std::set<std::pair<Bytes, u64>> named;
    for (u64 index = 0; index < log.state.held; ++index) {
      const auto sealed = rows.get(store::key('B', log.topic, log.no, static_cast<u32>(index)));
      REQUIRE(sealed);
      const auto plain = log::unseal_batch(keys, {network, keys.id, id, index}, *sealed);
      const auto batch = log::decode_batch(plain.value(), id);
      REQUIRE(batch);
      for (const log::Op& op : batch->ops) said_again += op.says ? 1 : 0;
      for (const log::Dep& dep : batch->deps) {
        const bool once = named.emplace(own(dep.log), dep.length).second;
        CHECK(once);
      }
    }
  }
  CHECK(said_again >= 2);
}
