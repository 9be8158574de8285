// What a turn costs, against what exists that it does not concern: the core alone, its host and its peers made by hand.
//
//     npm run bench -- turn                     natively and in WebAssembly
//     build/native/perdure_turn [--whole] [PART…]         around, inside, strangers, newcomer
//
// Each setting is what it says, or nothing is printed of it: topics, contacts, links and logs are counted by what the core reports.
#include "bench/figures.hpp"
#include "bench/mute.hpp"
#include "bench/rooms.hpp"
#include "crypto/hash.hpp"

namespace perdure::bench {

namespace {

constexpr u64 sizes[] = {1, 100, 1'000, 10'000};
constexpr double reach_around = 1.3;

// A core in which each of them costs more than the one before takes minutes to be filled: then those count that are there by then.
// --whole: all of them, however long it takes.
u64 filling_ns_max = 15'000'000'000;

struct Subject {
  std::unique_ptr<Host> host;
  u32 topic = 0;  // in which is appended
  u64 size = 0;   // as the core reports it
};

Subject alone() {
  Subject subject{std::make_unique<Host>("ada"), 0, 0};
  subject.topic = subject.host->ask<OpenedTopic>(TopicCreate{}).topic;
  return subject;
}

// ---- around: what exists beside the topic ---------------------------------------------------------------------------------------

Subject with_topics(u64 size) {
  Subject subject = alone();
  Host& host = *subject.host;
  const u64 began = cpu_ns();
  u64 made = 1;
  while (made < size && cpu_ns() - began < filling_ns_max) {
    std::vector<Event> calls;
    for (; made < size && calls.size() < 1'000; ++made) calls.push_back(Call{host.next_call(), TopicCreate{}});
    host.turn(std::move(calls));
  }
  host.pass(1'000);
  subject.size = host.topics.size();
  demand(subject.size == made && host.topics_listed == made, "other numbers of topics are open than should be");
  return subject;
}

std::vector<identity::TopicKeys> join_others(Host& host, u32 count) {
  std::vector<identity::TopicKeys> keys;
  for (u32 i = 0; i < count; ++i) {
    const Secret secret = secret_of("other " + std::to_string(i));
    host.ask<OpenedTopic>(joining(secret));
    keys.push_back(identity::topic_keys(secret));
  }
  return keys;
}

// One peer tells of all the others, in as many topics as that takes.
Subject with_contacts(u64 size) {
  constexpr u32 others = 20, of_each = 512, of_frame = 128;
  Subject subject = alone();
  Host& host = *subject.host;
  const auto keys = join_others(host, others);
  std::vector<Mute> mutes = link_mutes(host, 1);
  for (const identity::TopicKeys& topic : keys) mutes[0].show(topic);
  deliver(host, mutes);
  u64 told = 1;  // it is one itself
  for (u32 at = 0; at < others; ++at)
    for (u32 in = 0; in < of_each && told < size; in += of_frame) {
      wire::Introduce frame;
      for (; frame.present.size() < of_frame && told < size; ++told)
        frame.present.push_back(
            {DeviceId::from(crypto::blake2b({view("contact " + std::to_string(told))}).view()), true});
      mutes[0].say(frame, at + 1);
    }
  deliver(host, mutes);
  host.pass(1'000);
  subject.size = host.peers_listed;
  return subject;
}

// Every link shares one of a few other topics with us.
Subject with_links(u64 size) {
  constexpr u32 others = 16;
  Subject subject = alone();
  Host& host = *subject.host;
  const auto keys = join_others(host, others);
  const u64 began = cpu_ns();
  u32 made = 0;
  while (made < size && cpu_ns() - began < filling_ns_max) {
    std::vector<Mute> some = link_mutes(host, std::min(256u, static_cast<u32>(size) - made), made + 1);
    for (Mute& mute : some) mute.show(keys[mute.link.value % others]);
    deliver(host, some);
    made += static_cast<u32>(some.size());
  }
  host.pass(1'000);
  u64 shared = 0;
  for (const auto& [no, notice] : host.topics) shared += notice.peers;
  subject.size = host.status.local;
  demand(subject.size == made && shared == made, "other numbers of links stand than should");
  demand(host.topics[subject.topic].peers == 0, "a link shares the topic");
  return subject;
}

Subject with_logs(u64 size) {
  const Secret other = secret_of("other");
  sim::Disk disk;
  furnish(disk, {.secret = other, .logs = static_cast<u32>(size), .signed_ = false});
  Subject subject{std::make_unique<Host>("ada", Config{}, std::move(disk)), 0, 0};
  Host& host = *subject.host;
  host.ask<OpenedTopic>(joining(other));
  subject.topic = host.ask<OpenedTopic>(TopicCreate{}).topic;
  host.pass(1'000);
  subject.size = logs_of(host, other);
  demand(subject.size == size, "other numbers of logs are there than should be");
  return subject;
}

void around(const std::string& what, Subject (*make)(u64 size)) {
  std::vector<Subject> subjects;
  std::vector<u64> there;
  for (const u64 size : sizes) {
    subjects.push_back(make(size));
    there.push_back(subjects.back().size);
  }
  print_head(what, there, "the most against one");
  if (there.back() != sizes[3])
    std::printf("  (of %s: the core keeps no more, or takes too long to have more of them)\n",
                number(sizes[3]).c_str());
  print_row("empty turn", side_by_side(subjects.size(), [&](auto i) { return empty_turn(*subjects[i].host); }),
            reach_around);
  print_row("append",
            side_by_side(subjects.size(), [&](auto i) { return append(*subjects[i].host, subjects[i].topic); }),
            reach_around);
}

// ---- inside: the topic itself ---------------------------------------------------------------------------------------------------

// Links that all share the topic, each of which is told of every append.
Subject served(u64 size) {
  Subject subject{std::make_unique<Host>("ada"), 0, size};
  Host& host = *subject.host;
  const Secret secret = secret_of("served");
  subject.topic = host.ask<OpenedTopic>(joining(secret)).topic;
  std::vector<Mute> mutes = link_mutes(host, static_cast<u32>(size));
  for (Mute& mute : mutes) mute.show(identity::topic_keys(secret));
  deliver(host, mutes);
  host.pass(1'000);
  demand(host.topics[subject.topic].peers == size, "other numbers of links share the topic than should");
  host.spent = {};
  host.append(subject.topic, {message(0)});
  demand(host.spent.sends == size, "an append is not sent to each link once");
  return subject;
}

void links_served() {
  const std::vector<u64> links = {0, 1, 10, 100, 1'000};
  std::vector<Subject> subjects;
  for (const u64 size : links) subjects.push_back(served(size));
  print_head("links served", links, "1,000 against 10");
  const Rounds found = side_by_side(subjects.size(),
                                    [&](auto i) { return append(*subjects[i].host, subjects[i].topic); });
  Rounds each = found;
  for (auto& round : each)
    for (std::size_t i = links.size(); i-- > 1;) round[i] = (round[i] - round[0]) / static_cast<double>(links[i]);
  std::vector<double> whole, of_each;
  for (std::size_t i = 0; i < links.size(); ++i) {
    whole.push_back(median_of(found, i));
    of_each.push_back(i == 0 ? 0 : median_of(each, i));
  }
  print_row("append, for each link", of_each, ratio_of(each, 4, 2), reach_around);
  std::printf("  %-32s", "append");
  for (const double figure : whole) std::printf("%10s", micros(figure).c_str());
  std::printf("\n");
}

// Two devices that hold the same, on a link that stands.
struct Equals {
  Equals(Secret what, u64 size, sim::Disk disk)
      : secret(what), logs(size), ada("ada", {}, disk), bob("bob", {}, another_life(std::move(disk))) {
    for (Host* host : {&ada, &bob}) {
      topic = host->ask<OpenedTopic>(joining(secret)).topic;
      host->pass(1'000);
      demand(logs_of(*host, secret) == logs, "other numbers of logs are there than should be");
    }
    link = net.connect(ada, bob);
    net.run();
  }

  Secret secret;
  u64 logs;
  Host ada, bob;
  Net net{{&ada, &bob}};
  Net::Link link{};
  u32 topic = 0;

  // Bob opens the topic anew: ada's microseconds, from when she hears of it until nothing moves.
  double greet() {
    bob.ask<Nothing>(TopicClose{topic});
    net.run();
    net.pass(1'000);
    demand(ada.topics[topic].peers == 0, "a topic is followed by who has closed it");
    ada.spent = {};
    topic = bob.ask<OpenedTopic>(joining(secret)).topic;
    net.run();
    const TopicNotice& notice = ada.topics[topic];
    demand(notice.peers == 1 && notice.state == TopicState::live && notice.behind == 0,
           "two that hold the same did not find that out at once");
    return us(ada.spent.ns);
  }
};

void logs_inside() {
  std::vector<std::unique_ptr<Equals>> subjects;
  const Secret secret = secret_of("equal");
  for (const u64 size : sizes) {
    sim::Disk disk;
    furnish(disk, {.secret = secret, .logs = static_cast<u32>(size), .signed_ = false});
    subjects.push_back(std::make_unique<Equals>(secret, size, std::move(disk)));
  }
  print_head("logs in the topic", {std::begin(sizes), std::end(sizes)}, "the most against one");
  print_row("greeting, unchanged", side_by_side(subjects.size(), [&](auto i) { return subjects[i]->greet(); }),
            reach_around);
  for (auto& subject : subjects) subject->net.part(subject->link);
  print_row("append",
            side_by_side(subjects.size(), [&](auto i) { return append(subjects[i]->ada, subjects[i]->topic); }),
            reach_around);
}

}  // namespace

void strangers();  // turn_rooms.cpp
void newcomer();

}  // namespace perdure::bench

int main(int argc, char** argv) {
  using namespace perdure::bench;
  std::vector<std::string> wanted(argv + 1, argv + argc);
  if (std::erase(wanted, "--whole") > 0) filling_ns_max = ~perdure::u64{0};
  auto runs = [&](const char* part) {
    return wanted.empty() || std::find(wanted.begin(), wanted.end(), part) != wanted.end();
  };
  std::printf("Microseconds; of %zu rounds the median, and the ratio's median, least and most.\n", rounds);
  if (runs("around")) {
    around("topics open", with_topics);
    around("contacts known", with_contacts);
    around("links of other topics", with_links);
    around("logs in another topic", with_logs);
  }
  if (runs("inside")) {
    links_served();
    logs_inside();
  }
  if (runs("strangers")) strangers();
  if (runs("newcomer")) newcomer();
}
