// What follows from a fork: of another's log nothing counts from there on; of our own, the branch that our rows have lost (or
// never had) is fetched, so that its ops can be appended again in a new incarnation.
#include "log/batch.hpp"
#include "log/nodes.hpp"
#include "sync/fork_proof.hpp"
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
  plead(topic, no);
  for (auto& [link, e] : found->exchanges) probe_beyond_void(*found, e, tag_of(e.session, topic->logs[no].pending.id));
}

// Their tree goes on from the leaf that differs; so does ours. Both heads are signed.
void Sync::prove_fork(TopicSync& t, Exchange& e, const wire::Proof& proof) {
  const ForkSearch closed = e.fork_searches[proof.log];
  e.fork_searches.erase(proof.log);
  TopicPtr topic = t.topic;
  const store::LogNo no = e.tags[proof.log];
  using Proved = std::optional<wire::Fork>;
  respond<Proved>(
      topic, e,
      [topic, no, proof, at = closed.index, leaf = closed.theirs](store::Rows& rows) -> Proved {
        auto state = read_state(rows, *topic, no);
        if (!state || proof.size != at + 1) return std::nullopt;
        log::StoredNodes nodes(rows, topic->no, no, *state);
        auto shared = log::peaks_of(nodes, at);
        auto ours = branch_from(nodes, *state, at);
        if (!shared || !ours) return std::nullopt;
        log::Peaks theirs = *shared;
        theirs.append(leaf);
        if (theirs.hashes != proof.peaks) return std::nullopt;  // they hold another branch by now
        return wire::Fork{
            at, shared->hashes, *ours, {leaf, proof.completion, proof.length, proof.ops, proof.time, proof.signature}};
      },
      [this, topic, no](SaveOutcome, const Proved& fork) {
        if (fork && topic->loaded) convict(topic, no, *fork);
      });
}

// From where its author signed two histories nothing of a log counts; that it did is kept, and told to who does not know it.
void Sync::convict(const TopicPtr& topic, store::LogNo no, const wire::Fork& fork) {
  transactions_.run<Taken>(
      topic->queue(),
      [this, topic, no, fork](store::Rows& rows) {
        Taken result;
        auto state = read_state(rows, *topic, no);
        if (!state || fork.at >= state->forked_from) return result;
        rows.put(store::key('F', topic->no, no), wire::encode_body(fork));
        if (topic->keys) {
          Merge merge(rows, *topic, host_.corrected_now_ms());
          merge.cut(no, fork.at, true);
          merge.finish(result.updates, result.changes, result.counters);
          if (merge.gave_up(result.damage)) return result;
        } else {
          state->forked_from = fork.at;
          log::save_state(rows, topic->no, no, *state);
          result.counters = topic->counters;
        }
        if (auto now = read_state(rows, *topic, no);
            now && std::ranges::none_of(result.updates, [&](const LogUpdate& u) { return u.no == no; }))
          result.updates.push_back({no, durable_of(rows, *topic, no, *now)});
        if (rows.missed()) return result;
        for (const LogUpdate& update : result.updates) topic->build_on(update);
        return result;
      },
      [this, topic, no, fork](SaveOutcome saved, const Taken& result) {
        if (saved == SaveOutcome::ok && result.damage) host_.damaged(topic, result.damage);  // the fork is found again
        if (saved != SaveOutcome::ok || !topic->open || result.damage.indexes || result.updates.empty()) return;
        for (const LogUpdate& update : result.updates) topic->apply(update);
        topic->counters = result.counters;
        host_.count("forks", 1);
        host_.stored(topic, result.changes);
        auto found = topics_.find(topic->no);
        if (found == topics_.end()) return;
        for (auto& [other, e] : found->second.exchanges) {
          for (const LogUpdate& update : result.updates)
            send(e, wire::Items{{item_of(tag_of(e.session, topic->logs[update.no].pending.id), update.durable)}});
          const auto tag = tag_of(e.session, topic->logs[no].pending.id);
          if (e.shown.insert(tag).second) send(e, wire::ForkProof{tag, fork});
        }
      });
}

// They speak of more of a log than counts since its fork is known: they have not heard of that.
void Sync::show_fork(TopicSync& t, Exchange& e, const wire::LogTag& tag) {
  const auto known = e.tags.find(tag);
  if (known == e.tags.end()) return;
  const Durable& held = t.topic->logs[known->second].durable;
  if (held.forked == log::no_cut) return;
  const auto their = e.theirs.find(tag);
  if (their == e.theirs.end() || (their->second.cut <= held.forked && their->second.length <= held.spoken())) return;
  if (!e.shown.insert(tag).second) return;
  TopicPtr topic = t.topic;
  using Kept = std::optional<wire::Fork>;
  const bool asked = respond<Kept>(
      topic, e,
      [topic, no = known->second](store::Rows& rows) -> Kept {
        auto row = rows.get(store::key('F', topic->no, no));
        return row ? wire::decode_body<wire::Fork>(*row) : std::nullopt;
      },
      [this, topic, link = e.link, tag](SaveOutcome saved, const Kept& fork) {
        Exchange* ex = find(topic, link);
        if (saved == SaveOutcome::ok && fork && ex && ex->tags.contains(tag)) send(*ex, wire::ForkProof{tag, *fork});
      });
  if (!asked) e.shown.erase(tag);  // when they speak of it again
}

