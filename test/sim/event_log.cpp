#include "sim/event_log.hpp"

#include "boundary/boundary.hpp"
#include "codec/bytes.hpp"
#include "codec/hex.hpp"
#include "crypto/hash.hpp"

namespace perdure::sim {

void EventLog::add(u64 now_ms, u32 host, const std::vector<Event>& in, const Turn& out) {
  codec::Writer record;
  record.raw(state_.view()).be64(now_ms).be32(host).bytes(encode_events(in)).bytes(encode_turn(out));
  state_ = crypto::blake2b({record.peek()});
}

std::string EventLog::hex() const { return codec::to_hex(state_.view().first(16)); }

}  // namespace perdure::sim
