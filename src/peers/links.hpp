// The links of this node: one session each, who is at the other end, what both have agreed on.
#pragma once

#include <perdure/events.hpp>

#include <deque>
#include <map>
#include <memory>
#include <set>

#include "base/budget.hpp"
#include "identity/identity.hpp"
#include "peers/proof.hpp"
#include "session/session.hpp"
#include "store/keys.hpp"
#include "wire/table.hpp"

namespace perdure::peers {

inline constexpr u64 handshake_ms_max = 10'000;      // an honest peer needs three messages
inline constexpr u64 ping_interval_ms = 5'000;       // round trips stay fresh on the page, and silence is noticed
inline constexpr u64 ping_interval_ms_max = 15'000;  // … spread out: one may be late
inline constexpr u64 ping_bytes = 64;                // a ping and the answer to one, sealed; more on a relayed link
inline constexpr u64 silence_ms_max = 20'000;        // four pings: then the link is dead
// sent and not taken: the longest frontier, pages and relayed frames; then the link is cut
inline constexpr u64 buffered_bytes_max = 16 << 20;
inline constexpr u64 relay_bytes_max = 1 << 20;    // … and no more is relayed to it
inline constexpr std::size_t unmatched_max = 256;  // topics that only the peer has open

// What a link has spent of what wire/table.hpp allows, or all links of an address together.
struct Spent {
  std::array<Budget, wire::prices.size()> frames;
  Budget work, skipped, crowding, presences, presences_kept;
  u64 told_ms = 0;  // when one of them was told which logs there are in a large topic, steady; 0: never
};

struct Link {
  LinkId id;
  LinkKind kind = LinkKind::websocket;
  bool dialler = false;
  std::string url;                           // that we dialled
  u32 attempt = 0;                           // RTC attempt
  std::optional<DeviceId> expected;          // who must be there
  LinkId carrier;                            // relayed: the link that carries it
  Bytes address;                             // an anchor: where it comes from, as the host tells it
  bool admitted = false;                     // … and that it brought a token
  std::shared_ptr<identity::Identity> self;  // as what we speak here: an anchor serves several networks
  std::unique_ptr<session::Session> session;
  u64 opened_ms = 0, heard_ms = 0, pinged_ms = 0;  // steady
  std::optional<wire::Refusal> refusal;            // an anchor: why this link is not served
  bool crowds = false;   // … that there is no place for it yet: once it has greeted, another's
  bool greeted = false;  // the session stands and their greeting is good: the link counts
  DeviceId peer;
  wire::Able able;          // what the peer has said that it understands
  bool anchor = false;      // it is one, and we have reason to believe that
  bool fresh_keys = false;  // as anchors have: another static key on each link
  bool rtc = false;
  u32 stun_port = 0;
  wire::Epoch epoch{};
  u32 ping = 0;  // the last one sent
  u64 ping_wall_ms = 0;
  std::optional<u32> round_trip_ms;
  std::optional<i64> offset_ms;  // their wall clock less ours
  u64 buffered = 0;              // bytes sent since the host last said it had room
  u32 next_alias = 1;
  std::map<store::TopicNo, u32> aliases;  // ours, by topic
  std::map<u32, store::TopicNo> their_aliases;
  u32 macs_got = 0;
  Expected macs;                              // what shows that the peer knows a topic that we have open, …
  u64 macs_at = 0;                            // … as of then (Node::Impl::openings_)
  std::map<wire::Mac, ShownTopic> unmatched;  // topics that only the peer has open
  std::map<store::TopicNo, Greeted> hellos;   // said with the MAC, until both know the topic
  struct Introduced {
    std::map<DeviceId, bool> devices;  // true: can make DataChannels
    Budget budget;
  };
  std::map<store::TopicNo, Introduced> introduced;  // whom the peer said it is linked to, by topic
  bool choked = false;                              // it does not take what is sent to it: to be closed
  Spent spent;
  std::deque<Bytes> waiting;  // frames that are heard once it owes nothing (wire::waits)
  u64 waiting_bytes = 0;
  Bytes purse;                    // whose: its address, or itself where that is not known; empty: relayed
  std::shared_ptr<Spent> shared;  // with the other links of its address
  // passed on for the peer (kept: to who is passed too many already); … and to it; acknowledgements of ours that go there
  Budget signals_passed, relays_passed, relays_kept, acks_passed, acks_kept;
  Budget signals_passed_to, relays_passed_to, acks_passed_to, acks_said;
  Budget relayed_sessions, offers;  // begun with us through it
};

// What a member signs with the topic key to enter a topic at an anchor.
Signature enter_signature(const identity::TopicKeys&, const Hash& session, const DeviceId& self);
bool may_enter(const TopicId&, const Hash& session, const DeviceId& peer, const Signature&);

// The host in an address such as wss://host:port/path; of an IPv6 one with its brackets.
std::string host_of(std::string_view url);

// Which of two links to one peer is better; of equal ones the newer.
int rank(LinkKind kind);

}  // namespace perdure::peers
