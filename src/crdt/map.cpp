#include "crdt/map.hpp"

#include <set>

#include "crypto/hash.hpp"

namespace perdure::crdt {

namespace {
constexpr u8 kind_loser = 0, kind_ghost = 1;
// the last: of another log than the one that is named
constexpr u8 flag_erased = 1, flag_more = 2, flag_incarnation = 4;
// Up to here the losers are looked through; with more the batch is read to know the place.
constexpr u64 losers_scanned_max = 64;

Bytes hash_of(ByteView key) {
  Bytes hash(16);
  crypto::blake2b_into(hash, {}, {key});
  return hash;
}

Bytes loser_key(ByteView hash, const Position& at) {
  codec::Writer w;
  w.raw(hash).u8(kind_loser).raw(position_key(at));
  return std::move(w).take();
}

Bytes ghost_prefix(ByteView hash, const OpId& id) {
  codec::Writer w;
  w.raw(hash).u8(kind_ghost).fixed(id.log).be32(id.batch).be32(id.position);
  return std::move(w).take();
}

Bytes ghost_key(ByteView hash, const OpId& id, const Position& namer) {
  Bytes key = ghost_prefix(hash, id);
  const Bytes at = position_key(namer);
  key.insert(key.end(), at.begin(), at.end());
  return key;
}

Bytes encode(const Map::Record& record, bool own) {
  codec::Writer w;
  const bool more = record.losers > 0 || record.ghosts > 0;
  w.u8(static_cast<u8>((record.winner.erased ? flag_erased : 0) | (more ? flag_more : 0) |
                       (own ? 0 : flag_incarnation)));
  w.be64(record.winner.at.time.value).varint(record.winner.log);
  if (!own) w.be64(record.winner.at.incarnation);
  w.varint(record.winner.at.batch).varint(record.winner.at.position);
  if (more) w.varint(record.losers).varint(record.ghosts);
  return std::move(w).take();
}
}  // namespace

Map::Map(store::Rows& rows, store::TopicNo topic, Indexes& indexes, const Counted& standing)
    : counted_(standing),
      indexes_(indexes),
      keys_(rows, topic, static_cast<u8>(Tree::keys), indexes.keys),
      versions_(rows, topic, static_cast<u8>(Tree::versions), indexes.versions),
      conflicts_(rows, topic, static_cast<u8>(Tree::conflicts), indexes.conflicts) {}

void Map::flush() {
  keys_.flush();
  versions_.flush();
  conflicts_.flush();
}

// ---- records

Map::Record Map::decode(ByteView value) const {
  codec::Reader r(value);
  Record record;
  const u8 flags = r.u8();
  const HybridTime time{r.be64()};
  record.winner.log = static_cast<store::LogNo>(r.varint());
  const u64 incarnation = (flags & flag_incarnation) != 0 ? r.be64() : 0;
  const u64 batch = r.varint();
  record.winner.at = counted_.position(record.winner.log, time, batch, static_cast<u32>(r.varint()));
  if ((flags & flag_incarnation) != 0) record.winner.at.incarnation = incarnation;
  record.winner.erased = (flags & flag_erased) != 0;
  if ((flags & flag_more) != 0) {
    record.losers = r.varint();
    record.ghosts = r.varint();
  }
  return record;
}

std::optional<Map::Record> Map::record(ByteView key) const {
  const auto entry = keys_.find(key);
  if (!entry) return std::nullopt;
  return decode(entry->value);
}

Place Map::loser(const store::Index::Cursor& at) const {
  codec::Reader r(at.value());
  Place place;
  place.at = position_of(at.key().subspan(17));
  place.log = static_cast<store::LogNo>(r.varint());
  place.erased = r.u8() != 0;
  return place;
}

std::vector<Place> Map::losers(ByteView key, u64 limit) const {
  std::vector<Place> out;
  Bytes from = hash_of(key);
  from.push_back(kind_loser);
  Bytes behind = from;
  ++behind.back();
  for (auto c = versions_.seek_before(behind); c.valid() && store::starts_with(c.key(), from) && out.size() < limit;
       c.previous())
    out.push_back(loser(c));
  return out;
}

Map::Edit Map::begin(ByteView key) const {
  Edit edit{own(key), {}, record(key), 0};
  if (edit.record) edit.losers_before = edit.record->losers;
  return edit;
}

void Map::end(Edit& edit) {
  const u64 losers_now = edit.record ? edit.record->losers : 0;
  if (edit.losers_before == 0 && losers_now > 0) conflicts_.insert(edit.key, {});
  if (edit.losers_before > 0 && losers_now == 0) conflicts_.erase(edit.key);
  if (!edit.record) return void(keys_.erase(edit.key));
  const Place& winner = edit.record->winner;
  const LogName* name = counted_.name(winner.log);
  keys_.insert(edit.key, encode(*edit.record, !name || name->incarnation == winner.at.incarnation),
               winner.erased ? 0 : 1);
}

void Map::add_loser(Edit& edit, const Place& place) {
  if (edit.hash.empty()) edit.hash = hash_of(edit.key);
  codec::Writer w;
  w.varint(place.log).u8(place.erased ? 1 : 0);
  versions_.insert(loser_key(edit.hash, place.at), w.peek(), 0);
  ++edit.now().losers;
}

void Map::erase_loser(Edit& edit, const Position& at) {
  if (edit.hash.empty()) edit.hash = hash_of(edit.key);
  if (versions_.erase(loser_key(edit.hash, at))) --edit.now().losers;
}

void Map::add_ghost(Edit& edit, const OpId& id, const Position& namer) {
  if (edit.hash.empty()) edit.hash = hash_of(edit.key);
  const u64 before = indexes_.versions.entries;
  versions_.insert(ghost_key(edit.hash, id, namer), {}, 0);
  edit.now().ghosts += indexes_.versions.entries - before;  // an op may say a name twice
}

bool Map::take_ghosts(Edit& edit, const OpId& id, const Position& at) {
  if (!edit.record || edit.now().ghosts == 0) return false;
  if (edit.hash.empty()) edit.hash = hash_of(edit.key);
  const Bytes prefix = ghost_prefix(edit.hash, id);
  std::vector<Bytes> found;
  for (auto c = versions_.seek(ghost_key(edit.hash, id, at)); c.valid() && store::starts_with(c.key(), prefix);
       c.next())
    if (position_of(c.key().subspan(prefix.size())) > at) found.push_back(own(c.key()));
  for (const Bytes& key : found)
    if (versions_.erase(key)) --edit.now().ghosts;
  return !found.empty();
}

// ---- an op comes

void Map::apply(const Place& version, const log::Op& op) {
  Edit edit = begin(op.key);
  const bool replaced = take_ghosts(edit, counted_.id(version), version.at);
  if (!edit.record) {
    edit.record = Record{version, 0, 0};
    replace_names(edit, version.at, op.replaces);
    end(edit);
    return;
  }
  const Place before = edit.now().winner;
  // The winner is compared first, because nearly every op names just that.
  bool names_winner = false;
  const OpId winner = counted_.id(before);
  for (const OpId& id : op.replaces) names_winner = names_winner || (id == winner && before.at < version.at);
  replace_names(edit, version.at, op.replaces);
  if (before.at < version.at) {
    if (!names_winner) add_loser(edit, before);
    edit.now().winner = version;
  } else if (!replaced && before.at != version.at) {
    add_loser(edit, version);
  }
  end(edit);
}

// What `namer` names ceases to be a loser, or is remembered if it is still to come. The winner is the caller's, if it is lesser.
void Map::replace_names(Edit& edit, const Position& namer, const std::vector<OpId>& names) {
  const OpId winner = counted_.id(edit.now().winner);
  for (const OpId& id : names) {
    if (id == winner && edit.now().winner.at < namer) continue;
    const auto loser = unreplaced_loser(edit, id);
    if (loser && loser->at < namer) {
      erase_loser(edit, loser->at);
    } else {
      const auto known = loser ? loser : counted_.version(id, edit.key);
      if (!known || known->at >= namer) add_ghost(edit, id, namer);
    }
  }
}

std::optional<Place> Map::unreplaced_loser(Edit& edit, const OpId& id) const {
  if (edit.now().losers == 0) return std::nullopt;
  if (edit.hash.empty()) edit.hash = hash_of(edit.key);
  if (edit.now().losers > losers_scanned_max) {
    auto place = counted_.version(id, edit.key);
    if (place && !versions_.find(loser_key(edit.hash, place->at))) place.reset();
    return place;
  }
  Bytes prefix = edit.hash;
  prefix.push_back(kind_loser);
  for (auto c = versions_.seek(prefix); c.valid() && store::starts_with(c.key(), prefix); c.next()) {
    const Place place = loser(c);
    if (place.at.batch == id.batch && place.at.position == id.position && counted_.id(place) == id) return place;
  }
  return std::nullopt;
}

// ---- ops go

void Map::remove(ByteView key, const Removed& removed) {
  Edit edit = begin(key);
  if (!edit.record) return;
  edit.hash = hash_of(key);
  const Left left = left_after(edit, removed);
  for (const auto& [namer, gone] : removed)
    for (const OpId& id : gone.names)
      if (versions_.erase(ghost_key(edit.hash, id, namer))) --edit.now().ghosts;
  for (const auto& [at, gone] : removed) erase_loser(edit, at);
  for (const auto& [at, place] : left.back) add_loser(edit, place);
  if (removed.count(edit.now().winner.at)) {
    const std::vector<Place> greatest = losers(key, 1);
    if (greatest.empty()) {
      edit.record.reset();
      return end(edit);
    }
    erase_loser(edit, greatest.front().at);
    edit.now().winner = greatest.front();
  }
  for (const auto& [id, namer] : left.ghosts) add_ghost(edit, id, namer);
  end(edit);
}

// What the removed ones alone had replaced, and who names them.
Map::Left Map::left_after(const Edit& edit, const Removed& removed) const {
  Left left;
  // Only what a removed op named can come back, and only if no other names it: these are greater than the least of them. Who names what
  // is removed is greater than that. No row says who names an op that counts, so all that are greater are read: few, where the end of a
  // history goes, as with nearly every cut.
  const auto least = least_concerned(edit, removed);
  if (!least) return left;
  Descent descent(counted_, edit.key);
  std::set<Position> freed, replaced;  // by those that go, by those that stay
  descent.push(edit.record->winner);
  Bytes prefix = edit.hash;
  prefix.push_back(kind_loser);
  for (auto c = versions_.seek(loser_key(edit.hash, *least)); c.valid() && store::starts_with(c.key(), prefix);
       c.next())
    descent.push(loser(c));
  while (!descent.empty() && descent.top().at >= *least) {
    const Place place = descent.top();
    const auto gone = removed.find(place.at);
    if (gone != removed.end()) {
      for (const Position& named : descent.pop(&gone->second.names)) freed.insert(named);
      continue;
    }
    for (const Position& named : descent.pop()) {
      replaced.insert(named);
      if (const auto lost = removed.find(named); lost != removed.end())
        left.ghosts.emplace_back(lost->second.id, place.at);
    }
    // All that is greater has been seen.
    if (freed.count(place.at) && !replaced.count(place.at)) left.back.emplace(place.at, place);
  }
  return left;
}

std::optional<Position> Map::least_concerned(const Edit& edit, const Removed& removed) const {
  std::optional<Position> least;
  for (const auto& [namer, gone] : removed) {
    // Of what stands among the unreplaced nobody knows a namer.
    const bool unreplaced = namer == edit.record->winner.at || versions_.find(loser_key(edit.hash, namer));
    if (!unreplaced && (!least || namer < *least)) least = namer;
    for (const OpId& id : gone.names) {
      const auto place = counted_.version(id, edit.key);
      if (!place || place->at >= namer || removed.count(place->at)) continue;
      if (!least || place->at < *least) least = place->at;
    }
  }
  return least;
}

// ---- a walk

std::vector<Position> Descent::pop(const std::vector<OpId>* names) {
  // With every run of a step the walk asks for as much again as it has come, so that a long history takes few runs.
  constexpr u64 ahead_max = 64;
  const Place place = top();
  pending_.erase(std::prev(pending_.end()));
  ++depth_;
  std::vector<Position> named;
  std::optional<Counted::Found> found;
  if (!names) {
    found = counted_.find(counted_.id(place));
    if (!found) return named;
    names = &found->op().replaces;
  }
  for (const OpId& id : *names) {
    const auto lesser = counted_.version(id, key_);
    if (!lesser) {
      if (counted_.missed()) counted_.ask_before(id, std::min(depth_, ahead_max));
    } else if (lesser->at < place.at) {
      named.push_back(lesser->at);
      push(*lesser);
    }
  }
  return named;
}

}  // namespace perdure::crdt
