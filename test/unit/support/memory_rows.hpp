// Rows in a std::map, for tests: all at hand, or each key misses once and is at hand in the next run of the step.
//
//     MemoryRows rows;                              // everything at hand
//     MemoryRows cold = rows.cold();                // the same rows, none of them at hand
//     run_step(cold, [&](store::Rows& r) { … });    // until nothing misses; what earlier runs wrote is undone
//
// `base` is what is stored; a step's writes lie on top until commit().
#pragma once

#include <cstddef>
#include <map>
#include <set>

#include "base/assert.hpp"
#include "store/rows.hpp"

namespace perdure::test {

class MemoryRows : public store::Rows {
 public:
  std::map<Bytes, Bytes> base;
  std::size_t reads = 0;   // get() calls since the beginning
  std::size_t misses = 0;  // of these, how many missed

  MemoryRows() = default;
  // A copy of what is stored, of which every key, absent ones too, misses when first asked for.
  MemoryRows cold() const {
    MemoryRows rows;
    rows.base = base;
    rows.misses_once_ = true;
    return rows;
  }

  std::optional<ByteView> get(ByteView key) override {
    ++reads;
    Bytes k = own(key);
    if (auto it = written_.find(k); it != written_.end()) {
      if (!it->second) return std::nullopt;
      return ByteView(*it->second);
    }
    if (misses_once_ && at_hand_.count(k) == 0) {
      wanted_.insert(k);
      missed_ = true;
      ++misses;
      return std::nullopt;
    }
    auto it = base.find(k);
    if (it == base.end()) return std::nullopt;
    return ByteView(it->second);
  }
  void put(Bytes key, Bytes value) override {
    kept_.erase(key);
    written_[std::move(key)] = std::move(value);
  }
  void erase(Bytes key) override {
    kept_.erase(key);
    written_[std::move(key)] = std::nullopt;
  }
  bool missed() const override { return missed_; }
  void abandon() override {
    for (const auto& [key, value] : written_) kept_.erase(key);
    written_.clear();
  }
  // Tests change `base` under it: what is kept belongs to the bytes that stood there.
  Kept kept(ByteView key) override {
    auto it = kept_.find(own(key));
    return it != kept_.end() && it->second.first == standing(it->first) ? it->second.second : nullptr;
  }
  void keep(ByteView key, Kept what, std::size_t) override { kept_[own(key)] = {standing(own(key)), std::move(what)}; }

  std::size_t written() const { return written_.size(); }  // keys put or erased since the last commit or rollback

  // The step is done: its writes are stored.
  void commit() {
    for (auto& [key, value] : written_) {
      if (value) base[key] = std::move(*value);
      else base.erase(key);
    }
    written_.clear();
  }
  // The step runs again: its writes are gone, what it missed is at hand.
  void rollback() {
    abandon();
    at_hand_.insert(wanted_.begin(), wanted_.end());
    wanted_.clear();
    missed_ = false;
  }

 private:
  std::optional<Bytes> standing(const Bytes& key) const {
    if (auto it = written_.find(key); it != written_.end()) return it->second;
    if (misses_once_ && at_hand_.count(key) == 0) return std::nullopt;
    auto it = base.find(key);
    return it == base.end() ? std::nullopt : std::optional(it->second);
  }

  bool misses_once_ = false;
  bool missed_ = false;
  std::set<Bytes> at_hand_, wanted_;
  std::map<Bytes, std::optional<Bytes>> written_;
  std::map<Bytes, std::pair<std::optional<Bytes>, Kept>> kept_;
};

// Runs the step until nothing misses, as the core does, and commits. Returns how often it ran.
template <class Step>
int run_step(MemoryRows& rows, Step step) {
  for (int runs = 1;; ++runs) {
    PERDURE_ASSERT(runs < 10'000);
    step(static_cast<store::Rows&>(rows));
    if (!rows.missed()) {
      rows.commit();
      return runs;
    }
    rows.rollback();
  }
}

}  // namespace perdure::test
