// What only a newer core can read, and what nobody can: kept, passed on, told, and never fetched again.
#include <algorithm>

#include "catch_amalgamated.hpp"
#include "unit/support/group.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

// A batch of eve's log that is no batch of a format which this core knows.
void say_plain(Stranger& eve, Ledger& ledger, ByteView plain) {
  crypto::Random random(named_seed("newer"));
  ledger.add_sealed(
      log::seal_batch(*eve.keys, {eve.identity.network(), eve.keys->id, ledger.id(), ledger.length()}, plain, random));
}

std::string trouble_of(const Solo& solo, Code code) {
  for (const Error& e : solo.status.trouble)
    if (e.code == code) return e.text;
  return "";
}

}  // namespace

TEST_CASE("a batch of a newer format is kept and passed on, and the user is told what to do, by the topic's name") {
  Solo ada("ada");
  const u32 topic = ada.ask<OpenedTopic>(TopicNamed{"lunch"}).topic;
  Stranger eve(ada, "eve");
  eve.enter(identity::decode_invite(ada.ask<Text>(TopicInvite{topic}).text)->secret);
  Ledger ledger(eve.identity, *eve.keys);
  ledger.say("before");
  say_plain(eve, ledger, Bytes{0x80, 3, 1, 2, 3});
  ledger.say("after");
  eve.say(ledger.page(), 1);
  CHECK(ada.messages(topic) == Words{"before", "after"});
  CHECK(
      trouble_of(ada, Code::outdated) ==
      "A newer version of this app has written what this one cannot read, in \"lunch\". It is kept and passed on; reload to run the newer version.");
  eve.heard.clear();
  eve.say(wire::Want{eve.tag(ledger.id()), 0, 3, 100'000}, 1, 1);
  REQUIRE(eve.last<wire::Page>());
  CHECK(eve.last<wire::Page>()->batches.size() == 3);
  ada.start();  // and it is not forgotten, nor fetched again
  CHECK(ada.ask<OpenedTopic>(TopicNamed{"lunch"}).topic == topic);
  ada.pass(10);
  CHECK_FALSE(trouble_of(ada, Code::outdated).empty());
  CHECK(trouble_of(ada, Code::storage_lost).empty());
}

TEST_CASE("a member's batch that nobody can read is no loss of ours, and no reason to fetch it again") {
  Solo ada("ada");
  const u32 topic = ada.join(secret);
  Stranger eve(ada, "eve");
  eve.enter(secret);
  Ledger ledger(eve.identity, *eve.keys);
  ledger.say("before");
  ledger.add_sealed(Bytes(80, 7));
  eve.say(ledger.page(), 1);
  CHECK(ada.messages(topic) == Words{"before"});
  CHECK(ada.status.trouble.empty());
  eve.heard.clear();
  eve.pass(60'000);
  CHECK(eve.all<wire::Want>().empty());
}
