// perdure_sim [--seeds N] [--first X] [--seed X] [--seconds S] [--budget S] [--hash] [--talk]
//
// Runs N scenarios, from seed X on, or the one seed X; --budget begins no more of them after S seconds. --seconds sets the virtual seconds of harm, --hash prints the hash over
// everything that went in and out of each core, --talk tells what happens. A failure prints the one line that replays it.
#include <chrono>
#include <cinttypes>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "sim/scenario.hpp"

namespace {

using namespace perdure;
using namespace perdure::sim;

struct Arguments {
  u64 first = 1, seeds = 300, budget_s = 0;
  Options options;
  bool valid = true;
};

char replay_line[160];  // ready before each seed: an assertion that fails leaves no time to write it

void on_abort(int) {
  std::fputs(replay_line, stdout);
  std::fflush(stdout);
  std::_Exit(1);
}

void write_replay_line(u64 seed, const Options& options) {
  char seconds[32] = "";
  if (options.harm_s) std::snprintf(seconds, sizeof seconds, " --seconds %u", options.harm_s);
  std::snprintf(replay_line, sizeof replay_line, "npm run sim -- --seed 0x%" PRIx64 "%s\n", seed, seconds);
}

Arguments read_arguments(int count, char** values) {
  Arguments a;
  for (int i = 1; i < count; ++i) {
    std::string name = values[i];
    if (name == "--hash") a.options.hashing = true;
    else if (name == "--talk") a.options.talk = true;
    else if (i + 1 == count) a.valid = false;
    else {
      u64 number = std::strtoull(values[++i], nullptr, 0);
      if (name == "--seeds") a.seeds = number;
      else if (name == "--first") a.first = number;
      else if (name == "--seed") a.first = number, a.seeds = 1;
      else if (name == "--budget") a.budget_s = number;
      else if (name == "--seconds") a.options.harm_s = static_cast<u32>(number);
      else a.valid = false;
    }
  }
  return a;
}

void print_seed(u64 seed, const Outcome& o) {
  std::printf("seed 0x%" PRIx64 ": %u edges, %u anchors, %u ops, %" PRIu64 " turns, %" PRIu64 " messages, %" PRIu64
              " links (%" PRIu64 " rtc), %" PRIu64 " s%s%s\n",
              seed, o.edges, o.anchors, o.ops, o.counts.turns, o.counts.messages, o.counts.links, o.counts.rtc,
              o.virtual_ms / 1000, o.hash.empty() ? "" : ", hash ", o.hash.c_str());
}

}  // namespace

int main(int count, char** values) {
  Arguments a = read_arguments(count, values);
  if (!a.valid) {
    std::puts("usage: perdure_sim [--seeds N] [--first X] [--seed X] [--seconds S] [--budget S] [--hash] [--talk]");
    return 2;
  }
  std::signal(SIGABRT, on_abort);
  std::signal(SIGSEGV, on_abort);
  auto began = std::chrono::steady_clock::now();
  auto elapsed = [&] { return std::chrono::duration<double>(std::chrono::steady_clock::now() - began).count(); };
  u64 passed = 0, failures = 0;
  double told = 0;
  for (u64 seed = a.first; seed < a.first + a.seeds; ++seed) {
    if (a.budget_s && elapsed() > static_cast<double>(a.budget_s)) break;
    write_replay_line(seed, a.options);
    Outcome outcome = Scenario(seed, a.options).run();
    if (!a.options.hashing) outcome.hash.clear();
    if (a.options.hashing || a.seeds == 1) print_seed(seed, outcome);
    ++(outcome.ok ? passed : failures);
    if (!outcome.ok)
      std::printf("%s: %.*s\n", outcome.why.c_str(), static_cast<int>(std::strlen(replay_line) - 1), replay_line);
    if (elapsed() - told > 5) {
      told = elapsed();
      std::printf("%" PRIu64 " of %" PRIu64 " seeds, %.0f s\n", seed - a.first + 1, a.seeds, told);
    }
    std::fflush(stdout);
  }
  std::printf("%" PRIu64 " passed, %" PRIu64 " failed\n", passed, failures);
  return failures ? 1 : 0;
}
