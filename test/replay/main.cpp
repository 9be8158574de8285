// perdure_replay [--limit N] [--raw-time] <HISTORY >SHOWN
//
// Replays a history (history.hpp) on real cores, fills every device up and compares digests; what they show goes to stdout
// (dump.cpp) for the oracle, progress to stderr. Not meant to be run by hand: `npm run replay` makes the history and compares.
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "replay/fleet.hpp"

namespace {

using namespace perdure;
using namespace perdure::replay;

// Says from time to time how far it is.
class Progress {
 public:
  void tell(const char* what, u64 done, u64 of) {
    auto now = std::chrono::steady_clock::now();
    double since = std::chrono::duration<double>(now - told_).count(),
           all = std::chrono::duration<double>(now - began_).count();
    if (since < 5 && done != of) return;
    told_ = now;
    std::fprintf(stderr, "%6.1f s  %s %llu of %llu\n", all, what, static_cast<unsigned long long>(done),
                 static_cast<unsigned long long>(of));
  }

 private:
  std::chrono::steady_clock::time_point began_ = std::chrono::steady_clock::now(), told_ = began_;
};

int fail(const Fleet& fleet) {
  std::fprintf(stderr, "%s\n", fleet.trouble().c_str());
  return 1;
}

}  // namespace

int main(int count, char** values) {
  u64 limit = ~u64{0};
  FleetOptions options;
  for (int i = 1; i < count; ++i) {
    if (!std::strcmp(values[i], "--raw-time")) options.raw_time = true;
    else if (!std::strcmp(values[i], "--limit") && i + 1 < count) limit = std::strtoull(values[++i], nullptr, 10);
    else return std::fprintf(stderr, "usage: perdure_replay [--limit N] [--raw-time] <HISTORY >SHOWN\n"), 2;
  }
  auto history = read_history(stdin, limit);
  if (!history || history->events.empty()) return std::fprintf(stderr, "This is not a history.\n"), 2;
  Progress progress;
  Fleet fleet(*history, options);
  u64 events = history->events.size();
  for (u32 e = 0; e < events; ++e) {
    if (!fleet.append(e)) return fail(fleet);
    progress.tell("appended", e + 1, events);
  }
  if (!fleet.gather() || !fleet.dump(stdout)) return fail(fleet);
  for (u32 d = 0; d < fleet.devices(); ++d) {
    if (!fleet.fill(d)) return fail(fleet);
    progress.tell("filled devices", d + 1, fleet.devices());
  }
  auto& counts = fleet.world().counts;
  std::fprintf(stderr, "%u devices with one digest; %llu turns, %llu messages, %llu MB sent\n", fleet.devices(),
               static_cast<unsigned long long>(counts.turns), static_cast<unsigned long long>(counts.messages),
               static_cast<unsigned long long>(counts.bytes >> 20));
  return 0;
}
