// Who claims to hold a log and gives nothing of it, or little, keeps nobody from having it of others.
#include <algorithm>
#include <functional>

#include "catch_amalgamated.hpp"
#include "sync/exchange.hpp"
#include "unit/support/scene.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

// What is well formed, and proves nothing.
wire::Page nothing_at(u64 from, const wire::LogTag& log, bool last) {
  wire::Page page;
  page.log = log;
  page.from = from;
  page.batches = {Bytes(26, 7)};
  page.length = page.from + 1;
  page.ops = page.length;
  page.time = u64{1'699'999'500'000} << 16;
  page.last = last;
  return page;
}

// Carol's log, of which some is here; eve and bob both say that they hold more, and eve came first.
struct Two {
  Solo ada;
  u32 topic = 0;
  Stranger eve{ada, "eve", {.kind = LinkKind::websocket}}, bob{ada, "bob", {.kind = LinkKind::websocket}};
  identity::Identity carol{"solo", named_seed("carol")};
  identity::TopicKeys keys = identity::topic_keys(secret);
  Ledger ledger{carol, keys};
  u64 all;

  explicit Two(u64 batches, u64 here = 2, Config config = {}) : ada("ada", std::move(config)), all(batches) {
    if (!ada.config().anchor) topic = ada.join(secret);
    eve.enter(secret), bob.enter(secret);
    for (u64 n = 0; n < all; ++n) ledger.say("message " + std::to_string(n));
    bob.say(ledger.page(0, here), 1);
    bob.pass(500);
    eve.listen(), bob.listen();
    eve.heard.clear(), bob.heard.clear();
  }
  void claim(Stranger& who, u64 length) {
    wire::Item item = ledger.item(who.tag(ledger.id()), std::min(length, all));
    item.length = item.ops = length;
    who.say(wire::Items{{item}}, 1);
  }
  void give(Stranger& who, u64 from, u64 to, bool last, u32 request) {
    wire::Page page = ledger.page(from, to);
    page.log = who.tag(ledger.id());
    page.last = last;
    who.say(page, 1, request);
  }
  // Bob gives whatever he is asked for.
  std::size_t bob_answers() {
    std::size_t wants = 0;
    bob.listen();
    for (const Heard& h : std::exchange(bob.heard, {})) {
      const auto want = h.as<wire::Want>();
      if (!want) continue;
      ++wants;
      give(bob, want->from, std::min(want->to, all), true, h.header.request);
    }
    return wants;
  }
  void second(std::initializer_list<Stranger*> others = {}) {
    eve.pass(1'000);
    for (Stranger* who : {&eve, &bob}) who->say(wire::Ping{1, ada.wall_ms});
    for (Stranger* who : others) who->say(wire::Ping{1, ada.wall_ms});
  }
  std::size_t here() { return ada.messages(topic).size(); }
};

// The last want that was heard, and which of its batches comes next.
struct Asked {
  u32 request = 0;
  u64 next = 0;
  bool hear(Stranger& who) {
    bool any = false;
    who.listen();
    for (const Heard& h : std::exchange(who.heard, {}))
      if (auto want = h.as<wire::Want>()) request = h.header.request, next = want->from, any = true;
    return any;
  }
};

}  // namespace

TEST_CASE("who answers with what proves nothing is given up, and the next one is asked") {
  enum { beyond, forged, known, beyond_and_last, known_and_last };
  for (int with : {beyond, forged, known, beyond_and_last, known_and_last}) {
    CAPTURE(with);
    Two s(10);
    s.claim(s.eve, 1u << 20);
    Asked asked;
    REQUIRE(asked.hear(s.eve));
    s.claim(s.bob, s.all);
    std::size_t wants = 0, eves = 1;
    const wire::LogTag tag = s.eve.tag(s.ledger.id());
    for (u32 seconds = 0; seconds < 60; ++seconds) {
      if (seconds % 5 == 4) {
        const bool last = with == beyond_and_last || with == known_and_last;
        if (with == known || with == known_and_last) s.give(s.eve, 0, 2, last, asked.request);
        else s.eve.say(nothing_at(with == forged ? 2 : 3 + seconds, tag, last), 1, asked.request);
      }
      s.second();
      eves += asked.hear(s.eve);
      wants += s.bob_answers();
    }
    CHECK(wants > 0);
    CHECK(eves < 4);
    CHECK(s.here() == s.all);
    CHECK(s.eve.linked());
    CHECK(s.bob.linked());
  }
}

