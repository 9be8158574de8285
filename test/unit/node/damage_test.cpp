// Rows that are lost or damaged: what was accepted and is still somewhere comes back, what is nowhere is reported, and nothing damaged is
// served.
#include "store/transactions.hpp"
#include "unit/support/group.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

const Words all{"a0", "a1", "a2", "b0", "b1", "b2"};

// Ada and Bob share a topic; what each said the other has.
struct Two : Group {
  sim::HostId ada = add(), bob = add();
  Two() {
    world.weather.latency_max_ms = 5;
    world.connect(ada, bob);
    for (int i = 0; i < 3; ++i) {
      (void)say(ada, "a" + std::to_string(i));
      (void)say(bob, "b" + std::to_string(i));
    }
    settle();
  }
  void settle() { world.run_for(40'000); }
  // Bob's core meets the damage as his app reads; then all is as it was, and he can go on.
  void recovers() {
    world.restart(bob);
    world.connect(ada, bob);
    open(bob);
    settle();
    for (int i = 0; i < 3; ++i) {
      (void)words(bob);
      settle();
    }
    (void)say(bob, "new");
    settle();
    Words there = words(ada), here = words(bob);
    for (const std::string& message : all) CHECK(std::ranges::count(there, message) == 1);
    for (const std::string& message : all) CHECK(std::ranges::count(here, message) == 1);
    CHECK(std::ranges::count(there, "new") == 1);
    CHECK(std::ranges::count(here, "new") == 1);
    CHECK(digest(ada) == digest(bob));
  }
};

constexpr const char* kinds = "MTLBNIXKCWR";

}  // namespace

TEST_CASE(
    "rows that are lost or damaged, all of whatever kind, take nothing from what peers hold, and new ones are accepted") {
  for (const char* kind = kinds; *kind != 0; ++kind) {
    for (Harm how : {Harm::lost, Harm::cut, Harm::bent}) {
      CAPTURE(*kind, how);
      Two two;
      REQUIRE(two.words(two.bob) == all);
      two.world.crash(two.bob);
      for (const Bytes& key : two.rows(two.bob, *kind)) harm(*two.world.disk(two.bob), key, how);
      two.recovers();
    }
  }
}

TEST_CASE("any one row may be lost or damaged") {
  for (const char* kind = kinds; *kind != 0; ++kind) {
    for (std::size_t nth = 0;; ++nth) {
      Harm how = nth % 2 == 0 ? Harm::bent : Harm::lost;
      CAPTURE(*kind, nth, how);
      Two two;
      two.world.crash(two.bob);
      std::vector<Bytes> rows = two.rows(two.bob, *kind);
      if (nth >= rows.size()) break;
      harm(*two.world.disk(two.bob), rows[nth], how);
      two.recovers();
    }
  }
}

TEST_CASE("a batch of ours that is lost here and held by nobody is reported, is not spoken of, and the rest goes on") {
  for (Harm how : {Harm::lost, Harm::bent}) {
    Solo ada("ada");
    u32 topic = ada.join(secret);
    for (const char* text : {"one", "two", "three"}) (void)ada.append(topic, text);
    Bytes key;
    for (auto& [k, row] : ada.disk.rows)
      if (k[0] == 'B' && key.empty()) key = k;
    key.back() = 1;
    harm(ada.disk, key, how);
    ada.start();
    topic = ada.join(secret);
    auto reported = [&] {
      return std::ranges::any_of(ada.status.trouble, [](const Error& e) { return e.code == Code::storage_lost; });
    };
    CHECK_FALSE(reported());
    CHECK(ada.messages(topic) == std::vector<std::string>{"one", "three"});
    CHECK(reported());
    (void)ada.append(topic, "four");
    CHECK(ada.messages(topic) == std::vector<std::string>{"one", "three", "four"});
    Stranger eve(ada, "eve");
    eve.enter(secret);
    auto hello = eve.last<wire::Hello>();
    REQUIRE(hello);
    REQUIRE(hello->items.size() == 2);  // what is new goes on in a log of its own
    for (const wire::Item& item : hello->items) CHECK(item.length == 1);
    const auto want = eve.last<wire::Want>();  // who is here is asked for the batch by name
    REQUIRE(want);
    CHECK(want->from == 1);
    eve.heard.clear();
    eve.pass(10'001);  // says nothing; so what stood behind the loss is said again, where it stood
    CHECK(ada.messages(topic) == Words{"one", "three", "four"});
    const auto anew = eve.last<wire::Hello>();
    REQUIRE(anew);
    CHECK(std::ranges::count_if(anew->items, [](const wire::Item& item) { return item.length == 2; }) == 1);
    ada.start();  // and it is not forgotten
    topic = ada.join(secret);
    CHECK(reported());
  }
}

TEST_CASE("a batch that is lost is not served, and is taken back from whoever shows it, proved by the tree") {
  Solo ada("ada");
  u32 topic = ada.join(secret);
  {
    Stranger eve(ada, "eve");
    eve.enter(secret);
    Ledger ledger(eve.identity, *eve.keys);
    for (int i = 0; i < 4; ++i) ledger.say("m" + std::to_string(i));
    eve.say(ledger.page(), 1);
  }
  Bytes key;
  for (auto& [k, row] : ada.disk.rows)
    if (k[0] == 'B' && k.back() == 2) key = k;
  harm(ada.disk, key, Harm::bent);
  ada.start();
  topic = ada.join(secret);
  Stranger bob(ada, "bob");
  bob.enter(secret);
  identity::Identity author(ada.config().app, named_seed("eve"));
  Ledger ledger(author, *bob.keys);
  for (int i = 0; i < 4; ++i) ledger.say("m" + std::to_string(i));
  wire::LogTag tag = bob.tag(ledger.id());
  bob.heard.clear();
  bob.say(wire::Want{tag, 2, 4, 100'000}, 1, 1);  // finds it
  CHECK(bob.all<wire::Page>().empty());
  CHECK(bob.all<wire::NoPage>().size() == 1);
  bob.pass(100);
  bob.heard.clear();
  bob.say(wire::Want{tag, 0, 4, 100'000}, 1, 2);
  auto page = bob.last<wire::Page>();
  REQUIRE(page);
  CHECK(page->batches.size() == 2);
  // Another batch in its place is not taken for it.
  wire::Page wrong = ledger.page(2, 3);
  wrong.log = tag;
  wrong.batches[0][30] ^= 1;
  bob.say(wrong, 1);
  CHECK(ada.messages(topic) == std::vector<std::string>{"m0", "m1", "m3"});
  wire::Page right = ledger.page(2, 3);
  right.log = tag;
  bob.say(right, 1);
  bob.pass(100);
  CHECK(ada.messages(topic) == std::vector<std::string>{"m0", "m1", "m2", "m3"});
  bob.heard.clear();
  bob.say(wire::Want{tag, 0, 4, 100'000}, 1, 3);
  REQUIRE(bob.last<wire::Page>());
  CHECK(bob.last<wire::Page>()->batches == ledger.batches());
  CHECK(bob.linked());
}

TEST_CASE("an index that is damaged while the core runs is made anew, and whatever met it is answered") {
  for (int call = 0; call < 7; ++call) {
    CAPTURE(call);
    Solo ada("ada", client_config({}, 0));  // each step reads what is on disk
    u32 topic = ada.join(secret);
    for (int i = 0; i < 3; ++i) (void)ada.ask<Appended>(Append{topic, {}, {Solo::message("m"), Solo::set("k", "v")}});
    for (auto& [key, row] : ada.disk.rows)
      if (key[0] == 'X') row[row.size() / 2] ^= 0x40;
    if (call == 0) CHECK(ada.messages(topic).size() == 3);
    if (call == 1) CHECK_FALSE(ada.append(topic, "m").empty());
    if (call == 2) CHECK(ada.ask<MapPage>(MapGet{topic, "k"}).entries.size() == 1);
    if (call == 3) CHECK(ada.ask<HistoryPage>(MapHistory{topic, "k", {}, 10}).versions.size() == 3);
    if (call == 4) {  // the order of arrival is forgotten; it goes on from here
      (void)ada.ask<LivePage>(Live{topic, 0, 10});
      (void)ada.append(topic, "m");
      CHECK(ada.ask<LivePage>(Live{topic, 3, 10}).messages.size() == 1);
    }
    if (call == 5) (void)ada.ask<Nothing>(MarkRead{topic, {}});
    if (call == 6) CHECK_FALSE(ada.ask<Text>(GetDigest{topic}).text.empty());
    CHECK(ada.messages(topic).size() == (call == 1 || call == 4 ? 4 : 3));
    CHECK(ada.ask<MapPage>(MapEntries{topic, {}, {}, 10}).entries.size() == 1);
  }
}

TEST_CASE("a page that comes while an index is damaged is taken once that is whole") {
  Solo ada("ada", client_config({}, 0));
  u32 topic = ada.join(secret);
  (void)ada.append(topic, "ours");
  Stranger eve(ada, "eve");
  eve.enter(secret);
  for (auto& [key, row] : ada.disk.rows)
    if (key[0] == 'X') row[row.size() / 2] ^= 0x40;
  Ledger ledger(eve.identity, *eve.keys);
  ledger.say("theirs");
  eve.heard.clear();
  eve.say(ledger.page(), 1);
  REQUIRE(eve.last<wire::Hello>());  // greeted anew
  eve.say(wire::Hello{{9}, 1, {ledger.item(eve.tag(ledger.id()), 1)}, {}}, 1);
  eve.say(wire::Done{{eve.epoch, 1, {}}}, 1);
  REQUIRE(eve.last<wire::Want>());
  eve.say(ledger.page(), 1, eve.request<wire::Want>());
  CHECK(ada.messages(topic).size() == 2);
  CHECK(eve.linked());
}

TEST_CASE("a topic whose own row is lost is found again by who joins it, with all that was in it") {
  for (Harm how : {Harm::lost, Harm::bent}) {
    Solo ada("ada");
    u32 topic = ada.join(secret);
    (void)ada.append(topic, "kept");
    u32 other = ada.join(named_secret("another"));
    for (char kind : {'T', 'M'})
      for (const auto& [key, row] : std::map(ada.disk.rows))
        if (key[0] == kind) harm(ada.disk, key, how);
    ada.start();
    bool reported = std::ranges::any_of(ada.status.trouble,
                                        [](const Error& e) { return e.code == Code::storage_lost; });
    CHECK(reported);
    CHECK(ada.join(named_secret("another")) != topic);
    CHECK(ada.join(secret) == topic);
    CHECK(ada.messages(topic) == std::vector<std::string>{"kept"});
    CHECK(other != topic);
  }
}

TEST_CASE("a damaged row that might be taken for one of a newer version is made anew, and all else is there") {
  Solo ada("ada");
  u32 topic = ada.join(secret);
  (void)ada.append(topic, "kept");
  for (int bit = 0; bit < 8; ++bit) {
    ada.disk.rows[store::key('M')][0] ^= static_cast<u8>(1u << bit);
    ada.start();
    topic = ada.join(secret);
    CHECK(ada.messages(topic) == std::vector<std::string>{"kept"});
    CHECK(store::unseal_row(store::key('M'), ada.disk.rows[store::key('M')]).has_value());
  }
}

TEST_CASE("a row that says that another's log is ours, or that ours is endless, makes nobody append to it") {
  for (bool endless : {false, true}) {
    CAPTURE(endless);
    Solo ada("ada");
    u32 topic = ada.join(named_secret("topic"));
    (void)ada.append(topic, "before");
    auto row = ada.disk.rows.lower_bound(Bytes{'L'});
    auto state = log::decode_state(store::unseal_row(row->first, row->second).value());
    REQUIRE(state);
    if (endless) state->head.ops = ~u64{0} - 1;
    else state->opening.device.bytes[0] ^= 1;
    row->second = store::seal_row(row->first, log::encode_state(*state));
    ada.start();
    topic = ada.join(named_secret("topic"));
    ada.pass(20'000);
    u32 call = ada.call(Append{topic, {}, {Solo::message("after")}});
    ada.pass(1'000);
    CHECK(std::holds_alternative<Appended>(ada.replies.at(call)));
  }
}

TEST_CASE(
    "tree nodes that are lost or damaged are made anew from the batches, and no page with a wrong proof is served") {
  constexpr u64 length = 200;
  for (Harm how : {Harm::lost, Harm::cut, Harm::bent}) {
    for (std::size_t nth = 0; nth < 5; ++nth) {  // each row alone, and then all of them
      CAPTURE(how, nth);
      Solo ada("ada", client_config({}, 0));
      (void)ada.join(secret);
      identity::Identity author(ada.config().app, named_seed("eve"));
      identity::TopicKeys keys = identity::topic_keys(secret);
      Ledger ledger(author, keys);
      for (u64 i = 0; i < length; ++i) ledger.say("m" + std::to_string(i));
      {
        Stranger eve(ada, "eve");
        eve.enter(secret);
        for (u64 at = 0; at < length; at += 50) {
          wire::Page page = ledger.page(at, at + 50);
          page.log = eve.tag(ledger.id());
          eve.say(page, 1);
        }
      }
      auto rows_of = [&] {
        std::map<Bytes, Bytes> out;
        for (const auto& [key, row] : ada.disk.rows)
          if (key[0] == 'N') out.emplace(key, row);
        return out;
      };
      const auto whole = rows_of();
      REQUIRE(whole.size() == 4);  // three full groups of leaves, and the level above
      std::size_t n = 0;
      for (const auto& [key, row] : whole)
        if (nth == 4 || n++ == nth) harm(ada.disk, key, how);
      ada.start();
      u32 topic = ada.join(secret);
      Stranger bob(ada, "bob");
      bob.enter(secret);
      const wire::LogTag tag = bob.tag(ledger.id());
      u32 request = 0;
      auto want = [&](u64 from, u64 to) -> std::optional<wire::Page> {
        bob.heard.clear();
        bob.say(wire::Want{tag, from, to, 100'000}, 1, ++request);
        return bob.last<wire::Page>();
      };
      auto right = [&](const wire::Page& page) {
        log::Peaks peaks = ledger.peaks(page.from);
        for (const Bytes& sealed : page.batches) peaks.append(log::leaf_hash(sealed));
        auto root = log::complete(peaks, page.length, page.completion);
        return root && *root == ledger.peaks(length).root();
      };
      for (u64 at = 10; at < length; at += 30)  // whatever meets the damage
        if (auto page = want(at, at + 2)) CHECK(right(*page));
      bob.pass(1'000);
      for (u64 at = 0; at < length; at += 10) {
        auto page = want(at, at + 1);
        REQUIRE(page);
        CHECK(right(*page));
      }
      CHECK(rows_of() == whole);
      CHECK(ada.ask<MessagePage>(Latest{topic, 256}).messages.size() == length);
      CHECK(bob.linked());
    }
  }
}

TEST_CASE("a long log of our own goes on with its tree nodes lost, and others get all of it") {
  for (Harm how : {Harm::lost, Harm::bent}) {
    CAPTURE(how);
    Two two;
    for (int i = 0; i < 70; ++i) (void)two.say(two.bob, "more");
    two.settle();
    two.world.crash(two.bob);
    std::vector<Bytes> rows = two.rows(two.bob, 'N');
    REQUIRE_FALSE(rows.empty());
    for (const Bytes& key : rows) harm(*two.world.disk(two.bob), key, how);
    two.recovers();
    sim::HostId eve = two.add();
    two.meet(two.bob, eve);
    CHECK(two.digest(eve) == two.digest(two.bob));
  }
}

TEST_CASE("a batch that is lost before anybody had it is reported, and its author shows what all others show") {
  Group few;
  sim::HostId ada = few.add(), eve = few.add();
  for (const char* word : {"0", "1", "2"}) few.say(ada, word);
  few.restart(ada, [&](sim::Disk& disk) { disk.rows.erase(few.rows(ada, 'B').at(2)); });
  (void)few.words(ada);
  few.meet(ada, eve);
  few.world.run_for(30'000);
  CHECK(few.troubled(ada, Code::storage_lost));
  CHECK(few.words(ada) == Words{"0", "1"});
  CHECK(few.world.topics(ada)[few.topic[ada]].length == 2);
  CHECK(few.digest(ada) == few.digest(eve));
}
