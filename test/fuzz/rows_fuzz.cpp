// A core over a store whose rows hold anything at all, well sealed: as a disk never gives them, but worse cannot come.
//
//     u8 which row, by its place | u8 how: 0 lost, 1 replaced, 2 one byte other, 3 cut | …; what follows is u8 length | bytes, u8 at | u8 with, or u8 size
#include <algorithm>

#include "fuzz/target.hpp"
#include "store/transactions.hpp"
#include "unit/support/solo.hpp"

namespace perdure::fuzz {

namespace {

const Secret secret = test::named_secret("topic");

// A topic with a few logs, keys, acknowledgements and receipts in it.
const sim::Disk& whole() {
  static const sim::Disk disk = [] {
    Config config;
    config.app = "fuzz";
    test::Solo solo("ada", config);
    u32 topic = solo.join(secret);
    for (int i = 0; i < 3; ++i) solo.append(topic, "said before");
    (void)solo.ask<Appended>(Append{topic, {}, {test::Solo::set("key", "value"), test::Solo::set("key", "other")}});
    test::Stranger eve(solo, "eve");
    eve.enter(secret);
    test::Ledger ledger(eve.identity, *eve.keys);
    for (int i = 0; i < 3; ++i) ledger.say("from outside");
    eve.say(ledger.page(), 1);
    (void)solo.ask<Nothing>(AnchorAdd{"ws://anchor"});
    // What only bad luck writes: what is held back and untold (crdt/untold), what the indexes were made without (sync/missing).
    for (const auto& [no, row] : {std::pair{4u, Bytes{1, 0, 0, 1}}, {5u, Bytes{1, 0, 1}}}) {
      const Bytes key = store::key('I', topic, no);
      solo.disk.rows[key] = store::seal_row(key, row);
    }
    return solo.disk;
  }();
  return disk;
}

}  // namespace

void target(ByteView in) {
  Config config;
  config.app = "fuzz";
  config.cache_bytes = 0;
  test::Solo solo("ada", config);
  solo.disk = whole();
  Draw draw(in);
  for (int n = 0; !draw.empty() && n < 20 && !solo.disk.rows.empty(); ++n) {
    auto row = std::next(solo.disk.rows.begin(), static_cast<std::ptrdiff_t>(draw.byte() % solo.disk.rows.size()));
    const u8 how = draw.byte() % 4;
    if (how == 0) {
      solo.disk.rows.erase(row);
      continue;
    }
    Bytes value = store::unseal_row(row->first, row->second).value_or(Bytes{});
    if (how == 1) value = own(draw.bytes(draw.byte()));
    if (how == 2)
      if (const u8 at = draw.byte(); !value.empty()) value[at % value.size()] = draw.byte();
    if (how == 3) value.resize(std::min<std::size_t>(value.size(), draw.byte()));
    row->second = store::seal_row(row->first, std::move(value));
  }
  solo.start();
  test::Stranger eve(solo, "eve");
  identity::Invite invite;
  std::copy_n(identity::network_id("fuzz").bytes.begin(), 4, invite.network_tag.begin());
  invite.secret = secret;
  const u32 join = solo.call(TopicJoin{identity::encode_invite(invite), {}});
  solo.pass(20'000);
  CHECK(solo.answered(join));
  if (solo.error(join)) return;
  const u32 topic = std::get<OpenedTopic>(solo.replies.at(join)).topic;
  eve.enter(secret);
  std::vector<u32> calls;
  for (CallBody body :
       {CallBody{Latest{topic, 256}}, CallBody{MapEntries{topic, {}, {}, 10}},
        CallBody{MapHistory{topic, "key", {}, 10}}, CallBody{Live{topic, 0, 10}}, CallBody{MarkRead{topic, {}}},
        CallBody{GetDigest{topic}}, CallBody{Append{topic, {}, {test::Solo::message("said after")}}},
        CallBody{Latest{topic, 256}}}) {
    calls.push_back(solo.call(std::move(body)));
    solo.pass(100);
  }
  solo.pass(30'000);
  for (u32 call : calls) CHECK(solo.answered(call));
}

std::vector<Bytes> seeds() {
  std::vector<Bytes> out;
  for (u8 row = 0; row < whole().rows.size(); ++row)
    for (Bytes harm : {Bytes{0}, Bytes{1, 0}, Bytes{2, 40, 0xff}, Bytes{3, 9}}) {
      harm.insert(harm.begin(), row);
      out.push_back(std::move(harm));
    }
  return out;
}

}  // namespace perdure::fuzz
