// The façade's parameters, each with its reason. Those of sync stand in sync/exchange.hpp, those of links in peers/links.hpp.
#pragma once

#include <perdure/types.hpp>

namespace perdure::params {

inline constexpr std::size_t append_bytes_max = 16u << 20;       // one appendAll: what a save can hold without blocking the store for long
inline constexpr std::size_t waiting_bytes_max = 64u << 20;      // appends that wait for the disk; more is refused with too_large
inline constexpr std::size_t early_calls_max = 4096;             // calls before the store has been read
inline constexpr std::size_t waiters_max = 4096;                 // replicated(), anchored(), synced() under way
inline constexpr std::size_t receipts_max = 4096;                // remembered for retries after a hand-over
inline constexpr std::size_t receipt_rows = 1024;                // one row a save; the oldest is overwritten
inline constexpr std::size_t anchors_max = 16;
inline constexpr std::size_t links_direct_max = 8;               // DataChannels: eight peers survive the loss of most of them
inline constexpr std::size_t contacts_max = 512;                 // introduced; more are not remembered
inline constexpr std::size_t stun_max = 2;                       // browsers warn of more, and each costs a candidate's wait
inline constexpr u64 rtc_ms_max = 8'000;                         // then the pair is relayed
inline constexpr u64 rtc_retry_ms = 30'000;                      // from relayed to direct, doubled with each failure up to ten minutes
inline constexpr u64 anchor_retry_ms = 1'000;                    // doubled with each failure up to 30 s, with jitter
inline constexpr u64 anchor_retry_ms_max = 30'000;
inline constexpr u64 presence_interval_ms = 100;                 // at most ten a second
inline constexpr u64 presence_again_ms = 4'000;                  // so that silence means something
inline constexpr u64 presence_silence_ms = 10'000;
inline constexpr u32 signals_per_minute = 30;                    // forwarded for one source …
inline constexpr u32 signals_burst = 20;                         // … after a burst
inline constexpr u64 members_delay_ms = 200;                     // gathers what batches say of them: a list of hundreds for each page would cost more than the page
inline constexpr std::size_t said_max = 1024;                    // presences and profiles kept of a topic
inline constexpr u64 lease_check_ms = 3'600'000;

}  // namespace perdure::params
