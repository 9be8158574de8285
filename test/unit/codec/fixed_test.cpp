// Ids are compared word by word, and stand in the order of their bytes: rows, pages and greetings go by it.
#include <perdure/types.hpp>

#include <algorithm>

#include "catch_amalgamated.hpp"

using namespace perdure;

TEST_CASE("ids stand in the order of their bytes, wherever they begin to differ") {
  for (std::size_t at = 0; at < Hash::size; ++at)
    for (std::size_t behind = at + 1; behind <= Hash::size; ++behind) {
      Hash less, more;
      less.bytes[at] = 0x7f;
      more.bytes[at] = 0x80;
      if (behind < Hash::size) less.bytes[behind] = 0xff;
      CHECK(less < more);
      CHECK(more > less);
      CHECK(less != more);
      CHECK(std::ranges::lexicographical_compare(less.bytes, more.bytes));
    }
  CHECK(Hash{} == Hash{});
  CHECK(Hash{}.is_zero());
}
