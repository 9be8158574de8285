// Replica: reading the timeline. Nothing here writes, except the read mark.
#include <algorithm>

#include "crdt/page.hpp"
#include "crdt/replica.hpp"

namespace perdure::crdt {

namespace {
store::LogNo log_of(ByteView value) {
  codec::Reader r(value);
  return static_cast<store::LogNo>(r.varint());
}

// Of a message that stands elsewhere than the batch that says it: which one; else nothing.
struct Elsewhere {
  store::LogNo log;
  u32 batch;
  u32 position;
};
std::optional<Elsewhere> elsewhere(const store::Index::Cursor& at) {
  if (at.key().size() != position_key_size) return std::nullopt;
  codec::Reader r(at.value());
  Elsewhere place;
  place.log = static_cast<store::LogNo>(r.varint());
  place.batch = static_cast<u32>(r.varint());
  place.position = static_cast<u32>(r.varint());
  return place;
}

// Fills a page with the messages between two places, batch by batch.
class Filler {
 public:
  Filler(const Counted& standing, u32 limit) : counted_(standing), limit_(std::min(limit, page_max)) {}
  std::optional<Position> after, before;  // exclusive
  Replica::PageResult result;

  // False once the page is full.
  bool take(store::LogNo log, const Position& at, const log::Op& op) {
    if (!log::is_message(op) || (after && at <= *after) || (before && at >= *before)) return true;
    bytes_ += op.value.size();
    if (result.messages.size() >= limit_ || (bytes_ > page_bytes_max && !result.messages.empty())) {
      result.more = true;
      return false;
    }
    result.messages.push_back({counted_.id(log, at), at.device, at.time, op.value});
    return true;
  }
  bool take(store::LogNo log, const log::Batch& batch, Position at, bool reverse) {
    const u32 n = static_cast<u32>(batch.ops.size());
    for (u32 i = 0; i < n; ++i) {
      at.position = reverse ? n - 1 - i : i;
      if (!batch.ops[at.position].says && !take(log, at, batch.ops[at.position])) return false;
    }
    return true;
  }
  // A batch that is not at hand: go on while the page may reach further, to ask for all of it at once.
  bool pass(u64 messages) { return (missed_ += messages) + result.messages.size() <= limit_; }

 private:
  const Counted& counted_;
  u32 limit_;
  u64 missed_ = 0;
  std::size_t bytes_ = 0;
};
}  // namespace

Result<Replica::PageResult> Replica::messages(const PageOptions& options) {
  Filler filler(counted_, options.limit);
  for (const auto& [id, bound] :
       {std::pair{&options.after, &filler.after}, std::pair{&options.before, &filler.before}}) {
    if (!*id) continue;
    const auto found = counted_.find(**id);
    if (!found && rows_.missed()) return PageResult{};
    if (!found) return Error{Code::not_found, no_message_text};
    *bound = found->at;
  }
  const u64 ahead = std::min(options.limit, page_max);
  auto c = options.reverse ? timeline_.last(ahead) : timeline_.first(ahead);
  if (!options.reverse && filler.after) c = timeline_.seek(batch_key(*filler.after), ahead);
  if (options.reverse && filler.before) {
    // a batch's own entry is lesser than what stands in it
    c = timeline_.seek_before(position_key(*filler.before), ahead);
  }
  for (; c.valid(); options.reverse ? c.previous() : c.next()) {
    const Position at = position_of(c.key());
    if (!options.reverse && filler.before && at > *filler.before) break;
    if (options.reverse && filler.after && store::compare(c.key(), batch_key(*filler.after)) < 0) break;
    if (const auto place = elsewhere(c)) {
      const Batches::Ptr there = batches_.get(place->log, place->batch);
      const bool known = there && place->position < there->batch.ops.size();
      if (known ? !filler.take(place->log, at, there->batch.ops[place->position]) : !filler.pass(1)) break;
      continue;
    }
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
  const auto found = counted_.find(id);
  if (!found || !log::is_message(found->op())) return std::nullopt;
  return Message{id, found->at.device, found->at.time, found->op().value};
}

Replica::LiveResult Replica::arrived_since(u64 after, u32 limit) {
  constexpr u32 entries_at_once = 64;
  LiveResult result{{}, after};
  u64 taken = 0;  // messages, those of batches that are not at hand estimated
  std::size_t bytes = 0;
  for (;;) {
    const auto entries = arrivals_.read(result.next, entries_at_once);
    if (entries.empty() || taken >= limit) return result;
    for (const Arrival& a : entries) {
      const u64 begun = result.next;
      // Behind the cut of its log an op may still count: said again elsewhere, where it was no news.
      const u64 counted = std::min(
          {a.from + a.count, sayings_.none() ? counted_.cut(a.log) : log::no_cut, counted_.held(a.log)});
      for (u64 i = 0; a.messages > 0 && a.from + i < counted; ++i) {
        const Batches::Ptr opened = batches_.get(a.log, a.from + i);
        const u64 before = taken;
        if (!opened && rows_.missed()) taken += a.messages / a.count + 1;
        const bool cut = a.from + i >= counted_.cut(a.log);
        const bool met = opened && sayings_.any_in(counted_.place(a.log, 0, 0).log, static_cast<u32>(a.from + i));
        std::vector<Message> here;
        const auto tell = [&](const OpId& id, const Position& at, const log::Op& op) {
          here.push_back({id, at.device, at.time, op.value});
          bytes += op.value.size();
        };
        for (u32 p = 0; opened && p < opened->batch.ops.size(); ++p) {
          const log::Op& op = opened->batch.ops[p];
          if (!log::is_message(op)) continue;
          const Counted::Named said = counted_.named(a.log, opened->batch, a.from + i, p);
          if (!said.again && !met) {
            if (!cut) tell(said.id, said.at, op);
            continue;
          }
          // Told is what counts, be it said elsewhere. Of what came behind the cut nothing was news.
          const Position place = counted_.position(a.log, said.at.time, a.from + i, p);
          if (!sayings_.news(said.id, place).value_or(!cut)) continue;
          const auto found = counted_.find(said.id);
          if (found && log::is_message(found->op())) tell(said.id, found->at, found->op());
          else if (!found && !cut)
            tell(said.id, said.at, op);  // held back since: whoever is told it later is told it no more
        }
        taken += here.size();
        if (before > 0 && (taken > limit || bytes > page_bytes_max)) return result;
        result.messages.insert(result.messages.end(), std::make_move_iterator(here.begin()),
                               std::make_move_iterator(here.end()));
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
    const auto found = counted_.find(*id);
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
  const Bytes batch = batch_key(mark);
  indexes_.read_messages = timeline_.weight_before(batch);
  // What stands in the batch of the mark: as a whole, and what is said of it elsewhere.
  for (auto c = timeline_.seek(batch);
       c.valid() && c.key().size() >= batch.size() && store::equal(c.key().subspan(0, batch.size()), batch); c.next()) {
    if (elsewhere(c)) {
      indexes_.read_messages += position_of(c.key()) <= mark ? c.weight() : 0;
    } else if (mark.position == ~u32{0}) {
      indexes_.read_messages += c.weight();
    } else if (const Batches::Ptr opened = batches_.get(log_of(c.value()), mark.batch)) {
      for (u32 p = 0; p < opened->batch.ops.size() && p <= mark.position; ++p)
        indexes_.read_messages += log::is_message(opened->batch.ops[p]) && !opened->batch.ops[p].says ? 1 : 0;
    }
  }
}

void Replica::read_own(u64 messages) { indexes_.read_messages += messages; }

}  // namespace perdure::crdt
