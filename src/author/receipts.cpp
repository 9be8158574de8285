#include "author/receipts.hpp"

#include <algorithm>

namespace perdure::author {

std::optional<std::string> Receipts::of(const RequestTag& tag) const {
  auto known = ids_.find(tag);
  return known == ids_.end() ? std::nullopt : std::optional(known->second);
}

void Receipts::remember(const RequestTag& tag, const std::string& id) {
  if (tag.is_zero() || !ids_.emplace(tag, id).second) return;
  order_.push_back(tag);
  if (order_.size() <= receipts_max) return;
  ids_.erase(order_.front());
  order_.pop_front();
}

void Receipts::rename(const std::map<std::string, std::string>& names) {
  for (auto& [tag, id] : ids_)
    if (auto now = names.find(id); now != names.end()) id = now->second;
}

void Receipts::write(codec::Writer& row, const RequestTag& tag, std::string_view id) {
  if (!tag.is_zero()) row.fixed(tag).bytes(id);
}

void Receipts::take(const std::vector<std::pair<Bytes, Bytes>>& rows) {
  for (const auto& [key, value] : rows) {
    codec::Reader k(ByteView(key).subspan(1));
    next_row_ = std::max(next_row_, k.be32() + 1);
    codec::Reader r(value);
    while (r.left() > 0) {
      auto tag = r.fixed<RequestTag>();
      std::string id(text(r.bytes(64)));
      if (!r.ok()) break;
      remember(tag, id);
    }
  }
}

}  // namespace perdure::author
