// Rows that are lost or damaged, disks that fail: the caller gets a typed error, and what was accepted and is still somewhere comes back.
#include <algorithm>

#include "catch_amalgamated.hpp"
#include "sim/world.hpp"
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

TEST_CASE("a row that is lost or damaged, of whatever kind, takes nothing from what peers hold, and new ones are accepted") {
  for (char kind : {'M', 'T', 'L', 'N', 'I', 'K', 'C', 'W', 'R'}) {
    for (int harm = 0; harm < 3; ++harm) {
      CAPTURE(kind, harm);
      Two two;
      REQUIRE(two.messages(two.bob) == all);
      two.world.crash(two.bob);
      for (const Bytes& key : two.rows(kind)) {
        Bytes& row = two.world.disk(two.bob)->rows[key];
        if (harm == 0) two.world.disk(two.bob)->rows.erase(key);
        else if (harm == 1) row.resize(row.size() / 2);
        else if (!row.empty()) row[row.size() / 2] ^= 0x11;
      }
      two.come_back();
      (void)two.append(two.bob, "new");
      two.settle();
      auto there = two.messages(two.ada), here = two.messages(two.bob);
      for (const std::string& message : all) CHECK(std::ranges::count(there, message) == 1);
      for (const std::string& message : all) CHECK(std::ranges::count(here, message) == 1);
      CHECK(std::ranges::count(there, "new") == 1);
      CHECK(two.digest(two.ada) == two.digest(two.bob));
    }
  }
}

TEST_CASE("a batch whose row is lost or damaged takes nothing from our peers and stops nobody") {
  for (int harm = 0; harm < 2; ++harm) {
    CAPTURE(harm);
    Two two;
    two.world.crash(two.bob);
    Bytes key = two.rows('B').at(1);
    Bytes& row = two.world.disk(two.bob)->rows[key];
    if (harm == 0) two.world.disk(two.bob)->rows.erase(key);
    else row[row.size() / 2] ^= 0x11;
    two.come_back();
    (void)two.append(two.bob, "new");
    (void)two.append(two.ada, "newer");
    two.settle();
    auto there = two.messages(two.ada);
    CHECK(there.size() == 8);
    CHECK(std::ranges::count(two.messages(two.bob), "newer") == 1);
    // Somebody new is served by Ada, whatever Bob can give.
    sim::HostId eve = two.world.add({});
    two.world.connect(eve, two.ada);
    two.world.connect(eve, two.bob);
    two.topic[eve] = two.ask<OpenedTopic>(eve, TopicJoin{Two::identity_invite(), {}}).topic;
    two.settle();
    two.settle();
    CHECK(two.messages(eve) == there);
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

TEST_CASE("rows of a newer version are not touched") {
  Solo ada("ada");
  u32 topic = ada.join(secret);
  (void)ada.append(topic, "kept");
  ada.disk.rows[store::key('M')][0] = 2;
  auto rows = ada.disk.rows;
  ada.start();
  (void)ada.call(TopicNamed{"x"});
  ada.pass(60'000);
  CHECK(ada.disk.rows == rows);
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
