#include "log/batch.hpp"

#include <set>

#include "catch_amalgamated.hpp"
#include "codec/bytes.hpp"

using namespace perdure;
using namespace perdure::log;

namespace {

LogId log_named(u8 n) {
  LogId id;
  id.bytes.fill(n);
  return id;
}
const LogId self = log_named(1);

// A MessagePack str of n bytes in all.
Bytes text_value(std::size_t n) {
  codec::Writer w;
  REQUIRE(n >= 5);
  w.u8(0xdb).be32(static_cast<u32>(n - 5));
  Bytes out = std::move(w).take();
  out.resize(n, 'a');
  return out;
}
Bytes short_value(u8 n) { return {0x91, static_cast<u8>(n & 0x7f)}; }

Op message(Bytes value) { return {.kind = Op::Kind::message, .key = {}, .value = std::move(value), .replaces = {}}; }
Op set(std::string_view key, Bytes value, std::vector<OpId> replaces = {}) {
  return {.kind = Op::Kind::set, .key = own(view(key)), .value = std::move(value), .replaces = std::move(replaces)};
}
Op erase(std::string_view key, std::vector<OpId> replaces = {}) {
  return {.kind = Op::Kind::erase, .key = own(view(key)), .value = {}, .replaces = std::move(replaces)};
}
Batch of(std::vector<Op> ops) {
  Batch b;
  b.time = {0x0192aabbccdd0003};
  b.first_op = 700;
  b.ops = std::move(ops);
  return b;
}

Batch rich() {
  Batch b = of({message(short_value(1)),
                set("colour", short_value(2), {{self, 3, 0}, {log_named(9), 70'000, 255}, {log_named(4), 0, 1}}),
                erase("größe", {{log_named(4), 1, 0}, {log_named(7), ~u32{0}, 7}}), erase("x")});
  b.deps = {{{1, 2, 3}, 300, {9, 9}}, {{4}, 0, {5}}};
  b.voids = {{log_named(8), 12}, {log_named(6), 0}};
  return b;
}

bool refused(ByteView in) { return !decode_batch(in, self); }
bool round_trips(const Batch& b) {
  Bytes encoded = encode_batch(b, self);
  Result<Batch> decoded = decode_batch(encoded, self);
  return decoded && *decoded == b && encode_batch(*decoded, self) == encoded;
}

// The plaintext of a batch up to its ops, for tests that write the rest by hand.
codec::Writer start(u8 shape) {
  codec::Writer w;
  w.u8(shape).be64(5).varint(0);
  return w;
}

struct Sealing {
  identity::TopicKeys keys = identity::topic_keys(Secret{});
  Place place{NetworkId{}, keys.id, self, 17};
  crypto::Random random{Seed{}};
};

}  // namespace

TEST_CASE("batches of every shape read back as they were written") {
  CHECK(round_trips(rich()));
  CHECK(round_trips(of({message(short_value(1))})));
  CHECK(round_trips(of({message(text_value(value_max))})));
  CHECK(round_trips(of({set("k", text_value(value_max), {{log_named(3), 1, 1}})})));
  CHECK(round_trips(of({erase("k")})));
  CHECK(round_trips(of({erase(std::string(key_max, 'k')), message(short_value(0))})));
  Batch most = of(std::vector<Op>(ops_max, message(short_value(5))));
  most.deps.resize(deps_max);
  most.voids.resize(voids_max);
  most.first_op = ~u64{0};
  CHECK(round_trips(most));
  std::vector<OpId> names(names_max, OpId{log_named(2), 4, 4});
  CHECK(round_trips(of({set("k", short_value(1), names), set("l", short_value(1), names)})));
}

TEST_CASE("a batch cut at any byte is malformed, and so is one with a byte more") {
  for (const Batch& b : {rich(), of({set("key", short_value(3), {{log_named(5), 1, 1}})})}) {
    Bytes whole = encode_batch(b, self);
    for (std::size_t n = 0; n < whole.size(); ++n) {
      Result<Batch> cut = decode_batch(ByteView(whole).first(n), self);
      // What is cut between two ops may be a batch, but never this one.
      if (cut) CHECK(encode_batch(*cut, self) == Bytes(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(n)));
    }
    whole.push_back(0);
    CHECK(refused(whole));
  }
}

TEST_CASE("whatever decodes encodes to the same bytes") {
  const Bytes whole = encode_batch(rich(), self);
  for (std::size_t i = 0; i < whole.size(); ++i)
    for (int bit = 0; bit < 8; ++bit) {
      Bytes b = whole;
      b[i] ^= static_cast<u8>(1 << bit);
      if (Result<Batch> decoded = decode_batch(b, self); decoded) REQUIRE(encode_batch(*decoded, self) == b);
    }
}

TEST_CASE("a lone message costs 11 bytes over its value, one of many 2 or 3") {
  CHECK(encode_batch(of({message(text_value(120))}), self).size() == 120 + 11 + 1);  // first op 700 takes two
  Batch many = of(std::vector<Op>(ops_max, message(text_value(120))));
  CHECK(encode_batch(many, self).size() <= ops_max * (120 + 2) + 11);
  Batch longer = of(std::vector<Op>(ops_max, message(text_value(200))));
  CHECK(encode_batch(longer, self).size() <= ops_max * (200 + 3) + 11);
}

TEST_CASE("no op, or one more than allowed, is no batch") {
  CHECK(refused(start(0).take()));
  CHECK(refused(start(0x40).take()));
  codec::Writer w = start(0);
  for (std::size_t i = 0; i <= ops_max; ++i) w.u8(1).bytes(short_value(1));
  CHECK(refused(w.peek()));
  CHECK_FALSE(refused(ByteView(w.peek()).first(w.size() - 4)));
}

TEST_CASE("several ops stay within 64 KiB, one alone within 256 KiB of value") {
  const std::size_t half = plain_max / 2;
  auto two = [&](std::size_t size) {
    codec::Writer w = start(0);
    w.u8(1).bytes(text_value(half)).u8(1).bytes(text_value(size));
    return std::move(w).take();
  };
  const std::size_t rest = half - (two(half).size() - plain_max);
  CHECK(two(rest).size() == plain_max);
  CHECK_FALSE(refused(two(rest)));
  CHECK(refused(two(rest + 1)));
  auto lone = [](std::size_t size) {
    codec::Writer w = start(0x40);
    w.u8(1).raw(text_value(size));
    return std::move(w).take();
  };
  CHECK_FALSE(refused(lone(value_max)));
  CHECK(refused(lone(value_max + 1)));
}

TEST_CASE("an op alone must say so, and only it may") {
  codec::Writer unsaid = start(0);
  unsaid.u8(1).bytes(short_value(1));
  CHECK(refused(unsaid.peek()));
  codec::Writer two = start(0x40);
  two.u8(1).raw(short_value(1)).u8(1).raw(short_value(1));
  CHECK(refused(two.peek()));
}

TEST_CASE("keys are UTF-8 of 1 to 1,024 bytes") {
  auto with_key = [](std::string_view key) {
    codec::Writer w = start(0x40);
    w.u8(3).bytes(key);
    return std::move(w).take();
  };
  for (std::string_view key :
       {"a", "\xc3\xb6", "\xe2\x82\xac", "\xf0\x9f\x8c\xb1", "\xed\x9f\xbf", "\xee\x80\x80", "\xf4\x8f\xbf\xbf"})
    CHECK_FALSE(refused(with_key(key)));
  for (std::string_view key :
       {"", "\x80", "\xc3", "\xc0\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe2\x82", "a\xff", "\xe2\x28\xa1"})
    CHECK(refused(with_key(key)));
  CHECK_FALSE(refused(with_key(std::string(key_max, 'k'))));
  CHECK(refused(with_key(std::string(key_max + 1, 'k'))));
}

TEST_CASE("a value is exactly one MessagePack value") {
  auto with_value = [](Bytes value) {
    codec::Writer w = start(0x40);
    w.u8(1).raw(value);
    return std::move(w).take();
  };
  CHECK_FALSE(refused(with_value({0xc0})));
  CHECK(refused(with_value({})));
  CHECK(refused(with_value({0xc0, 0xc0})));
  CHECK(refused(with_value({0xc1})));
  CHECK(refused(with_value({0x92, 0x01})));
}

TEST_CASE("messages have neither key nor replaced versions, and there is no fourth kind") {
  for (u8 head : {u8{0}, u8{1 | 1 << 2}}) {
    codec::Writer w = start(0x40);
    w.u8(head).varint(0).varint(0).varint(0).raw(short_value(1));
    CHECK(refused(w.peek()));
  }
  CHECK(refused([] {
    auto w = start(0xc0);
    w.u8(1).u8(0xc0);
    return std::move(w).take();
  }()));
}

TEST_CASE("deps, voids and replaced versions have their limits") {
  auto with_deps = [](u8 n) {
    codec::Writer w = start(0x40 | n);
    for (u8 i = 0; i < n; ++i) w.be64(1).varint(1).be64(1);
    w.u8(1).u8(0xc0);
    return std::move(w).take();
  };
  CHECK_FALSE(refused(with_deps(8)));
  CHECK(refused(with_deps(9)));
  auto with_voids = [](u8 n) {
    codec::Writer w = start(0x50);
    w.u8(n);
    for (u8 i = 0; i < n; ++i) w.fixed(self).varint(1);
    w.u8(1).u8(0xc0);
    return std::move(w).take();
  };
  CHECK_FALSE(refused(with_voids(8)));
  CHECK(refused(with_voids(9)));
  CHECK(refused(with_voids(0)));
  auto with_names = [](u8 n, u64 batch, u64 position) {
    codec::Writer w = start(0x40);
    w.u8(static_cast<u8>(3 | n << 2)).bytes("k");
    for (u8 i = 0; i < n; ++i) w.varint(0).varint(batch).varint(position);
    return std::move(w).take();
  };
  CHECK_FALSE(refused(with_names(16, ~u32{0}, 255)));
  CHECK(refused(with_names(17, 0, 0)));
  CHECK(refused(with_names(1, u64{1} << 32, 0)));
  CHECK(refused(with_names(1, 0, 256)));
}

TEST_CASE("the table of logs has one form: in order of first use, each once, the log itself never") {
  auto with_table = [](std::vector<LogId> logs, std::vector<u64> uses) {
    codec::Writer w = start(0x60);
    w.varint(logs.size());
    for (const LogId& log : logs) w.fixed(log);
    w.u8(static_cast<u8>(3 | uses.size() << 2)).bytes("k");
    for (u64 use : uses) w.varint(use).varint(0).varint(0);
    return std::move(w).take();
  };
  CHECK_FALSE(refused(with_table({log_named(5), log_named(2)}, {1, 0, 2, 1})));
  CHECK(refused(with_table({log_named(5), log_named(2)}, {2, 1})));
  CHECK(refused(with_table({log_named(5), log_named(2)}, {1, 1})));
  CHECK(refused(with_table({log_named(5), log_named(5)}, {1, 2})));
  CHECK(refused(with_table({self}, {1})));
  CHECK(refused(with_table({}, {0})));
  CHECK(refused(with_table({log_named(5)}, {1, 2})));
}

TEST_CASE("a table longer than the batch is refused before it is made room for") {
  codec::Writer w = start(0x60);
  w.varint(4096).u8(1);
  CHECK(refused(w.peek()));
  codec::Writer more = start(0x60);
  more.varint(~u64{0});
  CHECK(refused(more.peek()));
}

TEST_CASE("a sealed batch opens in its place and in no other") {
  Sealing s;
  const Bytes plain = encode_batch(rich(), self);
  const Bytes sealed = seal_batch(s.keys, s.place, plain, s.random);
  CHECK(sealed.size() == plain.size() + sealing);
  CHECK(unseal_batch(s.keys, s.place, sealed) == plain);

  auto elsewhere = [&](auto change) {
    Place place = s.place;
    change(place);
    return unseal_batch(s.keys, place, sealed);
  };
  CHECK_FALSE(elsewhere([](Place& p) { p.index = 18; }));
  CHECK_FALSE(elsewhere([](Place& p) { p.log = log_named(2); }));
  CHECK_FALSE(elsewhere([](Place& p) { p.topic.bytes[0] ^= 1; }));
  CHECK_FALSE(elsewhere([](Place& p) { p.network.bytes[0] ^= 1; }));
  Secret other;
  other.bytes[0] = 1;
  CHECK_FALSE(unseal_batch(identity::topic_keys(other), s.place, sealed));
}

TEST_CASE("a sealed batch with any bit changed, or cut, does not open") {
  Sealing s;
  const Bytes sealed = seal_batch(s.keys, s.place, encode_batch(of({erase("k")}), self), s.random);
  for (std::size_t i = 0; i < sealed.size(); ++i) {
    Bytes b = sealed;
    b[i] ^= 1;
    CHECK_FALSE(unseal_batch(s.keys, s.place, b));
    CHECK_FALSE(unseal_batch(s.keys, s.place, ByteView(sealed).first(i)));
  }
  CHECK_FALSE(unseal_batch(s.keys, s.place, Bytes(sealed_max + 1)));
}

TEST_CASE("a seed used twice repeats no nonce over different plaintexts or places") {
  std::set<Bytes> salts;
  Sealing s;
  for (u8 n = 0; n < 20; ++n) {
    crypto::Random random{Seed{}};
    Bytes sealed = seal_batch(s.keys, s.place, encode_batch(of({message(short_value(n))}), self), random);
    salts.insert(Bytes(sealed.begin() + 1, sealed.begin() + 9));
  }
  CHECK(salts.size() == 20);
  // Same plaintext, other index: the salt is equal, the nonce is not, so the ciphertexts have nothing in common.
  const Bytes plain = encode_batch(of({message(short_value(1))}), self);
  crypto::Random one{Seed{}}, two{Seed{}};
  Bytes a = seal_batch(s.keys, s.place, plain, one);
  s.place.index = 18;
  Bytes b = seal_batch(s.keys, s.place, plain, two);
  CHECK(Bytes(a.begin(), a.begin() + 9) == Bytes(b.begin(), b.begin() + 9));
  CHECK(Bytes(a.begin() + 9, a.end() - 16) != Bytes(b.begin() + 9, b.end() - 16));
}

TEST_CASE("the same message sealed twice has two salts") {
  Sealing s;
  const Bytes plain = encode_batch(of({message(short_value(1))}), self);
  CHECK(seal_batch(s.keys, s.place, plain, s.random) != seal_batch(s.keys, s.place, plain, s.random));
}

// ---- format 2

namespace {
Batch again() {
  Batch b = rich();
  b.ops[0].says = Saying{77, 3, 1, {0x0192aabbccdd0001}};
  b.ops[1].says = Saying{78, 0, 0, {0}};
  b.ops[1].origin = Origin{78, 0, 0, {1, 2, 3, 4, 5, 6, 7, 8}};
  b.format = 2;
  return b;
}
// A batch of format 2 whose fields, and whose only op, are these bytes.
Bytes second(u64 format, ByteView fields, ByteView op) {
  codec::Writer w;
  w.u8(0x80).varint(format).be64(9).varint(0).raw(fields).varint(0).bytes(op);
  return std::move(w).take();
}
const Bytes none = {0};
const Bytes said = {1, 0, 0x91, 5};  // a message without fields
}  // namespace

TEST_CASE("what is said again names the op that it stands for, and comes back as it was") {
  CHECK(round_trips(again()));
  Batch voids = of({});
  voids.voids = {{log_named(8), 12}};
  voids.format = 2;
  CHECK(round_trips(voids));
  Batch plain = rich();
  CHECK(encode_batch(plain, self)[0] < 0x80);  // what format 1 can say stands in it
  plain.format = 2;
  CHECK(round_trips(plain));
}

TEST_CASE("a kind of op that is not known is skipped and kept, and so is a field that may be") {
  Batch b = again();
  Op unknown;
  unknown.kind = Op::Kind{40};
  unknown.fields = {{64 + 7, {1, 2}}, {4'000, {}}};
  unknown.body = {9, 9, 9};
  b.ops.push_back(unknown);
  b.fields = {{64, {3}}, {65, {}}};
  CHECK(round_trips(b));
  CHECK_FALSE(b.ops.back().known());
}

TEST_CASE("a batch that only a newer core can read is told from one that nobody can") {
  const auto code = [](ByteView in) {
    auto b = decode_batch(in, self);
    return b ? std::optional<Code>() : b.error().code;
  };
  CHECK_FALSE(code(second(2, none, said)));
  CHECK(code(second(3, none, said)) == Code::outdated);
  CHECK(code(second(2, Bytes{1, 63, 0}, said)) == Code::outdated);  // a field of the batch that has to be known
  CHECK(code(second(2, none, Bytes{1, 1, 60, 0, 0x91, 5})) == Code::outdated);  // … and of an op
  CHECK(code(second(1, none, said)) == Code::malformed);
  CHECK(code(second(2, Bytes{2, 70, 0, 70, 0}, said)) == Code::malformed);  // a field twice
  CHECK(code(second(2, none, Bytes{0, 0, 0x91, 5})) == Code::malformed);    // no kind
  CHECK(code(second(2, Bytes{1, 2, 0}, said)) == Code::malformed);          // voids that void nothing
}
