#include "identity/identity.hpp"

#include "catch_amalgamated.hpp"
#include "crypto/hash.hpp"

using namespace perdure;
using namespace perdure::identity;

TEST_CASE("a device keeps its id, and apps are apart") {
  Seed seed = Seed::from(Bytes(32, 1));
  Identity chat("chat", seed), again("chat", seed), notes("notes", seed), other("chat", Seed{});
  CHECK(chat.id() == again.id());
  CHECK(chat.id() == notes.id());
  CHECK(chat.id() != other.id());
  CHECK(chat.network() == network_id("chat"));
  CHECK(chat.network() != notes.network());
  CHECK(Identity(chat.network(), seed).id() == chat.id());
  CHECK(chat.id() == DeviceId::from(chat.key().pub));
}

TEST_CASE("the short id is the start of SHA-256 of the public key") {
  DeviceId id;
  auto short_form = short_id(id);
  // sha256 of 32 zero bytes: 66687aadf862bd77…
  CHECK(short_form == std::array<u8, 8>{0x66, 0x68, 0x7a, 0xad, 0xf8, 0x62, 0xbd, 0x77});
}

TEST_CASE("a secret yields the same keys everywhere, each its own") {
  Secret secret = Secret::from(Bytes(32, 5));
  TopicKeys a = topic_keys(secret), b = topic_keys(secret), c = topic_keys(Secret{});
  CHECK(a.secret == secret);
  CHECK(a.id == b.id);
  CHECK(a.id == TopicId::from(a.topic_key.pub));
  CHECK(a.seal_key == b.seal_key);
  CHECK(a.epoch_id == b.epoch_id);
  CHECK(a.match_key == b.match_key);
  CHECK(a.seal_key != a.match_key);
  CHECK(a.id != c.id);
  CHECK(a.seal_key != c.seal_key);
  CHECK(a.epoch_id != c.epoch_id);
}

TEST_CASE("a log opens only with the topic's key, for this device, topic, network and incarnation") {
  TopicKeys keys = topic_keys(Secret::from(Bytes(32, 5))), others = topic_keys(Secret{});
  NetworkId network = network_id("chat");
  Identity device("chat", Seed{});
  Signature certificate = open_log(network, keys, device.id(), 7);
  CHECK(may_open(network, keys.id, device.id(), 7, certificate));
  CHECK_FALSE(may_open(network, keys.id, device.id(), 8, certificate));
  CHECK_FALSE(may_open(network_id("notes"), keys.id, device.id(), 7, certificate));
  CHECK_FALSE(may_open(network, others.id, device.id(), 7, certificate));
  CHECK_FALSE(may_open(network, keys.id, DeviceId{}, 7, certificate));
  CHECK_FALSE(may_open(network, keys.id, device.id(), 7, open_log(network, others, device.id(), 7)));
  CHECK_FALSE(may_open(network, TopicId{}, device.id(), 7, certificate));
}

TEST_CASE("a log's id depends on all that names it") {
  TopicKeys keys = topic_keys(Secret{});
  NetworkId network = network_id("chat");
  DeviceId device = Identity("chat", Seed{}).id();
  LogId id = log_id(network, keys.id, device, 7);
  CHECK(id == log_id(network, keys.id, device, 7));
  CHECK(id != log_id(network, keys.id, device, 8));
  CHECK(id != log_id(NetworkId{}, keys.id, device, 7));
  CHECK(id != log_id(network, TopicId{}, device, 7));
  CHECK(id != log_id(network, keys.id, DeviceId{}, 7));
}
