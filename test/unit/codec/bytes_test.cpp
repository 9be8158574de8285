#include "codec/bytes.hpp"

#include "catch_amalgamated.hpp"

using namespace perdure;
using codec::Reader;
using codec::Writer;

namespace {

const u64 corners[] = {
    0, 1, 0x7f, 0x80, 0x3fff, 0x4000, 0xffff'ffff, u64{1} << 32, (u64{1} << 63) - 1, u64{1} << 63, ~u64{0}};

Bytes varint(u64 v) {
  Writer w;
  w.varint(v);
  return std::move(w).take();
}

// One of everything.
Bytes sample() {
  Writer w;
  w.u8(1)
      .be16(0x0203)
      .be32(0x04050607)
      .be64(0x08090a0b0c0d0e0f)
      .varint(300)
      .bytes("hello")
      .fixed(Seed{})
      .raw(view("tail"));
  return std::move(w).take();
}

bool reads_sample(Reader& r) {
  bool same = r.u8() == 1;
  same &= r.be16() == 0x0203;
  same &= r.be32() == 0x04050607;
  same &= r.be64() == 0x08090a0b0c0d0e0f;
  same &= r.varint() == 300;
  same &= text(r.bytes(5)) == "hello";
  same &= r.fixed<Seed>() == Seed{};
  same &= text(r.raw(4)) == "tail";
  return same && r.done();
}

}  // namespace

TEST_CASE("what a writer wrote, a reader reads") {
  Bytes in = sample();
  CHECK(in.size() == 1 + 2 + 4 + 8 + 2 + 6 + 32 + 4);
  Reader r(in);
  CHECK(reads_sample(r));
}

TEST_CASE("bytes cut anywhere are a fault, not a crash") {
  Bytes in = sample();
  for (std::size_t n = 0; n < in.size(); ++n) {
    Bytes cut(in.begin(), in.begin() + static_cast<std::ptrdiff_t>(n));
    Reader r(cut);
    CHECK_FALSE(reads_sample(r));
    CHECK_FALSE(r.ok());
    CHECK(r.left() == 0);
  }
}

TEST_CASE("bytes left over are not done") {
  Bytes in = sample();
  in.push_back(0);
  Reader r(in);
  CHECK_FALSE(reads_sample(r));
  CHECK(r.ok());
  CHECK(r.left() == 1);
}

TEST_CASE("a varint has one form") {
  for (u64 v : corners) {
    Bytes in = varint(v);
    CHECK(in.size() == codec::varint_size(v));
    Reader r(in);
    CHECK(r.varint() == v);
    CHECK(r.done());
    if (in.size() < 10) {  // the same number with a zero more
      Bytes longer = in;
      longer.back() |= 0x80;
      longer.push_back(0);
      Reader l(longer);
      CHECK(l.varint() == 0);
      CHECK_FALSE(l.ok());
    }
  }
}

TEST_CASE("a varint of more than 64 bits is a fault") {
  Bytes most(9, 0xff);
  most.push_back(1);
  Reader r(most);
  CHECK(r.varint() == ~u64{0});
  CHECK(r.done());
  most.back() = 2;
  Reader past(most);
  past.varint();
  CHECK_FALSE(past.ok());
  Bytes endless(11, 0x80);
  Reader e(endless);
  e.varint();
  CHECK_FALSE(e.ok());
}

TEST_CASE("a number above its maximum is a fault") {
  Bytes in = varint(17);
  Reader fits(in);
  CHECK(fits.varint_max(17) == 17);
  CHECK(fits.ok());
  Reader r(in);
  CHECK(r.varint_max(16) == 0);
  CHECK_FALSE(r.ok());
}

TEST_CASE("a length that exceeds the input or its maximum is a fault") {
  for (u64 claimed : {u64{6}, u64{1} << 32, ~u64{0}}) {
    Bytes in = varint(claimed);
    in.insert(in.end(), 5, 'x');
    Reader r(in);
    CHECK(r.bytes(~std::size_t{0}).empty());
    CHECK_FALSE(r.ok());
  }
  Bytes in = varint(5);
  in.insert(in.end(), 5, 'x');
  Reader r(in);
  CHECK(r.bytes(4).empty());
  CHECK_FALSE(r.ok());
}

TEST_CASE("after a fault everything reads as nothing") {
  Bytes in(100, 0xff);
  Reader r(in);
  r.fail();
  CHECK(r.u8() == 0);
  CHECK(r.be16() == 0);
  CHECK(r.be32() == 0);
  CHECK(r.be64() == 0);
  CHECK(r.varint() == 0);
  CHECK(r.raw(1).empty());
  CHECK(r.rest().empty());
  CHECK(r.fixed<Seed>() == Seed{});
  CHECK_FALSE(r.done());
}

TEST_CASE("the rest of nothing is no fault") {
  Reader r({});
  CHECK(r.rest().empty());
  CHECK(r.done());
}
