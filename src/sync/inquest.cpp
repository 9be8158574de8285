// A head that does not fit blames nobody yet: the peer shows its tree, signed by the author; if it differs from ours within what
// both hold, the author signed two histories, and bisection finds the first leaf that differs.
#include <bit>

#include "log/nodes.hpp"
#include "sync/sync.hpp"

namespace perdure::sync {

void Sync::open_inquest(TopicSync& t, Exchange& e, const wire::LogTag& tag, bool by_page) {
  auto known = e.tags.find(tag);
  if (known == e.tags.end() || e.inquests.contains(tag) || e.rescues.contains(tag)) return;
  const Durable& held = t.topic->logs[known->second].durable;
  if (held.length == 0) return;
  if (t.paused_until != 0 || e.inquests.size() >= inquests_max) return void(e.doubted.insert(tag));
  e.doubted.erase(tag);
  e.inquests[tag].by_page = by_page;
  // Of an own log that we have voided only what lies behind that is in question.
  bool voided = is_own(*t.topic, known->second) && held.cut < held.length;
  send(e, wire::AskProof{tag, voided ? std::max<u64>(held.cut, 1) : held.length});
}

// Whoever speaks of a void of our log may bring the log that declared it: that is waited for.
void Sync::open_doubted(TopicSync& t, Exchange& e) {
  if (t.paused_until != 0 || !e.done_got || !e.pulls.empty() || e.queued_bytes > 0) return;
  for (const wire::LogTag& tag : std::set<wire::LogTag>(e.doubted)) {
    if (e.inquests.size() >= inquests_max) return;
    e.doubted.erase(tag);
    open_inquest(t, e, tag, false);
  }
}

void Sync::on_ask_proof(TopicSync& t, Exchange& e, const wire::AskProof& ask) {
  auto known = e.tags.find(ask.log);
  if (known == e.tags.end() || ask.size == 0) return;
  TopicPtr topic = t.topic;
  auto proof = std::make_shared<std::optional<wire::Proof>>();
  respond(
      topic, e,
      [=, no = known->second](store::Rows& rows) {
        proof->reset();
        auto state = read_state(rows, *topic, no);
        if (!state || state->held == 0) return;
        log::StoredNodes nodes(rows, topic->no, no, *state);
        u64 size = std::min(ask.size, state->held);
        auto peaks = log::peaks_of(nodes, size);
        auto completion = log::completion(nodes, size, state->head.length);
        if (!peaks || !completion) return;
        *proof = wire::Proof{ask.log,
                             size,
                             peaks->hashes,
                             *completion,
                             state->head.length,
                             state->head.ops,
                             state->head.time.value,
                             state->head.signature};
      },
      [this, topic, no = known->second, link = e.link, proof](SaveOutcome saved) {
        if (saved == SaveOutcome::ok && !*proof) host_.damaged(topic, {false, false, {no}});
        if (Exchange* ex = find(topic, link); ex && *proof) send(*ex, **proof);
      });
}

void Sync::on_proof(TopicSync& t, Exchange& e, const wire::Proof& proof) {
  auto inquest = e.inquests.find(proof.log);
  auto known = e.tags.find(proof.log);
  // of an inquest that is closed
  if (inquest == e.inquests.end() || known == e.tags.end() || inquest->second.proved) return;
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
  inquest->second.proved = true;
  inquest->second.length = proof.length;
  inquest->second.root = *root;
  compare(t.topic, e, proof.log, proof);
}

// The first peak that differs is where the descent begins.
void Sync::compare(const TopicPtr& topic, Exchange& e, const wire::LogTag& tag, const wire::Proof& proof) {
  auto ours = std::make_shared<std::optional<log::Peaks>>();
  store::LogNo no = e.tags[tag];
  respond(
      topic, e,
      [=](store::Rows& rows) {
        ours->reset();
        auto state = read_state(rows, *topic, no);
        if (state && state->held >= proof.size)
          *ours = log::peaks_of(log::StoredNodes(rows, topic->no, no, *state), proof.size);
      },
      [this, topic, link = e.link, generation = e.generation, tag, no, proof, ours](SaveOutcome) {
        Exchange* ex = find(topic, link);
        if (!ex || ex->generation != generation || !topic->loaded || !ex->inquests.contains(tag)) return;
        Inquest& inquest = ex->inquests[tag];
        if (!*ours) return void(ex->inquests.erase(tag));
        u64 offset = 0;
        for (std::size_t i = 0; i < proof.peaks.size(); ++i) {
          u32 level = static_cast<u32>(std::bit_width(proof.size - offset)) - 1;
          if (proof.peaks[i] != (*ours)->hashes[i]) {
            inquest.level = level;
            inquest.index = offset >> level;
            inquest.theirs = proof.peaks[i];
            return descend(topics_[topic->no], *ex, tag);
          }
          offset += u64{1} << level;
        }
        Inquest closed = inquest;
        ex->inquests.erase(tag);
        const Durable& held = topic->logs[no].durable;
        const u64 at = std::min(proof.size, held.cut);
        bool behind = is_own(*topic, no) && held.cut < held.length && closed.length > at;
        if (behind) return begin_rescue(topic, link, tag, no, at, closed);
        if (closed.by_page)
          host_.fault(link, Fault::forged);  // the author signed one history, and the page was none of it
      });
}

void Sync::descend(TopicSync& t, Exchange& e, const wire::LogTag& tag) {
  Inquest& inquest = e.inquests[tag];
  if (inquest.level > 0) return send(e, wire::AskNodes{tag, inquest.level, inquest.index});
  Inquest closed = inquest;
  e.inquests.erase(tag);
  parted(t.topic, e.link, tag, e.tags[tag], closed.index, closed);
}

void Sync::on_ask_nodes(TopicSync& t, Exchange& e, const wire::AskNodes& ask) {
  auto known = e.tags.find(ask.log);
  if (known == e.tags.end() || ask.level == 0 || ask.level > 32 || ask.index > log::batches_max) return;
  TopicPtr topic = t.topic;
  auto children = std::make_shared<std::optional<std::pair<Hash, Hash>>>();
  respond(
      topic, e,
      [=, no = known->second](store::Rows& rows) {
        children->reset();
        auto state = read_state(rows, *topic, no);
        if (!state) return;
        log::StoredNodes nodes(rows, topic->no, no, *state);
        auto left = nodes.node(ask.level - 1, ask.index * 2);
        auto right = nodes.node(ask.level - 1, ask.index * 2 + 1);
        if (left && right) *children = {*left, *right};
      },
      [this, topic, link = e.link, ask, children](SaveOutcome) {
        if (Exchange* ex = find(topic, link); ex && *children)
          send(*ex, wire::Nodes{ask.log, ask.level, ask.index, (*children)->first, (*children)->second});
      });
}

void Sync::on_nodes(TopicSync& t, Exchange& e, const wire::Nodes& answer) {
  auto inquest = e.inquests.find(answer.log);
  if (inquest == e.inquests.end() || !inquest->second.proved || inquest->second.level != answer.level ||
      inquest->second.index != answer.index)
    return;
  if (log::blake2b_tree.node(answer.left, answer.right) != inquest->second.theirs)
    return host_.fault(e.link, Fault::forged);
  TopicPtr topic = t.topic;
  store::LogNo no = e.tags[answer.log];
  auto ours = std::make_shared<std::optional<Hash>>();
  respond(
      topic, e,
      [=](store::Rows& rows) {
        ours->reset();
        if (auto state = read_state(rows, *topic, no))
          *ours = log::StoredNodes(rows, topic->no, no, *state).node(answer.level - 1, answer.index * 2);
      },
      [this, topic, link = e.link, generation = e.generation, answer, ours](SaveOutcome) {
        Exchange* ex = find(topic, link);
        if (!ex || ex->generation != generation || !topic->loaded || !ex->inquests.contains(answer.log)) return;
        Inquest& i = ex->inquests[answer.log];
        if (!*ours) return void(ex->inquests.erase(answer.log));
        bool left = **ours != answer.left;
        i.level = answer.level - 1;
        i.index = answer.index * 2 + (left ? 0 : 1);
        i.theirs = left ? answer.left : answer.right;
        descend(topics_[topic->no], *ex, answer.log);
      });
}

}  // namespace perdure::sync
