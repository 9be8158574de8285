// One message of every kind, with something in each of its fields.
#pragma once

#include "wire/frames.hpp"

namespace perdure::fuzz {

template <class T>
T filled(u8 with) {
  T out{};
  if constexpr (requires { out.bytes; }) out.bytes.fill(with);
  else out.fill(with);
  return out;
}

inline wire::Item sample_item(u64 length = 300) {
  return {filled<wire::LogTag>(3), length, length * 2, 1'700'000'000, filled<std::array<u8, 4>>(4), 12};
}

inline wire::Page sample_page(bool opening) {
  wire::Page page;
  if (opening)
    page.opening = wire::OpeningField{filled<DeviceId>(1), filled<std::array<u8, 8>>(2), filled<Signature>(3)};
  else page.log = filled<wire::LogTag>(4);
  page.last = true;
  page.from = opening ? 0 : 7;
  page.batches = {Bytes(40, 5), Bytes(60, 6)};
  page.completion = {filled<Hash>(7)};
  page.length = 12;
  page.ops = 30;
  page.time = u64{1'700'000'000'000} << 16;
  page.signature = filled<Signature>(8);
  return page;
}

template <class F>
void each_message(F use) {
  using namespace wire;
  const DeviceId a = filled<DeviceId>(21), b = filled<DeviceId>(22);
  const Cursor cursor{filled<Epoch>(9), 1234, filled<std::array<u8, 8>>(10)};
  use(Ping{77, 1'700'000'000'000});
  use(Pong{77, 1'700'000'000'000});
  use(Bye{2});
  use(Topics{{filled<Mac>(1), filled<Mac>(2)}});
  use(Enter{filled<TopicId>(1), filled<Signature>(2)});
  use(Refused{static_cast<u8>(Refusal::device_quota)});
  use(Closed{});
  use(Hello{filled<Fingerprint>(1), 2, {sample_item(), sample_item(5)}, cursor});
  use(Items{{sample_item(), sample_item(1)}});
  use(Done{cursor});
  use(Want{filled<wire::LogTag>(1), 5, 500, 65'536});
  use(sample_page(true));
  use(sample_page(false));
  use(NoPage{filled<wire::LogTag>(1)});
  use(Check{filled<Fingerprint>(1)});
  use(Ack{a, filled<std::array<u8, 8>>(1), b, 0, 400, filled<Epoch>(2), filled<Signature>(3)});
  use(AskProof{filled<wire::LogTag>(1), 300});
  use(Proof{filled<wire::LogTag>(1),
            3,
            {filled<Hash>(1), filled<Hash>(2)},
            {filled<Hash>(3)},
            4,
            9,
            1'000'000,
            filled<Signature>(4)});
  use(AskNodes{filled<wire::LogTag>(1), 6, 2});
  use(Nodes{filled<wire::LogTag>(1), 6, 2, filled<Hash>(1), filled<Hash>(2)});
  use(ForkProof{filled<wire::LogTag>(1),
                {3,
                 {filled<Hash>(1), filled<Hash>(2)},
                 {filled<Hash>(3), {filled<Hash>(4)}, 5, 5, 6, filled<Signature>(7)},
                 {filled<Hash>(8), {}, 4, 4, 7, filled<Signature>(9)}}});
  use(Introduce{{{a, true}, {b, false}}, {b}});
  use(Signal{a, b, Bytes(200, 7)});
  use(Relay{a, true, Bytes(300, 8)});
  use(Unreachable{a});
  use(Presence{a, 1, 42, Bytes(90, 9)});
  use(Abilities{{1, 128, 70'000}, {{1, {0x80, 0x80, 0x04}}, {3, own(view("0.2.0"))}, {77, Bytes(40, 7)}}});
}

}  // namespace perdure::fuzz
