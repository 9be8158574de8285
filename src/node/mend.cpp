// What to do about rows that turned out lost or damaged: indexes are made anew from the batches, tree nodes from the batches or the
// nodes below, batches are fetched again from whoever holds them; what cannot be had anywhere is reported.
#include "log/nodes.hpp"
#include "node/impl.hpp"

namespace perdure {

namespace {
constexpr u32 levels[] = {6, 12, 18, 24, 30};  // of the rows of tree nodes above the leaves
constexpr const char*
    lost_text = "Rows of this device's store are damaged or lost. Stay online: what others hold is fetched again.";
}  // namespace

// A step met them. What it was for is done again once they are mended.
void Node::Impl::damaged(const TopicPtr& topic, const sync::Damage& damage) {
  TopicExtra* found = known_extra(topic);
  if (!found || !topic->open || !topic->loaded) return;  // being read again already
  TopicExtra& e = *found;
  for (LogNo no : damage.logs) {
    if (no >= topic->logs.size()) continue;
    u64& rests_until = e.searched[no];
    if (rests_until > now_.steady_ms) continue;
    rests_until = now_.steady_ms + params::search_rest_ms;
    begin_search(topic, no);
  }
  if (!damage.indexes) return;
  metrics_["corrupt_indexes"] += 1;
  e.rebuild_wanted = true;
  e.arrivals_lost |= damage.arrivals;
  // A store that damages what was just made anew is no store: it is given time, and those who wait are told.
  bool again = e.rebuilt_ms != 0 && e.rebuilt_ms + params::rebuild_pause_ms > now_.steady_ms;
  e.failed |= again;
  if (again)
    trouble(Code::storage_unavailable, "The store damages what is written to it. Check the disk of this device.");
  reload_topic(topic);
}

// The call is answered once the topic's indexes are whole again.
void Node::Impl::once_mended(const TopicPtr& topic, u32 call, Task<void()> again) {
  TopicExtra* found = known_extra(topic);
  if (!found) return fail(call, Code::closed, "The topic was closed. Open it again with topic() or join().");
  if (topic->loaded) return again();
  TopicExtra& e = *found;
  if (e.failed || e.retries.size() >= params::early_calls_max) return read_failed(call);
  e.retries.push_back({call, std::move(again)});
}

// ---- a log of which some row is lost: which batches are there, and its tree again ---------------------------------------------------

void Node::Impl::begin_search(const TopicPtr& topic, LogNo no) {
  auto [running, fresh] = extra(topic).searching.emplace(no, false);
  if (fresh) search(topic, no, 0, log::no_cut);
  else running->second = true;  // what it has passed may have changed: once more then
}

void Node::Impl::search(const TopicPtr& topic, LogNo no, u64 group, u64 hole) {
  struct Found {
    bool more = false;
    u64 hole = log::no_cut;
  };
  transactions_.run<Found>(
      topic->queue(),
      [topic, no, group, hole](store::Rows& rows) {
        auto state = sync::read_state(rows, *topic, no);
        if (!state) return Found{false, hole};
        auto lost = log::mend_leaves(rows, topic->no, no, *state, group);
        return Found{(group + 1) * log::group_size < state->held, std::min(hole, lost.value_or(log::no_cut))};
      },
      [this, topic, no, group](SaveOutcome saved, const Found& found) {
        if (saved != SaveOutcome::ok || !topic->open) return;
        if (found.more) search(topic, no, group + 1, found.hole);
        else mend_tree(topic, no, 0, 0, found.hole);
      });
}

void Node::Impl::mend_tree(const TopicPtr& topic, LogNo no, std::size_t level, u64 group, u64 hole) {
  if (level == std::size(levels)) return note_hole(topic, no, hole);
  transactions_.run<bool>(
      topic->queue(),
      [topic, no, level, group](store::Rows& rows) {
        auto state = sync::read_state(rows, *topic, no);
        return state && log::mend_nodes(rows, topic->no, no, *state, levels[level], group);
      },
      [this, topic, no, level, group, hole](SaveOutcome saved, bool more) {
        if (saved != SaveOutcome::ok || !topic->open) return;
        if (more) mend_tree(topic, no, level, group + 1, hole);
        else mend_tree(topic, no, level + 1, 0, hole);
      });
}

// The log ends at its hole for others, and everybody who has more is asked for it.
void Node::Impl::note_hole(const TopicPtr& topic, LogNo no, u64 hole) {
  using Update = std::optional<sync::LogUpdate>;
  transactions_.run<Update>(
      topic->queue(),
      [topic, no, hole](store::Rows& rows) -> Update {
        auto state = sync::read_state(rows, *topic, no);
        if (!state) return std::nullopt;
        state->hole = hole < state->held ? hole : log::no_cut;
        log::save_state(rows, topic->no, no, *state);
        return sync::LogUpdate{no, sync::durable_of(rows, *topic, no, *state)};
      },
      [this, topic, no](SaveOutcome saved, const Update& update) {
        if (saved != SaveOutcome::ok || !topic->open) return;
        auto searching = extra(topic).searching.extract(no);
        if (!searching.empty() && searching.mapped()) return begin_search(topic, no);
        if (no >= topic->logs.size()) return;
        if (!update) return damaged(topic, {true, false, {}});  // its own row is lost: what is left is read again
        u64 before = topic->logs[no].durable.hole, after = update->durable.hole;
        if (after == log::no_cut) extra(topic).searched.erase(no);  // what is lost from now on is another loss
        bool closed = after == log::no_cut && (before != after || extra(topic).rebuild_wanted);
        // What comes back in portions is not indexed by portions.
        const u64 rebuilt = extra(topic).rebuilt_ms,
                  rests_until = rebuilt == 0 ? 0 : rebuilt + params::portions_rest_ms;
        const bool any = extra(topic).missing.any_before(no, std::min(after, update->durable.length));
        const bool back = any && rests_until <= now_.steady_ms;
        if (any && !back) extra(topic).back_at = rests_until;
        apply(topic, {*update});
        report_holes();
        if (!topic->loaded || (before == after && !closed && !back))
          return;  // whoever met it was wrong, or it is known
        if (!closed && !back) return sync_.reload(topic, now_, false), append_waiting(topic);
        extra(topic).rebuild_wanted = true;  // the indexes may have been made without what was lost
        reload_topic(topic);
      });
}

// A page filled the hole, or its beginning.
void Node::Impl::restored(const TopicPtr& topic, LogNo no) {
  metrics_["batches_mended"] += 1;
  if (!topic->open) return;
  TopicExtra& e = extra(topic);
  e.rebuild_wanted = true;  // the indexes may have been made without them
  const sync::LogEntry& entry = topic->logs[no];
  if (entry.pending.device == identity_->id() && entry.durable.cut < entry.durable.length)
    e.uncounted.push_back({author::Uncounted::Why::voided, {no, entry.durable.cut, 0, {}, {}}});
  begin_search(topic, no);
}

void Node::Impl::report_holes() {
  bool any = rows_lost_, unreadable = unreadable_lost_;
  for (const auto& [no, e] : extras_) unreadable |= e.own_unreadable;
  for (const auto& [no, topic] : topics_)
    for (const sync::LogEntry& entry : topic->logs) {
      bool given_up = entry.pending.device == identity_->id() && entry.durable.hole == entry.durable.cut &&
                      entry.durable.hole != log::no_cut;
      any |= entry.durable.hole < entry.durable.cut || given_up;
    }
  const char* text = unreadable ? unreadable_text : any ? lost_text : nullptr;
  if (text == holes_reported_ || (text == lost_text && holes_reported_ == gone_text)) return;
  if (text) trouble(Code::storage_lost, text);
  else no_trouble(Code::storage_lost);
  holes_reported_ = text;
}

}  // namespace perdure
