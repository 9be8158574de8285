// A topic from its rows: logs, what the indexes know, acknowledgements, names; and its indexes anew where they cannot be trusted.
#include <algorithm>

#include "codec/bytes.hpp"
#include "node/impl.hpp"

namespace perdure {

namespace {

constexpr u64 look_batches = 256;  // a step: they are unsealed and no more
constexpr u32 look_entries = 64;
constexpr u64 rebuild_batches = 32;  // a step: some milliseconds, some pages

Bytes rebuild_mark(const Topic& topic) { return store::key('I', topic.no, 1); }

// Numbers of logs whose own rows are lost. The indexes speak of them until they are made anew; how many there were then is in a row.
Bytes nameless_row(const Topic& topic) { return store::key('I', topic.no, 3); }
u64 nameless(const Topic& topic) {
  return static_cast<u64>(
      std::ranges::count_if(topic.logs, [](const sync::LogEntry& entry) { return entry.pending.id.is_zero(); }));
}
u64 nameless_then(store::Rows& rows, const Topic& topic) {
  const auto row = rows.get(nameless_row(topic));
  return row ? codec::Reader(*row).varint() : 0;
}

// The indexes cannot be gone on with as they are.
bool unfit(store::Rows& rows, const Topic& topic, sync::Merge& merge, const crdt::Looked& looked) {
  const bool lost = !topic.numbers.empty() && !rows.get(store::key('I', topic.no));
  // Written by an older core since, or by one that knew less: what it could not read counts from now on.
  const bool older = (looked.second && !crdt::needs_second(merge.replica().indexes())) ||
                     merge.replica().marks().outdated();
  return lost || older || nameless(topic) > nameless_then(rows, topic) || merge.replica().corrupt() ||
         rows.get(rebuild_mark(topic));
}

// A batch that was lost when they were made is here again.
bool back(const sync::Missing& missing, const Topic& topic) {
  for (LogNo no = 0; no < topic.logs.size(); ++no) {
    const sync::Durable& held = topic.logs[no].durable;
    if (missing.any_before(no, std::min(held.length, held.hole))) return true;
  }
  return false;
}

// Those that are spoken of less than whole: up to where, is not in the log's own row.
std::vector<sync::LogUpdate> cut_short(store::Rows& rows, const Topic& topic) {
  std::vector<sync::LogUpdate> updates;
  for (LogNo no = 0; no < topic.logs.size(); ++no) {
    const sync::LogEntry& entry = topic.logs[no];
    if (entry.durable.spoken() == entry.durable.length) continue;
    if (auto state = sync::read_state(rows, topic, no))
      updates.push_back({no, sync::durable_of(rows, topic, no, *state)});
  }
  return updates;
}

// All that the indexes of a topic without keys know.
sync::Counters arrivals_of(store::Rows& rows, const Topic& topic) {
  const crdt::Indexes indexes = crdt::load_indexes(rows, topic.no);
  sync::Counters counters;
  counters.arrived = indexes.arrived;
  counters.arrival_hash = indexes.arrival_hash;
  return counters;
}

sync::Counters end_rebuild(store::Rows& rows, Topic& topic, u64 corrected_now_ms) {
  rows.erase(rebuild_mark(topic));
  if (const u64 lost = nameless(topic); lost != nameless_then(rows, topic)) {
    codec::Writer w;
    w.varint(lost);
    rows.put(nameless_row(topic), std::move(w).take());
  }
  if (!topic.keys) return arrivals_of(rows, topic);
  sync::Merge merge(rows, topic, corrected_now_ms);
  merge.replica().read_to_mark();
  merge.replica().finish();
  crdt::save_looked(rows, topic.no, merge.replica().indexes(), merge.replica().indexes().arrived);
  return merge.counters();
}

// The logs as they stand in the middle of a rebuild: those before `no` whole, that one up to `at`, the others empty.
class Partial final : public crdt::Logs {
 public:
  Partial(const Topic& topic, LogNo no, u64 at) : topic_(topic), no_(no), at_(at) {}
  const crdt::LogName* by_number(LogNo n) const override {
    const crdt::LogName* whole = topic_.by_number(n);
    if (!whole || n < no_) return whole;
    crdt::LogName& name = names_[n] = *whole;
    name.held = n == no_ ? at_ : 0;
    return &name;
  }
  std::optional<LogNo> by_id(const LogId& id) const override { return topic_.by_id(id); }
  LogId id_of(const DeviceId& device, u64 incarnation) const override { return topic_.id_of(device, incarnation); }

