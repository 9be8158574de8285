#include "wire/table.hpp"

#include <set>

#include "catch_amalgamated.hpp"
#include "fuzz/samples.hpp"

using namespace perdure;
using namespace perdure::wire;

TEST_CASE("each message has a row of its own, and no row is for nothing") {
  std::set<Tag> priced;
  for (std::size_t i = 0; i + 1 < prices.size(); ++i) {
    CHECK(known(prices[i].tag));
    CHECK(priced.insert(prices[i].tag).second);
  }
  for (int tag = 0; tag < 256; ++tag) {
    CHECK(known(static_cast<Tag>(tag)) == priced.contains(static_cast<Tag>(tag)));
    if (!known(static_cast<Tag>(tag))) CHECK(price_index(static_cast<Tag>(tag)) == prices.size() - 1);
  }
}

TEST_CASE("the longest honest message of each kind is within its bound") {
  const u64 most = ~u64{0};
  const Item item{fuzz::filled<wire::LogTag>(1), most, most, most, {}, most};
  const Cursor cursor{{}, most, {}};
  auto fits = [](const auto& message) {
    return encode_body(message).size() <= price_of(std::remove_cvref_t<decltype(message)>::tag).body_max;
  };
  fuzz::each_message([&](const auto& sample) { CHECK(fits(sample)); });
  CHECK(fits(Ping{~u32{0}, most}));
  CHECK(fits(Pong{~u32{0}, most}));
  CHECK(fits(Topics{std::vector<Mac>(1024)}));
  CHECK(fits(Hello{{}, most, std::vector<Item>(hello_items_max, item), cursor, 2}));
  CHECK(fits(Items{std::vector<Item>(items_max, item)}));
  CHECK(fits(Done{cursor}));
  CHECK(fits(Want{{}, most, most, most}));
  CHECK(fits(Ack{{}, {}, {}, most, most, {}, {}}));
  CHECK(fits(AskProof{{}, most}));
  CHECK(fits(Proof{{}, most, std::vector<Hash>(64), std::vector<Hash>(64), most, most, most, {}}));
  CHECK(fits(AskNodes{{}, ~u32{0}, most}));
  CHECK(fits(Nodes{{}, ~u32{0}, most, {}, {}}));
  const Branch branch{{}, std::vector<Hash>(64), most, most, most, {}};
  CHECK(fits(ForkProof{{}, {most, std::vector<Hash>(64), branch, branch}}));
  CHECK(fits(Introduce{std::vector<Introduced>(128), std::vector<DeviceId>(128)}));
  CHECK(fits(Signal{{}, {}, Bytes(signal_max)}));
  CHECK(fits(Relay{{}, true, Bytes(17 * 1024)}));
  CHECK(fits(Presence{{}, 1, most, Bytes(presence_sealed_max)}));
  CHECK(fits(Abilities{std::vector<u32>(abilities_max, ~u32{0}),
                       std::vector<Abilities::Value>(ability_values_max, {~u32{0}, Bytes(ability_bytes_max)})}));
}
