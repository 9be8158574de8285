// What an author did who signed two histories of a log is known to whoever has seen the proof, also when nobody has the other history any more.
#include "sync/fork_proof.hpp"

#include "catch_amalgamated.hpp"
#include "unit/support/scene.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

using Words = std::vector<std::string>;

struct Leaves final : log::Nodes {
  explicit Leaves(const Ledger& of) : ledger(of) {}
  std::optional<Hash> node(u32 level, u64 index) const override {
    log::Peaks peaks;
    for (u64 i = index << level; i < (index + 1) << level; ++i) peaks.append(log::leaf_hash(ledger.batches().at(i)));
    return peaks.root();
  }
  const Ledger& ledger;
};

wire::Branch branch_of(const Ledger& ledger, u64 at) {
  const log::Head head = ledger.head(ledger.length());
  return {log::leaf_hash(ledger.batches().at(at)),
          *log::completion(Leaves(ledger), at + 1, ledger.length()),
          head.length,
          head.ops,
          head.time.value,
          head.signature};
}

wire::Fork fork_of(const Ledger& one, const Ledger& other, u64 at) {
  return {at, one.peaks(at).hashes, branch_of(one, at), branch_of(other, at)};
}

// All of it, as who holds it shows it when asked.
void prove(Stranger& who, const wire::LogTag& tag, const Ledger& ledger, u64 size) {
  const log::Head head = ledger.head(ledger.length());
  who.say(wire::Proof{tag, size, ledger.peaks(size).hashes, *log::completion(Leaves(ledger), size, ledger.length()),
                      head.length, head.ops, head.time.value, head.signature},
          1);
}

void knows_proofs(Stranger& who) {
  wire::Able able;
  able.numbers.insert(static_cast<u8>(wire::Tag::fork_proof));
  who.say(wire::say(able));
}

// Eve's two histories, which part behind three batches.
struct Forked {
  identity::Identity eve{"solo", named_seed("eve")};
  identity::TopicKeys keys = identity::topic_keys(secret);
  Ledger one{eve, keys}, two{eve, keys};
  Forked() {
    for (const char* word : {"0", "1", "2"}) {
      one.say(word);
      two.add_sealed(one.batches().back());
    }
    for (const char* word : {"one", "one again"}) one.say(word);
    for (const char* word : {"two", "two again", "two at last"}) two.say(word);
  }
};

// Somebody has brought the first of them.
u32 hear_one(Solo& solo, Stranger& who, const Ledger& one) {
  const u32 topic = solo.join(secret);
  knows_proofs(who);
  who.enter(secret);
  who.say(one.page(), 1);
  REQUIRE(solo.messages(topic) == Words{"0", "1", "2", "one", "one again"});
  return topic;
}

}  // namespace

TEST_CASE("who meets both histories of a log proves the fork, keeps the proof and shows it to who speaks of more") {
  const Forked f;
  Solo ada("ada");
  {
    Stranger eve(ada, "eve");
    const u32 topic = hear_one(ada, eve, f.one);
    const wire::LogTag tag = eve.tag(f.one.id());
    wire::Page page = f.two.page(3, 6);
    page.log = tag;
    eve.say(page, 1);
    REQUIRE(eve.last<wire::AskProof>()->size == 5);
    prove(eve, tag, f.two, 5);
    REQUIRE(eve.last<wire::AskNodes>());
    eve.say(wire::Nodes{tag, 2, 0, *Leaves(f.two).node(1, 0), *Leaves(f.two).node(1, 1)}, 1);
    eve.say(wire::Nodes{tag, 1, 1, *Leaves(f.two).node(0, 2), *Leaves(f.two).node(0, 3)}, 1);
    REQUIRE(eve.last<wire::AskProof>()->size == 4);
    CHECK(ada.messages(topic).size() == 5);  // not by anybody's word
    prove(eve, tag, f.two, 4);
    CHECK(eve.linked());
    CHECK(ada.messages(topic) == Words{"0", "1", "2"});
    eve.close();
  }
  ada.start();
  const u32 topic = ada.join(secret);
  CHECK(ada.messages(topic) == Words{"0", "1", "2"});
  for (bool able : {false, true}) {
    CAPTURE(able);
    Stranger bob(ada, "bob");
    if (able) knows_proofs(bob);
    bob.enter(secret);
    bob.say(wire::Items{{f.one.item(bob.tag(f.one.id()), 5)}}, 1);
    bob.say(wire::Items{{f.one.item(bob.tag(f.one.id()), 5)}}, 1);
    const auto shown = bob.all<wire::ForkProof>();
    REQUIRE(shown.size() == (able ? 1 : 0));
    if (!able) continue;
    CHECK(shown[0].fork.at == 3);
    crdt::LogName name;
    name.device = f.eve.id();
    name.incarnation = 5;
    CHECK(sync::proves_fork(f.eve.network(), f.keys.id, name, shown[0].fork));
  }
}

