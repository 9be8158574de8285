// The row that says how far a peer has acknowledged our logs.
#include "fuzz/target.hpp"
#include "sync/sync.hpp"

namespace perdure::fuzz {

namespace {

class Host final : public sync::SyncHost {
 public:
  void send(LinkId, Bytes) override {}
  u64 buffered(LinkId) const override { return 0; }
  void fault(LinkId, sync::Fault) override {}
  u64 corrected_now_ms() const override { return 0; }
  u64 idle_ms(u64 usual, u64) const override { return usual; }
  wire::Epoch epoch(const sync::Topic&) const override { return {}; }
  const Seed& cursor_key() const override { return key_; }
  bool rolled_back(const sync::TopicPtr&) override { return false; }
  void keep(store::Rows&, sync::Topic&) override {}
  void charge(LinkId, u64) override {}
  u64 rested_at(LinkId) const override { return 0; }
  Budget* acks(LinkId, sync::AckWay) override { return nullptr; }
  u64* told_ms(LinkId) override { return nullptr; }
  void stored(const sync::TopicPtr&, const crdt::Changes&) override {}
  void progressed(const sync::TopicPtr&) override {}
  void acked(const sync::TopicPtr&) override {}
  void storage_failed(SaveOutcome) override {}
  void damaged(const sync::TopicPtr&, const sync::Damage&) override {}
  void restored(const sync::TopicPtr&, store::LogNo) override {}
  Bytes origin(LinkId) const override { return {}; }
  wire::Refusal* quota(const sync::Topic&, const DeviceId&, u64, const Bytes&) override { return nullptr; }
  void lost_own(const sync::TopicPtr&, sync::Branch) override {}
  void voided_own(const sync::TopicPtr&, store::LogNo) override {}
  void own_came(const sync::TopicPtr&, store::LogNo, u64) override {}
  void refused(wire::Refusal) override {}
  void grew(store::Rows&, const sync::TopicPtr&, u64, const Bytes&) override {}
  std::vector<sync::Nearness> nearness(const sync::TopicPtr&, const std::vector<DeviceId>& devices) const override {
    return std::vector(devices.size(), sync::Nearness::away);
  }
  void count(const char*, u64) override {}

 private:
  Seed key_;
};

const identity::Identity self("fuzz", Seed::from(Bytes(32, 1)));

}  // namespace

void target(ByteView in) {
  Host host;
  store::Transactions transactions(1024);
  sync::Sync sync(transactions, self, false, {}, host);
  auto topic = std::make_shared<sync::Topic>();
  topic->no = 1;
  topic->add_log(self.id(), 5);
  topic->logs[0].durable = {100, 200, {}, {}, log::no_cut, log::no_cut};
  const DeviceId acker = DeviceId::from(Bytes(32, 7));
  Meter meter;
  sync.load_acks(topic, {{store::key('K', 1, acker.view()), own(in)}});
  CHECK(meter.bytes() <= 64 * in.size() + 4096);
  CHECK(sync.acks(topic).size() * 11 <= in.size());
  CHECK(sync.pending(topic, {}) <= 200);
  sync.voided_epoch(topic, acker, wire::Epoch{1}, true);
}

std::vector<Bytes> seeds() {
  Bytes one{0, 50, 100, 1, 0, 0, 0, 0, 0, 0, 0}, two = one;
  two.insert(two.end(), {7, 0x80, 1, 0x80, 2, 2, 0, 0, 0, 0, 0, 0, 0});
  Bytes seen = one;  // when it was seen, and that it proved the topic
  seen.insert(seen.end(), {0xff, 0xff, 0xff, 0xff, 0x0f, 9, 1, 1, 0, 0, 0, 0, 0, 0, 0});
  return {one, two, seen};
}

}  // namespace perdure::fuzz
