// Places in the order that timeline and map share, and their sortable bytes.
//
//     Bytes key = batch_key(at);                    // where the batch stands in the timeline's index
//     Bytes full = position_key(at);                // one op
#pragma once

#include <perdure/types.hpp>

#include "codec/bytes.hpp"

namespace perdure::crdt {

// A place in the timeline; orders as DESIGN 4 says: time, device, incarnation, batch, position.
struct Position {
  HybridTime time;
  DeviceId device;
  u64 incarnation = 0;
  u32 batch = 0;
  u32 position = 0;
  auto operator<=>(const Position&) const = default;
};

inline constexpr std::size_t batch_key_size = 8 + 32 + 8 + 4;
inline constexpr std::size_t position_key_size = batch_key_size + 4;

// Bytes sort as positions do.
inline Bytes batch_key(const Position& at) {
  codec::Writer w;
  w.reserve(position_key_size);
  w.be64(at.time.value).fixed(at.device).be64(at.incarnation).be32(at.batch);
  return std::move(w).take();
}

inline Bytes position_key(const Position& at) {
  codec::Writer w;
  w.reserve(position_key_size);
  w.be64(at.time.value).fixed(at.device).be64(at.incarnation).be32(at.batch).be32(at.position);
  return std::move(w).take();
}

// From either form; of a batch key the position is 0. Shorter input gives zeros.
inline Position position_of(ByteView key) {
  codec::Reader r(key);
  Position at;
  at.time.value = r.be64();
  at.device = r.fixed<DeviceId>();
  at.incarnation = r.be64();
  at.batch = r.be32();
  if (r.left() > 0) at.position = r.be32();
  return at;
}

}  // namespace perdure::crdt
