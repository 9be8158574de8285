// Replica: reading the timeline. Nothing here writes, except the read mark.
#include <algorithm>

#include "crdt/replica.hpp"

namespace perdure::crdt {

namespace {
constexpr u32 page_max = 256;
constexpr std::size_t page_bytes_max = 1024 * 1024;

store::LogNo log_of(ByteView value) {
  codec::Reader r(value);
  return static_cast<store::LogNo>(r.varint());
}

// Fills a page with the messages between two places, batch by batch.
class Filler {
 public:
  Filler(const Standing& standing, u32 limit) : standing_(standing), limit_(std::min(limit, page_max)) {}
  std::optional<Position> after, before;         // exclusive
  Replica::PageResult result;

  // False once the page is full.
  bool take(store::LogNo log, const Position& at, const log::Op& op) {
    if (op.kind != log::Op::Kind::message || (after && at <= *after) || (before && at >= *before)) return true;
    bytes_ += op.value.size();
    if (result.messages.size() >= limit_ || (bytes_ > page_bytes_max && !result.messages.empty())) {
      result.more = true;
      return false;
    }
    result.messages.push_back({standing_.id(log, at.batch, at.position), at.device, at.time, op.value});
    return true;
  }
  bool take(store::LogNo log, const log::Batch& batch, Position at, bool reverse) {
    const u32 n = static_cast<u32>(batch.ops.size());
    for (u32 i = 0; i < n; ++i) {
      at.position = reverse ? n - 1 - i : i;
      if (!take(log, at, batch.ops[at.position])) return false;
    }
    return true;
  }
  // A batch that is not at hand: go on while the page may reach further, to ask for all of it at once.
  bool pass(u64 messages) { return (missed_ += messages) + result.messages.size() <= limit_; }

 private:
  const Standing& standing_;
  u32 limit_;
  u64 missed_ = 0;
  std::size_t bytes_ = 0;
};
}  // namespace

Result<Replica::PageResult> Replica::messages(const PageOptions& options) {
  Filler filler(standing_, options.limit);
  for (const auto& [id, bound] : {std::pair{&options.after, &filler.after}, std::pair{&options.before, &filler.before}}) {
    if (!*id) continue;
    const auto found = standing_.find(**id);
    if (!found && rows_.missed()) return PageResult{};
    if (!found) return Error{Code::not_found, no_message_text};
    *bound = found->at;
  }
  const u64 ahead = std::min(options.limit, page_max);
  auto c = options.reverse ? timeline_.last(ahead) : timeline_.first(ahead);
  if (!options.reverse && filler.after) c = timeline_.seek(batch_key(*filler.after), ahead);
  if (options.reverse && filler.before) {
    const Bytes key = batch_key(*filler.before);
    c = timeline_.seek(key, ahead);
    if (!c.valid() || !store::equal(c.key(), key)) c = timeline_.seek_before(key, ahead);
  }
  for (; c.valid(); options.reverse ? c.previous() : c.next()) {
    const Position at = position_of(c.key());
    if (!options.reverse && filler.before && at > *filler.before) break;
    if (options.reverse && filler.after && store::compare(c.key(), batch_key(*filler.after)) < 0) break;
    const store::LogNo log = log_of(c.value());
    const Batches::Ptr opened = batches_.get(log, at.batch);
    if (opened ? !filler.take(log, opened->batch, at, options.reverse) : !filler.pass(c.weight())) break;
  }
  return std::move(filler.result);
}

Result<Replica::PageResult> Replica::latest(u32 limit) {
  auto page = messages({.before = {}, .after = {}, .limit = limit, .reverse = true});
  if (page) std::reverse(page->messages.begin(), page->messages.end());
  return page;
}

std::optional<Message> Replica::message(const OpId& id) {
  const auto found = standing_.find(id);
  if (!found || found->op().kind != log::Op::Kind::message) return std::nullopt;
  return Message{id, found->at.device, found->at.time, found->op().value};
}

Replica::LiveResult Replica::arrived_since(u64 after, u32 limit) {
  constexpr u32 entries_at_once = 64;
  LiveResult result{{}, after};
  u64 taken = 0;                                 // messages, those of batches that are not at hand estimated
  std::size_t bytes = 0;
  for (;;) {
    const auto entries = arrivals_.read(result.next, entries_at_once);
    if (entries.empty() || taken >= limit) return result;
    for (const Arrival& a : entries) {
      const u64 begun = result.next;
      const u64 counted = std::min({a.from + a.count, standing_.cut(a.log), standing_.held(a.log)});
      for (u64 i = 0; a.messages > 0 && a.from + i < counted; ++i) {
        const Batches::Ptr opened = batches_.get(a.log, a.from + i);
        const u64 before = taken;
        if (!opened && rows_.missed()) taken += a.messages / a.count + 1;
        std::vector<Message> here;
        for (u32 p = 0; opened && p < opened->batch.ops.size(); ++p) {
          const log::Op& op = opened->batch.ops[p];
          if (op.kind != log::Op::Kind::message) continue;
          const Position at = standing_.position(a.log, opened->batch.time, a.from + i, p);
          here.push_back({standing_.id(a.log, at.batch, p), at.device, at.time, op.value});
          bytes += op.value.size();
        }
        taken += here.size();
        if (before > 0 && (taken > limit || bytes > page_bytes_max)) return result;
        result.messages.insert(result.messages.end(), std::make_move_iterator(here.begin()), std::make_move_iterator(here.end()));
        result.next = a.number + i + 1;
      }
      result.next = std::max(begun + 1, a.number + a.count);
    }
  }
}

u64 Replica::length() { return indexes_.timeline.weight; }

u64 Replica::unread() { return indexes_.timeline.weight - std::min(indexes_.timeline.weight, indexes_.read_messages); }

void Replica::mark_read(std::optional<OpId> id) {
  Position mark;
  if (id) {
    const auto found = standing_.find(*id);
    if (!found) return;
    mark = found->at;
  } else {
    const auto last = timeline_.last();
    if (!last.valid()) return;
    mark = position_of(last.key());
    mark.position = ~u32{0};
  }
  Bytes key = position_key(mark);
  if (!indexes_.read_mark.empty() && key < indexes_.read_mark) return;
  indexes_.read_mark = std::move(key);
  read_to_mark();
}

void Replica::read_to_mark() {
  if (indexes_.read_mark.empty()) return;
  const Position mark = position_of(indexes_.read_mark);
  indexes_.read_messages = timeline_.weight_before(batch_key(mark));
  const auto entry = timeline_.find(batch_key(mark));
  if (!entry) return;
  Position at = mark;
  at.position = 0;
  if (mark.position == ~u32{0}) indexes_.read_messages += entry->weight;
  else if (const Batches::Ptr opened = batches_.get(log_of(entry->value), mark.batch)) indexes_.read_messages += messages_read(at, opened->batch);
}

void Replica::read_own(u64 messages) { indexes_.read_messages += messages; }

}  // namespace perdure::crdt
