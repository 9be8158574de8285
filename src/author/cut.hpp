// How ops become batches: in their order, within the limits of a batch, and what belongs together in one where one can hold it.
#pragma once

#include <map>
#include <vector>

#include "log/batch.hpp"

namespace perdure::author {

// Runs of ops that are better not seen in part: where each begins, and how many they are.
using Runs = std::map<std::size_t, std::size_t>;

// The ops keep their order, and runs stay together where one batch can hold them.
std::vector<std::vector<log::Op>> cut_into_batches(std::vector<log::Op> ops, const Runs& runs);

// What one set or delete replaces in all: it names so many itself or by erasures before it. Who makes more versions of a key than that has
// spent as much on it, and the next op takes the rest.
inline constexpr u64 replaced_max = 16 * log::ops_max * (log::names_max - 1);

// The op, and before it what it needs to replace all those versions: an op names at most so many, so erasures of its key name the others, and
// each op the one before it, once their ids are known.
std::vector<log::Op> replacing(log::Op op, const std::vector<OpId>& versions);

}  // namespace perdure::author
