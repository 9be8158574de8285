#include "log/nodes.hpp"

#include "author.hpp"

using namespace perdure;
using namespace perdure::log;
using namespace perdure::test;

namespace {

// All leaves in memory; nodes by definition.
struct Leaves : Nodes {
  std::vector<Hash> leaves;
  explicit Leaves(u64 n) {
    for (u64 i = 0; i < n; ++i) leaves.push_back(leaf_hash(Author::batch(i)));
  }
  std::optional<Hash> node(u32 level, u64 index) const override {
    if (((index + 1) << level) > leaves.size()) return std::nullopt;
    if (level == 0) return leaves[index];
    return blake2b_tree.node(*node(level - 1, 2 * index), *node(level - 1, 2 * index + 1));
  }
};

std::size_t rows_of_level(const MemoryRows& rows, u8 level) {
  std::size_t n = 0;
  for (const auto& [key, value] : rows.base) n += key[0] == 'N' && key[9] == level;
  return n;
}

}  // namespace

TEST_CASE("every node of a log of each length around a full group is found where it should be") {
  World world;
  Leaves all(200);
  Author author(world);
  for (u64 n = 1; n <= 200; ++n) {
    author.append(1);
    StoredNodes nodes(author.rows, topic_no, log_no, author.state);
    bool equal = true;
    for (u32 level = 0; (n >> level) > 0; ++level) {
      for (u64 i = 0; i < n >> level; ++i) equal = equal && nodes.node(level, i) == all.node(level, i);
      equal = equal && !nodes.node(level, n >> level);
    }
    INFO("length " << n);
    CHECK(equal);
    CHECK(peaks_of(nodes, n) == author.state.peaks);
  }
}

TEST_CASE("a log of 10,000 batches has rows of levels 0, 6 and 12, proves any of them and completes any prefix") {
  World world;
  Leaves all(10'000);
  Author author(world);
  while (author.state.held < 10'000) author.append(std::min<u64>(10'000 - author.state.held, 173));
  CHECK(rows_of_level(author.rows, 0) == 156);
  CHECK(rows_of_level(author.rows, 6) == 3);
  CHECK(rows_of_level(author.rows, 12) == 1);
  StoredNodes nodes(author.rows, topic_no, log_no, author.state);
  for (u32 level = 0; level < 14; ++level)
    for (u64 i = 0; i < 10'000u >> level; i += 37) CHECK(nodes.node(level, i) == all.node(level, i));
  for (u64 i = 0; i < 10'000; i += 331) {
    auto proof = inclusion_proof(nodes, i, 10'000);
    REQUIRE(proof);
    CHECK(verify_inclusion(all.leaves[i], i, 10'000, *proof, author.state.root));
    CHECK(completion(nodes, i, 10'000) == completion(all, i, 10'000));
    auto from_old = consistency_proof(nodes, i + 1, 10'000);
    REQUIRE(from_old);
    CHECK(verify_consistency(i + 1, peaks_of(nodes, i + 1)->root(), 10'000, author.state.root, *from_old));
  }
}

TEST_CASE("whoever holds a part knows the nodes of that part, and beyond it what completes it") {
  World world;
  Leaves all(300);
  Author author(world);
  author.append(300, 40);
  for (u64 held : {1, 2, 63, 64, 65, 100, 128, 129, 192, 255, 256, 299, 300}) {
    Holder part;
    world.pull(part, author, held);
    REQUIRE(part.state.held == held);
    REQUIRE(part.state.head.length == 300);
    StoredNodes nodes(part.rows, topic_no, log_no, part.state);
    for (u64 end = 1; end <= held; ++end) REQUIRE(completion(nodes, end, 300) == completion(all, end, 300));
    for (u64 i = 0; i < held; i += 7) REQUIRE(inclusion_proof(nodes, i, 300) == inclusion_proof(all, i, 300));
  }
}

TEST_CASE("a node row that is gone gives no proof, but the log goes on and proves the rest") {
  World world;
  Author author(world);
  author.append(64 * 5);
  author.rows.base.erase(store::key('N', topic_no, log_no, u8{6}, u32{0}));
  author.append(64 * 2);
  StoredNodes nodes(author.rows, topic_no, log_no, author.state);
  CHECK_FALSE(nodes.node(6, 4));
  CHECK(nodes.node(6, 5));
  CHECK(nodes.node(6, 6));
  CHECK(nodes.node(5, 3));
  CHECK_FALSE(completion(nodes, 64, 448));
  author.rows.base[store::key('N', topic_no, log_no, u8{0}, u32{0})].resize(40);
  CHECK_FALSE(nodes.node(0, 1));
  CHECK(nodes.node(0, 0));
}

TEST_CASE("nodes that no log has are none") {
  World world;
  Author author(world);
  author.append(10);
  StoredNodes nodes(author.rows, topic_no, log_no, author.state);
  CHECK_FALSE(nodes.node(64, 0));
  CHECK_FALSE(nodes.node(63, 1));
  CHECK_FALSE(nodes.node(63, 2));
  CHECK_FALSE(nodes.node(0, ~u64{0}));
  CHECK_FALSE(nodes.node(4, 0));
}