TEST_CASE("at an anchor, who answers with what proves nothing keeps nobody else's log from being stored") {
  Two s(10, 2, anchor_config());
  s.claim(s.eve, 1u << 20);
  Asked asked;
  REQUIRE(asked.hear(s.eve));
  s.claim(s.bob, s.all);
  std::size_t wants = 0;
  for (u32 seconds = 0; seconds < 60; ++seconds) {
    if (seconds % 15 == 14) s.eve.say(nothing_at(asked.next++, s.eve.tag(s.ledger.id()), false), 1, asked.request);
    s.second();
    wants += s.bob_answers();
  }
  CHECK(wants > 0);
  Stranger dave(s.ada, "dave", {.kind = LinkKind::websocket});
  dave.enter(secret);
  CHECK(dave.last<wire::Hello>()->items.at(0).length == s.all);
}

TEST_CASE("who gives a log batch by batch has a while for it, and then the next one is asked") {
  for (bool each_ends : {false, true}) {  // … the answer, and there is always one more to be asked for
    CAPTURE(each_ends);
    Two s(100);
    s.claim(s.eve, each_ends ? 3 : s.all);
    Asked asked;
    REQUIRE(asked.hear(s.eve));
    s.claim(s.bob, s.all);
    std::size_t wants = 0;
    for (u32 seconds = 0; seconds < 150; ++seconds) {
      if (seconds % 15 == 14 && asked.next < s.all) {
        if (each_ends) s.claim(s.eve, asked.next + 2);
        s.give(s.eve, asked.next, asked.next + 1, each_ends, asked.request);
        ++asked.next;
      }
      s.second();
      asked.hear(s.eve);
      wants += s.bob_answers();
      if (seconds * 1'000 + 5'000 < sync::turn_ms_max) CHECK(wants == 0);
    }
    CHECK(wants > 0);
    CHECK(s.here() == s.all);
    CHECK(s.eve.linked());
  }
}

TEST_CASE("a slow link of whom nobody holds more is not asked twice for what is on its way, and brings all of it") {
  Two s(40);
  s.claim(s.eve, s.all);
  Asked asked;
  REQUIRE(asked.hear(s.eve));
  std::size_t wants = 0;
  for (u32 seconds = 0; seconds < 400; ++seconds) {
    if (seconds % 10 == 9 && asked.next < s.all) {
      s.give(s.eve, asked.next, asked.next + 1, asked.next + 1 == s.all, asked.request);
      ++asked.next;
    }
    s.second();
    if (seconds == 200) {
      CHECK(s.here() > 20);
      CHECK(s.ada.topics[s.topic].behind > 0);
    }
    for (const Heard& h : std::exchange(s.eve.heard, {})) wants += h.tag == wire::Tag::want;
  }
  CHECK(wants == 0);
  CHECK(s.here() == s.all);
  CHECK(s.ada.topics[s.topic].behind == 0);
}

TEST_CASE(
    "once a slow link's time is over, whoever comes and holds more is asked at once, and what both bring is kept") {
  Two s(100);
  s.claim(s.eve, s.all);
  Asked asked;
  REQUIRE(asked.hear(s.eve));
  auto slowly = [&](u32 seconds) {
    for (u32 n = 0; n < seconds; ++n) {
      if (n % 10 == 9) s.give(s.eve, asked.next, asked.next + 1, false, asked.request), ++asked.next;
      s.second();
    }
  };
  slowly(130);
  const std::size_t before = s.here();
  CHECK(before > 10);
  s.claim(s.bob, s.all);
  CHECK(s.bob_answers() == 1);
  CHECK(s.here() == s.all);
  slowly(30);
  CHECK(s.here() == s.all);
  CHECK(s.eve.linked());
}

