// Who brings what to an anchor, by address: that is bounded for each. And who makes room for one link more.
#include <algorithm>

#include "codec/bytes.hpp"
#include "codec/hex.hpp"
#include "node/impl.hpp"

namespace perdure {

void Node::Impl::entered_from(const peers::Link& link, const TopicPtr& topic, bool fresh) {
  if (fresh) return addresses_.first(topic->no, link.address);
  // What was refused may find room with who is here now.
  if (!link.address.empty() && topic->loaded &&
      addresses_.wanted_again(topic->no, now_.steady_ms, wire::topics_wanted_again))
    sync_.reload(topic, now_, false);
}

void Node::Impl::take_addresses(const std::vector<std::pair<Bytes, Bytes>>& rows) {
  for (const auto& [key, value] : rows) {
    codec::Reader k(ByteView(key).subspan(1));
    const TopicNo no = k.be32();
    const Bytes address = own(k.rest());
    codec::Reader v(value);
    const u64 bytes = v.varint();
    const bool made = v.u8() == 1;
    if (k.ok() && address.empty()) addresses_.read_only_one(no, value);
    else if (k.ok() && v.done()) addresses_.read(no, address, bytes, made);
  }
}

Addresses::Present Node::Impl::present(const Topic& topic) const {
  Addresses::Present from;
  if (auto known = topics_.find(topic.no); known != topics_.end())
    for (LinkId id : sync_.links(known->second))
      if (auto link = links_.find(id); link != links_.end()) from.insert(link->second->address);
  return from;
}

bool Node::Impl::beyond_address(const Topic& topic, u64 bytes, const Bytes& from) {
  const u64 quota = config_.quotas.address_bytes;
  if (!serves_all() || from.empty() || addresses_.room_for(bytes, topic.no, from, {}, quota) ||
      addresses_.room_for(bytes, topic.no, from, present(topic), quota))
    return false;
  if (topics_.contains(topic.no)) addresses_.refuse(topic.no);
  return true;
}

// In the step that stores it: so what is charged to whom is kept with what was brought.
void Node::Impl::grew(store::Rows& rows, const TopicPtr& topic, u64 bytes, const Bytes& from) {
  count_bytes(topic, topic->counted + bytes);
  if (!config_.anchor || !serves_all() || from.empty()) return;
  const u64 quota = config_.quotas.address_bytes;
  const bool fits = addresses_.room_for(bytes, topic->no, from, {}, quota);  // without looking who is there
  for (const auto& [address, brought] :
       addresses_.pay(topic->no, from, fits ? Addresses::Present{} : present(*topic), quota, bytes)) {
    Bytes key = store::key('E', topic->no, address);
    codec::Writer row;
    if (brought) row.varint(brought->first).u8(brought->second ? 1 : 0);
    if (brought) rows.put(std::move(key), std::move(row).take());
    else rows.erase(std::move(key));
  }
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
    if (link->refusal || link->crowds || link->kind != LinkKind::websocket || shares(*link)) continue;
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

// Where all share something: the one that came last from the address with the most links, for who comes from one with fewer. So nobody
// holds all places by having something said in a topic of his own.
peers::Link* Node::Impl::crowding_out(const Bytes& newcomer) {
  struct From {
    std::size_t count = 0;
    peers::Link* last = nullptr;
  };
  std::map<Bytes, From> from;
  for (auto& [id, link] : links_) {
    if (link->refusal || link->crowds || link->kind != LinkKind::websocket || link->address.empty()) continue;
    From& of = from[link->address];
    ++of.count;
    if (!(link->admitted && config_.tokens)) of.last = link.get();
  }
  const std::size_t ours = newcomer.empty() ? ~std::size_t{1} : from[newcomer].count;
  const From* most = nullptr;
  for (const auto& [address, of] : from)
    if (of.last && of.count > ours + 1 && (!most || of.count > most->count)) most = &of;
  return most ? most->last : nullptr;
}

// Those that it serves: the others are told why not, or want a place.
std::size_t Node::Impl::served_links() const {
  return links_.size() - static_cast<std::size_t>(std::ranges::count_if(
                             links_, [](const auto& l) { return l.second->refusal || l.second->crowds; }));
}

// It has shown that it is somebody: a socket that says nothing takes nobody's place. False: there is none any more.
bool Node::Impl::crowd_in(peers::Link& link) {
  if (!std::exchange(link.crowds, false)) return true;
  if (served_links() <= config_.links_max) return true;
  link.crowds = true;  // it does not count among those of its address
  peers::Link* most = least_wanted();
  if (!most) most = crowding_out(link.address);
  link.crowds = false;
  if (!most || !link.shared->crowding.take(now_.steady_ms, wire::crowding)) return false;
  metrics_["links_made_room"] += 1;
  send_on(*most, wire::Bye{2});
  link_closed(most->id, false);
  return true;
}

// Whether a link may wait for the place of another until it has greeted. Else it is told in the greeting that there is none.
bool Node::Impl::may_crowd(const peers::Link& link) {
  const auto crowding = std::ranges::count_if(
      links_, [&](const auto& l) { return l.second->crowds && l.second->address == link.address; });
  return static_cast<std::size_t>(crowding) < params::crowding_max &&
         link.shared->crowding.left_at(now_.steady_ms, wire::crowding) <= now_.steady_ms && crowding_out(link.address);
}

// Sockets that say nothing are many, and cost who holds them little: so they shut nobody out, but the oldest of the address that has most
// of them goes for the next.
void Node::Impl::bound_beyond(bool crowding) {
  struct From {
    std::size_t count = 0;
    peers::Link* oldest = nullptr;
  };
  std::map<Bytes, From> from;
  std::size_t all = 0;
  for (auto& [id, link] : links_) {
    if (crowding ? !link->crowds : !link->refusal) continue;
    ++all;
    From& of = from[link->address];
    ++of.count;
    if (!of.oldest || link->opened_ms < of.oldest->opened_ms) of.oldest = link.get();
  }
  if (all < (crowding ? params::crowding_all_max : params::told_links_max)) return;
  auto most = std::ranges::max_element(from, [](const auto& a, const auto& b) {
    return a.second.count != b.second.count ? a.second.count < b.second.count
                                            : a.second.oldest->opened_ms > b.second.oldest->opened_ms;
  });
  link_closed(most->second.oldest->id, false);
}

// At an anchor, for whom a link speaks and whether it is served. False: there is nobody who could be told why not.
bool Node::Impl::admit(peers::Link& link, const LinkOpened& event) {
  NetworkId network;
  if (!codec::from_hex(event.network, network.bytes)) return refused(wire::Refusal::not_served), false;
  bool served = config_.apps.empty();
  for (const std::string& app : config_.apps) served |= identity::network_id(app) == network;
  served = served && (serves_all() || link.admitted || !served_.empty());
  bool full = served && served_links() >= config_.links_max;
  if (peers::Link* least = full ? least_wanted() : nullptr) {
    metrics_["links_made_room"] += 1;
    send_on(*least, wire::Bye{2});
    link_closed(least->id, false);
    full = false;
  }
  link.crowds = full && may_crowd(link);
  // Who can be told why is told why, in the greeting.
  if (!served) link.refusal = wire::Refusal::not_served;
  else if (full && !link.crowds) link.refusal = wire::Refusal::too_many_links;
  if (link.refusal || link.crowds) bound_beyond(link.crowds);
  link.self = std::make_shared<identity::Identity>(network, config_.device_seed);
  return true;
}

}  // namespace perdure
