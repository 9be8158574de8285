// What the host that has everything shows, as lines for the oracle.
//
//     device N HEX                      its key
//     batch EVENT LOG INCARNATION INDEX TIME MESSAGES [LOG FROM]…      that an event led to, in order: LOG numbers the incarnations of the
//                                       event's device, TIME is the hybrid one, then what it voids
//     message HEX TIME_MS TEXT          in timeline order; a device's messages are its events, in order
//     entry WINNER PATH                 by path
//     conflict N… PATH                  the losers, greatest first, after their count
//     history COUNT N… PATH             newest first
//     digest HEX
#include <cinttypes>

#include "codec/hex.hpp"
#include "replay/fleet.hpp"

namespace perdure::replay {

namespace {
u32 number_of(const std::optional<Bytes>& value) {
  if (!value || value->size() != 5) return ~u32{0};
  return static_cast<u32>((*value)[1]) << 24 | static_cast<u32>((*value)[2]) << 16 |
         static_cast<u32>((*value)[3]) << 8 | (*value)[4];
}
}  // namespace

bool Fleet::dump(std::FILE* out) {
  for (u32 i = 0; i < devices_.size(); ++i)
    std::fprintf(out, "device %u %s\n", i, codec::to_hex(world_.device(*devices_[i].host).view()).c_str());
  std::fputs(batches_.c_str(), out);
  bool ok = dump_timeline(out) && dump_map(out) && dump_conflicts(out);
  std::fprintf(out, "digest %s\n", digest_.c_str());
  return ok;
}

bool Fleet::dump_timeline(std::FILE* out) {
  std::optional<std::string> after;
  for (;;) {
    auto answer = ask(*gatherer_.host, Messages{gatherer_.topic, {}, after, 256, false});
    auto* page = answer ? std::get_if<MessagePage>(&*answer) : nullptr;
    if (!page) return fail("the timeline cannot be read");
    for (auto& m : page->messages)
      std::fprintf(out, "message %s %" PRIu64 " %.*s\n", codec::to_hex(m.author.view()).c_str(), m.time_ms,
                   static_cast<int>(m.value.size() - 3), reinterpret_cast<const char*>(m.value.data()) + 3);
    if (!page->more || page->messages.empty()) return true;
    after = page->messages.back().id;
  }
}

bool Fleet::dump_map(std::FILE* out) {
  std::optional<std::string> after;
  for (;;) {
    auto answer = ask(*gatherer_.host, MapEntries{gatherer_.topic, "", after, 256});
    auto* page = answer ? std::get_if<MapPage>(&*answer) : nullptr;
    if (!page) return fail("the map cannot be read");
    for (auto& entry : page->entries) {
      std::fprintf(out, "entry %u %s\n", number_of(entry.version.value), entry.key.c_str());
      if (!dump_history(out, entry.key)) return false;
    }
    if (!page->more || page->entries.empty()) return true;
    after = page->entries.back().key;
  }
}

bool Fleet::dump_history(std::FILE* out, const std::string& path) {
  std::optional<std::string> after;
  std::vector<u32> numbers;
  for (;;) {
    auto answer = ask(*gatherer_.host, MapHistory{gatherer_.topic, path, after, 64});
    auto* page = answer ? std::get_if<HistoryPage>(&*answer) : nullptr;
    if (!page) return fail("the history of " + path + " cannot be read");
    for (auto& version : page->versions) numbers.push_back(number_of(version.value));
    if (!page->more || page->versions.empty()) break;
    after = page->versions.back().id;
  }
  std::fprintf(out, "history %zu", numbers.size());
  for (u32 n : numbers) std::fprintf(out, " %u", n);
  std::fprintf(out, " %s\n", path.c_str());
  return true;
}

bool Fleet::dump_conflicts(std::FILE* out) {
  std::optional<std::string> after;
  for (;;) {
    auto answer = ask(*gatherer_.host, MapConflicts{gatherer_.topic, "", after, 256});
    auto* page = answer ? std::get_if<ConflictPage>(&*answer) : nullptr;
    if (!page) return fail("the conflicts cannot be read");
    for (auto& conflict : page->conflicts) {
      std::fprintf(out, "conflict %zu", conflict.losers.size());
      for (auto& loser : conflict.losers) std::fprintf(out, " %u", number_of(loser.value));
      std::fprintf(out, " %s\n", conflict.key.c_str());
    }
    if (!page->more || page->conflicts.empty()) return true;
    after = page->conflicts.back().key;
  }
}

}  // namespace perdure::replay
