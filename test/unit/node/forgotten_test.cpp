// What comes of steps and reads that were under way when a topic was closed, left or forgotten: nothing.
#include <algorithm>

#include "catch_amalgamated.hpp"
#include "unit/support/scene.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

constexpr u64 day_ms = 86'400'000, lease_ms = 31 * day_ms;

struct Anchored {
  Solo anchor{"anchor", anchor_config()};
  identity::TopicKeys keys = identity::topic_keys(secret);
  identity::Identity ada{"solo", named_seed("ada")};
  Ledger ledger{ada, keys};

  void store(int batches) {
    Stranger member(anchor, "ada", {.kind = LinkKind::websocket});
    member.enter(secret);
    for (int i = 0; i < batches; ++i) ledger.say("something");
    wire::Page page = ledger.page();
    page.log = member.tag(ledger.id());
    member.say(page, 1);
    member.close();
  }
  std::size_t rows() const {  // that belong to a topic
    return static_cast<std::size_t>(std::ranges::count_if(anchor.disk.rows, [](const auto& row) {
      return row.first[0] != 'M' && row.first[0] != 'A' && row.first[0] != 'R';
    }));
  }
};

}  // namespace

TEST_CASE(
    "a topic that nobody came for within a day of the start, and whose lease is over, is gone, rows, bytes and all, and can be entered anew") {
  Anchored a;
  a.store(3);
  a.anchor.pass(1'500);
  REQUIRE(a.anchor.metrics["total_bytes"] > 0);
  a.anchor.wall_ms += lease_ms;
  a.anchor.start();
  a.anchor.pass(1'500);
  CHECK(a.anchor.metrics["topics"] == 1);
  a.anchor.steady_ms += day_ms;
  a.anchor.pass(1'500);
  CHECK(a.anchor.metrics["leases_ended"] == 1);
  CHECK(a.anchor.metrics["topics"] == 0);
  CHECK(a.anchor.metrics["logs"] == 0);
  CHECK(a.anchor.metrics["total_bytes"] == 0);
  CHECK(a.rows() == 0);
  a.store(1);
  a.anchor.pass(1'500);
  CHECK(a.anchor.metrics["topics"] == 1);
  CHECK(a.anchor.metrics["total_bytes"] > 0);
  Stranger bob(a.anchor, "bob", {.kind = LinkKind::websocket});
  bob.enter(secret);
  CHECK(bob.all<wire::Page>().size() == 1);
}

TEST_CASE("an anchor that was away for longer than its leases keeps what its members come back for within a day") {
  Anchored a;
  a.store(3);
  a.anchor.wall_ms += 2 * lease_ms;
  a.anchor.start();
  for (int hour = 0; hour < 23; ++hour) a.anchor.steady_ms += day_ms / 24, a.anchor.turn();
  Stranger member(a.anchor, "bob", {.kind = LinkKind::websocket});
  member.enter(secret);
  CHECK(member.all<wire::Page>().size() == 1);
  member.close();
  a.anchor.steady_ms += 2 * day_ms;
  a.anchor.pass(1'500);
  CHECK(a.anchor.metrics["topics"] == 1);
  CHECK(a.anchor.metrics["leases_ended"] == 0);
}

TEST_CASE("a lease does not end under who is linked all the while, for a row an hour") {
  Anchored a;
  a.store(3);
  Stranger member(a.anchor, "ada", {.kind = LinkKind::websocket});
  member.enter(secret);
  const u32 saves = a.anchor.saves;
  constexpr u32 hours = 31 * 24;
  for (u32 hour = 0; hour < hours; ++hour) {
    for (u64 half = 0; half < 2; ++half) {
      a.anchor.steady_ms += day_ms / 48, a.anchor.wall_ms += day_ms / 48;
      member.say(wire::Ping{1, a.anchor.wall_ms});
    }
  }
  CHECK(member.linked());
  CHECK(a.anchor.saves - saves <= hours);
  a.anchor.start();  // it fell over, and was set up again a day later
  a.anchor.wall_ms += day_ms, a.anchor.steady_ms += day_ms;
  a.anchor.pass(1'500);
  CHECK(a.anchor.metrics["topics"] == 1);
  CHECK(a.anchor.metrics["leases_ended"] == 0);
}

TEST_CASE("by a clock that leaps ahead, or was behind when a topic was used, nobody's lease is over") {
  Anchored a;
  a.store(3);
  a.anchor.steady_ms += 2 * day_ms;
  a.anchor.wall_ms += 2 * day_ms;
  a.anchor.pass(1'500);
  a.anchor.wall_ms += lease_ms;
  for (int hours = 0; hours < 3; ++hours) {
    a.anchor.steady_ms += day_ms / 24;
    a.anchor.wall_ms += day_ms / 24;
    a.anchor.pass(1'500);
  }
  CHECK(a.anchor.metrics["topics"] == 1);
  a.anchor.wall_ms -= 2 * lease_ms;
  a.anchor.pass(1'500);
  a.store(1);
  a.anchor.wall_ms += 2 * lease_ms;
  a.anchor.steady_ms += 2 * day_ms;
  a.anchor.wall_ms += 2 * day_ms;
  a.anchor.pass(1'500);
  CHECK(a.anchor.metrics["topics"] == 1);
}

TEST_CASE("what was under way for a topic when its lease ended is written to no row and counted nowhere") {
  Anchored a;
  a.store(3);
  Stranger member(a.anchor, "ada", {.kind = LinkKind::websocket});
  member.enter(secret);
  a.ledger.say("late");
  a.anchor.answers_saves = a.anchor.answers_reads = false;
  wire::Page page = a.ledger.page(3, 4);
  page.log = member.tag(a.ledger.id());
  member.say(page, 1);
  member.close();
  a.anchor.wall_ms += lease_ms;
  a.anchor.steady_ms += lease_ms;
  a.anchor.pass(3'700'000);  // the disk is slow, and leases are looked at
  a.anchor.answers_saves = a.anchor.answers_reads = true;
  for (int i = 0; i < 5; ++i) a.anchor.pass(1'500);
  CHECK(a.anchor.metrics["topics"] == 0);
  CHECK(a.anchor.metrics["total_bytes"] == 0);
  CHECK(a.rows() == 0);
  a.anchor.start();
  a.anchor.pass(1'500);
  CHECK(a.anchor.metrics["topics"] == 0);
}

TEST_CASE("a topic that is left while it is being joined again is not opened by that") {
  Scene s;
  (void)s.ada.ask<Nothing>(TopicClose{s.topic});
  identity::Invite invite;
  std::copy_n(identity::network_id("solo").bytes.begin(), 4, invite.network_tag.begin());
  invite.secret = secret;
  for (bool forget : {false, true}) {
    CAPTURE(forget);
    s.ada.answers_saves = false;
    u32 join = s.ada.call(TopicJoin{identity::encode_invite(invite), forget ? "one name" : "another"});
    u32 leave = s.ada.call(TopicLeave{s.topic, forget});
    s.ada.answers_saves = true;
    s.ada.pass(10);
    CHECK(s.ada.answered(leave));
    CHECK(s.ada.error(join) == Code::closed);
    CHECK(s.ada.error(s.ada.call(Latest{s.topic, 10})) == Code::closed);
  }
  const u32 anew = s.ada.join(secret);
  CHECK(s.ada.messages(anew).empty());
  (void)s.ada.append(anew, "anew");
  CHECK(s.ada.messages(anew) == std::vector<std::string>{"anew"});
}

TEST_CASE("a topic that is closed while it is being read, and opened again, is read once") {
  Scene s;
  s.ada.start();
  s.ada.answers_reads = false;
  identity::Invite invite;
  std::copy_n(identity::network_id("solo").bytes.begin(), 4, invite.network_tag.begin());
  invite.secret = secret;
  const std::string text = identity::encode_invite(invite);
  u32 first = s.ada.call(TopicJoin{text, {}});
  u32 close = s.ada.call(TopicClose{s.topic});
  u32 second = s.ada.call(TopicJoin{text, {}});
  s.ada.answers_reads = true;
  for (int i = 0; i < 10; ++i) s.ada.pass(10);
  CHECK(s.ada.answered(first));
  CHECK(s.ada.answered(close));
  CHECK(s.ada.answered(second));
  CHECK(s.intact());
}
