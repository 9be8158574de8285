// A store that fails and cannot be had again, for a while or for good: nothing hangs, everybody is told the truth, and what was accepted
// is there once it can be read.
#include <algorithm>

#include "catch_amalgamated.hpp"
#include "store/keys.hpp"
#include "unit/support/scene.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

bool told(const Solo& solo, Code code) {
  return std::ranges::any_of(solo.status.trouble, [&](const Error& e) { return e.code == code; });
}

// One call of each kind that may have to wait for something.
std::vector<u32> ask_much(Solo& solo, u32 topic, const std::string& id) {
  return {
      solo.call(Append{topic, {}, {Solo::message("late")}}),
      solo.call(Latest{topic, 50}),
      solo.call(MapGet{topic, "k"}),
      solo.call(MarkRead{topic, {}}),
      solo.call(GetDigest{topic}),
      solo.call(TopicNamed{"another"}),
      solo.call(TopicCreate{}),
      solo.call(WaitSynced{topic}),
      solo.call(WaitCopies{topic, id, 1, false}),
      solo.call(TopicClose{topic}),
      solo.call(TopicLeave{topic, true}),
  };
}

void fails(Solo& solo, const std::vector<u32>& calls, Code code) {
  for (std::size_t n = 0; n < calls.size(); ++n) {
    CAPTURE(n);
    CHECK(solo.answered(calls[n]));
    CHECK(solo.error(calls[n]) == code);
  }
}

}  // namespace

TEST_CASE(
    "when a store cannot be opened again, whoever waits is told so, and whoever asks later, and the peer closes") {
  for (auto [outcome, code] : {std::pair{Reopening::failed, Code::storage_unavailable},
                               {Reopening::superseded, Code::storage_unavailable},
                               {Reopening::lost, Code::storage_lost}}) {
    CAPTURE(outcome);
    Solo ada("ada");
    u32 topic = ada.join(secret);
    std::string id = ada.append(topic, "kept");
    std::vector<u32> waiting{ada.call(WaitSynced{topic}), ada.call(WaitCopies{topic, id, 2, false})};
    ada.reopening.reset();
    ada.next_save = SaveOutcome::failed;
    CHECK(ada.error(ada.call(Append{topic, {}, {Solo::message("not kept")}})) == Code::storage_unavailable);
    for (u32 call : ask_much(ada, topic, id)) waiting.push_back(call);
    u32 close = ada.call(Close{});
    for (u32 call : waiting) CHECK_FALSE(ada.answered(call));
    ada.turn({Reopened{outcome}});
    fails(ada, waiting, code);
    CHECK(ada.answered(close));
    CHECK_FALSE(ada.error(close));
    CHECK(told(ada, code));
  }
}

