// Who has a place among those that acknowledge: anybody who knows the topic can make up keys that sign.
#include <algorithm>

#include "catch_amalgamated.hpp"
#include "store/transactions.hpp"
#include "unit/support/made_up.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

const Secret secret = named_secret("a topic");
const Stranger::Options at_anchor{.kind = LinkKind::websocket, .url = "ws://a", .anchor = true};

struct Flooded {
  Solo ada{"ada", client_config({"ws://a"})};
  u32 topic = ada.join(secret);
  std::string first = ada.append(topic, "one");
  wire::Page page;  // of all that Ada has said

  void show(Stranger& to) {
    to.enter(secret);
    page = to.last<wire::Page>().value();
  }
  void flood(Stranger& eve, u32 from, u32 to, u64 length) {
    for (u32 n = from; n < to; ++n) eve.say(ack_by(made_up(n), *eve.keys, page, length), 1);
  }
  std::string more(Stranger& listening, std::string_view text) {
    listening.heard.clear();
    std::string id = ada.append(topic, text);
    listening.listen();
    const wire::Page next = listening.last<wire::Page>().value();
    page.batches.insert(page.batches.end(), next.batches.begin(), next.batches.end());
    return id;
  }
  std::size_t rows() const {
    return static_cast<std::size_t>(
        std::ranges::count_if(ada.disk.rows, [](const auto& row) { return row.first[0] == 'K'; }));
  }
  std::vector<DeviceId> copies(const std::string& id) {
    CopyList list = ada.ask<CopyList>(GetCopies{topic, id});
    list.peers.insert(list.peers.end(), list.anchors.begin(), list.anchors.end());
    return list.peers;
  }
  bool holds(const std::string& id, const DeviceId& who) { return std::ranges::count(copies(id), who) == 1; }
};

// The anchor speaks of the topic by the client's alias, which is 1.
void serve(Stranger& anchor) {
  anchor.keys = identity::topic_keys(secret);
  anchor.say(wire::Hello{{9}, 0, {}, {}}, 1);
  anchor.say(wire::Done{{anchor.epoch, 0, {}}}, 1);
}

}  // namespace

TEST_CASE("an anchor's acknowledgement finds a place after a member has signed for hundreds of made-up keys") {
  Flooded f;
  Stranger eve(f.ada, "eve");
  f.show(eve);
  f.flood(eve, 0, 300, 1);
  CHECK(f.rows() <= 256);
  std::string second = f.more(eve, "two");
  CHECK(f.ada.status.pending == 1);
  u32 anchored = f.ada.call(WaitCopies{f.topic, second, 1, true});
  Stranger anchor(f.ada, "anchor", at_anchor);
  serve(anchor);
  anchor.say(ack_by(anchor.identity, *anchor.keys, f.page, 2), 1);
  CHECK(f.ada.status.pending == 0);
  CHECK(f.ada.answered(anchored));
  CHECK_FALSE(f.ada.error(anchored));
  CHECK(f.rows() <= 256);
}

TEST_CASE("a linked peer's acknowledgement counts whatever a member has signed for others before and after") {
  Flooded f;
  Stranger eve(f.ada, "eve");
  f.show(eve);
  f.flood(eve, 0, 300, 1);
  std::string second = f.more(eve, "two");
  Stranger bob(f.ada, "bob");
  bob.enter(secret);
  bob.say(ack_by(bob.identity, *bob.keys, f.page, 2), 1);
  CHECK(f.ada.status.pending == 0);
  f.flood(eve, 300, 600, 2);
  CHECK(f.holds(second, bob.identity.id()));
  // Nor when it has gone: it was linked, and they never were.
  bob.close();
  f.flood(eve, 600, 900, 2);
  CHECK(f.holds(second, bob.identity.id()));
  CHECK(f.copies(second).size() <= 257);  // with eve, who says that she holds it
  CHECK(f.rows() <= 256);
}

