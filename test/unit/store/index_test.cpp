#include "store/index.hpp"

#include "catch_amalgamated.hpp"
#include "support/memory_rows.hpp"

#include <random>

using namespace perdure;
using store::Index;
using store::IndexRoot;
using test::MemoryRows;

namespace {

struct Model {
  struct Entry {
    Bytes value;
    u64 weight = 0;
  };
  std::map<Bytes, Entry> entries;
  u64 weight_before(const Bytes& key) const {
    u64 sum = 0;
    for (auto& [k, e] : entries) {
      if (k >= key) break;
      sum += e.weight;
    }
    return sum;
  }
};

Bytes number(u64 n) {
  Bytes b(8);
  for (int i = 0; i < 8; ++i) b[static_cast<std::size_t>(7 - i)] = static_cast<u8>(n >> (8 * i));
  return b;
}

void check_same(const Index& index, const IndexRoot& root, const Model& model) {
  REQUIRE_FALSE(index.corrupt());
  REQUIRE(root.entries == model.entries.size());
  u64 weight = 0;
  auto c = index.first();
  for (auto& [key, entry] : model.entries) {
    REQUIRE(c.valid());
    REQUIRE(own(c.key()) == key);
    REQUIRE(own(c.value()) == entry.value);
    REQUIRE(c.weight() == entry.weight);
    weight += entry.weight;
    c.next();
  }
  REQUIRE_FALSE(c.valid());
  REQUIRE(root.weight == weight);
  c = index.last();
  for (auto at = model.entries.rbegin(); at != model.entries.rend(); ++at, c.previous()) {
    REQUIRE(c.valid());
    REQUIRE(own(c.key()) == at->first);
  }
  REQUIRE_FALSE(c.valid());
}

void check_around(const Index& index, const Model& model, const Bytes& key) {
  auto at = model.entries.lower_bound(key);
  auto c = index.seek(key);
  REQUIRE(c.valid() == (at != model.entries.end()));
  if (c.valid()) REQUIRE(own(c.key()) == at->first);
  auto before = index.seek_before(key);
  REQUIRE(before.valid() == (at != model.entries.begin()));
  if (before.valid()) REQUIRE(own(before.key()) == std::prev(at)->first);
  REQUIRE(index.weight_before(key) == model.weight_before(key));
  auto found = index.find(key);
  const bool here = at != model.entries.end() && at->first == key;
  REQUIRE(found.has_value() == here);
  if (here) REQUIRE(found->value == at->second.value);
}

Bytes random_key(std::mt19937_64& r, int kind) {
  if (kind == 0) return number(r() % 400);
  Bytes key(kind == 1 ? 1 + r() % 6 : 900 + r() % 100, 'k');  // short ones that are prefixes; long ones that share much
  for (std::size_t i = key.size() > 3 ? key.size() - 3 : 0; i < key.size(); ++i) key[i] = static_cast<u8>(r() % 6 + 97);
  return key;
}

std::size_t pages(MemoryRows& rows) { return rows.base.size(); }

}  // namespace

TEST_CASE("an index holds what a sorted map holds, in steps, whatever is inserted, replaced and erased") {
  const u64 seed = GENERATE(range(u64{1}, u64{25}));
  CAPTURE(seed);
  std::mt19937_64 r(seed);
  MemoryRows rows;
  IndexRoot root;
  Model model;
  const int kind = static_cast<int>(seed % 3);
  for (int step = 0; step < 30; ++step) {
    Index index(rows, 7, 1, root);
    const bool grow = step % 10 < 6;
    for (int i = 0; i < 40; ++i) {
      const Bytes key = random_key(r, kind);
      if (r() % 10 < (grow ? 8u : 3u)) {
        const std::size_t size = r() % 40 == 0 ? r() % 9000 : r() % 60;
        Model::Entry entry{Bytes(size, static_cast<u8>(r())), r() % 4 == 0 ? 0 : r() % 300};
        index.insert(key, entry.value, entry.weight);
        model.entries[key] = entry;
      } else {
        REQUIRE(index.erase(key) == (model.entries.erase(key) > 0));
      }
      if (i % 8 == 0) check_around(index, model, random_key(r, kind));
    }
    check_same(index, root, model);
    index.flush();
    rows.commit();
    check_same(Index(rows, 7, 1, root), root, model);
  }
  Index index(rows, 7, 1, root);
  while (!model.entries.empty()) {
    auto at = model.entries.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(r() % model.entries.size()));
    REQUIRE(index.erase(at->first));
    model.entries.erase(at);
  }
  index.flush();
  rows.commit();
  CHECK(rows.base.empty());
  CHECK(root.page == 0);
  CHECK(root.weight == 0);
}