TEST_CASE("calls made after a store is gone for good are told why, and nothing is written") {
  for (auto [outcome, code] :
       {std::pair{Reopening::superseded, Code::storage_unavailable}, {Reopening::lost, Code::storage_lost}}) {
    Solo ada("ada");
    u32 topic = ada.join(secret);
    std::string id = ada.append(topic, "kept");
    auto rows = ada.disk.rows;
    ada.reopening = outcome;
    ada.next_save = SaveOutcome::failed;
    (void)ada.call(Append{topic, {}, {Solo::message("not kept")}});
    fails(ada, ask_much(ada, topic, id), code);
    ada.pass(600'000);
    fails(ada, ask_much(ada, topic, id), code);
    CHECK(ada.reopens == 1);
    CHECK(ada.disk.rows == rows);
    (void)ada.ask<Nothing>(Close{});
  }
}

TEST_CASE("an append to a store that turns out to be gone is told so, and what helps, the first one, too") {
  Solo ada("ada");
  u32 topic = ada.join(secret);
  std::string id = ada.append(topic, "kept");
  ada.next_save = SaveOutcome::lost;
  fails(ada, {ada.call(Append{topic, {}, {Solo::message("late")}})}, Code::storage_lost);
  fails(ada, ask_much(ada, topic, id), Code::storage_lost);
  CHECK(told(ada, Code::storage_lost));
  (void)ada.ask<Nothing>(Close{});
}

TEST_CASE("a core whose store another one has taken over answers everybody and closes") {
  Solo ada("ada");
  u32 topic = ada.join(secret);
  std::string id = ada.append(topic, "kept");
  u32 waiter = ada.call(WaitCopies{topic, id, 1, false});
  ada.next_save = SaveOutcome::superseded;
  u32 late = ada.call(Append{topic, {}, {Solo::message("late")}});
  fails(ada, {waiter, late}, Code::storage_unavailable);
  fails(ada, ask_much(ada, topic, id), Code::storage_unavailable);
  CHECK(told(ada, Code::storage_unavailable));
  (void)ada.ask<Nothing>(Close{});
}

TEST_CASE("a store that could not be opened again is tried further on, and then all is as it was") {
  Solo ada("ada");
  u32 topic = ada.join(secret);
  (void)ada.append(topic, "kept");
  ada.reopening = Reopening::failed;
  ada.next_save = SaveOutcome::failed;
  (void)ada.call(Append{topic, {}, {Solo::message("not kept")}});
  CHECK(ada.error(ada.call(Latest{topic, 50})) == Code::storage_unavailable);
  ada.pass(60'000);
  CHECK(ada.reopens >= 10);
  CHECK(ada.reopens <= 14);
  ada.reopening = Reopening::ok;
  ada.pass(6'000);
  CHECK(ada.messages(topic) == std::vector<std::string>{"kept"});
  CHECK_FALSE(told(ada, Code::storage_unavailable));
  ada.pass(6'000);
  (void)ada.append(topic, "again");
  CHECK(ada.messages(topic).size() == 2);
}

TEST_CASE(
    "whoever waits for a store that takes for ever to open is told after twenty seconds, and served if it opens after all") {
  Solo ada("ada");
  u32 topic = ada.join(secret);
  (void)ada.append(topic, "kept");
  ada.reopening.reset();
  ada.next_save = SaveOutcome::failed;
  (void)ada.call(Append{topic, {}, {Solo::message("not kept")}});
  u32 waiting = ada.call(Latest{topic, 50});
  ada.pass(19'000);
  CHECK_FALSE(ada.answered(waiting));
  ada.pass(2'000);
  fails(ada, {waiting}, Code::storage_unavailable);
  ada.pass(600'000);
  CHECK(ada.reopens == 1);
  ada.reopening = Reopening::ok;
  ada.start();  // the disk itself is well
  topic = ada.join(secret);
  CHECK(ada.messages(topic) == std::vector<std::string>{"kept"});
}

TEST_CASE("a store that opens and cannot be read is not asked without end, and calls are told") {
  for (bool from_the_start : {true, false}) {
    CAPTURE(from_the_start);
    Solo ada("ada", client_config({}, 0));
    u32 topic = ada.join(secret);
    (void)ada.append(topic, "kept");
    ada.readable = false;
    if (from_the_start) ada.start();
    u32 early = from_the_start ? ada.call(TopicNamed{"x"}) : ada.call(Latest{topic, 50});
    fails(ada, {early}, Code::storage_unavailable);
    u32 before = ada.reopens;
    CHECK(before <= 10);
    ada.pass(60'000);
    CHECK(ada.reopens <= before + 130);
    CHECK(told(ada, Code::storage_unavailable));
    ada.readable = true;
    ada.pass(6'000);
    topic = ada.join(secret);
    CHECK(ada.messages(topic) == std::vector<std::string>{"kept"});
    CHECK_FALSE(told(ada, Code::storage_unavailable));
  }
}

TEST_CASE(
    "a topic for which the store refuses what it must write first answers its calls, and works once the store takes it") {
  struct Case {
    SaveOutcome outcome;
    Code code;
    const char* text;
  };
  for (
      const auto& [outcome, code, text] :
      {Case{
           SaveOutcome::failed, Code::storage_unavailable,
           "This device's store refuses what has to be written before a topic can be read: it may be damaged. Reload the page; if it lasts, give the app a new store: what others hold is fetched again."},
       Case{
           SaveOutcome::full, Code::storage_full,
           "The disk is full: what has to be written before this topic can be read has no room. Free some space; it is tried again every minute."}}) {
    CAPTURE(outcome);
    Solo ada("ada");
    const u32 topic = ada.join(secret), other = ada.join(named_secret("another"));
    const std::string id = ada.append(topic, "kept");
    (void)ada.append(other, "elsewhere");
    // Its indexes are lost, and the pages on disk where they would be written are damaged: each such save fails, the others do not.
    ada.disk.rows.erase(store::key('I', topic));
    ada.refused_as = outcome;
    ada.refuses = [&](const Save& save) {
      return std::ranges::any_of(save.puts, [&](const auto& put) { return put.first == store::key('I', topic); });
    };
    ada.start();
    const u32 opening = ada.call(ada.joining(secret));
    CHECK(ada.join(named_secret("another")) == other);
    ada.pass(20'000);
    fails(ada, {opening}, code);
    CHECK(std::get<Error>(ada.replies.at(opening)).text == text);
    CHECK(told(ada, code));
    CHECK(ada.messages(other) == std::vector<std::string>{"elsewhere"});
    (void)ada.append(other, "and on");
    fails(ada, {ada.call(ada.joining(secret))}, code);
    fails(ada,
          {ada.call(Append{topic, {}, {Solo::message("late")}}), ada.call(Latest{topic, 50}),
           ada.call(TopicClose{topic}), ada.call(WaitCopies{topic, id, 1, false})},
          code);
    const u32 before = ada.reopens;
    ada.pass(600'000);
    CHECK(ada.reopens <= before + 11);
    CHECK(told(ada, code));
    ada.refuses = {};
    ada.pass(70'000);
    CHECK_FALSE(told(ada, code));
    CHECK(ada.join(secret) == topic);
    CHECK(ada.messages(topic) == std::vector<std::string>{"kept"});
    CHECK(ada.messages(other).size() == 2);
    (void)ada.append(topic, "again");
    (void)ada.ask<Nothing>(TopicClose{topic});
    (void)ada.ask<Nothing>(Close{});
  }
}

TEST_CASE("a peer that is closed while its store cannot be read closes") {
  Solo ada("ada");
  ada.readable = false;
  ada.start();
  (void)ada.ask<Nothing>(Close{});
}

TEST_CASE("an anchor whose store cannot be read yet lets nobody enter, and gives no topic the place of another") {
  Solo anchor("anchor", anchor_config());
  {
    Stranger eve(anchor, "eve", {.kind = LinkKind::websocket});
    eve.enter(secret);
    Ledger ledger(eve.identity, *eve.keys);
    ledger.say("kept");
    eve.say(ledger.page(), 1);
  }
  anchor.readable = false;
  anchor.start();
  Stranger early(anchor, "early", {.kind = LinkKind::websocket});
  early.enter(named_secret("another"), false);
  CHECK_FALSE(early.linked());
  anchor.readable = true;
  anchor.pass(6'000);
  Stranger bob(anchor, "bob", {.kind = LinkKind::websocket}), again(anchor, "again", {.kind = LinkKind::websocket});
  again.enter(named_secret("another"));
  bob.enter(secret);
  CHECK(bob.all<wire::Page>().size() == 1);
  CHECK(again.all<wire::Page>().empty());
}

TEST_CASE(
    "a topic that could not be stored when it was joined is stored when it is joined again, under a number of its own") {
  for (bool named : {false, true}) {
    Solo ada("ada");
    (void)ada.join(named_secret("first"));
    ada.next_save = SaveOutcome::full;
    auto enter = [&]() -> CallBody {
      if (named) return TopicNamed{"mine"};
      return ada.joining(secret);
    };
    CHECK(ada.error(ada.call(enter())) == Code::storage_full);
    u32 topic = ada.ask<OpenedTopic>(enter()).topic;
    (void)ada.append(topic, "kept");
    ada.start();
    u32 other = ada.join(named_secret("another"));
    topic = ada.ask<OpenedTopic>(enter()).topic;
    CHECK(topic != other);
    CHECK(ada.messages(topic) == std::vector<std::string>{"kept"});
    CHECK(ada.messages(other).empty());
  }
}
