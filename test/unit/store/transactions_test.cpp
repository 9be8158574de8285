#include "store/transactions.hpp"

#include "catch_amalgamated.hpp"
#include "sim/disk.hpp"
#include "store/keys.hpp"

using namespace perdure;
using namespace perdure::store;

namespace {

Bytes b(std::string_view s) { return own(view(s)); }
Bytes sealed(std::string_view key, std::string_view value) { return seal_row(view(key), view(value)); }

// A transactions and its host, who answers when the test says so.
struct Office {
  Transactions transactions;
  sim::Disk disk;
  std::vector<Action> open;  // asked of the host, not yet answered
  std::vector<SaveOutcome> outcomes;
  Reopening reopening = Reopening::ok;
  int reads = 0, keys_read = 0, saves = 0, failures = 0, reopened = 0;
  explicit Office(std::size_t cache = 1 << 20) : transactions(cache) {
    transactions.on_failure = [this](SaveOutcome) { ++failures; };
    transactions.on_reopened = [this](Reopening) { ++reopened; };
  }
  void flush() { transactions.flush(open); }
  // Answers what is first.
  void answer(SaveOutcome outcome = SaveOutcome::ok) {
    flush();
    REQUIRE_FALSE(open.empty());
    Action action = std::move(open.front());
    open.erase(open.begin());
    if (auto* save = std::get_if<Save>(&action)) {
      ++saves;
      if (outcome == SaveOutcome::ok) disk.apply(*save);
      transactions.on_event(Saved{save->save, outcome});
    } else if (auto* read = std::get_if<Read>(&action)) {
      ++reads;
      keys_read += static_cast<int>(read->keys.size());
      transactions.on_event(disk.read(*read));
    } else if (auto* range = std::get_if<ReadRange>(&action)) {
      transactions.on_event(disk.read(*range));
    } else {
      transactions.on_event(Reopened{reopening});
    }
    flush();
  }
  void settle() {
    flush();
    while (!open.empty()) answer();
  }
  Transactions::Done done() {
    return [this](SaveOutcome o) { outcomes.push_back(o); };
  }
  void put(u64 queue, std::string_view key, std::string_view value) {
    transactions.run(queue, [=, k = b(key), v = b(value)](Rows& rows) { rows.put(k, v); }, done());
  }
  std::string get(u64 queue, std::string_view key) {
    auto out = std::make_shared<std::string>();
    transactions.run(
        queue,
        [out, k = b(key)](Rows& rows) {
          auto row = rows.get(k);
          *out = row ? std::string(text(*row)) : "-";
        },
        [](SaveOutcome) {});
    settle();
    return *out;
  }
};

}  // namespace

TEST_CASE("a step runs again until all that it asks for has been read") {
  Office o;
  o.disk.rows[b("a")] = sealed("a", "b");
  o.disk.rows[b("b")] = sealed("b", "c");
  int runs = 0;
  std::string found;
  o.transactions.run(
      1,
      [&](Rows& rows) {
        ++runs;
        auto a = rows.get(b("a"));
        if (!a) return;
        auto next = rows.get(*a);
        found = next ? std::string(text(*next)) : "-";
      },
      o.done());
  o.settle();
  CHECK(runs == 3);
  CHECK(o.reads == 2);
  CHECK(found == "c");
  CHECK(o.outcomes == std::vector{SaveOutcome::ok});
}

TEST_CASE("rows that a step misses together are read together, and absent ones are remembered as absent") {
  Office o;
  auto step = [](Rows& rows) {
    for (char c : {'a', 'b', 'c'}) (void)rows.get(Bytes{static_cast<u8>(c)});
  };
  o.transactions.run(1, step, o.done());
  o.settle();
  CHECK(o.reads == 1);
  CHECK(o.keys_read == 3);
  o.transactions.run(1, step, o.done());
  o.settle();
  CHECK(o.reads == 1);
}

