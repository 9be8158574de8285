// What an anchor stores, and how it says that it will not; and what an edge does whose app allows it only so much.
#include <algorithm>

#include "catch_amalgamated.hpp"
#include "sync/topic.hpp"
#include "unit/support/solo.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

const Secret secret = named_secret("a topic");

// A value of so many bytes.
Bytes filled(std::size_t bytes) {
  Bytes value(bytes, 0);
  value[0] = 0xc5;  // bin 16
  value[1] = static_cast<u8>((bytes - 3) >> 8);
  value[2] = static_cast<u8>(bytes - 3);
  return value;
}

struct Scene {
  Solo anchor;
  Stranger ada;
  Ledger ledger;
  explicit Scene(Quotas quotas)
      : anchor("anchor", anchor_config(quotas)),
        ada(anchor, "ada", {.kind = LinkKind::websocket}),
        ledger(ada.identity, entered(ada)) {}
  static const identity::TopicKeys& entered(Stranger& ada) {
    ada.enter(secret);
    return *ada.keys;
  }
  void add(std::size_t bytes) { ledger.add_sealed(Bytes(bytes, static_cast<u8>(ledger.length()))); }
  void give(u64 from, u64 to) {
    ada.heard.clear();
    wire::Page page = ledger.page(from, to);
    if (from > 0) page.log = ada.tag(ledger.id());
    ada.say(page, 1);
  }
  std::optional<wire::Refusal> refusal() {
    auto refused = ada.last<wire::Refused>();
    if (!refused) return std::nullopt;
    return static_cast<wire::Refusal>(refused->reason);
  }
  // How much of Ada's log somebody new is told of.
  u64 stored() {
    Stranger bob(anchor, "bob", {.kind = LinkKind::websocket});
    bob.enter(secret);
    auto hello = bob.last<wire::Hello>();
    REQUIRE(hello);
    u64 length = hello->items.empty() ? 0 : hello->items[0].length;
    bob.close();
    return length;
  }
};

}  // namespace

