// Replica: ops that come to count, and that cease to.
#include <algorithm>
#include <tuple>

#include "crdt/replica.hpp"

namespace perdure::crdt {

namespace {
bool is_same_version(const log::Op& a, const log::Op& b) {
  return log::has_key(a) && a.kind == b.kind && a.key == b.key && a.value == b.value && a.replaces == b.replaces;
}

// Of a message that stands elsewhere than its batch: where it is said.
Bytes place_value(store::LogNo log, u32 batch, u32 position) {
  codec::Writer w;
  w.varint(log).varint(batch).varint(position);
  return std::move(w).take();
}

// Of the places that say an op the original one counts, else the least.
auto rank_of(bool again, HybridTime time, u64 incarnation, u32 batch, u32 position) {
  return std::tuple(again, time, incarnation, batch, position);
}
}  // namespace

u64 Replica::messages_at_home(const log::Batch& batch) {
  u64 n = 0;
  for (const log::Op& op : batch.ops) n += log::is_message(op) && !op.says ? 1 : 0;
  return n;
}

Replica::Coming Replica::meet(store::LogNo log, u64 index, const log::Batch& batch) {
  const LogName* name = counted_.name(log);
  Coming coming{log, &batch, counted_.position(log, batch.time, index), false, 0, {}, {}, {}};
  const Position& at = coming.at;
  indexes_.greatest = std::max(indexes_.greatest, batch.time);
  const bool met = name && sayings_.any_in(name->id, at.batch);
  coming.plain = !met && std::ranges::none_of(batch.ops, [](const log::Op& op) { return op.says.has_value(); });
  if (coming.plain) return coming;
  std::map<OpId, Counted::Found> stood;  // where it counts so far
  for (u32 p = 0; p < batch.ops.size(); ++p) {
    const log::Op& op = batch.ops[p];
    if (!op.known()) continue;
    const Counted::Named said = counted_.named(log, batch, index, p);
    const auto before = said.again || met ? counted_.find(said.id) : std::nullopt;
    const bool fresh = !before && !coming.offers.count(said.id) && !sayings_.told(said.id),
               is_news = fresh && log::is_message(op) && !told_elsewhere(said.id, op, log, index);
    if (is_news) ++coming.news;
    if (said.again || !fresh)
      coming.places.emplace_back(said.id, Said{log, {said.at.time, at.device, at.incarnation, at.batch, p}, is_news});
    const auto own = rank_of(said.again, said.at.time, at.incarnation, at.batch, p);
    if (before) {
      const LogName* there = counted_.name(before->log);
      if (!(own <
            rank_of(before->again, before->at.time, there ? there->incarnation : 0, before->batch, before->position)))
        continue;
      stood.emplace(said.id, *before);
    }
    const Offer offer{log, at.batch, p, said.at, said.again};
    const auto [known, first] = coming.offers.emplace(said.id, offer);
    const Offer& least = known->second;
    if (!first && own < rank_of(least.again, least.at.time, at.incarnation, least.batch, least.position))
      known->second = offer;
  }
  give_way(coming, stood);
  return coming;
}

// What the batch says, too, ceases to count where it stood.
void Replica::give_way(Coming& coming, const std::map<OpId, Counted::Found>& stood) {
  for (const auto& [id, found] : stood) {
    const Offer& offer = coming.offers.at(id);
    // To the map it is the same wherever it is said.
    if (offer.at == found.at && is_same_version(found.op(), coming.batch->ops[offer.position])) coming.offers.erase(id);
    else cease(id, found, coming.ceasing);
  }
  carry_out(coming.ceasing);
}

u64 Replica::come(const Coming& coming) {
  if (coming.plain) return come_plain(coming);
  for (const auto& [id, said] : coming.places) sayings_.add(id, said);
  place_messages(coming);
  count(coming.offers, coming.ceasing);
  return coming.news;
}

// As nearly all batches are: what they say is said nowhere else.
u64 Replica::come_plain(const Coming& coming) {
  const u64 messages = place_messages(coming);
  Position at = coming.at;
  for (const log::Op& op : coming.batch->ops) {
    if (log::has_key(op)) {
      map_.apply({at, coming.log, op.kind == log::Op::Kind::erase}, op);
      note_key(op.key);
    }
    ++at.position;
  }
  return messages;
}

// Where the timeline finds its messages.
u64 Replica::place_messages(const Coming& coming) {
  const u64 messages = messages_at_home(*coming.batch);
  if (messages == 0) return 0;
  codec::Writer value;
  value.varint(coming.log);
  timeline_.insert(batch_key(coming.at), value.peek(), messages);
  changes_.timeline = true;
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

}  // namespace perdure::crdt
