// How a peer shows another that it knows a topic, on one session only: by a MAC. Whoever knows the topic too finds in what follows the
// MAC the Hello with which the two begin to sync, so that nobody waits a round trip to say it; to all others both are random bytes.
#pragma once

#include <map>
#include <optional>
#include <vector>

#include "crypto/random.hpp"
#include "identity/identity.hpp"
#include "store/keys.hpp"
#include "wire/frames.hpp"

namespace perdure::peers {

inline constexpr std::size_t shown_macs = 16;  // one topic's places in a Topics message: its MAC and the padding

struct TopicProof {
  const identity::TopicKeys& keys;
  const Hash& session;
  const DeviceId& from;
  const DeviceId& to;
};
struct ShownTopic {
  u32 alias = 0;
  std::vector<wire::Mac> padding;
};

struct Greeted {                 // with a MAC
  wire::Fingerprint frontier{};  // as of that
  u64 asked = 0;                 // questions of synced() that were sent by then
};

wire::Mac topic_mac(const TopicProof&);

// The MACs by which one peer shows the topics that we have open, each made once.
class Expected {
 public:
  // makes those that are missing, and says how many; drops the others
  std::size_t update(const std::map<store::TopicNo, TopicProof>& open);
  std::optional<store::TopicNo> find(const wire::Mac&) const;

 private:
  std::map<store::TopicNo, wire::Mac> macs_;
  std::map<wire::Mac, store::TopicNo> topics_;
};
// Appends the padding for the MAC of that alias. False, and it is random, if the Hello is none or too long.
bool pad(const TopicProof&, u32 alias, const std::optional<wire::Hello>&, crypto::Random&,
         std::vector<wire::Mac>& macs);
std::optional<wire::Hello> hello_in(const TopicProof&, const ShownTopic&);

}  // namespace perdure::peers
