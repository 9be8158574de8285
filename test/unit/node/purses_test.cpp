// What the links of one address have spent together, driven alone.
#include "node/purses.hpp"

#include "catch_amalgamated.hpp"
#include "node/params.hpp"
#include "wire/table.hpp"

using namespace perdure;

namespace {
LinkOpened link_of(u32 number, Bytes address = {}) {
  LinkOpened event;
  event.link = {number};
  event.address = std::move(address);
  return event;
}
constexpr u64 much = 1'000'000;
}  // namespace

TEST_CASE("links of one address have one purse, and where no address is told each has its own") {
  const Bytes one = Purses::name(link_of(1, {1, 2})), other = Purses::name(link_of(2, {1, 2}));
  CHECK(one == other);
  CHECK(Purses::name(link_of(1)) != Purses::name(link_of(2)));
  Purses purses;
  CHECK(purses.join(one, 0) == purses.join(other, 0));
}

TEST_CASE("who goes and comes again owes what it owed, until that has come back") {
  Purses purses;
  const Bytes name = Purses::name(link_of(1, {1}));
  auto spent = purses.join(name, 0);
  spent->work.charge(0, wire::address_work, much);
  purses.leave(name, 0);
  CHECK(purses.join(name, 0) == spent);
  purses.leave(name, 1'000'000'000);
  CHECK(purses.join(name, 1'000'000'000) != spent);
}

TEST_CASE("when an address was told of a large topic is remembered while that says when it is told again") {
  Purses purses;
  const Bytes name = Purses::name(link_of(1, {1}));
  purses.join(name, 0)->told_ms = 1'000;
  purses.leave(name, 1'000);
  CHECK(purses.join(name, 2'000)->told_ms == 1'000);
  purses.leave(name, 1'000 + wire::told_ms_max);
  CHECK(purses.join(name, 1'000 + wire::told_ms_max)->told_ms == 0);
}

TEST_CASE("who comes again owes what it owed, also where no more addresses are remembered") {
  Purses purses;
  const auto name = [](u32 i) { return Purses::name(link_of(1, {1, static_cast<u8>(i >> 8), static_cast<u8>(i)})); };
  std::shared_ptr<peers::Spent> first;
  for (u32 i = 0; i < params::addresses_max; ++i) {
    auto spent = purses.join(name(i), 0);
    spent->work.charge(0, wire::address_work, much);
    purses.leave(name(i), 0);
    if (i == 0) first = spent;
  }
  CHECK(purses.join(name(0), 0) == first);
}

TEST_CASE("who is linked keeps its purse however many addresses come and go") {
  Purses purses;
  const Bytes stays = Purses::name(link_of(1, {0}));
  auto spent = purses.join(stays, 0);
  for (u32 i = 0; i < 2 * params::addresses_max; ++i) {
    const Bytes passing = Purses::name(link_of(2, {1, static_cast<u8>(i >> 8), static_cast<u8>(i)}));
    purses.join(passing, 0)->work.charge(0, wire::address_work, much);
    purses.leave(passing, 0);
  }
  CHECK(purses.join(stays, 0) == spent);
}