TEST_CASE("two that claim a log again and again, and give nothing, do not take turns before who holds it") {
  Two s(10);
  Stranger eva(s.ada, "eva", {.kind = LinkKind::websocket}), dave(s.ada, "dave", {.kind = LinkKind::websocket});
  eva.enter(secret), dave.enter(secret);
  s.claim(s.eve, 1u << 20);
  s.claim(s.bob, 1u << 20);  // who gives nothing here
  s.claim(dave, s.all);
  std::size_t wants = 0;
  for (u32 seconds = 0; seconds < 90; ++seconds) {
    s.claim(s.eve, (1u << 20) + seconds);
    s.claim(s.bob, (1u << 20) + seconds);
    s.second({&eva, &dave});
    for (const Heard& h : std::exchange(dave.heard, {})) {
      const auto want = h.as<wire::Want>();
      if (!want) continue;
      ++wants;
      s.give(dave, want->from, s.all, true, h.header.request);
    }
  }
  CHECK(wants == 1);
  CHECK(s.here() == s.all);
}

TEST_CASE("whose turn it is by his claims, and who says nothing more, keeps nobody from being asked") {
  Two s(10);
  Stranger dave(s.ada, "dave", {.kind = LinkKind::websocket});
  dave.enter(secret);
  for (Stranger* who : {&s.eve, &s.bob, &s.eve}) {
    s.claim(*who, 1u << 20);
    Asked asked;
    REQUIRE(asked.hear(*who));
    who->say(wire::NoPage{who->tag(s.ledger.id())}, 1, asked.request);
  }
  s.bob.say(wire::Hello{{7}, 5, {}, {}}, 1);  // what he could not give may be asked of him again
  s.claim(dave, s.all);
  std::size_t wants = 0;
  for (u32 seconds = 0; seconds < 30; ++seconds) {
    s.second({&dave});
    for (const wire::Want& want : dave.all<wire::Want>()) {
      ++wants;
      s.give(dave, want.from, s.all, true, dave.request<wire::Want>());
    }
    dave.heard.clear();
  }
  CHECK(wants == 1);
  CHECK(s.here() == s.all);
}

namespace {

// An author that has lost its second batch, and asks everybody for it. What eve does about that, each second; how many of its logs bob has
// seen in the end: with a second one what stood behind the loss has reached him.
struct Loss {
  Scene s{{"one", "two", "three", "four"}};
  std::unique_ptr<Stranger> bob, eve;
  Asked asked;
  wire::LogTag tag{};
  std::set<std::array<u8, 8>> seen;

