#include "peers/proof.hpp"

#include "codec/bytes.hpp"
#include "crypto/hash.hpp"
#include "crypto/seal.hpp"

namespace perdure::peers {

namespace {

constexpr std::size_t sealed_size = (shown_macs - 1) * sizeof(wire::Mac);
constexpr std::size_t plain_size = sealed_size - crypto::seal_overhead;  // u8 length | Hello | zeros
static_assert(plain_size <= 256);

// One key for each session, direction and alias, which seals once.
Seed key_of(const TopicProof& s, u32 alias) {
  codec::Writer number;
  number.be32(alias);
  Seed key;
  crypto::blake2b_into(key.bytes, s.keys.match_key.view(),
                       {view("perdure/hello/1"), s.session.view(), s.from.view(), s.to.view(), number.peek()});
  return key;
}

}  // namespace

wire::Mac topic_mac(const TopicProof& s) {
  wire::Mac mac;
  crypto::blake2b_into(mac, s.keys.match_key.view(),
                       {view("perdure/match/1"), s.session.view(), s.from.view(), s.to.view()});
  return mac;
}

std::size_t Expected::update(const std::map<store::TopicNo, TopicProof>& open) {
  std::erase_if(macs_, [&](const auto& known) {
    if (open.contains(known.first)) return false;
    topics_.erase(known.second);
    return true;
  });
  std::size_t made = 0;
  for (const auto& [no, showing] : open) {
    auto [mac, fresh] = macs_.try_emplace(no);
    if (!fresh) continue;
    mac->second = topic_mac(showing);
    topics_.emplace(mac->second, no);
    ++made;
  }
  return made;
}

std::optional<store::TopicNo> Expected::find(const wire::Mac& mac) const {
  auto found = topics_.find(mac);
  if (found == topics_.end()) return std::nullopt;
  return found->second;
}

bool pad(const TopicProof& s, u32 alias, const std::optional<wire::Hello>& hello, crypto::Random& random,
         std::vector<wire::Mac>& macs) {
  Bytes plain = hello ? wire::encode_body(*hello) : Bytes{};
  const bool fits = hello && plain.size() < plain_size;
  Bytes padding(sealed_size);
  if (fits) {
    plain.insert(plain.begin(), static_cast<u8>(plain.size()));
    plain.resize(plain_size);
    padding = crypto::seal(key_of(s, alias), {}, {}, plain);
  } else {
    random.fill(padding);
  }
  for (std::size_t at = 0; at < sealed_size; at += sizeof(wire::Mac))
    std::copy_n(padding.data() + at, sizeof(wire::Mac), macs.emplace_back().begin());
  return fits;
}

std::optional<wire::Hello> hello_in(const TopicProof& s, const ShownTopic& shown) {
  if (shown.padding.size() != shown_macs - 1) return std::nullopt;
  Bytes sealed;
  for (const wire::Mac& part : shown.padding) sealed.insert(sealed.end(), part.begin(), part.end());
  auto plain = crypto::unseal(key_of(s, shown.alias), {}, {}, sealed);
  if (!plain || (*plain)[0] >= plain_size) return std::nullopt;
  return wire::decode_body<wire::Hello>(ByteView(*plain).subspan(1, (*plain)[0]));
}

}  // namespace perdure::peers
