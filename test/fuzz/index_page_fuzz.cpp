// A page of an index, and what an index does that finds it on disk.
#include "fuzz/target.hpp"
#include "store/index.hpp"
#include "unit/support/memory_rows.hpp"

namespace perdure::fuzz {

void target(ByteView in) {
  if (in.empty() || in.size() > 16'384) return;
  const u32 level = in[0];
  std::optional<store::IndexPage> page;
  {
    Meter meter;
    page = store::IndexPage::decode(1, level, in);
    // A page may claim that its keys share much; it is believed up to a limit.
    CHECK(meter.bytes() <= 64 * in.size() + 6 * store::index_page_memory_max);
  }
  if (page) {
    const Bytes again = page->encode();
    auto twice = store::IndexPage::decode(1, level, again);
    CHECK(twice && twice->count() == page->count() && twice->encode() == again);
  }
  // Page 1 is a root, page 2 one of its children perhaps.
  test::MemoryRows rows;
  store::IndexRoot root{1, level + 1u, 4, page ? page->count() : 3, 5};
  if (root.height > store::index_height_max) return;
  for (u32 number : {1u, 2u, 3u}) rows.base[store::key('X', 1, u32{1}, number)] = own(in);
  store::Index index(rows, 1, 1, root);
  for (auto c = index.first(); c.valid() && !index.corrupt(); c.next()) (void)c.value();
  (void)index.weight_before(Bytes{'k'});
  (void)index.find(Bytes{'k'});
  if (index.corrupt()) return;
  index.insert(Bytes{'k'}, Bytes{'v'}, 1);
  index.erase(Bytes{'a'});
  index.flush();
}

std::vector<Bytes> seeds() {
  store::IndexPage leaf(1, 0), inner(1, 1);
  for (u8 i = 0; i < 30; ++i) leaf.insert(i, Bytes{'a', i}, Bytes(i, 7), i);
  for (u8 i = 0; i < 3; ++i) inner.insert_child(i, Bytes{'a', i}, 2u + i, 9);
  return {leaf.encode(), inner.encode()};
}

}  // namespace perdure::fuzz
