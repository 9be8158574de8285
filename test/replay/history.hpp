// A history as the replay sees it: events in an order in which parents come first, who wrote them on which device, and what each
// had before it.
//
//     std::optional<History> history = read_history(stdin, limit);
//
// The form, one event after another, made by run.mjs:
//
//     AUTHOR TIME PARENTS PATHS [PARENT]…      numbers; TIME in seconds
//     text                                     one line
//     path                                     PATHS lines
#pragma once

#include <perdure/types.hpp>

#include <cstdio>
#include <optional>

namespace perdure::replay {

struct Event {
  u32 author = 0;
  u64 time = 0;  // seconds, by the author's own clock
  std::vector<u32> parents;
  std::string text;
  std::vector<std::string> paths;
  u32 device = 0;
  std::vector<u32> before;  // for each device, how many of its events are ancestors; short: 0 for the rest
};

struct History {
  std::vector<Event> events;
  std::vector<std::vector<u32>> devices;  // their events, in order
};

std::optional<History> read_history(std::FILE* in, u64 limit);

}  // namespace perdure::replay