  Loss() {
    auto second = std::ranges::find_if(s.ada.disk.rows, [](const auto& row) { return row.first[0] == 'B'; });
    s.ada.disk.rows.erase(std::next(second));
    s.ada.start();
    s.topic = s.ada.join(secret);
    (void)s.ada.messages(s.topic);
    s.ada.pass(1'000);
    bob = std::make_unique<Stranger>(s.ada, "bob");
    eve = std::make_unique<Stranger>(s.ada, "eve");
    for (Stranger* who : {bob.get(), eve.get()}) who->enter(secret);
  }
  void greet(Stranger& who) {
    who.say(wire::Hello{{9}, 0, {}, {}, 0}, 1);
    who.say(wire::Done{{who.epoch, 0, {}}}, 1);
  }
  void hear() {
    for (Stranger* who : {bob.get(), eve.get()}) {
      who->listen();
      for (const Heard& h : std::exchange(who->heard, {})) {
        if (h.tag == wire::Tag::hello) greet(*who);
        const auto want = h.as<wire::Want>();
        const auto page = h.as<wire::Page>();
        if (who == eve.get() && want) asked = {h.header.request, want->from}, tag = want->log;
        if (who == bob.get() && want) who->say(wire::NoPage{want->log}, 1, h.header.request);
        if (who == bob.get() && page && page->opening) seen.insert(page->opening->incarnation);
      }
    }
  }
  std::size_t logs_seen(u32 seconds, const std::function<void(u32)>& does) {
    for (u32 n = 0; n < seconds; ++n) {
      hear();
      does(n);
      s.ada.pass(1'000);
      for (Stranger* who : {bob.get(), eve.get()}) who->say(wire::Ping{1, s.ada.wall_ms});
    }
    CHECK(bob->linked());
    CHECK(eve->linked());
    return seen.size();
  }
};

}  // namespace

TEST_CASE("a member that pretends to bring a lost batch keeps nobody from hearing what stands behind it") {
  Loss loss;
  CHECK(loss.logs_seen(60, [&](u32 n) {
    if (n % 8 == 7 && loss.asked.request != 0)
      loss.eve->say(nothing_at(loss.asked.next++, loss.tag, false), 1, loss.asked.request);
  }) == 2);
}

TEST_CASE("nor does a member that greets anew each time before it has answered for the lost batch") {
  Loss loss;
  CHECK(loss.logs_seen(150, [&](u32 n) {
    if (n % 8 == 7)
      loss.eve->say(wire::Hello{{9}, 0, {}, {}, 1}, 1), loss.eve->say(wire::Done{{loss.eve->epoch, 0, {}}}, 1);
  }) == 2);
}

namespace {

// Ada has said one thing, and another life of hers something else; bob holds the log that goes on with it, and the core has found where they part.
struct Parted {
  Scene s{{"one", "two"}};
  Stranger bob{s.ada, "bob"};
  identity::Identity self = s.ada.identity();
  std::optional<Ledger> other;
  wire::LogTag tag{};
  Asked asked;

  Parted() {
    bob.enter(secret);
    const auto page = bob.last<wire::Page>();
    REQUIRE(page);
    other.emplace(self, *bob.keys, incarnation_of(*page));
    other->add_sealed(page->batches.at(0));
    for (const char* word : {"lost", "lost too"}) other->say(word);
    tag = bob.tag(other->id());
    part();
    REQUIRE(asked.hear(bob));
    REQUIRE(asked.next == 1);
  }
  void part() {
    bob.heard.clear();
    bob.say(wire::Items{{other->item(tag, 2)}}, 1);
    if (!bob.last<wire::AskProof>()) return;
    const log::Head head = other->head(2);
    bob.say(wire::Proof{tag, 2, other->peaks(2).hashes, {}, head.length, head.ops, head.time.value, head.signature}, 1);
    bob.say(wire::Nodes{tag, 1, 0, log::leaf_hash(other->batches().at(0)), log::leaf_hash(other->batches().at(1))}, 1);
  }
  void give(u64 from, u64 to, bool last) {
    wire::Page page = other->page(from, to);
    page.log = tag;
    page.last = last;
    bob.say(page, 1, asked.request);
  }
};

}  // namespace

TEST_CASE(
    "who is asked for a lost branch and shows what is known is asked once, and again when it speaks of it again") {
  for (bool last : {false, true}) {
    CAPTURE(last);
    Parted p;
    std::size_t wants = 0;
    for (u32 n = 0; n < 6; ++n) {
      p.give(0, 1, last);
      wants += p.asked.hear(p.bob);
      p.bob.say(wire::Ping{1, p.s.ada.wall_ms});
      p.bob.pass(5'000);
    }
    CHECK(wants == 0);
    p.part();
    REQUIRE(p.asked.hear(p.bob));
    p.give(1, 2, true);
    p.bob.pass(1'000);
    CHECK(std::ranges::count(p.s.ada.messages(p.s.topic), "lost") == 1);
    CHECK(p.bob.linked());
  }
}
