// What links have spent of what wire/table.hpp allows, each by itself and all of one address together; who owes waits.
#include <algorithm>

#include "codec/bytes.hpp"
#include "node/impl.hpp"

namespace perdure {

using peers::Link;

namespace {

// Who shares a budget: the links of one address; where the host does not tell it, each link by itself.
Bytes purse_of(const LinkOpened& event) {
  if (!event.address.empty()) return event.address;
  codec::Writer w;
  w.raw(view("perdure/link/")).be32(event.link.value);  // longer than any address
  return std::move(w).take();
}

// What was spent has come back: who comes again is as new.
bool untouched(peers::Spent& spent, u64 now_ms) {
  return spent.work.untouched(now_ms, wire::address_work) &&
         spent.frames[wire::price_index(wire::Tag::enter)].untouched(now_ms, wire::price_of(wire::Tag::enter).rate);
}

}  // namespace

void Node::Impl::join_purse(Link& link, const LinkOpened& event) {
  if (purses_.size() >= params::addresses_max)
    std::erase_if(purses_, [&](auto& a) { return a.second.links == 0 && untouched(*a.second.spent, now_.steady_ms); });
  for (auto a = purses_.begin(); a != purses_.end() && purses_.size() >= params::addresses_max;)
    a = a->second.links == 0 ? purses_.erase(a) : std::next(a);
  link.purse = purse_of(event);
  Purse& a = purses_[link.purse];
  if (!a.spent) a.spent = std::make_shared<peers::Spent>();
  ++a.links;
  link.shared = a.spent;
}

void Node::Impl::leave_purse(const Link& link) {
  auto a = purses_.find(link.purse);
  if (a == purses_.end()) return;  // a relayed one, which shares that of the link that carries it
  --a->second.links;
  if (a->second.links == 0 && untouched(*a->second.spent, now_.steady_ms)) purses_.erase(a);
}

void Node::Impl::charge(LinkId id, u64 work) {
  auto link = links_.find(id);
  if (link == links_.end()) return;
  link->second->spent.work.charge(now_.steady_ms, wire::link_work, work);
  link->second->shared->work.charge(now_.steady_ms, wire::address_work, work);
}

u64 Node::Impl::rested_at(LinkId id) const {
  auto link = links_.find(id);
  if (link == links_.end()) return now_.steady_ms;
  return std::max(link->second->spent.work.left_at(now_.steady_ms, wire::link_work),
                  link->second->shared->work.left_at(now_.steady_ms, wire::address_work));
}

void Node::Impl::wait(Link& link, ByteView frame) {
  if (link.waiting_bytes + frame.size() > wire::frontier_bytes_max) return fault(link.id, sync::Fault::too_much);
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
  if (!link.spent.skipped.take(now_.steady_ms, wire::skipped_rate)) fault(link.id, sync::Fault::too_much);
  return false;
}

}  // namespace perdure
