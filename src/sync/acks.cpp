// Signed acknowledgements: "I hold so much of that log on stable storage" (DESIGN 6).
#include "codec/bytes.hpp"
#include "crypto/sign.hpp"
#include "log/batch.hpp"
#include "log/nodes.hpp"
#include "sync/sync.hpp"

namespace perdure::sync {

namespace {

Bytes statement(const Topic& topic, const LogId& log, u64 from, u64 length, const Hash& root, const DeviceId& acker,
                const wire::Epoch& epoch) {
  codec::Writer w;
  w.raw(view("perdure/ack/1"))
      .fixed(topic.network)
      .fixed(topic.id)
      .fixed(log)
      .be64(from)
      .be64(length)
      .fixed(root)
      .fixed(acker)
      .raw(epoch);
  return std::move(w).take();
}

std::array<u8, 8> be(u64 v) {
  codec::Writer w;
  w.be64(v);
  std::array<u8, 8> out{};
  std::copy(w.peek().begin(), w.peek().end(), out.begin());
  return out;
}

Bytes ack_key(const Topic& topic, const DeviceId& acker) { return store::key('K', topic.no, acker.view()); }

constexpr std::size_t early_acks_max = 64;  // of one link; then the oldest that was passed on makes room
constexpr std::size_t ackers_max = 256;     // remembered for a topic, in memory and in rows: see makes_room

using Marks = std::map<store::LogNo, AckMark>;

// What a row says of one acker. Where a log's number would stand, `of_acker` says more of the acker itself; 0.1.0 takes that for a log that it
// does not have.
struct AckRow {
  Marks marks;
  Acker acker;
};
constexpr store::LogNo of_acker = ~store::LogNo{0};

Bytes encode_row(const AckRow& row) {
  codec::Writer out;
  auto add = [&](store::LogNo log, const AckMark& mark) {
    out.varint(log).varint(mark.length).varint(mark.ops).raw(mark.epoch);
  };
  for (const auto& [log, mark] : row.marks) add(log, mark);
  if (!row.marks.empty())
    add(of_acker, {row.acker.seen_ms, row.acker.proved ? u64{1} : u64{0}, row.marks.begin()->second.epoch});
  return std::move(out).take();
}

AckRow decode_row(ByteView bytes) {
  AckRow row;
  codec::Reader in(bytes);
  while (in.left() > 0) {
    auto log = static_cast<store::LogNo>(in.varint_max(~u32{0}));
    AckMark mark;
    mark.length = in.varint();
    mark.ops = in.varint();
    ByteView epoch = in.raw(8);
    if (!in.ok()) break;
    std::copy(epoch.begin(), epoch.end(), mark.epoch.begin());
    if (log == of_acker) row.acker = {mark.length, mark.ops != 0};
    else row.marks[log] = mark;
  }
  return row;
}

std::optional<log::Batch> batch_at(store::Rows& rows, const Topic& topic, store::LogNo no, u64 index) {
  auto sealed = rows.get(store::key('B', topic.no, no, static_cast<u32>(index)));
  if (!sealed || !topic.keys) return std::nullopt;
  const LogId& id = topic.logs[no].pending.id;
  auto plain = log::unseal_batch(*topic.keys, {topic.network, topic.id, id, index}, *sealed);
  auto batch = plain ? log::decode_batch(*plain, id) : Result<log::Batch>(Error{});
  return batch ? std::optional(std::move(*batch)) : std::nullopt;
}

// Ops of the log's first `length` batches; nothing if neither the next batch nor the last of them is to be read.
std::optional<u64> ops_at(store::Rows& rows, const Topic& topic, store::LogNo no, const log::LogState& state,
                          u64 length) {
  if (length == state.held) return state.head.ops;
  if (auto next = batch_at(rows, topic, no, length)) return next->first_op;
  auto last = batch_at(rows, topic, no, length - 1);
  if (!last) return std::nullopt;
  return last->first_op + std::max<std::size_t>(last->ops.size(), 1);
}

}  // namespace

void Sync::acknowledge(const TopicPtr& topic, store::LogNo no) {
  TopicSync* found = known(topic);
  if (!found || no >= topic->logs.size()) return;
  TopicSync& t = *found;
  const LogEntry& entry = topic->logs[no];
  if (entry.durable.spoken() == 0) return;
  std::vector<Exchange*> to;
  for (auto& [link, e] : t.exchanges)
    if (e.peer == entry.pending.device) to.push_back(&e);
  if (to.empty() && !anchor_)
    for (auto& [link, e] : t.exchanges)
      if (e.anchor) to.push_back(&e);
  if (to.empty()) return;
  // A signature, for those who asked; while they owe it waits.
  if (u64 at = host_.rested_at(to.front()->link); at > now_.steady_ms) return due(t, no, at);
  // Whoever passes them on is no worse off for how many logs there are.
  std::vector<Budget*> rooms;
  for (Exchange* e : to)
    if (Budget* room = host_.acks(e->link, AckWay::own)) rooms.push_back(room);
  for (Budget* room : rooms)
    if (u64 at = room->left_at(now_.steady_ms, wire::acks_said); at > now_.steady_ms)
      return due(t, no, std::max(at, now_.steady_ms + ack_interval_ms));
  for (Budget* room : rooms) (void)room->take(now_.steady_ms, wire::acks_said);
  t.acked_last = no;
  host_.charge(to.front()->link, wire::work_per_signature);
  wire::Ack ack;
  ack.author = entry.pending.device;
  ack.incarnation = be(entry.pending.incarnation);
  ack.acker = self_.id();
  ack.length = entry.durable.spoken();
  ack.epoch = host_.epoch(*topic);
  ack.signature = crypto::sign(
      self_.key(), {statement(*topic, entry.pending.id, 0, ack.length, entry.durable.root, ack.acker, ack.epoch)});
  for (Exchange* e : to) send(*e, ack);
  t.acked_at[no] = now_.steady_ms;
  host_.count("acknowledged", 1);
}

void Sync::due(TopicSync& t, store::LogNo no, u64 at) const {
  u64& earliest = t.ack_due.emplace(no, at).first->second;
  earliest = std::min(earliest, at);
}

void Sync::ack_all_of(const TopicPtr& topic, const DeviceId& author) {
  TopicSync* found = known(topic);
  if (!found) return;
  if (author == self_.id()) return;
  for (store::LogNo no : topic->logs_by(author))
    if (topic->logs[no].durable.length > 0) due(*found, no, now_.steady_ms);
}

// Whoever tells of it passes them on, or an anchor does. It may come and go as often as it likes.
void Sync::told_of(const TopicPtr& topic, const DeviceId& author) {
  TopicSync* found = known(topic);
  if (!found || author == self_.id() || topic->logs_by(author).empty()) return;
  auto& told = found->told_of;
  for (auto it = told.begin(); it != told.end() && told.size() >= ackers_max;)
    it = it->second.untouched(now_.steady_ms, wire::acks_again) ? told.erase(it) : std::next(it);
  if (told.size() >= ackers_max && !told.contains(author)) told.erase(told.begin());
  Budget& budget = told[author];
  const u64 at = budget.left_at(now_.steady_ms, wire::acks_again);
  (void)budget.take(now_.steady_ms, wire::acks_again);
  for (store::LogNo no : topic->logs_by(author))
    if (topic->logs[no].durable.length > 0) due(*found, no, at);
}

// To its author, by whoever is linked to it: what its signer said to us itself, and only what is true of the log as we hold it.
void Sync::pass_ack(TopicSync& t, Exchange& e, const wire::Ack& ack) {
  TopicPtr topic = t.topic;
  codec::Reader r(ack.incarnation);
  auto no = topic->by_id(topic->log_id(ack.author, r.be64()));
  if (!no || ack.acker != e.peer || ack.from != 0 || ack.length == 0 || ack.length > topic->logs[*no].durable.length)
    return;
  auto heard = [key = AckKey{ack.acker, *no}, ack](const Exchange& author) {
    auto before = author.passed.find(key);
    return before != author.passed.end() && before->second.first == ack.epoch && before->second.second >= ack.length;
  };
  const bool news = std::ranges::any_of(t.exchanges, [&](const auto& other) {
    return other.second.peer == ack.author && other.first != e.link && !heard(other.second);
  });
  Budget* source = host_.acks(e.link, AckWay::passed);
  if (!news || !source) return;
  if (e.acked_in != ack.epoch && !e.acked_anew.take(now_.steady_ms, wire::acks_anew)) return;
  e.acked_in = ack.epoch;
  if (!source->take(now_.steady_ms, wire::acks_passed)) return;
  host_.charge(e.link, wire::work_per_signature);
  respond<bool>(
      topic, e,
      [topic, ack, no = *no, id = topic->logs[*no].pending.id](store::Rows& rows) {
        auto state = read_state(rows, *topic, no);
        if (!state || ack.length > state->held) return false;
        auto peaks = ack.length == state->held
                         ? std::optional(state->peaks)
                         : log::peaks_of(log::StoredNodes(rows, topic->no, no, *state), ack.length);
        return !rows.missed() && peaks &&
               crypto::verify(ack.acker.view(),
                              {statement(*topic, id, 0, ack.length, peaks->root(), ack.acker, ack.epoch)},
                              ack.signature);
      },
      [this, topic, ack, no = *no, from = e.link, heard](SaveOutcome saved, bool good) {
        auto found = topics_.find(topic->no);
        if (saved != SaveOutcome::ok || !good || found == topics_.end()) return;
        for (auto& [link, other] : found->second.exchanges) {
          if (other.peer != ack.author || link == from || heard(other)) continue;
          Budget* room = host_.acks(link, AckWay::passed_to);
          if (!room) continue;
          if (!room->take(now_.steady_ms, wire::acks_passed_to)) {
            Budget* kept = host_.acks(from, AckWay::kept);
            if (!kept || !kept->take(now_.steady_ms, wire::acks_kept)) continue;
          }
          note_passed(other, {ack.acker, no}, ack);
          send(other, ack);
        }
      });
}

// What was passed on is remembered so far, of all links together: of which most is, all is forgotten, and may be said to it again.
void Sync::note_passed(Exchange& to, const AckKey& key, const wire::Ack& ack) {
  if (!to.passed.contains(key)) {
    if (to.passed.size() >= passed_max) forget_passed(to);
    passed_[to.link] += 1;
    passed_all_ += 1;
  }
  to.passed[key] = {ack.epoch, ack.length};
  if (passed_all_ * passed_bytes <= limits_.passed) return;
  const LinkId most = std::ranges::max_element(passed_, {}, [](const auto& p) { return p.second; })->first;
  for (auto& [no, t] : topics_)
    if (auto e = t.exchanges.find(most); e != t.exchanges.end()) forget_passed(e->second);
}

void Sync::forget_passed(Exchange& e) {
  const std::size_t gone = std::exchange(e.passed, {}).size();
  if (gone == 0) return;
  passed_all_ -= gone;
  if (auto p = passed_.find(e.link); p != passed_.end() && (p->second -= gone) == 0) passed_.erase(p);
}

void Sync::on_ack(TopicSync& t, Exchange& e, const wire::Ack& ack) {
  TopicPtr topic = t.topic;
  if (ack.author != self_.id()) return pass_ack(t, e, ack);
  host_.charge(e.link, wire::work_per_signature);
  codec::Reader r(ack.incarnation);
  auto no = topic->by_id(topic->log_id(ack.author, r.be64()));
  if (ack.from != 0 || ack.acker == self_.id()) return;
  if (!no || ack.length > topic->logs[*no].durable.length || t.paused_until != 0) return keep_early(t, e, ack);
  auto key = AckKey{ack.acker, *no};
  if (auto known = t.acks.find(key);
      known != t.acks.end() && known->second.epoch == ack.epoch && known->second.length >= ack.length)
    return;
  const Acker as{now_.wall_ms, e.peer == ack.acker || host_.nearness(topic, {ack.acker}).front() >= Nearness::entered};
  if (!t.ackers.contains(ack.acker) && t.ackers.size() >= ackers_max && !makes_room(t, ack.acker, as)) return;
  struct Checked {
    std::optional<AckMark> mark;  // nothing: it says something untrue, or what cannot be seen to be true
    Damage damage;
  };
  LogId id = topic->logs[*no].pending.id;
  respond<Checked>(
      topic, e,
      [topic, ack, as, no = *no, id](store::Rows& rows) {
        Checked checked;
        auto state = read_state(rows, *topic, no);
        if (!state || ack.length > state->held || ack.length == 0) return checked;
        log::StoredNodes nodes(rows, topic->no, no, *state);
        auto peaks = ack.length == state->held ? std::optional(state->peaks) : log::peaks_of(nodes, ack.length);
        if (rows.missed()) return checked;
        if (!peaks) return checked.damage.logs.insert(no), checked;
        if (!crypto::verify(ack.acker.view(),
                            {statement(*topic, id, 0, ack.length, peaks->root(), ack.acker, ack.epoch)}, ack.signature))
          return checked;
        auto ops = ops_at(rows, *topic, no, *state, ack.length);
        if (!ops) return checked;
        checked.mark = AckMark{ack.length, *ops, ack.epoch};
        AckRow stored;
        if (auto row = rows.get(ack_key(*topic, ack.acker))) stored = decode_row(*row);
        std::erase_if(stored.marks, [&](const auto& m) { return m.second.epoch != ack.epoch; });
        stored.marks[no] = *checked.mark;
        stored.acker = {as.seen_ms, as.proved || stored.acker.proved};
        rows.put(ack_key(*topic, ack.acker), encode_row(stored));
        return checked;
      },
      [this, topic, key, ack, as](SaveOutcome saved, const Checked& checked) {
        auto found = topics_.find(topic->no);
        if (saved == SaveOutcome::ok && checked.damage) host_.damaged(topic, checked.damage);
        if (saved != SaveOutcome::ok || !checked.mark || found == topics_.end()) return;
        TopicSync& now = found->second;
        AckMark& mark = now.acks[key];
        if (mark.epoch != ack.epoch || mark.length < ack.length) mark = *checked.mark;
        Acker& acker = now.ackers[ack.acker];
        acker = {as.seen_ms, as.proved || acker.proved};
        if (now.ackers.size() > ackers_max) forget_acker(now, makes_room(now, ack.acker, acker).value_or(ack.acker));
        host_.acked(topic);
      });
}

// Anybody who knows the topic can make up keys that sign. A place have, in this order: anchors of ours and who is linked; who was, or had
// entered at an anchor; of whom a peer tells; and of each kind who was in reach last. The one that has least makes room, if that is less
// than the newcomer has.
std::optional<DeviceId> Sync::makes_room(const TopicSync& t, const DeviceId& newcomer, const Acker& as) const {
  std::vector<std::pair<DeviceId, Acker>> all{{newcomer, as}};
  for (const auto& [id, acker] : t.ackers)
    if (id != newcomer) all.push_back({id, acker});
  std::vector<DeviceId> ids;
  for (const auto& [id, acker] : all) ids.push_back(id);
  const std::vector<Nearness> nearness = host_.nearness(t.topic, ids);
  std::optional<DeviceId> found;
  std::pair<Nearness, u64> least;
  for (std::size_t n = 0; n < all.size(); ++n) {
    const Acker& acker = all[n].second;
    const Nearness now = nearness[n], best = std::max(now, acker.proved ? Nearness::entered : Nearness::away);
    const std::pair claim{best, best == now && now != Nearness::away ? ~u64{0} : acker.seen_ms};
    if (n == 0 || claim < least) {
      least = claim;
      if (n > 0) found = all[n].first;
    }
  }
  return found;
}

void Sync::forget_acker(TopicSync& t, const DeviceId& acker) {
  t.ackers.erase(acker);
  std::erase_if(t.acks, [&](const auto& a) { return a.first.first == acker; });
  transactions_.run(
      t.topic->queue(), [key = ack_key(*t.topic, acker)](store::Rows& rows) { rows.erase(key); }, [](SaveOutcome) {});
}

void Sync::keep_early(TopicSync& t, const Exchange& e, const wire::Ack& ack) {
  auto& early = t.early_acks[e.link];
  if (early.size() >= early_acks_max) {
    auto passed_on = std::ranges::find_if(early, [&](const wire::Ack& other) { return other.acker != e.peer; });
    if (passed_on == early.end()) return;
    early.erase(passed_on);
  }
  early.push_back(ack);
}

void Sync::hear_early_acks(TopicSync& t) {
  for (const auto& [link, early] : std::exchange(t.early_acks, {}))
    if (auto e = t.exchanges.find(link); e != t.exchanges.end())
      for (const wire::Ack& ack : early) on_ack(t, e->second, ack);
}

const std::map<AckKey, AckMark>& Sync::acks(const TopicPtr& topic) const {
  static const std::map<AckKey, AckMark> none;
  auto t = topics_.find(topic->no);
  return t == topics_.end() ? none : t->second.acks;
}

u64 Sync::pending(const TopicPtr& topic, const std::map<store::LogNo, u64>& passed) const {
  std::map<store::LogNo, AckMark> acked;  // the furthest of each
  for (const auto& [key, mark] : acks(topic)) {
    AckMark& most = acked[key.second];
    most.ops = std::max(most.ops, mark.ops);
    most.length = std::max(most.length, mark.length);
  }
  u64 pending = 0;
  for (store::LogNo no : topic->logs_by(self_.id())) {
    const Durable& held = topic->logs[no].durable;
    if (held.length == 0 || held.length > held.cut) continue;
    const auto of = acked.find(no);
    const AckMark most = of == acked.end() ? AckMark{} : of->second;
    // Nobody can sign for what is behind a hole: it stands elsewhere.
    const auto hole = passed.find(no);
    if (hole != passed.end() && hole->second == held.hole && most.length >= held.spoken()) continue;
    pending += held.ops - std::min(most.ops, held.ops);
  }
  return pending;
}

void Sync::load_acks(const TopicPtr& topic, const std::vector<std::pair<Bytes, Bytes>>& rows) {
  TopicSync& t = of(topic);
  t.acks.clear();
  t.ackers.clear();
  for (const auto& [key, value] : rows) {
    if (key.size() != 1 + 4 + DeviceId::size) continue;
    DeviceId acker = DeviceId::from(ByteView(key).subspan(5));
    const AckRow row = decode_row(value);
    t.ackers[acker] = row.acker;
    for (const auto& [log, mark] : row.marks) t.acks[{acker, log}] = mark;
  }
  while (t.ackers.size() > ackers_max) {  // of 0.1.0, which counted otherwise
    const auto [first, acker] = *t.ackers.begin();
    forget_acker(t, makes_room(t, first, acker).value_or(first));
  }
}

void Sync::voided_epoch(const TopicPtr& topic, const DeviceId& acker, const wire::Epoch& now, bool of_topic) {
  TopicSync& t = of(topic);
  bool any = false;
  for (auto it = t.acks.begin(); it != t.acks.end();) {
    const bool stands = of_topic ? it->second.epoch == now : same_store(it->second.epoch, now);
    if (it->first.first == acker && !stands) it = t.acks.erase(it), any = true;
    else ++it;
  }
  if (!any) return;
  t.ackers.erase(acker);
  if (t.paused_until == 0)
    transactions_.run(
        topic->queue(), [key = ack_key(*topic, acker)](store::Rows& rows) { rows.erase(key); }, [](SaveOutcome) {});
  host_.acked(topic);
}

}  // namespace perdure::sync
