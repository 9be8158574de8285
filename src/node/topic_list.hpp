// The list of topics, as the app is told of it: the whole once, then what has changed. Its cost is that of what changes, not of what is listed.
//
//     if (!list.told()) …                          // all topics are looked at, and from then on those in which something happened:
//     list.look(no, TopicOut{no, id, name});       // how it is listed now, or that it is not
//     if (auto notice = list.take()) actions.push_back(std::move(*notice));
#pragma once

#include <perdure/events.hpp>

#include <map>
#include <set>

#include "store/keys.hpp"

namespace perdure {

class TopicList {
 public:
  bool told() const { return told_; }  // the whole
  void look(store::TopicNo, std::optional<TopicOut> now);
  // What differs from what was told, in the order of the topics' numbers. The first is the whole list; later there may be nothing to tell.
  std::optional<TopicsNotice> take();
  bool says(store::TopicNo, const std::optional<TopicOut>& now) const;  // so it is listed here

 private:
  std::map<store::TopicNo, TopicOut> listed_;
  std::set<store::TopicNo> changed_;  // since it was told
  bool told_ = false;
};

}  // namespace perdure
