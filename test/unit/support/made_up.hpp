// What anybody who knows a topic can make up: devices, their acknowledgements, what they say of themselves.
//
//     identity::Identity nobody = made_up(7);
//     eve.say(ack_by(nobody, *eve.keys, page, 1), 1);
//     anchor.say(said_by(nobody, *anchor.keys, presence_kind, 1, value), 1);
#pragma once

#include "codec/bytes.hpp"
#include "crypto/hash.hpp"
#include "crypto/seal.hpp"
#include "unit/support/solo.hpp"

namespace perdure::test {

inline identity::Identity made_up(u32 n) { return {"solo", named_seed("made up " + std::to_string(n))}; }

// What a device signs once it holds batches of the log that the page opens, with that root.
inline wire::Ack ack_over(const identity::Identity& acker, const identity::TopicKeys& keys, const wire::Page& page,
                          const log::Peaks& peaks, wire::Epoch epoch = {1}) {
  wire::Ack ack;
  ack.author = page.opening->device;
  ack.incarnation = page.opening->incarnation;
  ack.acker = acker.id();
  ack.length = peaks.size;
  ack.epoch = epoch;
  u64 incarnation = 0;
  for (u8 b : ack.incarnation) incarnation = incarnation << 8 | b;
  codec::Writer w;
  w.raw(view("perdure/ack/1"))
      .fixed(acker.network())
      .fixed(keys.id)
      .fixed(identity::log_id(acker.network(), keys.id, ack.author, incarnation));
  w.be64(0).be64(ack.length).fixed(peaks.root()).fixed(acker.id()).raw(ack.epoch);
  ack.signature = crypto::sign(acker.key(), {w.peek()});
  return ack;
}

// … the first `length` batches of it.
inline wire::Ack ack_by(const identity::Identity& acker, const identity::TopicKeys& keys, const wire::Page& page,
                        u64 length, wire::Epoch epoch = {1}) {
  log::Peaks peaks;
  for (u64 i = 0; i < length; ++i) peaks.append(log::leaf_hash(page.batches.at(i)));
  return ack_over(acker, keys, page, peaks, epoch);
}

inline constexpr u8 presence_kind = 1, profile_kind = 2;

// A presence (a MessagePack value) or a name, sealed under the topic and signed by the device.
inline wire::Presence said_by(const identity::Identity& device, const identity::TopicKeys& keys, u8 kind, u64 sequence,
                              ByteView value) {
  codec::Writer about;
  about.raw(view("perdure/presence/1"))
      .fixed(device.network())
      .fixed(keys.id)
      .fixed(device.id())
      .u8(kind)
      .be64(sequence);
  codec::Writer plain;
  plain.u8(1).raw(value);
  plain.fixed(crypto::sign(device.key(), {about.peek(), plain.peek()}));
  Seed key = crypto::derive(keys.seal_key.view(), "perdure/presence/1");
  const std::array<u8, 8> salt{1};
  crypto::Nonce24 nonce;
  crypto::blake2b_into(nonce, key.view(), {salt, about.peek()});
  codec::Writer out;
  out.raw(salt).raw(crypto::seal(key, nonce, about.peek(), plain.peek()));
  return {device.id(), kind, sequence, std::move(out).take()};
}

}  // namespace perdure::test
