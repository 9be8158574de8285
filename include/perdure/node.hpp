// The whole core behind one function.
//
//     perdure::Node node(config);
//     Turn turn = node.handle(now, {Start{}});
//     for (Action& action : turn.actions) perform(action);      // results come back as events, in later turns
//     wake_at(turn.deadline_ms);
//
// Equal config and equal events give equal actions, byte for byte. What remote peers send never raises an error here.
#pragma once

#include <perdure/config.hpp>
#include <perdure/events.hpp>

#include <memory>

namespace perdure {

class Node {
 public:
  explicit Node(Config config);
  ~Node();
  Node(Node&&) noexcept;
  Node& operator=(Node&&) noexcept;

  Turn handle(Instant now, std::vector<Event> events);
  const DeviceId& id() const;

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

// The topic that an invite leads to, in whatever network: what an anchor that is to serve it needs to know, and no more. bad_invite says
// what is wrong with the text.
Result<TopicId> topic_of_invite(std::string_view invite);

}  // namespace perdure
