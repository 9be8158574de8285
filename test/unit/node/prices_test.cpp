// What frames cost us, whoever sends them: each kind at ten times its rate, and what grows with what is here.
#include <algorithm>
#include <deque>
#include <functional>

#include "catch_amalgamated.hpp"
#include "crypto/sign.hpp"
#include "fuzz/samples.hpp"
#include "node/params.hpp"
#include "store/transactions.hpp"
#include "sync/exchange.hpp"
#include "unit/support/scene.hpp"
#include "wire/table.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

const Stranger::Options on_websocket{.kind = LinkKind::websocket};

std::size_t bytes_of(const std::vector<Heard>& heard) {
  std::size_t n = 0;
  for (const Heard& h : heard) n += h.bytes.size();
  return n;
}

// Ten times what the table allows at once, and what it says follows.
void flood(Solo& core, Stranger& eve, const Stranger& bob, const wire::Price& price,
           const std::function<Bytes(u32 request)>& frame) {
  const u64 burst = price.rate.burst;
  u64 said = 0;
  for (; said < 10 * burst && eve.linked(); ++said) {
    eve.heard.clear();
    eve.say_bytes(frame(static_cast<u32>(said) + 1));
    if (said == 0) CHECK(bytes_of(eve.heard) <= price.out_max);
    if (said % 16 == 0) core.turn({LinkDrained{eve.link, 0}});
  }
  const bool stays = price.over != wire::Over::close &&
                     (9 * burst <= wire::skipped_rate.burst || wire::passed_on(price.tag));
  CHECK(eve.linked() == stays);
  CHECK(bob.linked());
}

}  // namespace

TEST_CASE("each kind of message at ten times its rate costs what the table says, and nobody else anything") {
  fuzz::each_message([&]<class M>(const M& sample) {
    const wire::Price& price = wire::price_of(M::tag);
    if (price.purse == wire::Purse::member || price.over == wire::Over::later) return;  // below
    CAPTURE(static_cast<int>(M::tag));
    if (price.purse == wire::Purse::address) {
      Solo anchor("anchor", anchor_config());
      Stranger bob(anchor, "bob", on_websocket), eve(anchor, "eve", on_websocket);
      bob.enter(secret);
      eve.enter(secret);
      return flood(anchor, eve, bob, price, [&](u32) {
        return wire::encode(
            {1, 0}, wire::Enter{eve.keys->id,
                                peers::enter_signature(*eve.keys, eve.session->handshake_hash(), eve.identity.id())});
      });
    }
    Scene s;
    Stranger bob(s.ada, "bob"), eve(s.ada, "eve");
    bob.enter(secret);
    eve.enter(secret);
    flood(s.ada, eve, bob, price, [&](u32 request) { return wire::encode({1, request}, sample); });
    bob.pass(10);
    CHECK(bob.linked());
    CHECK(s.intact());
  });
}

TEST_CASE("what is not known and may be skipped has its price, too") {
  Scene s;
  Stranger bob(s.ada, "bob"), eve(s.ada, "eve"), large(s.ada, "large");
  flood(s.ada, eve, bob, wire::price_of(wire::Tag{200}), [](u32) { return Bytes{200, 0, 1, 0, 1, 2, 3}; });
  Bytes frame(wire::price_of(wire::Tag{200}).body_max + 5, 1);
  frame[0] = 200;
  frame[1] = 0;
  large.say_bytes(frame);
  CHECK_FALSE(large.linked());
  CHECK(s.intact());
}

TEST_CASE("a message longer than its kind may be closes the link before it is read") {
  Scene s;
  for (const wire::Price& price : wire::prices) {
    Stranger eve(s.ada, "eve");
    Bytes frame(price.body_max + 5, 1);
    frame[0] = static_cast<u8>(price.tag);
    frame[1] = 0;
    if (frame.size() > session::frame_max) continue;
    eve.say_bytes(frame);
    CAPTURE(static_cast<int>(price.tag));
    CHECK_FALSE(eve.linked());
  }
  CHECK(s.intact());
}

