// What a message may cost: one row a tag. The layer of the links enforces it before a frame is handed on; nothing else in the tree holds a
// rate at which others may make us do something.
//
//     const Price& price = price_of(frame.tag);
//     if (frame.body.size() > price.body_max) …              the link is closed
//     if (!budget.take(now_ms, price.rate)) …                price.over says what follows
//
// Work is counted in units of about a microsecond of one processor core. A frame costs `work`, and `work_kib` for each KiB of its body; what
// depends on what it meets here (the logs of a topic, the pages that are read) is charged where that is known. Work that was done is
// owed: what who owes says of topics waits, and its answers; what it pushes is fetched later, in bulk.
#pragma once

#include <array>

#include "base/budget.hpp"
#include "wire/frames.hpp"

namespace perdure::wire {

enum class Owner : u8 { links, sharing, sync, peers, presence };
enum class Purse : u8 {
  link,     // a budget for each link
  address,  // … for all links of one address together
  member,   // … for each device that it is said of, in each topic: kept by the owner
};
enum class Over : u8 {
  skip,    // it is not heard; so many of these close the link (skipped_rate)
  drop,    // it is not heard, and that is all: who said it may only have passed it on
  refuse,  // it is not done, and the sender is told
  later,   // it is done once there is room: the last of its kind, or in bulk
  close,   // the link is closed
};

struct Price {
  Tag tag;
  Owner owner;
  u32 body_max;  // bytes
  u32 out_max;   // bytes that one makes us send at once, at most; pages that are wanted or passed on not counted
  u32 work, work_kib;
  Budget::Rate rate;  // of frames
  Purse purse;
  Over over;
};

inline constexpr u32 item_max = 8 + 10 + 10 + 10 + 4 + 10;
inline constexpr u32 frontier_bytes_max = 4u << 20;  // 65,536 logs, each of them told
inline constexpr u32 small = 256;                    // a frame that answers

// clang-format off: a table
inline constexpr std::array<Price, 27> prices{{
    // A sign of life is said every five seconds, and a dozen of them at once after a pause.
    {Tag::ping, Owner::links, 5 + 10, small, 5, 0, {256, 240}, Purse::link, Over::skip},
    {Tag::pong, Owner::links, 5 + 10, 0, 5, 0, {256, 240}, Purse::link, Over::skip},
    {Tag::bye, Owner::links, 1, 0, 50, 0, {1, 1}, Purse::link, Over::close},
    {Tag::abilities, Owner::links, 8 * 1024, 0, 20, 20, {4, 4}, Purse::link, Over::skip},
    // One for each topic that is opened; all of them when a link comes up.
    {Tag::topics, Owner::sharing, 2 + 1024 * 16, small, 20, 60, {2'048, 2'048}, Purse::link, Over::close},
    {Tag::closed, Owner::sharing, 0, small, 20, 0, {2'048, 2'048}, Purse::link, Over::close},
    // A signature and a topic in memory each. A room of people behind one router come again at once when an anchor was away.
    {Tag::enter, Owner::sharing, 32 + 64, 4 * 1024, 200, 0, {8'192, 8'192}, Purse::address, Over::close},
    {Tag::refused, Owner::sharing, 1, 0, 10, 0, {2'048, 2'048}, Purse::link, Over::skip},
    // A greeting a topic when a link comes up, and one for each check that finds a difference. Which logs there are is told at once to who owes
    // nothing, else later; who asks without end is no peer of ours.
    {Tag::hello, Owner::sync, 16 + 10 + 1 + 64 * item_max + 1 + 26 + 1, frontier_bytes_max, 20, 100, {4'096, 8'192}, Purse::link, Over::close},
    {Tag::check, Owner::sync, 16, 4 * 1024, 10, 0, {4'096, 8'192}, Purse::link, Over::close},
    {Tag::items, Owner::sync, 2 + 512 * item_max, 4 * 1024, 10, 100, {2'048, 6'000}, Purse::link, Over::close},
    {Tag::done, Owner::sync, 8 + 10 + 8, 4 * 1024, 20, 0, {4'096, 8'192}, Purse::link, Over::close},
    {Tag::want, Owner::sync, 8 + 30, small, 20, 0, {8'192, 120'000}, Purse::link, Over::close},
    // By work: a page is a signature and a save, and an anchor's are passed on. What is pushed by who owes is noted and fetched later.
    {Tag::page, Owner::sync, 352 * 1024, small, 10, 1, {~u64{0}, 1}, Purse::link, Over::later},
    {Tag::no_page, Owner::sync, 8, 4 * 1024, 20, 0, {8'192, 120'000}, Purse::link, Over::close},
    // Five a second and log, of a log a member; an anchor passes on those of all of them.
    {Tag::ack, Owner::sync, 32 + 8 + 32 + 10 + 10 + 8 + 64, small, 20, 0, {4'096, 30'000}, Purse::link, Over::drop},
    // Some forks at once, each a descent of at most 32 levels.
    {Tag::ask_proof, Owner::sync, 8 + 10, 5 * 1024, 100, 0, {1'024, 3'840}, Purse::link, Over::close},
    {Tag::proof, Owner::sync, 8 + 10 + 2 * (1 + 64 * 32) + 30 + 64, small, 300, 0, {1'024, 3'840}, Purse::link, Over::close},
    {Tag::ask_nodes, Owner::sync, 8 + 5 + 10, small, 50, 0, {1'024, 3'840}, Purse::link, Over::close},
    {Tag::nodes, Owner::sync, 8 + 5 + 10 + 64, small, 50, 0, {1'024, 3'840}, Purse::link, Over::close},
    // Two signatures; once for each log that its author forked, whoever that is.
    {Tag::fork_proof, Owner::sync, 8 + 10 + (1 + 64 * 32) + 2 * (32 + (1 + 64 * 32) + 30 + 64), 5 * 1024, 400, 0, {1'024, 1'024}, Purse::link, Over::drop},
    // Those that come and go are told of every 200 ms in each topic.
    {Tag::introduce, Owner::peers, 4 + 128 * 33 + 128 * 32, 8 * 1024, 20, 60, {4'096, 12'000}, Purse::link, Over::drop},
    {Tag::signal, Owner::peers, 32 + 32 + 2 + signal_max, 8 * 1024, 150, 10, {500, 3'000}, Purse::link, Over::drop},
    // A message of a session each; one that is lost ends that session, and both are told.
    {Tag::relay, Owner::peers, 32 + 1 + 3 + 17 * 1024, 18 * 1024, 20, 4, {4'096, 60'000}, Purse::link, Over::refuse},
    {Tag::unreachable, Owner::peers, 32, 0, 20, 0, {512, 3'000}, Purse::link, Over::drop},
    // Twice what an honest device says, of each kind, in each topic.
    {Tag::presence, Owner::presence, 32 + 1 + 10 + 2 + 4096 + 256, 0, 100, 10, {30, 1'200}, Purse::member, Over::drop},
    // What is not known here and may be skipped has its price, too; it stands for all of those.
    {Tag{255}, Owner::links, 64 * 1024, 0, 5, 1, {1'024, 6'000}, Purse::link, Over::close},
}};
// clang-format on

constexpr std::size_t price_index(Tag tag) {
  for (std::size_t i = 0; i + 1 < prices.size(); ++i)
    if (prices[i].tag == tag) return i;
  return prices.size() - 1;
}
constexpr const Price& price_of(Tag tag) { return prices[price_index(tag)]; }

// What is heard only once its link owes nothing, in its order. All else is: signs of life, what is told for others, and what is noted or
// queued when it comes (pages, and what is wanted).
constexpr bool waits(Tag tag) {
  return price_of(tag).owner != Owner::links && tag != Tag::relay && tag != Tag::unreachable && tag != Tag::page &&
         tag != Tag::no_page && tag != Tag::want;
}

// Of these a peer may say more than it allows others: it says them for others.
constexpr bool passed_on(Tag tag) { return price_of(tag).over == Over::drop || tag == Tag::relay; }

// ---- the same in work, and of what a frame carries -------------------------------------------------------------------------------

// a tenth of a second of work at once, then a third of a core
inline constexpr Budget::Rate link_work{100'000, 18'000'000};
// … of all links of one address: a room behind one router, where one that floods keeps the others waiting
inline constexpr Budget::Rate address_work{300'000, 30'000'000};
// greetings of large topics, of all links together: the others go on meanwhile
inline constexpr Budget::Rate answers_work{500'000, 18'000'000};
inline constexpr u64 told_ms_max = 60'000;  // so long an address's place among those that wait for it is remembered
inline constexpr Budget::Rate skipped_rate{16'384, 16'384};  // frames of one link that were not heard; more close it

inline constexpr u64 work_unheard = 5;           // of a frame that is dropped: unsealed, and no more
inline constexpr u64 work_per_log = 2;           // of a frontier that is told or compared
inline constexpr u64 work_per_page_taken = 200;  // a signature, some rows
inline constexpr u64 work_per_batch = 2;         // … and of each batch in it: hashed, unsealed, merged
inline constexpr u64 work_per_page = 60;         // read, or passed on to one link
inline constexpr u64 work_per_push = 25;         // … owed by who brought it
inline constexpr u64 work_per_signature = 150;   // checked
inline constexpr u64 work_per_kib_given = 4;     // of pages and presences that go to one link: read, sealed, sent
constexpr u64 work_given(u64 bytes) { return 1 + bytes * work_per_kib_given / 1024; }

// Presences that an anchor passes on, in work: each costs as many sendings as there are others. In all a quarter of a core, so that
// everything else goes on; for one address less.
inline constexpr Budget::Rate presences_passed{100'000, 15'000'000}, presences_passed_by{80'000, 12'000'000};
// … and so much for each address however much others have taken: a presence in a few seconds
inline constexpr Budget::Rate presences_kept{8'000, 120'000};
constexpr u64 work_per_presence(u64 bytes) { return 40 + bytes * 10 / 1024; }

// What is passed on, for one source and to one target: to a target less than it hears of us, whoever sends it.
inline constexpr Budget::Rate signals_passed{20, 30},
    signals_passed_to{300, 2'000};  // an offer and its candidates, a few times
inline constexpr Budget::Rate relays_passed{2'048, 30'000}, relays_passed_to{3'072, 45'000};
// … and so much for each source however much others send to that target: its session goes on
inline constexpr Budget::Rate relays_kept{64, 600};
inline constexpr Budget::Rate acks_passed{2'048, 9'000}, acks_passed_to{1'536, 15'000};
// … and our own, which with those are fewer than are heard. What is left is for those who say little, a share for each source: so nobody's
// is lost for what others say.
inline constexpr Budget::Rate acks_said{2'048, 9'000}, acks_kept{16, 60};
// epochs in which one peer acknowledges in one topic: each makes all that it has acknowledged new, and a store begins one when it is put back
inline constexpr Budget::Rate acks_anew{4, 4};
// that all logs of an author are acknowledged again because somebody has told of it
inline constexpr Budget::Rate acks_again{2, 4};
// devices told of by one peer in one topic: twice as many as are remembered, all coming back within a minute
inline constexpr Budget::Rate introduced{1'024, 1'024};
// of who came back before our offer was given up: all direct links at once
inline constexpr Budget::Rate redials{8, 30};
// begun with us: relayed, by one device, and through one link; DataChannels, by one device, through one link, and by all
inline constexpr Budget::Rate sessions{4, 6}, relayed_sessions{256, 600};
inline constexpr Budget::Rate offers{4, 6}, offers_by{16, 30}, offers_all{32, 60};
// links of others that make room for one from an address
inline constexpr Budget::Rate crowding{8, 12};
// of a topic, begun because a peer has shown a later cursor of ours: a backup is put back once
inline constexpr Budget::Rate epochs{1, 1};
// that members of a topic are asked again for what an anchor refused, as others come who may lend room
inline constexpr Budget::Rate topics_wanted_again{8, 4};

}  // namespace perdure::wire
