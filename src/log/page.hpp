// Stretches of a log on their way: taken in, appended, read out.
//
//     if (auto page = read_page(rows, topic, log, state, from, to, window)) send(*page);
//     if (accept(rows, topic, log, state, network, topic_id, page) == Verdict::accepted) replica.add(log, …);
//
// B topic log index holds a sealed batch as it is.
#pragma once

#include "log/state.hpp"

namespace perdure::log {

inline constexpr std::size_t page_batches_max = 256;
inline constexpr std::size_t page_bytes_max = 64 * 1024;  // of several batches; a single one may be up to sealed_max

// A stretch of a log as it travels.
struct Page {
  Opening opening;
  u64 from = 0;                // index of the first batch
  std::vector<Bytes> batches;  // sealed; 1 to page_batches_max; page_bytes_max together, or one longer
  Proof completion;            // to the root at head.length
  Head head;
};

enum class Verdict : u8 {
  accepted,
  known,       // nothing new in it: it holds what is held
  gap,         // starts behind what is held
  not_opened,  // certificate does not verify
  malformed,   // lengths that contradict each other, a batch over its limit
  mismatch,    // other batches than those held, or a head that does not verify for the root: fork or forgery
};

// Checks a page against the state (a fresh LogState for an unknown log) and, if accepted, writes batches, nodes and the
// state row, and updates `state`. Overlap with what is held is skipped. Batches are not unsealed here.
// A page that extends what is held makes its head and completion the state's, also when a longer head was known before: so
// what is held can always be proved to others (state.beyond always fits state.head).
// Cheapest checks first, the head's signature last; nothing changes unless the answer is `accepted`. Of an unknown log, device
// and incarnation come from the page: the caller has seen that they make the log's id. If a row misses, nothing changes either.
Verdict accept(store::Rows&, store::TopicNo, store::LogNo, LogState&, const NetworkId&, const TopicId&, const Page&);

// Puts back what is lost of the batches before `held`: if the page holds the batch at state.hole and the tree, or else the author's
// signature, shows it to be right. True if so: then the hole is behind the page, or closed; whether there is another further on is
// for mend() to find. Nothing happens if a row missed.
bool restore(store::Rows&, store::TopicNo, store::LogNo, LogState&, const NetworkId&, const TopicId&, const Page&);

// Appends own sealed batches under one new head; writes batches, nodes, state row. `ops` is the head's: all ops of the log, these
// batches included. The state is complete (held == head.length), its opening is set, and held + sealed.size() <= batches_max.
void append(store::Rows&, store::TopicNo, store::LogNo, LogState&, const identity::Identity&, const TopicId&,
            const std::vector<Bytes>& sealed, u64 ops, HybridTime time);

// Batches [from, …) up to `bytes_max` and a page's own limits (at least one), never beyond `to` or `held`, with what proves them
// under state.head.
// Nothing if a row missed or is corrupt, or from >= held.
std::optional<Page> read_page(store::Rows&, store::TopicNo, store::LogNo, const LogState&, u64 from, u64 to,
                              std::size_t bytes_max);

}  // namespace perdure::log
