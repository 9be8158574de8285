// One page of an index, decoded: slots over one piece of memory, so that opening a page costs two allocations.
//
//     level (u8) | slots (varint) | per slot: bytes shared with the key before, rest of the key, value, weight
//
// In a leaf (level 0) a slot is an entry. Above, it is a child: key: no key below is lesser, except that slot 0 also takes all
// that sort before it; value: page number (4 bytes, big-endian); weight: sum over what is below.
#pragma once

#include <perdure/types.hpp>

#include <algorithm>
#include <optional>

namespace perdure::store {

// Small enough that a change rewrites little, large enough that a row's own cost does not show.
inline constexpr std::size_t index_page_max = 4096;
// What a corrupt page may claim that its keys share, over all of them, before it is taken for what it is.
inline constexpr std::size_t index_page_memory_max = 8 * 1024 * 1024;

inline int compare(ByteView a, ByteView b) {
  const std::size_t n = std::min(a.size(), b.size());
  const int c = n == 0 ? 0 : __builtin_memcmp(a.data(), b.data(), n);
  return c != 0 ? c : a.size() < b.size() ? -1 : a.size() > b.size() ? 1 : 0;
}
inline bool equal(ByteView a, ByteView b) { return a.size() == b.size() && compare(a, b) == 0; }
inline bool starts_with(ByteView key, ByteView prefix) {
  return key.size() >= prefix.size() && equal(key.subspan(0, prefix.size()), prefix);
}

class IndexPage {
 public:
  IndexPage(u32 page_number, u32 page_level) : number(page_number), level(page_level) {}

  u32 number;
  u32 level;
  bool dirty = false;
  bool stored = false;  // there is a row of it

  std::size_t count() const { return slots_.size(); }
  ByteView key(std::size_t i) const { return {memory_.data() + slots_[i].key_at, slots_[i].key_size}; }
  ByteView value(std::size_t i) const { return {memory_.data() + slots_[i].value_at, slots_[i].value_size}; }
  u64 weight(std::size_t i) const { return slots_[i].weight; }
  u64 weight_of_all() const;
  u32 child(std::size_t i) const;  // level > 0

  std::size_t bytes() const { return bytes_; }  // as a row, to within a few bytes
  bool over() const { return bytes_ > index_page_max && count() >= (level == 0 ? 2u : 4u); }
  bool sparse() const { return bytes_ < index_page_max / 4; }

  std::size_t lower_bound(ByteView key) const;  // first slot whose key is not less
  std::size_t child_for(ByteView key) const;    // the child below which the key is or would be

  void insert(std::size_t i, ByteView key, ByteView value, u64 weight);
  void insert_child(std::size_t i, ByteView key, u32 child_number, u64 weight);
  void replace(std::size_t i, ByteView value, u64 weight);
  void set_weight(std::size_t i, u64 weight);
  void erase(std::size_t i);
  std::size_t middle() const;                    // where halves are about equal in bytes; 1 to count - 1
  void move_tail(std::size_t i, IndexPage& to);  // slots from i on, to an empty page
  void tidy(std::size_t slack);                  // gives up what no slot shows any more, if that is more than slack
  std::size_t memory_bytes() const { return memory_.size() + encoded_.size() + slots_.size() * 32; }

  Bytes encode();  // only what changed since is encoded anew
  // Nothing if the bytes are no page of this level.
  static std::optional<IndexPage> decode(u32 page_number, u32 page_level, ByteView in);

 private:
  struct Slot {
    u32 key_at = 0, key_size = 0, value_at = 0, value_size = 0;
    u32 encoded_at = 0;  // in encoded_, of clean slots
    u64 weight = 0;
  };
  void soil(std::size_t i);  // slots from i on are to be encoded anew
  std::size_t cost(std::size_t i) const;
  std::size_t shared(std::size_t i) const;  // bytes that the key shares with the one before
  u32 keep(ByteView bytes);
  Bytes memory_;  // keys and values, and what was replaced: see tidy()
  std::vector<Slot> slots_;
  std::size_t bytes_ = 0;
  std::size_t live_ = 0;  // bytes of memory_ that slots show
  Bytes encoded_;         // the first clean_ slots
  std::size_t clean_ = 0;
};

}  // namespace perdure::store
