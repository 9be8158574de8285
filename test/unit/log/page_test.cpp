#include "log/page.hpp"

#include "author.hpp"
#include "log/batch.hpp"

using namespace perdure;
using namespace perdure::log;
using namespace perdure::test;

TEST_CASE("a log is taken in page by page, in order, and then is the author's") {
  World world;
  Author author(world);
  while (author.state.held < 1000) author.append(100, 500);
  Holder reader;
  world.pull(reader, author);
  CHECK(reader.state.held == 1000);
  CHECK(reader.state.bytes == 500'000);
  CHECK_FALSE(reader.state.own);
  LogState as_author = reader.state;
  as_author.own = true;
  CHECK(as_author == author.state);
  for (auto& [key, value] : author.rows.base)
    if (key[0] != 'L') CHECK(reader.rows.base[key] == value);
  CHECK(reader.rows.base.size() == author.rows.base.size());
}

TEST_CASE("what overlaps with what is held is skipped, what is known is known, what leaves a gap waits") {
  World world;
  Author author(world);
  author.append(20);
  Holder reader;
  CHECK(world.accept(reader, *author.page(1)) == Verdict::gap);
  CHECK(world.accept(reader, *author.page(0, 10)) == Verdict::accepted);
  CHECK(world.accept(reader, *author.page(0, 10)) == Verdict::known);
  CHECK(world.accept(reader, *author.page(3, 7)) == Verdict::known);
  CHECK(world.accept(reader, *author.page(11, 20)) == Verdict::gap);
  CHECK(world.accept(reader, *author.page(5, 15)) == Verdict::accepted);
  CHECK(reader.state.held == 15);
  CHECK(reader.state.bytes == 15 * 40);
  CHECK(world.accept(reader, *author.page(0)) == Verdict::accepted);
  CHECK(reader.state.held == 20);
  CHECK(reader.state.beyond.empty());
  CHECK(reader.state.root == author.state.root);
}

TEST_CASE("a page stays provable while the log grows") {
  World world;
  Author author(world);
  author.append(90);
  Holder reader;
  Page early = *author.page(0, 30);
  Page later = *author.page(30, 60);
  author.append(70);
  Page latest = *author.page(60, 100);
  CHECK(world.accept(reader, early) == Verdict::accepted);
  CHECK(reader.state.head.length == 90);
  CHECK(world.accept(reader, later) == Verdict::accepted);
  CHECK(world.accept(reader, latest) == Verdict::accepted);
  CHECK(reader.state.head.length == 160);
  world.pull(reader, author);
  CHECK(reader.state.root == author.state.root);
}

TEST_CASE("a page under an older head is taken too, and what is held then stands under that head") {
  World world;
  Author author(world);
  author.append(50);
  Page old = *author.page(0, 40);
  author.append(50);
  Holder reader;
  CHECK(world.accept(reader, *author.page(0, 10)) == Verdict::accepted);
  CHECK(reader.state.head.length == 100);
  CHECK(world.accept(reader, old) == Verdict::accepted);
  CHECK(reader.state.head.length == 50);
  Holder third;
  world.pull(third, reader);
  CHECK(third.state.held == 40);
}

TEST_CASE("whoever holds a part serves a third peer provably, down to parts of parts") {
  World world;
  Author author(world);
  author.append(300);
  for (u64 held : {1, 5, 64, 77, 128, 250}) {
    Holder part;
    world.pull(part, author, held);
    for (u64 less = 1; less <= held; less += 9) {
      Holder third;
      world.pull(third, part, less);
      REQUIRE(third.state.held == less);
      REQUIRE(third.state.root == author.state.root);
      world.pull(third, author);
      REQUIRE(third.state.peaks == author.state.peaks);
    }
  }
}

TEST_CASE("a log that no holder of the topic's secret opened is not taken in") {
  World world;
  Author author(world);
  author.append(2);
  Page page = *author.page(0);
  Holder reader;
  page.opening.certificate.bytes[5] ^= 1;
  CHECK(world.accept(reader, page) == Verdict::not_opened);
  Secret other;
  other.bytes[0] = 1;
  page.opening.certificate = identity::open_log(world.device.network(), identity::topic_keys(other), world.device.id(),
                                                5);
  CHECK(world.accept(reader, page) == Verdict::not_opened);
  page.opening.certificate = author.state.opening.certificate;
  page.opening.incarnation = 6;
  CHECK(world.accept(reader, page) == Verdict::not_opened);
}

TEST_CASE("of a log already open the certificate that came first stays, and the names must be the same") {
  World world;
  Author author(world);
  author.append(2);
  Holder reader;
  CHECK(world.accept(reader, *author.page(0, 1)) == Verdict::accepted);
  Page page = *author.page(1);
  page.opening.incarnation = 6;
  CHECK(world.accept(reader, page) == Verdict::malformed);
  page.opening = author.state.opening;
  page.opening.certificate = {};
  CHECK(world.accept(reader, page) == Verdict::accepted);
  CHECK(reader.state.opening == author.state.opening);
}

TEST_CASE("a page with a wrong signature, a changed batch, a changed completion or a changed head is a mismatch") {
  World world;
  Author author(world);
  author.append(20);
  Holder reader;
  CHECK(world.accept(reader, *author.page(0, 4)) == Verdict::accepted);
  const Page good = *author.page(4, 9);
  auto verdict = [&](auto change) {
    Page page = good;
    change(page);
    return world.accept(reader, page);
  };
  CHECK(verdict([](Page& p) { p.head.signature.bytes[40] ^= 1; }) == Verdict::mismatch);
  CHECK(verdict([](Page& p) { p.head.signature = {}; }) == Verdict::mismatch);
  CHECK(verdict([](Page& p) { p.batches[2][9] ^= 1; }) == Verdict::mismatch);
  CHECK(verdict([](Page& p) { std::swap(p.batches[0], p.batches[1]); }) == Verdict::mismatch);
  CHECK(verdict([](Page& p) { p.completion[0].bytes[0] ^= 1; }) == Verdict::mismatch);
  CHECK(verdict([](Page& p) { p.head.time = {1}; }) == Verdict::mismatch);
  CHECK(verdict([](Page& p) { ++p.head.ops; }) == Verdict::mismatch);
  CHECK(verdict([](Page&) {}) == Verdict::accepted);
}

TEST_CASE("a page whose numbers contradict each other is malformed before anything is hashed") {
  World world;
  Author author(world);
  author.append(20);
  Holder reader;
  const Page good = *author.page(0, 9);
  auto verdict = [&](auto change) {
    Page page = good;
    change(page);
    return world.accept(reader, page);
  };
  CHECK(verdict([](Page& p) { p.batches.clear(); }) == Verdict::malformed);
  CHECK(verdict([](Page& p) { p.head.length = 8; }) == Verdict::malformed);
  CHECK(verdict([](Page& p) { p.head.length = 0; }) == Verdict::malformed);
  CHECK(verdict([](Page& p) { p.from = ~u64{0}; }) == Verdict::malformed);
  CHECK(verdict([](Page& p) { p.completion.pop_back(); }) == Verdict::malformed);
  CHECK(verdict([](Page& p) { p.completion.push_back({}); }) == Verdict::malformed);
  CHECK(verdict([](Page& p) { p.head.ops = 19; }) == Verdict::malformed);
  CHECK(verdict([](Page& p) { p.head.ops = 20 * 256 + 1; }) == Verdict::malformed);
  CHECK(verdict([](Page& p) { p.batches[0].resize(sealing); }) == Verdict::malformed);
  CHECK(verdict([](Page& p) {
          p.head.length = p.head.ops = batches_max + 1;
          p.completion.assign(completion_stretches(9, p.head.length).size(), {});
        }) == Verdict::malformed);
}

TEST_CASE("a page holds 64 KiB, or one batch, or 256 batches, and no more") {
  World world;
  Author author(world);
  auto page_of = [&](std::size_t count, std::size_t size) {
    Page page{.opening = author.state.opening,
              .from = 0,
              .batches = std::vector<Bytes>(count, Bytes(size)),
              .completion = {},
              .head = {}};
    Peaks peaks;
    for (const Bytes& b : page.batches) peaks.append(leaf_hash(b));
    page.head.length = page.head.ops = count;
    author.sign(page, peaks.root());
    return page;
  };
  auto verdict = [&](const Page& page) {
    Holder fresh;
    return world.accept(fresh, page);
  };
  CHECK(verdict(page_of(2, 32 * 1024)) == Verdict::accepted);
  CHECK(verdict(page_of(2, 32 * 1024 + 1)) == Verdict::malformed);
  CHECK(verdict(page_of(1, sealed_max)) == Verdict::accepted);
  CHECK(verdict(page_of(1, sealed_max + 1)) == Verdict::malformed);
  CHECK(verdict(page_of(256, 30)) == Verdict::accepted);
  CHECK(verdict(page_of(257, 30)) == Verdict::malformed);
}

TEST_CASE("two histories by one author: the second does not verify over the first, and changes nothing") {
  World world;
  Author author(world), again(world);
  author.append(10);
  again.append(10, 41);
  Holder reader;
  CHECK(world.accept(reader, *author.page(0, 8)) == Verdict::accepted);
  CHECK(world.accept(reader, *again.page(8)) == Verdict::mismatch);
  CHECK(world.accept(reader, *again.page(0)) == Verdict::mismatch);
  CHECK(world.accept(reader, *author.page(8)) == Verdict::accepted);
}

TEST_CASE("an author that lost its tail takes it back from a peer and writes on behind it") {
  World world;
  Author author(world);
  author.append(5);
  Author restored(world);
  restored.rows = author.rows;
  restored.state = author.state;
  author.append(70);
  Holder reader;
  world.pull(reader, author);
  world.pull(restored, reader);
  CHECK(restored.state == author.state);
  restored.append(1);
  CHECK(world.accept(reader, *restored.page(75)) == Verdict::accepted);
}

TEST_CASE("a page ends before its bytes are full, with at least one batch, and never beyond `to` or what is held") {
  World world;
  Author author(world);
  author.append(10, 1000);
  CHECK(author.page(0, ~u64{0}, 3500)->batches.size() == 3);
  CHECK(author.page(0, ~u64{0}, 4000)->batches.size() == 4);
  CHECK(author.page(0, ~u64{0}, 1)->batches.size() == 1);
  CHECK(author.page(2, 4)->batches.size() == 2);
  CHECK(author.page(2, 4)->from == 2);
  CHECK(author.page(7)->batches.size() == 3);
  CHECK_FALSE(author.page(10));
  CHECK_FALSE(author.page(4, 4));
  CHECK_FALSE(author.page(5, 4));
  Author small(world);
  for (int i = 0; i < 3; ++i) small.append(200, 30);
  CHECK(small.page(0)->batches.size() == 256);
  Author large(world);
  large.append(1, sealed_max);
  large.append(1, 30);
  CHECK(large.page(0)->batches.size() == 1);
  Holder nothing;
  CHECK_FALSE(nothing.page(0));
}

TEST_CASE("a page asked for with a greater limit than others accept keeps to theirs") {
  World world;
  Author author(world);
  author.append(20, 20'000);
  Holder reader;
  auto page = author.page(0, ~u64{0}, 1'000'000);
  REQUIRE(page);
  CHECK(page->batches.size() == 3);
  CHECK(world.accept(reader, *page) == Verdict::accepted);
}

TEST_CASE("a batch row that is gone or corrupt ends the page in nothing") {
  World world;
  Author author(world);
  author.append(10);
  author.rows.base[store::key('B', topic_no, log_no, u32{4})] = Bytes{1};
  CHECK_FALSE(author.page(0));
  CHECK(author.page(0, 4));
  author.rows.base.erase(store::key('B', topic_no, log_no, u32{4}));
  CHECK_FALSE(author.page(3));
  CHECK(author.page(5));
}

TEST_CASE("rows that are not at hand at first make no difference in the end") {
  World world;
  Author author(world);
  Holder warm, cold;
  cold.rows = MemoryRows().cold();
  for (u64 appended = 0; appended < 8'700; appended += 100) {
    author.append(100, 300);
    // One step: load the state, take in a page.
    while (cold.state.held < author.state.held) {
      auto page = author.page(cold.state.held);
      REQUIRE(page);
      MemoryRows rows = cold.rows.cold();
      LogState after;
      Verdict verdict = Verdict::gap;
      int runs = run_step(rows, [&](store::Rows& r) {
        auto row = r.get(store::key('L', topic_no, log_no));
        LogState state;
        if (row) state = *decode_state(*row);
        verdict = accept(r, topic_no, log_no, state, world.device.network(), world.keys.id, *page);
        after = state;
      });
      REQUIRE(verdict == Verdict::accepted);
      REQUIRE(runs <= 3);
      cold.rows = rows;
      cold.state = after;
    }
    world.pull(warm, author);
  }
  CHECK(cold.state == warm.state);
  CHECK(cold.rows.base == warm.rows.base);
}

TEST_CASE("a page is read in few runs when nothing is at hand") {
  World world;
  Author author(world);
  while (author.state.held < 5'000) author.append(250, 300);
  for (u64 from : {0, 100, 4'000, 4'900}) {
    MemoryRows rows = author.rows.cold();
    std::optional<Page> page;
    int runs = run_step(rows, [&](store::Rows& r) {
      page = read_page(r, topic_no, log_no, author.state, from, ~u64{0}, page_bytes_max);
    });
    REQUIRE(page);
    CHECK(runs <= 3);
    auto warm = author.page(from);
    CHECK(page->batches == warm->batches);
    CHECK(page->completion == warm->completion);
  }
}

TEST_CASE("where a node row that grows has missed, neither rows nor state change") {
  World world;
  Author author(world);
  author.append(100);
  Holder reader;
  world.pull(reader, author);
  author.append(100);
  MemoryRows rows = reader.rows.cold();
  LogState state = reader.state;
  auto page = author.page(100);
  CHECK(accept(rows, topic_no, log_no, state, world.device.network(), world.keys.id, *page) == Verdict::known);
  CHECK(rows.missed());
  CHECK(rows.written() == 0);
  CHECK(state == reader.state);

  MemoryRows own_rows = author.rows.cold();
  LogState own_state = author.state;
  std::vector<Bytes> sealed(60, Author::batch(0));
  append(own_rows, topic_no, log_no, own_state, world.device, world.keys.id, sealed, 260, {1});
  CHECK(own_rows.missed());
  CHECK(own_rows.written() == 0);
  CHECK(own_state == author.state);
}

TEST_CASE("a step that has already missed a row appends nothing to a state it cannot know") {
  World world;
  Author author(world);
  MemoryRows rows = author.rows.cold();
  CHECK_FALSE(rows.get(Bytes{'L'}));
  LogState state;
  append(rows, topic_no, log_no, state, world.device, world.keys.id, {Author::batch(0)}, 1, {1});
  CHECK(state == LogState{});
  CHECK(rows.written() == 0);
}
