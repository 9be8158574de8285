// How the figures of turns are taken and printed: cores of every size stand side by side, each round measures each of them once, and of the
// ratios of the rounds the median counts.
#pragma once

#include <algorithm>
#include <cstdio>
#include <string>
#include <vector>

#include "bench/host.hpp"

namespace perdure::bench {

inline constexpr std::size_t rounds = 7;

struct Spread { double median = 0, least = 0, most = 0; };
inline Spread spread_of(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return {values[values.size() / 2], values.front(), values.back()};
}

// By round, what each core gave: microseconds.
using Rounds = std::vector<std::vector<double>>;

template <class Measure>
Rounds side_by_side(std::size_t cores, Measure measure, std::size_t times = rounds) {
  Rounds found;
  for (std::size_t round = 0; round <= times; ++round) {
    std::vector<double> given(cores);
    // Who goes second finds a warmer machine: every other time it is the other one.
    for (std::size_t i = 0; i < cores; ++i) {
      const std::size_t core = round % 2 == 0 ? i : cores - 1 - i;
      given[core] = measure(core);
    }
    found.push_back(std::move(given));
  }
  found.erase(found.begin());  // the first warms
  return found;
}

inline double median_of(const Rounds& found, std::size_t core) {
  std::vector<double> values;
  for (const auto& round : found) values.push_back(round[core]);
  return spread_of(values).median;
}
inline Spread ratio_of(const Rounds& found, std::size_t core, std::size_t base) {
  std::vector<double> values;
  for (const auto& round : found) values.push_back(round[core] / round[base]);
  return spread_of(values);
}

inline std::string number(u64 value) {
  std::string text = std::to_string(value);
  for (std::size_t at = text.size(); at > 3;) text.insert(at -= 3, ",");
  return text;
}
inline std::string micros(double us) {
  if (us >= 100) return number(static_cast<u64>(us + 0.5));
  char text[32];
  std::snprintf(text, sizeof text, us >= 10 ? "%.1f" : "%.2f", us);
  return text;
}

// `what` | a figure for each core | ratio (least to most of the rounds) | reach
inline void print_head(const std::string& what, const std::vector<u64>& sizes, const std::string& last) {
  std::printf("\n%-34s", what.c_str());
  for (const u64 size : sizes) std::printf("%10s", number(size).c_str());
  std::printf("   %s\n", last.c_str());
}
inline void print_row(const std::string& what, const std::vector<double>& figures, const Spread& ratio, double reach) {
  std::printf("  %-32s", what.c_str());
  for (const double figure : figures) std::printf("%10s", micros(figure).c_str());
  std::printf("%10s x  (%s to %s)   at most %.1f x: %s\n", micros(ratio.median).c_str(), micros(ratio.least).c_str(),
              micros(ratio.most).c_str(), reach, ratio.median <= reach ? "reached" : "not reached");
  std::fflush(stdout);
}
inline void print_row(const std::string& what, const Rounds& found, double reach) {
  std::vector<double> figures;
  for (std::size_t core = 0; core < found[0].size(); ++core) figures.push_back(median_of(found, core));
  print_row(what, figures, ratio_of(found, found[0].size() - 1, 0), reach);
}

inline double us(u64 ns) { return static_cast<double>(ns) / 1'000; }

// ---- what is measured most ------------------------------------------------------------------------------------------------------

// Microseconds that a turn takes in which nothing happens.
inline double empty_turn(Host& host) {
  u64 ns = 0, turns = 0;
  for (u64 count = 1; ns < 2'000'000; count *= 2) {
    ns = host.idle(count);
    turns = count;
  }
  return us(ns) / static_cast<double>(turns);
}

// … that an append takes, until it is durable and told to whom it is to be told.
inline double append(Host& host, u32 topic) {
  u64 times = 0;
  host.append(topic, {message(0)});  // what lay idle is warm again
  for (host.spent = {}; times < 4 || host.spent.ns < 3'000'000; ++times) host.append(topic, {message(times)});
  return us(host.spent.ns) / static_cast<double>(times);
}

}  // namespace perdure::bench
