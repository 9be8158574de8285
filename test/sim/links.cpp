// The network of the simulated world: pipes that keep order and lose nothing until they break, WebSocket dials, and WebRTC as far
// as the core sees it.
#include "codec/hex.hpp"
#include "identity/identity.hpp"
#include "sim/world.hpp"

namespace perdure::sim {

namespace {
constexpr u64 drained_below = 256 * 1024;
constexpr u64 told_every = 128 * 1024;
constexpr u64 rtc_gives_up_ms = 20'000;

LinkId link_of(u32 pipe, u32 side) { return {pipe * 2 + side + 1}; }
}  // namespace

// ---- who reaches whom -------------------------------------------------------------------------------------------------

bool World::reachable(const Host& a, const Host& b) const { return a.node && b.node && a.side == b.side; }

u64 World::latency() { return prng.between(weather.latency_min_ms, weather.latency_max_ms); }

void World::set_side(HostId id, u32 side) {
  Host& h = *hosts_[id];
  if (h.side == side) return;
  h.side = side;
  cut_links(h, false);
}

void World::heal_network() {
  for (auto& host : hosts_) host->side = 0;
  forbidden_.clear();
  weather.no_rtc = 0;
}

// Ends the links of a host that is gone (told: the other side's system may notice at once) or cut off.
void World::cut_links(Host& h, bool told) {
  std::vector<u32> standing(counted_.begin(), counted_.end());
  for (u32 number : standing) {
    Pipe& pipe = pipes_[number];
    if (pipe.ends[0].host != h.id && pipe.ends[1].host != h.id) continue;
    if (reachable(*hosts_[pipe.ends[0].host], *hosts_[pipe.ends[1].host]) && !told) continue;
    // A WebSocket to a process that died is reset by its machine; everything else is noticed by its silence.
    bool reset = told && pipe.kind == LinkKind::websocket;
    auto notices = [&] { return reset ? pipe.latency : prng.between(weather.silence_min_ms, weather.silence_max_ms); };
    u64 first = notices(), second = notices();
    end_pipe(number, first, second);
  }
}

void World::lose_link(u64 nth) {
  if (counted_.empty()) return;
  auto at = counted_.begin();
  std::advance(at, static_cast<long>(nth % counted_.size()));
  u64 a = prng.between(0, weather.silence_max_ms), b = prng.between(0, weather.silence_max_ms);
  end_pipe(*at, a, b);
}

u64 World::links_up() const { return counted_.size(); }

// ---- pipes ------------------------------------------------------------------------------------------------------------

u32 World::make_pipe(LinkKind kind, Host& dialler, Host& other) {
  u32 number = static_cast<u32>(pipes_.size());
  Pipe& pipe = pipes_.emplace_back();
  pipe.kind = kind;
  pipe.latency = latency();
  pipe.ends[0].host = dialler.id;
  pipe.ends[0].life = dialler.life;
  pipe.ends[1].host = other.id;
  pipe.ends[1].life = other.life;
  counted_.insert(number);
  ++counts.links;
  return number;
}

void World::connect(HostId dialler, HostId other, LinkKind kind) {
  Host &a = *hosts_[dialler], &b = *hosts_[other];
  if (!reachable(a, b)) return;
  u32 pipe = make_pipe(kind, a, b);
  post(a, a.life, LinkOpened{link_of(pipe, 0), kind, true, {}, 0, {}});
  // An anchor is told for whom it is dialled.
  std::string network = b.options.anchor ? codec::to_hex(identity::network_id(a.options.app).view()) : std::string{};
  post(b, b.life, LinkOpened{link_of(pipe, 1), kind, false, {}, 0, std::move(network)});
}

void World::disconnect(HostId a, HostId b) {
  std::vector<u32> standing(counted_.begin(), counted_.end());
  for (u32 number : standing) {
    auto& ends = pipes_[number].ends;
    if ((ends[0].host == a && ends[1].host == b) || (ends[0].host == b && ends[1].host == a)) end_pipe(number, 0, 0);
  }
}

bool World::linked(HostId a, HostId b) const {
  for (u32 number : counted_) {
    auto& ends = pipes_[number].ends;
    if ((ends[0].host == a && ends[1].host == b) || (ends[0].host == b && ends[1].host == a)) return true;
  }
  return false;
}

void World::dial(Host& h, const Dial& dial) {
  Host* listener = nullptr;
  for (auto& host : hosts_)
    if (host->options.anchor && url(host->id) == dial.url) listener = host.get();
  bool there = listener && listener->side == h.side;
  // A machine without the process refuses at once; a machine out of reach says nothing.
  bool refused = there && (!listener->node || listener->frozen);
  u64 takes = !there ? weather.dial_timeout_ms : 2 * latency();
  after(takes, [this, &h, life = h.life, listener, refused, there, d = dial] {
    if (h.life != life) return;
    if (refused || !there || !reachable(h, *listener)) return post(h, life, DialFailed{d.url});
    u32 pipe = make_pipe(LinkKind::websocket, h, *listener);
    post(h, h.life, LinkOpened{link_of(pipe, 0), LinkKind::websocket, true, d.url, 0, {}});
    post(*listener, listener->life, LinkOpened{link_of(pipe, 1), LinkKind::websocket, false, {}, 0, d.network});
  });
}

World::Pipe* World::find_pipe(Host& h, LinkId link, u32& side) {
  u32 number = (link.value - 1) / 2;
  side = (link.value - 1) % 2;
  if (link.value == 0 || number >= pipes_.size()) {
    fault(h, "names a link that never was");
    return nullptr;
  }
  Pipe& pipe = pipes_[number];
  auto& end = pipe.ends[side];
  if (end.host != h.id || end.life != h.life) {
    fault(h, "names another core's link");
    return nullptr;
  }
  return pipe.open ? &pipe : nullptr;  // a link that broke a moment ago: the core may not know yet
}

void World::send(Host& h, Send send) {
  u32 side = 0;
  Pipe* pipe = find_pipe(h, send.link, side);
  if (!pipe) return;
  u32 number = (send.link.value - 1) / 2;
  if (!h.tamper) return transmit(number, side, std::move(send.bytes));
  for (Bytes& bytes : h.tamper(send.link, std::move(send.bytes)))
    if (pipe->open) transmit(number, side, std::move(bytes));
}

void World::transmit(u32 number, u32 side, Bytes bytes) {
  Pipe& pipe = pipes_[number];
  auto& end = pipe.ends[side];
  ++counts.messages;
  if (bytes.size() > 4'096 && on_large) on_large(end.host, pipe.ends[1 - side].host);
  counts.bytes += bytes.size();
  end.wire_free_at = std::max(end.wire_free_at, now_) + bytes.size() / weather.bytes_per_ms;
  end.buffered += bytes.size();
  end.leaving.push_back({end.wire_free_at, bytes.size()});
  while (!end.leaving.empty() && end.leaving.front().first <= now_) {
    end.buffered -= end.leaving.front().second;
    end.leaving.pop_front();
  }
  end.untold += bytes.size();
  if (end.untold >= told_every && !end.drain_planned) {
    end.drain_planned = true;
    end.untold = 0;
    u64 left = end.buffered, at = now_;
    for (auto& [when, size] : end.leaving) {
      if (left < drained_below) break;
      left -= size;
      at = when;
    }
    after(at - now_, [this, number, side, left] {
      auto& e = pipes_[number].ends[side];
      e.drain_planned = false;
      if (pipes_[number].open)
        post(*hosts_[e.host], e.life, LinkDrained{link_of(number, side), static_cast<u32>(left)});
    });
  }
  u64 arrives = std::max(end.last_arrival, end.wire_free_at + pipe.latency + prng.below(weather.jitter_ms + 1));
  end.last_arrival = arrives;
  after(arrives - now_, [this, number, side, b = std::move(bytes)]() mutable {
    auto& other = pipes_[number].ends[1 - side];
    if (pipes_[number].open && !other.told_closed)
      post(*hosts_[other.host], other.life, LinkReceived{link_of(number, 1 - side), std::move(b)});
  });
}

// What was sent before still arrives; then both ends hear that it is over.
void World::close(Host& h, LinkId link) {
  u32 side = 0;
  Pipe* pipe = find_pipe(h, link, side);
  if (!pipe) return;
  auto& end = pipe->ends[side];
  if (end.told_closed) return;
  end.told_closed = true;  // it hears nothing more from there
  u32 number = (link.value - 1) / 2;
  u64 out = std::max(std::max(end.last_arrival, now_ + pipe->latency), now_) - now_;
  after(out, [this, number] { end_pipe(number, 0, 0); });
}

void World::end_pipe(u32 number, u64 after_first, u64 after_second) {
  if (!counted_.erase(number)) return;
  Pipe& pipe = pipes_[number];
  pipe.open = false;
  for (u32 side = 0; side < 2; ++side) {
    auto& end = pipe.ends[side];
    end.leaving.clear();
    after(side ? after_second : after_first, [this, number, side] {
      auto& e = pipes_[number].ends[side];
      post(*hosts_[e.host], e.life, LinkClosed{link_of(number, side)});
    });
  }
}

// ---- WebRTC -----------------------------------------------------------------------------------------------------------

World::RtcEnd* World::find_rtc(Host& h, u32 attempt) {
  for (auto at = rtc_.rbegin(); at != rtc_.rend(); ++at)
    if (at->host == h.id && at->life == h.life && at->attempt == attempt && !at->gone) return &*at;
  return nullptr;
}

void World::rtc_open(Host& h, const RtcOpen& open) {
  if (find_rtc(h, open.attempt)) return fault(h, "opens an RTC attempt twice");
  u32 number = static_cast<u32>(rtc_.size());
  RtcEnd& end = rtc_.emplace_back();
  end.number = number;
  end.host = h.id;
  end.life = h.life;
  end.attempt = open.attempt;
  end.initiator = open.initiator;
  std::string bytes = codec::to_hex(prng.fixed<Hash>().view());
  for (std::size_t i = 0; i < bytes.size(); i += 2)
    end.fingerprint += (i ? ":" : "") + std::string{static_cast<char>(std::toupper(bytes[i])),
                                                    static_cast<char>(std::toupper(bytes[i + 1]))};
  if (!h.options.rtc) return rtc_close(h, open.attempt), post(h, h.life, RtcFailed{open.attempt});
  if (open.initiator) rtc_describe(number, SignalKind::offer);
  after(rtc_gives_up_ms, [this, &h, life = h.life, number] {
    RtcEnd& e = rtc_[number];
    if (e.gone || e.pipe || h.life != life) return;
    e.gone = true;
    post(h, life, RtcFailed{e.attempt});
  });
}

// The description leaves the browser once it has gathered, and one more candidate trickles in behind it.
void World::rtc_describe(u32 number, SignalKind kind) {
  RtcEnd& end = rtc_[number];
  Host& h = *hosts_[end.host];
  std::string candidate = "candidate:1 1 udp 2113937151 10.0.0." + std::to_string(h.id + 1) + " " +
                          std::to_string(40'000 + number % 20'000) + " typ host";
  std::string sdp = "v=0\r\no=- " + std::to_string(number) +
                    " 2 IN IP4 127.0.0.1\r\ns=-\r\nt=0 0\r\na=group:BUNDLE 0\r\nm=application 9 UDP/DTLS/SCTP "
                    "webrtc-datachannel\r\nc=IN IP4 0.0.0.0\r\na=" +
                    candidate + "\r\na=ice-ufrag:u" + std::to_string(number) +
                    "\r\na=ice-pwd:simulated-password-00\r\na=fingerprint:sha-256 " + end.fingerprint +
                    "\r\na=setup:" + (kind == SignalKind::offer ? "actpass" : "active") +
                    "\r\na=mid:0\r\na=sctp-port:5000\r\n";
  after(prng.between(5, 60), [this, &h, number, kind, text = std::move(sdp)] {
    if (!rtc_[number].gone) post(h, rtc_[number].life, RtcSignal{rtc_[number].attempt, kind, text});
  });
  after(prng.between(60, 150), [this, &h, number, text = std::move(candidate)] {
    if (!rtc_[number].gone && !rtc_[number].pipe)
      post(h, rtc_[number].life, RtcSignal{rtc_[number].attempt, SignalKind::candidate, text});
  });
}

void World::rtc_signal(Host& h, const RtcSignal& signal) {
  RtcEnd* end = find_rtc(h, signal.attempt);
  if (!end || signal.kind == SignalKind::candidate) return;
  // Which end does it describe? A description that was tampered with leads nowhere, as in a browser.
  std::size_t at = signal.text.find("a=ice-ufrag:u");
  if (at == std::string::npos) return;
  u64 remote = 0;
  for (at += 13; at < signal.text.size() && signal.text[at] >= '0' && signal.text[at] <= '9' && remote < rtc_.size();
       ++at)
    remote = remote * 10 + static_cast<u64>(signal.text[at] - '0');
  if (remote >= rtc_.size() ||
      signal.text.find("a=fingerprint:sha-256 " + rtc_[remote].fingerprint) == std::string::npos)
    return;
  if (end->initiator != (signal.kind == SignalKind::answer)) return fault(h, "sets a description of the wrong kind");
  end->remote = static_cast<u32>(remote);
  if (end->initiator) return rtc_connect(end->number, *end->remote);
  rtc_describe(end->number, SignalKind::answer);
}

void World::rtc_connect(u32 initiator, u32 responder) {
  RtcEnd &a = rtc_[initiator], &b = rtc_[responder];
  if (b.gone || b.pipe || b.remote != initiator) return;
  auto pair = std::minmax(a.host, b.host);
  if (met_.insert(pair).second && prng.chance(weather.no_rtc)) forbidden_.insert(pair);
  if (forbidden_.contains(pair)) return;  // their networks never let them meet
  after(3 * latency(), [this, initiator, responder] {
    RtcEnd &i = rtc_[initiator], &r = rtc_[responder];
    Host &x = *hosts_[i.host], &y = *hosts_[r.host];
    if (i.gone || r.gone || i.pipe || r.pipe || x.life != i.life || y.life != r.life || !reachable(x, y)) return;
    u32 pipe = make_pipe(LinkKind::datachannel, x, y);
    i.pipe = r.pipe = pipe;
    ++counts.rtc;
    post(x, i.life, LinkOpened{link_of(pipe, 0), LinkKind::datachannel, true, {}, i.attempt, {}});
    post(y, r.life, LinkOpened{link_of(pipe, 1), LinkKind::datachannel, false, {}, r.attempt, {}});
  });
}

void World::rtc_close(Host& h, u32 attempt) {
  RtcEnd* end = find_rtc(h, attempt);
  if (!end) return;
  end->gone = true;
  if (end->pipe) end_pipe(*end->pipe, 0, pipes_[*end->pipe].latency);
}

}  // namespace perdure::sim
