// The plaintext of a batch: any member of a topic can seal any bytes.
#include "fuzz/target.hpp"
#include "log/batch.hpp"

namespace perdure::fuzz {

namespace {
const LogId self = LogId::from(Bytes(32, 9));
}

void target(ByteView in) {
  if (in.size() > log::sealed_max) return;
  Meter meter;
  auto batch = log::decode_batch(in, self);
  CHECK(meter.bytes() <= 128 * in.size() + 4096);
  if (!batch) return;
  CHECK((!batch->ops.empty() || !batch->voids.empty()) && batch->ops.size() <= log::ops_max &&
        batch->deps.size() <= log::deps_max && batch->voids.size() <= log::voids_max);
  for (const log::Op& op : batch->ops)
    CHECK(op.replaces.size() <= log::names_max && op.key.size() <= log::key_max && op.value.size() <= log::value_max);
  CHECK(std::ranges::equal(log::encode_batch(*batch, self), in));
}

std::vector<Bytes> seeds() {
  using Op = log::Op;
  const Bytes hello = {0xa5, 'h', 'e', 'l', 'l', 'o'}, key = {'k'};
  const LogId other = LogId::from(Bytes(32, 4));
  log::Batch lone{{u64{1} << 40}, 0, {}, {}, {{Op::Kind::message, {}, hello, {}}}};
  log::Batch full = lone;
  full.first_op = 70;
  full.deps = {{{1, 2, 3}, 4, {5, 6, 7}}};
  full.voids = {{other, 7}};
  full.ops = {{Op::Kind::message, {}, hello, {}},
              {Op::Kind::set, key, hello, {{other, 3, 1}, {self, 2, 0}}},
              {Op::Kind::erase, key, {}, {{self, 9, 1}}}};
  log::Batch again = full, voids = lone;
  again.ops[0].says = log::Saying{7, 3, 1, {5}};
  again.ops[1].origin = log::Origin{7, 3, 1, {1, 2, 3}};
  again.ops[2].fields = {{70, hello}};
  again.fields = {{64, hello}};
  again.ops.emplace_back().kind = Op::Kind{9};
  again.ops.back().body = hello;
  voids.ops.clear();
  voids.voids = full.voids;
  return {log::encode_batch(lone, self), log::encode_batch(full, self), log::encode_batch(again, self),
          log::encode_batch(voids, self)};
}

}  // namespace perdure::fuzz
