// What our own caller can get wrong: it gets a typed error that says what to do, and nothing else happens.
#include "catch_amalgamated.hpp"
#include "unit/support/solo.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {
const Secret secret = named_secret("a topic");
}

TEST_CASE("an invite that is wrong, cut, mistyped or of another app is a bad invite") {
  Solo ada("ada");
  u32 topic = ada.join(secret);
  std::string good = ada.ask<Text>(TopicInvite{topic}).text;
  Config other;
  other.app = "another app";
  Solo bob("bob", other);
  CHECK(bob.error(bob.call(TopicJoin{good, {}})) == Code::bad_invite);
  for (std::size_t size = 0; size < good.size(); ++size)
    CHECK(ada.error(ada.call(TopicJoin{good.substr(0, size), {}})) == Code::bad_invite);
  for (std::size_t at = 8; at < good.size(); ++at) {
    std::string typo = good;
    typo[at] = typo[at] == 'x' ? 'y' : 'x';
    CHECK(ada.error(ada.call(TopicJoin{typo, {}})) == Code::bad_invite);
  }
  CHECK(ada.ask<OpenedTopic>(TopicJoin{"  https://a.example/#" + good + " ", {}}).topic == topic);
}

TEST_CASE("a topic that was opened comes with its invite, however it was opened") {
  Config config;
  config.anchors = {"wss://anchor.example"};
  Solo ada("ada", config);
  const OpenedTopic made = ada.ask<OpenedTopic>(TopicCreate{{}, true});
  const std::string code = ada.ask<Text>(TopicShortcode{made.topic}).text;
  CHECK(made.invite == ada.ask<Text>(TopicInvite{made.topic}).text);
  CHECK(ada.ask<OpenedTopic>(TopicJoinCode{code, "lunch"}).invite == made.invite);
  CHECK(ada.ask<OpenedTopic>(TopicNamed{"lunch"}).invite == made.invite);
}

TEST_CASE("a mistyped shortcode is a bad invite") {
  Solo ada("ada");
  u32 topic = ada.ask<OpenedTopic>(TopicCreate{{}, true}).topic;
  std::string code = ada.ask<Text>(TopicShortcode{topic}).text;
  CHECK(code.size() == 16);
  for (std::size_t at = 0; at < code.size(); ++at) {
    if (code[at] == '-') continue;
    std::string typo = code;
    typo[at] = typo[at] == '7' ? '9' : '7';
    CHECK(ada.error(ada.call(TopicJoinCode{typo, {}})) == Code::bad_invite);
  }
  for (const char* wrong : {"", "-", "7K3M", "not a code at all", "7K3M-9QXR-2ABC-V7"})
    CHECK(ada.error(ada.call(TopicJoinCode{wrong, {}})) == Code::bad_invite);
  CHECK(ada.ask<OpenedTopic>(TopicJoinCode{code, {}}).topic == topic);
}

