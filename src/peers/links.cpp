#include "peers/links.hpp"

#include "codec/bytes.hpp"

namespace perdure::peers {

namespace {
Bytes enter_statement(const Hash& session, const DeviceId& member) {
  codec::Writer w;
  w.raw(view("perdure/enter/1")).fixed(session).fixed(member);
  return std::move(w).take();
}
}  // namespace

Signature enter_signature(const identity::TopicKeys& keys, const Hash& session, const DeviceId& self) {
  return crypto::sign(keys.topic_key, {enter_statement(session, self)});
}

bool may_enter(const TopicId& topic, const Hash& session, const DeviceId& peer, const Signature& signature) {
  return crypto::verify(topic.view(), {enter_statement(session, peer)}, signature);
}

std::string host_of(std::string_view url) {
  std::size_t from = url.find("://");
  url.remove_prefix(from == url.npos ? 0 : from + 3);
  url = url.substr(0, url.find_first_of("/?#"));
  if (std::size_t at = url.rfind('@'); at != url.npos) url.remove_prefix(at + 1);
  std::size_t end = url.starts_with('[') ? url.find(']') : url.find(':');
  if (url.starts_with('[') && end != url.npos) ++end;
  return std::string(url.substr(0, end));
}

int rank(LinkKind kind) {
  switch (kind) {
    case LinkKind::datachannel: return 4;
    case LinkKind::websocket: return 3;
    case LinkKind::local: return 2;
    case LinkKind::relayed: return 1;
  }
  return 0;
}

}  // namespace perdure::peers
