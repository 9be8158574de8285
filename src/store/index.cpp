#include "store/index.hpp"

#include "base/assert.hpp"

namespace perdure::store {

namespace {
// The shortest key that is greater than `left` and not greater than `right`: what an inner page needs to tell them apart.
Bytes separator(ByteView left, ByteView right) {
  std::size_t same = 0;
  while (same < left.size() && same < right.size() && left[same] == right[same]) ++same;
  return own(right.subspan(0, std::min(same + 1, right.size())));
}
}  // namespace

Index::Index(Rows& rows, TopicNo topic, u8 tree, IndexRoot& root)
    : rows_(rows), topic_(topic), tree_(tree), root_(root) {
  if (root.height > index_height_max || (root.page == 0) != (root.height == 0)) corrupt_ = true;
}

// ---- pages

const IndexPage* Index::load(u32 number, u32 level) const {
  if (corrupt_) return nullptr;
  if (auto at = pages_.find(number); at != pages_.end()) {
    const IndexPage* page = at->second.own ? at->second.own.get() : at->second.shared.get();
    if (page->level == level) return page;
    corrupt_ = true;
    return nullptr;
  }
  if (number == 0 || number >= root_.next_page) {
    corrupt_ = true;
    return nullptr;
  }
  const Bytes key = row_key(number);
  auto shared = std::static_pointer_cast<const IndexPage>(rows_.kept(key));
  if (!shared || shared->level != level) {
    const auto row = rows_.get(key);
    if (!row && rows_.missed()) return nullptr;
    auto page = row ? IndexPage::decode(number, level, *row) : std::nullopt;
    if (!page) {
      corrupt_ = true;
      return nullptr;
    }
    shared = std::make_shared<const IndexPage>(std::move(*page));
    rows_.keep(key, shared, shared->memory_bytes());
  }
  return (pages_[number] = {std::move(shared), nullptr}).shared.get();
}

const IndexPage* Index::child(const IndexPage& parent, std::size_t slot) const {
  return load(parent.child(slot), parent.level - 1);
}

IndexPage* Index::change(u32 number, u32 level) {
  if (!load(number, level)) return nullptr;
  Held& held = pages_.find(number)->second;
  if (!held.own) {
    held.own = std::make_shared<IndexPage>(*held.shared);
    held.shared.reset();
  }
  return held.own.get();
}

IndexPage* Index::change_child(const IndexPage& parent, std::size_t slot) {
  return change(parent.child(slot), parent.level - 1);
}

IndexPage& Index::create(u32 level) {
  const u32 number = root_.next_page++;
  Held& held = pages_[number];
  if (held.own) released_.push_back(std::move(held.own));
  if (held.shared) released_.push_back(std::move(held.shared));
  held = {nullptr, std::make_shared<IndexPage>(number, level)};
  held.own->dirty = true;
  return *held.own;
}

void Index::release(u32 number) {
  if (auto at = pages_.find(number); at != pages_.end()) {
    std::shared_ptr<const IndexPage> page = at->second.own ? at->second.own : at->second.shared;
    if (page->stored) rows_.erase(row_key(number));
    released_.push_back(std::move(page));
    pages_.erase(at);
  }
  if (number + 1 == root_.next_page) --root_.next_page;
}

void Index::flush() {
  for (auto& [number, held] : pages_) {
    if (!held.own || !held.own->dirty) continue;
    const Bytes key = row_key(number);
    held.own->tidy(index_page_max);
    rows_.put(key, held.own->encode());
    held.own->dirty = false;
    held.own->stored = true;
    held.shared = std::move(held.own);
    rows_.keep(key, held.shared, held.shared->memory_bytes());
  }
}

bool Index::descend(ByteView key, Path& path) {
  IndexPage* page = root_.page == 0 ? nullptr : change(root_.page, root_.height - 1);
  while (page) {
    Step& step = path.steps[path.depth++];
    step.page = page;
    if (page->level == 0) {
      step.slot = page->lower_bound(key);
      return true;
    }
    step.slot = page->child_for(key);
    page = change_child(*page, step.slot);
  }
  return false;
}

// ---- changing

void Index::insert(ByteView key, ByteView value, u64 weight) {
  PERDURE_ASSERT(key.size() <= index_page_max);
  if (corrupt_) return;
  if (root_.page == 0) {
    root_.page = create(0).number;
    root_.height = 1;
  }
  Path path;
  if (!descend(key, path)) return;
  Step& leaf = path.steps[path.depth - 1];
  u64 before = 0;
  bool append = false;
  if (leaf.slot < leaf.page->count() && equal(leaf.page->key(leaf.slot), key)) {
    before = leaf.page->weight(leaf.slot);
    leaf.page->replace(leaf.slot, value, weight);
  } else {
    leaf.page->insert(leaf.slot, key, value, weight);
    ++root_.entries;
    append = leaf.slot + 1 == leaf.page->count();
    for (u32 d = 0; d + 1 < path.depth; ++d) append = append && path.steps[d].slot + 1 == path.steps[d].page->count();
  }
  add_weight(path, weight - before);
  split_up(path, append);
}

bool Index::erase(ByteView key) {
  Path path;
  if (corrupt_ || !descend(key, path)) return false;
  Step& leaf = path.steps[path.depth - 1];
  if (leaf.slot == leaf.page->count() || !equal(leaf.page->key(leaf.slot), key)) return false;
  const u64 weight = leaf.page->weight(leaf.slot);
  leaf.page->erase(leaf.slot);
  --root_.entries;
  add_weight(path, 0 - weight);
  shrink_up(path);
  return true;
}

void Index::add_weight(Path& path, u64 delta) {
  if (delta == 0) return;
  root_.weight += delta;
  for (u32 d = 0; d + 1 < path.depth; ++d) {
    const Step& step = path.steps[d];
    step.page->set_weight(step.slot, step.page->weight(step.slot) + delta);
  }
}

void Index::split_up(Path& path, bool append) {
  for (u32 d = path.depth; d-- > 1;) split(*path.steps[d - 1].page, path.steps[d - 1].slot, append);
  IndexPage* top = path.steps[0].page;
  while (top->over() && root_.height < index_height_max) {
    IndexPage& above = create(top->level + 1);
    above.insert_child(0, {}, top->number, root_.weight);
    root_.page = above.number;
    ++root_.height;
    split(above, 0, append);
    top = &above;
  }
}

void Index::split(IndexPage& parent, std::size_t slot, bool append) {
  IndexPage* page = change_child(parent, slot);
  if (!page || !page->over()) return;
  IndexPage& right = create(page->level);
  page->move_tail(append ? page->count() - 1 : page->middle(), right);
  const Bytes low = page->level == 0 ? separator(page->key(page->count() - 1), right.key(0)) : own(right.key(0));
  const u64 weight = right.weight_of_all();
  parent.set_weight(slot, parent.weight(slot) - weight);
  parent.insert_child(slot + 1, low, right.number, weight);
  split(parent, slot + 1, false);
  split(parent, slot, false);
}

void Index::shrink_up(Path& path) {
  for (u32 d = path.depth; d-- > 1;) shrink(*path.steps[d - 1].page, path.steps[d - 1].slot);
  IndexPage* top = path.steps[0].page;
  while (top && top->level > 0 && top->count() == 1) {
    const u32 old = top->number;
    IndexPage* below = change_child(*top, 0);
    if (!below) return;
    root_.page = below->number;
    --root_.height;
    release(old);
    top = below;
  }
  if (top && top->count() == 0) {
    release(top->number);
    root_.page = root_.height = 0;
  }
}

void Index::shrink(IndexPage& parent, std::size_t slot) {
  IndexPage* page = change_child(parent, slot);
  if (!page) return;
  if (page->count() == 0) {
    release(page->number);
    parent.erase(slot);
    return;
  }
  if (!page->sparse()) return;
  if (slot + 1 < parent.count() && merge(parent, slot)) return;
  if (slot > 0) merge(parent, slot - 1);
}

bool Index::merge(IndexPage& parent, std::size_t slot) {
  IndexPage* left = change_child(parent, slot);
  const IndexPage* right = child(parent, slot + 1);
  corrupt_ = corrupt_ || (left && left == right);
  // Some room stays, so that the next insert does not split it again.
  if (corrupt_ || !left || !right || left->bytes() + right->bytes() > index_page_max / 4 * 3) return false;
  for (std::size_t i = 0; i < right->count(); ++i) {
    // The first child of an inner page takes all from the page's own bound on, which stands in the parent.
    const ByteView key = i == 0 && right->level > 0 ? parent.key(slot + 1) : right->key(i);
    left->insert(left->count(), key, right->value(i), right->weight(i));
  }
  parent.set_weight(slot, parent.weight(slot) + parent.weight(slot + 1));
  parent.erase(slot + 1);
  release(right->number);
  return true;
}

// ---- reading

std::optional<Index::Entry> Index::find(ByteView key) const {
  const Cursor c = stand(key, 0);
  if (!c.valid() || c.leaf().slot == c.leaf().page->count() || !equal(c.key(), key)) return std::nullopt;
  return Entry{own(key), own(c.value()), c.weight()};
}

u64 Index::weight_before(ByteView key) const {
  const Cursor c = stand(key, 0);
  u64 sum = 0;
  for (u32 d = 0; d < c.depth_; ++d)
    for (std::size_t i = 0; i < c.path_[d].slot; ++i) sum += c.path_[d].page->weight(i);
  return sum;
}

Index::Cursor Index::stand(ByteView key, u64 ahead) const {
  Cursor c;
  c.index_ = this;
  c.ahead_ = ahead;
  const IndexPage* page = root_.page == 0 ? nullptr : load(root_.page, root_.height - 1);
  for (u32 depth = 0; page; ++depth) {
    const bool leaf = page->level == 0;
    c.path_[depth] = {page, leaf ? page->lower_bound(key) : page->child_for(key)};
    if (leaf) {
      c.depth_ = depth + 1;
      return c;
    }
    page = child(*page, c.path_[depth].slot);
  }
  return c;
}

Index::Cursor Index::seek(ByteView key, u64 ahead) const {
  Cursor c = stand(key, ahead);
  if (!c.valid() || c.leaf().slot < c.leaf().page->count()) return c;
  --c.path_[c.depth_ - 1].slot;  // behind the end of this leaf: step over it
  c.next();
  return c;
}

Index::Cursor Index::seek_before(ByteView key, u64 ahead) const {
  Cursor c = stand(key, ahead);
  if (c.valid()) c.previous();
  return c;
}

Index::Cursor Index::first(u64 ahead) const { return seek({}, ahead); }

Index::Cursor Index::last(u64 ahead) const {
  Cursor c;
  c.index_ = this;
  c.ahead_ = ahead;
  const IndexPage* top = root_.page == 0 ? nullptr : load(root_.page, root_.height - 1);
  if (!top || top->count() == 0) return c;
  c.path_[0] = {top, top->count() - 1};
  c.depth_ = 1;
  c.descend_last(1);
  return c;
}

bool Index::Cursor::pass(u64 weight) {
  if (index_->corrupt_ || weight >= ahead_) return false;
  ahead_ -= weight;
  return true;
}

// Below the step at depth - 1: always the first slot.
void Index::Cursor::descend_first(u32 depth) {
  while (path_[depth - 1].page->level > 0) {
    Step& above = path_[depth - 1];
    const IndexPage* page = index_->child(*above.page, above.slot);
    if (page && page->count() > 0) {
      path_[depth++] = {page, 0};
      continue;
    }
    if (!pass(above.page->weight(above.slot))) depth = 0;
    while (depth > 0 && path_[depth - 1].slot + 1 >= path_[depth - 1].page->count()) --depth;
    if (depth == 0) {
      depth_ = 0;
      return;
    }
    ++path_[depth - 1].slot;
  }
  depth_ = depth;
}

void Index::Cursor::descend_last(u32 depth) {
  while (path_[depth - 1].page->level > 0) {
    Step& above = path_[depth - 1];
    const IndexPage* page = index_->child(*above.page, above.slot);
    if (page && page->count() > 0) {
      path_[depth++] = {page, page->count() - 1};
      continue;
    }
    if (!pass(above.page->weight(above.slot))) depth = 0;
    while (depth > 0 && path_[depth - 1].slot == 0) --depth;
    if (depth == 0) {
      depth_ = 0;
      return;
    }
    --path_[depth - 1].slot;
  }
  depth_ = depth;
}

void Index::Cursor::next() {
  u32 depth = depth_;
  while (depth > 0 && path_[depth - 1].slot + 1 >= path_[depth - 1].page->count()) --depth;
  depth_ = depth;
  if (depth == 0) return;
  ++path_[depth - 1].slot;
  descend_first(depth);
}

void Index::Cursor::previous() {
  u32 depth = depth_;
  while (depth > 0 && path_[depth - 1].slot == 0) --depth;
  depth_ = depth;
  if (depth == 0) return;
  --path_[depth - 1].slot;
  descend_last(depth);
}

}  // namespace perdure::store