TEST_CASE("appending in order fills pages to more than nine tenths") {
  MemoryRows rows;
  IndexRoot root;
  const u64 n = 20'000;
  for (u64 i = 0; i < n;) {
    Index index(rows, 1, 2, root);
    for (u64 stop = i + 300; i < stop && i < n; ++i) index.insert(number(i * 3), Bytes(40, 1), 2);
    index.flush();
    rows.commit();
  }
  std::size_t bytes = 0, full = 0;
  for (auto& [key, value] : rows.base) {
    bytes += value.size();
    full += value.size() > store::index_page_max * 9 / 10 ? 1 : 0;
    CHECK(value.size() <= store::index_page_max + 16);
  }
  CHECK(bytes > pages(rows) * store::index_page_max * 9 / 10);
  CHECK(full + 4 > pages(rows));
  CHECK(root.weight == 2 * n);
  Index index(rows, 1, 2, root);
  CHECK(index.weight_before(number(3 * 777)) == 2 * 777);
}

TEST_CASE("erasing most of an index gives its pages back") {
  MemoryRows rows;
  IndexRoot root;
  Index index(rows, 1, 2, root);
  for (u64 i = 0; i < 20'000; ++i) index.insert(number(i), Bytes(40, 1));
  index.flush();
  rows.commit();
  const std::size_t before = pages(rows);
  for (u64 i = 0; i < 20'000; ++i)
    if (i % 20 != 0) index.erase(number(i));
  index.flush();
  rows.commit();
  CHECK(root.entries == 1000);
  CHECK(pages(rows) < before / 4);
}

TEST_CASE("keys of the greatest length and an entry larger than a page are found again") {
  MemoryRows rows;
  IndexRoot root;
  Model model;
  Index index(rows, 1, 2, root);
  for (u32 i = 0; i < 300; ++i) {
    Bytes key(4096, static_cast<u8>(i * 37));
    key[0] = static_cast<u8>(i * 91);
    key[1] = static_cast<u8>(i);
    Bytes value(i % 50 == 0 ? 100'000 : 3, 9);
    index.insert(key, value);
    model.entries[key] = {value, 1};
  }
  index.flush();
  rows.commit();
  check_same(Index(rows, 1, 2, root), root, model);
}

TEST_CASE("a step that misses rows runs again and ends with the same pages") {
  const u64 seed = GENERATE(range(u64{1}, u64{9}));
  CAPTURE(seed);
  MemoryRows easy, hard;
  int runs = 0;
  IndexRoot easy_root, hard_root;
  std::mt19937_64 r(seed);
  for (int step = 0; step < 20; ++step) {
    const u64 of_step = r();
    auto change = [&](store::Rows& rows, IndexRoot root) {
      std::mt19937_64 s(of_step);
      Index index(rows, 1, 2, root);
      u64 sum = 0;
      for (int i = 0; i < 60; ++i) {
        const Bytes key = number(s() % 1000);
        if (s() % 3 != 0) index.insert(key, Bytes(s() % 90, 3), s() % 5);
        else index.erase(key);
        sum += index.weight_before(number(s() % 1000));
        if (auto found = index.find(number(s() % 1000))) sum += found->weight;
      }
      for (auto c = index.seek(number(sum % 1000), Index::all); c.valid(); c.next()) sum += c.weight();
      for (auto c = index.last(Index::all); c.valid(); c.previous()) sum += c.weight();
      index.flush();
      return root;
    };
    easy_root = change(easy, easy_root);
    easy.commit();
    hard = hard.cold();
    IndexRoot result;
    runs += test::run_step(hard, [&](store::Rows& rows) { result = change(rows, hard_root); });
    hard_root = result;
    REQUIRE(easy_root == hard_root);
    REQUIRE(easy.base == hard.base);
  }
  CHECK(runs < 20 * 8);
}

TEST_CASE("what a reader needs is asked for at once, and not the rest of the index") {
  MemoryRows rows;
  IndexRoot root;
  {
    Index index(rows, 1, 2, root);
    for (u64 n = 0; n < 20'000; ++n) index.insert(number(n), Bytes(20, 1));
    index.flush();
    rows.commit();
  }
  const std::size_t height = root.height;
  auto read = [&](u64 amount, auto begin) {
    MemoryRows cold = rows.cold();
    int runs = test::run_step(cold, [&](store::Rows& r) {
      IndexRoot copy = root;
      Index index(r, 1, 2, copy);
      u64 n = 0;
      for (auto c = begin(index); c.valid() && n < amount; c.previous()) ++n;
      if (!r.missed()) CHECK(n == amount);
    });
    return std::pair(runs, cold.misses);
  };
  auto [runs, misses] = read(1, [](const Index& index) { return index.last(); });
  CHECK(misses == height);
  CHECK(static_cast<std::size_t>(runs) == height + 1);
  // Five pages or so in as few runs; and what is behind them stays where it is.
  std::tie(runs, misses) = read(500, [](const Index& index) { return index.last(500); });
  CHECK(static_cast<std::size_t>(runs) <= height + 2);
  CHECK(misses <= height + 10);
  std::tie(runs, misses) = read(20'000, [](const Index& index) { return index.last(Index::all); });
  CHECK(static_cast<std::size_t>(runs) == height + 1);
  CHECK(misses == pages(rows));
}

TEST_CASE("a corrupt or absent page is reported and nothing breaks") {
  MemoryRows rows;
  IndexRoot root;
  {
    Index index(rows, 1, 2, root);
    for (u64 i = 0; i < 2000; ++i) index.insert(number(i * 7919 % 2000), Bytes(30, 1));
    index.flush();
    rows.commit();
  }
  std::mt19937_64 r(5);
  const auto whole = rows.base;
  for (int turn = 0; turn < 300; ++turn) {
    rows.rollback();
    rows.base = whole;
    auto at = rows.base.begin();
    std::advance(at, static_cast<std::ptrdiff_t>(r() % rows.base.size()));
    const bool absent = turn % 10 == 0;
    if (absent) rows.base.erase(at);
    else if (turn % 10 == 1) at->second.resize(r() % at->second.size());
    else
      for (int i = 0; i < 3; ++i) at->second[r() % at->second.size()] = static_cast<u8>(r());
    IndexRoot copy = root;
    Index index(rows, 1, 2, copy);
    u64 seen = 0;
    for (auto c = index.first(); c.valid() && seen < 10'000; c.next()) ++seen;
    for (auto c = index.last(); c.valid() && seen < 20'000; c.previous()) ++seen;
    for (u64 i = 0; i < 300; ++i) {
      if (r() % 2 != 0) index.insert(number(r() % 2100), Bytes(r() % 50, 2));
      else index.erase(number(r() % 2000));
      index.weight_before(number(r() % 2000));
    }
    index.flush();
    if (absent || turn % 10 == 1) CHECK(index.corrupt());
  }
}
