#include "node/purses.hpp"

#include "codec/bytes.hpp"
#include "node/params.hpp"
#include "wire/table.hpp"

namespace perdure {

namespace {
// What was spent has come back: who comes again is as new.
bool untouched(peers::Spent& spent, u64 now_ms) {
  return spent.work.untouched(now_ms, wire::address_work) && spent.crowding.untouched(now_ms, wire::crowding) &&
         spent.presences.untouched(now_ms, wire::presences_passed_by) &&
         spent.presences_kept.untouched(now_ms, wire::presences_kept) &&
         (spent.told_ms == 0 || spent.told_ms + wire::told_ms_max <= now_ms) &&
         spent.frames[wire::price_index(wire::Tag::enter)].untouched(now_ms, wire::price_of(wire::Tag::enter).rate);
}
}  // namespace

Bytes Purses::name(const LinkOpened& event) {
  if (!event.address.empty()) return event.address;
  codec::Writer w;
  w.raw(view("perdure/link/")).be32(event.link.value);  // longer than any address
  return std::move(w).take();
}

std::shared_ptr<peers::Spent> Purses::join(const Bytes& name, u64 now_ms) {
  const bool fresh = !of_.contains(name);
  if (fresh && of_.size() >= params::addresses_max)
    std::erase_if(of_, [&](auto& a) { return a.second.links == 0 && untouched(*a.second.spent, now_ms); });
  for (auto a = of_.begin(); fresh && a != of_.end() && of_.size() >= params::addresses_max;)
    a = a->second.links == 0 ? of_.erase(a) : std::next(a);
  Purse& purse = of_[name];
  if (!purse.spent) purse.spent = std::make_shared<peers::Spent>();
  ++purse.links;
  return purse.spent;
}

void Purses::leave(const Bytes& name, u64 now_ms) {
  auto a = of_.find(name);
  if (a == of_.end()) return;
  --a->second.links;
  if (a->second.links == 0 && untouched(*a->second.spent, now_ms)) of_.erase(a);
}

}  // namespace perdure