TEST_CASE("what a run wrote that has to run again is thrown away") {
  Office o;
  o.disk.rows[b("n")] = sealed("n", "1");
  o.transactions.run(
      1,
      [](Rows& rows) {
        auto n = rows.get(b("n"));
        rows.put(n ? b("right") : b("wrong"), b("x"));
      },
      o.done());
  o.settle();
  CHECK(o.disk.rows.contains(b("right")));
  CHECK_FALSE(o.disk.rows.contains(b("wrong")));
}

TEST_CASE("steps of one queue run in order, and each sees what the one before wrote") {
  Office o;
  std::string seen;
  o.transactions.run(
      1,
      [](Rows& rows) {
        (void)rows.get(b("slow"));
        rows.put(b("k"), b("1"));
      },
      o.done());
  o.transactions.run(
      1,
      [&](Rows& rows) {
        auto k = rows.get(b("k"));
        seen = k ? std::string(text(*k)) : "-";
        rows.put(b("k"), b("2"));
      },
      o.done());
  o.settle();
  CHECK(seen == "1");
  CHECK(o.disk.rows[b("k")] == sealed("k", "2"));
  CHECK(o.outcomes.size() == 2);
}

TEST_CASE("a queue that waits for rows does not hold up another") {
  Office o;
  std::vector<int> order;
  o.transactions.run(
      1,
      [&](Rows& rows) {
        if (rows.get(b("slow")); !rows.missed()) order.push_back(1);
      },
      o.done());
  o.transactions.run(2, [&](Rows&) { order.push_back(2); }, o.done());
  o.flush();
  CHECK(order == std::vector{2});
  o.settle();
  CHECK(order == std::vector{2, 1});
}

TEST_CASE("everything that is written while a save is under way shares the next one") {
  Office o;
  o.put(1, "a", "1");
  o.flush();
  REQUIRE(o.open.size() == 1);
  for (int i = 0; i < 50; ++i) o.put(static_cast<u64>(i % 3), "k" + std::to_string(i), "v");
  o.flush();
  CHECK(o.open.size() == 1);
  o.settle();
  CHECK(o.saves == 2);
  CHECK(o.outcomes.size() == 51);
  CHECK(o.disk.rows.size() == 51);
}

TEST_CASE("nobody is told that something is done before it is on disk") {
  Office o;
  o.put(1, "a", "1");
  o.flush();
  CHECK(o.outcomes.empty());
  std::vector<int> order;
  o.transactions.run(1, [](Rows& rows) { (void)rows.get(b("a")); }, [&](SaveOutcome) { order.push_back(1); });
  o.flush();
  CHECK(order.empty());  // it has seen "a", which may yet fail
  o.settle();
  CHECK(o.outcomes.size() == 1);
  CHECK(order.size() == 1);
}

TEST_CASE("after a save that failed all that waits fails, nothing of it is written, and the host is asked to reopen") {
  for (SaveOutcome outcome : {SaveOutcome::full, SaveOutcome::superseded, SaveOutcome::failed, SaveOutcome::unknown}) {
    Office o;
    o.put(1, "first", "1");
    o.settle();
    o.put(1, "a", "1");
    o.flush();
    o.put(1, "b", "1");
    bool ranged = true;
    o.flush();
    o.transactions.read_range(b("a"), b("z"), 0, false, [&](bool ok, const auto&) { ranged = ok; });
    o.outcomes.clear();
    o.answer(outcome);
    CHECK(o.failures == 1);
    CHECK(o.transactions.failed());
    CHECK(o.outcomes == std::vector{outcome, outcome});
    CHECK_FALSE(ranged);
    CHECK_FALSE(o.transactions.idle());
    // Answers to what was asked before come late and mean nothing.
    while (!std::get_if<Reopen>(&o.open.front())) o.answer(SaveOutcome::failed);
    o.answer();
    CHECK(o.reopened == 1);
    CHECK_FALSE(o.transactions.failed());
    CHECK(o.disk.rows.size() == 1);
    CHECK(o.get(1, "a") == "-");  // the cache does not speak of what never was
    o.put(1, "a", "2");
    o.settle();
    CHECK(o.disk.rows[b("a")] == sealed("a", "2"));
  }
}

