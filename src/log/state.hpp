// What a peer holds of a log beside its batches: one row.
#pragma once

#include <perdure/result.hpp>
#include <perdure/types.hpp>

#include "identity/identity.hpp"
#include "log/tree.hpp"
#include "store/keys.hpp"
#include "store/rows.hpp"

namespace perdure::log {

// Who writes this log, and that an invite holder opened it.
struct Opening {
  DeviceId device;
  u64 incarnation = 0;
  Signature certificate;
  bool operator==(const Opening&) const = default;
};

// As it travels: neither root nor names; the receiver computes those.
struct Head {
  u64 length = 0;
  u64 ops = 0;
  HybridTime time;  // of the last batch
  Signature signature;
  bool operator==(const Head&) const = default;
};

// "perdure/head/1" | network | topic | device | incarnation | length | ops | root | time, fixed widths, big-endian.
Head sign_head(const identity::Identity&, const TopicId&, u64 incarnation, u64 length, u64 ops, const Hash& root,
               HybridTime);
bool verify_head(const NetworkId&, const TopicId&, const DeviceId&, u64 incarnation, const Hash& root, const Head&);

inline constexpr u64 no_cut = ~u64{0};
inline constexpr u64 batches_max = ~u32{0};  // of one log: OpId::batch is 32 bits. Then a new incarnation opens

struct LogState {
  Opening opening;
  u64 from = 0;              // start of the held range; 0 in this version
  u64 held = 0;              // end of the held range: batches [from, held) are here
  Peaks peaks;               // of the first `held` batches
  Head head;                 // newest verified; head.length >= held
  Hash root;                 // at head.length
  Proof beyond;              // completion of [held, head.length): so a part can be served provably
  std::vector<Hash> tail;    // leaf hashes since the last full group of 64
  u64 bytes = 0;             // of the held sealed batches
  u64 voided_from = no_cut;  // batches from here on do not count: the author voided them
  u64 forked_from = no_cut;  // … the author signed two histories from here on
  u64 hole = no_cut;         // the first batch known to be lost or damaged here; to be fetched again
  bool own = false;          // this device writes it
  u64 cut() const { return voided_from < forked_from ? voided_from : forked_from; }
  bool operator==(const LogState&) const = default;
};

// Roots, peaks under level 6 and counts are left out: they follow from the rest and are computed again.
Bytes encode_state(const LogState&);
Result<LogState> decode_state(ByteView);

// The same in a step, by way of what is kept beside the row: null if the row is absent, not at hand or corrupt.
std::shared_ptr<const LogState> load_state(store::Rows&, store::TopicNo, store::LogNo);
void save_state(store::Rows&, store::TopicNo, store::LogNo, const LogState&);

Hash leaf_hash(ByteView sealed);
std::array<u8, 4> root_tag(const Hash& root);  // first bytes; stands in frontiers

}  // namespace perdure::log

#include "log/nodes.hpp"  // StoredNodes
#include "log/page.hpp"   // Page, accept, append, read_page
