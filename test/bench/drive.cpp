// The rows of npm run bench that the core decides, without a shim: hosts in this process, disks in memory, virtual time.
//
//     build/native/perdure_drive                append-each 41.2 …: microseconds of a processor for each message, of both ends
//     npm run bench -- against REV              the same beside another commit (against.mjs)
//
// It knows no more of the core than include/perdure, so that it drives older ones, too.
#include "bench/host.hpp"

using namespace perdure;
using namespace perdure::bench;

namespace {

constexpr u64 many = 10'000, some = 2'000;

double us_each(u64 ns, u64 count) { return static_cast<double>(ns) / 1'000 / static_cast<double>(count); }

double append_each() {
  Host ada("ada");
  const u32 topic = ada.ask<OpenedTopic>(TopicCreate{}).topic;
  ada.spent = {};
  for (u64 i = 0; i < some; ++i) ada.append(topic, {message(i)});
  return us_each(ada.spent.ns, some);
}

double append_all() {
  Host ada("ada");
  const u32 topic = ada.ask<OpenedTopic>(TopicCreate{}).topic;
  std::vector<NewOp> ops = messages(0, many);
  ada.spent = {};
  ada.append(topic, std::move(ops));
  return us_each(ada.spent.ns, many);
}

// Both are in a topic; of the second, only what it gets.
struct Two {
  Host ada{"ada"}, bob{"bob"};
  u32 at_ada = ada.ask<OpenedTopic>(TopicCreate{}).topic;
  u32 at_bob = bob.ask<OpenedTopic>(TopicJoin{ada.ask<Text>(TopicInvite{at_ada}).text, {}}).topic;

  void meet(u64 length) {
    Net net{{&ada, &bob}};
    ada.spent = bob.spent = {};
    net.connect(ada, bob);
    const bool level = net.run_until(
        [&] { return ada.topics[at_ada].length == length && bob.topics[at_bob].length == length; }, 600'000);
    demand(level, "two that are linked do not come to hold the same");
  }
};

double receive() {
  Two two;
  two.ada.append(two.at_ada, messages(0, many));
  two.meet(many);
  return us_each(two.bob.spent.ns, many);
}

// Each has said things one by one that the other lacks.
double sync() {
  Two two;
  for (u64 i = 0; i < some / 2; ++i) {
    two.ada.append(two.at_ada, {message(i)});
    two.bob.append(two.at_bob, {message(some + i)});
  }
  two.meet(some);
  return us_each(two.ada.spent.ns + two.bob.spent.ns, some);
}

// Of a topic of 10,000 messages, until the last 50 are there: as a whole.
double reopen() {
  constexpr u64 times = 40;
  const TopicNamed named{"reopened"};
  Host first("ada");
  first.append(first.ask<OpenedTopic>(named).topic, messages(0, many));
  first.ask<Nothing>(Close{});
  Host second("ada", {}, first.disk);  // looks through what it has not read itself
  second.ask<OpenedTopic>(named);
  second.ask<Nothing>(Close{});
  u64 ns = 0;
  for (u64 i = 0; i < times; ++i) {
    Host again("ada", {}, second.disk);
    const u32 topic = again.ask<OpenedTopic>(named).topic;
    demand(again.ask<MessagePage>(Latest{topic, 50}).messages.size() == 50, "a topic is not there again");
    ns += again.spent.ns;
  }
  return us_each(ns, times);
}

}  // namespace

int main() {
  for (const auto& [name, run] : std::initializer_list<std::pair<const char*, double (*)()>>{
           {"append-each", append_each},
           {"append-all", append_all},
           {"receive", receive},
           {"sync", sync},
           {"reopen", reopen},
       })
    std::printf("%s %.4f\n", name, run());
}
