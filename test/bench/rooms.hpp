// Rooms of many authors, put there by rows.
//
//     sim::Disk disk = room({.secret = secret, .logs = 10'000});     // of a device that has read and indexed them
//     Host ada("ada", {}, disk);
#pragma once

#include "bench/host.hpp"
#include "identity/invite.hpp"
#include "log/batch.hpp"
#include "log/state.hpp"
#include "store/transactions.hpp"

namespace perdure::bench {

inline Secret secret_of(std::string_view name) { return Secret::from(seed_of(name).view()); }

inline TopicJoin joining(const Secret& secret, std::string_view app = "bench") {
  identity::Invite invite;
  std::copy_n(identity::network_id(app).bytes.begin(), 4, invite.network_tag.begin());
  invite.secret = secret;
  return {identity::encode_invite(invite), {}};
}

struct Room {
  Secret secret;
  u32 logs = 0;
  u32 messages = 1;     // of each log, in one batch
  bool signed_ = true;  // as others take it; else whoever has it keeps it to himself
};

// One log of a topic: its state and its batch.
inline void put_log(sim::Disk& disk, const Room& room, const identity::TopicKeys& keys, store::TopicNo topic, u32 no) {
  const identity::Identity author("bench", seed_of("author " + std::to_string(no)));
  const u64 incarnation = 1 + no;
  const LogId id = identity::log_id(author.network(), keys.id, author.id(), incarnation);
  crypto::Random random(seed_of("log " + std::to_string(no)));
  log::Batch batch;
  batch.time = {(u64{1'699'999'000'000} + no) << 16};
  for (NewOp& op : messages(u64{no} * room.messages, room.messages))
    batch.ops.push_back({log::Op::Kind::message, {}, std::move(op.value), {}});
  Bytes sealed = log::seal_batch(keys, {author.network(), keys.id, id, 0}, log::encode_batch(batch, id), random);

  log::LogState state;
  state.opening = {author.id(), incarnation, {}};
  state.held = 1;
  state.tail = {log::leaf_hash(sealed)};
  state.peaks.append(state.tail[0]);
  state.root = state.peaks.root();
  state.bytes = sealed.size();
  state.head = {1, room.messages, batch.time, {}};
  if (room.signed_) {
    state.opening.certificate = identity::open_log(author.network(), keys, author.id(), incarnation);
    state.head = log::sign_head(author, keys.id, incarnation, 1, room.messages, state.root, batch.time);
  }
  auto put = [&](const Bytes& key, const Bytes& value) { disk.rows[key] = store::seal_row(key, value); };
  put(store::key('L', topic, no), log::encode_state(state));
  put(store::key('B', topic, no, 0), sealed);
}

// On the disk, the topic's rows beside whatever else is there; its number.
inline u32 furnish(sim::Disk& disk, const Room& room) {
  Host reader("reader", {}, std::move(disk));
  const u32 topic = reader.ask<OpenedTopic>(joining(room.secret)).topic;
  const identity::TopicKeys keys = identity::topic_keys(room.secret);
  reader.ask<Nothing>(Close{});
  for (u32 no = 0; no < room.logs; ++no) put_log(reader.disk, room, keys, topic, no);
  Host indexer("reader", {}, std::move(reader.disk));
  indexer.ask<OpenedTopic>(joining(room.secret));
  demand(indexer.topics[topic].length == u64{room.logs} * room.messages,
         "a room has not the messages that were put there");
  indexer.ask<Nothing>(Close{});
  disk = std::move(indexer.disk);
  return topic;
}

inline std::size_t logs_of(Host& host, const Secret& secret) {
  return host.ask<LogList>(GetLogs{identity::topic_keys(secret).id}).logs.size();
}

// A device that has the same rows takes them for another life of its store, which numbers nothing as the first does.
inline sim::Disk another_life(sim::Disk disk) {
  disk.rows.erase(store::key('M'));
  return disk;
}

}  // namespace perdure::bench
