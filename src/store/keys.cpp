#include "store/keys.hpp"

#include "base/assert.hpp"
#include "codec/bytes.hpp"

namespace perdure::store {

namespace {
codec::Writer start(char kind) {
  codec::Writer w;
  w.u8(static_cast<u8>(kind));
  return w;
}
}  // namespace

Bytes key(char kind) { return start(kind).take(); }

Bytes key(char kind, TopicNo topic) {
  auto w = start(kind);
  w.be32(topic);
  return std::move(w).take();
}

Bytes key(char kind, TopicNo topic, u32 second) {
  auto w = start(kind);
  w.be32(topic).be32(second);
  return std::move(w).take();
}

Bytes key(char kind, TopicNo topic, u32 second, u32 third) {
  auto w = start(kind);
  w.be32(topic).be32(second).be32(third);
  return std::move(w).take();
}

Bytes key(char kind, TopicNo topic, u32 second, u8 third, u32 fourth) {
  auto w = start(kind);
  w.be32(topic).be32(second).u8(third).be32(fourth);
  return std::move(w).take();
}

Bytes key(char kind, TopicNo topic, ByteView rest) {
  auto w = start(kind);
  w.be32(topic).raw(rest);
  return std::move(w).take();
}

Bytes key(char kind, ByteView rest) {
  auto w = start(kind);
  w.raw(rest);
  return std::move(w).take();
}

Bytes prefix_end(ByteView prefix) {
  Bytes end = own(prefix);
  while (!end.empty() && end.back() == 0xff) end.pop_back();
  PERDURE_ASSERT(!end.empty());
  ++end.back();
  return end;
}

}  // namespace perdure::store
