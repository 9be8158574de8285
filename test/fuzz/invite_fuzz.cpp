// An invite is whatever somebody pastes.
#include "fuzz/target.hpp"
#include "identity/identity.hpp"
#include "identity/invite.hpp"

namespace perdure::fuzz {

namespace {
const NetworkId network = identity::network_id("fuzz");
}

void target(ByteView in) {
  Meter meter;
  auto invite = identity::decode_invite(text(in), network);
  CHECK(meter.bytes() <= 64 * in.size() + 8192);
  if (!invite) {
    CHECK(invite.error().code == Code::bad_invite && !invite.error().text.empty());
    return;
  }
  CHECK(invite->anchors.size() <= 3);
  for (const std::string& url : invite->anchors)
    CHECK(url.size() <= 200 && (url.starts_with("ws://") || url.starts_with("wss://")));
  auto again = identity::decode_invite(identity::encode_invite(*invite), network);
  CHECK(again && again->secret == invite->secret && again->anchors == invite->anchors);
}

std::vector<Bytes> seeds() {
  identity::Invite plain, full;
  std::copy_n(network.bytes.begin(), 4, plain.network_tag.begin());
  full = plain;
  full.anchors = {"ws://127.0.0.1:9000", "wss://anchor.example/a/path", "wss://b.example"};
  std::string a = identity::encode_invite(plain), b = "https://a.example/#" + identity::encode_invite(full);
  return {own(view(a)), own(view(b))};
}

}  // namespace perdure::fuzz
