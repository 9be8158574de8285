// What bad luck and bad members together may bring: stores put back in several lives, damage to several rows at once, answers that trickle.

#include "unit/support/group.hpp"
#include "unit/support/made_up.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {
void visit(Group& few, sim::HostId a, sim::HostId b) {
  few.meet(a, b);
  few.part(a, b);
}
}  // namespace

TEST_CASE("a peer that trickles known pages keeps nobody else from being asked for a log") {
  for (bool trickles : {false, true}) {
    CAPTURE(trickles);
    Solo ada("ada");
    u32 topic = ada.join(secret);
    Stranger eve(ada, "eve"), carol(ada, "carol");
    eve.enter(secret);
    carol.enter(secret);
    identity::Identity bob(ada.config().app, named_seed("bob"));
    Ledger ledger(bob, *eve.keys);
    for (int i = 0; i < 5; ++i) ledger.say("bob " + std::to_string(i));
    carol.say(ledger.page(0, 1), 1);
    REQUIRE(ada.messages(topic).size() == 1);
    eve.heard.clear();
    carol.heard.clear();
    eve.say(wire::Items{{ledger.item(eve.tag(ledger.id()), 5)}}, 1);  // she has no more than the first batch
    u32 request = eve.request<wire::Want>();
    REQUIRE(request != 0);
    carol.say(wire::Items{{ledger.item(carol.tag(ledger.id()), 5)}}, 1);
    wire::Page known = ledger.page(0, 1);
    known.last = false;
    for (int n = 0; n < 60; ++n) {  // ten minutes
      for (auto* who : {&eve, &carol}) {
        who->say(wire::Ping{static_cast<u32>(n), 0});
        who->listen();
      }
      if (trickles) eve.say(known, 1, request);
      eve.pass(10'000);
      carol.listen();
      if (u32 asked = carol.request<wire::Want>(); asked != 0 && carol.last<wire::Want>()->from == 1) {
        wire::Page rest = ledger.page(1, 5);
        rest.log = carol.tag(ledger.id());
        carol.say(rest, 1, asked);
        carol.heard.clear();
      }
    }
    CHECK(eve.linked());
    CHECK(carol.linked());
    CHECK(ada.messages(topic).size() == 5);
  }
}

TEST_CASE("a peer that trickles known pages cannot keep an author from passing his hole") {
  for (bool liar : {false, true}) {
    CAPTURE(liar);
    Scene s({"0"});
    const std::optional<wire::Page> first = first_page(s.ada);
    REQUIRE(first);
    for (const char* word : {"1", "2", "3"}) (void)s.ada.append(s.topic, word);
    std::vector<Bytes> keys;
    for (auto& [k, v] : s.ada.disk.rows)
      if (k[0] == 'B') keys.push_back(k);
    s.ada.disk.rows.erase(keys.at(1));
    s.ada.start();
    s.topic = s.ada.join(secret);
    s.ada.pass(1'000);
    (void)s.ada.call(Latest{s.topic, 10});  // meets the hole
    s.ada.pass(1'000);
    Stranger bob(s.ada, "bob"), eve(s.ada, "eve");
    bob.enter(secret);
    if (liar) eve.enter(secret);
    u32 asked_bob = 0, asked_eve = 0;
    wire::LogTag tag{};
    for (int n = 0; n < 60; ++n) {
      for (const Heard& h : std::exchange(bob.heard, {}))
        if (auto want = h.as<wire::Want>()) ++asked_bob, bob.say(wire::NoPage{want->log}, 1, h.header.request);
      for (const Heard& h : std::exchange(eve.heard, {}))
        if (auto want = h.as<wire::Want>()) asked_eve = h.header.request, tag = want->log;
      bob.say(wire::Ping{static_cast<u32>(n), 0});
      if (liar) eve.say(wire::Ping{static_cast<u32>(n), 0});
      if (liar && asked_eve != 0) {
        wire::Page known = *first;
        known.last = false;
        eve.say(known, 1, asked_eve);
      }
      s.ada.pass(5'000);
      bob.listen();
      eve.listen();
    }
    CAPTURE(asked_bob, asked_eve);
    CHECK(bob.linked());
    u64 incarnations = 0;
    for (auto& [k, v] : s.ada.disk.rows) incarnations += k[0] == 'L';
    CHECK(incarnations == 2);  // what stands behind the hole is said again
  }
}

// Two logs of one device that void each other: whoever holds the one from its void on learns of the other's void whatever the way.
TEST_CASE("what is said again fits its batch, whatever fields a newer core gave it") {
  Solo ada("ada");
  u32 topic = ada.join(secret);
  Stranger eve(ada, "eve");
  eve.enter(secret);
  identity::Identity self = ada.identity();
  Ledger mine(self, *eve.keys, 5);
  // A newer core of this device wrote it under a clock that was ahead; its store was lost, and the app is an older one now.
  for (int n = 0; n < 30; ++n) {
    log::Op op{log::Op::Kind::message, {}, Solo::message("f" + std::to_string(n)).value, {}};
    op.fields = {{200, Bytes(4000, 7)}};
    mine.add({op}, ada.wall_ms + 7'200'000);
  }
  for (u64 n = 0; n < 30; n += 10) {
    wire::Page page = mine.page(n, n + 10);
    page.log = eve.tag(mine.id());
    eve.say(page, 1);
  }
  CHECK(ada.topics[topic].held == 30);
  (void)ada.append(topic, "x");
  ada.pass(5'000);
  CHECK(ada.messages(topic).size() == 31);
}

// Two copies of one device run at once; both, and who meets them, show all that either said, and it comes to rest.
TEST_CASE("of presences a member hears what the table says, also without an anchor between") {
  Solo ada("ada");
  u32 topic = ada.join(secret);
  (void)topic;
  // says that she is an anchor, so that she may speak for others
  Stranger eve(ada, "eve", {.greeting = {.role = 1, .epoch = {1}}});
  eve.keys = identity::topic_keys(secret);
  eve.enter(secret);
  Stranger mallory(ada, "mallory");
  mallory.enter(secret);
  const std::size_t n = 3'000;
  u64 heard = 0;
  std::optional<Bytes> before;
  for (u64 i = 1; i <= n; ++i) {  // within one moment
    mallory.say(said_by(mallory.identity, *mallory.keys, presence_kind, i, Solo::message(std::to_string(i)).value), 1);
    if (ada.presence[mallory.identity.id()] != before) ++heard, before = ada.presence[mallory.identity.id()];
  }
  CAPTURE(heard);
  CHECK(heard <= wire::price_of(wire::Tag::presence).rate.burst);
}

TEST_CASE("presence is heard again after a clock that was ahead was put right") {
  Group few;
  sim::HostId ada = few.add(), bob = few.add();
  std::map<DeviceId, std::optional<Bytes>> seen;
  few.world.on_notice = [&](sim::HostId host, const Action& action) {
    if (host == bob)
      if (auto* p = std::get_if<PresenceNotice>(&action)) seen[p->device] = p->value;
  };
  few.world.set_skew(ada, 86'400'000);
  few.world.run_for(100);
  (void)few.ask<Nothing>(ada, SetPresence{few.topic[ada], Solo::message("early").value});
  few.meet(ada, bob);
  const DeviceId id = few.world.device(ada);
  REQUIRE(seen[id] == Solo::message("early").value);
  few.part(ada, bob);
  few.world.set_skew(ada, 0);
  few.restart(ada, [](sim::Disk&) {});
  (void)few.ask<Nothing>(ada, SetPresence{few.topic[ada], Solo::message("now").value});
  few.meet(ada, bob);
  CHECK(seen[id] == Solo::message("now").value);
}

TEST_CASE("who comes later is counted as a copy of what stands before a void") {
  Group few;
  sim::HostId ada = few.add(), bob = few.add(), eve = few.add(), carol = few.add(), dan = few.add();
  const std::string zero = few.say(ada, "0");
  visit(few, ada, bob);
  sim::Disk::Rows copy = few.world.disk(ada)->rows;
  few.say(ada, "1");
  visit(few, ada, eve);
  few.restart(ada, [&](sim::Disk& disk) { disk.rows = copy; });
  few.say(ada, "2");
  few.meet(ada, eve);
  REQUIRE(few.words(ada) == Words{"0", "1", "2"});
  few.meet(ada, carol);
  few.meet(ada, dan);
  few.meet(ada, bob);
  few.world.run_for(60'000);
  REQUIRE(few.words(carol) == Words{"0", "1", "2"});
  bool done = false;
  few.world.call(ada, WaitCopies{few.topic[ada], zero, 4, false},
                 [&](const ReplyBody* reply) { done = reply && std::holds_alternative<Nothing>(*reply); });
  few.world.run_until([&] { return done; }, 120'000);
  CHECK(done);
}

TEST_CASE(
    "a device whose store is put back to one copy again and again loses nothing, though different peers have seen different lives") {
  Group few;
  sim::HostId ada = few.add(), bob = few.add(), eve = few.add();
  few.say(ada, "0");
  const sim::Disk::Rows copy = few.world.disk(ada)->rows;
  auto life = [&](const char* word, sim::HostId other) {
    few.say(ada, word);
    visit(few, ada, other);
    few.restart(ada, [&](sim::Disk& disk) { disk.rows = copy; });
  };
  life("1", bob);
  life("x", eve);
  life("3", bob);  // takes "1" back, under its first id
  life("4", eve);  // takes "x" back, under its first id, which is the same
  few.say(ada, "5");
  for (int n = 0; n < 3; ++n) {
    visit(few, ada, bob);
    visit(few, ada, eve);
    visit(few, bob, eve);
  }
  few.say(ada, "6");
  few.meet(ada, bob);
  few.meet(ada, eve);
  few.restart(ada, [](sim::Disk&) {});
  few.meet(ada, bob);
  few.meet(ada, eve);
  for (sim::HostId host : {ada, bob, eve}) {
    CAPTURE(host);
    CHECK(few.words(host) == Words{"0", "1", "3", "4", "5", "6", "x"});
    CHECK(few.digest(host) == few.digest(ada));
  }
}

TEST_CASE("what was said under a clock ahead before and after a store was put back is all there") {
  Group few;
  sim::HostId ada = few.add(), bob = few.add();
  few.say(ada, "0");
  const sim::Disk::Rows copy = few.world.disk(ada)->rows;
  for (const char* word : {"1", "2"}) {
    few.world.set_skew(ada, 3'600'000);
    few.say(ada, word);
    few.world.set_skew(ada, 0);
    few.world.run_for(2'000);
    if (word[0] == '2') break;
    visit(few, ada, bob);
    few.restart(ada, [&](sim::Disk& disk) { disk.rows = copy; });
  }
  few.meet(ada, bob);
  few.say(ada, "3");
  few.world.run_for(60'000);
  for (sim::HostId host : {ada, bob}) {
    CAPTURE(host);
    CHECK(few.words(host) == Words{"0", "1", "2", "3"});
  }
}

TEST_CASE("what two lives have each said again under a new id is shown once") {
  Group few;
  sim::HostId ada = few.add(), bob = few.add(), eve = few.add();
  few.say(ada, "0");
  const sim::Disk::Rows first = few.world.disk(ada)->rows;
  few.say(ada, "3");
  for (sim::HostId other : {bob, eve}) visit(few, ada, other);
  few.restart(ada, [&](sim::Disk& disk) { disk.rows = first; });
  few.say(ada, "5");  // in the place of "3"
  const sim::Disk::Rows second = few.world.disk(ada)->rows;
  visit(few, ada, bob);
  few.restart(ada, [&](sim::Disk& disk) { disk.rows = second; });
  visit(few, ada, eve);
  for (int n = 0; n < 2; ++n) {
    few.meet(bob, eve);
    few.meet(ada, bob);
    few.meet(ada, eve);
    few.part(ada, bob);
    few.part(ada, eve);
    few.part(bob, eve);
  }
  few.say(ada, "6");
  few.meet(ada, bob);
  few.meet(ada, eve);
  for (sim::HostId host : {ada, bob, eve}) {
    CAPTURE(host);
    CHECK(few.words(host) == Words{"0", "3", "5", "6"});
  }
}

TEST_CASE("a damaged row of an own log of a former life is mended from who holds it") {
  for (int how = 0; how < 3; ++how)
    for (std::size_t nth : {0u, 1u, 2u})
      for (bool read : {true, false}) {
        CAPTURE(how, nth, read);
        Group few;
        sim::HostId ada = few.add(), eve = few.add();
        const sim::Disk::Rows empty = few.world.disk(ada)->rows;
        for (const char* word : {"0", "1", "2"}) few.say(ada, word);
        visit(few, ada, eve);
        few.restart(ada, [&](sim::Disk& disk) { disk.rows = empty; });
        visit(few, ada, eve);
        few.restart(ada, [&](sim::Disk& disk) { harm(disk, few.rows(ada, 'B').at(nth), static_cast<Harm>(how)); });
        if (read) (void)few.words(ada);
        few.say(ada, "3");
        few.meet(ada, eve);
        for (int n = 0; n < 3; ++n) {
          (void)few.words(ada);
          few.world.run_for(60'000);
        }
        CHECK(few.words(ada) == Words{"0", "1", "2", "3"});
        CHECK(few.digest(ada) == few.digest(eve));
      }
}

TEST_CASE("a batch that is lost together with the indexes is noticed, reported and fetched again") {
  for (bool own : {true, false})
    for (Harm how : {Harm::lost, Harm::bent}) {
      CAPTURE(own, how);
      Group few;
      sim::HostId ada = few.add(), eve = few.add();
      const sim::HostId victim = own ? ada : eve;
      for (const char* word : {"0", "1", "2"}) few.say(ada, word);
      visit(few, ada, eve);
      few.restart(victim, [&](sim::Disk& disk) {
        harm(disk, few.rows(victim, 'B').at(2), how);
        for (const Bytes& key : few.rows(victim, 'X')) harm(disk, key, Harm::bent);
      });
      (void)few.words(victim);
      CHECK(few.troubled(victim, Code::storage_lost));
      few.meet(ada, eve);
      for (int n = 0; n < 5; ++n) {
        (void)few.words(victim);
        few.world.run_for(60'000);
      }
      CHECK(few.words(victim) == Words{"0", "1", "2"});
      CHECK(few.digest(ada) == few.digest(eve));
    }
}

// A map entry, as in A: the accepted value is gone everywhere.
TEST_CASE("a map entry that was set after a store was put back is not lost to one that a life before had set") {
  Group few;
  sim::HostId ada = few.add(), bob = few.add(), eve = few.add();
  few.say(ada, "0");
  const sim::Disk::Rows copy = few.world.disk(ada)->rows;
  auto put = [&](const char* key, const char* value) {
    (void)few.ask<Appended>(ada, Append{few.topic[ada], {}, {Solo::set(key, value)}});
  };
  auto life = [&](const char* key, sim::HostId other) {
    put(key, "v");
    visit(few, ada, other);
    few.restart(ada, [&](sim::Disk& disk) { disk.rows = copy; });
  };
  life("a", bob);
  life("b", eve);
  life("c", bob);
  life("d", eve);
  put("e", "v");
  for (int n = 0; n < 3; ++n) {
    visit(few, ada, bob);
    visit(few, ada, eve);
    visit(few, bob, eve);
  }
  for (sim::HostId host : {ada, bob, eve}) {
    Words keys;
    for (const auto& entry : few.ask<MapPage>(host, MapEntries{few.topic[host], "", {}, 100}).entries)
      keys.push_back(entry.key);
    CHECK(keys == Words{"a", "b", "c", "d", "e"});
  }
}

TEST_CASE("a member cannot keep an anchor from fetching an author's own log from its author") {
  for (bool trickles : {false, true}) {
    CAPTURE(trickles);
    Solo anchor("anchor", anchor_config());
    Stranger bob(anchor, "bob"), eve(anchor, "eve");
    bob.enter(secret);
    eve.enter(secret);
    Ledger ledger(bob.identity, *bob.keys);
    for (int i = 0; i < 5; ++i) ledger.say("bob " + std::to_string(i));
    bob.say(ledger.page(0, 1), 1);
    eve.heard.clear();
    eve.say(wire::Items{{ledger.item(eve.tag(ledger.id()), 5)}}, 1);
    const u32 request = eve.request<wire::Want>();
    REQUIRE(request != 0);
    bob.say(wire::Items{{ledger.item(bob.tag(ledger.id()), 5)}}, 1);  // what did not fit into the answer to a greeting
    bool asked = false;
    for (int n = 0; n < 60; ++n) {
      for (auto* who : {&eve, &bob}) who->say(wire::Ping{static_cast<u32>(n), 0});
      wire::Page known = ledger.page(0, 1);
      known.last = false;
      if (trickles) eve.say(known, 1, request);
      eve.pass(10'000);
      bob.listen();
      asked |= bob.request<wire::Want>() != 0;
    }
    CHECK(bob.linked());
    CHECK(asked);
  }
}
