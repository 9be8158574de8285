// The list of topics that the app is told of: driven alone, then as a core tells it.
#include "node/topic_list.hpp"

#include <map>

#include "catch_amalgamated.hpp"
#include "unit/support/solo.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

TopicOut topic(u32 no, u64 unread = 0) {
  return {no, TopicId::from(Bytes(32, static_cast<u8>(no))), "topic " + std::to_string(no), unread, std::nullopt};
}

std::vector<u32> numbers(const TopicsNotice& notice) {
  std::vector<u32> out;
  for (const TopicOut& t : notice.topics) out.push_back(t.topic);
  return out;
}

}  // namespace

TEST_CASE("the list of topics is told whole first, be it empty, and then nothing until something changes") {
  TopicList none;
  CHECK_FALSE(none.told());
  auto first = none.take();
  REQUIRE(first);
  CHECK((first->whole && first->topics.empty() && first->ended.empty()));
  CHECK(none.told());
  CHECK_FALSE(none.take());

  TopicList list;
  for (u32 no : {3u, 1u, 2u}) list.look(no, topic(no));
  list.look(4, std::nullopt);
  first = list.take();
  REQUIRE(first);
  CHECK((first->whole && first->ended.empty()));
  CHECK(numbers(*first) == std::vector<u32>{1, 2, 3});
  CHECK_FALSE(list.take());
}

TEST_CASE("of a list of topics what is new, what has changed and what is listed no more is told, and only that") {
  TopicList list;
  for (u32 no = 1; no <= 1'000; ++no) list.look(no, topic(no));
  (void)list.take();
  for (u32 no : {9u, 7u, 8u}) list.look(no, topic(no));
  CHECK_FALSE(list.take());  // looked at, and as it was

  list.look(1'001, topic(1'001));
  list.look(5, topic(5, 2));
  list.look(6, std::nullopt);
  auto changes = list.take();
  REQUIRE(changes);
  CHECK_FALSE(changes->whole);
  CHECK(numbers(*changes) == std::vector<u32>{5, 1'001});
  CHECK(changes->topics[0].unread == 2);
  CHECK(changes->ended == std::vector<u32>{6});
  CHECK_FALSE(list.take());

  list.look(6, topic(6));  // joined again
  changes = list.take();
  REQUIRE(changes);
  CHECK(numbers(*changes) == std::vector<u32>{6});
}

TEST_CASE("each thing that is listed of a topic is told when it changes") {
  const TopicOut before = topic(1);
  std::vector<TopicOut> others(4, before);
  others[0].id = TopicId::from(Bytes(32, 9));
  others[1].name.reset();
  others[2].unread = 1;
  others[3].last_activity_ms = 0;
  for (const TopicOut& now : others) {
    TopicList list;
    list.look(1, before);
    (void)list.take();
    CHECK(list.says(1, before));
    CHECK_FALSE(list.says(1, now));
    CHECK_FALSE(list.says(1, std::nullopt));
    list.look(1, now);
    CHECK(list.take());
    CHECK(list.says(1, now));
  }
}

TEST_CASE("a core tells its list of topics whole when it has read its store, and then what changes in it") {
  Solo ada("ada");
  REQUIRE(ada.topic_lists.size() == 1);
  CHECK((ada.topic_lists[0].whole && ada.topic_lists[0].topics.empty()));
  std::vector<u32> topics;
  for (int i = 0; i < 20; ++i) topics.push_back(ada.ask<OpenedTopic>(TopicCreate{"topic " + std::to_string(i)}).topic);
  ada.pass(1'000);
  CHECK(ada.listed().size() == 20);

  ada.topic_lists.clear();
  ada.append(topics[7], "hello");
  ada.pass(1'000);
  REQUIRE(ada.topic_lists.size() == 1);
  CHECK_FALSE(ada.topic_lists[0].whole);
  CHECK(numbers(ada.topic_lists[0]) == std::vector<u32>{topics[7]});
  CHECK(ada.topic_lists[0].topics[0].last_activity_ms.has_value());

  ada.topic_lists.clear();
  ada.append(topics[9], "hello");
  ada.ask<Nothing>(TopicClose{topics[3]});  // listed as it was
  ada.ask<Nothing>(TopicClose{topics[7]});
  ada.ask<Nothing>(TopicLeave{topics[3], false});
  ada.ask<Nothing>(TopicLeave{topics[4], true});
  ada.pass(1'000);
  std::vector<u32> ended;
  for (const TopicsNotice& notice : ada.topic_lists) {
    CHECK(notice.topics.size() + notice.ended.size() == 1);
    ended.insert(ended.end(), notice.ended.begin(), notice.ended.end());
  }
  CHECK(ended == std::vector<u32>{topics[3], topics[4]});

  ada.topic_lists.clear();
  ada.start();
  ada.pass(1'000);
  REQUIRE(ada.topic_lists.size() == 1);
  CHECK(ada.topic_lists[0].whole);
  CHECK(ada.topic_lists[0].topics.size() == 18);
}

TEST_CASE("a topic that is joined again, by another name, or read in part is listed as that leaves it") {
  const Secret secret = named_secret("a topic");
  Solo ada("ada");
  const u32 topic = ada.join(secret);
  Stranger bob(ada, "bob");
  bob.enter(secret);
  Ledger ledger(bob.identity, *bob.keys);
  ledger.say("one");
  ledger.say("two");
  wire::Page page = ledger.page(0, 2);
  page.log = bob.tag(ledger.id());
  bob.say(page, 1);
  ada.pass(1'000);
  auto now = [&] { return ada.listed().at(0); };
  CHECK((now().unread == 2 && !now().name));
  ada.ask<Nothing>(MarkRead{topic, ada.ask<MessagePage>(Latest{topic, 2}).messages.front().id});
  CHECK(now().unread == 1);
  ada.ask<Nothing>(TopicLeave{topic, false});
  CHECK(ada.listed().empty());
  TopicJoin again = ada.joining(secret);
  again.name = "lunch";
  CHECK(ada.ask<OpenedTopic>(again).topic == topic);
  ada.pass(1'000);
  CHECK((now().name == "lunch" && now().unread == 1));
}
