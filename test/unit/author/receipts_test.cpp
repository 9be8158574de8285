#include "author/receipts.hpp"

#include "catch_amalgamated.hpp"

#include "store/keys.hpp"

using namespace perdure;
using author::Receipts;

namespace {
RequestTag tag(u32 n) {
  codec::Writer w;
  w.be32(0).be32(0).be32(0).be32(n);
  return RequestTag::from(w.peek());
}
}  // namespace

TEST_CASE("the first answer to a tag stays, and a tag of zeros is none") {
  Receipts receipts;
  receipts.remember(tag(1), "one");
  receipts.remember(tag(1), "other");
  receipts.remember(RequestTag{}, "nothing");
  CHECK(receipts.of(tag(1)) == "one");
  CHECK_FALSE(receipts.of(RequestTag{}));
  CHECK_FALSE(receipts.of(tag(2)));
}

TEST_CASE("the newest receipts are kept, as many as there is room for") {
  Receipts receipts;
  for (u32 n = 1; n <= author::receipts_max + 2; ++n) receipts.remember(tag(n), std::to_string(n));
  CHECK_FALSE(receipts.of(tag(2)));
  CHECK(receipts.of(tag(3)) == "3");
  CHECK(receipts.of(tag(author::receipts_max + 2)));
}

TEST_CASE("receipts come back from their rows, as far as a row can be read, and the next row follows the last one") {
  codec::Writer row;
  Receipts::write(row, tag(1), "one");
  Receipts::write(row, RequestTag{}, "nothing");
  Receipts::write(row, tag(2), "two");
  row.u8(7);
  Receipts receipts;
  receipts.take({{store::key('R', 6), std::move(row).take()}});
  CHECK(receipts.of(tag(1)) == "one");
  CHECK(receipts.of(tag(2)) == "two");
  CHECK(receipts.next_row() == 7);
  CHECK(receipts.next_row() == 8);
}

TEST_CASE("a receipt follows an op whose id another one has") {
  Receipts receipts;
  receipts.remember(tag(1), "one");
  receipts.remember(tag(2), "two");
  receipts.rename({{"one", "apart"}});
  CHECK(receipts.of(tag(1)) == "apart");
  CHECK(receipts.of(tag(2)) == "two");
}
