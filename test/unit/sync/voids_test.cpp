// What an author has voided and members have cut off lies at an anchor still, which cannot read why.
#include "unit/support/group.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

constexpr i64 year_ms = i64{365} * 24 * 3'600'000;

// Ada and Bob share a topic by way of an anchor. Part of what Ada says, she says under a clock two years ahead, and again once it is right.
struct Ahead : Group {
  sim::HostId anchor = world.add(
      {.name = {}, .anchor = true, .rtc = false, .anchors = {}, .device_seed = {}, .disk = {}});
  sim::HostId ada = add(), bob = add();

  explicit Ahead(bool ahead) {
    meet(ada, anchor);
    meet(bob, anchor);
    say(ada, "one");
    if (ahead) world.set_skew(ada, 2 * year_ms);
    for (int i = 0; i < 60; ++i) say(ada, std::string(200, 'x'));
    world.run_for(1'000);
    if (ahead) world.set_skew(ada, 0);
    say(ada, "two");
    world.run_for(120'000);
  }
  u64 sent_in_ten_minutes() {
    const u64 before = world.counts.bytes;
    world.run_for(600'000);
    return world.counts.bytes - before;
  }
};

}  // namespace

TEST_CASE("an anchor does not send again and again what its members have cut off") {
  Ahead usual(false), voided(true);
  CHECK(voided.words(voided.bob) == usual.words(usual.bob));
  CHECK(voided.digest(voided.ada) == voided.digest(voided.bob));
  CHECK(voided.sent_in_ten_minutes() <= usual.sent_in_ten_minutes() + 1'024);
}
