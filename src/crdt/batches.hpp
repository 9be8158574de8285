// A topic's batches, read from rows, unsealed and decoded; the last few are kept, because one op after the other of a batch
// is asked for.
//
//     if (auto opened = batches.get(log, index)) use(opened->batch);
#pragma once

#include <map>
#include <memory>
#include <set>

#include "crdt/logs.hpp"
#include "crdt/marks.hpp"
#include "identity/identity.hpp"
#include "log/batch.hpp"
#include "store/rows.hpp"

namespace perdure::crdt {

class Batches {
 public:
  Batches(store::Rows& rows, store::TopicNo topic, const Logs& logs, const identity::TopicKeys& keys,
          const NetworkId& network)
      : rows_(rows), topic_(topic), logs_(logs), keys_(keys), network_(network) {}

  struct Opened {
    log::Batch batch;
    std::size_t sealed_bytes = 0;
  };
  using Ptr = std::shared_ptr<const Opened>;

  // Null: not at hand, absent, or opaque (it cannot be unsealed or decoded).
  Ptr get(store::LogNo log, u64 index);
  // Why a batch that is here gives nothing; nothing if it is not at hand, or absent.
  std::optional<Unread> unread(store::LogNo log, u64 index) const;
  // What the row will say: its author has it at hand. For the life of this.
  void give(store::LogNo log, u64 index, log::Batch batch, std::size_t sealed_bytes);
  // Notes the row as missing if it is, for a walk that will come to it soon.
  void ask(store::LogNo log, u64 index);
  bool missed() const { return rows_.missed(); }
  // Logs of which a batch was asked for that should be here and is not: the store is damaged. Only in a run that missed nothing.
  const std::set<store::LogNo>& absent() const { return absent_; }

 private:
  // 16 batches of ordinary size are 1 MiB.
  static constexpr std::size_t kept_max = 16;
  static constexpr std::size_t kept_bytes_max = 1024 * 1024;
  struct Kept {
    store::LogNo log = 0;
    u64 index = 0;
    u64 used = 0;
    Ptr opened;  // null: opaque
  };
  Ptr open(store::LogNo log, u64 index, ByteView sealed, std::optional<Unread>* why = nullptr) const;
  void keep(Kept kept);

  store::Rows& rows_;
  store::TopicNo topic_;
  const Logs& logs_;
  const identity::TopicKeys& keys_;
  const NetworkId& network_;
  std::vector<Kept> kept_;
  std::size_t kept_bytes_ = 0;
  std::map<std::pair<store::LogNo, u64>, Ptr> given_;
  u64 uses_ = 0;
  std::set<store::LogNo> absent_;
};

}  // namespace perdure::crdt
