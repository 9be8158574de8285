// An ordered, counted index in pages: a B+-tree whose pages are rows, so that opening, appending and counting cost the same
// in a topic of a thousand messages and of a million.
//
//     Index timeline(rows, topic, tree_no, root);            // root: read from, and written back to, the caller's own row
//     timeline.insert(key, value, weight);                   // weight: what weight_before and weight() count
//     for (auto c = timeline.seek(key); c.valid(); c.next()) use(c.key(), c.value());
//     timeline.flush();                                      // writes the changed pages, once
//
// Every function bears missing rows (Rows::missed): results are then meaningless and nothing asserts. A page that is corrupt
// (undecodable, or absent though nothing missed) sets corrupt(); results are then empty. Ask for corrupt() only in a run that
// missed nothing.
// Pages hold at most about 4 KiB; an insert behind the last key leaves full pages behind (no half-empty splits), so appending
// in order wastes nothing. A single large entry has a page of its own. Keys at most 4 KiB.
// What is passed in must not point into the index itself: copy what a cursor lends before changing anything.
#pragma once

#include <array>
#include <map>
#include <memory>

#include "store/index_page.hpp"
#include "store/keys.hpp"
#include "store/rows.hpp"

namespace perdure::store {

struct IndexRoot {
  u32 page = 0;       // 0: the index is empty
  u32 height = 0;     // 1: the root is a leaf
  u32 next_page = 1;  // page numbers are not reused, except those freed last
  u64 entries = 0;
  u64 weight = 0;  // sum over all entries
  bool operator==(const IndexRoot&) const = default;
};

// Inner pages of the longest keys still have four children, so this is out of reach.
inline constexpr u32 index_height_max = 16;

class Index {
 public:
  Index(Rows& rows, TopicNo topic, u8 tree, IndexRoot& root);
  Index(const Index&) = delete;
  Index& operator=(const Index&) = delete;

  struct Entry {
    Bytes key;
    Bytes value;
    u64 weight = 0;
  };

  void insert(ByteView key, ByteView value, u64 weight = 1);  // replaces what the key had
  bool erase(ByteView key);
  std::optional<Entry> find(ByteView key) const;
  // Writes the pages that changed since the last flush; the root is the caller's to write.
  void flush();

  // Stands on an entry or is not valid(). Changing the index ends it.
  class Cursor {
   public:
    bool valid() const { return depth_ > 0; }
    ByteView key() const { return leaf().page->key(leaf().slot); }
    ByteView value() const { return leaf().page->value(leaf().slot); }
    u64 weight() const { return leaf().page->weight(leaf().slot); }
    void next();
    void previous();

   private:
    friend class Index;
    struct Step {
      const IndexPage* page = nullptr;
      std::size_t slot = 0;
    };
    const Step& leaf() const { return path_[depth_ - 1]; }
    void descend_first(u32 depth);
    void descend_last(u32 depth);
    bool pass(u64 weight);  // over a page that is not at hand
    const Index* index_ = nullptr;
    u64 ahead_ = 0;
    std::array<Step, index_height_max> path_;
    u32 depth_ = 0;  // 0: not valid; else the height of the tree
  };
  // A cursor that comes to a page that is not at hand ends there, or passes it over and asks for its neighbours in the same run, until
  // what it passed weighs `ahead`: what the reader is about to read.
  static constexpr u64 all = ~u64{0};
  Cursor seek(ByteView key, u64 ahead = 0) const;         // first entry with a key not less
  Cursor seek_before(ByteView key, u64 ahead = 0) const;  // last entry with a lesser key
  Cursor first(u64 ahead = 0) const;
  Cursor last(u64 ahead = 0) const;
  u64 weight_before(ByteView key) const;  // sum over the entries with lesser keys

  bool corrupt() const { return corrupt_; }

 private:
  struct Step {
    IndexPage* page = nullptr;
    std::size_t slot = 0;
  };
  struct Path {
    std::array<Step, index_height_max> steps;
    u32 depth = 0;
  };

  // A page of ours, to be changed, or as all see it: kept beside its row.
  struct Held {
    std::shared_ptr<const IndexPage> shared;
    std::shared_ptr<IndexPage> own;
  };

  const IndexPage* load(u32 number, u32 level) const;  // null: not at hand, or corrupt
  const IndexPage* child(const IndexPage& parent, std::size_t slot) const;
  IndexPage* change(u32 number, u32 level);  // the same, to be changed
  IndexPage* change_child(const IndexPage& parent, std::size_t slot);
  bool descend(ByteView key, Path& path);       // pages that may be changed
  Cursor stand(ByteView key, u64 ahead) const;  // on the leaf slot where the key is or would be; maybe behind its end
  IndexPage& create(u32 level);
  void release(u32 number);
  void add_weight(Path& path, u64 delta);  // to the ancestors; delta wraps
  void split_up(Path& path, bool append);
  void split(IndexPage& parent, std::size_t slot, bool append);
  void shrink_up(Path& path);
  void shrink(IndexPage& parent, std::size_t slot);
  bool merge(IndexPage& parent, std::size_t slot);  // slot + 1 into slot, if both fit
  Bytes row_key(u32 number) const { return store::key('X', topic_, u32{tree_}, number); }

  Rows& rows_;
  TopicNo topic_;
  u8 tree_;
  IndexRoot& root_;
  mutable std::map<u32, Held> pages_;  // for the life of the index, which is a step
  // kept, because paths of a corrupt index may still lead there
  std::vector<std::shared_ptr<const IndexPage>> released_;
  mutable bool corrupt_ = false;
};

}  // namespace perdure::store
