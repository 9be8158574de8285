// Whom an anchor serves, how much of whom it stores, who makes room when it is full, and what it does where its disk is.
#include <algorithm>

#include "catch_amalgamated.hpp"
#include "store/transactions.hpp"
#include "sync/topic.hpp"
#include "unit/support/solo.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

const Secret lunch = named_secret("lunch"), dinner = named_secret("dinner");
const Bytes here{203, 0, 113, 5}, there{203, 0, 113, 6};

Stranger::Options from(Bytes address, bool admitted = false) {
  return {.kind = LinkKind::websocket, .address = std::move(address), .admitted = admitted};
}

std::optional<wire::Refusal> refusal(const Stranger& who) {
  auto refused = who.last<wire::Refused>();
  return refused ? std::optional(static_cast<wire::Refusal>(refused->reason)) : std::nullopt;
}

std::optional<wire::Refusal> greeted_with(const Stranger& who) {
  auto greeting = who.greeting();
  return greeting && greeting->refusal != 0 ? std::optional(static_cast<wire::Refusal>(greeting->refusal))
                                            : std::nullopt;
}

// Somebody with a log of so many bytes in a topic, which is brought.
struct Author {
  Stranger device;
  Ledger ledger;
  Author(Solo& anchor, std::string name, const Secret& secret, std::size_t bytes, Stranger::Options options)
      : device(anchor, name, std::move(options)), ledger(device.identity, entered(secret)) {
    ledger.add_sealed(Bytes(bytes, 7));
    give();
  }
  void give() {
    device.heard.clear();
    device.say(ledger.page(), 1);
  }
  const identity::TopicKeys& entered(const Secret& secret) {
    device.enter(secret);
    return *device.keys;
  }
};

u64 stored_bytes(const Solo& anchor) {
  u64 sum = 0;
  for (const auto& [key, value] : anchor.disk.rows)
    if (key[0] == 'B') sum += value.size();
  return sum;
}

Config serving(std::vector<TopicId> topics, bool tokens) {
  Config config = anchor_config();
  config.topics = std::move(topics);
  config.tokens = tokens;
  return config;
}

}  // namespace

