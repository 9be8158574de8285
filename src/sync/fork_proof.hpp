// That an author signed two histories of a log: with this anybody believes it, and without it nobody. Of two proofs the one that parts
// earlier says more; from there on nothing of the log counts, for all who have seen it (2P-BFT-Log, Lavoie 2023).
//
//     auto ours = branch_from(nodes, state, at);                        // in a step; the other branch is theirs
//     if (proves_fork(topic.network, topic.id, name, {at, peaks, *ours, theirs})) …
#pragma once

#include "crdt/logs.hpp"
#include "log/nodes.hpp"
#include "wire/frames.hpp"

namespace perdure::sync {

// What we hold, from its leaf `at` on. Nothing if a row is missing or lost.
std::optional<wire::Branch> branch_from(const log::Nodes&, const log::LogState&, u64 at);

// Both branches begin with the same `at` leaves, differ in the next one, and are signed by the log's device.
bool proves_fork(const NetworkId&, const TopicId&, const crdt::LogName&, const wire::Fork&);

}  // namespace perdure::sync
