#include "author/cut.hpp"

#include <algorithm>
#include <utility>

namespace perdure::author {

namespace {

// What an op adds to a batch at most: its bytes, lengths and kind, and the versions that it names with their logs' ids.
std::size_t room_of(const log::Op& op) {
  std::size_t again = op.says || op.origin || !op.known() || !op.fields.empty() ? 96 + op.body.size() : 0;
  for (const log::Field& field : op.fields) again += 20 + field.value.size();
  return op.key.size() + op.value.size() + 16 + again + op.replaces.size() * (LogId::size + 12);
}

bool alone(const log::Op& op) { return room_of(op) > log::plain_max - 1024; }

}  // namespace

std::vector<std::vector<log::Op>> cut_into_batches(std::vector<log::Op> ops, const Runs& runs) {
  std::vector<std::vector<log::Op>> batches;
  std::size_t room = 0;
  for (std::size_t n = 0; n < ops.size(); ++n) {
    log::Op& op = ops[n];
    bool fits = !batches.empty() && batches.back().size() < log::ops_max &&
                room + room_of(op) <= log::plain_max - 1024 && !alone(op);
    if (auto run = runs.find(n); run != runs.end() && fits) {
      std::size_t whole = 0;
      for (std::size_t i = n; i < n + run->second; ++i) whole += room_of(ops[i]);
      bool possible = whole <= log::plain_max - 1024 && run->second <= log::ops_max;
      fits = !possible ||
             (room + whole <= log::plain_max - 1024 && batches.back().size() + run->second <= log::ops_max);
    }
    if (!fits) {
      batches.emplace_back();
      room = 0;
    }
    room += alone(op) ? log::plain_max : room_of(op);
    batches.back().push_back(std::move(op));
  }
  return batches;
}

std::vector<log::Op> replacing(log::Op op, const std::vector<OpId>& versions) {
  std::vector<log::Op> run;
  auto from = versions.begin();
  auto take = [&] {
    const auto most = static_cast<std::ptrdiff_t>(run.empty() ? log::names_max : log::names_max - 1);
    auto to = from + std::min(most, versions.end() - from);
    return std::vector<OpId>(std::exchange(from, to), to);
  };
  for (;;) {
    std::vector<OpId> names = take();
    if (from == versions.end()) {
      op.replaces = std::move(names);
      run.push_back(std::move(op));
      return run;
    }
    run.push_back({log::Op::Kind::erase, op.key, {}, std::move(names)});
  }
}

}  // namespace perdure::author
