#include "crdt/batches.hpp"

#include <algorithm>

namespace perdure::crdt {

namespace {
// Beside the row only small ones are kept: a view of the newest messages opens as many, again and again.
constexpr std::size_t kept_beside_max = 4096;

std::size_t bytes_of(const Batches::Ptr& opened) { return opened ? opened->sealed_bytes : 0; }
}  // namespace

Batches::Ptr Batches::get(store::LogNo log, u64 index) {
  for (Kept& kept : kept_) {
    if (kept.index != index || kept.log != log) continue;
    kept.used = ++uses_;
    return kept.opened;
  }
  if (auto given = given_.find({log, index}); given != given_.end()) return given->second;
  if (index > ~u32{0}) return nullptr;
  const Bytes key = store::key('B', topic_, log, static_cast<u32>(index));
  if (auto known = rows_.kept(key)) return std::static_pointer_cast<const Opened>(known);
  const auto row = rows_.get(key);
  if (!row) {
    if (!rows_.missed()) absent_.insert(log);
    return nullptr;
  }
  Kept kept{log, index, ++uses_, open(log, index, *row)};
  Ptr opened = kept.opened;
  if (opened && row->size() <= kept_beside_max) rows_.keep(key, opened, 512 + 2 * row->size());
  keep(std::move(kept));
  return opened;
}

void Batches::give(store::LogNo log, u64 index, log::Batch batch, std::size_t sealed_bytes) {
  given_[{log, index}] = std::make_shared<const Opened>(Opened{std::move(batch), sealed_bytes});
}

void Batches::ask(store::LogNo log, u64 index) {
  if (index <= ~u32{0}) (void)rows_.get(store::key('B', topic_, log, static_cast<u32>(index)));
}

std::optional<Unread> Batches::unread(store::LogNo log, u64 index) const {
  const auto row = index > ~u32{0} ? std::nullopt : rows_.get(store::key('B', topic_, log, static_cast<u32>(index)));
  if (!row) return std::nullopt;
  std::optional<Unread> why;
  open(log, index, *row, &why);
  return why;
}

Batches::Ptr Batches::open(store::LogNo log, u64 index, ByteView sealed, std::optional<Unread>* why) const {
  const LogName* name = logs_.by_number(log);
  if (!name) return nullptr;
  if (why) *why = Unread::opaque;
  const auto plain = log::unseal_batch(keys_, {network_, keys_.id, name->id, index}, sealed);
  if (!plain) return nullptr;
  auto batch = log::decode_batch(*plain, name->id);
  if (!batch) {
    if (why && batch.error().code == Code::outdated) *why = Unread::newer;
    return nullptr;
  }
  if (why) why->reset();
  return std::make_shared<const Opened>(Opened{std::move(*batch), sealed.size()});
}

void Batches::keep(Kept kept) {
  kept_bytes_ += bytes_of(kept.opened);
  kept_.push_back(std::move(kept));
  while (kept_.size() > kept_max || (kept_bytes_ > kept_bytes_max && kept_.size() > 1)) {
    auto oldest = std::min_element(kept_.begin(), kept_.end(),
                                   [](const Kept& a, const Kept& b) { return a.used < b.used; });
    kept_bytes_ -= bytes_of(oldest->opened);
    kept_.erase(oldest);
  }
}

}  // namespace perdure::crdt