TEST_CASE("the proof of a fork is believed by who holds one history alone, and told on by an edge and by an anchor") {
  const Forked f;
  for (bool anchor : {false, true}) {
    CAPTURE(anchor);
    Config config;
    config.anchor = anchor;
    Solo carl("carl", config);
    Stranger dora(carl, "dora"), emil(carl, "emil");
    u32 topic = 0;
    if (!anchor) topic = hear_one(carl, dora, f.one);
    else knows_proofs(dora), dora.enter(secret), dora.say(f.one.page(), 1);
    knows_proofs(emil);
    emil.enter(secret);
    emil.heard.clear();
    dora.say(wire::ForkProof{dora.tag(f.one.id()), fork_of(f.one, f.two, 3)}, 1);
    emil.listen();
    CHECK(emil.all<wire::ForkProof>().size() == 1);
    CHECK(dora.all<wire::ForkProof>().empty());
    REQUIRE(emil.last<wire::Items>());
    CHECK(emil.last<wire::Items>()->items[0].length == 3);
    CHECK(emil.last<wire::Items>()->items[0].cut == 4);
    if (!anchor) CHECK(carl.messages(topic) == Words{"0", "1", "2"});
  }
}

TEST_CASE("of two proofs for one log that of the earlier fork counts, in either order") {
  Forked f;
  Ledger three{f.eve, f.keys};
  three.add_sealed(f.one.batches().front());
  three.say("three");
  for (bool earlier_first : {false, true}) {
    CAPTURE(earlier_first);
    Solo carl("carl");
    Stranger dora(carl, "dora");
    const u32 topic = hear_one(carl, dora, f.one);
    const wire::LogTag tag = dora.tag(f.one.id());
    for (bool earlier : {earlier_first, !earlier_first})
      dora.say(wire::ForkProof{tag, earlier ? fork_of(f.one, three, 1) : fork_of(f.one, f.two, 3)}, 1);
    CHECK(carl.messages(topic) == Words{"0"});
    CHECK(dora.linked());
  }
}

TEST_CASE("who shows a proof that proves nothing loses its link, and nothing is quarantined") {
  const Forked f;
  const wire::Fork good = fork_of(f.one, f.two, 3);
  for (int harm = 0; harm < 9; ++harm) {
    CAPTURE(harm);
    wire::Fork fork = good;
    if (harm == 0) fork.other = fork.one;               // one history
    if (harm == 1) fork.other.signature.bytes[3] ^= 1;  // nobody's
    if (harm == 2) fork.one.leaf.bytes[0] ^= 1;
    if (harm == 3) fork.at = 2;
    if (harm == 4) fork.peaks.pop_back();
    if (harm == 5) fork.one.completion.push_back({});
    if (harm == 6) fork.one.length = fork.at;
    if (harm == 7) fork.at = log::batches_max, fork.peaks.resize(32);
    if (harm == 8) {  // two heads of one history
      Ledger longer{f.eve, f.keys};
      for (const Bytes& batch : f.one.batches()) longer.add_sealed(batch);
      longer.say("more");
      fork = fork_of(f.one, longer, 3);
    }
    Solo carl("carl");
    Stranger dora(carl, "dora");
    const u32 topic = hear_one(carl, dora, f.one);
    dora.say(wire::ForkProof{dora.tag(f.one.id()), fork}, 1);
    CHECK_FALSE(dora.linked());
    CHECK(carl.messages(topic).size() == 5);
  }
}

TEST_CASE(
    "an author of whom a life that is gone forked its log says what is behind that once more, under the same ids") {
  Scene s({"0"});
  const identity::Identity self = s.ada.identity();
  const std::optional<wire::Page> shared = first_page(s.ada);
  REQUIRE(shared);
  Words ids{s.first};
  for (const char* word : {"1", "2"}) ids.push_back(s.ada.append(s.topic, word));
  Stranger bob(s.ada, "bob");
  knows_proofs(bob);
  bob.enter(secret);
  const auto all = bob.last<wire::Page>();
  REQUIRE(all);
  REQUIRE(all->batches.size() == 3);
  Ledger ours(self, *bob.keys, incarnation_of(*shared)), gone(self, *bob.keys, incarnation_of(*shared));
  for (const Bytes& batch : all->batches) ours.add_sealed(batch);
  gone.add_sealed(shared->batches[0]);
  gone.say("nobody has this");
  const wire::LogTag tag = bob.tag(ours.id());
  const wire::Fork fork = fork_of(ours, gone, 1);
  bob.heard.clear();
  bob.say(wire::ForkProof{tag, fork}, 1);
  bob.pass(100);
  REQUIRE(bob.last<wire::AskProof>());  // the other history comes first, if somebody has it
  prove(bob, tag, ours, 3);
  bob.pass(1'000);
  CHECK(bob.linked());
  CHECK(s.ada.messages(s.topic) == Words{"0", "1", "2"});
  for (std::size_t n = 0; n < ids.size(); ++n)
    CHECK(s.ada.ask<MessagePage>(GetMessage{s.topic, ids[n]}).messages.size() == 1);
  // Whoever knows of the fork sees all of it again.
  const auto said_again = bob.last<wire::Page>();
  REQUIRE(said_again);
  REQUIRE(said_again->opening);
  Solo carl("carl");
  const u32 topic = carl.join(secret);
  Stranger dora(carl, "dora");
  dora.enter(secret);
  dora.say(*all, 1);
  dora.say(wire::ForkProof{dora.tag(ours.id()), fork}, 1);
  CHECK(carl.messages(topic) == Words{"0"});
  wire::Page page = *said_again;
  page.log = {};
  dora.say(page, 1);
  CHECK(carl.messages(topic) == Words{"0", "1", "2"});
}