 private:
  const Topic& topic_;
  LogNo no_;
  u64 at_;
  mutable std::map<LogNo, crdt::LogName> names_;
};

}  // namespace

u64 Node::Impl::rebuild_again_at(const TopicExtra& e) const {
  return now_.steady_ms + (e.unusable ? params::unusable_pause_ms : sync::failed_pause_ms);
}

// Behind the steps that are under way: they build on what is in memory, and what they write must be in it when it is read again.
void Node::Impl::reload_topic(const TopicPtr& topic) {
  topic->loaded = false;  // from here on nothing new begins
  sync_.stir(topic->no);
  extra(topic).back_at = 0;  // what is back is seen as it is read
  const u32 reading = ++topic->reading;
  transactions_.run(
      topic->queue(), [](store::Rows&) {},
      [this, topic, reading](SaveOutcome saved) {
        if (saved != SaveOutcome::ok || topic->reading != reading) return;  // or it was closed, and may be open again
        topic->forget();
        TopicExtra& e = extra(topic);
        e.appending.reset();
        e.releasing = e.reappending = e.looked_for_held = e.settling = false;
        e.searched.clear();
        e.searching.clear();
        load_topic(topic);
      });
}

void Node::Impl::load_topic(const TopicPtr& topic) {
  const u32 reading = ++topic->reading;
  // The last batch of the last log: a log whose own row is lost is known by it.
  auto last = std::make_shared<LogNo>(0);
  Bytes batches = store::key('B', topic->no);
  transactions_.read_range(batches, store::prefix_end(batches), 1, true,
                           [last](bool ok, const std::vector<std::pair<Bytes, Bytes>>& rows) {
                             if (ok && !rows.empty() && rows[0].first.size() == 1 + 4 + 4 + 4)
                               *last = codec::Reader(ByteView(rows[0].first).subspan(5)).be32() + 1;
                           });
  Bytes from = store::key('L', topic->no);
  transactions_.read_range(from, store::prefix_end(from), 0, false,
                           [this, topic, reading, last](bool ok, const std::vector<std::pair<Bytes, Bytes>>& rows) {
                             if (!ok || topic->reading != reading) return;
                             take_logs(topic, rows, *last);
                             load_indexes(topic, reading);
                           });
}

void Node::Impl::take_logs(const TopicPtr& topic, const std::vector<std::pair<Bytes, Bytes>>& rows, LogNo last) {
  topic->forget();
  touched_.insert(topic->no);
  bool lost_logs = sync::load_logs(*topic, rows);
  lost_logs |= last > topic->logs.size();
  while (topic->logs.size() < std::min<std::size_t>(last, sync::log_numbers_max)) topic->logs.emplace_back();
  if (lost_logs) note_lost_logs();
  report_holes();
}

// What the indexes know, and whether they can be gone on with.
void Node::Impl::load_indexes(const TopicPtr& topic, u32 reading) {
  struct Loaded {
    sync::Counters counters;
    std::vector<sync::LogUpdate> updates;
    bool rebuild = false, unreadable = false;
    u64 looked = 0;
    sync::Missing missing;
  };
  transactions_.run<Loaded>(
      topic->queue(),
      [this, topic, reading](store::Rows& rows) {
        Loaded out;
        if (topic->reading != reading) return out;
        if (auto epoch = rows.get(store::key('O', topic->no)); epoch && epoch->size() == 8)
          std::copy(epoch->begin(), epoch->end(), topic->epoch.emplace().begin());
        out.updates = cut_short(rows, *topic);
        out.rebuild = extra(topic).rebuild_wanted;
        if (!topic->keys) {
          out.counters = arrivals_of(rows, *topic);
          return out;
        }
        sync::Merge merge(rows, *topic, corrected_now_ms());
        out.counters = merge.counters();
        for (LogNo no = 0; no < topic->logs.size() && out.counters.opaque > 0; ++no)
          out.unreadable |= topic->logs[no].pending.device == identity_->id() && merge.replica().marks().any_opaque(no);
        const crdt::Looked looked = crdt::read_looked(rows, topic->no);
        out.looked = looked.upto <= out.counters.arrived ? looked.upto : 0;
        out.missing = {rows, topic->no};
        out.rebuild |= unfit(rows, *topic, merge, looked) || back(out.missing, *topic) ||
                       dated_ahead(*topic, out.counters.greatest);
        return out;
      },
      [this, topic, reading](SaveOutcome saved, const Loaded& out) {
        if (saved != SaveOutcome::ok || topic->reading != reading) return;
        apply(topic, out.updates);
        topic->counters = out.counters;
        topic->closed = {};
        TopicExtra& e = extra(topic);
        e.own_unreadable = out.unreadable;
        e.missing = out.missing;
        report_holes();
        if (!out.rebuild) look_through(topic, reading, topic->keys ? out.looked : topic->counters.arrived);
        else if (e.failed) e.rebuild_at = rebuild_again_at(e);  // the disk that just failed would fail again
        else rebuild(topic);
      });
}

// What an older core has taken in is looked at once: what it could not read may say something to this one, and is indexed then.
void Node::Impl::look_through(const TopicPtr& topic, u32 reading, u64 from) {
  if (from >= topic->counters.arrived) return load_rest(topic);
  struct Result {
    u64 next = 0;
    bool news = false;
    sync::Damage damage;
    sync::Counters counters;
  };
  const bool resting = storage_.rests(now_.steady_ms);  // the disk that just failed would fail again
  transactions_.run<Result>(
      topic->queue(),
      [this, topic, from, resting](store::Rows& rows) {
        Result out;
        sync::Merge merge(rows, *topic, corrected_now_ms());
        merge.replica().looks_back();
        const crdt::Indexes indexes = merge.replica().indexes();
        u64 batches = 0;
        out.next = topic->counters.arrived;
        out.counters = topic->counters;
        for (const crdt::Arrival& a : crdt::read_arrivals(rows, topic->no, indexes, from, look_entries)) {
          const u64 count = std::min(a.count, look_batches - batches);
          out.news = merge.replica().has_news(a.log, a.from, a.from + count) || out.news;
          out.next = a.number + count;
          if ((batches += count) == look_batches) break;
        }
        if (merge.gave_up(out.damage)) return out;
        // What is news is found again, if this life ends before all is indexed anew.
        const bool far = out.next >= indexes.arrived;
        if (resting || out.news || (!merge.replica().looked() && !far)) return out;
        std::vector<sync::LogUpdate> none;
        crdt::Changes changes;
        if (merge.replica().looked()) merge.finish(none, changes, out.counters);
        crdt::save_looked(rows, topic->no, merge.replica().indexes(), out.next);
        return out;
      },
      [this, topic, reading, resting](SaveOutcome saved, const Result& out) {
        if (saved != SaveOutcome::ok || topic->reading != reading) return;
        TopicExtra& e = extra(topic);
        e.arrivals_lost |= out.damage.arrivals;
        if ((out.news || out.damage.indexes) && resting) return void(e.rebuild_at = rebuild_again_at(e));
        if (out.news || out.damage.indexes) return rebuild(topic);
        topic->counters = out.counters;
        look_through(topic, reading, out.next);
      });
}

// Whose logs they were is not known any more, nor whether some were ours. Their batches stay where they are; what others hold comes
// again under another number.
void Node::Impl::note_lost_logs() {
  metrics_["corrupt_rows"] += 1;
  rows_lost_ = true;
}

void Node::Impl::load_rest(const TopicPtr& topic) {
  Bytes acks = store::key('K', topic->no), names = store::key('W', topic->no);
  const u32 reading = topic->reading;
  transactions_.read_range(acks, store::prefix_end(acks), 0, false, [this, topic, reading](bool ok, const auto& rows) {
    if (ok && topic->reading == reading) sync_.load_acks(topic, rows);
  });
  transactions_.read_range(names, store::prefix_end(names), 0, false,
                           [this, topic, reading](bool ok, const std::vector<std::pair<Bytes, Bytes>>& rows) {
                             if (!ok || topic->reading != reading) return;
                             load_names(topic, rows);
                             topic_loaded(topic);
                           });
}

// ---- all batches indexed anew ----------------------------------------------------------------------------------------------------
// The order of arrival stays: others hold cursors into it, and live readers are told nothing twice. The read mark stays, too.

void Node::Impl::rebuild(const TopicPtr& topic) {
  TopicExtra& e = extra(topic);
  e.rebuild_at = 0;
  e.rebuild_wanted = false;
  e.rebuilt_ms = now_.steady_ms;
  e.missed = {};
  const bool arrivals_lost = std::exchange(e.arrivals_lost, false);
  metrics_["rebuilds"] += 1;
  const u32 reading = topic->reading;
  transactions_.run(
      topic->queue(),
      [topic](store::Rows& rows) {
        if (topic->keys) crdt::keep_untold(rows, topic->no);
      },
      [this, topic, reading, arrivals_lost](SaveOutcome saved) {
        if (saved == SaveOutcome::ok && topic->reading == reading) rebuild_from_nothing(topic, arrivals_lost);
      });
}

void Node::Impl::rebuild_from_nothing(const TopicPtr& topic, bool arrivals_lost) {
  std::vector<std::pair<Bytes, Bytes>> ranges;
  for (u8 tree = 1; tree <= static_cast<u8>(crdt::Tree::marks); ++tree) {
    if (tree == static_cast<u8>(crdt::Tree::arrivals) && !arrivals_lost) continue;
    Bytes from = store::key('X', topic->no, tree);
    Bytes to = store::prefix_end(from);
    ranges.emplace_back(std::move(from), std::move(to));
  }
  transactions_.erase_ranges(std::move(ranges), [](SaveOutcome) {});
  const u32 reading = topic->reading;
  transactions_.run(
      topic->queue(),
      [topic, arrivals_lost](store::Rows& rows) {
        crdt::Indexes old = crdt::load_indexes(rows, topic->no), fresh;
        // else cursors into it fit no more, and the whole frontier is told
        if (!arrivals_lost) fresh.arrivals = old.arrivals;
        fresh.arrived = old.arrived;
        fresh.arrival_hash = old.arrival_hash;
        fresh.read_mark = old.read_mark;
        crdt::save_indexes(rows, topic->no, fresh);
        rows.put(rebuild_mark(*topic), {1});
      },
      [this, topic, reading](SaveOutcome saved) {
        if (saved == SaveOutcome::ok)
          rebuild_on(topic, reading, topic->keys ? 0 : static_cast<LogNo>(topic->logs.size()), 0);
      });
}

void Node::Impl::rebuild_on(const TopicPtr& topic, u32 reading, LogNo no, u64 at) {
  if (topic->reading != reading) return;
  while (no < topic->logs.size() && at >= topic->logs[no].durable.length) ++no, at = 0;
  if (no == topic->logs.size()) return rebuilt(topic, reading);
  struct Indexed {
    std::vector<sync::LogUpdate> updates;
    std::set<LogNo> absent;
    std::vector<u64> missed;
  };
  const u64 to = std::min(topic->logs[no].durable.length, at + rebuild_batches);
  transactions_.run<Indexed>(
      topic->queue(),
      [this, topic, no, at, to](store::Rows& rows) {
        Indexed out;
        Partial logs(*topic, no, at);
        sync::Merge merge(rows, *topic, logs, corrected_now_ms());
        merge.replica().quiet();
        merge.add(no, at, to);  // voids that an older core could not read are carried out
        crdt::Changes changes;
        sync::Counters numbers;
        merge.finish(out.updates, changes, numbers);
        out.absent = merge.replica().absent();
        for (u64 i = at; out.absent.contains(no) && i < to; ++i)
          if (!rows.get(store::key('B', topic->no, no, static_cast<u32>(i)))) out.missed.push_back(i);
        if (rows.missed()) return out;
        for (const sync::LogUpdate& update : out.updates) topic->build_on(update);
        return out;
      },
      [this, topic, reading, no, to](SaveOutcome saved, const Indexed& out) {
        if (saved != SaveOutcome::ok || topic->reading != reading) return;
        apply(topic, out.updates);
        for (u64 i : out.missed) extra(topic).missed.add(no, i);
        for (LogNo log : out.absent) begin_search(topic, log);  // no index will name what is lost
        rebuild_on(topic, reading, no, to);
      });
}

void Node::Impl::rebuilt(const TopicPtr& topic, u32 reading) {
  transactions_.run<sync::Counters>(
      topic->queue(),
      [this, topic, missed = extra(topic).missed](store::Rows& rows) {
        missed.save(rows, topic->no);
        return end_rebuild(rows, *topic, corrected_now_ms());
      },
      [this, topic, reading](SaveOutcome saved, const sync::Counters& counters) {
        if (saved != SaveOutcome::ok || topic->reading != reading) return;
        topic->counters = counters;
        extra(topic).missing = extra(topic).missed;
        usable(topic);
        if (all_usable()) no_trouble(Code::storage_unavailable);
        load_rest(topic);
      });
}

}  // namespace perdure
