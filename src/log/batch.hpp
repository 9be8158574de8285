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

inline constexpr std::size_t ops_max = 256;          // of one batch
inline constexpr std::size_t plain_max = 64 * 1024;  // of one batch of several ops
// of one op, which then has the batch to itself: 256 KiB of text or of bytes, packed
inline constexpr std::size_t value_max = 256 * 1024 + 5;
inline constexpr std::size_t key_max = 1024;  // bytes of a map key, UTF-8
inline constexpr std::size_t names_max = 16;  // versions that one op may replace
inline constexpr std::size_t deps_max = 8;
inline constexpr std::size_t voids_max = 8;
inline constexpr std::size_t sealed_max = value_max + 8 * 1024;  // bytes of a sealed batch
inline constexpr u64 newest_format = 2;                          // … that this core reads and writes
// fields from here on may be unknown; below, a batch with one cannot be read
inline constexpr u64 field_skippable = 64;
inline constexpr std::size_t fields_max = 16;  // of a batch, of an op
// of all fields of an op; of a batch as much again for deps and voids
inline constexpr std::size_t field_bytes_max = 4096;
// what sealing adds in the first epoch; no sealed batch is this short
inline constexpr std::size_t sealing = 1 + 8 + crypto::seal_overhead;

// Whose place an op takes: that of the op that the same device said first, in that incarnation. Where it names its own place it stands
// for itself, at an earlier time.
struct Saying {
  u64 incarnation = 0;
  u32 batch = 0;
  u32 position = 0;
  HybridTime time;  // of the first; never later than the batch that says it again
  bool operator==(const Saying&) const = default;
};

// Where an op that is said again was said first, for its own device: so that no later life of it, put back from a copy, says the same
// again or takes what another branch said for its own. leaf: the first bytes of that batch's leaf hash.
struct Origin {
  u64 incarnation = 0;
  u32 batch = 0;
  u32 position = 0;
  std::array<u8, 8> leaf{};
  auto operator<=>(const Origin&) const = default;
};

// What a newer core added and this one skips and keeps.
struct Field {
  u64 tag = 0;  // from field_skippable on
  Bytes value;
  bool operator==(const Field&) const = default;
};

struct Op {
  enum class Kind : u32 { message = 1, set = 2, erase = 3 };
  Kind kind = Kind::message;        // or one of a newer core: then `body` holds what it says
  Bytes key;                        // set, erase; valid UTF-8, 1 to key_max bytes
  Bytes value;                      // message, set; one MessagePack value
  std::vector<OpId> replaces;       // set, erase: versions of the key that the author saw unreplaced
  std::optional<Saying> says = {};  // nothing: it stands for itself
  std::optional<Origin> origin = {};
  std::vector<Field> fields = {};  // in ascending order
  Bytes body = {};                 // of an unknown kind
  bool known() const { return kind >= Kind::message && kind <= Kind::erase; }
  bool operator==(const Op&) const = default;
};

inline bool has_key(const Op& op) { return op.kind == Op::Kind::set || op.kind == Op::Kind::erase; }
inline bool is_message(const Op& op) { return op.kind == Op::Kind::message; }

// Helps fetching and says what the author had seen; decides nothing.
struct Dep {
  std::array<u8, 8> log{};  // first bytes of the log's id
  u64 length = 0;
  std::array<u8, 8> last_leaf{};  // first bytes of its last leaf's hash
  bool operator==(const Dep&) const = default;
};

// Another log of the same device counts only below `from`. In format 1 it stands in the first batch of a log alone.
struct Void {
  LogId log;
  u64 from = 0;
  bool operator==(const Void&) const = default;
};

struct Batch {
  HybridTime time;
  u64 first_op = 0;  // ops of this log before this batch; one without ops counts as one
  std::vector<Dep> deps;
  std::vector<Void> voids;
  std::vector<Op> ops;             // 1 to ops_max; with voids in format 2 there may be none
  u64 format = 1;                  // as it was read; written is what is needed, at least this
  std::vector<Field> fields = {};  // in ascending order
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
//
// Format 2 is written where format 1 does not do: an op says another again, a log is voided, something unknown is passed on.
//
//     0x80 | varint format | be64 time | varint first op | fields | varint count of table, log ids | ops, to the end
//     fields  varint count, then each: varint tag | varint length | bytes; tags ascend
//     batch   tag 1: deps, 2: voids; as in format 1, to the end of the field, voids without their count
//     op      varint length | varint kind | fields | message: value | set: key, varint count of replaced, replaced, value | erase: without value
//     op      tag 1, the saying: be64 incarnation | varint batch | varint position | varint: time of the batch less that of the first
//             tag 64, its origin: be64 incarnation | varint batch | varint position | 8 bytes of leaf
//
// A kind that is not known is kept as it is; a field below field_skippable that is not known, or another format, makes the batch opaque.
// Asserts the limits on counts and lengths, not the forms of keys and values.
Bytes encode_batch(const Batch&, const LogId& self);
// malformed for anything that breaks a limit above, is no value, no UTF-8, or would not encode to the same bytes.
// outdated: a newer core can read it.
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
