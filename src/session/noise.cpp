#include "session/noise.hpp"

#include <sodium.h>

#include <algorithm>

#include "base/assert.hpp"
#include "crypto/hash.hpp"

namespace perdure::session::noise {

namespace {

constexpr std::string_view protocol = "Noise_XX_25519_ChaChaPoly_BLAKE2b";

Digest digest(std::initializer_list<ByteView> parts) {
  Digest d;
  crypto::blake2b_into(d, {}, parts);
  return d;
}

// RFC 2104 with BLAKE2b: blocks of 128 bytes. Noise does not use BLAKE2b's own keying.
Digest hmac(const Digest& key, std::initializer_list<ByteView> parts) {
  std::array<u8, 128> inner, outer;
  inner.fill(0x36);
  outer.fill(0x5c);
  for (std::size_t i = 0; i < key.size(); ++i) {
    inner[i] ^= key[i];
    outer[i] ^= key[i];
  }
  Bytes data(inner.begin(), inner.end());
  for (ByteView part : parts) data.insert(data.end(), part.begin(), part.end());
  Digest inside = digest({data});
  return digest({outer, inside});
}

// Section 4.3, two outputs.
std::pair<Digest, Digest> hkdf(const Digest& chaining_key, ByteView input) {
  static constexpr std::array<u8, 1> one{1}, two{2};
  Digest temporary = hmac(chaining_key, {input});
  Digest first = hmac(temporary, {one});
  Digest second = hmac(temporary, {first, two});
  return {first, second};
}

Key head_of(const Digest& d) {
  Key key;
  std::copy_n(d.begin(), key.size(), key.begin());
  return key;
}

// Four zero bytes, then the counter, little-endian.
std::array<u8, 12> nonce_of(u64 count) {
  std::array<u8, 12> nonce{};
  for (std::size_t i = 0; i < 8; ++i) nonce[4 + i] = static_cast<u8>(count >> (8 * i));
  return nonce;
}

Bytes seal(const Key& key, u64 count, ByteView ad, ByteView plain) {
  Bytes out(plain.size() + tag_size);
  crypto_aead_chacha20poly1305_ietf_encrypt(out.data(), nullptr, plain.data(), plain.size(), ad.data(), ad.size(),
                                            nullptr, nonce_of(count).data(), key.data());
  return out;
}

constexpr u64 count_reserved = ~u64{0};  // REKEY's own

}  // namespace

KeyPair key_pair(const Key& secret) {
  KeyPair pair{secret, {}};
  crypto_scalarmult_curve25519_base(pair.pub.data(), pair.secret.data());
  return pair;
}

std::optional<Key> shared_secret(const Key& secret, const Key& pub) {
  Key shared;
  if (crypto_scalarmult_curve25519(shared.data(), secret.data(), pub.data()) != 0 || shared == Key{})
    return std::nullopt;
  return shared;
}

Bytes CipherState::encrypt(ByteView ad, ByteView plain) {
  if (!key_) return own(plain);
  PERDURE_ASSERT(count_ != count_reserved);
  return seal(*key_, count_++, ad, plain);
}

std::optional<Bytes> CipherState::decrypt(ByteView ad, ByteView sealed) {
  if (!key_) return own(sealed);
  if (sealed.size() < tag_size || count_ == count_reserved) return std::nullopt;
  Bytes out(sealed.size() - tag_size);
  if (crypto_aead_chacha20poly1305_ietf_decrypt(out.data(), nullptr, nullptr, sealed.data(), sealed.size(), ad.data(),
                                                ad.size(), nonce_of(count_).data(), key_->data()) != 0)
    return std::nullopt;
  ++count_;
  return out;
}

void CipherState::rekey() {
  PERDURE_ASSERT(key_.has_value());
  Bytes next = seal(*key_, count_reserved, {}, Key{});
  std::copy_n(next.begin(), key_->size(), key_->begin());
}

SymmetricState::SymmetricState(ByteView protocol_name) {
  if (protocol_name.size() <= hash_.size()) std::copy(protocol_name.begin(), protocol_name.end(), hash_.begin());
  else hash_ = digest({protocol_name});
  chaining_key_ = hash_;
}

void SymmetricState::mix_hash(ByteView data) { hash_ = digest({hash_, data}); }

void SymmetricState::mix_key(ByteView input) {
  auto [chaining_key, key] = hkdf(chaining_key_, input);
  chaining_key_ = chaining_key;
  cipher_ = CipherState(head_of(key));
}

Bytes SymmetricState::encrypt_and_hash(ByteView plain) {
  Bytes sealed = cipher_.encrypt(hash_, plain);
  mix_hash(sealed);
  return sealed;
}

std::optional<Bytes> SymmetricState::decrypt_and_hash(ByteView sealed) {
  auto plain = cipher_.decrypt(hash_, sealed);
  if (plain) mix_hash(sealed);
  return plain;
}

std::pair<CipherState, CipherState> SymmetricState::split() const {
  auto [first, second] = hkdf(chaining_key_, {});
  return {CipherState(head_of(first)), CipherState(head_of(second))};
}

Handshake::Handshake(bool initiator, ByteView prologue, const KeyPair& own_static, const KeyPair& own_ephemeral)
    : symmetric_(view(protocol)), static_(own_static), ephemeral_(own_ephemeral), initiator_(initiator) {
  symmetric_.mix_hash(prologue);
}

bool Handshake::mix_dh(const Key& secret, const Key& pub) {
  auto shared = shared_secret(secret, pub);
  if (shared) symmetric_.mix_key(*shared);
  return shared.has_value();
}

std::optional<Bytes> Handshake::write(ByteView payload) {
  PERDURE_ASSERT(our_turn() && !done());
  Bytes out;
  auto append = [&out](ByteView b) { out.insert(out.end(), b.begin(), b.end()); };
  if (step_ < 2) {
    append(ephemeral_.pub);
    symmetric_.mix_hash(ephemeral_.pub);
  }
  if (step_ == 1 && !mix_ee()) return std::nullopt;
  if (step_ > 0) {
    append(symmetric_.encrypt_and_hash(static_.pub));
    if (!(step_ == 1 ? mix_es() : mix_se())) return std::nullopt;
  }
  append(symmetric_.encrypt_and_hash(payload));
  ++step_;
  return out;
}

std::optional<Bytes> Handshake::read(ByteView message) {
  PERDURE_ASSERT(!our_turn() && !done());
  auto take = [&message](std::size_t n) {
    ByteView part = message.first(n);
    message = message.subspan(n);
    return part;
  };
  if (step_ < 2) {
    if (message.size() < remote_ephemeral_.size()) return std::nullopt;
    ByteView e = take(remote_ephemeral_.size());
    std::copy(e.begin(), e.end(), remote_ephemeral_.begin());
    symmetric_.mix_hash(e);
  }
  if (step_ == 1 && !mix_ee()) return std::nullopt;
  if (step_ > 0) {
    if (message.size() < remote_static_.size() + tag_size) return std::nullopt;
    auto s = symmetric_.decrypt_and_hash(take(remote_static_.size() + tag_size));
    if (!s) return std::nullopt;
    std::copy(s->begin(), s->end(), remote_static_.begin());
    if (!(step_ == 1 ? mix_es() : mix_se())) return std::nullopt;
  }
  auto payload = symmetric_.decrypt_and_hash(message);
  if (payload) ++step_;
  return payload;
}

std::pair<CipherState, CipherState> Handshake::split() const {
  PERDURE_ASSERT(done());
  auto [forth, back] = symmetric_.split();
  if (initiator_) return {forth, back};
  return {back, forth};
}

}  // namespace perdure::session::noise
