// Links whose other end shakes hands, says what it is told to say and hears nothing: thousands of them are cheap.
//
//     std::vector<Mute> mutes = link_mutes(ada, 10'000, {});
//     mutes[0].show(secret keys);                         // knows that topic, and has nothing to give
//     ada.turn(mutes[0].taken());
#pragma once

#include "bench/host.hpp"
#include "peers/links.hpp"
#include "session/session.hpp"
#include "wire/frames.hpp"

namespace perdure::bench {

class Mute {
 public:
  Mute(Host& host, u32 number)
      : link{number},
        identity_(host.config().app, numbered(number)),
        random_(std::make_unique<crypto::Random>(numbered(number))),
        key_(session::make_static_key(identity_, *random_)),
        session_(std::make_unique<session::Session>(
            identity_, key_, *random_,
            session::Session::Options{true, kind(host), {}, wire::encode_body(wire::Greeting{.epoch = {1}})})),
        us_(host.id()) {
    LinkOpened opened{link, kind(host), false, "", 0, ""};
    if (host.config().anchor) {
      opened.network = hex(identity_.network());
      for (int at = 0; at < 4; ++at) opened.address.push_back(static_cast<u8>(number >> (8 * at)));
    }
    events_.push_back(std::move(opened));
    for (Bytes& bytes : session_->start()) send(std::move(bytes));
  }

  LinkId link;

  static std::string hex(const NetworkId& network) {
    std::string out;
    for (const u8 byte : network.bytes) {
      out += "0123456789abcdef"[byte >> 4];
      out += "0123456789abcdef"[byte & 15];
    }
    return out;
  }
  static Seed numbered(u32 number) { return seed_of("number " + std::to_string(number)); }

  void shake(const Bytes& bytes) {
    for (Bytes& answer : session_->on_bytes(bytes).to_send) send(std::move(answer));
  }
  bool established() const { return session_->established(); }

  template <class M>
  void say(const M& message, u32 alias = 0) {
    for (Bytes& bytes : session_->send(wire::encode({.alias = alias}, message))) send(std::move(bytes));
  }
  void show(const identity::TopicKeys& keys) {  // to a member
    say(wire::Topics{{peers::topic_mac({keys, session_->handshake_hash(), identity_.id(), us_})}});
    ++alias_;
    say(wire::Hello{{9}, 0, {}, {}}, alias_);
    say(wire::Done{{{1}, 0, {}}}, alias_);
  }
  void enter(const identity::TopicKeys& keys) {  // at an anchor
    say(wire::Enter{keys.id, peers::enter_signature(keys, session_->handshake_hash(), identity_.id())}, ++alias_);
  }

  // What it has said since.
  std::vector<Event> taken() { return std::exchange(events_, {}); }

 private:
  static LinkKind kind(const Host& host) { return host.config().anchor ? LinkKind::websocket : LinkKind::local; }
  void send(Bytes bytes) { events_.push_back(LinkReceived{link, std::move(bytes)}); }

  identity::Identity identity_;
  std::unique_ptr<crypto::Random> random_;
  session::StaticKey key_;
  std::unique_ptr<session::Session> session_;
  DeviceId us_;
  u32 alias_ = 0;
  std::vector<Event> events_;
};

// What some of them have said, in one turn.
inline void deliver(Host& host, std::span<Mute> mutes) {
  std::vector<Event> events;
  for (Mute& mute : mutes)
    for (Event& event : mute.taken()) events.push_back(std::move(event));
  host.turn(std::move(events));
}

// So many links, numbered from `first` on, with their sessions; many a turn, so that turns cost nothing to speak of.
inline std::vector<Mute> link_mutes(Host& host, u32 count, u32 first = 1) {
  constexpr std::size_t at_once = 256;
  std::vector<Mute> mutes;
  mutes.reserve(count);
  for (u32 i = 0; i < count; ++i) mutes.emplace_back(host, first + i);
  for (std::size_t from = 0; from < count; from += at_once) {
    const std::span<Mute> some = std::span(mutes).subspan(from, std::min<std::size_t>(at_once, count - from));
    for (Mute& mute : some)
      host.lines[mute.link.value] = [&mute](const Bytes& bytes) {
        if (!mute.established()) mute.shake(bytes);
      };
    deliver(host, some);
    deliver(host, some);
    for (const Mute& mute : some) {
      demand(mute.established() && !host.closed.contains(mute.link.value), "a link does not stand");
      host.lines.erase(mute.link.value);
    }
  }
  return mutes;
}

}  // namespace perdure::bench
