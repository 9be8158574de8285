#include "crdt/arrivals.hpp"

#include "catch_amalgamated.hpp"
#include "support/memory_rows.hpp"

using namespace perdure;
using crdt::Arrivals;
using crdt::Indexes;

namespace {
LogId log_named(u8 n) {
  LogId id;
  id.bytes[0] = n;
  return id;
}
}  // namespace

TEST_CASE("arrivals are read on from any number, and their hash is known where an entry ends") {
  test::MemoryRows rows;
  Indexes indexes;
  {
    Arrivals arrivals(rows, 1, indexes);
    arrivals.append(1, log_named(1), 0, 4);
    arrivals.append(2, log_named(2), 7, 1);
    arrivals.append(1, log_named(1), 4, 2, {.silent = true, .messages = 0});
    arrivals.flush();
    crdt::save_indexes(rows, 1, indexes);
  }
  rows.commit();
  Indexes again = crdt::load_indexes(rows, 1);
  CHECK(again.arrived == 7);
  Arrivals arrivals(rows, 1, again);
  auto all = arrivals.read(0, 10);
  REQUIRE(all.size() == 3);
  CHECK((all[1].log == 2 && all[1].number == 4 && all[1].from == 7 && all[1].count == 1));
  CHECK(all[2].silent);
  auto rest = arrivals.read(3, 2);
  REQUIRE(rest.size() == 2);
  CHECK((rest[0].number == 3 && rest[0].from == 3 && rest[0].count == 1));
  CHECK(arrivals.read(7, 9).empty());
  CHECK(arrivals.read(700, 9).empty());
  CHECK(arrivals.hash_at(0) == crdt::ArrivalHash{});
  CHECK(arrivals.hash_at(4) == all[0].hash_after);
  CHECK(arrivals.hash_at(5) == all[1].hash_after);
  CHECK(arrivals.hash_at(7) == again.arrival_hash);
  CHECK_FALSE(arrivals.hash_at(2));
  CHECK_FALSE(arrivals.hash_at(8));
  CHECK(crdt::arrival_hash_at(rows, 1, again, 5) == all[1].hash_after);
  CHECK(crdt::read_arrivals(rows, 1, again, 5, 10).size() == 1);
}

TEST_CASE("the running hash speaks of logs by their ids, so that it does not depend on local numbers") {
  test::MemoryRows rows;
  Indexes one, two, other;
  crdt::append_arrival(rows, 1, one, 1, log_named(9), 0, 3);
  crdt::append_arrival(rows, 2, two, 5, log_named(9), 0, 3);
  crdt::append_arrival(rows, 3, other, 1, log_named(8), 0, 3);
  CHECK(one.arrival_hash == two.arrival_hash);
  CHECK(one.arrival_hash != other.arrival_hash);
}

TEST_CASE("the indexes row reads back as written, and nothing else reads as one") {
  Indexes indexes;
  indexes.timeline = {3, 2, 9, 100, 250};
  indexes.voids = {1, 1, 2, 1, 0};
  indexes.arrived = 12;
  indexes.arrival_hash = {1, 2, 3};
  indexes.greatest = {77};
  indexes.read_mark = Bytes(56, 4);
  indexes.read_messages = 6;
  const Bytes row = crdt::encode_indexes(indexes);
  auto back = crdt::decode_indexes(row);
  REQUIRE(back);
  CHECK(crdt::encode_indexes(*back) == row);
  CHECK(back->timeline == indexes.timeline);
  for (std::size_t n = 0; n < row.size(); ++n) CHECK_FALSE(crdt::decode_indexes(ByteView(row).subspan(0, n)));
}