TEST_CASE(
    "values that cannot be stored are a bad argument, those that are too large too large, and nothing of the call is kept") {
  Solo ada("ada");
  u32 topic = ada.join(secret);
  auto refused = [&](std::vector<NewOp> ops) { return ada.error(ada.call(Append{topic, {}, std::move(ops)})); };
  const NewOp good = Solo::message("good");
  CHECK(refused({}) == Code::bad_argument);
  CHECK(refused({good, {1, {}, Bytes{}}}) == Code::bad_argument);
  CHECK(refused({good, {1, {}, Bytes{0xc1}}}) == Code::bad_argument);
  CHECK(refused({good, {1, {}, Bytes{0xc0, 0xc0}}}) == Code::bad_argument);
  CHECK(refused({good, {1, {}, Bytes(100, 0x91)}}) == Code::bad_argument);
  CHECK(refused({good, {9, {}, Bytes{0xc0}}}) == Code::bad_argument);
  CHECK(refused({good, {0, {}, Bytes{0xc0}}}) == Code::bad_argument);
  CHECK(refused({good, {2, "", Bytes{0xc0}}}) == Code::bad_argument);
  CHECK(refused({good, {2, std::string(1025, 'k'), Bytes{0xc0}}}) == Code::too_large);
  Bytes large(log::value_max + 1, 0);
  large[0] = 0xc6;
  CHECK(refused({good, {1, {}, large}}) == Code::too_large);
  Bytes most(log::value_max, 0);  // bin 32 of all the rest
  most[0] = 0xc6;
  for (int i = 0; i < 4; ++i)
    most[static_cast<std::size_t>(1 + i)] = static_cast<u8>((most.size() - 5) >> (24 - 8 * i));
  CHECK(refused(std::vector<NewOp>(65, {1, {}, most})) == Code::too_large);
  CHECK(ada.messages(topic).empty());
  (void)ada.ask<Appended>(Append{topic, {}, {{1, {}, most}, good, {2, std::string(1024, 'k'), Bytes{0xc0}}}});
  CHECK(ada.ask<MessagePage>(Latest{topic, 10}).messages.size() == 2);
  CHECK(ada.error(ada.call(SetPresence{topic, Bytes(5'000, 0xc0)})) == Code::too_large);
  CHECK(ada.error(ada.call(SetPresence{topic, Bytes{0xc1}})) == Code::bad_argument);
}

TEST_CASE("a key that is no UTF-8 is a bad argument") {
  Solo ada("ada");
  u32 topic = ada.join(secret);
  for (const char* key : {"\xff", "a\xc0\x80", "\xed\xa0\x80", "\xf5\x80\x80\x80", "\xc3"}) {
    CHECK(ada.error(ada.call(Append{topic, {}, {Solo::set(key, "v")}})) == Code::bad_argument);
    CHECK(ada.error(ada.call(Append{topic, {}, {{3, key, {}}}})) == Code::bad_argument);
  }
  (void)ada.ask<Appended>(Append{topic, {}, {Solo::set("\xe2\x82\xac", "v")}});
  CHECK(ada.ask<MapPage>(MapGet{topic, "\xe2\x82\xac"}).entries.size() == 1);
}

TEST_CASE("ids that name nothing are not found, or find nothing") {
  Solo ada("ada");
  u32 topic = ada.join(secret);
  std::string id = ada.append(topic, "one");
  for (std::string wrong : {std::string(), std::string("!"), std::string(200, 'A'), id + "A", id.substr(1),
                            std::string("AAAAAAAAAAAAAAAAAAAAAAAA")}) {
    CHECK(ada.error(ada.call(Messages{topic, wrong, {}, 10, false})) == Code::not_found);
    CHECK(ada.error(ada.call(MarkRead{topic, wrong})) == Code::not_found);
    CHECK(ada.error(ada.call(WaitCopies{topic, wrong, 1, false})) == Code::not_found);
    CHECK(ada.ask<MessagePage>(GetMessage{topic, wrong}).messages.empty());
  }
  CHECK(ada.ask<MapPage>(MapGet{topic, "no such key"}).entries.empty());
}

TEST_CASE("a topic that is not open is closed") {
  Solo ada("ada");
  u32 topic = ada.join(secret);
  u32 waiting = ada.call(WaitSynced{topic});
  (void)ada.ask<Nothing>(TopicClose{topic});
  ada.pass(1);
  CHECK(ada.error(waiting) == Code::closed);
  for (u32 number : {topic, topic + 100}) {
    CHECK(ada.error(ada.call(Append{number, {}, {Solo::message("x")}})) == Code::closed);
    CHECK(ada.error(ada.call(Latest{number, 10})) == Code::closed);
    CHECK(ada.error(ada.call(TopicInvite{number})) == Code::closed);
    CHECK(ada.error(ada.call(GetDigest{number})) == Code::closed);
  }
}

TEST_CASE("calls after close are closed, those that wait as well, and what was accepted is on disk by then") {
  Solo ada("ada");
  u32 topic = ada.join(secret);
  u32 waiting = ada.call(WaitSynced{topic});
  ada.answers_saves = false;
  u32 append = ada.call(Append{topic, {}, {Solo::message("accepted")}});
  u32 close = ada.call(Close{});
  CHECK_FALSE(ada.answered(close));
  CHECK(ada.error(ada.call(TopicNamed{"x"})) == Code::closed);
  CHECK(ada.error(ada.call(Append{topic, {}, {Solo::message("late")}})) == Code::closed);
  ada.answers_saves = true;
  ada.pass(1);
  CHECK_FALSE(ada.error(append));
  CHECK(ada.answered(append));
  CHECK(ada.answered(close));
  CHECK(ada.error(waiting) == Code::closed);
  CHECK(ada.error(ada.call(Latest{topic, 1})) == Code::closed);
  CHECK(ada.answered(ada.call(Close{})));
  ada.start();
  topic = ada.join(secret);
  CHECK(ada.messages(topic) == std::vector<std::string>{"accepted"});
}

TEST_CASE("an anchor's address is one") {
  Solo ada("ada");
  for (std::string wrong :
       {std::string(), std::string("http://a"), std::string("ws://"), std::string("wss://") + std::string(300, 'a')})
    CHECK(ada.error(ada.call(AnchorAdd{wrong})) == Code::bad_argument);
  for (int i = 0; i < 16; ++i) (void)ada.ask<Nothing>(AnchorAdd{"ws://a" + std::to_string(i)});
  CHECK(ada.error(ada.call(AnchorAdd{"ws://one-more"})) == Code::bad_argument);
  (void)ada.ask<Nothing>(AnchorAdd{"ws://a3"});
}
