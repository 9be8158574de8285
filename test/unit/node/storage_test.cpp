// Disks that fail, are full or slow, and rows of another version: the caller gets a typed error, and what was accepted is kept.
#include <algorithm>

#include "catch_amalgamated.hpp"
#include "store/transactions.hpp"
#include "unit/support/scene.hpp"

using namespace perdure;
using namespace perdure::test;

TEST_CASE("an append whose save fails gets the reason, says nothing, and the next one goes through") {
  for (auto [outcome, code] : {std::pair{SaveOutcome::full, Code::storage_full},
                               {SaveOutcome::failed, Code::storage_unavailable},
                               {SaveOutcome::unknown, Code::storage_unavailable}}) {
    Solo ada("ada");
    u32 topic = ada.join(secret);
    (void)ada.append(topic, "kept");
    Stranger eve(ada, "eve");
    eve.enter(secret);
    eve.heard.clear();
    ada.next_save = outcome;
    u32 call = ada.call(Append{topic, {}, {Solo::message("not kept")}});
    CHECK(ada.error(call) == code);
    eve.listen();
    CHECK(eve.all<wire::Page>().empty());
    ada.pass(6'000);
    CHECK(ada.messages(topic) == std::vector<std::string>{"kept"});
    (void)ada.append(topic, "again");
    CHECK(ada.messages(topic).size() == 2);
    CHECK(eve.linked());
  }
}

TEST_CASE(
    "a disk that is full in the middle of taking a batch in keeps what it had, says so, and takes it once there is room") {
  Solo ada("ada");
  u32 topic = ada.join(secret);
  (void)ada.append(topic, "kept");
  Stranger eve(ada, "eve");
  eve.enter(secret);
  Ledger ledger(eve.identity, *eve.keys);
  for (int i = 0; i < 5; ++i) ledger.say("theirs");
  ada.next_save = SaveOutcome::full;
  eve.say(ledger.page(), 1);
  CHECK(eve.linked());
  bool told = std::ranges::any_of(ada.status.trouble, [](const Error& e) { return e.code == Code::storage_full; });
  CHECK(told);
  CHECK(ada.messages(topic) == std::vector<std::string>{"kept"});
  CHECK(eve.all<wire::Ack>().empty());
  eve.pass(6'000);
  eve.heard.clear();
  eve.say(wire::Hello{{9}, 1, {ledger.item(eve.tag(ledger.id()), 5)}, {}}, 1);
  eve.say(wire::Done{{eve.epoch, 5, {}}}, 1);
  auto want = eve.last<wire::Want>();
  REQUIRE(want);
  CHECK(want->from == 0);
  eve.say(ledger.page(), 1, eve.request<wire::Want>());
  CHECK(ada.messages(topic).size() == 6);
}

TEST_CASE("a core whose store another one has taken over writes nothing more") {
  Solo ada("ada");
  u32 topic = ada.join(secret);
  (void)ada.append(topic, "kept");
  ada.next_save = SaveOutcome::superseded;
  u32 call = ada.call(Append{topic, {}, {Solo::message("late")}});
  CHECK(ada.error(call) == Code::storage_unavailable);
  auto rows = ada.disk.rows;
  (void)ada.call(Append{topic, {}, {Solo::message("later")}});
  ada.pass(60'000);
  CHECK(ada.disk.rows == rows);
}

TEST_CASE("rows of a newer version are not touched, and every call is told why") {
  Solo ada("ada");
  u32 topic = ada.join(secret);
  (void)ada.append(topic, "kept");
  Bytes meta = store::unseal_row(store::key('M'), ada.disk.rows[store::key('M')]).value();
  meta[0] = 2;
  meta.push_back(7);  // and whatever else it holds then
  ada.disk.rows[store::key('M')] = store::seal_row(store::key('M'), meta);
  auto rows = ada.disk.rows;
  ada.start();
  CHECK(ada.error(ada.call(TopicNamed{"x"})) == Code::outdated);
  CHECK(std::ranges::any_of(ada.status.trouble, [](const Error& e) { return e.code == Code::outdated; }));
  ada.pass(60'000);
  CHECK(ada.disk.rows == rows);
  (void)ada.ask<Nothing>(Close{});
}

TEST_CASE("what is appended while saves are slow waits for the disk, resolves in order, and is sent to nobody before") {
  Solo ada("ada");
  u32 topic = ada.join(secret);
  Stranger eve(ada, "eve");
  eve.enter(secret);
  eve.heard.clear();
  ada.answers_saves = false;
  std::vector<u32> calls;
  for (int i = 0; i < 20; ++i) calls.push_back(ada.call(Append{topic, {}, {Solo::message("slow")}}));
  eve.listen();
  CHECK(eve.all<wire::Page>().empty());
  for (u32 call : calls) CHECK_FALSE(ada.answered(call));
  ada.answers_saves = true;
  ada.pass(10);
  eve.listen();
  for (u32 call : calls) CHECK(ada.answered(call));
  CHECK(eve.all<wire::Page>().size() <= 2);
  CHECK(ada.messages(topic).size() == 20);
}

TEST_CASE("what was accepted is there after a start over the same rows") {
  Solo ada("ada");
  u32 topic = ada.join(secret);
  for (int i = 0; i < 5; ++i) (void)ada.append(topic, "m");
  ada.start();
  topic = ada.join(secret);
  CHECK(ada.messages(topic).size() == 5);
  (void)ada.append(topic, "n");
  CHECK(ada.messages(topic).size() == 6);
}
