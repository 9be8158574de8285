// An anchor's disk that is nearly full, driven alone.
#include "node/disk_room.hpp"

#include "catch_amalgamated.hpp"
#include "node/params.hpp"

using namespace perdure;

TEST_CASE("after a save that did not fit smaller ones are kept, and larger ones are refused until there is room") {
  DiskRoom room;
  CHECK_FALSE(room.refuses(1, 1 << 30));
  CHECK(room.failed(1'000, 10) == 250);
  CHECK(room.refuses(7, 251));
  CHECK_FALSE(room.refuses(8, 250));
  CHECK(room.failed(400, 20) == 100);
  CHECK(room.failed(4'000, 30) == 100);  // what fitted less before does not fit more now
  CHECK(room.again(40) == std::set<store::TopicNo>{7});
  CHECK_FALSE(room.tight());
  CHECK_FALSE(room.refuses(7, 1 << 30));
}

TEST_CASE("whether there is room is tried after ever longer pauses, and soon again once the host has said so") {
  DiskRoom room;
  CHECK_FALSE(room.deadline());
  room.failed(1'000, 0);
  CHECK(room.deadline() == params::room_pause_ms);
  u64 now = *room.deadline();
  room.again(now);
  room.failed(1'000, now);
  CHECK(room.deadline() == now + 2 * params::room_pause_ms);
  now = *room.deadline();
  room.again(now);
  now += 3 * params::room_pause_ms;  // it was well for longer than that pause
  room.failed(1'000, now);
  CHECK(room.deadline() == now + params::room_pause_ms);
  room.failed(1'000, now);
  room.again(now + 1);  // before its time: by the host's word
  room.failed(1'000, now + 1);
  CHECK(room.deadline() == now + 1 + params::room_pause_ms);
}
