// Descriptions and candidates on their way to a peer that we are not yet linked to: sealed to its id, signed inside over both
// ids and the attempt, and carrying proof of a shared topic. Whoever forwards them learns two ids and a length.
#pragma once

#include <perdure/events.hpp>

#include <optional>

#include "crypto/random.hpp"
#include "identity/identity.hpp"
#include "wire/frames.hpp"

namespace perdure::peers {

using Nonce = std::array<u8, 16>;  // names an attempt between two peers

struct SignalText {
  Nonce nonce{};
  SignalKind kind = SignalKind::offer;
  std::string text;
};

// Nothing if `to` is no valid id or the text is too long (5,600 bytes).
std::optional<wire::Signal> seal_signal(const identity::Identity&, const DeviceId& to,
                                        const identity::TopicKeys& shared, const SignalText&, crypto::Random&);

struct OpenedSignal {
  wire::Mac proof{};  // compare with signal_proof of each topic
  SignalText text;
};
// Nothing if it is not for us, not signed by `from`, or malformed.
std::optional<OpenedSignal> open_signal(const identity::Identity&, const wire::Signal&);
wire::Mac signal_proof(const identity::TopicKeys&, const DeviceId& from, const DeviceId& to, const Nonce&);

// The one SHA-256 fingerprint of a description; nothing if there is none, or more than one differing.
std::optional<std::array<u8, 32>> fingerprint_of(std::string_view description);
// What the prologue binds: both fingerprints, the lesser first.
Bytes binding_of(const std::array<u8, 32>& a, const std::array<u8, 32>& b);

// The lower, the sooner two peers get a DataChannel: a hash over both ids, the same on both sides.
Hash affinity(const DeviceId& a, const DeviceId& b);

}  // namespace perdure::peers
