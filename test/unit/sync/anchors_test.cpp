// Anchors with bad luck: down, slow, full, speaking something else, or back with less than they had.
#include <algorithm>

#include "catch_amalgamated.hpp"
#include "codec/bytes.hpp"
#include "crypto/sign.hpp"
#include "unit/support/solo.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

const Secret secret = named_secret("a topic");
const Stranger::Options at_anchor{.kind = LinkKind::websocket, .url = "ws://a", .anchor = true};

struct Client {
  Solo ada{"ada", client_config({"ws://a"})};
  u32 topic = ada.join(secret);
  AnchorOut anchor() { return ada.anchors.at(0); }
  u64 pending() { return ada.status.pending; }
};

// What an anchor signs once it holds the first `length` batches.
wire::Ack ack_of(const Stranger& anchor, const wire::Page& page, u64 length) {
  const identity::Identity& self = anchor.identity;
  log::Peaks peaks;
  for (u64 i = 0; i < length; ++i) peaks.append(log::leaf_hash(page.batches.at(i)));
  wire::Ack ack;
  ack.author = page.opening->device;
  ack.incarnation = page.opening->incarnation;
  ack.acker = self.id();
  ack.length = length;
  ack.epoch = anchor.epoch;
  u64 incarnation = 0;
  for (u8 b : ack.incarnation) incarnation = incarnation << 8 | b;
  codec::Writer w;
  w.raw(view("perdure/ack/1"))
      .fixed(self.network())
      .fixed(anchor.keys->id)
      .fixed(anchor.log_of(ack.author, incarnation));
  w.be64(0).be64(length).fixed(peaks.root()).fixed(self.id()).raw(ack.epoch);
  ack.signature = crypto::sign(self.key(), {w.peek()});
  return ack;
}

// The anchor speaks of the topic by the client's alias, which is 1.
void answers(Stranger& anchor) {
  anchor.keys = identity::topic_keys(secret);
  anchor.say(wire::Hello{{9}, 0, {}, {}}, 1);
  anchor.say(wire::Done{{anchor.epoch, 0, {}}}, 1);
}

}  // namespace

