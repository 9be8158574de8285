// Who has entered which topic at an anchor, by address: what one address brought to topics that nobody else has entered is bounded. And who
// makes room for one link more.
#include <algorithm>

#include "codec/bytes.hpp"
#include "node/impl.hpp"

namespace perdure {

void Node::Impl::entered_from(const peers::Link& link, const TopicPtr& topic, bool fresh) {
  if (fresh) return addresses_.first(topic->no, link.address);
  auto before = addresses_.enter(topic->no, link.address);
  if (!before) return;
  if (before->stored)
    transactions_.run(
        topic->queue(), [key = store::key('E', topic->no)](store::Rows& rows) { rows.erase(key); }, [](SaveOutcome) {});
  if (before->refused && topic->loaded) sync_.reload(topic, now_, false);  // what was refused is wanted now
}

void Node::Impl::take_addresses(const std::vector<std::pair<Bytes, Bytes>>& rows) {
  for (const auto& [key, value] : rows) {
    codec::Reader k(ByteView(key).subspan(1));
    const TopicNo no = k.be32();
    if (k.done()) addresses_.first(no, value, true);
  }
}

// Once the topic holds anything: nothing is kept for those that do not.
void Node::Impl::save_address(const TopicPtr& topic) {
  Addresses::Alone* alone = addresses_.of(topic->no);
  if (!alone) return;
  addresses_.count(topic->no, topic->bytes);
  if (std::exchange(alone->stored, true)) return;
  transactions_.run(
      topic->queue(),
      [key = store::key('E', topic->no), row = alone->address](store::Rows& rows) { rows.put(key, row); },
      [this, topic](SaveOutcome saved) {
        if (Addresses::Alone* still = addresses_.of(topic->no); still && saved != SaveOutcome::ok)
          still->stored = false;
      });
}

bool Node::Impl::beyond_address(const Topic& topic, u64 bytes) {
  if (!serves_all() || addresses_.with(topic.no, topic.bytes + bytes) <= config_.quotas.address_bytes) return false;
  addresses_.of(topic.no)->refused = true;
  return true;
}

// Whether an anchor's link takes part in anything: a topic in which something was said, or somebody else is, or that it is to serve.
bool Node::Impl::shares(const peers::Link& link) const {
  if (link.admitted && config_.tokens) return true;
  std::size_t looked = 0;
  for (const auto& [alias, no] : link.their_aliases) {
    if (++looked > params::aliases_looked_at) break;
    auto topic = topics_.find(no);
    if (topic == topics_.end()) continue;
    if (!topic->second->loaded || !topic->second->logs.empty() || served_.contains(topic->second->id) ||
        sync_.links(topic->second).size() > 1)
      return true;
  }
  return false;
}

// Who makes room for one more: of the links that share nothing the oldest, of the address that has most of them. Nobody if all do, or
// have only just come.
peers::Link* Node::Impl::least_wanted() {
  struct Idle {
    std::size_t count = 0;
    peers::Link* oldest = nullptr;
  };
  std::map<Bytes, Idle> idle;
  for (auto& [id, link] : links_) {
    if (link->refusal || link->kind != LinkKind::websocket || shares(*link)) continue;
    Idle& of = idle[link->address];
    ++of.count;
    if (!of.oldest || link->opened_ms < of.oldest->opened_ms) of.oldest = link.get();
  }
  const Idle* most = nullptr;
  for (const auto& [address, of] : idle) {
    if (of.count <= params::idle_links_max && of.oldest->opened_ms + params::settling_ms > now_.steady_ms) continue;
    if (!most || of.count > most->count || (of.count == most->count && of.oldest->opened_ms < most->oldest->opened_ms))
      most = &of;
  }
  return most ? most->oldest : nullptr;
}

}  // namespace perdure
