// The façade's parameters, each with its reason. Those of sync stand in sync/exchange.hpp, those of links in peers/links.hpp; what others
// may make us do, and how often, stands in wire/table.hpp.
#pragma once

#include <perdure/types.hpp>

#include "log/batch.hpp"

namespace perdure::params {

// clang-format off: a table
inline constexpr std::size_t append_bytes_max = 16u << 20;       // one appendAll: what a save can hold without blocking the store for long
inline constexpr std::size_t waiting_bytes_max = 64u << 20;      // appends that wait for the disk; more is refused with too_large
inline constexpr std::size_t early_calls_max = 4096;             // calls before the store has been read
inline constexpr std::size_t waiters_max = 4096;                 // replicated(), anchored(), synced() under way
inline constexpr std::size_t anchors_max = 16;
inline constexpr std::size_t links_direct_max = 8;               // DataChannels: eight peers survive the loss of most of them
inline constexpr std::size_t contacts_max = 512;                 // introduced; then those make room of whom an introducer has brought the most
inline constexpr std::size_t stun_max = 2;                       // browsers warn of more, and each costs a candidate's wait
inline constexpr u64 rtc_ms_max = 8'000;                         // then the pair is relayed
inline constexpr u64 rtc_retry_ms = 5'000;                      // doubled with each failure up to five minutes: three tries within 45 s
inline constexpr u32 rtc_doublings_max = 6;
inline constexpr std::size_t ways_max = 4;                       // to somebody who does not answer, before others have its place …
inline constexpr u64 offer_ms_max = 30'000;                      // … and so long its offer is waited for
inline constexpr u64 anchor_retry_ms = 1'000;                    // doubled with each failure up to 30 s, with jitter
inline constexpr u64 anchor_retry_ms_max = 30'000;
inline constexpr u64 presence_interval_ms = 100;                 // at most ten a second
inline constexpr u64 presence_again_ms = 4'000;                  // so that silence means something
inline constexpr u64 presence_again_ms_max = 8'000;              // … spread out
inline constexpr u64 said_bytes = 200;                           // a presence beside its value, sealed twice
inline constexpr u64 presence_silence_ms = 10'000;
inline constexpr u64 members_delay_ms = 200;                     // gathers what batches say of them: a list of hundreds for each page would cost more than the page
inline constexpr std::size_t list_long = 64;                     // members or peers: … and so what else changes in more of them
inline constexpr std::size_t introductions_max = 128;            // in one frame
inline constexpr u64 introductions_pause_ms = 200;               // after the first; who comes later is told of with all who came meanwhile
inline constexpr std::size_t attempts_max = 4 * links_direct_max; // at DataChannels under way: each costs the page a connection
inline constexpr std::size_t anchor_topics_max = 65'536;         // kept in memory, about a kilobyte each; more are refused
inline constexpr std::size_t link_topics_max = 1'024;            // entered by one member
inline constexpr std::size_t heard_max = 1024;                    // presences and profiles kept of a topic; who is out of reach longest makes room
inline constexpr std::size_t names_max = 1024;                   // … names, and when somebody was seen last: 256 KiB on disk
inline constexpr std::size_t orphans_max = 1024;                 // numbers without a topic that are looked into at the start
inline constexpr u32 failures_max = 8;                           // in a row, each soon after the last: then the store is given time
inline constexpr u32 load_failures_max = 3;                      // of one topic, in a store that opens again each time: then its calls are told
inline constexpr u64 unusable_pause_ms = 60'000;                 // … and it is tried so often: each time that fails, all topics are read again
inline constexpr u64 reopen_ms_max = 20'000;                     // then whoever waits for the store is told that it does not open
inline constexpr u64 reopen_pause_ms = 5'000;                    // … so much, and again if it still cannot be opened
inline constexpr u64 portions_rest_ms = 60'000;                  // so often at most all is indexed anew while what was lost comes back in portions
inline constexpr u64 search_rest_ms = 60'000;                    // so often at most a log that has a hole is looked through for others
inline constexpr u64 rebuild_pause_ms = 10'000;                  // an index damaged sooner than that after it was made is the disk's doing
inline constexpr std::size_t told_links_max = 16;                // at an anchor, beyond those it serves: they are told why it does not serve them
inline constexpr std::size_t crowding_max = 4;                   // … and from one address, that have not greeted and want the place of another
inline constexpr std::size_t crowding_all_max = 64;              // … of all: who holds the places must open as many within the time of a handshake
inline constexpr u64 told_ms_max = 3'000;                        // … which takes a handshake, no more
inline constexpr u64 settling_ms = 10'000;                       // a link that has just come shares nothing yet
inline constexpr std::size_t idle_links_max = 8;                 // … unless its address has more of that kind
inline constexpr std::size_t aliases_looked_at = 16;             // to see whether a link shares anything: who made up so many empty topics does not
inline constexpr u64 room_pause_ms = 60'000;                     // after a save that did not fit, until such a one is tried again, doubled up to …
inline constexpr u64 room_pause_ms_max = 600'000;                // … so much: each try that fails has everybody wait
inline constexpr u64 lease_check_ms = 3'600'000;                 // that a topic is in use is noted as often
inline constexpr u64 lease_grace_ms = 86'400'000;                // after a start, and after the clock leapt: so long those whose anchor was away have to come back
inline constexpr u64 batch_format_newest = log::newest_format;    // that peers are told we understand
inline constexpr std::size_t addresses_max = 4'096;              // of which it is remembered what their links have spent; who owes nothing is forgotten

// What links may take of the memory, all together: three eighths, and unsent_untold for each. The rest is for rows, topics and logs.
inline constexpr u64 memory_bytes = u64{512} << 20;
struct Memory {
  u64 unsent;                                                    // sent and not taken, beyond unsent_untold: presence is not sent from half of it on, and then the link goes to which most waits
  u64 unfinished;                                                // frames of which pieces are missing, or that wait: then the link goes of which most is here
  u64 queued;                                                    // pages that wait for storage: more are noted, and fetched later
  u64 claims, link_claims;                                       // logs that peers say they hold and we do not: of all, of one link
  u64 kept;                                                      // logs of topics, for each link that has entered: then the link goes for which most is
  u64 passed;                                                    // acknowledgements that were passed on: more may be passed on again
  u64 said;                                                      // at an anchor, presences for who enters later: without them he hears those that are said next
  u64 shared;                                                    // topics of links (not bytes): at an anchor more of those in which nothing was said are refused, twice as many of others
};
inline constexpr u64 shared_bytes = 2'048;                       // that a topic costs for each link that has entered it
constexpr Memory memory(u64 bytes) {
  const u64 all = bytes == 0 ? memory_bytes : bytes;
  return {all / 8, all / 16, all / 16, all / 8, all / 32, all / 4, all / 32, all / 32, all / 8 / shared_bytes};
}
inline constexpr u64 presence_unsent_max = 256 * 1024;           // waiting on one link: then what is said now would come too late
inline constexpr u64 unsent_untold = 128 * 1024;                 // of one link, of which the host need not say that they are out: they do not count
// clang-format on

}  // namespace perdure::params
