// A conflict of more versions than one op can name ends with one set, resolve or delete: all or none, in one batch, with one receipt.
#include <algorithm>
#include <deque>

#include "catch_amalgamated.hpp"
#include "unit/support/made_up.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

const Secret secret = named_secret("a topic");

log::Op setting(std::string_view key, std::string_view value) {
  return {log::Op::Kind::set, own(view(key)), Solo::message(value).value, {}};
}

struct Conflicted {
  Solo ada{"ada"};
  u32 topic = ada.join(secret);
  Stranger bob{ada, "bob"};
  std::deque<identity::Identity> authors;

  Conflicted() { bob.enter(secret); }
  // Each author sets those keys without having seen the others.
  void conflict(u32 versions, std::vector<std::string> keys = {"k"}) {
    for (u32 n = 0; n < versions; ++n) {
      Ledger ledger(authors.emplace_back(made_up(n)), *bob.keys);
      std::vector<log::Op> ops;
      for (const std::string& key : keys) ops.push_back(setting(key, std::to_string(n)));
      ledger.add(std::move(ops), 1'699'999'000'000 + n);
      bob.say(ledger.page(), 1);
    }
  }
  std::size_t losers(const std::string& key = "k") {
    for (const ConflictOut& c : ada.ask<ConflictPage>(MapConflicts{topic, "", {}, 256}).conflicts)
      if (c.key == key) return c.losers.size();
    return 0;
  }
  std::optional<std::string> value(const std::string& key = "k") {
    auto page = ada.ask<MapPage>(MapGet{topic, key});
    if (page.entries.empty() || !page.entries[0].version.value) return std::nullopt;
    return std::string(text(ByteView(*page.entries[0].version.value).subspan(2)));
  }
  std::vector<VersionOut> history(const std::string& key = "k") {
    std::vector<VersionOut> all;
    for (std::optional<std::string> after;; after = all.back().id) {
      auto page = ada.ask<HistoryPage>(MapHistory{topic, key, after, 64});
      all.insert(all.end(), page.versions.begin(), page.versions.end());
      if (!page.more) return all;
    }
  }
  std::string change(std::vector<NewOp> ops) { return ada.ask<Appended>(Append{topic, {}, std::move(ops)}).id; }
  u64 own_batches() {
    u64 batches = 0;
    for (const LogOut& log : ada.ask<LogList>(GetLogs{bob.keys->id}).logs) batches += log.own ? log.length : 0;
    return batches;
  }
};

}  // namespace

TEST_CASE("resolving a key with any number of versions leaves none of them, in one batch") {
  for (u32 versions : {2u, 15u, 16u, 17u, 20u, 31u, 32u, 100u, 300u}) {
    CAPTURE(versions);
    Conflicted c;
    c.conflict(versions);
    CHECK(c.losers() == std::min(versions - 1, 256u));  // so many are listed
    std::string id = c.change({Solo::set("k", "settled")});
    CHECK(c.losers() == 0);
    CHECK(c.value() == "settled");
    CHECK(c.own_batches() == 1);
    auto history = c.history();
    REQUIRE(history.size() == versions + 1);  // what was said, and nothing that nobody said
    CHECK(history[0].id == id);
    CHECK(std::ranges::all_of(history, [](const VersionOut& v) { return v.value.has_value(); }));
    c.ada.start();
    c.topic = c.ada.join(secret);
    CHECK(c.losers() == 0);
    CHECK(c.value() == "settled");
  }
}

TEST_CASE("a delete replaces all versions as well, and so does a set among other changes of the same turn") {
  Conflicted c;
  c.conflict(40, {"a", "b", "c"});
  CHECK(c.losers("b") == 39);
  c.change({{3, "a", {}}});
  CHECK(c.losers("a") == 0);
  CHECK_FALSE(c.value("a"));
  std::string id = c.change(
      {Solo::message("before"), Solo::set("b", "first"), Solo::set("c", "third"), Solo::set("b", "second")});
  CHECK(c.losers("b") == 0);
  CHECK(c.losers("c") == 0);
  CHECK(c.value("b") == "second");
  CHECK(c.value("c") == "third");
  CHECK(c.history("b")[0].id == id);  // the receipt speaks of the last op that was given
  CHECK(c.history("b").size() == 42);
  CHECK(c.ada.messages(c.topic) == std::vector<std::string>{"before"});
  CHECK(c.ada.topics[c.topic].unread == 0);
}

TEST_CASE("what ends a conflict stands in one batch, however full the one before it is: nobody sees a part of it") {
  Conflicted c;
  c.conflict(100);
  std::vector<NewOp> ops;
  for (int n = 0; n < 255; ++n) ops.push_back(Solo::message(std::string(200, 'x')));
  ops.push_back(Solo::set("k", "settled"));
  c.bob.heard.clear();
  c.change(std::move(ops));
  c.bob.listen();
  CHECK(c.losers() == 0);
  const wire::Page page = c.bob.last<wire::Page>().value();
  REQUIRE(page.batches.size() == 2);
  u64 incarnation = 0;
  for (u8 b : page.opening->incarnation) incarnation = incarnation << 8 | b;
  const LogId log = c.bob.log_of(c.ada.id(), incarnation);
  auto plain = log::unseal_batch(*c.bob.keys, {c.ada.identity().network(), c.bob.keys->id, log, 1}, page.batches[1]);
  REQUIRE(plain);
  auto decoded = log::decode_batch(*plain, log);
  REQUIRE(decoded);
  const log::Batch& batch = *decoded;
  CHECK(batch.ops.size() == 7);  // 16 versions, and 15 with each further op
  CHECK(std::ranges::all_of(batch.ops, [](const log::Op& op) { return op.key == own(view("k")); }));
  CHECK(batch.ops.back().kind == log::Op::Kind::set);
}

TEST_CASE("a value that fills a batch by itself ends a conflict of many versions, too") {
  Conflicted c;
  c.conflict(50);
  Bytes large(200'005, 'x');
  large[0] = 0xdb, large[1] = 0, large[2] = 3, large[3] = 0x0d, large[4] = 0x40;
  c.change({{2, "k", large}});
  CHECK(c.losers() == 0);
  CHECK(c.ada.ask<MapPage>(MapGet{c.topic, "k"}).entries.at(0).version.value == large);
}

TEST_CASE("a resolve that cannot be stored leaves the conflict as it was") {
  Conflicted c;
  c.conflict(40);
  c.ada.next_save = SaveOutcome::failed;
  u32 call = c.ada.call(Append{c.topic, {}, {Solo::set("k", "settled")}});
  CHECK(c.ada.error(call) == Code::storage_unavailable);
  c.ada.pass(6'000);
  CHECK(c.losers() == 39);
  c.change({Solo::set("k", "settled")});
  CHECK(c.losers() == 0);
}
