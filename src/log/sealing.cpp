#include "codec/bytes.hpp"
#include "crypto/hash.hpp"
#include "log/batch.hpp"

namespace perdure::log {

namespace {

crypto::Nonce24 nonce_of(const identity::TopicKeys& keys, const Place& place, ByteView salt) {
  crypto::Nonce24 nonce{};
  codec::Writer index;
  index.be64(place.index);
  crypto::blake2b_into(nonce, keys.seal_key.view(), {keys.epoch_id, place.log.view(), index.peek(), salt});
  return nonce;
}

Bytes aad_of(const identity::TopicKeys& keys, const Place& place) {
  codec::Writer w;
  w.fixed(place.network).fixed(place.topic).fixed(place.log).be64(place.index).raw(keys.epoch_id);
  return std::move(w).take();
}

// Epochs after the first come with removal of members.
constexpr u64 first_epoch = 0;

}  // namespace

Bytes seal_batch(const identity::TopicKeys& keys, const Place& place, ByteView plain, crypto::Random& random) {
  std::array<u8, 32> fresh{};
  random.fill(fresh);
  std::array<u8, 8> salt{};
  crypto::blake2b_into(salt, keys.seal_key.view(), {view("perdure/salt/1"), fresh, plain});
  Bytes sealed = crypto::seal(keys.seal_key, nonce_of(keys, place, salt), aad_of(keys, place), plain);
  codec::Writer w;
  w.reserve(sealing + plain.size());
  w.varint(first_epoch).raw(salt).raw(sealed);
  return std::move(w).take();
}

std::optional<Bytes> unseal_batch(const identity::TopicKeys& keys, const Place& place, ByteView sealed) {
  if (sealed.size() > sealed_max) return std::nullopt;
  codec::Reader r(sealed);
  const u64 epoch = r.varint();
  ByteView salt = r.raw(8);
  ByteView box = r.rest();
  if (!r.ok() || epoch != first_epoch || box.size() < crypto::seal_overhead) return std::nullopt;
  return crypto::unseal(keys.seal_key, nonce_of(keys, place, salt), aad_of(keys, place), box);
}

}  // namespace perdure::log