TEST_CASE("an anchor that is down is tried again, ever less often, for as long as it takes") {
  Client c;
  CHECK(c.ada.dials.size() == 1);
  u64 last = c.ada.steady_ms;
  std::vector<u64> waits;
  for (int i = 0; i < 12; ++i) {
    std::size_t before = c.ada.dials.size();
    c.ada.turn({DialFailed{"ws://a"}});
    CHECK(c.anchor().state == AnchorState::unreachable);
    for (int s = 0; s < 400 && c.ada.dials.size() == before; ++s) c.ada.pass(100);
    REQUIRE(c.ada.dials.size() == before + 1);
    waits.push_back(c.ada.steady_ms - last);
    last = c.ada.steady_ms;
  }
  CHECK(waits.front() <= 2'200);
  for (u64 wait : waits) CHECK(wait <= 30'200);
  CHECK(waits.back() >= 15'000);
  // What is appended meanwhile waits.
  (void)c.ada.append(c.topic, "m");
  CHECK(c.pending() == 1);
  Stranger anchor(c.ada, "anchor", at_anchor);
  CHECK(c.anchor().state == AnchorState::connected);
  answers(anchor);
  CHECK(anchor.all<wire::Page>().size() == 1);
}

TEST_CASE("an anchor so slow that it does not greet in ten seconds is let go and dialled again") {
  Client c;
  c.ada.turn({LinkOpened{{9'001}, LinkKind::websocket, true, "ws://a", 0, {}}});
  CHECK_FALSE(c.ada.closed.contains(9'001));
  c.ada.pass(10'100);
  CHECK(c.ada.closed.contains(9'001));
  CHECK(c.anchor().state == AnchorState::unreachable);
  c.ada.pass(5'000);
  CHECK(c.ada.dials.size() == 2);
}

TEST_CASE("two addresses of one anchor are one link: the other is dialled once that ends") {
  Solo ada("ada", client_config({"ws://a", "ws://b"}));
  (void)ada.join(secret);
  REQUIRE(ada.dials.size() == 2);
  Stranger first(ada, "anchor", at_anchor);
  Stranger::Options options = at_anchor;
  options.url = "ws://b";
  Stranger second(ada, "anchor", options);
  CHECK_FALSE(first.linked());
  CHECK(second.linked());
  for (int n = 0; n < 60; ++n) {
    second.say(wire::Ping{static_cast<u32>(n), 0});
    second.pass(1'000);
  }
  CHECK(second.linked());
  CHECK(ada.dials.size() == 2);
  for (const AnchorOut& anchor : ada.anchors) CHECK(anchor.state == AnchorState::connected);
  second.close();
  second.pass(2'000);
  CHECK(ada.dials.size() > 2);
  for (const AnchorOut& anchor : ada.anchors) CHECK(anchor.state != AnchorState::connected);
}

TEST_CASE("an address that speaks another protocol says so, and another version of ours is not talked to") {
  Client c;
  c.ada.turn({LinkOpened{{9'001}, LinkKind::websocket, true, "ws://a", 0, {}}});
  c.ada.turn({LinkReceived{{9'001}, own(view("HTTP/1.1 400 Bad Request"))}});
  CHECK(c.ada.closed.contains(9'001));
  CHECK(c.anchor().state == AnchorState::unreachable);
  CHECK_FALSE(c.anchor().reason.empty());
  Stranger::Options options = at_anchor;
  options.greeting.version = 2;
  Stranger future(c.ada, "anchor", options);
  CHECK_FALSE(future.linked());
  CHECK(c.anchor().state != AnchorState::connected);
}

TEST_CASE("a full anchor is reported with its reason, is pushed nothing more, and is heard on") {
  Client c;
  (void)c.ada.append(c.topic, "one");
  Stranger anchor(c.ada, "anchor", at_anchor);
  answers(anchor);
  anchor.heard.clear();
  anchor.say(wire::Refused{static_cast<u8>(wire::Refusal::total_quota)}, 1);
  CHECK(c.anchor().state == AnchorState::refused);
  CHECK_FALSE(c.anchor().reason.empty());
  CHECK(std::ranges::any_of(c.ada.status.trouble, [](const Error& e) { return e.code == Code::not_allowed; }));
  (void)c.ada.append(c.topic, "two");
  anchor.listen();
  CHECK(anchor.all<wire::Page>().empty());
  CHECK(anchor.linked());
  CHECK(c.pending() == 2);
  identity::Identity eve("solo", named_seed("eve"));
  Ledger ledger(eve, *anchor.keys);
  ledger.say("from another");
  anchor.say(ledger.page(), 1);
  CHECK(c.ada.messages(c.topic).size() == 3);
}

TEST_CASE("an anchor that is back with an empty disk has acknowledged nothing, and is given everything again") {
  Client c;
  (void)c.ada.append(c.topic, "one");
  Stranger anchor(c.ada, "anchor", at_anchor);
  answers(anchor);
  auto page = anchor.last<wire::Page>();
  REQUIRE(page);
  anchor.say(ack_of(anchor, *page, 1), 1);
  CHECK(c.pending() == 0);
  anchor.close();
  CHECK(c.pending() == 0);  // it is away, and has it
  Stranger::Options unsaid = at_anchor;
  unsaid.greeting.epoch = {2};  // an empty store has an epoch of its own
  Stranger back(c.ada, "anchor", unsaid);
  CHECK(c.pending() == 1);
  answers(back);
  page = back.last<wire::Page>();
  REQUIRE(page);
  CHECK(page->from == 0);
  back.say(ack_of(back, *page, 1), 1);
  CHECK(c.pending() == 0);
}

TEST_CASE("an anchor that is back with yesterday's backup is given what it lost") {
  Client c;
  (void)c.ada.append(c.topic, "yesterday");
  Stranger anchor(c.ada, "anchor", at_anchor);
  answers(anchor);
  auto first = anchor.last<wire::Page>();
  REQUIRE(first);
  (void)c.ada.append(c.topic, "today");
  anchor.listen();
  REQUIRE(anchor.all<wire::Page>().size() == 2);
  anchor.close();
  Stranger back(c.ada, "anchor", at_anchor);
  back.keys = identity::topic_keys(secret);
  u64 incarnation = 0;
  for (u8 b : first->opening->incarnation) incarnation = incarnation << 8 | b;
  wire::LogTag tag = back.tag(back.log_of(c.ada.id(), incarnation));
  back.heard.clear();
  back.say(wire::Hello{{9},
                       1,
                       {{tag, 1, 1, (first->time >> 16) / 1000,
                         log::root_tag(log::Peaks{1, {log::leaf_hash(first->batches[0])}}.root()), 0}},
                       {}},
           1);
  back.say(wire::Done{{back.epoch, 1, {}}}, 1);
  auto page = back.last<wire::Page>();
  REQUIRE(page);
  CHECK(page->from == 1);
  CHECK(page->batches.size() == 1);
}

namespace {

// An anchor that holds two batches of bob in a topic, and has given bob a cursor for them and eve one, too; then its disk is set back to the first.
struct SetBack {
  Solo anchor{"anchor", anchor_config()};
  std::optional<wire::Cursor> to_bob, to_eve;
  explicit SetBack() {
    Stranger bob(anchor, "bob", {.kind = LinkKind::websocket}), eve(anchor, "eve", {.kind = LinkKind::websocket});
    bob.enter(secret);
    Ledger ledger(bob.identity, *bob.keys);
    ledger.say("yesterday");
    bob.say(ledger.page(), 1);
    const sim::Disk backup = anchor.disk;
    ledger.say("today");
    wire::Page page = ledger.page(1, 2);
    page.log = bob.tag(ledger.id());
    bob.say(page, 1);
    to_bob = shown(bob);
    eve.enter(secret, false);
    to_eve = shown(eve);
    anchor.disk = backup;
    anchor.start();
  }
  static std::optional<wire::Cursor> shown(Stranger& peer, std::optional<wire::Cursor> cursor = {}) {
    peer.heard.clear();
    peer.say(wire::Hello{{9}, 0, {}, std::move(cursor)}, 1);
    auto done = peer.last<wire::Done>();
    return done ? std::optional(done->cursor) : std::nullopt;
  }
  u64 rollbacks() {
    anchor.pass(1'500);
    return anchor.metrics["rollbacks"];
  }
};

}  // namespace

TEST_CASE(
    "an anchor whose own disk was set back learns it from a cursor that it gave, and begins a new epoch in that topic") {
  SetBack s;
  REQUIRE(s.to_bob);
  CHECK(s.to_bob->number == 2);
  Stranger bob(s.anchor, "bob", {.kind = LinkKind::websocket});
  bob.enter(secret, false);
  bob.say(wire::Enter{identity::topic_keys(named_secret("another")).id,
                      peers::enter_signature(identity::topic_keys(named_secret("another")),
                                             bob.session->handshake_hash(), bob.identity.id())},
          2);
  (void)SetBack::shown(bob, s.to_bob);
  CHECK(s.rollbacks() == 1);
  bob.heard.clear();
  bob.say(wire::Hello{{9}, 0, {}, {}}, 1);
  bob.say(wire::Hello{{9}, 0, {}, {}}, 2);
  auto dones = bob.all<wire::Done>();
  REQUIRE(dones.size() == 2);
  CHECK(dones[0].cursor.epoch != s.to_bob->epoch);
  CHECK(dones[1].cursor.epoch == s.to_bob->epoch);  // where nothing of the kind was shown nothing has changed
  // It stays so, and a cursor of before means nothing any more.
  s.anchor.start();
  Stranger again(s.anchor, "bob", {.kind = LinkKind::websocket});
  again.enter(secret, false);
  CHECK(again.greeting()->epoch == s.to_bob->epoch);
  CHECK(SetBack::shown(again, s.to_bob)->epoch == dones[0].cursor.epoch);
  CHECK(s.rollbacks() == 0);
}

TEST_CASE(
    "a cursor that was not given, or to somebody else, or in another topic, is not believed, and costs nobody anything") {
  SetBack s;
  Stranger eve(s.anchor, "eve", {.kind = LinkKind::websocket});
  eve.enter(secret, false);
  auto bent = [&](auto change) {
    wire::Cursor cursor = *s.to_eve;
    change(cursor);
    return cursor;
  };
  for (const wire::Cursor& cursor :
       {*s.to_bob, bent([](auto& c) { c.number = 1'000; }), bent([](auto& c) { c.hash[0] ^= 1; }),
        bent([](auto& c) { c.hash[7] ^= 1; }), wire::Cursor{s.to_eve->epoch, ~u64{0}, {}}}) {
    auto done = SetBack::shown(eve, cursor);
    REQUIRE(done);  // the whole frontier is told instead
    CHECK(done->epoch == s.to_eve->epoch);
  }
  const identity::TopicKeys other = identity::topic_keys(named_secret("another"));
  eve.say(wire::Enter{other.id, peers::enter_signature(other, eve.session->handshake_hash(), eve.identity.id())}, 2);
  eve.say(wire::Hello{{9}, 0, {}, s.to_eve}, 2);
  CHECK(s.rollbacks() == 0);
  CHECK(eve.linked());
}

TEST_CASE("a topic begins no more than one epoch a minute, however many true cursors of before are shown") {
  SetBack s;
  for (const char* name : {"bob", "eve"}) {
    Stranger peer(s.anchor, name, {.kind = LinkKind::websocket});
    peer.enter(secret, false);
    (void)SetBack::shown(peer, std::string_view(name) == "bob" ? s.to_bob : s.to_eve);
  }
  CHECK(s.rollbacks() == 1);
}
