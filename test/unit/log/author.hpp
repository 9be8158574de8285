// A device that writes a log, and peers that take it in. Batches are of any bytes: nothing here unseals them.
#pragma once

#include "catch_amalgamated.hpp"
#include "codec/bytes.hpp"
#include "log/state.hpp"
#include "unit/support/memory_rows.hpp"

namespace perdure::test {

inline constexpr store::TopicNo topic_no = 3;
inline constexpr store::LogNo log_no = 7;

inline Seed seed_of(u8 n) {
  Seed seed;
  seed.bytes.fill(n);
  return seed;
}

// Who holds a log, or some of it.
struct Holder {
  MemoryRows rows;
  log::LogState state;

  // The state as its row says it.
  log::LogState stored() const {
    auto it = rows.base.find(store::key('L', topic_no, log_no));
    REQUIRE(it != rows.base.end());
    Result<log::LogState> decoded = log::decode_state(it->second);
    REQUIRE(decoded);
    return *decoded;
  }
  std::optional<log::Page> page(u64 from, u64 to = ~u64{0}, std::size_t bytes_max = log::page_bytes_max) {
    return log::read_page(rows, topic_no, log_no, state, from, to, bytes_max);
  }
};

struct World {
  identity::Identity device{"log test", seed_of(1)};
  identity::TopicKeys keys = identity::topic_keys(Secret{});

  log::Verdict accept(Holder& to, const log::Page& page) const {
    const log::LogState before = to.state;
    log::Verdict verdict = log::accept(to.rows, topic_no, log_no, to.state, device.network(), keys.id, page);
    if (verdict == log::Verdict::accepted) {
      to.rows.commit();
      CHECK(to.stored() == to.state);
    } else {
      CHECK(to.rows.written() == 0);
      CHECK(to.state == before);
    }
    return verdict;
  }

  // Takes over all that `from` holds, in as many pages as it takes.
  void pull(Holder& to, Holder& from, u64 end = ~u64{0}) const {
    while (to.state.held < std::min(end, from.state.held)) {
      auto page = from.page(to.state.held, end);
      REQUIRE(page);
      REQUIRE(accept(to, *page) == log::Verdict::accepted);
    }
  }
};

struct Author : Holder {
  const World& world;
  explicit Author(const World& w, u64 incarnation = 5) : world(w) {
    state.own = true;
    state.opening = {.device = w.device.id(),
                     .incarnation = incarnation,
                     .certificate = identity::open_log(w.device.network(), w.keys, w.device.id(), incarnation)};
  }
  static Bytes batch(u64 n, std::size_t size = 40) {
    codec::Writer w;
    w.be64(n);
    Bytes out = std::move(w).take();
    out.resize(size, static_cast<u8>(n));
    return out;
  }
  // n batches under one head.
  void append(u64 n, std::size_t size = 40) {
    std::vector<Bytes> sealed;
    for (u64 i = 0; i < n; ++i) sealed.push_back(batch(state.held + i, size));
    log::append(rows, topic_no, log_no, state, world.device, world.keys.id, sealed, state.head.ops + n,
                {state.head.time.value + n});
    rows.commit();
  }
  // The page signed anew over what is in it, for pages that are wrong in one thing only.
  void sign(log::Page& page, const Hash& root) const {
    page.head = log::sign_head(world.device, world.keys.id, page.opening.incarnation, page.head.length, page.head.ops,
                               root, page.head.time);
  }
};

}  // namespace perdure::test
