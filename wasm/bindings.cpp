// The whole boundary between JavaScript and the core: one object, two buffers, one call.
//
//     const core = new module.Core(config);               // bytes as src/boundary/boundary.hpp has them
//     module.HEAPU8.set(events, core.inbox(events.length));
//     const length = core.turn(steadyMs, wallMs, events.length);
//     const turn = module.HEAPU8.subarray(core.outbox(), core.outbox() + length);   // to be read before the next call
//
// and module.topicOf(invite), which an anchor asks before it has a core, and module.shortIdOf(id). Nothing here calls JavaScript. Pointers and views are void after the next call of any Core of the module.
#include "base/assert.hpp"
#include "boundary/boundary.hpp"
#include "codec/hex.hpp"
#include "identity/identity.hpp"

#include <perdure/node.hpp>

#include <emscripten/bind.h>

#include <string>

namespace perdure {
namespace {

// One great turn (an appendAll of 16 MiB) must not hold its buffer for ever.
constexpr std::size_t buffer_kept_max = std::size_t{1} << 20;

std::uintptr_t address(const Bytes& buffer) { return reinterpret_cast<std::uintptr_t>(buffer.data()); }

Config config_of(const std::string& bytes) {
  Result<Config> config = decode_config(view(bytes));
  PERDURE_ASSERT(config);
  return std::move(*config);
}

class Core {
 public:
  // Throws nothing: a configuration that is not one is a fault of the shim, and stops the module.
  explicit Core(const std::string& config) : node_(config_of(config)) {}

  // Where to put `size` bytes of events before turn().
  std::uintptr_t inbox(std::size_t size) {
    if (size <= buffer_kept_max && inbox_.capacity() > buffer_kept_max) inbox_ = Bytes();
    if (inbox_.size() < size || inbox_.size() > buffer_kept_max) inbox_.resize(size);
    return address(inbox_);
  }

  // Hands the first `length` bytes of the inbox to the core. Returns the length of the outbox, 0 if the events are malformed.
  std::size_t turn(double steady_ms, double wall_ms, std::size_t length) {
    outbox_ = Bytes();
    if (length > inbox_.size()) return 0;
    Result<std::vector<Event>> events = decode_events(ByteView(inbox_).first(length));
    if (!events) return 0;
    const Instant now{static_cast<u64>(steady_ms), static_cast<u64>(wall_ms)};
    outbox_ = encode_turn(node_.handle(now, std::move(*events)));
    return outbox_.size();
  }

  std::uintptr_t outbox() const { return address(outbox_); }

  // The device's public key in 64 hex digits.
  std::string id() const { return codec::to_hex(node_.id().view()); }

 private:
  Node node_;
  Bytes inbox_;
  Bytes outbox_;
};

// The topic of an invite in 64 hex digits, or what is wrong with the invite.
std::string topic_of(const std::string& invite) {
  const Result<TopicId> topic = topic_of_invite(invite);
  return topic ? codec::to_hex(topic->view()) : topic.error().text;
}

// The short form of a device's id, both in hex. An id that is none is a fault of the shim, and stops the module.
std::string short_id_of(const std::string& id) {
  DeviceId device;
  const bool is_one = codec::from_hex(id, device.bytes);
  PERDURE_ASSERT(is_one);
  return codec::to_hex(identity::short_id(device));
}

}  // namespace

EMSCRIPTEN_BINDINGS(perdure) {
  emscripten::class_<Core>("Core")
      .constructor<std::string>()
      .function("inbox", &Core::inbox)
      .function("turn", &Core::turn)
      .function("outbox", &Core::outbox)
      .function("id", &Core::id);
  emscripten::function("topicOf", &topic_of);
  emscripten::function("shortIdOf", &short_id_of);
}

}  // namespace perdure
