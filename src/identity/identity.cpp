#include "identity/identity.hpp"

#include <algorithm>

#include "codec/bytes.hpp"
#include "crypto/hash.hpp"

namespace perdure::identity {
namespace {

constexpr std::string_view open_label = "perdure/open/1";

// network | topic | device | incarnation: all of one length, so they need no lengths.
Bytes log_name(const NetworkId& network, const TopicId& topic, const DeviceId& device, u64 incarnation) {
  codec::Writer w;
  w.reserve(104);
  w.fixed(network).fixed(topic).fixed(device).be64(incarnation);
  return std::move(w).take();
}

}  // namespace

Identity::Identity(std::string_view app, const Seed& device_seed) : Identity(network_id(app), device_seed) {}

Identity::Identity(const NetworkId& network, const Seed& device_seed)
    : key_(crypto::signing_key(device_seed)), id_(DeviceId::from(key_.pub)), network_(network) {}

NetworkId network_id(std::string_view app) {
  return NetworkId::from(crypto::blake2b({view("perdure/network/1"), view(app)}).view());
}

std::array<u8, 8> short_id(const DeviceId& id) {
  Hash h = crypto::sha256(id.view());
  std::array<u8, 8> out;
  std::copy_n(h.bytes.begin(), out.size(), out.begin());
  return out;
}

TopicKeys topic_keys(const Secret& secret) {
  TopicKeys k;
  k.secret = secret;
  k.topic_key = crypto::signing_key(crypto::derive(secret.view(), "perdure/topic/1"));
  k.id = TopicId::from(k.topic_key.pub);
  k.seal_key = crypto::derive(secret.view(), "perdure/seal/1");
  crypto::blake2b_into(k.epoch_id, {}, {view("perdure/epoch/1"), k.seal_key.view()});
  k.match_key = crypto::derive(secret.view(), "perdure/match/1");
  return k;
}

LogId log_id(const NetworkId& network, const TopicId& topic, const DeviceId& device, u64 incarnation) {
  return LogId::from(crypto::blake2b({view("perdure/log/1"), log_name(network, topic, device, incarnation)}).view());
}

Signature open_log(const NetworkId& network, const TopicKeys& keys, const DeviceId& device, u64 incarnation) {
  return crypto::sign(keys.topic_key, {view(open_label), log_name(network, keys.id, device, incarnation)});
}

bool may_open(const NetworkId& network, const TopicId& topic, const DeviceId& device, u64 incarnation,
              const Signature& signature) {
  return crypto::verify(topic.view(), {view(open_label), log_name(network, topic, device, incarnation)}, signature);
}

}  // namespace perdure::identity