TEST_CASE("what is asked for while the store cannot be opened again fails, and goes through once it can") {
  Office o;
  o.reopening = Reopening::failed;
  o.put(1, "a", "1");
  o.answer(SaveOutcome::failed);
  o.put(1, "b", "1");  // before it is known
  bool ranged = true;
  o.transactions.read_range(b("a"), b("z"), 0, false, [&](bool ok, const auto&) { ranged = ok; });
  CHECK_FALSE(ranged);
  o.answer();
  CHECK(o.outcomes == std::vector{SaveOutcome::failed, SaveOutcome::failed});
  CHECK(o.transactions.failed());
  o.flush();
  CHECK(o.open.empty());  // when it is tried again is not the transactions's to say
  o.reopening = Reopening::ok;
  o.transactions.reopen();
  o.put(1, "c", "1");
  o.settle();
  CHECK(o.outcomes.back() == SaveOutcome::ok);
  CHECK(o.disk.rows.size() == 1);
}

TEST_CASE("a range that cannot be read is a failure like any other") {
  Office o;
  bool ranged = true;
  o.transactions.read_range(b("a"), b("z"), 0, false, [&](bool ok, const auto&) { ranged = ok; });
  o.put(1, "a", "1");
  o.flush();
  o.transactions.on_event(RowsRead{std::get<ReadRange>(o.open.front()).read, false, {}});
  CHECK_FALSE(ranged);
  CHECK(o.failures == 1);
  CHECK(o.outcomes == std::vector{SaveOutcome::failed});
}

TEST_CASE("a read that fails is a failure of the store") {
  Office o;
  o.transactions.run(1, [](Rows& rows) { (void)rows.get(b("a")); }, o.done());
  o.flush();
  REQUIRE(o.open.size() == 1);
  o.transactions.on_event(RowsRead{std::get<Read>(o.open[0]).read, false, {}});
  CHECK(o.failures == 1);
  CHECK(o.outcomes == std::vector{SaveOutcome::failed});
}

TEST_CASE("what is asked for while the store is failed waits until it is open again") {
  Office o;
  o.put(1, "a", "1");
  o.flush();
  o.answer(SaveOutcome::failed);
  o.outcomes.clear();
  o.put(1, "b", "1");
  bool ok = true;
  o.transactions.read_range(b("a"), b("z"), 0, false, [&](bool good, const auto&) { ok = good; });
  CHECK_FALSE(ok);
  CHECK(o.outcomes.empty());
  o.settle();
  CHECK(o.outcomes == std::vector{SaveOutcome::ok});
  CHECK(o.disk.rows.contains(b("b")));
}

TEST_CASE("a range is erased behind what was written before it, and before what is written after") {
  Office o;
  o.disk.rows = {{b("p1"), sealed("p1", "old")}, {b("p2"), sealed("p2", "old")}, {b("q"), sealed("q", "old")}};
  CHECK(o.get(1, "p1") == "old");
  o.put(1, "p3", "before");
  o.flush();
  o.transactions.erase_ranges({{b("p"), b("q")}}, o.done());
  CHECK(o.get(1, "p1") == "-");
  o.put(1, "p2", "after");
  o.settle();
  CHECK(o.disk.rows == sim::Disk::Rows{{b("p2"), sealed("p2", "after")}, {b("q"), sealed("q", "old")}});
  CHECK(o.get(1, "p3") == "-");
}

TEST_CASE("what was written before an erased range in the same save does not come back") {
  Office o;
  o.put(1, "x", "1");
  o.flush();  // under way, so the next ones gather
  o.put(1, "p1", "gathered");
  o.flush();
  o.transactions.erase_ranges({{b("p"), b("q")}}, o.done());
  o.put(1, "p2", "after");
  o.settle();
  CHECK_FALSE(o.disk.rows.contains(b("p1")));
  CHECK(o.disk.rows.contains(b("p2")));
}

TEST_CASE("a range is read as it will be once all that was written is saved") {
  Office o;
  o.put(1, "a1", "1");
  o.flush();
  o.put(1, "a2", "2");
  o.flush();
  std::vector<std::pair<Bytes, Bytes>> rows;
  o.transactions.read_range(b("a"), b("b"), 0, false, [&](bool, auto found) { rows = std::move(found); });
  o.settle();
  CHECK(rows.size() == 2);
}

