// A batch: what a device appended in one turn, sealed together. The leaf of the log's tree, the row in storage, the unit
// that travels.
#pragma once

#include <perdure/result.hpp>
#include <perdure/types.hpp>

#include <optional>

#include "crypto/random.hpp"
#include "crypto/seal.hpp"
#include "identity/identity.hpp"

namespace perdure::log {

inline constexpr std::size_t ops_max = 256;                  // of one batch
inline constexpr std::size_t plain_max = 64 * 1024;          // of one batch of several ops
inline constexpr std::size_t value_max = 256 * 1024 + 5;     // of one op, which then has the batch to itself: 256 KiB of text or of bytes, packed
inline constexpr std::size_t key_max = 1024;                 // bytes of a map key, UTF-8
inline constexpr std::size_t names_max = 16;                 // versions that one op may replace
inline constexpr std::size_t deps_max = 8;
inline constexpr std::size_t voids_max = 8;
inline constexpr std::size_t sealed_max = value_max + 8 * 1024;   // bytes of a sealed batch
inline constexpr std::size_t sealing = 1 + 8 + crypto::seal_overhead;   // what sealing adds in the first epoch; no sealed batch is this short

struct Op {
  enum class Kind : u8 { message = 1, set = 2, erase = 3 };
  Kind kind = Kind::message;
  Bytes key;                                                 // set, erase; valid UTF-8, 1 to key_max bytes
  Bytes value;                                               // message, set; one MessagePack value
  std::vector<OpId> replaces;                                // set, erase: versions of the key that the author saw unreplaced
  bool operator==(const Op&) const = default;
};

// Helps fetching and says what the author had seen; decides nothing.
struct Dep {
  std::array<u8, 8> log{};                                   // first bytes of the log's id
  u64 length = 0;
  std::array<u8, 8> last_leaf{};                             // first bytes of its last leaf's hash
  bool operator==(const Dep&) const = default;
};

// In the first batch of an incarnation: an older log of the same device counts only below `from`.
struct Void {
  LogId log;
  u64 from = 0;
  bool operator==(const Void&) const = default;
};

struct Batch {
  HybridTime time;
  u64 first_op = 0;                                          // ops of this log before this batch
  std::vector<Dep> deps;
  std::vector<Void> voids;
  std::vector<Op> ops;                                       // 1 to ops_max
  bool operator==(const Batch&) const = default;
};

// The plaintext. Op::replaces refers to a table of log ids in the batch; the log itself is entry 0 and costs nothing.
//
//     u8 shape | be64 time | varint first op | deps | voids | table | ops, to the end
//     shape   deps (4 bits), 0x10: voids follow, 0x20: a table follows, 0x40: the one op has the rest to itself
//     dep     8 bytes of log id | varint length | 8 bytes of leaf
//     voids   u8 count, then each: log id | varint from
//     table   varint count, then log ids in order of first use
//     op      u8 kind (2 bits) and number of replaced versions (above) | key | replaced | value
//     replaced: varint table entry | varint batch | varint position         key, value: varint length | bytes
//
// The value of an op that is alone has no length. So a lone message costs 11 bytes and more over its value (the number of the
// first op grows), and 25 for sealing; in bulk one costs 2 or 3.
// Asserts the limits on counts and lengths, not the forms of keys and values.
Bytes encode_batch(const Batch&, const LogId& self);
// malformed for anything that breaks a limit above, is no value, no UTF-8, or would not encode to the same bytes.
Result<Batch> decode_batch(ByteView, const LogId& self);

// What a key may be: 1 to key_max bytes of valid UTF-8. Whatever else is encoded cannot be decoded again.
bool is_key(ByteView);

// Where a batch stands: bound into nonce and AAD.
struct Place {
  NetworkId network;
  TopicId topic;
  LogId log;
  u64 index = 0;
};

// epoch (varint) | salt (8) | XChaCha20-Poly1305. The salt is a keyed hash of fresh randomness and the plaintext; nonce =
// BLAKE2b-192(seal key; epoch id, log, index, salt); AAD = network, topic, log, index, epoch id.
Bytes seal_batch(const identity::TopicKeys&, const Place&, ByteView plain, crypto::Random&);
std::optional<Bytes> unseal_batch(const identity::TopicKeys&, const Place&, ByteView sealed);

}  // namespace perdure::log
