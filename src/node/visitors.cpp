// Who has entered which topic at an anchor, by address: what one address brought to topics that nobody else has entered is bounded.
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

}  // namespace perdure
