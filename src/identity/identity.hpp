// Who this device is, which network it is in, and the keys that a topic's secret yields.
#pragma once

#include <perdure/types.hpp>

#include "crypto/sign.hpp"

namespace perdure::identity {

class Identity {
 public:
  Identity(std::string_view app, const Seed& device_seed);
  Identity(const NetworkId& network, const Seed& device_seed);
  const DeviceId& id() const { return id_; }
  const NetworkId& network() const { return network_; }
  const crypto::SigningKey& key() const { return key_; }

 private:
  crypto::SigningKey key_;
  DeviceId id_;
  NetworkId network_;
};

NetworkId network_id(std::string_view app);
std::array<u8, 8> short_id(const DeviceId& id);  // first 8 bytes of SHA-256(public key)

// What a topic's secret yields. Whoever has the secret may read and write.
struct TopicKeys {
  Secret secret;
  crypto::SigningKey topic_key;  // its public half is the topic's id
  TopicId id;
  Seed seal_key;                  // the first epoch key
  std::array<u8, 16> epoch_id{};  // BLAKE2b-128 of the epoch key: the key is committed to
  Seed match_key;
};
TopicKeys topic_keys(const Secret& secret);

LogId log_id(const NetworkId&, const TopicId&, const DeviceId&, u64 incarnation);

// The opening certificate: the topic key's signature over "perdure/open/1" | network | topic | device | incarnation.
Signature open_log(const NetworkId&, const TopicKeys&, const DeviceId&, u64 incarnation);
bool may_open(const NetworkId&, const TopicId&, const DeviceId&, u64 incarnation, const Signature&);

}  // namespace perdure::identity