TEST_CASE("the cache lets go of what was not used for longest, and keeps within its size") {
  Office o(1000);
  for (int i = 0; i < 20; ++i)
    o.disk.rows[b("key" + std::to_string(i))] = seal_row(b("key" + std::to_string(i)), Bytes(50, 1));
  for (int i = 0; i < 20; ++i) (void)o.get(1, "key" + std::to_string(i));
  int before = o.reads;
  (void)o.get(1, "key19");
  CHECK(o.reads == before);
  (void)o.get(1, "key0");
  CHECK(o.reads == before + 1);
}

TEST_CASE("a row that the cache drops in the middle of a step can still be read there") {
  Office o(300);
  for (char c = 'a'; c < 'h'; ++c)
    o.disk.rows[Bytes{static_cast<u8>(c)}] = seal_row(Bytes{static_cast<u8>(c)}, Bytes(90, static_cast<u8>(c)));
  bool good = false;
  o.transactions.run(
      1,
      [&](Rows& rows) {
        std::vector<ByteView> all;
        for (char c = 'a'; c < 'h'; ++c)
          if (auto row = rows.get(Bytes{static_cast<u8>(c)})) all.push_back(*row);
        good = all.size() == 7;
        for (std::size_t i = 0; i < all.size(); ++i) good = good && all[i][0] == 'a' + i && all[i].size() == 90;
      },
      o.done());
  o.settle();
  CHECK(good);
}

TEST_CASE("long rows are read again rather than crowd the others out") {
  Office o;
  o.disk.rows[b("long")] = seal_row(b("long"), Bytes(200 * 1024, 1));
  o.disk.rows[b("short")] = sealed("short", "s");
  (void)o.get(1, "short");
  (void)o.get(1, "long");
  int before = o.reads;
  (void)o.get(1, "long");
  CHECK(o.reads == before + 1);
  (void)o.get(1, "short");
  CHECK(o.reads == before + 1);
}

TEST_CASE("what is written in bulk goes out in several saves, in order") {
  Office o;
  for (int i = 0; i < 12; ++i)
    o.transactions.run(1, [i](Rows& rows) { rows.put(b("k" + std::to_string(i)), Bytes(1 << 20, 1)); }, o.done());
  o.settle();
  CHECK(o.saves > 1);
  CHECK(o.outcomes.size() == 12);
  CHECK(o.disk.rows.size() == 12);
}

