// What follows from a fork: of another's log nothing counts from there on; of our own, the branch that our rows have lost (or
// never had) is fetched, so that its ops can be appended again in a new incarnation.
#include "log/batch.hpp"
#include "log/nodes.hpp"
#include "sync/merge.hpp"
#include "sync/sync.hpp"

namespace perdure::sync {

void Sync::parted(const TopicPtr& topic, LinkId link, wire::LogTag tag, store::LogNo no, u64 at, u64 length) {
  const LogEntry& entry = topic->logs[no];
  if (at >= entry.held.cut) return;
  if (topic->keys && entry.working.device == self_.id()) return begin_rescue(topic, link, tag, no, at, length);
  auto result = std::make_shared<Taken>();
  desk_.run(topic->queue(), [this, topic, no, at, result](store::Rows& rows) {
    *result = {};
    auto state = read_state(rows, *topic, no);
    if (!state || at >= state->cut()) return;
    if (topic->keys) {
      Merge merge(rows, *topic, host_.corrected_now_ms());
      merge.cut(no, at, true);
      merge.finish(result->updates, result->changes, result->counters);
    } else {
      state->forked_from = at;
      rows.put(store::key('L', topic->no, no), log::encode_state(*state));
      result->counters = topic->counters;
      result->updates.push_back({no, held_of(rows, *topic, no, *state)});
    }
    if (rows.missed()) return;
    for (const LogUpdate& update : result->updates) topic->logs[update.no].working.cut = update.held.cut;
  }, [this, topic, result](SaveOutcome saved) {
    if (saved != SaveOutcome::ok || result->updates.empty()) return;
    for (const LogUpdate& update : result->updates) topic->apply(update);
    topic->counters = result->counters;
    host_.count("forks", 1);
    host_.stored(topic, result->changes);
    for (const LogUpdate& update : result->updates)
      for (auto& [other, e] : topics_[topic->no].exchanges) send(e, wire::Items{{item_of(e.session, topic->logs[update.no])}});
  });
}

void Sync::begin_rescue(const TopicPtr& topic, LinkId link, wire::LogTag tag, store::LogNo no, u64 at, u64 length) {
  auto peaks = std::make_shared<std::optional<log::Peaks>>();
  desk_.run(topic->queue(), [=](store::Rows& rows) {
    peaks->reset();
    if (auto state = read_state(rows, *topic, no)) *peaks = log::peaks_of(log::StoredNodes(rows, topic->no, no, *state), at);
  }, [this, topic, link, tag, no, at, length, peaks](SaveOutcome) {
    Exchange* e = find(topic, link);
    if (!e || !*peaks || e->rescues.contains(tag)) return;
    e->rescues[tag] = {no, at, length, **peaks, {}, 0};
    e->stuck.erase(tag);
    want_rescue(*e, tag);
  });
}

void Sync::want_rescue(Exchange& e, const wire::LogTag& tag) {
  auto r = e.rescues.find(tag);
  if (r == e.rescues.end()) return;
  for (const auto& [request, pull] : e.pulls) if (pull.log == tag) return;
  u32 request = e.next_request++;
  e.pulls.emplace(request, Pull{tag, want_bytes_max, now_.steady_ms});
  e.pull_bytes += want_bytes_max;
  send(e, wire::Want{tag, r->second.peaks.size, r->second.length, want_bytes_max}, request);
}

// True if the page belongs to a rescue. It is checked against the part that both branches share and never enters the log.
bool Sync::on_rescue_page(TopicSync& t, Exchange& e, const wire::LogTag& tag, const wire::Page& page) {
  auto found = e.rescues.find(tag);
  if (found == e.rescues.end()) return false;
  Rescue& rescue = found->second;
  Topic& topic = *t.topic;
  const crdt::LogName& name = topic.logs[rescue.no].working;
  if (page.from != rescue.peaks.size) return true;    // asked for before the rescue began
  log::Peaks peaks = rescue.peaks;
  for (const Bytes& sealed : page.batches) peaks.append(log::leaf_hash(sealed));
  auto root = log::complete(peaks, page.length, page.completion);
  log::Head head{page.length, page.ops, HybridTime{page.time}, page.signature};
  if (!root || !log::verify_head(topic.network, topic.id, name.device, name.incarnation, *root, head)) {
    e.rescues.erase(found);
    host_.fault(e.link, Fault::forged);
    return true;
  }
  u64 index = page.from;
  for (const Bytes& sealed : page.batches) {
    auto plain = log::unseal_batch(*topic.keys, {topic.network, topic.id, name.id, index++}, sealed);
    if (!plain) continue;
    auto batch = log::decode_batch(*plain, name.id);
    if (!batch) continue;
    rescue.bytes += sealed.size();
    if (rescue.bytes <= rescue_bytes_max) std::move(batch->ops.begin(), batch->ops.end(), std::back_inserter(rescue.ops));
  }
  rescue.peaks = std::move(peaks);
  if (rescue.peaks.size >= rescue.length) {
    Rescue whole = std::move(rescue);
    e.rescues.erase(found);
    host_.lost_own(t.topic, whole.no, whole.at, std::move(whole.ops));
  }
  return true;
}

}  // namespace perdure::sync
