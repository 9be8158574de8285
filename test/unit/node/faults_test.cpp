// Who breaks the rules loses his link in the middle of what the core was doing for him: it stops there, and goes on with all others.
#include <algorithm>

#include "catch_amalgamated.hpp"
#include "crypto/random.hpp"
#include "unit/support/scene.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {
std::vector<std::string> sorted_words(std::vector<std::string> words) {
  std::ranges::sort(words);
  return words;
}
}  // namespace

TEST_CASE("a forged page of a lost branch of our own closes the link, and another peer gives the branch") {
  Scene s({"0"});
  const auto backup = s.ada.disk.rows;
  identity::Identity self = s.ada.identity();
  const std::optional<wire::Page> shared = first_page(s.ada);
  REQUIRE(shared);
  const u64 incarnation = incarnation_of(*shared);
  (void)s.ada.append(s.topic, "1");
  s.said = {"0", "1"};
  for (bool forged : {true, false}) {
    CAPTURE(forged);
    Stranger eve(s.ada, forged ? "eve" : "bob");
    eve.enter(secret);
    Ledger branch(self, *eve.keys, incarnation);  // what a life of ours has said that is forgotten here
    branch.add_sealed(shared->batches[0]);
    branch.say("lost");
    const wire::LogTag tag = eve.tag(branch.id());
    eve.say(wire::Items{{branch.item(tag, 2)}}, 1);
    eve.pass(100);
    REQUIRE(eve.last<wire::AskProof>());
    const log::Head head = branch.head(2);
    eve.say(wire::Proof{tag, 2, branch.peaks(2).hashes, {}, 2, head.ops, head.time.value, head.signature}, 1);
    REQUIRE(eve.last<wire::AskNodes>());
    eve.say(wire::Nodes{tag, 1, 0, log::leaf_hash(branch.batches()[0]), log::leaf_hash(branch.batches()[1])}, 1);
    eve.pass(100);
    REQUIRE(eve.last<wire::Want>());
    wire::Page page = branch.page(1, 2);
    page.log = tag;
    if (forged) page.batches[0][30] ^= 1;
    eve.say(page, 1, eve.request<wire::Want>());
    CHECK(eve.linked() == !forged);
    if (forged) CHECK(s.intact());
  }
  s.ada.pass(1'000);
  CHECK(s.ada.messages(s.topic).size() == 3);
}

TEST_CASE(
    "who shows a topic with a greeting that claims too much is let go when we open it, and all others are greeted") {
  Config config;
  config.memory_bytes = 24 << 10;  // so that a link may claim but a few logs
  Solo ada("ada", config);
  const identity::TopicKeys keys = identity::topic_keys(secret);
  crypto::Random random(named_seed("padding"));
  auto shows = [&](Stranger& who, std::size_t logs) {
    peers::TopicProof showing{keys, who.session->handshake_hash(), who.identity.id(), ada.id()};
    wire::Topics topics{{peers::topic_mac(showing)}};
    wire::Hello hello{{9}, logs, {}, {}, 1};
    for (std::size_t n = 0; n < logs; ++n)
      hello.items.push_back({{static_cast<u8>(n)}, 1, 1, ada.wall_ms / 1000, {}, 0});
    for (std::size_t tries = 0; !peers::pad(showing, 1, hello, random, topics.macs); ++tries) {
      REQUIRE(tries < 64);
      hello.items.pop_back();
      hello.count = hello.items.size();
      topics.macs.resize(1);
    }
    who.say(topics);
    return hello.items.size();
  };
  Stranger first(ada, "first"), eve(ada, "eve"), last(ada, "last");
  (void)shows(first, 0);
  const std::size_t claimed = shows(eve, 12);
  (void)shows(last, 0);
  REQUIRE(claimed > 4);
  const u32 topic = ada.join(secret);
  for (Stranger* who : {&first, &eve, &last}) who->listen();
  CHECK_FALSE(eve.linked());
  for (Stranger* who : {&first, &last}) {
    CHECK(who->linked());
    CHECK(who->all<wire::Done>().size() == 1);
  }
  CHECK(ada.topics[topic].peers == 2);
  first.close();
  last.close();
  ada.pass(1'000);
  CHECK(ada.topics[topic].state == TopicState::alone);
}

TEST_CASE(
    "a page that is another in the place of what we hold shows a fork at once, and who brought it is no copy behind that") {
  Scene s({"0"});
  identity::Identity self = s.ada.identity();
  const std::optional<wire::Page> shared = first_page(s.ada);
  REQUIRE(shared);
  const u64 incarnation = incarnation_of(*shared);
  Stranger bob(s.ada, "bob");
  bob.enter(secret);
  Ledger branch(self, *bob.keys, incarnation);
  branch.add_sealed(shared->batches[0]);
  branch.say("lost");
  wire::Page page = branch.page(1, 2);
  page.log = bob.tag(branch.id());
  bob.say(wire::Items{{branch.item(page.log, 1)}}, 1);
  const std::string second = s.ada.append(s.topic, "1");  // just as far as the branch that he holds
  auto copies = [&](const std::string& id) { return s.ada.ask<CopyList>(GetCopies{s.topic, id}).peers; };
  bob.heard.clear();
  bob.say(page, 1);
  REQUIRE(bob.last<wire::AskProof>());
  CHECK(copies(second).empty());
  const log::Head head = branch.head(2);
  bob.say(wire::Proof{page.log, 2, branch.peaks(2).hashes, {}, 2, head.ops, head.time.value, head.signature}, 1);
  REQUIRE(bob.last<wire::AskNodes>());
  bob.say(wire::Nodes{page.log, 1, 0, log::leaf_hash(branch.batches()[0]), log::leaf_hash(branch.batches()[1])}, 1);
  bob.pass(100);
  REQUIRE(bob.last<wire::Want>());
  bob.say(page, 1, bob.request<wire::Want>());
  s.ada.pass(1'000);
  CHECK(bob.linked());
  CHECK(sorted_words(s.ada.messages(s.topic)) == std::vector<std::string>{"0", "1", "lost"});
  CHECK(copies(s.first) == std::vector{bob.identity.id()});
}
