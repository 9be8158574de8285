// How much one answer holds, of the timeline and of the map.
#pragma once

#include <cstddef>

#include <perdure/types.hpp>

namespace perdure::crdt {

inline constexpr u32 page_max = 256;
// So that one answer crosses the boundary as a whole.
inline constexpr std::size_t page_bytes_max = 1024 * 1024;

}  // namespace perdure::crdt
