// A signal to us: sealed bytes from anybody, and well sealed ones with any content.
#include "codec/bytes.hpp"
#include "crypto/seal.hpp"
#include "fuzz/target.hpp"
#include "peers/signal.hpp"

namespace perdure::fuzz {

namespace {
const identity::Identity self("fuzz", Seed::from(Bytes(32, 1))), other("fuzz", Seed::from(Bytes(32, 2)));
}

void target(ByteView in) {
  Draw draw(in);
  const u8 how = draw.byte();
  crypto::Random random(Seed::from(Bytes(32, 3)));
  wire::Signal signal{other.id(), self.id(), own(draw.rest())};
  if (how & 1) {  // sealed to us, and signed well
    Bytes content = std::move(signal.sealed);
    if (how & 2) {
      codec::Writer w;
      w.raw(view("perdure/signal/1")).fixed(self.network()).fixed(other.id()).fixed(self.id()).raw(content);
      Signature signature = crypto::sign(other.key(), {w.peek()});
      content.insert(content.end(), signature.bytes.begin(), signature.bytes.end());
    }
    signal.sealed = *crypto::seal_to(self.id(), content, random);
  }
  Meter meter;
  auto opened = peers::open_signal(self, signal);
  CHECK(meter.bytes() <= 16 * in.size() + 4096);
  if (opened) CHECK((how & 3) == 3 && opened->text.text.size() <= 5600);
}

std::vector<Bytes> seeds() {
  Bytes content(1 + 16 + 1 + 16, 1);
  content[0] = 3;
  content.insert(content.end(), {3, 'v', '=', '0'});
  return {content, Bytes(100, 0)};
}

}  // namespace perdure::fuzz