TEST_CASE("a page that would pass a quota is refused whole, with the reason, and the link stays") {
  for (auto [quotas, reason] : {std::pair{Quotas{.total_bytes = 10'000 + sync::log_bytes}, wire::Refusal::total_quota},
                                {Quotas{.topic_bytes = 10'000 + sync::log_bytes}, wire::Refusal::topic_quota},
                                {Quotas{.device_bytes = 10'000 + sync::log_bytes}, wire::Refusal::device_quota}}) {
    Scene s(quotas);
    for (int i = 0; i < 4; ++i) s.add(3'000);
    s.give(0, 2);
    CHECK_FALSE(s.refusal());
    s.give(2, 4);
    CHECK(s.refusal() == reason);
    CHECK(s.ada.linked());
    CHECK(s.stored() == 2);
    s.give(2, 3);  // a smaller one fits
    CHECK_FALSE(s.refusal());
    CHECK(s.stored() == 3);
    s.anchor.pass(1'500);
    const std::string name = reason == wire::Refusal::total_quota   ? "refused_total_quota"
                             : reason == wire::Refusal::topic_quota ? "refused_topic_quota"
                                                                    : "refused_device_quota";
    CHECK(s.anchor.metrics[name] == 1);
  }
}

TEST_CASE("the first page of a log that would pass the quota leaves no trace of the log") {
  Scene s({.topic_bytes = 1'000});
  s.add(3'000);
  s.give(0, 1);
  CHECK(s.refusal() == wire::Refusal::topic_quota);
  CHECK(s.stored() == 0);
  CHECK(std::ranges::none_of(s.anchor.disk.rows,
                             [](const auto& row) { return row.first[0] == 'L' || row.first[0] == 'B'; }));
}

TEST_CASE("incarnations of one device share its quota, and what is stored counts again after a restart") {
  Scene s({.device_bytes = 10'000 + 2 * sync::log_bytes});
  for (int i = 0; i < 3; ++i) s.add(3'000);
  s.give(0, 3);
  s.anchor.start();
  Stranger again(s.anchor, "ada", {.kind = LinkKind::websocket});
  again.enter(secret);
  Ledger second(again.identity, *again.keys, 6);
  second.add_sealed(Bytes(3'000, 9));
  again.heard.clear();
  again.say(second.page(), 1);
  CHECK(again.last<wire::Refused>().has_value());
  CHECK(again.linked());
}

TEST_CASE(
    "an edge stores what its app allows: an append past it is rejected, what others say is not taken, and what was accepted stays") {
  Config config;
  config.quotas.total_bytes = 10'000 + sync::log_bytes;
  Solo ada("ada", config);
  u32 topic = ada.join(secret);
  auto append = [&](std::size_t bytes) { return ada.error(ada.call(Append{topic, {}, {{1, {}, filled(bytes)}}})); };
  CHECK_FALSE(append(6'000));
  CHECK(append(6'000) == Code::storage_full);
  Stranger eve(ada, "eve");
  eve.enter(secret);
  Ledger ledger(eve.identity, *eve.keys);
  ledger.add({{log::Op::Kind::message, {}, filled(6'000), {}}}, ada.wall_ms);
  eve.say(ledger.page(), 1);
  CHECK(ada.topics[topic].length == 1);
  CHECK(std::ranges::any_of(ada.status.trouble, [](const Error& e) { return e.code == Code::storage_full; }));
  CHECK(eve.linked());
  CHECK_FALSE(append(1'000));  // a smaller one fits
  CHECK(ada.topics[topic].length == 2);
}

TEST_CASE(
    "a log is charged what it costs beside its batches: tiny ones in numbers are refused before they fill anything") {
  Solo anchor("anchor", anchor_config({.device_bytes = 10 * (sync::log_bytes + 100)}));
  Stranger eve(anchor, "eve", {.kind = LinkKind::websocket});
  eve.enter(secret);
  u32 stored = 0;
  for (u64 incarnation = 1; incarnation <= 40; ++incarnation) {
    Ledger tiny(eve.identity, *eve.keys, incarnation);
    tiny.add_sealed(Bytes(26, static_cast<u8>(incarnation)));
    eve.heard.clear();
    eve.say(tiny.page(), 1);
    stored += eve.all<wire::Refused>().empty();
  }
  CHECK(stored == 10);
  CHECK(eve.linked());
  // Nothing that is there is lost for it, also where a store of before there was such a price is over its quota now.
  Config less = anchor_config({.device_bytes = 100});
  Solo small("anchor", less);
  small.disk = anchor.disk;
  small.start();
  Stranger bob(small, "bob", {.kind = LinkKind::websocket});
  bob.enter(secret);
  CHECK(bob.last<wire::Hello>()->count == 10);
  CHECK(bob.all<wire::Page>().size() == 10);
}

TEST_CASE("an anchor whose index is damaged counts what it stores once, while it is read again and after that") {
  Scene s({.total_bytes = 20'000 + sync::log_bytes});
  for (int i = 0; i < 6; ++i) s.add(3'000);
  s.give(0, 3);
  const Bytes index = std::ranges::find_if(s.anchor.disk.rows, [](const auto& row) {
                        return row.first[0] == 'X';
                      })->first;
  s.anchor.disk.rows[index].back() ^= 1;
  s.anchor.start();  // what was at hand is not any more
  Stranger again(s.anchor, "ada", {.kind = LinkKind::websocket});
  again.enter(secret);
  auto give = [&](u64 from, u64 to) {
    again.heard.clear();
    wire::Page page = s.ledger.page(from, to);
    page.log = again.tag(s.ledger.id());
    again.say(page, 1);
  };
  give(3, 4);  // meets the damage
  s.anchor.pass(1'500);
  CHECK(s.anchor.metrics["corrupt_indexes"] == 1);
  CHECK(s.anchor.metrics["total_bytes"] >= 9'000 + sync::log_bytes);
  CHECK(s.anchor.metrics["total_bytes"] < 9'500 + sync::log_bytes);
  give(3, 6);
  CHECK_FALSE(again.last<wire::Refused>());
  s.anchor.pass(1'500);
  CHECK(s.anchor.metrics["total_bytes"] >= 18'000 + sync::log_bytes);
  CHECK(s.anchor.metrics["total_bytes"] < 19'000 + sync::log_bytes);
}

TEST_CASE("what an anchor stores counts once after its disk has failed and was read again") {
  Scene s({.total_bytes = 20'000 + sync::log_bytes});
  for (int i = 0; i < 4; ++i) s.add(3'000);
  s.give(0, 2);
  s.anchor.next_save = SaveOutcome::failed;
  s.give(2, 3);
  s.ada.pass(6'000);
  CHECK(s.anchor.metrics["total_bytes"] >= 6'000 + sync::log_bytes);
  CHECK(s.anchor.metrics["total_bytes"] < 6'500 + sync::log_bytes);
  s.give(2, 4);
  s.anchor.pass(1'500);
  CHECK(s.anchor.metrics["total_bytes"] >= 12'000 + sync::log_bytes);
  CHECK(s.anchor.metrics["total_bytes"] < 12'500 + sync::log_bytes);
}
