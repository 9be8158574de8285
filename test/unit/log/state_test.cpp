#include "author.hpp"

using namespace perdure;
using namespace perdure::log;
using namespace perdure::test;

namespace {

void round_trips(const LogState& state) {
  Bytes encoded = encode_state(state);
  Result<LogState> decoded = decode_state(encoded);
  REQUIRE(decoded);
  CHECK(*decoded == state);
  CHECK(encode_state(*decoded) == encoded);
}

}  // namespace

TEST_CASE("the state of a log of each length reads back whole") {
  World world;
  Author author(world);
  round_trips(LogState{});
  round_trips(author.state);
  for (int n = 1; n <= 140; ++n) {
    author.append(1);
    round_trips(author.state);
  }
}

TEST_CASE("the state of who holds a part reads back whole") {
  World world;
  Author author(world);
  author.append(200);
  for (u64 held = 1; held <= 200; held += 3) {
    Holder part;
    world.pull(part, author, held);
    round_trips(part.state);
  }
}

TEST_CASE("cuts read back, and that there is none") {
  World world;
  Author author(world);
  author.append(3);
  author.state.voided_from = 0;
  round_trips(author.state);
  author.state.forked_from = 1'000'000;
  round_trips(author.state);
  CHECK(author.state.cut() == 0);
  author.state.voided_from = no_cut;
  round_trips(author.state);
  CHECK(author.state.cut() == 1'000'000);
  author.state.hole = 2;
  round_trips(author.state);
  author.state.hole = 3;  // behind what is held there is nothing to be lost
  CHECK_FALSE(decode_state(encode_state(author.state)));
}

TEST_CASE("a state row costs 190 bytes and the hashes it cannot do without") {
  World world;
  Author author(world);
  author.append(64);
  CHECK(encode_state(author.state).size() <= 190 + 32);
  author.append(1);
  CHECK(encode_state(author.state).size() <= 190 + 64);
}

TEST_CASE("a state row that is cut, longer or changed is malformed or another state, never this one") {
  World world;
  Author author(world);
  author.append(70);
  Holder part;
  world.pull(part, author, 67);
  part.state.voided_from = 300;
  Bytes whole = encode_state(part.state);
  for (std::size_t n = 0; n < whole.size(); ++n) CHECK_FALSE(decode_state(ByteView(whole).first(n)));
  for (std::size_t i = 0; i < whole.size(); ++i)
    for (int bit = 0; bit < 8; ++bit) {
      Bytes b = whole;
      b[i] ^= static_cast<u8>(1 << bit);
      Result<LogState> decoded = decode_state(b);
      if (!decoded) continue;
      REQUIRE(encode_state(*decoded) == b);
      REQUIRE(*decoded != part.state);
    }
  whole.push_back(0);
  CHECK_FALSE(decode_state(whole));
}

TEST_CASE("that there is no cut has one form") {
  auto with_cut = [](u64 cut) {
    codec::Writer w;
    w.u8(2).fixed(DeviceId{}).be64(1).fixed(Signature{});
    w.varint(0).varint(0).varint(0).varint(0).be64(0).fixed(Signature{}).varint(0).varint(cut);
    return std::move(w).take();
  };
  CHECK(decode_state(with_cut(no_cut - 1)));
  CHECK_FALSE(decode_state(with_cut(no_cut)));
}

TEST_CASE("lengths beyond 32 bits are malformed") {
  World world;
  Author author(world);
  codec::Writer w;
  w.u8(0).fixed(author.state.opening.device).be64(1).fixed(author.state.opening.certificate);
  w.varint(0).varint(0).varint(batches_max + 1).varint(0).be64(0).fixed(Signature{}).varint(0).fixed(Hash{});
  CHECK_FALSE(decode_state(w.peek()));
}

TEST_CASE("a head holds for its log, its length, its ops, its time and its root, and for nothing else") {
  World world;
  const Hash root = leaf_hash(Bytes{1});
  const DeviceId id = world.device.id();
  const Head head = sign_head(world.device, world.keys.id, 5, 10, 12, root, {99});
  auto holds = [&](const Head& h, const Hash& r, u64 incarnation) {
    return verify_head(world.device.network(), world.keys.id, id, incarnation, r, h);
  };
  CHECK(holds(head, root, 5));
  CHECK_FALSE(holds(head, root, 6));
  CHECK_FALSE(holds(head, leaf_hash(Bytes{2}), 5));
  Head h = head;
  h.length = 11;
  CHECK_FALSE(holds(h, root, 5));
  h = head;
  h.ops = 13;
  CHECK_FALSE(holds(h, root, 5));
  h = head;
  h.time = {98};
  CHECK_FALSE(holds(h, root, 5));
  CHECK_FALSE(verify_head(identity::network_id("other"), world.keys.id, id, 5, root, head));
  CHECK_FALSE(verify_head(world.device.network(), TopicId{}, id, 5, root, head));
}

TEST_CASE("the root tag is the first four bytes of the root") {
  Hash root;
  for (u8 i = 0; i < 32; ++i) root.bytes[i] = i;
  CHECK(root_tag(root) == std::array<u8, 4>{0, 1, 2, 3});
}
