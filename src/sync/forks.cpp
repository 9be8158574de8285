// A head that does not fit blames nobody yet: the peer shows its tree, signed by the author; if it differs from ours within what
// both hold, the author signed two histories, and bisection finds the first leaf that differs.
#include <bit>

#include "log/nodes.hpp"
#include "sync/sync.hpp"

namespace perdure::sync {

void Sync::begin_fork_search(TopicSync& t, Exchange& e, const wire::LogTag& tag, bool by_page) {
  auto known = e.tags.find(tag);
  if (known == e.tags.end() || e.fork_searches.contains(tag) || e.branch_fetches.contains(tag)) return;
  const Durable& held = t.topic->logs[known->second].durable;
  if (held.length == 0) return;
  if (t.paused_until != 0 || e.fork_searches.size() >= fork_searches_max) return void(e.suspects.insert(tag));
  e.suspects.erase(tag);
  e.fork_searches[tag].by_page = by_page;
  // Of an own log that we have voided only what lies behind that is in question.
  bool voided = is_own(*t.topic, known->second) && held.cut < held.length;
  send(e, wire::AskProof{tag, voided ? std::max<u64>(held.cut, 1) : held.length});
}

// Whoever speaks of a void of our log may bring the log that declared it: that is waited for.
void Sync::search_suspects(TopicSync& t, Exchange& e) {
  if (t.paused_until != 0 || !e.done_got || !e.pulls.empty() || e.queued_bytes > 0) return;
  for (const wire::LogTag& tag : std::set<wire::LogTag>(e.suspects)) {
    if (e.fork_searches.size() >= fork_searches_max) return;
    e.suspects.erase(tag);
    begin_fork_search(t, e, tag, false);
  }
}

void Sync::on_ask_proof(TopicSync& t, Exchange& e, const wire::AskProof& ask) {
  auto known = e.tags.find(ask.log);
  if (known == e.tags.end() || ask.size == 0 || t.topic->logs[known->second].durable.length == 0) return;
  TopicPtr topic = t.topic;
  using Shown = std::optional<wire::Proof>;
  respond<Shown>(
      topic, e,
      [topic, ask, no = known->second](store::Rows& rows) -> Shown {
        auto state = read_state(rows, *topic, no);
        if (!state || state->held == 0) return std::nullopt;
        log::StoredNodes nodes(rows, topic->no, no, *state);
        u64 size = std::min(ask.size, state->held);
        auto peaks = log::peaks_of(nodes, size);
        auto completion = log::completion(nodes, size, state->head.length);
        if (!peaks || !completion) return std::nullopt;
        return wire::Proof{ask.log,
                           size,
                           peaks->hashes,
                           *completion,
                           state->head.length,
                           state->head.ops,
                           state->head.time.value,
                           state->head.signature};
      },
      [this, topic, no = known->second, link = e.link](SaveOutcome saved, const Shown& proof) {
        if (saved == SaveOutcome::ok && !proof && topic->logs[no].durable.hole == log::no_cut)
          host_.damaged(topic, {false, false, {no}});
        if (Exchange* ex = find(topic, link); ex && proof) send(*ex, *proof);
      });
}

void Sync::on_proof(TopicSync& t, Exchange& e, const wire::Proof& proof) {
  auto search = e.fork_searches.find(proof.log);
  auto known = e.tags.find(proof.log);
  // of a search that is closed
  if (search == e.fork_searches.end() || known == e.tags.end()) return;
  if (search->second.proved && !search->second.parted) return;
  const LogEntry& entry = t.topic->logs[known->second];
  if (proof.size == 0 || proof.size > entry.durable.length || proof.length < proof.size ||
      proof.peaks.size() != static_cast<std::size_t>(std::popcount(proof.size)))
    return host_.fault(e.link, Fault::malformed);
  log::Peaks peaks{proof.size, proof.peaks};
  auto root = log::complete(peaks, proof.length, proof.completion);
  log::Head head{proof.length, proof.ops, HybridTime{proof.time}, proof.signature};
  if (!root ||
      !log::verify_head(t.topic->network, t.topic->id, entry.pending.device, entry.pending.incarnation, *root, head))
    return host_.fault(e.link, Fault::forged);
  if (search->second.parted) return prove_fork(t, e, proof);
  search->second.proved = true;
  search->second.length = proof.length;
  search->second.root = *root;
  compare(t.topic, e, proof.log, proof);
}

// The first peak that differs is where the descent begins.
void Sync::compare(const TopicPtr& topic, Exchange& e, const wire::LogTag& tag, const wire::Proof& proof) {
  store::LogNo no = e.tags[tag];
  using Ours = std::optional<log::Peaks>;
  respond<Ours>(
      topic, e,
      [topic, no, size = proof.size](store::Rows& rows) -> Ours {
        auto state = read_state(rows, *topic, no);
        if (!state || state->held < size) return std::nullopt;
        return log::peaks_of(log::StoredNodes(rows, topic->no, no, *state), size);
      },
      [this, topic, link = e.link, generation = e.generation, tag, no, proof](SaveOutcome, const Ours& ours) {
        Exchange* ex = find(topic, link);
        if (!ex || ex->generation != generation || !topic->loaded || !ex->fork_searches.contains(tag)) return;
        ForkSearch& search = ex->fork_searches[tag];
        if (!ours) return void(ex->fork_searches.erase(tag));
        u64 offset = 0;
        for (std::size_t i = 0; i < proof.peaks.size(); ++i) {
          u32 level = static_cast<u32>(std::bit_width(proof.size - offset)) - 1;
          if (proof.peaks[i] != ours->hashes[i]) {
            search.level = level;
            search.index = offset >> level;
            search.theirs = proof.peaks[i];
            return descend(topics_[topic->no], *ex, tag);
          }
          offset += u64{1} << level;
        }
        ForkSearch closed = search;
        ex->fork_searches.erase(tag);
        if (plead(topic, no)) return;
        const Durable& held = topic->logs[no].durable;
        const u64 at = std::min(proof.size, held.cut);
        bool behind = is_own(*topic, no) && held.cut < held.length && closed.length > at;
        if (behind) return begin_branch_fetch(topic, link, tag, no, at, closed);
        if (closed.by_page)
          host_.fault(link, Fault::forged);  // the author signed one history, and the page was none of it
      });
}

void Sync::descend(TopicSync& t, Exchange& e, const wire::LogTag& tag) {
  ForkSearch& search = e.fork_searches[tag];
  if (search.level > 0) return send(e, wire::AskNodes{tag, search.level, search.index});
  e.parted[tag] = search.index;
  const store::LogNo no = e.tags[tag];
  if (!is_own(*t.topic, no) && search.index < t.topic->logs[no].durable.forked) {
    search.parted = true;
    return send(e, wire::AskProof{tag, search.index + 1});
  }
  ForkSearch closed = search;
  e.fork_searches.erase(tag);
  if (is_own(*t.topic, no)) begin_branch_fetch(t.topic, e.link, tag, no, closed.index, closed);
}

void Sync::on_ask_nodes(TopicSync& t, Exchange& e, const wire::AskNodes& ask) {
  auto known = e.tags.find(ask.log);
  if (known == e.tags.end() || ask.level == 0 || ask.level > 32 || ask.index > log::batches_max) return;
  TopicPtr topic = t.topic;
  using Children = std::optional<std::pair<Hash, Hash>>;
  respond<Children>(
      topic, e,
      [topic, ask, no = known->second](store::Rows& rows) -> Children {
        auto state = read_state(rows, *topic, no);
        if (!state) return std::nullopt;
        log::StoredNodes nodes(rows, topic->no, no, *state);
        auto left = nodes.node(ask.level - 1, ask.index * 2);
        auto right = nodes.node(ask.level - 1, ask.index * 2 + 1);
        if (!left || !right) return std::nullopt;
        return std::pair{*left, *right};
      },
      [this, topic, link = e.link, ask](SaveOutcome, const Children& children) {
        if (Exchange* ex = find(topic, link); ex && children)
          send(*ex, wire::Nodes{ask.log, ask.level, ask.index, children->first, children->second});
      });
}

void Sync::on_nodes(TopicSync& t, Exchange& e, const wire::Nodes& answer) {
  auto search = e.fork_searches.find(answer.log);
  if (search == e.fork_searches.end() || !search->second.proved || search->second.level != answer.level ||
      search->second.index != answer.index)
    return;
  if (log::blake2b_tree.node(answer.left, answer.right) != search->second.theirs)
    return host_.fault(e.link, Fault::forged);
  TopicPtr topic = t.topic;
  store::LogNo no = e.tags[answer.log];
  using Ours = std::optional<Hash>;
  respond<Ours>(
      topic, e,
      [topic, no, answer](store::Rows& rows) -> Ours {
        auto state = read_state(rows, *topic, no);
        if (!state) return std::nullopt;
        return log::StoredNodes(rows, topic->no, no, *state).node(answer.level - 1, answer.index * 2);
      },
      [this, topic, link = e.link, generation = e.generation, answer](SaveOutcome, const Ours& ours) {
        Exchange* ex = find(topic, link);
        if (!ex || ex->generation != generation || !topic->loaded || !ex->fork_searches.contains(answer.log)) return;
        ForkSearch& i = ex->fork_searches[answer.log];
        if (!ours) return void(ex->fork_searches.erase(answer.log));
        bool left = *ours != answer.left;
        i.level = answer.level - 1;
        i.index = answer.index * 2 + (left ? 0 : 1);
        i.theirs = left ? answer.left : answer.right;
        descend(topics_[topic->no], *ex, answer.log);
      });
}

}  // namespace perdure::sync