TEST_CASE("the first that each side says is what it understands; who says nothing of the kind is a peer as before") {
  Config config;
  config.version = "0.2.0";
  Solo ada("ada", config);
  (void)ada.join(secret);
  Stranger bob(ada, "bob");
  REQUIRE_FALSE(bob.heard.empty());
  REQUIRE(bob.heard[0].tag == wire::Tag::abilities);
  const wire::Able able = wire::hear(*bob.heard[0].as<wire::Abilities>());
  CHECK(able.version == "0.2.0");
  CHECK(able.piece_bytes == session::piece_max);
  CHECK(able.batch_format == params::batch_format_newest);
  CHECK(able.knows(wire::Tag::abilities));
  bob.enter(secret);
  bob.pass(100);
  CHECK(bob.linked());
  REQUIRE(ada.peers.size() == 1);
  CHECK(ada.peers[0].version.empty());
  bob.say(wire::say({{128}, session::piece_max, 2, "0.3.1"}));
  bob.pass(100);
  CHECK(ada.peers[0].version == "0.3.1");
}

TEST_CASE("long messages go in longer pieces to who reads them, and in short ones to all others") {
  for (bool says : {false, true}) {
    Scene s;
    Bytes value(200'005, 'x');
    value[0] = 0xdb, value[1] = 0, value[2] = 3, value[3] = 0x0d, value[4] = 0x40;
    (void)s.ada.ask<Appended>(Append{s.topic, {}, {NewOp{1, {}, value}}});
    Stranger bob(s.ada, "bob");
    if (says) bob.say(wire::say({{}, session::piece_max, 2, {}}));
    bob.enter(secret);
    wire::LogTag ours = bob.last<wire::Hello>()->items.at(0).log;
    s.ada.turn({LinkDrained{bob.link, 0}});
    std::size_t longest = 0;
    for (Bytes& b : bob.session->send(wire::encode({1, 1}, wire::Want{ours, 2, 3, 500'000})))
      s.ada.turn({LinkReceived{bob.link, b}});
    for (const Bytes& b : s.ada.sent[bob.link.value]) longest = std::max(longest, b.size());
    CHECK(longest <= (says ? session::piece_max : session::piece_min));
    CHECK(longest > (says ? session::piece_min : 0));
    bob.heard.clear();
    bob.listen();
    CHECK(bob.all<wire::Page>().size() == 1);
  }
}

namespace {

// An anchor with a topic of many tiny logs.
struct Crowded {
  static constexpr u64 logs = 300;
  Solo anchor{"anchor", anchor_config()};
  explicit Crowded() {
    Stranger eve(anchor, "maker", on_websocket);
    eve.enter(secret);
    for (u64 incarnation = 1; incarnation <= logs; ++incarnation) {
      Ledger tiny(eve.identity, *eve.keys, incarnation);
      tiny.add_sealed(Bytes(26, static_cast<u8>(incarnation)));
      eve.say(tiny.page(), 1);
      if (incarnation % 100 == 0) eve.pass(10'000);
    }
    REQUIRE(eve.linked());
    eve.close();
  }
};

}  // namespace

TEST_CASE("of greetings that come while one is being answered the last is answered, once what was said is taken") {
  Crowded c;
  Stranger eve(c.anchor, "eve", on_websocket);
  eve.enter(secret);
  eve.heard.clear();
  for (u32 i = 0; i < 1'000; ++i) eve.say(wire::Hello{{static_cast<u8>(i), static_cast<u8>(i >> 8)}, 0, {}, {}}, 1);
  CHECK(bytes_of(eve.heard) < 2 * sync::unsent_answer_max);
  CHECK(eve.linked());
  eve.heard.clear();
  c.anchor.turn({LinkDrained{eve.link, 0}});
  eve.pass(1'000);
  CHECK(eve.all<wire::Done>().size() == 1);
}

TEST_CASE("greetings in a topic of many logs are answered as far as there is time for them, and nobody else waits") {
  Crowded c;
  Stranger eve(c.anchor, "eve", on_websocket), bob(c.anchor, "bob", on_websocket);
  eve.enter(secret);
  bob.enter(secret);
  eve.heard.clear();
  for (u32 i = 0; i < 3'000; ++i) {
    c.anchor.turn({LinkDrained{eve.link, 0}});
    eve.say(wire::Hello{{static_cast<u8>(i), static_cast<u8>(i >> 8)}, 0, {}, {}}, 1);
  }
  const std::size_t answered = eve.all<wire::Done>().size();
  CHECK(answered >= 100);
  CHECK(answered <= wire::answers_work.burst / (Crowded::logs * wire::work_per_log) + 2);
  CHECK(eve.linked());
  bob.heard.clear();
  bob.say(wire::Ping{1, 2});
  CHECK(bob.all<wire::Pong>().size() == 1);
  // In the end each is told.
  eve.heard.clear();
  c.anchor.turn({LinkDrained{eve.link, 0}});
  eve.pass(10'000);
  CHECK(eve.all<wire::Done>().size() == 1);
}

TEST_CASE(
    "who enters a room of some more logs is told of them at once, however many links of one address ask of a larger one") {
  Config config = anchor_config();
  config.links_max = 512;
  Solo anchor("anchor", config);
  auto from = [](u8 last) { return Stranger::Options{.kind = LinkKind::websocket, .address = {203, 0, 113, last}}; };
  auto fill = [&](std::string_view topic, u64 logs) {
    Stranger writer(anchor, "writer", from(1));
    writer.enter(named_secret(topic));
    for (u64 n = 1; n <= logs; ++n) {
      Ledger tiny(writer.identity, *writer.keys, n);
      tiny.add_sealed(Bytes(26, 1));
      writer.say(tiny.page(), 1);
      if (n % 64 == 0) writer.pass(1'000), writer.say(wire::Ping{1, anchor.wall_ms});
    }
    writer.pass(1'000);
    writer.close();
  };
  fill("large", 2'048);
  fill("a room", 70);
  std::deque<Stranger> eves;
  for (u32 n = 0; n < 240; ++n) {
    Stranger& eve = eves.emplace_back(anchor, "eve " + std::to_string(n), from(2));
    eve.enter(named_secret("large"), false);
    if (n % 20 == 0) eve.pass(50);
  }
  auto besiege = [&](u32 rounds, const std::function<bool()>& over) {
    for (u32 round = 0; round < rounds && !over(); ++round) {
      std::vector<Event> events;
      for (Stranger& eve : eves) {
        events.push_back(LinkDrained{eve.link, 0});
        const wire::Hello hello{{static_cast<u8>(round)}, 2'048, {}, {}};
        for (Bytes& bytes : eve.session->send(wire::encode({1, 0}, hello)))
          events.push_back(LinkReceived{eve.link, std::move(bytes)});
      }
      anchor.turn(std::move(events));
      for (Stranger& eve : eves) anchor.sent.erase(eve.link.value);  // unread
      anchor.pass(100);
    }
  };
  anchor.pass(5'000);  // what it cost to let them in is made up for
  besiege(24, [] { return false; });
  Stranger bob(anchor, "bob", from(3));
  bob.enter(named_secret("a room"));
  const u64 entered = anchor.steady_ms;
  besiege(40, [&] { return bob.listen(), !bob.all<wire::Done>().empty(); });
  CHECK(bob.all<wire::Done>().size() == 1);
  CHECK(anchor.steady_ms - entered <= 500);
}

TEST_CASE("pages that are pushed by who owes are noted, and fetched once it does not") {
  Solo anchor("anchor", anchor_config());
  Stranger eve(anchor, "eve", on_websocket);
  eve.enter(secret);
  Ledger ledger(eve.identity, *eve.keys);
  for (u64 i = 0; i < 40; ++i) ledger.add_sealed(Bytes(30, static_cast<u8>(i)));
  const wire::Page first = ledger.page(0, 1);
  for (u64 done = 0; done <= wire::link_work.burst; done += wire::work_per_page_taken) eve.say(first, 1);
  eve.heard.clear();
  wire::Page next = ledger.page(1, 40);
  next.log = eve.tag(ledger.id());
  eve.say(next, 1);
  CHECK(eve.all<wire::Want>().empty());
  CHECK(eve.linked());
  eve.pass(10'000);
  auto want = eve.last<wire::Want>();
  REQUIRE(want);
  CHECK(want->from == 1);
  CHECK(want->to == 40);
}

TEST_CASE("who asks and takes nothing in is not the only one: all of them together may leave so much unread") {
  Config config = anchor_config();
  config.memory_bytes = 32u << 20;
  Solo anchor("anchor", config);
  Stranger ada(anchor, "ada", on_websocket);
  ada.enter(secret);
  Ledger ledger(ada.identity, *ada.keys);
  for (int i = 0; i < 8; ++i) ledger.add_sealed(Bytes(200'000, static_cast<u8>(i)));
  for (u64 i = 0; i < 8; ++i) {
    wire::Page page = ledger.page(i, i + 1);
    if (i > 0) page.log = ada.tag(ledger.id());
    ada.say(page, 1);
  }
  std::deque<Stranger> readers;
  for (u32 n = 0; n < 24; ++n) {
    Stranger& reader = readers.emplace_back(anchor, "reader " + std::to_string(n), on_websocket);
    reader.enter(secret);
    for (u32 request = 1; request <= 8 && reader.linked(); ++request)
      reader.say(wire::Want{reader.tag(ledger.id()), 0, 8, 500'000}, 1, request);
    anchor.turn({LinkDrained{ada.link, 0}});
  }
  anchor.pass(10);
  const auto gone = std::ranges::count_if(readers, [](const Stranger& r) { return !r.linked(); });
  CHECK(gone > 0);
  CHECK(gone < 24);
  CHECK(ada.linked());
}

TEST_CASE("presence is not sent to who does not read, and the link stays") {
  Solo anchor("anchor", anchor_config());
  Stranger eve(anchor, "eve", on_websocket), slow(anchor, "slow", on_websocket);
  eve.enter(secret);
  slow.enter(secret);
  slow.heard.clear();
  for (u64 i = 0; i < 400; ++i) {
    eve.say(wire::Presence{eve.identity.id(), 1, i + 1, Bytes(4'000, 1)}, 1);
    eve.pass(60);
    if (i % 100 == 0) slow.say(wire::Pong{});  // it is there, and says so
  }
  slow.listen();
  CHECK(slow.all<wire::Presence>().size() * 4'000 < 2 * params::presence_unsent_max);
  CHECK(slow.linked());
  slow.heard.clear();
  anchor.turn({LinkDrained{slow.link, 0}});
  eve.say(wire::Presence{eve.identity.id(), 1, 1'000, Bytes(4'000, 1)}, 1);
  slow.listen();
  CHECK(slow.all<wire::Presence>().size() == 1);
}

TEST_CASE("a peer may claim so many logs that we do not know, in all topics together") {
  Config config = anchor_config();
  config.memory_bytes = 128u << 20;
  const u64 most = params::memory(config.memory_bytes).link_claims / sync::claim_bytes;
  Solo anchor("anchor", config);
  Stranger eve(anchor, "eve", on_websocket), bob(anchor, "bob", on_websocket);
  bob.enter(secret);
  u64 claimed = 0;
  for (u32 topic = 1; topic <= 100 && eve.linked(); ++topic) {
    auto keys = identity::topic_keys(named_secret("made up " + std::to_string(topic)));
    eve.say(wire::Enter{keys.id, peers::enter_signature(keys, eve.session->handshake_hash(), eve.identity.id())},
            topic);
    for (u32 n = 0; n < 4 && eve.linked(); ++n) {
      wire::Items items{std::vector<wire::Item>(wire::items_max, fuzz::sample_item(1))};
      for (u32 i = 0; i < items.items.size(); ++i)
        items.items[i].log = {static_cast<u8>(n), static_cast<u8>(i >> 8), static_cast<u8>(i), 1};
      eve.say(items, topic);
      claimed += wire::items_max;
    }
  }
  CHECK_FALSE(eve.linked());
  CHECK(claimed >= most);
  CHECK(claimed <= most + wire::items_max);
  CHECK(bob.linked());
}

TEST_CASE("frames that are begun and not ended may take so much, of all links together") {
  Config config = anchor_config();
  config.memory_bytes = 16u << 20;
  Solo anchor("anchor", config);
  std::deque<Stranger> others;
  for (u32 n = 0; n < 12; ++n) {
    Stranger& other = others.emplace_back(anchor, "other " + std::to_string(n), on_websocket);
    auto pieces = other.session->send(Bytes(150'000 + n, 1));
    pieces.pop_back();
    for (Bytes& piece : pieces) other.deliver(std::move(piece));
  }
  const auto there = std::ranges::count_if(others, [](const Stranger& s) { return s.linked(); });
  CHECK(there >= 6);
  CHECK(there <= 8);
}

TEST_CASE("topics of an older store in which nothing was said are forgotten together, in a save or three") {
  Solo anchor("anchor", anchor_config());
  const NetworkId network = anchor.identity().network();
  for (u32 no = 1; no <= 600; ++no) {
    codec::Writer row;
    const TopicId id = identity::topic_keys(named_secret("made up " + std::to_string(no))).id;
    row.fixed(network).fixed(id).u8(0).bytes(std::string_view()).bytes(std::string_view()).u8(0).varint(anchor.wall_ms);
    const Bytes key = store::key('T', no);
    anchor.disk.rows[key] = store::seal_row(key, row.peek());
  }
  const u32 saves = anchor.saves;
  anchor.start();
  CHECK(std::ranges::none_of(anchor.disk.rows, [](const auto& row) { return row.first[0] == 'T'; }));
  CHECK(anchor.saves <= saves + 3);
}

TEST_CASE("an acknowledgement goes on to its author if it is its signer's and true, and else to nobody") {
  Solo anchor("anchor", anchor_config());
  Stranger ada(anchor, "ada", on_websocket), bob(anchor, "bob", on_websocket), eve(anchor, "eve", on_websocket);
  ada.enter(secret);
  Ledger ledger(ada.identity, *ada.keys);
  ledger.say("one");
  ada.say(ledger.page(), 1);
  bob.enter(secret);
  eve.enter(secret);
  wire::Ack ack;
  ack.author = ada.identity.id();
  ack.incarnation = ledger.opening().incarnation;
  ack.acker = bob.identity.id();
  ack.length = 1;
  codec::Writer statement;
  statement.raw(view("perdure/ack/1"))
      .fixed(ada.identity.network())
      .fixed(ada.keys->id)
      .fixed(ledger.id())
      .be64(0)
      .be64(1)
      .fixed(ledger.peaks(1).root())
      .fixed(ack.acker)
      .raw(ack.epoch);
  ack.signature = crypto::sign(bob.identity.key(), {statement.peek()});
  ada.heard.clear();
  for (u32 i = 0; i < 200; ++i) {
    wire::Ack junk = ack;
    junk.acker = eve.identity.id();
    junk.signature.bytes[0] = static_cast<u8>(i);
    eve.say(junk, 1);
    eve.say(ack, 1);  // another's
    junk.length = 100 + i;
    eve.say(junk, 1);
  }
  auto passed = [&] {
    ada.listen();
    const auto acks = ada.all<wire::Ack>();
    return std::ranges::count_if(acks, [&](const wire::Ack& a) { return a.acker != anchor.id(); });
  };
  CHECK(passed() == 0);
  bob.say(ack, 1);
  CHECK(passed() == 1);
  CHECK(eve.linked());
}

TEST_CASE("nothing is relayed between two who are in no topic together") {
  Scene s;
  Stranger eve(s.ada, "eve"), bob(s.ada, "bob");
  bob.enter(secret);
  eve.heard.clear();
  bob.heard.clear();
  for (int i = 0; i < 50; ++i) eve.say(wire::Relay{bob.identity.id(), false, Bytes(100, 1)});
  bob.listen();
  CHECK(bob.all<wire::Relay>().empty());
  CHECK(eve.all<wire::Unreachable>().size() == 50);
  eve.enter(secret);
  eve.say(wire::Relay{bob.identity.id(), false, Bytes(100, 1)});
  bob.listen();
  CHECK(bob.all<wire::Relay>().size() == 1);
}

TEST_CASE("who relays cannot make us begin sessions without end") {
  Scene s;
  Stranger eve(s.ada, "eve");
  eve.enter(secret);
  std::vector<DeviceId> others;
  wire::Introduce message;
  for (u32 n = 0; n < 384; ++n) {
    DeviceId id;
    id.bytes[1] = static_cast<u8>(n);  // lower than ours: it begins
    id.bytes[2] = static_cast<u8>(1 + (n >> 8));
    others.push_back(id);
    message.present.push_back({id, false});
    if (message.present.size() == 128) eve.say(std::exchange(message, {}), 1);
  }
  eve.heard.clear();
  for (const DeviceId& id : others) eve.say(wire::Relay{id, true, Bytes(32, 9)});
  CHECK(eve.all<wire::Relay>().size() <= wire::relayed_sessions.burst);
  CHECK(eve.linked());
}

TEST_CASE("links of one address share what it may enter, and one from elsewhere has its own") {
  Solo anchor("anchor", anchor_config());
  const wire::Price& price = wire::price_of(wire::Tag::enter);
  auto enter = [](Stranger& s) {
    s.say(wire::Enter{s.keys->id, peers::enter_signature(*s.keys, s.session->handshake_hash(), s.identity.id())}, 1);
  };
  auto from = [](u8 address) { return Stranger::Options{.kind = LinkKind::websocket, .address = Bytes(4, address)}; };
  Stranger elsewhere(anchor, "elsewhere", from(2));
  u64 entered = 0;
  for (u32 n = 0; n < 3; ++n) {
    Stranger eve(anchor, "eve " + std::to_string(n), from(1));
    eve.keys = identity::topic_keys(secret);
    for (; entered <= price.rate.burst && eve.linked() && entered < (n + 1) * price.rate.burst / 2; ++entered)
      enter(eve);
    if (n == 2) enter(eve);
    CHECK(eve.linked() == (n < 2));  // coming again has not helped
    eve.close();
  }
  elsewhere.enter(secret);
  CHECK(elsewhere.linked());
  CHECK(elsewhere.last<wire::Hello>().has_value());
}

TEST_CASE("topics that were made up fill an anchor only so far, and those in which something was said are entered on") {
  Config config = anchor_config();
  config.memory_bytes = 16u << 20;
  const u64 most = params::memory(config.memory_bytes).shared;
  Solo anchor("anchor", config);
  Stranger ada(anchor, "ada", on_websocket);
  ada.enter(secret);
  Ledger ledger(ada.identity, *ada.keys);
  ledger.say("one");
  ada.say(ledger.page(), 1);
  u64 entered = 1;
  std::deque<Stranger> others;
  bool refused = false;
  while (!refused && entered < 2 * most) {
    Stranger& eve = others.emplace_back(anchor, "eve " + std::to_string(entered), on_websocket);
    for (u32 n = 1; n <= 800 && !refused; ++n, ++entered) {
      auto keys = identity::topic_keys(named_secret("made up " + std::to_string(entered)));
      eve.say(wire::Enter{keys.id, peers::enter_signature(keys, eve.session->handshake_hash(), eve.identity.id())}, n);
      eve.pass(1);
      refused = !eve.all<wire::Refused>().empty();
    }
  }
  CHECK(entered == most + 1);
  Stranger bob(anchor, "bob", on_websocket);
  bob.enter(secret);
  CHECK(bob.all<wire::Page>().size() == 1);
}

TEST_CASE("presences that an anchor keeps for newcomers take so much, however many topics they are said in") {
  Config config = anchor_config();
  config.memory_bytes = 4u << 20;
  Solo anchor("anchor", config);
  Stranger eve(anchor, "eve", on_websocket);
  const u64 most = params::memory(config.memory_bytes).said / 4'000;
  u32 topics = 0;
  for (; topics < most + 20; ++topics) {
    auto keys = identity::topic_keys(named_secret("made up " + std::to_string(topics)));
    eve.say(wire::Enter{keys.id, peers::enter_signature(keys, eve.session->handshake_hash(), eve.identity.id())},
            topics + 1);
    eve.say(wire::Presence{eve.identity.id(), 1, 1, Bytes(4'000, 1)}, topics + 1);
  }
  Stranger bob(anchor, "bob", on_websocket);
  for (u32 n = 0; n < topics; ++n) {
    auto keys = identity::topic_keys(named_secret("made up " + std::to_string(n)));
    bob.say(wire::Enter{keys.id, peers::enter_signature(keys, bob.session->handshake_hash(), bob.identity.id())},
            n + 1);
  }
  CHECK(bob.all<wire::Presence>().size() <= most);
  CHECK(bob.all<wire::Presence>().size() + 5 >= most);
  CHECK(eve.linked());
}
