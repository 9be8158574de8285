// What follows from a fork: of another's log nothing counts from there on; of our own, the branch that our rows have lost (or
// never had) is fetched, so that its ops can be appended again in a new incarnation.
#include "log/batch.hpp"
#include "log/nodes.hpp"
#include "sync/merge.hpp"
#include "sync/reappended.hpp"
#include "sync/sync.hpp"

namespace perdure::sync {

bool Sync::is_own(const Topic& topic, store::LogNo no) const {
  return topic.keys && topic.logs[no].pending.device == self_.id();
}

// Of a log that we have voided ourselves somebody may hold more than was appended again.
void Sync::probe_beyond_void(TopicSync& t, Exchange& e, const wire::LogTag& tag) {
  auto known = e.tags.find(tag);
  auto their = e.theirs.find(tag);
  if (known == e.tags.end() || their == e.theirs.end() || !is_own(*t.topic, known->second)) return;
  const Durable& held = t.topic->logs[known->second].durable;
  if (held.cut >= held.length) return;
  auto [looked, fresh] = e.looked.emplace(tag, their->second.root);
  if (!fresh && looked->second == their->second.root) return;
  looked->second = their->second.root;
  e.suspects.insert(tag);
}

void Sync::probe_beyond_void(const TopicPtr& topic, store::LogNo no) {
  TopicSync* found = known(topic);
  if (!found) return;
  for (auto& [link, e] : found->exchanges) probe_beyond_void(*found, e, tag_of(e.session, topic->logs[no].pending.id));
}

void Sync::diverged(const TopicPtr& topic, LinkId link, wire::LogTag tag, store::LogNo no, u64 at,
                    const ForkSearch& search) {
  if (is_own(*topic, no)) return begin_branch_fetch(topic, link, tag, no, at, search);
  if (at >= topic->logs[no].durable.cut) return;
  auto result = std::make_shared<Taken>();
  transactions_.run(
      topic->queue(),
      [this, topic, no, at, result](store::Rows& rows) {
        *result = {};
        auto state = read_state(rows, *topic, no);
        if (!state || at >= state->cut()) return;
        if (topic->keys) {
          Merge merge(rows, *topic, host_.corrected_now_ms());
          merge.cut(no, at, true);
          merge.finish(result->updates, result->changes, result->counters);
          if (merge.gave_up(result->damage)) return;
        } else {
          state->forked_from = at;
          log::save_state(rows, topic->no, no, *state);
          result->counters = topic->counters;
          result->updates.push_back({no, durable_of(rows, *topic, no, *state)});
        }
        if (rows.missed()) return;
        for (const LogUpdate& update : result->updates) topic->build_on(update);
      },
      [this, topic, result](SaveOutcome saved) {
        if (saved == SaveOutcome::ok && result->damage)
          host_.damaged(topic, result->damage);  // the fork is found again
        if (saved != SaveOutcome::ok || !topic->open || result->damage.indexes || result->updates.empty()) return;
        for (const LogUpdate& update : result->updates) topic->apply(update);
        topic->counters = result->counters;
        host_.count("forks", 1);
        host_.stored(topic, result->changes);
        auto found = topics_.find(topic->no);
        if (found == topics_.end()) return;
        for (const LogUpdate& update : result->updates)
          for (auto& [other, e] : found->second.exchanges)
            send(e, wire::Items{{item_of(e.session, topic->logs[update.no])}});
      });
}

// A branch that was looked through before is let be.
void Sync::begin_branch_fetch(const TopicPtr& topic, LinkId link, wire::LogTag tag, store::LogNo no, u64 at,
                              const ForkSearch& search) {
  auto peaks = std::make_shared<std::optional<log::Peaks>>();
  transactions_.run(
      topic->queue(),
      [=, root = search.root, length = search.length](store::Rows& rows) {
        peaks->reset();
        auto state = read_state(rows, *topic, no);
        if (!state) return;
        Reappended done(rows, topic->no, no);
        if (done.knows_branch(root)) return;
        log::StoredNodes nodes(rows, topic->no, no, *state);
        auto ours = length <= state->held ? log::peaks_of(nodes, length) : std::nullopt;
        if (ours && ours->root() == root && length <= state->hole) return;  // a part of what our rows hold
        *peaks = log::peaks_of(nodes, at);
      },
      [this, topic, link, tag, no, at, length = search.length, peaks](SaveOutcome) {
        Exchange* e = find(topic, link);
        if (!e || !topic->loaded || !*peaks || e->branch_fetches.contains(tag)) return;
        e->branch_fetches[tag] = {{no, at, at, {}, {}}, length, **peaks, 0};
        e->stuck.erase(tag);
        want_branch(*e, tag);
      });
}

void Sync::end_branch_fetch(Exchange& e, const wire::LogTag& tag) {
  e.branch_fetches.erase(tag);  // at the next greeting it is asked for again
}

void Sync::want_branch(Exchange& e, const wire::LogTag& tag) {
  auto r = e.branch_fetches.find(tag);
  if (r == e.branch_fetches.end()) return;
  for (const auto& [request, pull] : e.pulls)
    if (pull.log == tag) return;
  u32 request = e.next_request++;
  e.pulls.emplace(request, Pull{tag, r->second.peaks.size, want_bytes_max, now_.steady_ms});
  e.pull_bytes += want_bytes_max;
  send(e, wire::Want{tag, r->second.peaks.size, r->second.length, want_bytes_max}, request);
}

// True if the page belongs to a fetch. It is checked against the part that both branches share and never enters the log.
bool Sync::on_branch_page(TopicSync& t, Exchange& e, const wire::LogTag& tag, const wire::Page& page) {
  auto found = e.branch_fetches.find(tag);
  if (found == e.branch_fetches.end()) return false;
  BranchFetch& fetch = found->second;
  Topic& topic = *t.topic;
  const crdt::LogName& name = topic.logs[fetch.branch.no].pending;
  if (page.from != fetch.peaks.size) return true;  // asked for before the fetch began
  log::Peaks peaks = fetch.peaks;
  for (const Bytes& sealed : page.batches) peaks.append(log::leaf_hash(sealed));
  auto root = log::complete(peaks, page.length, page.completion);
  log::Head head{page.length, page.ops, HybridTime{page.time}, page.signature};
  if (!root || !log::verify_head(topic.network, topic.id, name.device, name.incarnation, *root, head)) {
    e.branch_fetches.erase(found);
    host_.fault(e.link, Fault::forged);
    return true;
  }
  for (const Bytes& sealed : page.batches) fetch.bytes += sealed.size();
  fetch.branch.sealed.insert(fetch.branch.sealed.end(), page.batches.begin(), page.batches.end());
  fetch.peaks = std::move(peaks);
  bool whole = fetch.peaks.size >= fetch.length;
  if (!whole && fetch.bytes < branch_portion) return true;
  Branch branch = std::move(fetch.branch);
  fetch.branch = {branch.no, branch.from, fetch.peaks.size, {}, {}};
  fetch.bytes = 0;
  if (whole) {
    branch.root = fetch.peaks.root();
    e.branch_fetches.erase(found);
  }
  host_.lost_own(t.topic, std::move(branch));
  return true;
}

}  // namespace perdure::sync
