// What comes of steps and reads that were under way when a topic was closed, left or forgotten: nothing.
#include <algorithm>

#include "catch_amalgamated.hpp"
#include "unit/support/scene.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

constexpr u64 lease_ms = u64{31} * 86'400'000;

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

TEST_CASE("a topic whose lease is over when the anchor starts is gone, rows, bytes and all, and can be entered anew") {
  Anchored a;
  a.store(3);
  a.anchor.pass(1'500);
  REQUIRE(a.anchor.metrics["total_bytes"] > 0);
  a.anchor.wall_ms += lease_ms;
  a.anchor.start();  // its rows are still being read when the lease is looked at
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
