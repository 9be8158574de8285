#include "crdt/replica.hpp"

#include <algorithm>
#include <tuple>

#include "clock/hybrid.hpp"
#include "log/tree.hpp"

namespace perdure::crdt {

namespace {
constexpr std::size_t keys_noted_max = 256;
constexpr u32 released_max = 256;
constexpr std::size_t sayings_max = 64;  // of one op that are looked at for others under its id
constexpr u32 looked_row = 2;

// The messages that the timeline finds by their batch: those that stand where they were said first.
u64 messages_at_home(const log::Batch& batch) {
  u64 n = 0;
  for (const log::Op& op : batch.ops) n += log::is_message(op) && !op.says ? 1 : 0;
  return n;
}

bool is_same_version(const log::Op& a, const log::Op& b) {
  return log::has_key(a) && a.kind == b.kind && a.key == b.key && a.value == b.value && a.replaces == b.replaces;
}

// Of a message that stands elsewhere than its batch: where it is said.
Bytes place_value(store::LogNo log, u32 batch, u32 position) {
  codec::Writer w;
  w.varint(log).varint(batch).varint(position);
  return std::move(w).take();
}

Bytes log_value(store::LogNo log, u64 sealed_bytes = 0) {
  codec::Writer w;
  w.varint(log);
  if (sealed_bytes > 0) w.varint(sealed_bytes);
  return std::move(w).take();
}
}  // namespace

Replica::Replica(store::Rows& rows, store::TopicNo topic, const Logs& logs, const identity::TopicKeys& keys,
                 const NetworkId& network)
    : rows_(rows),
      topic_(topic),
      indexes_(load(rows, topic, corrupt_)),
      timeline_(rows, topic, static_cast<u8>(Tree::timeline), indexes_.timeline),
      held_(rows, topic, static_cast<u8>(Tree::ahead), indexes_.ahead),
      voids_tree_(rows, topic, static_cast<u8>(Tree::voids), indexes_.voids),
      sayings_(rows, topic, indexes_),
      marks_(rows, topic, indexes_),
      batches_(rows, topic, logs, keys, network),
      counted_(logs, batches_, held_, indexes_.ahead, sayings_),
      map_(rows, topic, indexes_, counted_),
      arrivals_(rows, topic, indexes_),
      arrived_before_(indexes_.arrived) {}

Indexes Replica::load(store::Rows& rows, store::TopicNo topic, bool& corrupt) {
  auto indexes = read_indexes(rows, topic);
  corrupt = !indexes;
  return indexes ? std::move(*indexes) : Indexes{};
}

const std::vector<std::pair<store::LogNo, log::Void>>& Replica::voids() const { return voids_; }
const Changes& Replica::changes() const { return changes_; }
Indexes& Replica::indexes() { return indexes_; }

bool Replica::corrupt() const {
  return corrupt_ || timeline_.corrupt() || held_.corrupt() || voids_tree_.corrupt() || sayings_.corrupt() ||
         marks_.corrupt() || map_.corrupt() || arrivals_.corrupt();
}

void Replica::finish() {
  timeline_.flush();
  held_.flush();
  voids_tree_.flush();
  sayings_.flush();
  marks_.flush();
  map_.flush();
  arrivals_.flush();
  save_indexes(rows_, topic_, indexes_);
  if (looks_back_) return;
  if (look_ || arrived_before_ / looked_every != indexes_.arrived / looked_every)
    save_looked(rows_, topic_, indexes_, indexes_.arrived);
}

Looked read_looked(store::Rows& rows, store::TopicNo topic) {
  const auto row = rows.get(store::key('I', topic, looked_row));
  if (!row) return {};
  codec::Reader r(*row);
  Looked looked{r.varint(), r.u8() == 1};
  return r.done() ? looked : Looked{};
}

void save_looked(store::Rows& rows, store::TopicNo topic, const Indexes& indexes, u64 upto) {
  codec::Writer w;
  w.varint(upto).u8(needs_second(indexes) ? 1 : 0);
  rows.put(store::key('I', topic, looked_row), std::move(w).take());
}

// ---- batches come

void Replica::add(store::LogNo log, u64 from, u64 to, u64 corrected_now_ms) {
  const LogName* name = counted_.name(log);
  from = std::max(from, counted_.held(log));
  if (!name || from >= to) return;
  if (counted_.held(log) == 0) recall_voids(log);
  Arrival run{0, log, from, 0, false, 0, {}};
  const auto arrive = [&] {
    if (!quiet_) arrivals_.append(log, name->id, run.from, run.count, {run.silent, run.messages});
  };
  for (u64 index = from; index < to; ++index) {
    const Batches::Ptr opened = batches_.get(log, index);
    look_at(log, index, opened.get());
    if (opened) declare(log, index, opened->batch);
    const bool counts = opened && index < counted_.cut(log);
    const bool silent = counts && !due(opened->batch.time, corrected_now_ms);
    const auto stand = [&] { counted_.advance(log, index + 1); };
    u64 news = 0;
    if (silent) hold_back(log, index, *opened);
    if (counts && !silent) news = come(log, index, opened->batch, stand);
    stand();
    if (silent != run.silent) {
      arrive();
      run = {0, log, index, 0, silent, 0, {}};
    }
    ++run.count;
    run.messages += news;
  }
  arrive();
}

// What is to be remembered of a batch beside what it says.
void Replica::look_at(store::LogNo log, u64 index, const Batches::Opened* opened) {
  const LogName* name = counted_.name(log);
  if (!opened) {
    const auto why = batches_.unread(log, index);
    if (!why) return;
    marks_.unread(log, index, *why);
    if (*why == Unread::opaque) changes_.opaque.insert(log);
    look_ = true;
    return;
  }
  look_ = look_ || opened->batch.format > 1;
  bool known = true;
  for (const log::Op& op : opened->batch.ops) {
    known = known && op.known();
    if (op.origin && name) marks_.origin(name->device, *op.origin, log, index);
  }
  if (!known) marks_.unread(log, index, Unread::partly);
}

bool Replica::due(HybridTime time, u64 corrected_now_ms) const {
  return time.ms() <= corrected_now_ms + clock::hold_back_ms;
}

// A batch comes to count once `stand` is called. Of the places that say an op the original one counts, else the least.
template <class F>
u64 Replica::come(store::LogNo log, u64 index, const log::Batch& batch, F stand) {
  const LogName* name = counted_.name(log);
  const Position at = counted_.position(log, batch.time, index);
  indexes_.greatest = std::max(indexes_.greatest, batch.time);
  const bool met = name && sayings_.any_in(name->id, at.batch);
  if (!met && std::ranges::none_of(batch.ops, [](const log::Op& op) { return op.says.has_value(); })) {
    stand();
    return count_plain(log, at, batch);
  }
  u64 news = 0;
  Offers offers;
  Ceasing ceasing;
  std::map<OpId, Counted::Found> stood;       // where it counts so far
  std::vector<std::pair<OpId, Said>> places;  // to be found once it stands
  for (u32 p = 0; p < batch.ops.size(); ++p) {
    const log::Op& op = batch.ops[p];
    if (!op.known()) continue;
    const Counted::Named said = counted_.named(log, batch, index, p);
    const auto before = said.again || met ? counted_.find(said.id) : std::nullopt;
    const bool fresh = !before && !offers.count(said.id) && !sayings_.told(said.id),
               is_news = fresh && log::is_message(op);
    if (is_news) ++news;
    if (said.again || !fresh)
      places.emplace_back(said.id, Said{log, {said.at.time, at.device, at.incarnation, at.batch, p}, is_news});
    const Offer offer{log, at.batch, p, said.at, said.again};
    const auto rank = [](bool again, HybridTime time, u64 incarnation, u32 in, u32 n) {
      return std::tuple(again, time, incarnation, in, n);
    };
    const auto own = rank(said.again, said.at.time, at.incarnation, at.batch, p);
    if (before) {
      const LogName* there = counted_.name(before->log);
      if (!(own <
            rank(before->again, before->at.time, there ? there->incarnation : 0, before->batch, before->position)))
        continue;
      stood.emplace(said.id, *before);
    }
    const auto [known, first] = offers.emplace(said.id, offer);
    if (!first && own < rank(known->second.again, known->second.at.time, at.incarnation, known->second.batch,
                             known->second.position))
      known->second = offer;
  }
  for (const auto& [id, found] : stood) {
    const Offer& offer = offers.at(id);
    // To the map it is the same wherever it is said.
    if (offer.at == found.at && is_same_version(found.op(), batch.ops[offer.position])) offers.erase(id);
    else cease(id, found, ceasing);
  }
  carry_out(ceasing);
  stand();
  for (const auto& [id, said] : places) sayings_.add(id, said);
  if (const u64 messages = messages_at_home(batch); messages > 0) {
    timeline_.insert(batch_key(at), log_value(log), messages);
    changes_.timeline = true;
  }
  count(offers, ceasing);
  return news;
}

// As nearly all batches are: what they say is said nowhere else.
u64 Replica::count_plain(store::LogNo log, Position at, const log::Batch& batch) {
  const u64 messages = messages_at_home(batch);
  if (messages > 0) {
    timeline_.insert(batch_key(at), log_value(log), messages);
    changes_.timeline = true;
  }
  for (const log::Op& op : batch.ops) {
    if (log::has_key(op)) {
      map_.apply({at, log, op.kind == log::Op::Kind::erase}, op);
      note_key(op.key);
    }
    ++at.position;
  }
  return messages;
}

// An op ceases to count where it does, to count elsewhere or not at all. While it still stands.
void Replica::cease(const OpId& id, const Counted::Found& found, Ceasing& ceasing) {
  const log::Op& op = found.op();
  bool read = false;
  if (log::is_message(op)) {
    read = is_read(found.at);
    if (op.says) timeline_.erase(position_key(found.at));
    if (read) indexes_.read_messages -= std::min<u64>(indexes_.read_messages, 1);
    changes_.timeline = true;
  } else {
    ceasing.keys[op.key][found.at] = {id, op.replaces};
  }
  ceasing.ids.emplace(id, read);
}

void Replica::carry_out(const Ceasing& ceasing) {
  for (const auto& [key, ops] : ceasing.keys) {
    map_.remove(key, ops);
    note_key(key);
  }
}

// The lesser first: who is named is there before who names it.
void Replica::count(const Offers& offers, const Ceasing& ceasing) {
  std::map<Position, const Offer*> ordered;
  for (const auto& [id, offer] : offers) ordered.emplace(offer.at, &offer);
  for (const auto& [at, offer] : ordered) {
    const Batches::Ptr opened = batches_.get(offer->log, offer->batch);
    if (!opened) continue;
    const log::Op& op = opened->batch.ops[offer->position];
    if (log::has_key(op)) {
      map_.apply({at, offer->log, op.kind == log::Op::Kind::erase}, op);
      note_key(op.key);
      continue;
    }
    if (op.says) timeline_.insert(position_key(at), place_value(offer->log, offer->batch, offer->position), 1);
    changes_.timeline = true;
    // What was read where it stood before is read here.
    const auto moved = ceasing.ids.find(counted_.id(offer->log, at));
    if (moved != ceasing.ids.end() && moved->second && is_read(at)) ++indexes_.read_messages;
  }
}

bool Replica::is_read(const Position& at) const {
  return !indexes_.read_mark.empty() && at <= position_of(indexes_.read_mark);
}

void Replica::note_key(ByteView key) {
  if (changes_.all_keys || !keys_noted_.insert(own(key)).second) return;
  if (changes_.keys.size() == keys_noted_max) changes_.all_keys = true;
  else changes_.keys.emplace_back(text(key));
}

// ---- held back

void Replica::hold_back(store::LogNo log, u64 index, const Batches::Opened& opened) {
  const Position at = counted_.position(log, opened.batch.time, index);
  held_.insert(batch_key(at), log_value(log, opened.sealed_bytes), opened.batch.ops.size());
  indexes_.held_bytes += opened.sealed_bytes;
  changes_.held = true;
}

void Replica::let_go(const Bytes& held_key) {
  const auto entry = held_.find(held_key);
  if (!entry) return;
  codec::Reader r(entry->value);
  r.varint();
  indexes_.held_bytes -= std::min(indexes_.held_bytes, r.varint());
  held_.erase(held_key);
  changes_.held = true;
}

bool Replica::release(u64 corrected_now_ms) {
  for (u32 n = 0;; ++n) {
    const auto first = held_.first();
    if (!first.valid()) return false;
    const Bytes key = own(first.key());
    const Position at = position_of(key);
    if (!due(at.time, corrected_now_ms)) return false;
    if (n == released_max) return true;
    codec::Reader r(first.value());
    const auto log = static_cast<store::LogNo>(r.varint());
    const Batches::Ptr opened = batches_.get(log, at.batch);
    const LogName* name = counted_.name(log);
    if (!opened || !name || at.batch >= counted_.cut(log)) {
      let_go(key);
      continue;
    }
    const u64 news = come(log, at.batch, opened->batch, [&] { let_go(key); });
    arrivals_.append(log, name->id, at.batch, 1, {false, news});
  }
}

std::map<store::LogNo, u64> Replica::held_back_of(const DeviceId& device) {
  std::map<store::LogNo, u64> out;
  if (indexes_.ahead.entries == 0) return out;
  for (auto c = held_.first(store::Index::all); c.valid(); c.next()) {
    const Position at = position_of(c.key());
    if (at.device != device) continue;
    codec::Reader r(c.value());
    const auto [log, fresh] = out.emplace(static_cast<store::LogNo>(r.varint()), at.batch);
    if (!fresh) log->second = std::min<u64>(log->second, at.batch);
  }
  return out;
}

std::optional<u64> Replica::next_due_ms() const {
  const auto first = held_.first();
  if (!first.valid()) return std::nullopt;
  const u64 ms = position_of(first.key()).time.ms();
  return ms > clock::hold_back_ms ? ms - clock::hold_back_ms : 0;
}

// ---- voids and cuts

void Replica::declare(store::LogNo log, u64 index, const log::Batch& batch) {
  const LogName* name = counted_.name(log);
  if (batch.voids.empty() || !name || (index > 0 && batch.format == 1) || index >= name->forked) return;
  if (index > 0) marks_.declares(log, index);  // the first batch of a log always travels
  for (const log::Void& v : batch.voids) {
    if (v.log == name->id) continue;
    const auto other = counted_.number(v.log);
    const LogName* voided = other ? counted_.name(*other) : nullptr;
    if (voided && voided->device != name->device) continue;
    codec::Writer key, value;
    key.fixed(v.log).be32(log);
    if (index > 0) key.be32(static_cast<u32>(index));
    value.varint(v.from);
    voids_tree_.insert(key.peek(), value.peek(), 0);
    if (voided) voids_.emplace_back(*other, v);
  }
}

std::optional<u64> Replica::furthest_void(store::LogNo log) const {
  const LogName* name = counted_.name(log);
  std::optional<u64> furthest;
  if (!name) return furthest;
  for (auto c = voids_tree_.seek(name->id.view()); c.valid(); c.next()) {
    codec::Reader key(c.key()), value(c.value());
    if (key.fixed<LogId>() != name->id) break;
    const LogName* declarer = counted_.name(static_cast<store::LogNo>(key.be32()));
    const u64 index = key.left() > 0 ? key.be32() : 0;
    const u64 from = value.varint();
    if (declarer && declarer->device == name->device && index < declarer->forked && (!furthest || from < *furthest))
      furthest = from;
  }
  return furthest;
}

// Before anything of this log counts.
void Replica::recall_voids(store::LogNo log) {
  const auto furthest = furthest_void(log);
  if (!furthest || *furthest >= counted_.cut(log)) return;
  counted_.set_cut(log, *furthest);
  voids_.emplace_back(log, log::Void{counted_.name(log)->id, *furthest});
}

std::vector<std::pair<store::LogNo, u64>> Replica::forked(store::LogNo log, u64 from) {
  std::vector<std::pair<store::LogNo, u64>> left;
  const LogName* name = counted_.name(log);
  if (!name || indexes_.voids.entries == 0) return left;
  std::set<store::LogNo> about;
  std::vector<Bytes> gone;
  for (auto c = voids_tree_.first(store::Index::all); c.valid(); c.next()) {
    codec::Reader key(c.key());
    const auto id = key.fixed<LogId>();
    if (key.be32() != log || (key.left() > 0 ? key.be32() : 0) < from) continue;
    gone.push_back(own(c.key()));
    if (const auto other = counted_.number(id)) about.insert(*other);
  }
  for (const Bytes& key : gone) voids_tree_.erase(key);
  for (store::LogNo other : about) left.emplace_back(other, furthest_void(other).value_or(log::no_cut));
  return left;
}

void Replica::cut(store::LogNo log, u64 from, u64 corrected_now_ms) {
  const u64 before = counted_.cut(log), held = counted_.held(log);
  const LogName* name = counted_.name(log);
  if (from > before) {  // a void was taken back
    for (u64 index = before; index < std::min(from, held); ++index) {
      const Batches::Ptr opened = batches_.get(log, index);
      const auto stand = [&] { counted_.set_cut(log, index + 1); };
      if (!opened) {
        stand();
        continue;
      }
      if (!due(opened->batch.time, corrected_now_ms)) {
        hold_back(log, index, *opened);
        stand();
        if (!quiet_ && name) arrivals_.append(log, name->id, index, 1, {true, 0});
        continue;
      }
      const u64 news = come(log, index, opened->batch, stand);
      if (!quiet_ && name) arrivals_.append(log, name->id, index, 1, {false, news});
    }
    return counted_.set_cut(log, from);
  }
  Ceasing ceasing;
  std::vector<Bytes> held_back;
  std::vector<std::pair<OpId, Said>> gone;
  for (u64 index = from; index < std::min(before, held); ++index) {
    const Batches::Ptr opened = batches_.get(log, index);
    if (!opened) continue;
    const Position at = counted_.position(log, opened->batch.time, index);
    if (counted_.held_back(at)) {
      held_back.push_back(batch_key(at));
      continue;
    }
    const bool met = name && sayings_.any_in(name->id, at.batch);
    for (u32 p = 0; p < opened->batch.ops.size(); ++p) {
      const log::Op& op = opened->batch.ops[p];
      if (!op.known()) continue;
      const Counted::Named said = counted_.named(log, opened->batch, index, p);
      if (said.again || met)
        gone.emplace_back(said.id,
                          Said{log, {said.at.time, at.device, at.incarnation, at.batch, p}, log::is_message(op)});
      Counted::Found here{log, at.batch, p, said.at, said.again, opened};
      if (said.again) {
        const auto counted = counted_.find(said.id);
        if (!counted || counted->log != log || counted->batch != at.batch || counted->position != p) continue;
      }
      cease(said.id, here, ceasing);
    }
    if (messages_at_home(opened->batch) > 0) timeline_.erase(batch_key(at));
  }
  carry_out(ceasing);
  for (const Bytes& key : held_back) let_go(key);
  counted_.set_cut(log, from);
  for (const auto& [id, said] : gone) sayings_.cut(id, said);
  if (sayings_.none()) return;
  Offers offers;
  for (const auto& [id, read] : ceasing.ids)
    if (const auto found = counted_.find(id))
      offers.emplace(id, Offer{found->log, found->batch, found->position, found->at, found->again});
  count(offers, ceasing);
}

// ---- for who says again

bool Replica::is_said_again(const DeviceId& device, const log::Origin& origin, store::LogNo but, u64 from) {
  return marks_.any_again(device, origin, [&](store::LogNo log, u64 batch) {
    if ((log == but && batch >= from) || batch >= counted_.held(log) || batch >= counted_.cut(log)) return false;
    const Batches::Ptr opened = batches_.get(log, batch);
    if (!opened) return false;
    if (counted_.held_back(counted_.position(log, opened->batch.time, batch))) return true;
    const auto& ops = opened->batch.ops;
    const auto op = std::ranges::find_if(ops, [&](const log::Op& o) { return o.origin == origin; });
    if (op == ops.end()) return false;
    const auto counted = counted_.find(counted_.named(log, opened->batch, batch, static_cast<u32>(op - ops.begin())).id,
                                       Counted::Except{but, from});
    return counted && first_said(*counted) == origin;
  });
}

log::Origin Replica::first_said(const Counted::Found& found) {
  if (found.op().origin) return *found.op().origin;
  const LogName* name = counted_.name(found.log);
  log::Origin here{name ? name->incarnation : 0, found.batch, found.position, {}};
  if (const auto sealed = rows_.get(store::key('B', topic_, found.log, found.batch)))
    std::copy_n(log::leaf_hash(*sealed).bytes.begin(), here.leaf.size(), here.leaf.begin());
  return here;
}

std::set<std::pair<store::LogNo, u64>> Replica::sayings_of(const OpId& id) const {
  std::set<std::pair<store::LogNo, u64>> out;
  sayings_.any(id, [&](const Said& said) {
    out.emplace(said.log, said.place.batch);
    return out.size() >= sayings_max;
  });
  return out;
}

bool Replica::is_taken(const OpId& id, const log::Origin& origin) {
  const auto differs = [&](store::LogNo log, u32 batch, u32 position) {
    const Batches::Ptr opened = batches_.get(log, batch);
    if (!opened || position >= opened->batch.ops.size()) return false;
    return opened->batch.ops[position].origin != origin;
  };
  return sayings_.any(id, [&](const Said& said) {
    const auto original = counted_.number(id.log);
    return !(original && *original == said.log && said.place.batch == id.batch) &&
           differs(said.log, said.place.batch, said.place.position);
  });
}

std::vector<OpId> Replica::places_of(const OpId& id) {
  std::vector<OpId> places;
  const auto found = counted_.find(id);
  if (!found) return places;
  places.push_back(counted_.place(found->log, found->batch, found->position));
  sayings_.any_that_counts(id, [&](const Said& said) {
    const OpId place = counted_.place(said.log, said.place.batch, said.place.position);
    if (place != places.front()) places.push_back(place);
    return places.size() >= 16;
  });
  return places;
}

bool Replica::has_news(store::LogNo log, u64 from, u64 to) {
  for (u64 index = from; index < std::min(to, counted_.held(log)); ++index) {
    const Batches::Ptr opened = batches_.get(log, index);
    if (opened && opened->batch.format > 1) return true;
    if (!opened && !marks_.is_unread(log, index)) look_at(log, index, nullptr);
  }
  return false;
}

}  // namespace perdure::crdt
