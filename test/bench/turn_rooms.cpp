// The parts of turn.cpp that need several cores: an anchor that strangers have filled with empty topics, and a newcomer in a large room.
#include "bench/figures.hpp"
#include "bench/mute.hpp"
#include "bench/rooms.hpp"

namespace perdure::bench {

namespace {

constexpr u32 strangers_there = 15, topics_of_each = 1'000, topics_at_once = 450;  // what a link may enter, and at once
constexpr double reach_append = 1.1, reach_leaving_us = 20'000, reach_newcomer = 2;

Config anchor_config() {
  Config config;
  config.anchor = true;
  config.links_max = 64;
  return config;
}

// An anchor, and two members of a topic that are linked to it alone.
struct Served {
  Served() {
    const Secret secret = secret_of("honest");
    const std::string network = Mute::hex(identity::network_id("bench"));
    for (Host* member : {&ada, &bob}) {
      topic = member->ask<OpenedTopic>(joining(secret)).topic;
      net.connect(*member, anchor, {LinkKind::websocket, network, "ws://anchor"});
    }
    net.run();
    net.pass(1'000);
    ada.append(topic, {message(0)});
    net.run();
    demand(bob.topics[topic].length == 1, "the anchor does not carry what is said from one to the other");
  }

  Host anchor{"anchor", anchor_config()}, ada{"ada"}, bob{"bob"};
  Net net{{&anchor, &ada, &bob}};
  u32 topic = 0;
  std::vector<Mute> strangers;
  u32 next_stranger = 1;

  u64 topics_there() {
    net.skip(1'500);
    anchor.turn();
    net.run();
    return anchor.metrics["topics"];
  }
  // Everybody enters topics of his own; in time, as it is allowed.
  void enter_strangers(const std::vector<identity::TopicKeys>& theirs) {
    strangers = link_mutes(anchor, strangers_there, next_stranger);
    next_stranger += strangers_there;
    for (std::size_t at = 0; at < theirs.size();) {
      const std::size_t end = std::min(theirs.size(), at + strangers_there * topics_at_once);
      for (; at < end; ++at) strangers[at % strangers_there].enter(theirs[at]);
      deliver(anchor, strangers);
      net.skip(400);
    }
    net.run();
    demand(topics_there() == u64{strangers_there} * topics_of_each + 1, "not all topics of the strangers are there");
  }
  // The anchor's microseconds for what ada appends and bob gets.
  double append() {
    constexpr u64 times = 4;
    u64 ns = 0;
    for (u64 i = 0; i <= times; ++i) {
      anchor.spent = {};
      ada.append(topic, {message(i)});
      net.run();
      if (i > 0) ns += anchor.spent.ns;  // the first one warms
    }
    net.pass(100);
    return us(ns) / times;
  }
  // … of its longest turn while all strangers go at once.
  double leave() {
    std::vector<Event> closed;
    for (const Mute& stranger : strangers) closed.push_back(LinkClosed{stranger.link});
    anchor.spent = {};
    anchor.turn(std::move(closed));
    const double longest = us(anchor.spent.longest_ns);
    demand(topics_there() == 1, "topics of strangers are left");
    return longest;
  }
};

}  // namespace

void strangers() {
  std::vector<identity::TopicKeys> theirs;
  for (u32 i = 0; i < strangers_there * topics_of_each; ++i)
    theirs.push_back(identity::topic_keys(secret_of("of strangers " + std::to_string(i))));
  Served quiet, filled;
  filled.enter_strangers(theirs);
  print_head("empty topics of strangers", {0, u64{strangers_there} * topics_of_each}, "filled against quiet");
  Served* const both[] = {&quiet, &filled};
  print_row("anchor: an honest append", side_by_side(2, [&](auto i) { return both[i]->append(); }), reach_append);
  const u64 bob_has = quiet.bob.topics[quiet.topic].length;
  demand(bob_has == 1 + (rounds + 1) * 5 && filled.bob.topics[filled.topic].length == bob_has,
         "bob did not get every append");
  std::vector<double> longest = {filled.leave()};
  while (longest.size() < 3) {
    filled.enter_strangers(theirs);
    longest.push_back(filled.leave());
  }
  const Spread leaving = spread_of(longest);
  std::printf("  %-42s%10s    (%s to %s)   at most %s: %s\n", "anchor: longest turn while they leave",
              micros(leaving.median).c_str(), micros(leaving.least).c_str(), micros(leaving.most).c_str(),
              micros(reach_leaving_us).c_str(), leaving.median <= reach_leaving_us ? "reached" : "not reached");
}

// ---- newcomer -------------------------------------------------------------------------------------------------------------------

namespace {

constexpr u32 of_each_author = 10;

struct Came {
  double newcomer = 0, hub = 0;  // microseconds a message
  double frames = 0, saves = 0;  // for each log: frames that come in, saves of the newcomer
};

Came come(const sim::Disk& disk, const Secret& secret, u32 authors, double handshake) {
  const u64 said = u64{authors} * of_each_author;
  Host hub("ada", {}, disk), bob("bob");
  hub.ask<OpenedTopic>(joining(secret));
  const u32 topic = bob.ask<OpenedTopic>(joining(secret)).topic;
  demand(logs_of(hub, secret) == authors, "other numbers of authors are there than should be");
  Net net{{&hub, &bob}};
  net.pass(1'000);
  hub.spent = bob.spent = {};
  net.connect(hub, bob);
  const bool has_all = net.run_until([&] { return bob.topics[topic].length == said; }, 600'000);
  demand(has_all, "the newcomer does not get everything");
  const auto count = static_cast<double>(said);
  return {(us(bob.spent.ns) - handshake) / count, (us(hub.spent.ns) - handshake) / count,
          static_cast<double>(hub.spent.sends) / authors, static_cast<double>(bob.spent.saves) / authors};
}

double bare_handshake() {
  std::vector<double> took;
  for (std::size_t round = 0; round < rounds; ++round) {
    Host ada("ada"), bob("bob");
    Net net{{&ada, &bob}};
    bob.spent = {};
    net.connect(ada, bob);
    net.run();
    took.push_back(us(bob.spent.ns));
  }
  return spread_of(took).median;
}

}  // namespace

void newcomer() {
  const std::vector<u64> authors = {10, 1'000};
  const Secret secret = secret_of("room");
  std::vector<sim::Disk> disks(authors.size());
  for (std::size_t i = 0; i < authors.size(); ++i)
    furnish(disks[i], {.secret = secret, .logs = static_cast<u32>(authors[i]), .messages = of_each_author});
  const double handshake = bare_handshake();
  std::vector<Came> last(authors.size());
  print_head("authors in a room", authors, "1,000 against 10");
  const Rounds found = side_by_side(
      authors.size(),
      [&](auto i) {
        last[i] = come(disks[i], secret, static_cast<u32>(authors[i]), handshake);
        return last[i].newcomer;
      },
      5);
  print_row("newcomer, for each message", found, reach_newcomer);
  std::printf(
      "  whoever tells him, for each message %s and %s; for each log %.2f and %.2f frames, %.2f and %.2f saves\n",
      micros(last[0].hub).c_str(), micros(last[1].hub).c_str(), last[0].frames, last[1].frames, last[0].saves,
      last[1].saves);
}

}  // namespace perdure::bench
