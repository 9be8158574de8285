// Who follows what arrives is told of each message once, however often our clock is moved, and indexes made anew, meanwhile.
#include "catch_amalgamated.hpp"
#include "store/keys.hpp"
#include "store/transactions.hpp"
#include "unit/support/solo.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

const Secret secret = named_secret("a topic");
constexpr u64 minute_ms = 60'000, hour_ms = 60 * minute_ms;
using Words = std::vector<std::string>;

struct Listener {
  Solo& solo;
  u32 topic;
  u64 at = solo.ask<LivePage>(Live{topic, {}, 256}).next;

  Words hear() {
    Words out;
    for (;;) {
      LivePage page = solo.ask<LivePage>(Live{topic, at, 256});
      for (const MessageOut& m : page.messages) out.emplace_back(text(ByteView(m.value).subspan(2)));
      if (std::exchange(at, page.next) == page.next) return out;
    }
  }
};

// Ada, who follows what eve says, ahead of time or not.
struct Following {
  Solo ada{"ada"};
  u32 topic = ada.join(secret);
  Stranger eve{ada, "eve"};
  Listener listener{ada, topic};
  std::optional<Ledger> ledger;

  Following() {
    eve.enter(secret);
    ledger.emplace(eve.identity, *eve.keys);
  }
  void eve_says(std::string_view text, u64 ahead_ms) {
    ledger->add({{log::Op::Kind::message, {}, Solo::message(text).value, {}}}, ada.wall_ms + ahead_ms);
    wire::Page page = ledger->page(ledger->length() - 1, ledger->length());
    page.log = eve.tag(ledger->id());
    eve.say(page, 1);
  }
  u64 held() { return ada.topics[topic].held; }
  // As after a crash in the middle of making the indexes anew.
  void rebuild() {
    const Bytes mark = store::key('I', topic, 1);
    ada.disk.rows[mark] = store::seal_row(mark, Bytes{1});
    ada.start();
    topic = ada.join(secret);
  }
};

}  // namespace

TEST_CASE("what was held back and never told is told once when it is due, and what was told before is not told again") {
  for (bool rebuilt : {false, true}) {  // meanwhile, by another life
    CAPTURE(rebuilt);
    Following f;
    f.eve_says("on time", 0);
    f.eve_says("early", hour_ms);
    (void)f.ada.append(f.topic, "ours");
    CHECK(f.listener.hear() == Words{"on time", "ours"});
    CHECK(f.held() == 1);
    f.ada.wall_ms -= 10 * minute_ms;
    f.ada.pass(1'000);
    CHECK(f.held() == 3);
    CHECK(f.listener.hear().empty());
    if (rebuilt) f.rebuild();
    CHECK(f.listener.hear().empty());
    f.ada.wall_ms += 11 * minute_ms;
    f.ada.pass(1'000);
    CHECK(f.held() == 1);
    CHECK(f.listener.hear().empty());
    f.ada.wall_ms += hour_ms;
    f.ada.pass(1'000);
    CHECK(f.held() == 0);
    CHECK(f.listener.hear() == Words{"early"});
    f.ada.wall_ms -= 2 * hour_ms;
    f.ada.pass(1'000);
    CHECK(f.held() == 3);
    if (rebuilt) f.rebuild();
    f.ada.wall_ms += 2 * hour_ms;
    f.ada.pass(1'000);
    CHECK(f.held() == 0);
    CHECK(f.listener.hear().empty());
    CHECK(f.ada.messages(f.topic) == Words{"on time", "ours", "early"});
  }
}

TEST_CASE("what was held back and untold is told once though it is found to be due by indexes that are made anew") {
  Following f;
  f.eve_says("early", hour_ms);
  CHECK(f.listener.hear().empty());
  f.ada.wall_ms += 2 * hour_ms;
  f.rebuild();
  CHECK(f.held() == 0);
  CHECK(f.listener.hear() == Words{"early"});
  f.rebuild();
  CHECK(f.listener.hear().empty());
}

TEST_CASE("a store that knows nothing of what was told tells what it held back when it is due") {
  for (bool rebuilt : {false, true}) {
    CAPTURE(rebuilt);
    Following f;
    f.eve_says("early", hour_ms);
    f.ada.disk.rows.erase(store::key('I', f.topic, 4));  // as 0.1.0 leaves it
    if (rebuilt) f.rebuild();
    else {
      f.ada.start();
      f.topic = f.ada.join(secret);
    }
    CHECK(f.listener.hear().empty());
    f.ada.wall_ms += 2 * hour_ms;
    f.ada.pass(1'000);
    CHECK(f.listener.hear() == Words{"early"});
  }
}

TEST_CASE("what gets a new time is told once: to its author when it was appended, to others when it counts") {
  Solo ada("ada");
  const u32 topic = ada.join(secret);
  Listener listener{ada, topic};
  ada.wall_ms += 10 * hour_ms;
  (void)ada.append(topic, "ahead");
  CHECK(listener.hear() == Words{"ahead"});
  ada.wall_ms -= 10 * hour_ms;
  ada.pass(1'000);  // nobody else has said anything
  CHECK(ada.messages(topic) == Words{"ahead"});
  CHECK(ada.topics[topic].held == 0);
  CHECK(listener.hear().empty());
  (void)ada.append(topic, "now");
  CHECK(listener.hear() == Words{"now"});
}

TEST_CASE("who looks late at what arrived is told also of what is held back since, and not again when it is due") {
  Following f;
  f.eve_says("on time", 0);
  f.ada.wall_ms -= 10 * minute_ms;
  f.ada.pass(1'000);
  CHECK(f.held() == 1);
  CHECK(f.listener.hear() == Words{"on time"});
  f.ada.wall_ms += 10 * minute_ms;
  f.ada.pass(1'000);
  CHECK(f.held() == 0);
  CHECK(f.listener.hear().empty());
}

TEST_CASE("what was read before the clock fell back is read when it was put right") {
  Following f;
  f.eve_says("on time", 0);
  (void)f.ada.ask<Nothing>(MarkRead{f.topic, {}});
  CHECK(f.ada.topics[f.topic].unread == 0);
  f.ada.wall_ms -= 10 * minute_ms;
  f.ada.pass(1'000);
  f.ada.wall_ms += 10 * minute_ms;
  f.ada.pass(1'000);
  CHECK(f.held() == 0);
  CHECK(f.ada.topics[f.topic].unread == 0);
}

TEST_CASE("where nobody is to be told of anything that is written down once, not each time that all is indexed anew") {
  Following f;
  f.eve_says("now", 0);
  std::size_t written = 0;
  f.ada.refuses = [&](const Save& save) {
    const Bytes row = store::key('I', f.topic, 4);
    written += static_cast<std::size_t>(std::ranges::count(save.puts, row, [](const auto& put) { return put.first; }));
    return false;
  };
  for (int n = 0; n < 3; ++n) f.rebuild();
  CHECK(f.ada.messages(f.topic) == Words{"now"});
  CHECK(written == 1);
}