TEST_CASE(
    "where there is little room what fits goes out in a save of its own, and how large the one was that did not is known") {
  Office o;
  o.put(1, "held up", "x");
  o.flush();  // under way: what follows would share a save
  for (const char* key : {"a", "b", "c"}) o.put(2, key, std::string(1'000, 'x'));
  o.answer();
  o.answer(SaveOutcome::full);
  CHECK(o.transactions.failed_bytes() == 3'003);
  o.answer();
  o.transactions.save_at_most(500);
  o.put(1, "held up", "y");
  o.flush();
  for (const char* key : {"a", "b", "c"}) o.put(2, key, std::string(1'000, 'x'));
  o.flush();
  CHECK(o.open.size() == 4);
  o.settle();
  o.transactions.save_as_usual();
  o.put(1, "held up", "z");
  o.flush();
  for (const char* key : {"a", "b", "c"}) o.put(2, key, std::string(1'000, 'y'));
  o.answer();
  CHECK(o.open.size() == 1);
}

TEST_CASE("keys of one kind and topic are one range") {
  Bytes from = key('L', 7), to = prefix_end(from);
  CHECK(from <= key('L', 7, 0));
  CHECK(key('L', 7, ~u32{0}) < to);
  CHECK_FALSE(key('L', 8, 0) < to);
  CHECK(prefix_end(key('L', ~u32{0})) == b("M"));
}

TEST_CASE("a row that is damaged, cut, or stands where another was reads as absent, and as empty in a range") {
  Office o;
  o.put(1, "a", "one");
  o.put(1, "b", "two");
  o.settle();
  const auto whole = o.disk.rows;
  for (int harm = 0; harm < 4; ++harm) {
    Office again(0);
    again.disk.rows = whole;
    Bytes& row = again.disk.rows[b("a")];
    if (harm == 0) row[1] ^= 0x10;
    if (harm == 1) row.pop_back();
    if (harm == 2) row.clear();
    if (harm == 3) row = whole.at(b("b"));
    CHECK(again.get(1, "a") == "-");
    CHECK(again.get(1, "b") == "two");
    std::vector<std::pair<Bytes, Bytes>> found;
    again.transactions.read_range(b("a"), b("z"), 0, false, [&](bool, const auto& rows) { found = rows; });
    again.settle();
    REQUIRE(found.size() == 2);
    CHECK(found[0] == std::pair(b("a"), Bytes{}));
    CHECK(found[1] == std::pair(b("b"), b("two")));
    CHECK(again.transactions.damaged() == 2);
  }
}

TEST_CASE("a step that gives up writes nothing") {
  Office o;
  o.transactions.run(
      1,
      [](Rows& rows) {
        rows.put(b("k"), b("1"));
        rows.abandon();
      },
      o.done());
  o.settle();
  CHECK(o.disk.rows.empty());
  CHECK(o.outcomes == std::vector{SaveOutcome::ok});
}

namespace {
Rows::Kept made(int n) { return std::make_shared<const int>(n); }
int seen(Rows& rows, std::string_view key) {
  auto kept = std::static_pointer_cast<const int>(rows.kept(view(key)));
  return kept ? *kept : 0;
}
}  // namespace

TEST_CASE("what a row says, decoded, is at hand for later steps until the row changes, is erased or a save fails") {
  Office o;
  std::vector<int> found;
  const auto look = [&] { o.transactions.run(1, [&](Rows& rows) { found.push_back(seen(rows, "k")); }, o.done()); };
  const auto write = [&](int n) {
    o.transactions.run(
        1,
        [n](Rows& rows) {
          rows.put(b("k"), Bytes(3, static_cast<u8>(n)));
          rows.keep(b("k"), made(n), 10);
        },
        o.done());
  };
  write(1);
  look();
  o.put(1, "k", "other");
  look();
  o.transactions.run(
      1,
      [](Rows& rows) {
        if (rows.get(b("k"))) rows.keep(b("k"), made(2), 10);
      },
      o.done());
  look();
  o.transactions.run(1, [](Rows& rows) { rows.erase(b("k")); }, o.done());
  look();
  write(3);
  look();
  o.settle();
  CHECK(found == std::vector<int>{1, 0, 2, 0, 3});
  write(4);
  o.answer(SaveOutcome::failed);
  look();
  o.settle();
  CHECK(found.back() == 0);
  write(5);
  o.settle();
  o.transactions.erase_ranges({{b("a"), b("z")}}, o.done());
  look();
  o.settle();
  CHECK(found.back() == 0);
}

TEST_CASE("a step that has to run again leaves nothing decoded of what it would have written") {
  Office o;
  std::vector<int> found;
  o.transactions.run(
      1,
      [&](Rows& rows) {
        found.push_back(seen(rows, "k"));
        rows.put(b("k"), b("v"));
        rows.keep(b("k"), made(7), 10);
        (void)rows.get(b("elsewhere"));
      },
      o.done());
  o.settle();
  CHECK(found == std::vector<int>{0, 0});
}

TEST_CASE("what is kept beside rows is bounded, and the rows themselves stay") {
  Office o(1000);
  for (char c = 'a'; c < 'f'; ++c)
    o.transactions.run(
        1,
        [c](Rows& rows) {
          rows.put(Bytes{static_cast<u8>(c)}, Bytes(1, 1));
          rows.keep(Bytes{static_cast<u8>(c)}, made(c), 200);
        },
        o.done());
  o.settle();
  std::string left;
  o.transactions.run(
      1,
      [&](Rows& rows) {
        for (char c = 'a'; c < 'f'; ++c)
          if (seen(rows, std::string(1, c))) left += c;
      },
      o.done());
  int before = o.reads;
  CHECK(o.get(1, "a").size() == 1);
  CHECK(left == "de");
  CHECK(o.reads == before);
}