TEST_CASE("what one address brings to topics of its own is bounded, however many it makes up, and binds nobody else") {
  Solo anchor("anchor", anchor_config({.address_bytes = 10'000 + 3 * sync::log_bytes}));
  for (int i = 0; i < 16; ++i) {
    const std::string name = "topic " + std::to_string(i);
    Author eve(anchor, "eve " + name, named_secret(name), 3'000, from(here));
    CHECK(refusal(eve.device) == (i < 3 ? std::nullopt : std::optional(wire::Refusal::address_quota)));
    CHECK(eve.device.linked());
    eve.device.close();
  }
  CHECK(stored_bytes(anchor) < 10'000);
  Author ada(anchor, "ada", lunch, 9'000, from(there));
  CHECK_FALSE(refusal(ada.device));
  anchor.pass(1'500);
  CHECK(anchor.metrics["refused_address_quota"] == 13);
}

TEST_CASE(
    "what has no room left at its address takes half of that of others in the topic, and is asked for as they come") {
  Solo anchor("anchor", anchor_config({.address_bytes = 10'000 + sync::log_bytes}));
  Author ada(anchor, "ada", lunch, 12'000, from(here));
  CHECK(refusal(ada.device) == wire::Refusal::address_quota);
  ada.device.heard.clear();
  Stranger bob(anchor, "bob", from(there));
  bob.enter(lunch);
  ada.device.listen();
  auto hello = ada.device.last<wire::Hello>();
  REQUIRE(hello);
  CHECK(hello->again == 1);
  ada.give();
  CHECK_FALSE(refusal(ada.device));
  CHECK(stored_bytes(anchor) > 12'000);
  Author more(anchor, "more", dinner, 1'000, from(here));
  CHECK(refusal(more.device) == wire::Refusal::address_quota);
  Author his(anchor, "bob", named_secret("his own"), 7'000, from(there));  // what is his own he can bring still
  CHECK_FALSE(refusal(his.device));
}

TEST_CASE("two addresses that enter each other's topics bring no more than two addresses may") {
  const u64 quota = 10'000 + 3 * sync::log_bytes;
  Solo anchor("anchor", anchor_config({.address_bytes = quota}));
  for (int i = 0; i < 24; ++i) {
    const std::string name = "topic " + std::to_string(i);
    Stranger other(anchor, "other " + name, from(i % 2 == 0 ? there : here));
    other.enter(named_secret(name));
    Author eve(anchor, "eve " + name, named_secret(name), 3'000, from(i % 2 == 0 ? here : there));
    eve.device.close();
    other.close();
  }
  anchor.pass(1'500);
  CHECK(anchor.metrics["total_bytes"] <= 2 * quota);
  CHECK(anchor.metrics["logs"] == 6);
  // So it is after a restart, and what was accepted is there.
  anchor.start();
  Author eve(anchor, "eve again", lunch, 3'000, from(here));
  CHECK(refusal(eve.device) == wire::Refusal::address_quota);
  anchor.pass(1'500);
  CHECK(anchor.metrics["logs"] == 6);
  CHECK(anchor.metrics["total_bytes"] <= 2 * quota);
}

TEST_CASE(
    "what two addresses brought to one topic is charged to each after a restart, and a smaller quota loses none of it") {
  Quotas quotas{.address_bytes = 10'000 + 2 * sync::log_bytes};
  Solo anchor("anchor", anchor_config(quotas));
  Author(anchor, "ada", lunch, 9'000, from(here)).device.close();
  Author(anchor, "bob", lunch, 2'000, from(there)).device.close();
  Solo less("anchor", anchor_config({.address_bytes = 6'000 + 2 * sync::log_bytes}));
  less.disk = anchor.disk;
  less.start();
  Author ada(less, "ada too", dinner, 500, from(here));
  CHECK(refusal(ada.device) == wire::Refusal::address_quota);
  Author bob(less, "bob too", dinner, 3'000, from(there));
  CHECK_FALSE(refusal(bob.device));
  Stranger reader(less, "reader", from(there));
  reader.enter(lunch);
  CHECK(reader.all<wire::Page>().size() == 2);
}

TEST_CASE("a store of 0.1.0 says who was the only one in a topic: what is there he has brought") {
  Quotas quotas{.address_bytes = 10'000 + 2 * sync::log_bytes};
  Solo anchor("anchor", anchor_config(quotas));
  Author(anchor, "ada", lunch, 9'000, from(here)).device.close();
  std::erase_if(anchor.disk.rows, [](const auto& row) { return row.first[0] == 'E'; });
  const Bytes key = store::key('E', 1);
  anchor.disk.rows[key] = store::seal_row(key, here);
  anchor.start();
  Author more(anchor, "more", dinner, 2'000, from(here));
  CHECK(refusal(more.device) == wire::Refusal::address_quota);
  Author small(anchor, "small", lunch, 100, from(here));
  CHECK_FALSE(refusal(small.device));
  CHECK_FALSE(anchor.disk.rows.contains(key));
  anchor.start();
  Author again(anchor, "again", dinner, 2'000, from(here));
  CHECK(refusal(again.device) == wire::Refusal::address_quota);
}

TEST_CASE("one address makes so many topics, and another still makes its own") {
  Solo anchor("anchor", anchor_config());
  const NetworkId network = anchor.identity().network();
  for (u32 no = 1; no <= 4'095; ++no) {
    const Bytes row = store::key('T', no), brought = store::key('E', no, here), log = store::key('L', no, 0);
    codec::Writer topic;
    TopicId id;
    id.bytes[0] = static_cast<u8>(no), id.bytes[1] = static_cast<u8>(no >> 8);
    topic.fixed(network).fixed(id).u8(0).bytes(std::string_view()).bytes(std::string_view()).u8(0);
    topic.varint(anchor.wall_ms);
    anchor.disk.rows[row] = store::seal_row(row, topic.peek());
    anchor.disk.rows[brought] = store::seal_row(brought, Bytes{0, 1});
    log::LogState state;
    state.opening.incarnation = no;
    anchor.disk.rows[log] = store::seal_row(log, log::encode_state(state));
  }
  anchor.start();
  Stranger eve(anchor, "eve", from(here)), ada(anchor, "ada", from(there));
  eve.enter(lunch);
  CHECK_FALSE(refusal(eve));
  eve.say(wire::Enter{identity::topic_keys(dinner).id,
                      peers::enter_signature(identity::topic_keys(dinner), eve.session->handshake_hash(),
                                             eve.identity.id())},
          2);
  CHECK(refusal(eve) == wire::Refusal::address_quota);
  ada.enter(dinner);
  CHECK_FALSE(refusal(ada));
}

TEST_CASE("what an address has brought counts after a restart, too, and not once the topic is forgotten") {
  Quotas quotas{.lease_days = 1, .address_bytes = 10'000 + 2 * sync::log_bytes};
  Solo anchor("anchor", anchor_config(quotas));
  { Author(anchor, "ada", lunch, 6'000, from(here)).device.close(); }
  anchor.start();
  {
    Author again(anchor, "eve", dinner, 6'000, from(here));
    CHECK(refusal(again.device) == wire::Refusal::address_quota);
    again.device.close();
  }
  anchor.wall_ms += 3 * u64{86'400'000};
  anchor.steady_ms += 3 * u64{86'400'000};
  anchor.pass(1'500);
  CHECK(std::ranges::none_of(anchor.disk.rows, [](const auto& row) { return row.first[0] == 'E'; }));
  Author later(anchor, "eve", dinner, 6'000, from(here));
  CHECK_FALSE(refusal(later.device));
}

TEST_CASE("nothing is kept of who has entered a topic in which nothing was said") {
  Solo anchor("anchor", anchor_config());
  Stranger eve(anchor, "eve", from(here));
  eve.enter(lunch);
  CHECK(std::ranges::none_of(anchor.disk.rows, [](const auto& row) { return row.first[0] == 'E'; }));
}

TEST_CASE(
    "an anchor that is told its topics serves these to anybody, others to whom its host admits, and says so to the rest") {
  Solo anchor("anchor", serving({identity::topic_keys(lunch).id}, true));
  Author ada(anchor, "ada", lunch, 100, from(here));
  CHECK(ada.device.linked());
  CHECK_FALSE(refusal(ada.device));
  Stranger eve(anchor, "eve", from(here));
  CHECK_FALSE(greeted_with(eve));
  eve.enter(dinner);
  CHECK(refusal(eve) == wire::Refusal::not_served);
  CHECK(eve.linked());
  Author bob(anchor, "bob", dinner, 100, from(here, true));
  CHECK_FALSE(refusal(bob.device));
  anchor.pass(1'500);
  CHECK(anchor.metrics["logs"] == 2);
  CHECK(anchor.metrics["refused_not_served"] == 1);
}

TEST_CASE(
    "an anchor that serves by token alone lets nobody in without one, and the quota by address does not bind there") {
  Config config = serving({}, true);
  config.quotas.address_bytes = 10;
  Solo anchor("anchor", config);
  Stranger eve(anchor, "eve", from(here));
  CHECK(greeted_with(eve) == wire::Refusal::not_served);
  CHECK_FALSE(eve.linked());
  Author ada(anchor, "ada", lunch, 5'000, from(here, true));
  CHECK(ada.device.linked());
  CHECK_FALSE(refusal(ada.device));
}

TEST_CASE("an anchor that is told whom it serves neither relays nor signals for whom it does not") {
  Solo anchor("anchor", serving({identity::topic_keys(lunch).id}, false));
  Stranger ada(anchor, "ada", from(here)), bob(anchor, "bob", from(here)), eve(anchor, "eve", from(here));
  ada.enter(lunch);
  bob.enter(lunch);
  ada.say(wire::Relay{bob.identity.id(), false, Bytes(10, 1)});
  bob.listen();
  CHECK(bob.last<wire::Relay>().has_value());
  eve.say(wire::Relay{ada.identity.id(), false, Bytes(10, 1)});
  CHECK(eve.last<wire::Unreachable>().has_value());
  eve.heard.clear();
  eve.say(wire::Signal{eve.identity.id(), ada.identity.id(), Bytes(50, 1)});
  CHECK(eve.last<wire::Unreachable>().has_value());
}

TEST_CASE("an invite leads to its topic's id in whatever network, and a wrong one to words") {
  Solo ada("ada");
  const u32 topic = ada.join(lunch);
  auto id = topic_of_invite(ada.ask<Text>(TopicInvite{topic}).text);
  REQUIRE(id);
  CHECK(*id == identity::topic_keys(lunch).id);
  auto wrong = topic_of_invite("perdure-AQ");
  CHECK_FALSE(wrong);
  CHECK(wrong.error().code == Code::bad_invite);
}

// ---- who makes room -------------------------------------------------------------------------------------------------------------

TEST_CASE(
    "full of links that share nothing, an anchor lets a newcomer in at once and has the oldest of the busiest address go") {
  Config config = anchor_config();
  config.links_max = 20;
  Solo anchor("anchor", config);
  Author ada(anchor, "ada", lunch, 100, from(there));
  Stranger bob(anchor, "bob", from(there));  // has only just come, and shares nothing yet
  std::vector<std::unique_ptr<Stranger>> idle;
  for (int i = 0; i < 18; ++i)
    idle.push_back(std::make_unique<Stranger>(anchor, "eve " + std::to_string(i), from(here)));
  for (int i = 0; i < 9; ++i) {
    Stranger more(anchor, "more " + std::to_string(i), from({203, 0, 113, static_cast<u8>(10 + i)}));
    CHECK_FALSE(greeted_with(more));
    CHECK(more.linked());
    CHECK_FALSE(idle[static_cast<std::size_t>(i)]->linked());
    more.enter(lunch);
    more.close();
    idle.push_back(std::make_unique<Stranger>(anchor, "eve again " + std::to_string(i), from(here)));
  }
  CHECK(ada.device.linked());
  CHECK(bob.linked());
}

TEST_CASE("where all links share something, the address with most of them gives its last one up for who has fewer") {
  Config config = anchor_config();
  config.links_max = 12;
  Solo anchor("anchor", config);
  std::vector<std::unique_ptr<Author>> all;
  for (int i = 0; i < 10; ++i)
    all.push_back(std::make_unique<Author>(anchor, "author " + std::to_string(i), lunch, 100, from(here)));
  for (int i = 10; i < 12; ++i)
    all.push_back(std::make_unique<Author>(anchor, "author " + std::to_string(i), lunch, 100, from(there)));
  Stranger same(anchor, "same", from(here));
  CHECK(greeted_with(same) == wire::Refusal::too_many_links);
  CHECK(std::ranges::all_of(all, [](const auto& author) { return author->device.linked(); }));
  Author late(anchor, "late", lunch, 100, from({203, 0, 113, 7}));
  CHECK_FALSE(greeted_with(late.device));
  CHECK(late.device.linked());
  for (int i = 0; i < 12; ++i) CHECK(all[static_cast<std::size_t>(i)]->device.linked() == (i != 9));
}

TEST_CASE("a socket that says nothing takes nobody's place, and who greets takes so many an address") {
  Config config = anchor_config();
  config.links_max = 24;
  Solo anchor("anchor", config);
  std::vector<std::unique_ptr<Author>> all;
  for (int i = 0; i < 24; ++i)
    all.push_back(std::make_unique<Author>(anchor, "author " + std::to_string(i), lunch, 100, from(here)));
  auto there_are = [&] {
    return std::ranges::count_if(all, [](const auto& author) { return author->device.linked(); });
  };
  const std::string network = codec::to_hex(all[0]->device.identity.network().view());
  u32 next = 9'500;
  auto open_silent = [&](u32 from) {
    anchor.turn(
        {LinkOpened{{next++}, LinkKind::websocket, false, {}, 0, network, {203, 0, 113, static_cast<u8>(from)}}});
  };
  for (u32 i = 0; i < 8; ++i) open_silent(20 + i);
  CHECK(there_are() == 24);
  anchor.pass(3'500);
  CHECK(anchor.closed.contains(9'500));
  CHECK(anchor.closed.contains(9'507));
  for (u32 i = 0; i < 200; ++i) open_silent(20 + i % 50);
  std::vector<std::unique_ptr<Author>> late;
  for (int i = 0; i < 8; ++i) {
    late.push_back(std::make_unique<Author>(anchor, "late " + std::to_string(i), lunch, 100, from(there)));
    CHECK(late.back()->device.linked());
    CHECK(there_are() == 23 - i);
  }
  Stranger one_more(anchor, "one more", from(there));
  CHECK_FALSE(one_more.linked());
  CHECK(greeted_with(one_more) == wire::Refusal::too_many_links);
  CHECK(there_are() == 16);
  anchor.pass(2'000);
  for (auto& author : late) author->device.close();
  for (int i = 0; i < 8; ++i)
    all.push_back(std::make_unique<Author>(anchor, "again " + std::to_string(i), lunch, 100, from(here)));
  Stranger again(anchor, "again", from(there));
  CHECK(greeted_with(again) == wire::Refusal::too_many_links);
  CHECK(there_are() == 24);
}

TEST_CASE("however many sockets wait to be told that there is no room, who comes next is told it") {
  Config config = anchor_config();
  config.links_max = 1;
  Solo anchor("anchor", config);
  Author ada(anchor, "ada", lunch, 100, from(here));
  const std::string network = codec::to_hex(ada.device.identity.network().view());
  for (u32 i = 0; i < 100; ++i)
    anchor.turn({LinkOpened{{9'500 + i}, LinkKind::websocket, false, {}, 0, network, i % 3 == 0 ? here : there}});
  Stranger bob(anchor, "bob", from({203, 0, 113, 7}));
  CHECK(greeted_with(bob) == wire::Refusal::too_many_links);
  CHECK(ada.device.linked());
}

TEST_CASE("among addresses of which none has two links more than the newcomer's nobody makes room") {
  Config config = anchor_config();
  config.links_max = 2;
  Solo anchor("anchor", config);
  Author ada(anchor, "ada", lunch, 100, from(here)), bob(anchor, "bob", lunch, 100, from(there));
  Stranger late(anchor, "late", from({203, 0, 113, 7}));
  CHECK(greeted_with(late) == wire::Refusal::too_many_links);
  CHECK(ada.device.linked());
  CHECK(bob.device.linked());
}

TEST_CASE("an empty topic of one's own is nothing that is shared") {
  Config config = anchor_config();
  config.links_max = 12;
  Solo anchor("anchor", config);
  std::vector<std::unique_ptr<Stranger>> idle;
  for (int i = 0; i < 12; ++i) {
    idle.push_back(std::make_unique<Stranger>(anchor, "eve " + std::to_string(i), from(here)));
    idle.back()->enter(named_secret("empty " + std::to_string(i)));
  }
  Stranger late(anchor, "late", from(there));
  CHECK_FALSE(greeted_with(late));
  CHECK(late.linked());
  CHECK_FALSE(idle[0]->linked());
}

TEST_CASE("whoever is told that there is no room and does not take it in goes before the next is told") {
  Config config = anchor_config();
  config.links_max = 1;
  Solo anchor("anchor", config);
  Author ada(anchor, "ada", lunch, 100, from(here));
  for (u32 i = 0; i < 16; ++i)
    anchor.turn({LinkOpened{{9'500 + i}, LinkKind::websocket, false, {}, 0, std::string(64, 'a'), here}});
  anchor.pass(3'500);
  Stranger bob(anchor, "bob", from(there));
  CHECK(greeted_with(bob) == wire::Refusal::too_many_links);
}

// ---- where its disk is full -------------------------------------------------------------------------------------------------------

TEST_CASE(
    "what did not fit is refused by name from then on, what fits is kept, and all of it is wanted once there is room") {
  Solo anchor("anchor", anchor_config());
  Author bob(anchor, "bob", dinner, 100, from(there));
  Stranger ada(anchor, "ada", from(here));
  ada.enter(lunch);
  Ledger large(ada.identity, *ada.keys);
  large.add_sealed(Bytes(14'000, 1));
  anchor.next_save = SaveOutcome::full;
  ada.say(large.page(), 1);
  anchor.pass(6'000);
  ada.heard.clear();
  ada.say(wire::Hello{{9}, 0, {}, {}}, 1);
  ada.say(large.page(), 1);
  CHECK(refusal(ada) == wire::Refusal::full_disk);
  CHECK(ada.linked());
  Ledger small(bob.device.identity, *bob.device.keys, 6);
  small.add_sealed(Bytes(200, 1));
  bob.device.heard.clear();
  bob.device.say(small.page(), 1);
  CHECK_FALSE(refusal(bob.device));
  anchor.pass(1'500);
  CHECK(anchor.metrics["logs"] == 2);
  ada.heard.clear();
  anchor.turn({Room{}});
  ada.listen();
  auto hello = ada.last<wire::Hello>();
  REQUIRE(hello);
  CHECK(hello->again == 1);
  ada.heard.clear();
  ada.say(large.page(), 1);
  CHECK_FALSE(refusal(ada));
  anchor.pass(1'500);
  CHECK(anchor.metrics["logs"] == 3);
}

TEST_CASE(
    "without a word of its host an anchor finds out by itself, and less and less often, whether there is room again") {
  Solo anchor("anchor", anchor_config());
  Stranger ada(anchor, "ada", from(here));
  ada.enter(lunch);
  Ledger large(ada.identity, *ada.keys);
  large.add_sealed(Bytes(14'000, 1));
  auto refused_at = [&] {
    ada.heard.clear();
    ada.say(wire::Hello{{9}, 0, {}, {}}, 1);
    ada.say(large.page(), 1);
    return refusal(ada) == wire::Refusal::full_disk;
  };
  anchor.next_save = SaveOutcome::full;
  ada.say(large.page(), 1);
  auto keep = [&](u64 ms) {
    for (u64 passed = 0; passed < ms; passed += 4'000) {
      ada.pass(4'000);
      ada.say(wire::Ping{1, anchor.wall_ms});
    }
  };
  keep(20'000);
  CHECK(refused_at());
  keep(44'000);
  anchor.next_save = SaveOutcome::full;
  CHECK_FALSE(refused_at());  // it was tried, and failed
  keep(64'000);
  CHECK(refused_at());
  keep(64'000);
  CHECK_FALSE(refused_at());
  anchor.pass(1'500);
  CHECK(anchor.metrics["logs"] == 1);
}

// ---- what a peer makes of it -------------------------------------------------------------------------------------------------------

TEST_CASE("a peer says which anchor has no room for what, until that anchor holds it") {
  Config config = client_config({"ws://a"});
  Solo ada("ada", config);
  const u32 topic = ada.join(lunch);
  Stranger anchor(ada, "anchor", {.kind = LinkKind::websocket, .url = "ws://a", .anchor = true});
  anchor.enter(lunch);
  (void)ada.append(topic, "hello");
  anchor.listen();
  auto page = anchor.last<wire::Page>();
  REQUIRE(page);
  const auto entered = anchor.last<wire::Enter>();
  REQUIRE(entered);
  anchor.say(wire::Refused{static_cast<u8>(wire::Refusal::full_disk)}, 1);
  CHECK(ada.anchors.at(0).state == AnchorState::refused);
  REQUIRE(ada.status.trouble.size() == 1);
  CHECK(ada.status.trouble[0].text.find("disk") != std::string::npos);
  wire::Item item;
  REQUIRE(page->opening);
  u64 incarnation = 0;
  for (u8 b : page->opening->incarnation) incarnation = incarnation << 8 | b;
  item.log = anchor.tag(anchor.log_of(ada.id(), incarnation));
  item.length = page->length;
  item.ops = page->ops;
  item.time_s = (page->time >> 16) / 1000;
  item.root = log::root_tag(log::Peaks{1, {log::leaf_hash(page->batches[0])}}.root());
  anchor.say(wire::Hello{{9}, 1, {item}, {}}, 1);
  CHECK(ada.anchors.at(0).state == AnchorState::connected);
  CHECK(ada.status.trouble.empty());
}

TEST_CASE("a topic that an anchor does not serve stands among the troubles as long as it is open") {
  Solo ada("ada", client_config({"ws://a"}));
  const u32 topic = ada.join(lunch);
  Stranger anchor(ada, "anchor", {.kind = LinkKind::websocket, .url = "ws://a", .anchor = true});
  anchor.say(wire::Refused{static_cast<u8>(wire::Refusal::not_served)}, 1);
  CHECK(ada.anchors.at(0).state == AnchorState::refused);
  CHECK(ada.anchors.at(0).reason.find("topic") != std::string::npos);
  ada.pass(3'000);
  CHECK(ada.anchors.at(0).state == AnchorState::refused);
  (void)ada.ask<Nothing>(TopicClose{topic});
  CHECK(ada.anchors.at(0).state == AnchorState::connected);
}
