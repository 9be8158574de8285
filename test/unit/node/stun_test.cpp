#include "catch_amalgamated.hpp"

#include "support/solo.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

// Ada meets somebody who can make DataChannels and lets her begin; what her host is then asked for.
RtcOpen attempt(Solo& ada, const Secret& secret) {
  for (int i = 0;; ++i) {
    std::string name = "peer " + std::to_string(i);
    if (!(ada.id() < identity::Identity(ada.config().app, named_seed(name)).id())) continue;
    Stranger peer(ada, name, {.greeting = {.rtc = true}});
    peer.enter(secret);
    peer.pass(10);
    REQUIRE(ada.rtc_opens.size() == 1);
    return ada.rtc_opens.front();
  }
}

std::vector<std::string> servers(const std::string& url, u32 port) {
  Config config;
  config.anchors = {url};
  Solo ada("ada", std::move(config));
  Secret secret = named_secret("topic");
  ada.join(secret);
  Stranger anchor(ada, "anchor",
                  {.kind = LinkKind::websocket,
                   .url = url,
                   .anchor = true,
                   .greeting = {.stun_port = {static_cast<u8>(port >> 8), static_cast<u8>(port)}}});
  REQUIRE(anchor.linked());
  return attempt(ada, secret).ice;
}

}  // namespace

TEST_CASE("a page asks the anchors that offer it how it is seen from outside") {
  CHECK(servers("wss://anchor.example:8787/", 8787) == std::vector<std::string>{"stun:anchor.example:8787"});
  CHECK(servers("wss://anchor.example", 3478) == std::vector<std::string>{"stun:anchor.example:3478"});
  CHECK(servers("ws://[::1]:8787/path", 9) == std::vector<std::string>{"stun:[::1]:9"});
}

TEST_CASE("an anchor that offers no STUN is not asked") { CHECK(servers("wss://anchor.example", 0).empty()); }

TEST_CASE("a peer is never taken for a STUN server, whatever it says") {
  Solo ada("ada");
  Secret secret = named_secret("topic");
  ada.join(secret);
  Stranger eve(ada, "eve", {.greeting = {.role = 1, .stun_port = {13, 150}}});
  CHECK(attempt(ada, secret).ice.empty());
}
