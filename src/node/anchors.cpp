// The anchors that we keep dialling.
#include <algorithm>

#include "codec/hex.hpp"
#include "node/impl.hpp"

namespace perdure {

void Node::Impl::add_anchor(const std::string& url, bool persist) {
  if (!anchors_.contains(url)) {
    if (anchors_.size() >= params::anchors_max) {
      // Invites bring addresses that anybody can make up: one at which nobody was ever met makes room, and the one tried most in vain first.
      auto vain = anchors_.end();
      for (auto it = anchors_.begin(); it != anchors_.end(); ++it) {
        bool met = it->second.pinned || it->second.link || std::ranges::count(config_.anchors, it->first) > 0;
        if (!met && (vain == anchors_.end() || it->second.failures > vain->second.failures)) vain = it;
      }
      if (vain == anchors_.end()) return;
      remove_anchor(std::string(vain->first));
    }
    anchors_[url].next_dial_ms = now_.steady_ms;
    anchors_dirty_ = status_dirty_ = true;
  }
  if (!persist) return;
  const AnchorEntry& a = anchors_[url];
  Bytes row = a.pinned ? own(a.pinned->view()) : Bytes{};
  transactions_.run(
      0, [url, row](store::Rows& rows) { rows.put(store::key('A', view(url)), row); }, [](SaveOutcome) {});
}

void Node::Impl::remove_anchor(const std::string& url) {
  auto it = anchors_.find(url);
  if (it == anchors_.end()) return;
  std::optional<LinkId> link = it->second.link;
  anchors_.erase(it);
  anchors_dirty_ = status_dirty_ = true;
  if (link) link_closed(*link, false);
  transactions_.run(0, [url](store::Rows& rows) { rows.erase(store::key('A', view(url))); }, [](SaveOutcome) {});
}

void Node::Impl::dial_anchors() {
  if (!storage_.started() || !online_ || closing_) return;
  for (auto& [url, a] : anchors_) {
    if (a.link || a.through || a.dialling || a.next_dial_ms > now_.steady_ms) continue;
    a.dialling = true;
    if (a.state == AnchorState::unreachable) a.state = AnchorState::connecting;
    actions_.push_back(Dial{url, codec::to_hex(identity_->network().view())});
    anchors_dirty_ = status_dirty_ = true;
  }
}

bool Node::Impl::is_anchor(const DeviceId& id) const {
  for (const auto& [url, a] : anchors_)
    if (a.pinned == id) return true;
  return false;
}

}  // namespace perdure
