#include "wire/frames.hpp"

namespace perdure::wire {

std::optional<Frame> parse(ByteView bytes) {
  codec::Reader r(bytes);
  Frame frame;
  frame.tag = static_cast<Tag>(r.u8());
  u8 flags = r.u8();
  frame.header.alias = static_cast<u32>(r.varint_max(~u32{0}));
  frame.header.request = static_cast<u32>(r.varint_max(~u32{0}));
  frame.body = r.rest();
  if (!r.ok() || flags != 0) return std::nullopt;
  return frame;
}

bool may_skip(Tag tag) { return static_cast<u8>(tag) >= 128; }

bool known(Tag tag) {
  switch (tag) {
    case Tag::ping:
    case Tag::pong:
    case Tag::bye:
    case Tag::topics:
    case Tag::enter:
    case Tag::refused:
    case Tag::closed:
    case Tag::hello:
    case Tag::items:
    case Tag::done:
    case Tag::want:
    case Tag::page:
    case Tag::no_page:
    case Tag::check:
    case Tag::ack:
    case Tag::ask_proof:
    case Tag::proof:
    case Tag::ask_nodes:
    case Tag::nodes:
    case Tag::introduce:
    case Tag::signal:
    case Tag::relay:
    case Tag::unreachable:
    case Tag::presence:
    case Tag::abilities:
    case Tag::fork_proof: return true;
  }
  return false;
}

// ---- abilities ---------------------------------------------------------------------------------------------------------

namespace {

enum : u32 { value_piece = 1, value_batch_format = 2, value_version = 3 };

Bytes number(u64 n) {
  codec::Writer w;
  w.varint(n);
  return std::move(w).take();
}

std::optional<u64> number_in(ByteView bytes) {
  codec::Reader r(bytes);
  const u64 n = r.varint();
  if (!r.done()) return std::nullopt;
  return n;
}

}  // namespace

Abilities say(const Able& able) {
  Abilities out;
  out.numbers.assign(able.numbers.begin(), able.numbers.end());
  if (able.piece_bytes != 0) out.values.push_back({value_piece, number(able.piece_bytes)});
  out.values.push_back({value_batch_format, number(able.batch_format)});
  if (!able.version.empty())
    out.values.push_back({value_version, own(view(std::string_view(able.version).substr(0, version_max)))});
  return out;
}

Able hear(const Abilities& said) {
  Able able;
  able.numbers.insert(said.numbers.begin(), said.numbers.end());
  std::set<u32> seen;
  for (const Abilities::Value& value : said.values) {
    if (!seen.insert(value.name).second) continue;
    if (value.name == value_piece) able.piece_bytes = number_in(value.bytes).value_or(0);
    if (value.name == value_batch_format) able.batch_format = std::max<u64>(number_in(value.bytes).value_or(1), 1);
    const bool printable = std::ranges::all_of(value.bytes, [](u8 c) { return c > 0x20 && c < 0x7f; });
    if (value.name == value_version && printable && value.bytes.size() <= version_max) able.version = text(value.bytes);
  }
  return able;
}

}  // namespace perdure::wire
