#include "store/index_page.hpp"

#include <cstring>

#include "codec/bytes.hpp"

namespace perdure::store {

u64 IndexPage::weight_of_all() const {
  u64 sum = 0;
  for (const Slot& slot : slots_) sum += slot.weight;
  return sum;
}

u32 IndexPage::child(std::size_t i) const {
  codec::Reader r(value(i));
  return r.be32();
}

std::size_t IndexPage::lower_bound(ByteView k) const {
  std::size_t low = 0, high = count();
  while (low < high) {
    const std::size_t mid = (low + high) / 2;
    if (compare(key(mid), k) < 0) low = mid + 1;
    else high = mid;
  }
  return low;
}

std::size_t IndexPage::child_for(ByteView k) const {
  std::size_t i = lower_bound(k);
  if (i < count() && equal(key(i), k)) return i;
  return i == 0 ? 0 : i - 1;
}

std::size_t IndexPage::shared(std::size_t i) const {
  if (i == 0) return 0;
  ByteView a = key(i - 1), b = key(i);
  const std::size_t n = std::min(a.size(), b.size());
  std::size_t same = 0;
  while (same < n && a[same] == b[same]) ++same;
  return same;
}

std::size_t IndexPage::cost(std::size_t i) const {
  if (i >= count()) return 0;
  const Slot& slot = slots_[i];
  const std::size_t same = shared(i), rest = slot.key_size - same;
  return codec::varint_size(same) + codec::varint_size(rest) + rest + codec::varint_size(slot.value_size) +
         slot.value_size + codec::varint_size(slot.weight);
}

void IndexPage::soil(std::size_t i) {
  dirty = true;
  if (i >= clean_) return;
  encoded_.resize(slots_[i].encoded_at);
  clean_ = i;
}

u32 IndexPage::keep(ByteView bytes) {
  const u32 at = static_cast<u32>(memory_.size());
  memory_.insert(memory_.end(), bytes.begin(), bytes.end());
  return at;
}

void IndexPage::insert(std::size_t i, ByteView k, ByteView v, u64 weight) {
  soil(i);
  bytes_ -= cost(i);
  Slot slot;
  slot.key_size = static_cast<u32>(k.size());
  slot.value_size = static_cast<u32>(v.size());
  slot.key_at = keep(k);
  slot.value_at = keep(v);
  slot.weight = weight;
  live_ += k.size() + v.size();
  slots_.insert(slots_.begin() + static_cast<std::ptrdiff_t>(i), slot);
  bytes_ += cost(i) + cost(i + 1);
  tidy(3 * live_ + 16 * index_page_max);
}

void IndexPage::insert_child(std::size_t i, ByteView k, u32 child_number, u64 weight) {
  codec::Writer w;
  w.be32(child_number);
  insert(i, k, w.peek(), weight);
}

void IndexPage::replace(std::size_t i, ByteView v, u64 weight) {
  Slot& slot = slots_[i];
  const bool same_size = v.size() == slot.value_size && codec::varint_size(weight) == codec::varint_size(slot.weight);
  if (same_size && i < clean_) {
    // Over what stands there: most changes of a map's pages and all of the counts above are of this kind.
    codec::Writer anew;
    anew.raw(v).varint(weight);
    const std::size_t end = i + 1 < clean_ ? slots_[i + 1].encoded_at : encoded_.size();
    std::copy(anew.peek().begin(), anew.peek().end(),
              encoded_.begin() + static_cast<std::ptrdiff_t>(end - anew.size()));
    dirty = true;
  } else {
    soil(i);
  }
  bytes_ -= codec::varint_size(slot.value_size) + slot.value_size + codec::varint_size(slot.weight);
  if (v.size() > slot.value_size) slot.value_at = keep(v);
  else if (!v.empty()) std::memmove(memory_.data() + slot.value_at, v.data(), v.size());  // it may be what stands there
  live_ += v.size() - slot.value_size;
  slot.value_size = static_cast<u32>(v.size());
  slot.weight = weight;
  bytes_ += codec::varint_size(slot.value_size) + slot.value_size + codec::varint_size(slot.weight);
  tidy(3 * live_ + 16 * index_page_max);
}

// A page that changes a thousand times in a step keeps only what it still shows.
void IndexPage::tidy(std::size_t slack) {
  if (memory_.size() <= live_ + slack) return;
  Bytes old;
  old.swap(memory_);
  memory_.reserve(live_);
  for (Slot& s : slots_) {
    s.key_at = keep({old.data() + s.key_at, s.key_size});
    s.value_at = keep({old.data() + s.value_at, s.value_size});
  }
}

void IndexPage::set_weight(std::size_t i, u64 weight) { replace(i, value(i), weight); }

void IndexPage::erase(std::size_t i) {
  soil(i);
  bytes_ -= cost(i) + cost(i + 1);
  live_ -= slots_[i].key_size + slots_[i].value_size;
  slots_.erase(slots_.begin() + static_cast<std::ptrdiff_t>(i));
  bytes_ += cost(i);
}

std::size_t IndexPage::middle() const {
  std::size_t sum = 0, i = 0;
  while (i + 1 < count() && sum + cost(i) / 2 < bytes_ / 2) sum += cost(i++);
  return std::max<std::size_t>(i, 1);
}

void IndexPage::move_tail(std::size_t i, IndexPage& to) {
  for (std::size_t j = i; j < count(); ++j) to.insert(to.count(), key(j), value(j), weight(j));
  while (count() > i) erase(count() - 1);
}

Bytes IndexPage::encode() {
  codec::Writer slots(std::move(encoded_));
  slots.reserve(bytes_ + 8);
  for (; clean_ < count(); ++clean_) {
    const std::size_t same = shared(clean_);
    slots_[clean_].encoded_at = static_cast<u32>(slots.size());
    slots.varint(same).bytes(key(clean_).subspan(same)).bytes(value(clean_)).varint(weight(clean_));
  }
  encoded_ = std::move(slots).take();
  codec::Writer w;
  w.reserve(encoded_.size() + 8);
  w.u8(static_cast<u8>(level)).varint(count()).raw(encoded_);
  return std::move(w).take();
}

std::optional<IndexPage> IndexPage::decode(u32 page_number, u32 page_level, ByteView in) {
  codec::Reader r(in);
  if (r.u8() != page_level) return std::nullopt;
  const u64 n = r.varint_max(in.size());
  if (n == 0) return std::nullopt;
  IndexPage page(page_number, page_level);
  page.stored = true;
  page.memory_.reserve(in.size() * 2);
  page.slots_.reserve(n);
  const std::size_t head = in.size() - r.left();
  for (u64 i = 0; i < n && r.ok(); ++i) {
    const std::size_t at = in.size() - r.left() - head;
    const u64 same = r.varint();
    ByteView rest = r.bytes(in.size()), value = r.bytes(in.size());
    const u64 weight = r.varint();
    const Slot before = i == 0 ? Slot{} : page.slots_.back();
    if (!r.ok() || same > before.key_size || page.memory_.size() > index_page_memory_max) return std::nullopt;
    Slot slot;
    slot.key_at = static_cast<u32>(page.memory_.size());
    slot.key_size = static_cast<u32>(same + rest.size());
    page.memory_.resize(page.memory_.size() + same);
    std::copy_n(page.memory_.begin() + before.key_at, same, page.memory_.begin() + slot.key_at);
    page.keep(rest);
    slot.value_at = page.keep(value);
    slot.value_size = static_cast<u32>(value.size());
    slot.weight = weight;
    slot.encoded_at = static_cast<u32>(at);
    page.slots_.push_back(slot);
    page.live_ += slot.key_size + slot.value_size;
    const bool ascends = i == 0 || compare(page.key(i - 1), page.key(i)) < 0;
    if (!ascends || (page_level > 0 && value.size() != 4)) return std::nullopt;
    page.bytes_ += page.cost(i);
  }
  if (!r.done()) return std::nullopt;
  page.encoded_ = own(in.subspan(head));
  page.clean_ = page.count();
  return page;
}

}  // namespace perdure::store
