// What a peer can send to a core, and what it gets for it. In each: our app goes on, and what was accepted stays.
#include <algorithm>

#include "catch_amalgamated.hpp"
#include "fuzz/samples.hpp"
#include "unit/support/solo.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

const Secret secret = named_secret("a topic");

struct Scene {
  Solo ada{"ada"};
  u32 topic = ada.join(secret);
  std::string first = ada.append(topic, "one");
  Scene() { ada.append(topic, "two"); }
  bool intact() { return ada.messages(topic) == std::vector<std::string>{"one", "two"}; }
};

}  // namespace

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

TEST_CASE("garbage in place of a handshake costs the link") {
  Scene s;
  for (std::size_t size : {0, 1, 31, 32, 33, 177, 5'000, 70'000}) {
    LinkId link{1'000 + static_cast<u32>(size)};
    s.ada.turn({LinkOpened{link, LinkKind::websocket, false, {}, 0, {}}});
    s.ada.turn({LinkReceived{link, Bytes(size, 0x55)}});
    if (size == 32) s.ada.turn({LinkReceived{link, Bytes(145, 0x55)}});     // the first message may be any key; the next may not
    CHECK(s.ada.closed.contains(link.value));
  }
  CHECK(s.intact());
}

TEST_CASE("who says nothing has ten seconds to shake hands") {
  Scene s;
  s.ada.turn({LinkOpened{{7}, LinkKind::websocket, false, {}, 0, {}}});
  s.ada.pass(9'900);
  CHECK_FALSE(s.ada.closed.contains(7));
  s.ada.pass(200);
  CHECK(s.ada.closed.contains(7));
}

TEST_CASE("a handshake with our own key, or of another network, costs the link") {
  Scene s;
  // Who dials us learns it from our answer and says no more; the time for the handshake ends it here.
  Stranger mirror(s.ada, "ada"), foreign(s.ada, "eve", {.app = "another app"});
  CHECK_FALSE(mirror.session->established());
  CHECK_FALSE(foreign.session->established());
  s.ada.pass(10'100);
  CHECK_FALSE(mirror.linked());
  CHECK_FALSE(foreign.linked());
  // Whom we dialled we cut off at once.
  (void)s.ada.ask<Nothing>(AnchorAdd{"ws://anchor"});
  Stranger answers(s.ada, "ada", {.kind = LinkKind::websocket, .url = "ws://anchor", .anchor = true});
  CHECK_FALSE(answers.linked());
  CHECK(s.ada.anchors.at(0).state == AnchorState::unreachable);
  CHECK_FALSE(s.ada.anchors.at(0).reason.empty());
  Stranger elsewhere(s.ada, "anchor", {.kind = LinkKind::websocket, .url = "ws://anchor", .anchor = true, .app = "another app"});
  CHECK_FALSE(elsewhere.linked());
  Stranger eve(s.ada, "eve");
  CHECK(eve.linked());
  CHECK(s.intact());
}

TEST_CASE("an anchor's address at which another key answers than at first contact is refused, and says so") {
  Config config;
  config.anchors = {"ws://a"};
  Solo ada("ada", config);
  ada.pass(1);
  REQUIRE(ada.dials.size() == 1);
  Stranger first(ada, "anchor", {.kind = LinkKind::websocket, .url = "ws://a", .anchor = true});
  CHECK(first.linked());
  CHECK(ada.anchors.at(0).state == AnchorState::connected);
  CHECK(ada.anchors.at(0).id == first.identity.id());
  first.close();
  Stranger second(ada, "somebody else", {.kind = LinkKind::websocket, .url = "ws://a", .anchor = true});
  CHECK_FALSE(second.linked());
  CHECK(ada.anchors.at(0).state == AnchorState::refused);
  CHECK_FALSE(ada.anchors.at(0).reason.empty());
}

TEST_CASE("a message bent, cut, repeated or out of order on its way costs the link") {
  for (int harm = 0; harm < 5; ++harm) {
    Scene s;
    Stranger eve(s.ada, "eve");
    std::vector<Bytes> first = eve.session->send(wire::encode({}, wire::Ping{1, 1'700'000'000'000}));
    std::vector<Bytes> second = eve.session->send(wire::encode({}, wire::Ping{2, 1'700'000'000'000}));
    switch (harm) {
      case 0: first[0].back() ^= 1; eve.deliver(first[0]); break;
      case 1: first[0].pop_back(); eve.deliver(first[0]); break;
      case 2: eve.deliver(first[0]); CHECK(eve.linked()); eve.deliver(first[0]); break;
      case 3: eve.deliver(second[0]); break;
      default: eve.deliver(Bytes(17'000, 1));
    }
    CHECK_FALSE(eve.linked());
    CHECK(s.intact());
    Stranger again(s.ada, "eve");              // and can come back
    CHECK(again.linked());
  }
}

TEST_CASE("frames from an earlier session say nothing on a later one") {
  Scene s;
  Stranger eve(s.ada, "eve");
  std::vector<Bytes> recorded = eve.session->send(wire::encode({}, wire::Ping{1, 1'700'000'000'000}));
  eve.close();
  Stranger again(s.ada, "eve");
  again.deliver(recorded[0]);
  CHECK_FALSE(again.linked());
}

TEST_CASE("a body in parts that never ends, or grows past its limit, costs the link") {
  Scene s;
  Stranger eve(s.ada, "eve");
  // 30 pieces of 16 KiB of one frame: the limit is 352 KiB.
  Bytes frame(session::frame_max, 1);
  std::vector<Bytes> pieces = eve.session->send(frame);
  pieces.pop_back();                           // never the last one
  for (const Bytes& piece : pieces) eve.deliver(piece);
  CHECK(eve.linked());                         // still within the limit, and waiting
  for (const Bytes& piece : eve.session->send(frame)) eve.deliver(piece);
  CHECK_FALSE(eve.linked());
  CHECK(s.intact());

  Stranger slow(s.ada, "slow");
  pieces = slow.session->send(frame);
  slow.deliver(pieces[0]);
  slow.pass(21'000);                           // and then silence
  CHECK_FALSE(slow.linked());
}

TEST_CASE("nothing is read before the greeting, and there is one greeting of this version") {
  Scene s;
  Stranger eager(s.ada, "eager", {.greet = false});
  eager.say(wire::Ping{1, 2});
  CHECK_FALSE(eager.linked());
  Stranger twice(s.ada, "twice");
  twice.say(twice.greeting());
  CHECK_FALSE(twice.linked());
  Stranger future(s.ada, "future", {.greet = false});
  wire::Greeting greeting = future.greeting();
  greeting.version = 99;
  future.say(greeting);
  CHECK_FALSE(future.linked());
}

TEST_CASE("an unknown frame from 128 on is skipped, one below costs the link, and so does each message that is cut") {
  Scene s;
  Stranger eve(s.ada, "eve");
  eve.enter(secret);
  eve.say_bytes(Bytes{200, 0, 1, 0, 1, 2, 3});
  CHECK(eve.linked());
  eve.say_bytes(Bytes{120, 0, 1, 0});
  CHECK_FALSE(eve.linked());
  fuzz::each_message([&]<class M>(const M& sample) {
    Stranger cutter(s.ada, "cutter");
    cutter.enter(secret);
    if (!cutter.linked()) FAIL("the link fell before its time");
    Bytes frame = wire::encode({1, 0}, sample);
    frame.pop_back();
    cutter.say_bytes(frame);
    CHECK_FALSE(cutter.linked());
  });
  CHECK(s.intact());
}

TEST_CASE("a frame for a topic that is not shared is not heard, and tells nothing") {
  Scene s;
  Stranger eve(s.ada, "eve");
  eve.keys = identity::topic_keys(secret);     // only to make a page that would be right
  Ledger ledger(eve.identity, *eve.keys);
  ledger.say("from outside");
  eve.heard.clear();
  eve.say(ledger.page(), 1);
  eve.say(wire::Hello{}, 1);
  eve.say(wire::Want{eve.tag(ledger.id()), 0, 5, 1'000}, 3, 1);
  eve.say(wire::AskProof{{1}, 3}, 1);
  CHECK(eve.linked());
  CHECK(eve.all<wire::Hello>().empty());
  CHECK(eve.all<wire::Page>().empty());
  CHECK(eve.all<wire::NoPage>().empty());
  CHECK(s.intact());
  // A wrong secret is the same as none: random MACs and a MAC of another topic look alike.
  eve.enter(named_secret("another topic"));
  CHECK(eve.all<wire::Hello>().empty());
}

TEST_CASE("a log that no invite holder opened is not stored, and costs the link") {
  Scene s;
  Stranger eve(s.ada, "eve");
  eve.enter(secret);
  identity::TopicKeys guessed = identity::topic_keys(named_secret("another topic"));
  guessed.id = eve.keys->id;                   // the right topic, and the wrong key for it
  Ledger ledger(eve.identity, guessed);
  ledger.say("not invited");
  eve.say(ledger.page(), 1);
  CHECK_FALSE(eve.linked());
  CHECK(s.intact());
}

TEST_CASE("a head with a bad signature, over another root, or over other lengths is not believed, and who sent it loses its link") {
  for (int harm = 0; harm < 6; ++harm) {
    Scene s;
    Stranger eve(s.ada, "eve");
    eve.enter(secret);
    Ledger ledger(eve.identity, *eve.keys);
    for (int i = 0; i < 4; ++i) ledger.say("good");
    wire::Page page = ledger.page();
    switch (harm) {
      case 0: page.signature.bytes[5] ^= 1; break;
      case 1: page.batches[2][20] ^= 1; break;                 // another root
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
    if (harm == 0) ledger.add_sealed(Bytes(log::sealed_max + 1, 1));         // one batch that is too long
    else if (harm == 1) for (int i = 0; i < 3; ++i) ledger.add_sealed(Bytes(30'000, 1));   // too long together
    else for (int i = 0; i < 4; ++i) ledger.say("good");
    wire::Page page = ledger.page();
    switch (harm) {
      case 2: page.batches.clear(); break;
      case 3: page.batches[0].clear(); break;
      case 4: page.from = 4; page.opening.reset(); page.log = eve.tag(ledger.id()); eve.say(ledger.page(), 1); page.length = 4; break;
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
  ledger.add_sealed(Bytes(100, 7));                                          // sealed with nothing
  crypto::Random random(named_seed("r"));
  ledger.add_sealed(log::seal_batch(*eve.keys, {eve.identity.network(), eve.keys->id, ledger.id(), 2}, Bytes(50, 0xff), random));
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
  Bytes plain = log::encode_batch({{u64{1'700'000'000'000} << 16}, 1, {}, {}, {{log::Op::Kind::message, {}, Bytes{0xc0}, {}}}}, ledger.id());
  for (int harm = 0; harm < 4; ++harm) {
    Bytes bent = plain;
    if (harm == 0) bent.push_back(0xc0);                                      // two values in place of one
    if (harm == 1) bent.back() = 0xc1;                                        // no MessagePack value
    if (harm == 2) bent[0] |= 0x0f;                                           // more deps than there may be
    if (harm == 3) bent.resize(log::plain_max * 3, 0);
    ledger.add_sealed(log::seal_batch(*eve.keys, {eve.identity.network(), eve.keys->id, ledger.id(), ledger.length()}, bent, random));
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
  ledger.add({{log::Op::Kind::set, key, value, {{made_up, 3, 1}, {ledger.id(), 70, 2}, {eve.log_of(nobody, 4), 0, 0}}}}, 1'600'000'000'000);
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
  u64 incarnation = 0;
  for (u8 b : ours->opening->incarnation) incarnation = incarnation << 8 | b;
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
  eve.say(page(2, 4), 1);                      // of a log that is not known yet
  eve.say(page(0, 2), 1);
  eve.say(page(4, 6), 1);                      // a gap
  eve.say(page(0, 2), 1);
  eve.say(page(0, 4), 1);                      // an overlap
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
  eve.say(fork, 1);                            // overlaps what is held: skipped up to 4, and then the root is wrong
  auto ask = eve.last<wire::AskProof>();
  REQUIRE(ask);
  log::Head head = two.head(5);
  // The tree of 5 cut at 4: peaks of the first four, and the fifth leaf completes it.
  CHECK(ask->size == 4);
  eve.say(wire::Proof{tag, 4, two.peaks(4).hashes, {log::leaf_hash(two.batches()[4])}, 5, head.ops, head.time.value, head.signature}, 1);
  for (int n = 0; n < 5 && eve.linked(); ++n) {
    auto asked = eve.last<wire::AskNodes>();
    if (!asked) break;
    std::erase_if(eve.heard, [](const Heard& h) { return h.tag == wire::Tag::ask_nodes; });
    auto node = [&](u32 level, u64 index) {
      log::Peaks peaks;
      for (u64 i = 0; i < (u64{1} << level); ++i) peaks.append(log::leaf_hash(two.batches()[(index << level) + i]));
      return peaks.root();
    };
    eve.say(wire::Nodes{tag, asked->level, asked->index, node(asked->level - 1, asked->index * 2), node(asked->level - 1, asked->index * 2 + 1)}, 1);
  }
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
    if (harm == 3) proof.log[0] ^= 1;          // of an inquest that is not open: not heard
    eve.say(proof, 1);
    CHECK(eve.linked() == (harm == 3));
    CHECK(s.intact());
  }
}

TEST_CASE("wants for what is not there are answered that it is not, and too many at once cost the link") {
  Scene s;
  Stranger eve(s.ada, "eve");
  eve.enter(secret);
  wire::LogTag ours = eve.last<wire::Hello>()->items[0].log;
  eve.heard.clear();
  u32 request = 1;
  for (const wire::Want& want : {wire::Want{{9}, 0, 5, 1'000}, wire::Want{ours, 2, 9, 1'000}, wire::Want{ours, 1, 1, 1'000}, wire::Want{ours, ~u64{0}, 0, 1'000}, wire::Want{ours, 1, 0, 0}}) {
    eve.say(want, 1, request++);
    CHECK(eve.all<wire::NoPage>().size() + 1 == request);
  }
  eve.say(wire::Want{ours, 0, ~u64{0}, ~u64{0}}, 1, request);
  CHECK(eve.last<wire::Page>()->batches.size() == 2);
  CHECK(eve.linked());
  eve.say(wire::Want{ours, 0, 1, 1}, 1, 0);
  CHECK_FALSE(eve.linked());
  CHECK(s.intact());
}

TEST_CASE("a peer may speak of no more logs than it may, and is cut off without harm") {
  Scene s;
  Stranger eve(s.ada, "eve");
  eve.enter(secret);
  auto items = [](u32 n, std::size_t count) {
    std::vector<wire::Item> out;
    for (u32 i = 0; i < count; ++i) {
      wire::Item item = fuzz::sample_item(1);
      item.log = {static_cast<u8>(n >> 8), static_cast<u8>(n), static_cast<u8>(i >> 8), static_cast<u8>(i), 1};
      item.cut = 0;
      out.push_back(item);
    }
    return out;
  };
  // Our own log, which was pushed to eve, does not count with hers.
  for (u32 n = 0; n < 128; ++n) eve.say(wire::Items{items(n, wire::items_max)}, 1);
  CHECK(eve.linked());
  eve.say(wire::Items{items(200, 2)}, 1);
  CHECK_FALSE(eve.linked());
  // In a greeting it is no different.
  Stranger bob(s.ada, "bob");
  bob.enter(secret);
  for (u32 n = 0; n < 128; ++n) bob.say(wire::Items{items(n, wire::items_max)}, 1);
  bob.say(wire::Hello{{1}, 1'000'000, items(200, wire::hello_items_max), {}}, 1);
  CHECK_FALSE(bob.linked());
  CHECK(s.intact());
}

TEST_CASE("numbers at the end of their range overflow nothing") {
  Scene s;
  Stranger eve(s.ada, "eve");
  eve.enter(secret);
  const u64 most = ~u64{0};
  wire::Item item = fuzz::sample_item(most);
  item.ops = item.time_s = most;
  item.cut = most;
  eve.say(wire::Items{{item}}, 1);
  eve.say(wire::Done{{eve.epoch, most, {}}}, 1);
  eve.say(wire::AskProof{eve.last<wire::Hello>()->items[0].log, most}, 1);
  eve.say(wire::AskNodes{eve.last<wire::Hello>()->items[0].log, 32, u64{1} << 31}, 1);
  eve.say(wire::Presence{eve.identity.id(), 1, most, Bytes(100, 1)}, 1);
  eve.pass(1'000);
  CHECK(s.intact());
  for (u64 wall : {most, u64{1} << 63, u64{1} << 48, u64{0}}) {
    Stranger clock(s.ada, "clock");
    auto ping = clock.last<wire::Ping>();
    REQUIRE(ping);
    clock.say(wire::Pong{ping->id, wall});
    clock.pass(100);
  }
  CHECK(s.intact());
  CHECK_FALSE(s.ada.append(s.topic, "on we go").empty());
}

TEST_CASE("presence that is not sealed under the topic or not signed by its device is not shown") {
  Scene s;
  Stranger eve(s.ada, "eve");
  eve.enter(secret);
  eve.say(wire::Presence{eve.identity.id(), 1, 5, Bytes(120, 1)}, 1);
  eve.say(wire::Presence{eve.identity.id(), 1, 6, Bytes{}}, 1);
  CHECK(eve.linked());
  CHECK(s.ada.presence.empty());
  eve.say(wire::Presence{eve.identity.id(), 9, 7, Bytes(120, 1)}, 1);
  CHECK_FALSE(eve.linked());
}

TEST_CASE("introductions of anybody, many times, are bounded and cost our app nothing") {
  Scene s;
  Stranger eve(s.ada, "eve");
  eve.enter(secret);
  for (u32 n = 0; n < 40; ++n) {
    wire::Introduce message;
    for (u32 i = 0; i < 128; ++i) {
      DeviceId id = DeviceId::from(Bytes(32, 1));
      id.bytes[0] = static_cast<u8>(n);
      id.bytes[1] = static_cast<u8>(i);
      message.present.push_back({id, false});
      id.bytes[2] = 7;
      message.gone.push_back(id);
    }
    eve.say(message, 1);
  }
  eve.say(wire::Introduce{{{s.ada.id(), true}}, {s.ada.id()}}, 1);
  CHECK(eve.linked());
  eve.pass(3'000);
  CHECK(s.intact());
}

TEST_CASE("a relayed frame from nobody we know, to nobody we know, or within a relayed one opens nothing") {
  Scene s;
  Stranger eve(s.ada, "eve");
  eve.enter(secret);
  eve.heard.clear();
  DeviceId nobody = DeviceId::from(Bytes(32, 1));
  eve.say(wire::Relay{nobody, false, Bytes(100, 1)});
  REQUIRE(eve.all<wire::Unreachable>().size() == 1);
  eve.say(wire::Relay{nobody, true, Bytes(32, 1)});
  eve.say(wire::Signal{nobody, s.ada.id(), Bytes(200, 1)});
  eve.say(wire::Signal{nobody, nobody, Bytes(200, 1)});
  eve.say(wire::Unreachable{nobody});
  CHECK(eve.linked());
  CHECK(s.intact());
}

TEST_CASE("signals are forwarded for their sender only, and no more than a few at once") {
  Scene s;
  Stranger eve(s.ada, "eve"), bob(s.ada, "bob");
  bob.heard.clear();
  for (int i = 0; i < 100; ++i) eve.say(wire::Signal{eve.identity.id(), bob.identity.id(), Bytes(200, 1)});
  eve.say(wire::Signal{bob.identity.id(), bob.identity.id(), Bytes(200, 1)});
  bob.listen();
  CHECK(bob.all<wire::Signal>().size() == 20);
  CHECK(eve.linked());
}
