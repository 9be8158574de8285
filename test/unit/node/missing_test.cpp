// Batches that are lost here and that nobody has: the indexes are made anew without them once, and with them once they are back.
#include "store/transactions.hpp"
#include "unit/support/group.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

// Counts how often all indexes of a topic are made anew.
struct Rebuilds {
  u32 count = 0;
  explicit Rebuilds(Solo& solo) {
    solo.refuses = [this](const Save& save) {
      count += static_cast<u32>(std::ranges::count_if(save.erase_ranges, [](const auto& range) {
        return range.first.size() == 9 && range.first[0] == 'X' && range.first[8] == 1;
      }));
      return false;
    };
  }
};

// Says that he has nothing of what he is asked for, or shows it, and keeps his link alive.
void answers(Stranger& who, const std::optional<wire::Page>& shows, int rounds) {
  for (int n = 0; n < rounds; ++n) {
    for (const Heard& h : std::exchange(who.heard, {})) {
      const auto want = h.as<wire::Want>();
      if (!want) continue;
      if (shows) who.say(*shows, 1, h.header.request);
      else who.say(wire::NoPage{want->log}, 1, h.header.request);
    }
    who.say(wire::Ping{static_cast<u32>(n), 0});
    who.pass(5'000);
  }
}

}  // namespace

TEST_CASE(
    "with a batch that nobody holds, own or of others, the indexes are made anew once at most, not again and again and not by each life") {
  for (bool own : {true, false}) {
    CAPTURE(own);
    Solo ada("ada");
    Rebuilds rebuilds(ada);
    u32 topic = ada.join(secret);
    std::optional<wire::Page> all;
    {
      Stranger early(ada, "early");
      early.enter(secret);
      Ledger ledger(early.identity, *early.keys);
      for (const char* word : {"0", "1", "2"}) {
        if (own) (void)ada.append(topic, word);
        else ledger.say(word);
      }
      if (!own) early.say(ledger.page(), 1);
      all = ledger.length() > 0 ? std::optional(ledger.page()) : std::nullopt;
      early.close();
    }
    if (own) {
      Stranger second(ada, "second");
      second.enter(secret);
      all = second.last<wire::Page>();
      second.close();
    }
    REQUIRE(all);
    REQUIRE(all->batches.size() == 3);
    REQUIRE(ada.messages(topic) == Words{"0", "1", "2"});
    std::vector<Bytes> keys;
    for (const auto& [key, row] : ada.disk.rows)
      if (key[0] == 'B') keys.push_back(key);
    ada.disk.rows.erase(keys.at(1));
    u32 before = rebuilds.count;
    for (int life = 0; life < 4; ++life) {
      CAPTURE(life);
      ada.start();
      topic = ada.join(secret);
      CHECK(ada.messages(topic) == Words{"0", "2"});
      Stranger bob(ada, "bob");
      bob.enter(secret);
      answers(bob, {}, 60);
      CHECK(bob.linked());
      CHECK(ada.messages(topic) == Words{"0", "2"});
      CHECK(rebuilds.count == before + (own ? 1 : 0));
      bob.close();
    }
    before = rebuilds.count;
    all->last = true;
    for (int life = 0; life < 3; ++life) {
      CAPTURE(life);
      ada.start();
      topic = ada.join(secret);
      Stranger bob(ada, "bob");
      bob.enter(secret);
      answers(bob, all, 10);
      CHECK(bob.linked());
      CHECK(ada.messages(topic) == Words{"0", "1", "2"});
      CAPTURE(rebuilds.count, before);
      CHECK(rebuilds.count == before + 1);
      bob.close();
    }
  }
}

