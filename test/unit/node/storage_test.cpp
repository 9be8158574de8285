// Rows that are lost or damaged, disks that fail: the caller gets a typed error, and what was accepted and is still somewhere comes back.
#include <algorithm>

#include "catch_amalgamated.hpp"
#include "sim/world.hpp"
#include "store/desk.hpp"
#include "unit/support/solo.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

const Secret secret = named_secret("a topic");

// Ada and Bob share a topic; what each said the other has.
struct Two {
  sim::World world{7};
  sim::HostId ada = world.add({}), bob = world.add({});
  std::map<sim::HostId, u32> topic;
  Two() {
    world.weather.latency_max_ms = 5;
    world.connect(ada, bob);
    std::string invite = identity_invite();
    for (sim::HostId host : {ada, bob}) topic[host] = ask<OpenedTopic>(host, TopicJoin{invite, {}}).topic;
    for (int i = 0; i < 3; ++i) {
      (void)append(ada, "a" + std::to_string(i));
      (void)append(bob, "b" + std::to_string(i));
    }
    settle();
  }
  static std::string identity_invite() {
    identity::Invite invite;
    std::copy_n(identity::network_id("sim").bytes.begin(), 4, invite.network_tag.begin());
    invite.secret = secret;
    return identity::encode_invite(invite);
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
  std::string append(sim::HostId host, std::string_view text) { return ask<Appended>(host, Append{topic[host], {}, {Solo::message(text)}}).id; }
  std::vector<std::string> messages(sim::HostId host) {
    std::vector<std::string> out;
    for (const MessageOut& m : ask<MessagePage>(host, Latest{topic[host], 256}).messages) out.emplace_back(text(ByteView(m.value).subspan(2)));
    std::ranges::sort(out);
    return out;
  }
  std::string digest(sim::HostId host) { return ask<Text>(host, GetDigest{topic[host]}).text; }
  void settle() { world.run_for(40'000); }
  // Bob's rows of a kind, while he is down.
  std::vector<Bytes> rows(char kind) {
    std::vector<Bytes> out;
    for (auto& [key, value] : world.disk(bob)->rows)
      if (key[0] == static_cast<u8>(kind)) out.push_back(key);
    return out;
  }
  void come_back() {
    world.restart(bob);
    world.connect(ada, bob);
    topic[bob] = ask<OpenedTopic>(bob, TopicJoin{identity_invite(), {}}).topic;
    settle();
  }
};

const std::vector<std::string> all{"a0", "a1", "a2", "b0", "b1", "b2"};

}  // namespace

namespace {

enum class Harm { lost, cut, bent };

void harm(sim::Disk& disk, const Bytes& key, Harm how) {
  Bytes& row = disk.rows[key];
  if (how == Harm::lost) disk.rows.erase(key);
  else if (how == Harm::cut) row.resize(row.size() / 2);
  else row[row.size() / 2] ^= 0x11;
}

// Bob's core meets the damage as his app reads; then all is as it was, and he can go on.
void recovers(Two& two) {
  two.come_back();
  for (int i = 0; i < 3; ++i) {
    (void)two.messages(two.bob);
    two.settle();
  }
  (void)two.append(two.bob, "new");
  two.settle();
  auto there = two.messages(two.ada), here = two.messages(two.bob);
  for (const std::string& message : all) CHECK(std::ranges::count(there, message) == 1);
  for (const std::string& message : all) CHECK(std::ranges::count(here, message) == 1);
  CHECK(std::ranges::count(there, "new") == 1);
  CHECK(std::ranges::count(here, "new") == 1);
  CHECK(two.digest(two.ada) == two.digest(two.bob));
}

constexpr const char* kinds = "MTLBNIXKCWR";

}  // namespace

TEST_CASE("rows that are lost or damaged, all of whatever kind, take nothing from what peers hold, and new ones are accepted") {
  for (const char* kind = kinds; *kind != 0; ++kind) {
    for (Harm how : {Harm::lost, Harm::cut, Harm::bent}) {
      CAPTURE(*kind, how);
      Two two;
      REQUIRE(two.messages(two.bob) == all);
      two.world.crash(two.bob);
      for (const Bytes& key : two.rows(*kind)) harm(*two.world.disk(two.bob), key, how);
      recovers(two);
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
      std::vector<Bytes> rows = two.rows(*kind);
      if (nth >= rows.size()) break;
      harm(*two.world.disk(two.bob), rows[nth], how);
      recovers(two);
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
    auto reported = [&] { return std::ranges::any_of(ada.status.trouble, [](const Error& e) { return e.code == Code::storage_lost; }); };
    CHECK_FALSE(reported());
    CHECK(ada.messages(topic) == std::vector<std::string>{"one", "three"});
    CHECK(reported());
    (void)ada.append(topic, "four");
    CHECK(ada.messages(topic) == std::vector<std::string>{"one", "three", "four"});
    Stranger eve(ada, "eve");
    eve.enter(secret);
    auto hello = eve.last<wire::Hello>();
    REQUIRE(hello);
    REQUIRE(hello->items.size() == 2);               // what is new goes to others in a log of its own
    CHECK(hello->items[0].length == 1);
    CHECK(hello->items[1].length == 1);
    for (const wire::Page& page : eve.all<wire::Page>()) CHECK(page.batches.size() == 1);
    ada.start();                                     // and it is not forgotten
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
  bob.say(wire::Want{tag, 2, 4, 100'000}, 1, 1);     // finds it
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
    Solo ada("ada", client_config({}, 0));             // each step reads what is on disk
    u32 topic = ada.join(secret);
    for (int i = 0; i < 3; ++i) (void)ada.ask<Appended>(Append{topic, {}, {Solo::message("m"), Solo::set("k", "v")}});
    for (auto& [key, row] : ada.disk.rows)
      if (key[0] == 'X') row[row.size() / 2] ^= 0x40;
    if (call == 0) CHECK(ada.messages(topic).size() == 3);
    if (call == 1) CHECK_FALSE(ada.append(topic, "m").empty());
    if (call == 2) CHECK(ada.ask<MapPage>(MapGet{topic, "k"}).entries.size() == 1);
    if (call == 3) CHECK(ada.ask<HistoryPage>(MapHistory{topic, "k", {}, 10}).versions.size() == 3);
    if (call == 4) {                                 // the order of arrival is forgotten; it goes on from here
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
  REQUIRE(eve.last<wire::Hello>());                  // greeted anew
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
    bool reported = std::ranges::any_of(ada.status.trouble, [](const Error& e) { return e.code == Code::storage_lost; });
    CHECK(reported);
    CHECK(ada.join(named_secret("another")) != topic);
    CHECK(ada.join(secret) == topic);
    CHECK(ada.messages(topic) == std::vector<std::string>{"kept"});
    CHECK(other != topic);
  }
}

TEST_CASE("an append whose save fails gets the reason, says nothing, and the next one goes through") {
  for (auto [outcome, code] : {std::pair{SaveOutcome::full, Code::storage_full}, {SaveOutcome::failed, Code::storage_unavailable}, {SaveOutcome::unknown, Code::storage_unavailable}}) {
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

TEST_CASE("a disk that is full in the middle of taking a batch in keeps what it had, says so, and takes it once there is room") {
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
  meta.push_back(7);                           // and whatever else it holds then
  ada.disk.rows[store::key('M')] = store::seal_row(store::key('M'), meta);
  auto rows = ada.disk.rows;
  ada.start();
  CHECK(ada.error(ada.call(TopicNamed{"x"})) == Code::outdated);
  CHECK(std::ranges::any_of(ada.status.trouble, [](const Error& e) { return e.code == Code::outdated; }));
  ada.pass(60'000);
  CHECK(ada.disk.rows == rows);
  (void)ada.ask<Nothing>(Close{});
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

TEST_CASE("a row that says that another's log is ours, or that ours is endless, makes nobody append to it") {
  for (bool endless : {false, true}) {
    CAPTURE(endless);
    test::Solo ada("ada");
    u32 topic = ada.join(test::named_secret("topic"));
    (void)ada.append(topic, "before");
    auto row = ada.disk.rows.lower_bound(Bytes{'L'});
    auto state = log::decode_state(store::unseal_row(row->first, row->second).value());
    REQUIRE(state);
    if (endless) state->head.ops = ~u64{0} - 1;
    else state->opening.device.bytes[0] ^= 1;
    row->second = store::seal_row(row->first, log::encode_state(*state));
    ada.start();
    topic = ada.join(test::named_secret("topic"));
    ada.pass(20'000);
    u32 call = ada.call(Append{topic, {}, {test::Solo::message("after")}});
    ada.pass(1'000);
    CHECK(std::holds_alternative<Appended>(ada.replies.at(call)));
  }
}
