// What a peer can say of logs: pages, batches, voids, forks, right and wrong. In each: our app goes on, and what was accepted stays.
#include <algorithm>

#include "catch_amalgamated.hpp"
#include "unit/support/scene.hpp"

using namespace perdure;
using namespace perdure::test;

TEST_CASE("two who know a topic meet in it, and what one says the other has") {
  Scene s;
  Stranger eve(s.ada, "eve");
  eve.enter(secret);
  auto hello = eve.last<wire::Hello>();
  REQUIRE(hello);
  REQUIRE(hello->items.size() == 1);
  CHECK(hello->items[0].length == 2);
  auto pages = eve.all<wire::Page>();
  REQUIRE(pages.size() == 1);
  CHECK(pages[0].batches.size() == 2);
  Ledger ledger(eve.identity, *eve.keys);
  ledger.say("three");
  eve.say(ledger.page(), 1);
  CHECK(s.ada.messages(s.topic) == std::vector<std::string>{"three", "one", "two"});
  eve.pass(1'000);
  auto ack = eve.last<wire::Ack>();
  REQUIRE(ack);
  CHECK(ack->author == eve.identity.id());
  CHECK(ack->length == 1);
  CHECK(eve.linked());
}

TEST_CASE("a log that no invite holder opened is not stored, and costs the link") {
  Scene s;
  Stranger eve(s.ada, "eve");
  eve.enter(secret);
  identity::TopicKeys guessed = identity::topic_keys(named_secret("another topic"));
  guessed.id = eve.keys->id;  // the right topic, and the wrong key for it
  Ledger ledger(eve.identity, guessed);
  ledger.say("not invited");
  eve.say(ledger.page(), 1);
  CHECK_FALSE(eve.linked());
  CHECK(s.intact());
}

TEST_CASE(
    "a head with a bad signature, over another root, or over other lengths is not believed, and who sent it loses its link") {
  for (int harm = 0; harm < 6; ++harm) {
    Scene s;
    Stranger eve(s.ada, "eve");
    eve.enter(secret);
    Ledger ledger(eve.identity, *eve.keys);
    for (int i = 0; i < 4; ++i) ledger.say("good");
    wire::Page page = ledger.page();
    switch (harm) {
      case 0: page.signature.bytes[5] ^= 1; break;
      case 1: page.batches[2][20] ^= 1; break;  // another root
      case 2: page.ops += 1; break;
      case 3: page.time += 1; break;
      case 4: page.length += 1, page.completion = {Hash{}}; break;
      default: std::swap(page.batches[0], page.batches[1]);
    }
    eve.say(page, 1);
    CHECK_FALSE(eve.linked());
    CHECK(s.intact());
  }
}

TEST_CASE("a page over its limits, or that contradicts itself, costs the link") {
  for (int harm = 0; harm < 8; ++harm) {
    Scene s;
    Stranger eve(s.ada, "eve");
    eve.enter(secret);
    Ledger ledger(eve.identity, *eve.keys);
    if (harm == 0) ledger.add_sealed(Bytes(log::sealed_max + 1, 1));  // one batch that is too long
    else if (harm == 1)
      for (int i = 0; i < 3; ++i) ledger.add_sealed(Bytes(30'000, 1));  // too long together
    else
      for (int i = 0; i < 4; ++i) ledger.say("good");
    wire::Page page = ledger.page();
    switch (harm) {
      case 2: page.batches.clear(); break;
      case 3: page.batches[0].clear(); break;
      case 4:
        page.from = 4;
        page.opening.reset();
        page.log = eve.tag(ledger.id());
        eve.say(ledger.page(), 1);
        page.length = 4;
        break;
      case 5: page.length = 3; break;
      case 6: page.length = u64{1} << 60; break;
      case 7: page.ops = 1; break;
      default: break;
    }
    if (harm == 4) CHECK(eve.linked());
    eve.say(page, 1);
    CHECK_FALSE(eve.linked());
    if (harm != 4) CHECK(s.intact());
  }
}

TEST_CASE("a page that nobody asked for under that number costs the link, and so does its refusal") {
  Scene s;
  Stranger eve(s.ada, "eve");
  eve.enter(secret);
  Ledger ledger(eve.identity, *eve.keys);
  ledger.say("x");
  eve.say(ledger.page(), 1, 77);
  CHECK_FALSE(eve.linked());
  Stranger bob(s.ada, "bob");
  bob.enter(secret);
  bob.say(wire::NoPage{{1}}, 1, 77);
  CHECK_FALSE(bob.linked());
  CHECK(s.intact());
}

TEST_CASE("a batch that its author sealed wrongly or filled with nonsense is kept, says nothing, and hurts nobody") {
  Scene s;
  Stranger eve(s.ada, "eve");
  eve.enter(secret);
  Ledger ledger(eve.identity, *eve.keys);
  ledger.say("before");
  ledger.add_sealed(Bytes(100, 7));  // sealed with nothing
  crypto::Random random(named_seed("r"));
  ledger.add_sealed(
      log::seal_batch(*eve.keys, {eve.identity.network(), eve.keys->id, ledger.id(), 2}, Bytes(50, 0xff), random));
  ledger.say("after");
  eve.say(ledger.page(), 1);
  CHECK(eve.linked());
  auto messages = s.ada.messages(s.topic);
  CHECK(std::ranges::count(messages, "before") == 1);
  CHECK(std::ranges::count(messages, "after") == 1);
  CHECK(messages.size() == 4);
  CHECK(s.ada.topics[s.topic].length == 4);
}

TEST_CASE("a batch over its limits inside says nothing") {
  Scene s;
  Stranger eve(s.ada, "eve");
  eve.enter(secret);
  Ledger ledger(eve.identity, *eve.keys);
  crypto::Random random(named_seed("r"));
  ledger.say("good");
  Bytes plain = log::encode_batch(
      {{u64{1'700'000'000'000} << 16}, 1, {}, {}, {{log::Op::Kind::message, {}, Bytes{0xc0}, {}}}}, ledger.id());
  for (int harm = 0; harm < 4; ++harm) {
    Bytes bent = plain;
    if (harm == 0) bent.push_back(0xc0);  // two values in place of one
    if (harm == 1) bent.back() = 0xc1;    // no MessagePack value
    if (harm == 2) bent[0] |= 0x0f;       // more deps than there may be
    if (harm == 3) bent.resize(log::plain_max * 3, 0);
    ledger.add_sealed(
        log::seal_batch(*eve.keys, {eve.identity.network(), eve.keys->id, ledger.id(), ledger.length()}, bent, random));
  }
  for (u64 i = 0; i < ledger.length(); ++i) {
    wire::Page page = ledger.page(i, i + 1);
    page.log = eve.tag(ledger.id());
    eve.say(page, 1);
  }
  CHECK(eve.linked());
  CHECK(s.ada.topics[s.topic].length == 3);
}

TEST_CASE("a set that names versions which do not exist replaces nothing, and a context of lies gains nothing") {
  Scene s;
  (void)s.ada.ask<Appended>(Append{s.topic, {}, {Solo::set("k", "ours")}});
  Stranger eve(s.ada, "eve");
  eve.enter(secret);
  Ledger ledger(eve.identity, *eve.keys);
  const Bytes value = Solo::message("theirs").value, key = own(view("k"));
  DeviceId nobody = DeviceId::from(Bytes(32, 1));
  LogId made_up = LogId::from(Bytes(32, 9));
  ledger.add({{log::Op::Kind::set, key, value, {{made_up, 3, 1}, {ledger.id(), 70, 2}, {eve.log_of(nobody, 4), 0, 0}}}},
             1'600'000'000'000);
  log::Batch lies;
  lies.time = {(u64{1'600'000'000'000} << 16) + 9};
  lies.first_op = 1;
  lies.deps = {{{9, 9}, u64{1} << 50, {1}}, {{8}, 0, {}}};
  lies.ops = {{log::Op::Kind::message, {}, value, {}}};
  ledger.add_batch(lies);
  eve.say(ledger.page(), 1);
  CHECK(eve.linked());
  auto entry = s.ada.ask<MapPage>(MapGet{s.topic, "k"}).entries.at(0);
  CHECK(entry.version.author == s.ada.id());
  auto conflicts = s.ada.ask<ConflictPage>(MapConflicts{s.topic, {}, {}, 10}).conflicts;
  REQUIRE(conflicts.size() == 1);
  CHECK(conflicts[0].losers.size() == 1);
}

TEST_CASE("a void of a log that is not its author's voids nothing") {
  Scene s;
  Stranger eve(s.ada, "eve");
  eve.enter(secret);
  auto hello = eve.last<wire::Hello>();
  REQUIRE(hello);
  auto ours = eve.last<wire::Page>();
  REQUIRE(ours);
  REQUIRE(ours->opening);
  const u64 incarnation = incarnation_of(*ours);
  Ledger ledger(eve.identity, *eve.keys);
  log::Batch batch;
  batch.time = {u64{1'700'000'000'000} << 16};
  batch.voids = {{eve.log_of(s.ada.id(), incarnation), 0}};
  batch.ops = {{log::Op::Kind::message, {}, Bytes{0xc0}, {}}};
  ledger.add_batch(batch);
  eve.say(ledger.page(), 1);
  CHECK(eve.linked());
  CHECK(s.ada.topics[s.topic].length == 3);
  CHECK(s.ada.append(s.topic, "still ours").size() > 0);
}

TEST_CASE("repeated and reordered pages of a log change nothing twice, and one behind a gap waits to be asked for") {
  Scene s;
  Stranger eve(s.ada, "eve");
  eve.enter(secret);
  Ledger ledger(eve.identity, *eve.keys);
  for (int i = 0; i < 6; ++i) ledger.say("m" + std::to_string(i));
  auto page = [&](u64 from, u64 to) {
    wire::Page p = ledger.page(from, to);
    p.log = eve.tag(ledger.id());
    return p;
  };
  eve.say(page(2, 4), 1);  // of a log that is not known yet
  eve.say(page(0, 2), 1);
  eve.say(page(4, 6), 1);  // a gap
  eve.say(page(0, 2), 1);
  eve.say(page(0, 4), 1);  // an overlap
  eve.say(page(2, 4), 1);
  eve.say(page(3, 6), 1);
  eve.say(page(0, 6), 1);
  CHECK(eve.linked());
  CHECK(s.ada.topics[s.topic].length == 8);
  auto messages = s.ada.messages(s.topic);
  for (int i = 0; i < 6; ++i) CHECK(std::ranges::count(messages, "m" + std::to_string(i)) == 1);
}

TEST_CASE("a shorter log than is held takes nothing back") {
  Scene s;
  Stranger eve(s.ada, "eve");
  eve.enter(secret);
  Ledger ledger(eve.identity, *eve.keys);
  for (int i = 0; i < 6; ++i) ledger.say("m");
  eve.say(ledger.page(), 1);
  eve.say(ledger.page(0, 3), 1);
  eve.say(wire::Items{{ledger.item(eve.tag(ledger.id()), 3)}}, 1);
  eve.pass(1'000);
  CHECK(eve.linked());
  CHECK(s.ada.topics[s.topic].length == 8);
}

TEST_CASE("a log that its author forked is quarantined from there on, and the link to who shows it stays") {
  Scene s;
  Stranger eve(s.ada, "eve");
  eve.enter(secret);
  Ledger one(eve.identity, *eve.keys), two(eve.identity, *eve.keys);
  for (int i = 0; i < 3; ++i) {
    one.say("common " + std::to_string(i));
    two.add_sealed(one.batches().back());
  }
  one.say("branch one");
  two.say("branch two");
  two.say("more of two");
  eve.say(one.page(), 1);
  CHECK(s.ada.topics[s.topic].length == 6);
  eve.heard.clear();
  wire::LogTag tag = eve.tag(one.id());
  wire::Page fork = two.page(3, 5);
  fork.log = tag;
  eve.say(fork, 1);  // overlaps what is held: skipped up to 4, and then the root is wrong
  auto ask = eve.last<wire::AskProof>();
  REQUIRE(ask);
  log::Head head = two.head(5);
  // The tree of 5 cut at 4: peaks of the first four, and the fifth leaf completes it.
  CHECK(ask->size == 4);
  const wire::Proof proof{tag, 4,        two.peaks(4).hashes, {log::leaf_hash(two.batches()[4])},
                          5,   head.ops, head.time.value,     head.signature};
  eve.say(proof, 1);
  for (int n = 0; n < 5 && eve.linked(); ++n) {
    auto asked = eve.last<wire::AskNodes>();
    if (!asked) break;
    std::erase_if(eve.heard, [](const Heard& h) { return h.tag == wire::Tag::ask_nodes; });
    auto node = [&](u32 level, u64 index) {
      log::Peaks peaks;
      for (u64 i = 0; i < (u64{1} << level); ++i) peaks.append(log::leaf_hash(two.batches()[(index << level) + i]));
      return peaks.root();
    };
    eve.say(wire::Nodes{tag, asked->level, asked->index, node(asked->level - 1, asked->index * 2),
                        node(asked->level - 1, asked->index * 2 + 1)},
            1);
  }
  eve.say(proof, 1);  // asked for again: how it goes on behind the first leaf that differs
  CHECK(eve.linked());
  auto messages = s.ada.messages(s.topic);
  CHECK(std::ranges::count(messages, "branch one") == 0);
  CHECK(std::ranges::count(messages, "branch two") == 0);
  CHECK(messages.size() == 5);
}

TEST_CASE("who claims a fork and cannot prove it loses its link, and nothing is quarantined") {
  for (int harm = 0; harm < 4; ++harm) {
    CAPTURE(harm);
    Scene s;
    Stranger eve(s.ada, "eve");
    eve.enter(secret);
    auto page = eve.last<wire::Page>();
    REQUIRE(page);
    wire::LogTag tag = page->log;
    auto hello = eve.last<wire::Hello>();
    tag = hello->items[0].log;
    wire::Item item = hello->items[0];
    item.root[0] ^= 1;
    eve.say(wire::Items{{item}}, 1);
    auto ask = eve.last<wire::AskProof>();
    REQUIRE(ask);
    wire::Proof proof{tag, 2, {Hash{}}, {}, 2, 2, page->time, page->signature};
    if (harm == 1) proof.size = 0;
    if (harm == 2) proof.peaks.clear();
    if (harm == 3) proof.log.bytes[0] ^= 1;  // of a search that is not open: not heard
    eve.say(proof, 1);
    CHECK(eve.linked() == (harm == 3));
    CHECK(s.intact());
  }
}