TEST_CASE("a lost batch that came back just before the core ended is in the indexes of its next life") {
  Solo ada("ada");
  u32 topic = ada.join(secret);
  for (const char* word : {"0", "1", "2"}) (void)ada.append(topic, word);
  Bytes key, batch;
  for (const auto& [k, row] : ada.disk.rows)
    if (k[0] == 'B' && k.back() == 1) key = k, batch = row;
  ada.disk.rows.erase(key);
  ada.start();
  topic = ada.join(secret);
  REQUIRE(ada.messages(topic) == Words{"0", "2"});
  Stranger bob(ada, "bob");
  bob.enter(secret);
  answers(bob, {}, 10);
  bob.close();
  ada.disk.rows[key] = batch;
  for (auto& [k, row] : ada.disk.rows) {  // and its log says so
    if (k[0] != 'L') continue;
    auto state = log::decode_state(store::unseal_row(k, row).value());
    REQUIRE(state);
    state->hole = log::no_cut;
    row = store::seal_row(k, log::encode_state(*state));
  }
  ada.start();
  topic = ada.join(secret);
  ada.pass(1'000);
  CHECK(ada.messages(topic) == Words{"0", "1", "2"});
}

TEST_CASE(
    "a batch that comes back soon after the rest was indexed without it is shown a minute later, while another is lost") {
  Solo ada("ada");
  Rebuilds rebuilds(ada);
  u32 topic = ada.join(secret);
  identity::Identity author(ada.config().app, named_seed("early"));
  const auto keys = identity::topic_keys(secret);
  Ledger ledger(author, keys);
  for (const char* word : {"0", "1", "2", "3", "4"}) ledger.say(word);
  {
    Stranger early(ada, "early");
    early.enter(secret);
    early.say(ledger.page(), 1);
    early.close();
  }
  std::erase_if(ada.disk.rows, [](const auto& row) {  // and the indexes, which are made anew without them
    const auto& [kind, last] = std::pair(row.first[0], row.first.back());
    return (kind == 'B' && (last == 1 || last == 3)) || (kind == 'I' && row.first.size() == 5);
  });
  ada.start();
  topic = ada.join(secret);
  REQUIRE(ada.messages(topic) == Words{"0", "2", "4"});
  Stranger bob(ada, "bob");
  bob.enter(secret);
  bob.pass(1'000);
  auto answer = [&] {
    for (const Heard& h : std::exchange(bob.heard, {})) {
      const auto want = h.as<wire::Want>();
      if (!want) continue;
      wire::Page page = ledger.page(1, 2);
      page.log = want->log;
      if (want->from == 1) bob.say(page, 1, h.header.request);
      else bob.say(wire::NoPage{want->log}, 1, h.header.request);
    }
    bob.say(wire::Ping{1, 0});
    bob.pass(5'000);
  };
  const u32 before = rebuilds.count;
  answer();
  CHECK(ada.messages(topic) == Words{"0", "2", "4"});
  for (int n = 0; n < 12; ++n) answer();
  CHECK(ada.messages(topic) == Words{"0", "1", "2", "4"});
  CHECK(rebuilds.count == before + 1);
  for (int n = 0; n < 30; ++n) answer();
  CHECK(rebuilds.count == before + 1);
  CHECK(bob.linked());
}

namespace {

struct Asked {  // a core that reads each row from its disk, and who asks it
  Solo ada{"ada", client_config({}, 0)};
  u32 topic = ada.join(secret);
  std::unique_ptr<Stranger> eve;
  wire::LogTag tag{};
  u32 request = 0;

  explicit Asked(u32 batches) {
    Stranger early(ada, "early");
    early.enter(secret);
    Ledger ledger(early.identity, *early.keys);
    for (u32 n = 0; n < batches; ++n) ledger.say(std::to_string(n));
    early.say(ledger.page(), 1);
    early.close();
    eve = std::make_unique<Stranger>(ada, "eve");
    eve->enter(secret);
    tag = eve->tag(ledger.id());
  }
  void lose(char kind, u8 last) {
    std::erase_if(ada.disk.rows, [&](const auto& row) { return row.first[0] == kind && row.first.back() == last; });
  }
  void wants(u64 from, u64 to) {
    eve->heard.clear();
    eve->say(wire::Want{tag, from, to, 100'000}, 1, ++request);
    eve->pass(11'000);  // who does not greet is asked after a while
  }
  // The first batch that is asked for by name, having been lost.
  std::optional<u64> missed() const {
    const auto want = eve->last<wire::Want>();
    return want ? std::optional(want->from) : std::nullopt;
  }
};

}  // namespace

TEST_CASE("a want that ends before it begins is told that there is nothing, and nothing is taken for lost") {
  Asked s(3);
  for (const auto& [from, to] : {std::pair<u64, u64>{2, 1}, {1, 1}, {0, 0}, {2, 0}}) {
    CAPTURE(from, to);
    s.wants(from, to);
    CHECK(s.eve->all<wire::NoPage>().size() == 1);
    CHECK_FALSE(s.missed());
  }
  s.lose('B', 1);
  s.wants(0, 3);
  CHECK(s.missed() == 1);
}

TEST_CASE("a row of a tree that was mended keeps no batch that is lost later from being looked for") {
  Asked s(70);
  s.lose('N', 0);
  s.wants(0, 10);
  s.wants(0, 10);
  REQUIRE(s.eve->all<wire::Page>().size() == 1);
  CHECK_FALSE(s.missed());
  s.lose('B', 5);
  s.wants(0, 10);
  CHECK(s.missed() == 5);
}

TEST_CASE("a batch that is lost before one that is known to be lost is looked for, a minute later at most") {
  Asked s(10);
  s.lose('B', 7);
  s.wants(0, 10);
  CHECK(s.missed() == 7);
  s.lose('B', 3);
  for (int n = 0; n < 13; ++n) {
    s.eve->say(wire::Ping{1, 0});
    s.eve->pass(5'000);
  }
  s.wants(0, 7);
  CHECK(s.missed() == 3);
}
