#include "sync/fork_proof.hpp"

#include <bit>

namespace perdure::sync {

std::optional<wire::Branch> branch_from(const log::Nodes& nodes, const log::LogState& state, u64 at) {
  if (at >= state.held) return std::nullopt;
  const auto leaf = nodes.node(0, at);
  auto completion = log::completion(nodes, at + 1, state.head.length);
  if (!leaf || !completion) return std::nullopt;
  const log::Head& head = state.head;
  return wire::Branch{*leaf, std::move(*completion), head.length, head.ops, head.time.value, head.signature};
}

bool proves_fork(const NetworkId& network, const TopicId& topic, const crdt::LogName& log, const wire::Fork& fork) {
  if (fork.at >= log::batches_max || fork.one.leaf == fork.other.leaf ||
      fork.peaks.size() != static_cast<std::size_t>(std::popcount(fork.at)))
    return false;
  for (const wire::Branch* branch : {&fork.one, &fork.other}) {
    log::Peaks peaks{fork.at, fork.peaks};
    peaks.append(branch->leaf);
    const auto root = log::complete(peaks, branch->length, branch->completion);
    const log::Head head{branch->length, branch->ops, HybridTime{branch->time}, branch->signature};
    if (!root || !log::verify_head(network, topic, log.device, log.incarnation, *root, head)) return false;
  }
  return true;
}

}  // namespace perdure::sync
