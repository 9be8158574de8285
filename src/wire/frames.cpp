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
    case Tag::ping: case Tag::pong: case Tag::bye:
    case Tag::topics: case Tag::enter: case Tag::refused: case Tag::closed:
    case Tag::hello: case Tag::items: case Tag::done: case Tag::want: case Tag::page: case Tag::no_page: case Tag::check: case Tag::ack:
    case Tag::ask_proof: case Tag::proof: case Tag::ask_nodes: case Tag::nodes:
    case Tag::introduce: case Tag::signal: case Tag::relay: case Tag::unreachable:
    case Tag::presence:
      return true;
  }
  return false;
}

}  // namespace perdure::wire
