#include "peers/signal.hpp"

#include <algorithm>

#include "codec/bytes.hpp"
#include "crypto/hash.hpp"
#include "crypto/seal.hpp"

namespace perdure::peers {

namespace {

constexpr std::size_t text_max = 5600;

Bytes statement(const NetworkId& network, const DeviceId& from, const DeviceId& to, ByteView content) {
  codec::Writer w;
  w.raw(view("perdure/signal/1")).fixed(network).fixed(from).fixed(to).raw(content);
  return std::move(w).take();
}

std::optional<u8> hex(char c) {
  if (c >= '0' && c <= '9') return static_cast<u8>(c - '0');
  if (c >= 'a' && c <= 'f') return static_cast<u8>(c - 'a' + 10);
  if (c >= 'A' && c <= 'F') return static_cast<u8>(c - 'A' + 10);
  return std::nullopt;
}

}  // namespace

wire::Mac signal_proof(const identity::TopicKeys& keys, const DeviceId& from, const DeviceId& to, const Nonce& nonce) {
  wire::Mac mac;
  crypto::blake2b_into(mac, keys.match_key.view(), {view("perdure/signal/1"), from.view(), to.view(), nonce});
  return mac;
}

std::optional<wire::Signal> seal_signal(const identity::Identity& self, const DeviceId& to,
                                        const identity::TopicKeys& shared, const SignalText& text,
                                        crypto::Random& random) {
  if (text.text.size() > text_max) return std::nullopt;
  codec::Writer w;
  w.raw(text.nonce)
      .u8(static_cast<u8>(text.kind))
      .raw(signal_proof(shared, self.id(), to, text.nonce))
      .bytes(std::string_view(text.text));
  Signature signature = crypto::sign(self.key(), {statement(self.network(), self.id(), to, w.peek())});
  w.fixed(signature);
  auto sealed = crypto::seal_to(to, w.peek(), random);
  if (!sealed) return std::nullopt;
  return wire::Signal{self.id(), to, std::move(*sealed)};
}

std::optional<OpenedSignal> open_signal(const identity::Identity& self, const wire::Signal& signal) {
  if (signal.to != self.id()) return std::nullopt;
  auto plain = crypto::unseal_from(self.key(), signal.sealed);
  if (!plain || plain->size() < Signature::size) return std::nullopt;
  ByteView content = ByteView(*plain).first(plain->size() - Signature::size);
  Signature signature = Signature::from(ByteView(*plain).last(Signature::size));
  if (!crypto::verify(signal.from.view(), {statement(self.network(), signal.from, signal.to, content)}, signature))
    return std::nullopt;
  codec::Reader r(content);
  OpenedSignal out;
  ByteView nonce = r.raw(16);
  if (nonce.size() == 16) std::copy(nonce.begin(), nonce.end(), out.text.nonce.begin());
  u8 kind = r.u8();
  ByteView proof = r.raw(16);
  if (proof.size() == 16) std::copy(proof.begin(), proof.end(), out.proof.begin());
  out.text.text = std::string(text(r.bytes(text_max)));
  if (!r.done() || kind < 1 || kind > 3) return std::nullopt;
  out.text.kind = static_cast<SignalKind>(kind);
  return out;
}

std::optional<std::array<u8, 32>> fingerprint_of(std::string_view description) {
  constexpr std::string_view label = "a=fingerprint:";
  std::optional<std::array<u8, 32>> found;
  for (std::size_t at = description.find(label); at != description.npos; at = description.find(label, at)) {
    at += label.size();
    constexpr std::string_view hash = "sha-256 ";
    if (description.substr(at, hash.size()) != hash) return std::nullopt;
    at += hash.size();
    std::array<u8, 32> bytes{};
    for (std::size_t i = 0; i < 32; ++i, at += 2) {
      if (i > 0 && (at >= description.size() || description[at++] != ':')) return std::nullopt;
      auto high = at < description.size() ? hex(description[at]) : std::nullopt;
      auto low = at + 1 < description.size() ? hex(description[at + 1]) : std::nullopt;
      if (!high || !low) return std::nullopt;
      bytes[i] = static_cast<u8>(*high << 4 | *low);
    }
    if (found && *found != bytes) return std::nullopt;
    found = bytes;
  }
  return found;
}

Bytes binding_of(const std::array<u8, 32>& a, const std::array<u8, 32>& b) {
  const auto& [low, high] = std::minmax(a, b);
  Bytes out(low.begin(), low.end());
  out.insert(out.end(), high.begin(), high.end());
  return out;
}

Hash affinity(const DeviceId& a, const DeviceId& b) {
  const auto& [low, high] = std::minmax(a, b);
  return crypto::blake2b({view("perdure/affinity/1"), low.view(), high.view()});
}

}  // namespace perdure::peers
