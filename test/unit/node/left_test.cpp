// Entering and leaving a topic where the store fails: what could not be stored was not done.
#include <algorithm>

#include "catch_amalgamated.hpp"
#include "store/keys.hpp"
#include "unit/support/scene.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {
u32 named(Solo& solo, const char* name) { return solo.ask<OpenedTopic>(TopicNamed{name}).topic; }
}  // namespace

TEST_CASE(
    "a topic that could not be left or forgotten is the one that it was, open if it was open, also after a start") {
  for (bool forget : {false, true})
    for (bool open : {false, true})
      for (SaveOutcome outcome : {SaveOutcome::full, SaveOutcome::failed, SaveOutcome::unknown}) {
        CAPTURE(forget, open, outcome);
        Solo ada("ada");
        const u32 topic = named(ada, "lunch");
        (void)ada.append(topic, "kept");
        if (!open) (void)ada.ask<Nothing>(TopicClose{topic});
        REQUIRE(ada.listed().size() == 1);
        ada.next_save = outcome;
        const u32 left = ada.call(TopicLeave{topic, forget});
        ada.pass(6'000);
        CHECK(ada.error(left) == (outcome == SaveOutcome::full ? Code::storage_full : Code::storage_unavailable));
        if (open) CHECK(ada.messages(topic) == std::vector<std::string>{"kept"});
        for (bool again : {false, true}) {
          if (again) ada.start();
          CHECK(named(ada, "lunch") == topic);
          CHECK(ada.messages(topic) == std::vector<std::string>{"kept"});
          REQUIRE(ada.listed().size() == 1);
          CHECK(ada.listed()[0].name == "lunch");
        }
        (void)ada.ask<Nothing>(TopicLeave{topic, forget});
        CHECK(ada.listed().empty());
        CHECK(named(ada, "lunch") != topic);
      }
}

TEST_CASE("while a topic is being left it is no other's, and who asks for it meanwhile gets it as it is then") {
  for (bool forget : {false, true})
    for (bool open : {false, true}) {
      CAPTURE(forget, open);
      Solo ada("ada");
      const u32 topic = ada.join(secret);
      (void)ada.append(topic, "kept");
      if (!open) (void)ada.ask<Nothing>(TopicClose{topic});
      ada.answers_saves = false;
      const u32 left = ada.call(TopicLeave{topic, forget});
      const u32 twice = ada.call(TopicLeave{topic, false});
      const u32 joined = ada.call(ada.joining(secret));
      CHECK_FALSE(ada.answered(left));
      CHECK_FALSE(ada.answered(joined));
      ada.answers_saves = true;
      for (int n = 0; n < 6; ++n) ada.pass(10);
      for (u32 call : {left, twice, joined}) {
        REQUIRE(ada.answered(call));
        CHECK_FALSE(ada.error(call));
      }
      const u32 now = std::get<OpenedTopic>(ada.replies.at(joined)).topic;
      CHECK(ada.messages(now).size() == (forget ? 0 : 1));
      CHECK(ada.listed().size() == 1);
    }
}

TEST_CASE("nothing is left of a topic that could not be stored when it was made, and one that was left stays left") {
  for (SaveOutcome outcome : {SaveOutcome::full, SaveOutcome::failed, SaveOutcome::unknown}) {
    CAPTURE(outcome);
    Solo ada("ada");
    const u32 before = named(ada, "left");
    (void)ada.ask<Nothing>(TopicLeave{before, false});
    for (CallBody body :
         {CallBody{TopicNamed{"lunch"}}, CallBody{TopicCreate{{}, true}}, CallBody{ada.joining(secret)}}) {
      ada.next_save = outcome;
      const u32 call = ada.call(std::move(body));
      ada.pass(6'000);
      CHECK(ada.error(call).has_value());
      CHECK(ada.listed().empty());
    }
    ada.start();
    ada.pass(100);
    CHECK(ada.listed().empty());
    CHECK(ada.messages(named(ada, "lunch")).empty());
    CHECK(ada.listed().size() == 1);
  }
}

TEST_CASE("a name that could not be stored is not the topic's") {
  Solo ada("ada");
  const u32 topic = named(ada, "lunch");
  TopicJoin invite{ada.ask<Text>(TopicInvite{topic}).text, "dinner"};
  ada.next_save = SaveOutcome::full;
  CHECK(ada.error(ada.call(invite)) == Code::storage_full);
  ada.pass(6'000);
  REQUIRE(ada.listed().size() == 1);
  CHECK(ada.listed()[0].name == "lunch");
  CHECK(named(ada, "lunch") == topic);
}

TEST_CASE("an append that is asked for again while it is under way is one message, and both are answered with it") {
  for (bool fails : {false, true})
    for (bool waiting : {false, true}) {
      CAPTURE(fails, waiting);
      Scene s({"one"});
      const RequestTag tag = RequestTag::from(Bytes(16, 7));
      s.ada.answers_saves = false;
      const u32 ahead = waiting ? s.ada.call(Append{s.topic, {}, {Solo::message("ahead")}}) : 0;
      if (!waiting && fails) s.ada.next_save = SaveOutcome::failed;
      std::vector<u32> calls;
      for (int n = 0; n < 3; ++n) calls.push_back(s.ada.call(Append{s.topic, tag, {Solo::message("two")}}));
      if (waiting && fails) s.ada.next_save = SaveOutcome::failed;
      for (u32 call : calls) CHECK_FALSE(s.ada.answered(call));
      s.ada.answers_saves = true;
      for (int n = 0; n < 4; ++n) s.ada.pass(10);
      std::set<std::string> ids;
      for (u32 call : calls) {
        REQUIRE(s.ada.answered(call));
        CHECK(s.ada.error(call).has_value() == fails);
        if (!fails) ids.insert(std::get<Appended>(s.ada.replies.at(call)).id);
      }
      s.ada.pass(6'000);
      if (fails) ids.insert(s.ada.ask<Appended>(Append{s.topic, tag, {Solo::message("two")}}).id);
      CHECK(ids.size() == 1);
      CHECK(s.ada.ask<Appended>(Append{s.topic, tag, {Solo::message("two")}}).id == *ids.begin());
      CHECK(std::ranges::count(s.ada.messages(s.topic), "two") == 1);
      if (waiting) CHECK_FALSE(s.ada.error(ahead));
    }
}

TEST_CASE(
    "a topic whose own row was lost is found again with all that was said in it, also where that could not be stored at first") {
  for (SaveOutcome outcome : {SaveOutcome::full, SaveOutcome::failed, SaveOutcome::unknown}) {
    CAPTURE(outcome);
    Solo ada("ada");
    const u32 topic = ada.join(secret);
    (void)ada.append(topic, "kept");
    ada.disk.rows.erase(store::key('T', topic));
    ada.start();
    ada.next_save = outcome;
    const u32 joined = ada.call(ada.joining(secret));
    ada.pass(6'000);
    CHECK(ada.error(joined) == (outcome == SaveOutcome::full ? Code::storage_full : Code::storage_unavailable));
    for (bool again : {false, true}) {
      CAPTURE(again);
      if (again) ada.start();
      CHECK(ada.join(secret) == topic);
      CHECK(ada.messages(topic) == std::vector<std::string>{"kept"});
    }
  }
}

TEST_CASE("a topic is asked for by its name while that one is being forgotten: it is a new one") {
  Solo ada("ada");
  const u32 topic = named(ada, "lunch");
  (void)ada.append(topic, "gone");
  ada.answers_saves = false;
  const u32 left = ada.call(TopicLeave{topic, true});
  const u32 asked = ada.call(TopicNamed{"lunch"});
  ada.answers_saves = true;
  for (int n = 0; n < 6; ++n) ada.pass(10);
  CHECK_FALSE(ada.error(left));
  REQUIRE(std::holds_alternative<OpenedTopic>(ada.replies.at(asked)));
  CHECK(std::get<OpenedTopic>(ada.replies.at(asked)).topic != topic);
}
