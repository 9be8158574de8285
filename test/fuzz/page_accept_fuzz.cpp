// Pages from a peer against a log that we hold a part of: whatever is bent in them, only what the author signed gets in.
//
//     u8 held so far, u8 from, u8 to, then edits: u8 field, bytes for it; batches can be replaced, the head signed over anything
#include "fuzz/target.hpp"
#include "unit/support/memory_rows.hpp"
#include "unit/support/solo.hpp"

namespace perdure::fuzz {

namespace {

constexpr u64 length = 150;
const identity::Identity author("fuzz", test::named_seed("author")), other("fuzz", test::named_seed("other"));
const identity::TopicKeys keys = identity::topic_keys(test::named_secret("topic"));

const test::Ledger& ledger() {
  static const test::Ledger whole = [] {
    test::Ledger l(author, keys);
    for (u64 i = 0; i < length; ++i) l.add_sealed(Bytes(30 + i % 7, static_cast<u8>(i)));
    return l;
  }();
  return whole;
}

log::Page page_of(const wire::Page& frame, u64 incarnation) {
  log::Page page;
  page.opening = {author.id(), incarnation, ledger().opening().certificate};
  page.from = frame.from;
  page.batches = frame.batches;
  page.head = {frame.length, frame.ops, {frame.time}, frame.signature};
  return page;
}

bool bend(Draw& draw, log::Page& page) {
  switch (draw.byte() % 13) {
    case 0: page.from = draw.be64(); return true;
    case 1: page.from = draw.byte(); return true;
    case 2: page.head.length = draw.be64(); return true;
    case 3: page.head.length = draw.byte(); return true;
    case 4: page.head.ops = draw.be64(); return true;
    case 5: page.head.time.value = draw.be64(); return true;
    case 6: page.head.signature.bytes[draw.byte() % 64] ^= draw.byte(); return true;
    case 7: page.opening.certificate.bytes[draw.byte() % 64] ^= draw.byte(); return true;
    case 8: page.opening.device.bytes[draw.byte() % 32] ^= draw.byte(); return true;
    case 9: page.opening.incarnation = draw.be64(); return true;
    case 10: page.completion.resize(draw.byte() % 70); return true;
    case 11:
      if (!page.batches.empty()) page.batches[draw.byte() % page.batches.size()] = own(draw.bytes(draw.byte()));
      return true;
    default: page.batches.resize(draw.byte()); return true;
  }
}

}  // namespace

void target(ByteView in) {
  const test::Ledger& whole = ledger();
  Draw draw(in);
  u64 held = draw.byte() % length, from = draw.byte() % length, to = std::min<u64>(from + 1 + draw.byte(), length);
  test::MemoryRows rows;
  log::LogState state;
  if (held > 0) {
    auto verdict = log::accept(rows, 1, 1, state, author.network(), keys.id, page_of(whole.page(0, held), 5));
    CHECK(verdict == log::Verdict::accepted);
    rows.commit();
  }
  const log::LogState before = state;
  log::Page page = page_of(whole.page(from, to), 5);
  while (!draw.empty()) bend(draw, page);
  Meter meter;
  auto verdict = log::accept(rows, 1, 1, state, author.network(), keys.id, page);
  CHECK(meter.bytes() < 4 * 1024 * 1024);
  if (verdict != log::Verdict::accepted) {
    CHECK(state == before && rows.written() == 0);
    return;
  }
  rows.commit();
  // What got in is what the author wrote.
  CHECK(state.held <= length && state.held > before.held);
  CHECK(state.peaks == whole.peaks(state.held));
  for (u64 i = 0; i < state.held; ++i)
    CHECK(rows.base[store::key('B', 1, 1, static_cast<u32>(i))] == whole.batches()[i]);
}

std::vector<Bytes> seeds() {
  return {{0, 0, 10},      {5, 5, 20}, {5, 3, 90}, {100, 60, 80}, {5, 5, 4, 3, 200}, {5, 5, 4, 11, 0, 3, 1, 2, 3},
          {0, 0, 3, 12, 2}};
}

}  // namespace perdure::fuzz
