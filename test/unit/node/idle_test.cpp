// What is sent while nothing happens: signs of life, comparisons, presence. An app may bound it; links and presence stay.
#include "catch_amalgamated.hpp"
#include "unit/support/scene.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

struct Quiet {
  u64 bytes = 0, presences = 0;  // of ten minutes
  u64 longest_ms = 0;            // between two presences
  bool linked = false;
};

// Ada and Eve share a topic and say nothing; Eve answers what she must.
Quiet ten_minutes(u32 idle_bytes_per_second, bool present) {
  Config config;
  config.idle_bytes_per_second = idle_bytes_per_second;
  Solo ada("ada", config);
  u32 topic = ada.join(secret);
  Stranger eve(ada, "eve");
  eve.enter(secret);
  if (present) (void)ada.ask<Nothing>(SetPresence{topic, Bytes(1, 0xc3)});
  Quiet quiet;
  u64 last = ada.steady_ms;
  for (int i = -60; i < 1'200; ++i) {  // after half a minute for getting to know each other
    eve.heard.clear();
    ada.pass(500);
    for (const Bytes& sent : ada.sent[eve.link.value]) quiet.bytes += i < 0 ? 0 : sent.size();
    eve.listen();
    if (auto ping = eve.last<wire::Ping>()) eve.say(wire::Pong{ping->id, ada.wall_ms});
    if (i < 0) last = ada.steady_ms;
    if (i < 0 || eve.all<wire::Presence>().empty()) continue;
    ++quiet.presences;
    quiet.longest_ms = std::max(quiet.longest_ms, ada.steady_ms - last);
    last = ada.steady_ms;
  }
  quiet.linked = eve.linked();
  return quiet;
}

}  // namespace

TEST_CASE("what is sent while nothing happens stays within what the app allows, and the link stands") {
  Quiet usual = ten_minutes(0, false);
  CHECK(usual.bytes > 5 * 600);
  for (u32 allowed : {10u, 5u}) {
    CAPTURE(allowed);
    Quiet bounded = ten_minutes(allowed, false);
    CHECK(bounded.bytes <= u64{allowed} * 600);
    CHECK(bounded.bytes > 0);
    CHECK(bounded.linked);
  }
}

TEST_CASE(
    "presence is said more rarely where little may be sent, and never so rarely that it would be taken for gone") {
  Quiet usual = ten_minutes(0, true), bounded = ten_minutes(40, true), strict = ten_minutes(1, true);
  CHECK(usual.bytes > 40 * 600);
  CHECK(bounded.bytes <= 40 * 600);
  CHECK(bounded.presences < usual.presences);
  CHECK(strict.presences >= 74);
  CHECK(strict.longest_ms < 9'000);
  CHECK(strict.linked);
}

TEST_CASE("a bound on what is sent while nothing happens delays nothing that does") {
  Config config;
  config.idle_bytes_per_second = 1;
  Solo ada("ada", config);
  u32 topic = ada.join(secret);
  Stranger eve(ada, "eve");
  eve.enter(secret);
  eve.heard.clear();
  for (int i = 0; i < 20; ++i) (void)ada.append(topic, "m");
  eve.listen();
  CHECK(eve.all<wire::Page>().size() == 20);
}
