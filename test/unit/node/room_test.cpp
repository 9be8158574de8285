// Tables that somebody outside can fill: who is near always has a place, and who is out of reach longest makes room.
#include <algorithm>
#include <deque>

#include "catch_amalgamated.hpp"
#include "store/transactions.hpp"
#include "unit/support/made_up.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

const Secret secret = named_secret("a topic");
const Stranger::Options at_anchor{.kind = LinkKind::websocket, .url = "ws://a", .anchor = true};
const Bytes hi{0xa2, 'h', 'i'};

std::size_t rows_of(const Solo& solo, char kind) {
  return static_cast<std::size_t>(
      std::ranges::count_if(solo.disk.rows, [&](const auto& row) { return row.first[0] == static_cast<u8>(kind); }));
}

struct Crowd {
  Solo ada{"ada", client_config({"ws://a"})};
  u32 topic = ada.join(secret);
  Stranger anchor{ada, "anchor", at_anchor};

  Crowd() {
    anchor.keys = identity::topic_keys(secret);
    anchor.say(wire::Hello{{9}, 0, {}, {}}, 1);
    anchor.say(wire::Done{{anchor.epoch, 0, {}}}, 1);
  }
  // They come, say who they are, and go.
  void pass_through(u32 from, u32 to) {
    for (u32 n = from; n < to;) {
      wire::Introduce coming, going;
      for (; n < to && coming.present.size() < 128; ++n) {
        const auto who = made_up(n);
        coming.present.push_back({who.id(), false});
        going.gone.push_back(who.id());
      }
      anchor.say(coming, 1);
      for (u32 who = n - static_cast<u32>(coming.present.size()); who < n; ++who) speak(made_up(who));
      anchor.say(going, 1);
      ada.pass(10);
      anchor.say(wire::Ping{1, ada.wall_ms});
    }
  }
  // Until introductions are heard again.
  void rest() {
    for (int n = 0; n < 10; ++n) ada.pass(1'000), anchor.say(wire::Ping{1, ada.wall_ms});
  }
  void speak(const identity::Identity& who) {
    anchor.say(said_by(who, *anchor.keys, presence_kind, 1, hi), 1);
    anchor.say(said_by(who, *anchor.keys, profile_kind, 1, view("made up")), 1);
  }
  const MemberOut* member(const DeviceId& id) {
    ada.pass(1'000);
    auto& members = ada.member_notices.back().members;
    auto found = std::ranges::find(members, id, &MemberOut::id);
    return found == members.end() ? nullptr : &*found;
  }
};

}  // namespace

TEST_CASE("after a thousand devices have come, spoken and gone a newcomer's presence and name are shown") {
  Crowd c;
  c.pass_through(0, 1'100);
  c.rest();
  const identity::Identity bob("solo", named_seed("bob"));
  c.anchor.say(wire::Introduce{{{bob.id(), false}}, {}}, 1);
  c.anchor.say(said_by(bob, *c.anchor.keys, presence_kind, 1, hi), 1);
  c.anchor.say(said_by(bob, *c.anchor.keys, profile_kind, 1, view("Bob")), 1);
  CHECK(c.ada.presence[bob.id()] == hi);
  REQUIRE(c.member(bob.id()));
  CHECK(c.member(bob.id())->name == "Bob");
  CHECK(rows_of(c.ada, 'W') <= 1'024);
  // So it is when it speaks before its anchor has introduced it, and when it is linked itself.
  c.pass_through(1'100, 1'200);
  c.rest();
  const identity::Identity carol("solo", named_seed("carol"));
  c.anchor.say(said_by(carol, *c.anchor.keys, profile_kind, 1, view("Carol")), 1);
  c.anchor.say(wire::Introduce{{{carol.id(), false}}, {}}, 1);
  CHECK(c.member(carol.id())->name == "Carol");
  Stranger dave(c.ada, "dave");
  dave.enter(secret);
  dave.say(said_by(dave.identity, *dave.keys, presence_kind, 1, hi), 1);
  dave.say(said_by(dave.identity, *dave.keys, profile_kind, 1, view("Dave")), 1);
  CHECK(c.ada.presence[dave.identity.id()] == hi);
  CHECK(c.member(dave.identity.id())->name == "Dave");
  CHECK(c.member(bob.id())->name == "Bob");  // who is here makes room for nobody
  CHECK(rows_of(c.ada, 'W') <= 1'024);
}

TEST_CASE("who has written in a topic keeps its name while devices that have said nothing come and go") {
  Crowd c;
  const identity::Identity bob("solo", named_seed("bob"));
  Ledger ledger(bob, *c.anchor.keys);
  ledger.say("hello");
  c.anchor.say(ledger.page(), 1);
  c.anchor.say(said_by(bob, *c.anchor.keys, profile_kind, 1, view("Bob")), 1);
  c.pass_through(0, 1'100);
  CHECK(c.member(bob.id())->name == "Bob");
  c.ada.start();
  c.topic = c.ada.join(secret);
  CHECK(c.member(bob.id())->name == "Bob");
}

TEST_CASE(
    "of more names than have a place those of authors and the newest are kept when they are read, and no row of the others") {
  Solo ada("ada");
  u32 topic = ada.join(secret);
  std::deque<DeviceId> devices;
  for (u32 n = 0; n < 1'500; ++n) {
    devices.push_back(DeviceId::from(crypto::blake2b({codec::Writer().be32(n).peek()}).view()));
    const Bytes key = store::key('W', topic, devices.back().view());
    codec::Writer row;
    row.be64(1'000 + n).raw(view("name"));
    ada.disk.rows[key] = store::seal_row(key, row.peek());
  }
  ada.start();
  topic = ada.join(secret);
  ada.pass(10);
  CHECK(rows_of(ada, 'W') == 1'024);
  CHECK_FALSE(ada.disk.rows.contains(store::key('W', topic, devices.front().view())));
  CHECK(ada.disk.rows.contains(store::key('W', topic, devices.back().view())));
}

TEST_CASE("a member speaks for itself alone") {
  Solo ada("ada");
  (void)ada.join(secret);
  Stranger eve(ada, "eve");
  eve.enter(secret);
  eve.say(said_by(made_up(1), *eve.keys, presence_kind, 1, hi), 1);
  eve.say(said_by(eve.identity, *eve.keys, presence_kind, 1, hi), 1);
  CHECK(ada.presence.size() == 1);
  CHECK(ada.presence[eve.identity.id()] == hi);
}

TEST_CASE(
    "an invite's anchor finds a place among addresses at which nobody ever answered, and none among those that did") {
  Solo ada("ada", client_config({"ws://a"}));
  auto join_at = [&](const std::string& url) {
    identity::Invite invite;
    std::copy_n(identity::network_id("solo").bytes.begin(), 4, invite.network_tag.begin());
    invite.secret = named_secret(url);
    invite.anchors = {url};
    (void)ada.ask<OpenedTopic>(TopicJoin{identity::encode_invite(invite), {}});
  };
  auto known = [&](const std::string& url) { return std::ranges::count(ada.anchors, url, &AnchorOut::url) == 1; };
  {
    Stranger anchor(ada, "anchor", at_anchor);
    CHECK(anchor.linked());
  }
  for (int n = 0; n < 15; ++n) join_at("ws://made-up-" + std::to_string(n));
  CHECK(ada.anchors.size() == 16);
  ada.turn({DialFailed{"ws://made-up-7"}});
  join_at("ws://real");
  CHECK(known("ws://real"));
  CHECK(known("ws://a"));
  CHECK_FALSE(known("ws://made-up-7"));
  CHECK(ada.anchors.size() == 16);
  ada.start();
  CHECK(known("ws://real"));
  CHECK(ada.anchors.size() == 16);
  std::deque<Stranger> met;
  for (const AnchorOut& a : std::vector(ada.anchors))
    met.emplace_back(ada, a.url, Stranger::Options{.kind = LinkKind::websocket, .url = a.url, .anchor = true});
  join_at("ws://one-more");
  CHECK_FALSE(known("ws://one-more"));
}

TEST_CASE("a topic full of made-up authors has a place for the log of who is linked, and for our own") {
  Solo ada("ada");
  u32 topic = ada.join(secret);
  const auto keys = identity::topic_keys(secret);
  for (u32 n = 0; n < 65'536 - 4'096; ++n) {
    log::LogState state;
    state.opening.device = DeviceId::from(crypto::blake2b({codec::Writer().be32(n).peek()}).view());
    state.opening.incarnation = n;
    const Bytes key = store::key('L', topic, n);
    ada.disk.rows[key] = store::seal_row(key, log::encode_state(state));
  }
  ada.start();
  topic = ada.join(secret);
  Stranger bob(ada, "bob");
  bob.enter(secret);
  const auto nobody = made_up(1);
  Ledger theirs(nobody, keys), his(bob.identity, keys);
  theirs.say("made up");
  his.say("Bob's");
  bob.say(theirs.page(), 1);
  bob.say(his.page(), 1);
  CHECK(ada.messages(topic) == std::vector<std::string>{"Bob's"});
  CHECK(bob.linked());
  (void)ada.append(topic, "Ada's");
  ada.start();
  topic = ada.join(secret);
  CHECK(ada.messages(topic).size() == 2);
}
