// Noise_XX_25519_ChaChaPoly_BLAKE2b (The Noise Protocol Framework, revision 34) on libsodium.
//
//     Handshake h(true, prologue, static_pair, ephemeral_pair);
//     link.send(*h.write(payload));              // by turns with read(), until done()
//     auto theirs = h.read(message);             // nothing: the message does not belong here; the handshake is over
//     auto [send, receive] = h.split();
//
// Departs from the paper: key pairs are handed in, so that nothing here makes randomness; a shared secret of zeros is
// refused (the paper leaves it open); no pattern but XX.
#pragma once

#include <perdure/types.hpp>

#include <optional>
#include <utility>

namespace perdure::session::noise {

using Key = std::array<u8, 32>;
using Digest = std::array<u8, 64>;  // Noise's BLAKE2b: 64 bytes

struct KeyPair {
  Key secret{};
  Key pub{};
};
KeyPair key_pair(const Key& secret);

// Nothing if the shared secret is all zeros: `pub` is a point of small order.
std::optional<Key> shared_secret(const Key& secret, const Key& pub);

inline constexpr std::size_t tag_size = 16;

// Section 5.1. A key and a counter; without a key, plaintext.
class CipherState {
 public:
  CipherState() = default;
  explicit CipherState(const Key& key) : key_(key) {}
  Bytes encrypt(ByteView ad, ByteView plain);
  std::optional<Bytes> decrypt(ByteView ad, ByteView sealed);  // the counter stays where it is if it fails
  void rekey();                                                // the counter goes on
  bool has_key() const { return key_.has_value(); }
  u64 count() const { return count_; }

 private:
  std::optional<Key> key_;
  u64 count_ = 0;
};

// Section 5.2.
class SymmetricState {
 public:
  explicit SymmetricState(ByteView protocol_name);
  void mix_hash(ByteView data);
  void mix_key(ByteView input);
  Bytes encrypt_and_hash(ByteView plain);
  std::optional<Bytes> decrypt_and_hash(ByteView sealed);
  std::pair<CipherState, CipherState> split() const;  // initiator to responder, responder to initiator
  const Digest& hash() const { return hash_; }
  bool has_key() const { return cipher_.has_key(); }

 private:
  CipherState cipher_;
  Digest chaining_key_{};
  Digest hash_{};
};

// Section 5.3, for XX:    -> e    <- e, ee, s, es    -> s, se
class Handshake {
 public:
  Handshake(bool initiator, ByteView prologue, const KeyPair& own_static, const KeyPair& own_ephemeral);
  std::optional<Bytes> write(ByteView payload);  // nothing: the other's key is of small order
  std::optional<Bytes> read(ByteView message);   // the payload
  bool our_turn() const { return (step_ % 2 == 0) == initiator_; }
  bool done() const { return step_ == 3; }
  int step() const { return step_; }                  // messages so far
  std::pair<CipherState, CipherState> split() const;  // for sending, for receiving
  const Digest& hash() const { return symmetric_.hash(); }
  const Key& remote_static() const { return remote_static_; }

 private:
  bool mix_dh(const Key& secret, const Key& pub);
  bool mix_ee() { return mix_dh(ephemeral_.secret, remote_ephemeral_); }
  // Initiator's ephemeral and responder's static; then the other way round.
  bool mix_es() {
    return initiator_ ? mix_dh(ephemeral_.secret, remote_static_) : mix_dh(static_.secret, remote_ephemeral_);
  }
  bool mix_se() {
    return initiator_ ? mix_dh(static_.secret, remote_ephemeral_) : mix_dh(ephemeral_.secret, remote_static_);
  }

  SymmetricState symmetric_;
  KeyPair static_, ephemeral_;
  Key remote_static_{}, remote_ephemeral_{};
  int step_ = 0;
  bool initiator_;
};

}  // namespace perdure::session::noise