TEST_CASE("after a start over the same rows made-up keys still make room, and who was linked stays") {
  Flooded f;
  {
    Stranger bob(f.ada, "bob");
    f.show(bob);
    bob.say(ack_by(bob.identity, *bob.keys, f.page, 1), 1);
    bob.close();
  }
  {
    Stranger eve(f.ada, "eve");
    eve.enter(secret);
    f.flood(eve, 0, 300, 1);
  }
  f.ada.start();
  f.topic = f.ada.join(secret);
  Stranger eve(f.ada, "eve");
  f.show(eve);
  CHECK(f.holds(f.first, identity::Identity("solo", named_seed("bob")).id()));
  std::string second = f.more(eve, "two");
  f.flood(eve, 300, 600, 2);
  Stranger anchor(f.ada, "anchor", at_anchor);
  serve(anchor);
  anchor.say(ack_by(anchor.identity, *anchor.keys, f.page, 2), 1);
  CHECK(f.holds(second, anchor.identity.id()));
  CHECK(f.holds(f.first, identity::Identity("solo", named_seed("bob")).id()));
  CHECK(f.rows() <= 256);
}

TEST_CASE("rows of more acknowledgements than have a place are let go when they are read") {
  Flooded f;
  Stranger eve(f.ada, "eve");
  f.show(eve);
  f.flood(eve, 0, 1, 1);
  const Bytes key = store::key('K', f.topic, made_up(0).id().view());
  const Bytes row = store::unseal_row(key, f.ada.disk.rows.at(key)).value();
  for (u32 n = 0; n < 400; ++n) {
    const Bytes other = store::key('K', f.topic,
                                   DeviceId::from(crypto::blake2b({codec::Writer().be32(n).peek()}).view()).view());
    f.ada.disk.rows[other] = store::seal_row(other, row);
  }
  f.ada.start();
  f.topic = f.ada.join(secret);
  f.ada.pass(10);
  CHECK(f.rows() == 256);
  CHECK(f.copies(f.first).size() == 256);
}

TEST_CASE("early acknowledgements that a member makes up do not keep out those of who is linked") {
  Flooded f;
  {
    Stranger eve(f.ada, "eve");
    f.show(eve);
  }
  f.ada.next_save = SaveOutcome::failed;  // what comes in the pause after that is heard when it is over
  (void)f.ada.call(Append{f.topic, {}, {Solo::message("not kept")}});
  Stranger eve(f.ada, "eve"), bob(f.ada, "bob");
  eve.enter(secret, false);
  bob.enter(secret, false);
  f.flood(eve, 0, 100, 1);
  f.flood(bob, 100, 200, 1);  // and those that it passes on make room for its own
  bob.say(ack_by(bob.identity, *bob.keys, f.page, 1), 1);
  CHECK(f.ada.status.pending == 1);
  bob.pass(6'000);
  CHECK(f.ada.status.pending == 0);
  CHECK(f.holds(f.first, bob.identity.id()));
}

TEST_CASE(
    "an acknowledgement that ends where a batch of ours is lost counts for what it covers, and in the end nothing is pending") {
  Flooded f;
  wire::Page all;
  {
    Stranger early(f.ada, "early");
    f.show(early);
    for (const char* word : {"two", "three"}) (void)f.more(early, word);
    all = f.page;
    early.close();
  }
  const Bytes lost = store::key('B', f.topic, 0, 2);
  REQUIRE(f.ada.disk.rows.erase(lost) == 1);
  f.ada.start();
  f.topic = f.ada.join(secret);
  (void)f.ada.messages(f.topic);  // meets the loss
  CHECK(f.ada.status.pending == 3);
  Stranger bob(f.ada, "bob");
  bob.enter(secret);
  bob.say(ack_by(bob.identity, *bob.keys, all, 2), 1);
  CHECK(f.ada.status.pending == 1);
  CHECK(f.holds(f.first, bob.identity.id()));
  for (int n = 0; n < 20; ++n) {  // and he cannot give it
    for (const Heard& h : std::exchange(bob.heard, {}))
      if (auto want = h.as<wire::Want>()) bob.say(wire::NoPage{want->log}, 1, h.header.request);
    bob.say(wire::Ping{1, 0});
    bob.pass(1'000);
  }
  CHECK(bob.linked());
  CHECK(f.ada.status.pending == 0);
}
