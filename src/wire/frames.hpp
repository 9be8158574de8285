// Everything that peers say to each other once a session stands: one struct per message, all tags in one table.
//
//     u8 type | u8 flags | varint topic alias | varint request | body          minimal varints; flags are 0 in this version
//
//     Bytes frame = encode({.alias = 3}, Want{…});
//     std::optional<Frame> f = parse(bytes);   if (f->tag == Tag::want) if (auto want = decode<Want>(*f)) …
//
// A topic alias is the sender's number for a topic that both sides have shown to know; 0 where no topic is meant. A log tag is
// the first 8 bytes of BLAKE2b keyed with the session's handshake hash over the log id: short, and nobody can craft a collision.
// Types from 128 on may be skipped by who does not know them, and go only to who said in its Abilities that it does; an unknown one below
// closes the link. What each may cost stands in wire/table.hpp.
#pragma once

#include <perdure/types.hpp>

#include <algorithm>
#include <optional>
#include <set>

#include "wire/fields.hpp"

namespace perdure::wire {

inline constexpr u8 wire_version = 1;

// clang-format off: one struct a message, one line a field
enum class Tag : u8 {
  ping = 2, pong = 3, bye = 4,
  topics = 10, enter = 11, refused = 12, closed = 13,
  hello = 20, items = 21, done = 22, want = 23, page = 24, no_page = 25, check = 26, ack = 27,
  ask_proof = 30, proof = 31, ask_nodes = 32, nodes = 33,
  introduce = 40, signal = 41, relay = 42, unreachable = 43,
  presence = 50,
  abilities = 128,
  fork_proof = 129,
};

using LogTag = Fixed<struct LogOnSession, 8>;  // names a log on one session
using Mac = std::array<u8, 16>;
using Fingerprint = std::array<u8, 16>;
using Epoch = std::array<u8, 8>;                   // names one life of a peer's row store

struct Header { u32 alias = 0; u32 request = 0; };
struct Frame {
  Tag tag = Tag::ping;
  Header header;
  ByteView body;                                   // borrowed
};
std::optional<Frame> parse(ByteView bytes);
bool may_skip(Tag tag);
bool known(Tag tag);

// ---- the link ------------------------------------------------------------------------------------------------------
struct Greeting {                                  // no frame: it travels in the handshake, in one size
  u8 version = wire_version;
  u8 role = 0;                                     // 0 edge, 1 anchor
  bool rtc = false;                                // can make DataChannels
  Epoch epoch{};
  std::array<u8, 2> stun_port{};                   // UDP, big-endian, at the sender's address: it answers STUN there; 0: it does not
  u8 refusal = 0;                                  // an anchor: a Refusal, and the link ends with the handshake; 0: it serves
  template <class F> void fields(F& f) { f(version); f(role); f(rtc); f(epoch); f(stun_port); f(refusal); }
};
struct Ping {
  static constexpr Tag tag = Tag::ping;
  u32 id = 0;
  u64 wall_ms = 0;
  template <class F> void fields(F& f) { f(id); f(wall_ms); }
};
struct Pong {
  static constexpr Tag tag = Tag::pong;
  u32 id = 0;
  u64 wall_ms = 0;
  template <class F> void fields(F& f) { f(id); f(wall_ms); }
};
struct Bye {
  static constexpr Tag tag = Tag::bye;
  u8 reason = 0;                                   // 0 leaving, 1 a better link stands, 2 full
  template <class F> void fields(F& f) { f(reason); }
};

// The first frame of each side: what it understands. A peer that sends none is of before there were any. Numbers are names of abilities; from
// 128 to 255 they are tags. Values are told by their own tags; one that is not known here is let be.
inline constexpr std::size_t abilities_max = 256, ability_values_max = 32, ability_bytes_max = 128, version_max = 64;
struct Abilities {
  static constexpr Tag tag = Tag::abilities;
  struct Value {
    u32 name = 0;
    Bytes bytes;
    template <class F> void fields(F& f) { f(name); f.bytes(bytes, ability_bytes_max); }
  };
  std::vector<u32> numbers;
  std::vector<Value> values;
  template <class F> void fields(F& f) { f.list(numbers, abilities_max); f.list(values, ability_values_max); }
};
// The same as the core uses it. encode drops nothing that it knows; of a value that is said twice the first counts, and one that is not
// what it should be counts as not said.
struct Able {
  std::set<u32> numbers;
  u64 piece_bytes = 0;                             // the largest piece that is read on a direct link; 0: not said
  u64 batch_format = 1;                            // the newest that is understood
  std::string version;                             // of the package, as text; at most version_max printable bytes
  bool knows(Tag tag) const { return numbers.contains(static_cast<u8>(tag)); }
};
Abilities say(const Able&);
Able hear(const Abilities&);

// ---- topics --------------------------------------------------------------------------------------------------------
// Of each 16 the first is a MAC under a topic's match key, the others are random or the sender's Hello, sealed (peers/proof.hpp): who
// lacks the secret cannot tell. The alias of the n-th ever sent on this session is n, from 1.
struct Topics {
  static constexpr Tag tag = Tag::topics;
  std::vector<Mac> macs;
  template <class F> void fields(F& f) { f.list(macs, 1024); }
};
// To an anchor: the topic's id and the topic key's signature over the handshake hash and our role. Header: our alias.
struct Enter {
  static constexpr Tag tag = Tag::enter;
  TopicId topic;
  Signature signature;
  template <class F> void fields(F& f) { f(topic); f(signature); }
};
enum class Refusal : u8 { not_served = 1, not_proved = 2, total_quota = 3, topic_quota = 4, device_quota = 5, full_disk = 6, too_many_links = 7, address_quota = 8 };
struct Refused {                                   // header: the receiver's alias of the topic; who serves a link not at all says so in its greeting
  static constexpr Tag tag = Tag::refused;
  u8 reason = 0;
  template <class F> void fields(F& f) { f(reason); }
};

struct Closed {                                    // header: our alias; we do not follow the topic any more, until we show it anew
  static constexpr Tag tag = Tag::closed;
  template <class F> void fields(F&) {}
};

// ---- sync ------------------------------------------------------------------------------------------------------------
struct Item {                                      // what the sender holds of one log; a log with a cut speaks of what is before the cut
  LogTag log{};
  u64 length = 0;
  u64 ops = 0;
  u64 time_s = 0;                                  // head time, seconds since 1970
  std::array<u8, 4> root{};
  u64 cut = 0;                                     // 0: none, else cut + 1
  template <class F> void fields(F& f) { f(log); f(length); f(ops); f(time_s); f(root); f(cut); }
};
struct Cursor {                                    // a place in somebody's order of arrival
  Epoch epoch{};
  u64 number = 0;
  std::array<u8, 8> hash{};
  template <class F> void fields(F& f) { f(epoch); f(number); f(hash); }
};
inline constexpr std::size_t hello_items_max = 64;
inline constexpr std::size_t items_max = 512;
struct Hello {
  static constexpr Tag tag = Tag::hello;
  Fingerprint fingerprint{};
  u64 count = 0;                                   // logs held
  std::vector<Item> items;                         // all of them if they are at most 64, else none
  std::optional<Cursor> cursor;                    // where we left off in your order
  u8 again = 0;                                    // 1: we begin anew, nothing asked before stands, greet us too if you have before; 2: and your greeting was lost
  template <class F> void fields(F& f) { f(fingerprint); f(count); f.list(items, hello_items_max); f.maybe(cursor); f(again); }
};
struct Items {                                     // news about the sender's logs
  static constexpr Tag tag = Tag::items;
  std::vector<Item> items;
  template <class F> void fields(F& f) { f.list(items, items_max); }
};
struct Done {                                      // the sender has said what it holds and pushed what was small
  static constexpr Tag tag = Tag::done;
  Cursor cursor;                                   // of the sender's own order, as it was when it answered
  template <class F> void fields(F& f) { f(cursor); }
};
struct Want {                                      // header: request, from 1
  static constexpr Tag tag = Tag::want;
  LogTag log{};
  u64 from = 0;
  u64 to = 0;                                      // exclusive
  u64 bytes = 0;                                   // answer with pages up to so many, at most 1 MiB
  template <class F> void fields(F& f) { f(log); f(from); f(to); f(bytes); }
};
struct OpeningField {
  DeviceId device;
  std::array<u8, 8> incarnation{};                 // big-endian
  Signature certificate;
  template <class F> void fields(F& f) { f(device); f(incarnation); f(certificate); }
};
struct Page {                                      // header: the want's request, or 0 for a push
  static constexpr Tag tag = Tag::page;
  std::optional<OpeningField> opening;             // with the first page of a log; else `log` is set
  LogTag log{};
  bool last = false;                               // of the answer to that want
  u64 from = 0;
  std::vector<Bytes> batches;
  std::vector<Hash> completion;
  u64 length = 0, ops = 0, time = 0;               // the head
  Signature signature;
  template <class F> void fields(F& f) {
    f.maybe(opening);
    if (!opening) f(log);
    f(last); f(from); f.list(batches, 256); f.list(completion, 64);
    f(length); f(ops); f(time); f(signature);
  }
};
struct NoPage {                                    // header: the want's request: not to be had here
  static constexpr Tag tag = Tag::no_page;
  LogTag log{};
  template <class F> void fields(F& f) { f(log); }
};
struct Check {                                     // anti-entropy: equal, silence; else Hello
  static constexpr Tag tag = Tag::check;
  Fingerprint fingerprint{};
  template <class F> void fields(F& f) { f(fingerprint); }
};
// "I hold [from, length) of that log on stable storage", signed. Forwarded to the author by whoever is linked to it.
struct Ack {
  static constexpr Tag tag = Tag::ack;
  DeviceId author;
  std::array<u8, 8> incarnation{};
  DeviceId acker;
  u64 from = 0, length = 0;
  Epoch epoch{};
  Signature signature;                             // over "perdure/ack/1" | network | topic | log | from | length | root | acker | epoch
  template <class F> void fields(F& f) { f(author); f(incarnation); f(acker); f(from); f(length); f(epoch); f(signature); }
};

// ---- forks -----------------------------------------------------------------------------------------------------------
struct AskProof {                                  // a head did not fit: show your tree of that log, cut at `size` (or your length)
  static constexpr Tag tag = Tag::ask_proof;
  LogTag log{};
  u64 size = 0;
  template <class F> void fields(F& f) { f(log); f(size); }
};
struct Proof {
  static constexpr Tag tag = Tag::proof;
  LogTag log{};
  u64 size = 0;                                    // min(asked, held)
  std::vector<Hash> peaks;                         // of the first `size` leaves
  std::vector<Hash> completion;                    // from there to the head
  u64 length = 0, ops = 0, time = 0;
  Signature signature;
  template <class F> void fields(F& f) { f(log); f(size); f.list(peaks, 64); f.list(completion, 64); f(length); f(ops); f(time); f(signature); }
};
struct AskNodes {                                  // the two children of a node of your tree
  static constexpr Tag tag = Tag::ask_nodes;
  LogTag log{};
  u32 level = 0;
  u64 index = 0;
  template <class F> void fields(F& f) { f(log); f(level); f(index); }
};
struct Nodes {
  static constexpr Tag tag = Tag::nodes;
  LogTag log{};
  u32 level = 0;
  u64 index = 0;
  Hash left, right;
  template <class F> void fields(F& f) { f(log); f(level); f(index); f(left); f(right); }
};

struct Branch {                                    // one of two histories of a log, from where they part
  Hash leaf;                                       // the first that is its own
  std::vector<Hash> completion;                    // from behind it to the head
  u64 length = 0, ops = 0, time = 0;
  Signature signature;
  template <class F> void fields(F& f) { f(leaf); f.list(completion, 64); f(length); f(ops); f(time); f(signature); }
};
struct Fork {                                      // whoever reads it knows that the author signed both; so it stands in a row, too
  u64 at = 0;                                      // leaves that both begin with
  std::vector<Hash> peaks;                         // of these
  Branch one, other;
  template <class F> void fields(F& f) { f(at); f.list(peaks, 64); f(one); f(other); }
};
struct ForkProof {                                 // unasked, to who speaks of more of that log than counts
  static constexpr Tag tag = Tag::fork_proof;
  LogTag log{};
  Fork fork;
  template <class F> void fields(F& f) { f(log); f(fork); }
};

// ---- peers -------------------------------------------------------------------------------------------------------------
struct Introduced {
  DeviceId device;
  bool rtc = false;
  template <class F> void fields(F& f) { f(device); f(rtc); }
};
struct Introduce {                                 // other members of the topic that the sender is linked to now
  static constexpr Tag tag = Tag::introduce;
  std::vector<Introduced> present;
  std::vector<DeviceId> gone;
  template <class F> void fields(F& f) { f.list(present, 128); f.list(gone, 128); }
};
inline constexpr std::size_t signal_max = 6 * 1024;
struct Signal {                                    // sealed to `to`; forwarded unread
  static constexpr Tag tag = Tag::signal;
  DeviceId from, to;
  Bytes sealed;
  template <class F> void fields(F& f) { f(from); f(to); f.bytes(sealed, signal_max); }
};
// One message of a session between two peers that are both linked to whoever carries it.
struct Relay {
  static constexpr Tag tag = Tag::relay;
  DeviceId other;                                  // on its way there: the target; arriving: the source
  bool arriving = false;
  Bytes bytes;
  template <class F> void fields(F& f) { f(other); f(arriving); f.bytes(bytes, 17 * 1024); }
};
struct Unreachable {                               // a Signal or Relay could not be forwarded
  static constexpr Tag tag = Tag::unreachable;
  DeviceId other;
  template <class F> void fields(F& f) { f(other); }
};

// ---- presence ----------------------------------------------------------------------------------------------------------
// a text or bytes of 4 KiB, and what says how long they are; sealed
inline constexpr std::size_t presence_max = 4096 + 3, presence_sealed_max = 4096 + 256;
struct Presence {                                  // blind to who has no seal key; newest sequence of (device, kind) wins
  static constexpr Tag tag = Tag::presence;
  DeviceId device;
  u8 kind = 0;                                     // 1 presence, 2 profile
  u64 sequence = 0;
  Bytes sealed;                                    // salt (8) | XChaCha20-Poly1305 of { present?, value } and the device's signature
  template <class F> void fields(F& f) { f(device); f(kind); f(sequence); f.bytes(sealed, presence_sealed_max); }
};

// ---------------------------------------------------------------------------------------------------------------------
template <class M>
Bytes encode_body(const M& message) {
  PutFields put;
  const_cast<M&>(message).fields(put);             // fields() serves both directions; PutFields only reads
  return std::move(put).take();
}

template <class M>
Bytes encode(Header header, const M& message) {
  codec::Writer w;
  w.u8(static_cast<u8>(M::tag)).u8(0).varint(header.alias).varint(header.request);
  w.raw(encode_body(message));
  return std::move(w).take();
}

template <class M>
std::optional<M> decode_body(ByteView body) {
  M message;
  GetFields get(body);
  message.fields(get);
  if (!get.done()) return std::nullopt;
  return message;
}

template <class M>
std::optional<M> decode(const Frame& frame) { return decode_body<M>(frame.body); }
// clang-format on

}  // namespace perdure::wire
