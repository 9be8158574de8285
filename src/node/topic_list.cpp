#include "node/topic_list.hpp"

namespace perdure {

namespace {

bool same(const TopicOut& a, const TopicOut& b) {
  return a.id == b.id && a.name == b.name && a.unread == b.unread && a.last_activity_ms == b.last_activity_ms;
}

}  // namespace

bool TopicList::says(store::TopicNo no, const std::optional<TopicOut>& now) const {
  auto here = listed_.find(no);
  return here == listed_.end() ? !now : now && same(here->second, *now);
}

void TopicList::look(store::TopicNo no, std::optional<TopicOut> now) {
  if (says(no, now)) return;
  changed_.insert(no);
  if (now) listed_.insert_or_assign(no, std::move(*now));
  else listed_.erase(no);
}

std::optional<TopicsNotice> TopicList::take() {
  const bool whole = !std::exchange(told_, true);
  if (!whole && changed_.empty()) return std::nullopt;
  TopicsNotice notice{whole, {}, {}};
  for (store::TopicNo no : std::exchange(changed_, {})) {
    if (auto here = listed_.find(no); here != listed_.end()) notice.topics.push_back(here->second);
    else if (!whole) notice.ended.push_back(no);
  }
  return notice;
}

}  // namespace perdure
