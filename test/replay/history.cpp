#include "replay/history.hpp"

#include <cinttypes>

namespace perdure::replay {

namespace {

std::optional<std::string> read_line(std::FILE* in) {
  std::string line;
  for (int c; (c = std::fgetc(in)) != EOF;) {
    if (c == '\n') return line;
    line.push_back(static_cast<char>(c));
  }
  return line.empty() ? std::nullopt : std::optional(line);
}

bool read_event(std::FILE* in, const std::string& head, Event& event) {
  unsigned parents = 0, paths = 0;
  int at = 0, used = 0;
  if (std::sscanf(head.c_str(), "%u %" SCNu64 " %u %u%n", &event.author, &event.time, &parents, &paths, &at) != 4)
    return false;
  for (unsigned i = 0, parent = 0; i < parents; ++i, at += used) {
    if (std::sscanf(head.c_str() + at, " %u%n", &parent, &used) != 1) return false;
    event.parents.push_back(parent);
  }
  auto text = read_line(in);
  if (!text) return false;
  event.text = *text;
  for (unsigned i = 0; i < paths; ++i) {
    auto path = read_line(in);
    if (!path) return false;
    event.paths.push_back(*path);
  }
  return true;
}

// One device per author and line of work: the one whose last event the new one builds on, most recent first; else a new one.
void give_to_device(History& history, std::vector<std::vector<u32>>& of_author, u32 number) {
  Event& event = history.events[number];
  for (u32 parent : event.parents) {
    const Event& p = history.events[parent];
    if (event.before.size() < p.before.size()) event.before.resize(p.before.size());
    for (std::size_t d = 0; d < p.before.size(); ++d) event.before[d] = std::max(event.before[d], p.before[d]);
    if (event.before.size() <= p.device) event.before.resize(p.device + 1);
    // The parent stands behind the events of its device that it saw.
    u32 place = p.device < p.before.size() ? p.before[p.device] + 1 : 1;
    event.before[p.device] = std::max(event.before[p.device], place);
  }
  if (of_author.size() <= event.author) of_author.resize(event.author + 1);
  std::optional<u32> best;
  for (u32 device : of_author[event.author]) {
    auto& said = history.devices[device];
    bool all_seen = device < event.before.size() && event.before[device] == said.size();
    if (all_seen && (!best || said.back() > history.devices[*best].back())) best = device;
  }
  if (!best) {
    best = static_cast<u32>(history.devices.size());
    history.devices.emplace_back();
    of_author[event.author].push_back(*best);
  }
  event.device = *best;
  history.devices[*best].push_back(number);
}

}  // namespace

std::optional<History> read_history(std::FILE* in, u64 limit) {
  History history;
  std::vector<std::vector<u32>> of_author;
  while (history.events.size() < limit) {
    auto head = read_line(in);
    if (!head) break;
    Event event;
    if (!read_event(in, *head, event)) return std::nullopt;
    for (u32 parent : event.parents)
      if (parent >= history.events.size()) return std::nullopt;
    history.events.push_back(std::move(event));
    give_to_device(history, of_author, static_cast<u32>(history.events.size() - 1));
  }
  return history;
}

}  // namespace perdure::replay
