// How the store does, driven alone: what each failure and each answer of the host leads to.
#include "catch_amalgamated.hpp"
#include "node/params.hpp"
#include "node/storage.hpp"

using namespace perdure;
using State = Storage::State;
using Next = Storage::Next;

namespace {
Storage opened() {
  Storage storage;
  storage.read();
  return storage;
}
}  // namespace

TEST_CASE("a store that fails is opened again, and rests for a while once it is up") {
  Storage storage = opened();
  CHECK(storage.failed(1'000, SaveOutcome::failed) == Next::nothing);
  CHECK(storage.state() == State::reopening);
  CHECK_FALSE(storage.gone());
  CHECK(storage.reopened(1'100, Reopening::ok) == Next::read);
  CHECK(storage.state() == State::up);
  CHECK(storage.rests(1'200));
  CHECK_FALSE(storage.rests(storage.rests_until()));
}

TEST_CASE("a store that failed before it was read is read from the start") {
  Storage storage;
  (void)storage.failed(1'000, SaveOutcome::failed);
  CHECK(storage.reopened(1'100, Reopening::ok) == Next::read);
  CHECK(storage.state() == State::reading);
  CHECK_FALSE(storage.started());
}

TEST_CASE("who waits for a store that does not open is told, and it is tried on") {
  Storage storage = opened();
  (void)storage.failed(1'000, SaveOutcome::failed);
  const u64 late = storage.deadline().value();
  CHECK(storage.on_time(late, true) == Next::tell);  // no answer yet
  CHECK(storage.state() == State::away);
  REQUIRE(storage.gone());
  CHECK(storage.gone()->code == Code::storage_unavailable);
  CHECK(storage.reopened(late + 1, Reopening::failed) == Next::tell);
  CHECK(storage.on_time(storage.deadline().value(), true) == Next::reopen);
  CHECK(storage.reopened(late + 9'000, Reopening::ok) == Next::read);
  CHECK_FALSE(storage.gone());
}

TEST_CASE("a store that fails again and again, each time soon after it was opened, is given time") {
  Storage storage = opened();
  u64 now = 1'000;
  for (u32 n = 1; n < params::failures_max; ++n) {
    (void)storage.failed(++now, SaveOutcome::failed);
    CHECK(storage.reopened(now, Reopening::ok) == Next::read);
  }
  (void)storage.failed(++now, SaveOutcome::failed);
  CHECK(storage.reopened(now, Reopening::ok) == Next::tell);
  CHECK(storage.state() == State::away);
  CHECK(storage.on_time(storage.deadline().value(), false) == Next::read);
}

TEST_CASE("a store that was taken over, taken away or written by a newer version is over for this life") {
  for (int how = 0; how < 4; ++how) {
    CAPTURE(how);
    Storage storage = opened();
    if (how == 0) CHECK(storage.failed(1'000, SaveOutcome::superseded) == Next::tell);
    if (how > 0) (void)storage.failed(1'000, SaveOutcome::failed);
    if (how == 1) CHECK(storage.reopened(1'001, Reopening::superseded) == Next::tell);
    if (how == 2) CHECK(storage.reopened(1'001, Reopening::lost) == Next::tell);
    if (how == 3) CHECK(storage.outdated() == Next::tell);
    CHECK(storage.over());
    CHECK_FALSE(storage.deadline());
    CHECK(storage.failed(2'000, SaveOutcome::failed) == Next::nothing);
    CHECK(storage.reopened(2'001, Reopening::ok) == Next::nothing);
    CHECK(storage.over());
  }
}
