// A clock that is wrong for a while: it hides for that while what it says is not due, and nothing that others have read is moved, void or lost.
#include "sim/rows.hpp"
#include "unit/support/group.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

constexpr i64 hour_ms = 3'600'000;

// Two who talk, both linked to one anchor.
struct Talk : Group {
  sim::HostId anchor = world.add({.name = {}, .anchor = true, .anchors = {}, .device_seed = {}, .disk = {}});
  sim::HostId ada = member(), bob = member();

  sim::HostId member(i64 skew_ms = 0) {
    sim::HostId host = world.add({.name = {},
                                  .rtc = false,
                                  .anchors = {sim::World::url(anchor)},
                                  .device_seed = {},
                                  .disk = {},
                                  .skew_ms = skew_ms});
    open(host);
    return host;
  }
  // What somebody sees, in its order: ids and words.
  using Seen = std::vector<std::pair<std::string, std::string>>;
  Seen seen(sim::HostId host) {
    Seen out;
    for (const MessageOut& m : ask<MessagePage>(host, Latest{topic[host], 256}).messages)
      out.emplace_back(m.id, text(ByteView(m.value).subspan(2)));
    return out;
  }
  u64 held(sim::HostId host) { return world.topics(host)[topic[host]].held; }
  bool any_void(sim::HostId host) const {
    return std::ranges::any_of(sim::logs_on(*world.disk(host)),
                               [](const sim::StoredLog& log) { return log.state.cut() != log::no_cut; });
  }
  void offline(sim::HostId host) {
    world.set_side(host, 1);
    world.run_for(60'000);  // until all links are known to be dead
  }
  void online(sim::HostId host) {
    world.set_side(host, 0);
    world.run_for(90'000);
  }
  void talk() {
    world.run_for(20'000);
    for (sim::HostId who : {ada, bob, ada, bob}) {
      (void)say(who, "word " + std::to_string(++words_said_));
      world.run_for(2'000);
    }
  }
  // Nobody misses anything, and nothing was said again.
  void all_is_as(const Seen& before) {
    for (sim::HostId who : {ada, bob}) {
      CHECK(seen(who) == before);
      CHECK(held(who) == 0);
      CHECK_FALSE(any_void(who));
    }
    CHECK(digest(ada) == digest(bob));
  }

 private:
  int words_said_ = 0;
};

}  // namespace

TEST_CASE("a clock that falls back in the middle of a talk is put right by what others said before, at once") {
  Talk t;
  t.talk();
  Talk::Seen before = t.seen(t.bob);
  t.world.set_skew(t.ada, -hour_ms);
  before.emplace_back(t.say(t.ada, "meanwhile"), "meanwhile");
  CHECK(t.seen(t.ada) == before);
  t.world.run_for(30'000);
  t.all_is_as(before);
  t.world.set_skew(t.ada, 0);
  before.emplace_back(t.say(t.ada, "after"), "after");
  t.world.run_for(30'000);
  t.all_is_as(before);
}

TEST_CASE("a clock that falls back while nobody is in reach goes on by what others said before") {
  Talk t;
  t.talk();
  Talk::Seen before = t.seen(t.bob);
  t.offline(t.ada);
  t.world.set_skew(t.ada, -hour_ms);
  before.emplace_back(t.say(t.ada, "meanwhile"), "meanwhile");
  t.world.run_for(30'000);
  CHECK(t.seen(t.ada) == before);
  t.online(t.ada);
  t.all_is_as(before);
  t.world.set_skew(t.ada, 0);
  t.world.run_for(30'000);
  t.all_is_as(before);
}

TEST_CASE("a clock that fell back between two lives is put right by those who are in reach") {
  Talk t;
  t.talk();
  const Talk::Seen before = t.seen(t.bob);
  t.world.crash(t.ada);
  t.world.set_skew(t.ada, -hour_ms);
  t.world.restart(t.ada);
  t.open(t.ada);
  t.world.run_for(30'000);
  t.all_is_as(before);
  t.world.set_skew(t.ada, 0);
  t.world.run_for(30'000);
  t.all_is_as(before);
}

TEST_CASE(
    "what a clock that fell back between two lives does not allow is held back while nobody is in reach, and no more") {
  for (bool right_again : {false, true}) {  // before anybody is in reach
    CAPTURE(right_again);
    Talk t;
    t.talk();
    const Talk::Seen before = t.seen(t.bob);
    t.world.crash(t.ada);
    t.world.set_side(t.ada, 1);
    t.world.set_skew(t.ada, -hour_ms);
    t.world.restart(t.ada);
    t.open(t.ada);
    const std::string id = t.say(t.ada, "meanwhile");
    t.world.run_for(60'000);
    CHECK(t.seen(t.ada) == Talk::Seen{{id, "meanwhile"}});
    CHECK(t.held(t.ada) == 4);
    if (right_again) {
      t.world.set_skew(t.ada, 0);
      t.world.run_for(10'000);
      CHECK(t.held(t.ada) == 0);
    }
    t.online(t.ada);
    Talk::Seen after{{id, "meanwhile"}};  // it was said by that clock, and had been read by nobody
    after.insert(after.end(), before.begin(), before.end());
    t.all_is_as(after);
    t.world.set_skew(t.ada, 0);
    t.world.run_for(30'000);
    t.all_is_as(after);
  }
}

TEST_CASE(
    "of two whom nobody tells the time the one whose clock falls back holds back what is not due, and moves nothing") {
  Group few;
  sim::HostId ada = few.add(), bob = few.add();
  few.meet(ada, bob);
  for (const char* word : {"1", "2"})
    for (sim::HostId who : {ada, bob}) (void)few.say(who, word);
  few.world.run_for(2'000);
  const std::string before = few.digest(bob);
  for (bool restarts : {false, true}) {
    CAPTURE(restarts);
    if (restarts) few.world.crash(ada);
    few.world.set_skew(ada, -hour_ms);
    if (restarts) {
      few.world.restart(ada);
      few.open(ada);
      few.meet(ada, bob);
    }
    few.world.run_for(60'000);
    CHECK(few.world.topics(ada)[few.topic[ada]].held == 4);
    CHECK(few.digest(bob) == before);
    few.world.set_skew(ada, 0);
    few.world.run_for(30'000);
    CHECK(few.digest(ada) == before);
    CHECK(few.digest(bob) == before);
  }
}

TEST_CASE(
    "what was said by a clock that was hours ahead gets a new time once others confirm the one that is right, and no sooner") {
  for (bool restarts : {false, true}) {
    CAPTURE(restarts);
    Talk t;
    t.talk();
    Talk::Seen before = t.seen(t.bob);
    t.offline(t.ada);
    t.world.set_skew(t.ada, 3 * hour_ms);
    const std::string id = t.say(t.ada, "ahead");
    if (restarts) t.world.crash(t.ada);
    t.world.set_skew(t.ada, 0);
    if (restarts) {
      t.world.restart(t.ada);
      t.open(t.ada);
    }
    t.world.run_for(30'000);
    CHECK(t.held(t.ada) == 1);
    CHECK_FALSE(t.any_void(t.ada));
    t.online(t.ada);
    before.emplace_back(id, "ahead");
    for (sim::HostId who : {t.ada, t.bob}) {
      CHECK(t.seen(who) == before);
      CHECK(t.held(who) == 0);
    }
    const auto newest = t.ask<MessagePage>(t.bob, Latest{t.topic[t.bob], 1}).messages.at(0);
    CHECK(newest.time_ms <= t.world.wall(t.bob));
    CHECK(t.digest(t.ada) == t.digest(t.bob));
  }
}

TEST_CASE(
    "a clock that others correct may be set back, be alone and start anew: what it said by their time stays where it is") {
  Talk t;
  const sim::HostId eve = t.member(-hour_ms);
  t.world.run_for(20'000);
  (void)t.say(eve, "by their time");
  t.talk();
  const Talk::Seen before = t.seen(t.bob);
  REQUIRE(before.front().second == "by their time");
  t.world.set_skew(eve, -2 * hour_ms);
  t.world.run_for(30'000);
  CHECK(t.seen(eve) == before);
  t.offline(eve);
  CHECK(t.seen(eve) == before);
  t.world.crash(eve);
  t.world.restart(eve);
  t.open(eve);
  t.world.run_for(30'000);
  CHECK(t.held(eve) == before.size());
  t.online(eve);
  t.all_is_as(before);
  CHECK(t.seen(eve) == before);
}

TEST_CASE("an anchor whose clock falls back makes nobody say anything again") {
  Talk t;
  t.talk();
  const Talk::Seen before = t.seen(t.bob);
  t.world.set_skew(t.anchor, -hour_ms);
  t.world.run_for(60'000);
  CHECK(t.held(t.ada) == 4);
  t.world.set_skew(t.anchor, 0);
  t.world.run_for(60'000);
  t.all_is_as(before);
}

TEST_CASE("what is said again in another life stays at its time, whatever the clock says by then") {
  Group few;
  sim::HostId ada = few.add(), bob = few.add();
  (void)few.say(ada, "0");
  (void)few.say(bob, "from bob");
  const sim::Disk::Rows copy = few.world.disk(ada)->rows;
  (void)few.say(ada, "1");
  few.meet(ada, bob);
  (void)few.say(bob, "2");
  few.part(ada, bob);
  const auto order = [&](sim::HostId host) {
    Words out;
    for (const MessageOut& m : few.ask<MessagePage>(host, Latest{few.topic[host], 256}).messages)
      out.emplace_back(text(ByteView(m.value).subspan(2)));
    return out;
  };
  Words before = order(bob);
  few.world.crash(ada);
  few.world.disk(ada)->rows = copy;
  few.world.restart(ada);
  few.open(ada);
  (void)few.say(ada, "in the place of 1");
  few.world.set_skew(ada, -hour_ms);
  few.meet(ada, bob);
  few.world.set_skew(ada, 0);
  few.world.run_for(30'000);
  Words after = order(bob);
  std::erase(after, "in the place of 1");
  CHECK(after == before);
  CHECK(few.digest(ada) == few.digest(bob));
}
