// What links have spent of what wire/table.hpp allows, each by itself and all of one address together; who owes waits.
#include <algorithm>

#include "node/impl.hpp"

namespace perdure {

using peers::Link;

void Node::Impl::charge(LinkId id, u64 work) {
  auto link = links_.find(id);
  if (link == links_.end()) return;
  link->second->spent.work.charge(now_.steady_ms, wire::link_work, work);
  link->second->shared->work.charge(now_.steady_ms, wire::address_work, work);
}

Budget* Node::Impl::acks(LinkId id, sync::AckWay way) {
  auto link = links_.find(id);
  if (link == links_.end()) return nullptr;
  switch (way) {
    case sync::AckWay::own: return &link->second->acks_said;
    case sync::AckWay::passed: return &link->second->acks_passed;
    case sync::AckWay::passed_to: return &link->second->acks_passed_to;
    case sync::AckWay::kept: return &link->second->acks_kept;
  }
  return nullptr;
}

u64* Node::Impl::told_ms(LinkId id) {
  auto link = links_.find(id);
  return link == links_.end() ? nullptr : &link->second->shared->told_ms;
}

u64 Node::Impl::rested_at(LinkId id) const {
  auto link = links_.find(id);
  if (link == links_.end()) return now_.steady_ms;
  return std::max(link->second->spent.work.left_at(now_.steady_ms, wire::link_work),
                  link->second->shared->work.left_at(now_.steady_ms, wire::address_work));
}

void Node::Impl::wait(Link& link, ByteView frame) {
  if (link.waiting_bytes + frame.size() > wire::frontier_bytes_max) {
    if (wire::passed_on(wire::parse(frame)->tag)) return void(metrics_["frames_over"] += 1);
    return fault(link.id, sync::Fault::too_much);
  }
  link.waiting.push_back(own(frame));
  link.waiting_bytes += frame.size();
  unfinished_ += frame.size();
  waiting_links_.insert(link.id);
}

// One of each link in turn, until all owe again or have said all.
void Node::Impl::hear_waiting() {
  for (bool heard = true; heard;) {
    heard = false;
    for (LinkId id : std::set<LinkId>(waiting_links_)) {
      if (!waiting_links_.contains(id) || rested_at(id) > now_.steady_ms) continue;  // gone, or owes still
      Link& link = *links_.at(id);
      const Bytes frame = std::move(link.waiting.front());
      link.waiting.pop_front();
      link.waiting_bytes -= frame.size();
      unfinished_ -= frame.size();
      if (link.waiting.empty()) waiting_links_.erase(id);
      hear(link, *wire::parse(frame));
      heard = true;
    }
  }
}

// What is over is not heard, and costs what the table says.
bool Node::Impl::afford(Link& link, const wire::Frame& frame) {
  const wire::Price& price = wire::price_of(frame.tag);
  if (frame.body.size() > price.body_max) return fault(link.id, sync::Fault::malformed), false;
  if (!wire::waits(frame.tag)) charge(link.id, price.work + u64{price.work_kib} * frame.body.size() / 1024);
  if (price.purse == wire::Purse::member) return true;
  peers::Spent& spent = price.purse == wire::Purse::address ? *link.shared : link.spent;
  if (spent.frames[wire::price_index(frame.tag)].take(now_.steady_ms, price.rate)) return true;
  metrics_["frames_over"] += 1;
  if (price.over == wire::Over::close) return fault(link.id, sync::Fault::too_much), false;
  if (price.over == wire::Over::refuse)
    if (auto relay = wire::decode<wire::Relay>(frame)) send_on(link, wire::Unreachable{relay->other});
  if (wire::passed_on(frame.tag)) return charge(link.id, wire::work_unheard), false;  // it may be another's doing
  if (!link.spent.skipped.take(now_.steady_ms, wire::skipped_rate)) fault(link.id, sync::Fault::too_much);
  return false;
}

}  // namespace perdure