void Sync::on_fork_proof(TopicSync& t, Exchange& e, const wire::ForkProof& proof) {
  const auto known = e.tags.find(proof.log);
  if (known == e.tags.end()) return;
  const store::LogNo no = known->second;
  const LogEntry& entry = t.topic->logs[no];
  e.shown.insert(proof.log);
  if (proof.fork.at >= entry.durable.forked) return;
  if (!proves_fork(t.topic->network, t.topic->id, entry.pending, proof.fork)) return host_.fault(e.link, Fault::forged);
  if (!is_own(*t.topic, no) || entry.durable.cut <= proof.fork.at) return convict(t.topic, no, proof.fork);
  // Of ours: what stands behind that is said again, and first what the other branch says, if they have it.
  auto [kept, fresh] = t.accused.emplace(no, proof.fork);
  if (!fresh && proof.fork.at < kept->second.at) kept->second = proof.fork;
  e.suspects.insert(proof.log);
}

// Another life of ours has signed another history, and nobody was found who has it: what of this one counts for those alone who have not
// heard of it is said again. False if there is nothing of the kind.
bool Sync::plead(const TopicPtr& topic, store::LogNo no) {
  TopicSync* t = known(topic);
  if (!t || !t->accused.contains(no)) return false;
  const wire::Fork fork = t->accused[no];
  if (fork.at < topic->logs[no].durable.cut) return host_.lost_own(topic, {no, fork.at, fork.at, {}, {}}), true;
  t->accused.erase(no);
  convict(topic, no, fork);
  return false;
}

// A branch that was looked through before is let be.
void Sync::begin_branch_fetch(const TopicPtr& topic, LinkId link, wire::LogTag tag, store::LogNo no, u64 at,
                              const ForkSearch& search) {
  using Shared = std::optional<log::Peaks>;
  transactions_.run<Shared>(
      topic->queue(),
      [topic, no, at, root = search.root, length = search.length](store::Rows& rows) -> Shared {
        auto state = read_state(rows, *topic, no);
        if (!state) return std::nullopt;
        Reappended done(rows, topic->no, no);
        if (done.knows_branch(root)) return std::nullopt;
        log::StoredNodes nodes(rows, topic->no, no, *state);
        auto ours = length <= state->held ? log::peaks_of(nodes, length) : std::nullopt;
        if (ours && ours->root() == root && length <= state->hole) return std::nullopt;  // a part of what our rows hold
        return log::peaks_of(nodes, at);
      },
      [this, topic, link, tag, no, at, length = search.length](SaveOutcome, const Shared& peaks) {
        Exchange* e = find(topic, link);
        if (!e || !topic->loaded || e->branch_fetches.contains(tag)) return;
        if (!peaks) return void(plead(topic, no));
        e->branch_fetches[tag] = {{no, at, at, {}, {}}, length, *peaks, 0};
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
  u32 request = r->second.request = e.next_request++;
  e.pulls.emplace(request, Pull{tag, r->second.peaks.size, r->second.length, want_bytes_max, now_.steady_ms});
  e.pull_bytes += want_bytes_max;
  send(e, wire::Want{tag, r->second.peaks.size, r->second.length, want_bytes_max}, request);
}

// True if the page belongs to a fetch, and then all is done with it: one that is forged has taken the exchange with it.
bool Sync::on_branch_page(TopicSync& t, Exchange& e, const wire::LogTag& tag, u32 request, const wire::Page& page) {
  auto found = e.branch_fetches.find(tag);
  if (found == e.branch_fetches.end()) return false;
  host_.charge(e.link, wire::work_per_page_taken + page.batches.size() * wire::work_per_batch);
  const bool goes_on = page.from == found->second.peaks.size;  // else it was asked for before the fetch began
  const bool of_fetch = request != 0 && request == found->second.request;
  if (!extend_branch(t, e, tag, found->second, page)) return host_.fault(e.link, Fault::forged), true;
  auto asked = e.pulls.find(request);
  if (goes_on && asked != e.pulls.end()) asked->second.heard_ms = now_.steady_ms, asked->second.got = true;
  const bool in_vain = of_fetch && page.last && asked != e.pulls.end() && !asked->second.got;
  if (page.last) end_pull(t, e, request);
  if (in_vain) end_branch_fetch(e, tag);
  want_branch(e, tag);
  return true;
}

// The page is checked against the part that both branches share and never enters the log. False if it is forged. The fetch may have ended.
bool Sync::extend_branch(TopicSync& t, Exchange& e, const wire::LogTag& tag, BranchFetch& fetch,
                         const wire::Page& page) {
  Topic& topic = *t.topic;
  const crdt::LogName& name = topic.logs[fetch.branch.no].pending;
  if (page.from != fetch.peaks.size) return true;  // asked for before the fetch began
  log::Peaks peaks = fetch.peaks;
  for (const Bytes& sealed : page.batches) peaks.append(log::leaf_hash(sealed));
  auto root = log::complete(peaks, page.length, page.completion);
  log::Head head{page.length, page.ops, HybridTime{page.time}, page.signature};
  if (!root || !log::verify_head(topic.network, topic.id, name.device, name.incarnation, *root, head)) return false;
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
    e.branch_fetches.erase(tag);
  }
  host_.lost_own(t.topic, std::move(branch));
  return true;
}

}  // namespace perdure::sync
