#include "session/session.hpp"

#include <algorithm>
#include <utility>

#include "base/assert.hpp"
#include "codec/bytes.hpp"

namespace perdure::session {

namespace {

constexpr u8 payload_version = 1;
constexpr std::size_t payload_size = 1 + DeviceId::size + Signature::size + greeting_size;
// Handshake messages have one size each, so that nobody has anything to say in them.
constexpr std::size_t message_sizes[] = {32, 32 + 48 + payload_size + noise::tag_size,
                                         48 + payload_size + noise::tag_size};
constexpr std::size_t message_slack = 64;                 // of who counts the marker and the seal beside the piece
constexpr std::size_t piece_extra = 1 + noise::tag_size;  // marker and seal: a whole message is no longer than a piece
constexpr u64 rekey_every = 65'536;                       // messages, per direction

Bytes signed_key(const NetworkId& network, ByteView static_key) {
  codec::Writer w;
  w.raw(view("perdure/noise/1")).fixed(network).raw(static_key);
  return std::move(w).take();
}

Bytes prologue(const NetworkId& network, LinkKind kind, ByteView binding) {
  codec::Writer w;
  w.raw(view("perdure/session/1")).fixed(network).u8(static_cast<u8>(kind)).raw(binding);
  return std::move(w).take();
}

noise::Handshake begin(const NetworkId& network, const StaticKey& key, crypto::Random& random,
                       const Session::Options& options) {
  noise::Key ephemeral;
  random.fill(ephemeral);
  return {options.dialler,
          prologue(network, options.kind, options.binding),
          {key.secret, key.pub},
          noise::key_pair(ephemeral)};
}

void count(noise::CipherState& cipher) {
  if (cipher.count() % rekey_every == 0) cipher.rekey();
}

}  // namespace

StaticKey make_static_key(const identity::Identity& identity, crypto::Random& random) {
  noise::Key secret;
  random.fill(secret);
  noise::KeyPair pair = noise::key_pair(secret);
  return {pair.secret, pair.pub, crypto::sign(identity.key(), {signed_key(identity.network(), pair.pub)})};
}

Session::Session(const identity::Identity& identity, const StaticKey& key, crypto::Random& random, Options options)
    : options_(std::move(options)),
      own_(identity.id()),
      network_(identity.network()),
      signature_(key.signature),
      handshake_(begin(identity.network(), key, random, options_)) {}

bool Session::established() const { return established_ && fault_ == Fault::none; }
const DeviceId& Session::peer() const { return peer_; }
const Hash& Session::handshake_hash() const { return handshake_hash_; }
bool Session::dialler() const { return options_.dialler; }
LinkKind Session::kind() const { return options_.kind; }

std::vector<Bytes> Session::start() {
  if (!options_.dialler) return {};
  PERDURE_ASSERT(handshake_ && handshake_->our_turn());
  auto first = handshake_->write({});
  return {std::move(*first)};
}

Session::Input Session::on_bytes(ByteView message) {
  if (fault_ != Fault::none) return end(fault_);
  return established_ ? read_piece(message) : read_handshake(message);
}

// ---- handshake ---------------------------------------------------------------------------------------------------------

Session::Input Session::read_handshake(ByteView message) {
  if (handshake_->our_turn()) return end(Fault::bad_handshake);  // somebody speaks before us
  int step = handshake_->step();
  if (message.size() != message_sizes[step]) return end(Fault::bad_handshake);
  auto payload = handshake_->read(message);
  if (!payload) return end(Fault::bad_handshake);
  if (step > 0)
    if (Fault fault = check_peer(*payload); fault != Fault::none) return end(fault);
  Input in;
  if (!handshake_->done()) {
    auto answer = shake();
    if (!answer) return end(Fault::bad_handshake);
    in.to_send.push_back(std::move(*answer));
  }
  if (handshake_->done()) finish();
  return in;
}

std::optional<Bytes> Session::shake() {
  codec::Writer w;
  PERDURE_ASSERT(options_.greeting.size() == greeting_size);
  w.u8(payload_version).fixed(own_).fixed(signature_).raw(options_.greeting);
  return handshake_->write(w.peek());
}

Fault Session::check_peer(ByteView payload) {
  codec::Reader r(payload);
  u8 version = r.u8();
  peer_ = r.fixed<DeviceId>();
  Signature signature = r.fixed<Signature>();
  greeting_ = own(r.raw(greeting_size));
  if (!r.done() || version != payload_version) return Fault::bad_handshake;
  if (peer_ == own_) return Fault::own_key;
  // The prologue has the network already: a key that was signed for another one, or by another device, is what is left.
  if (!crypto::verify(peer_.view(), {signed_key(network_, handshake_->remote_static())}, signature))
    return Fault::other_network;
  return Fault::none;
}

void Session::finish() {
  auto [sending, receiving] = handshake_->split();
  sending_ = sending;
  receiving_ = receiving;
  handshake_hash_ = Hash::from(handshake_->hash());  // 32 of Noise's 64 bytes
  peer_key_ = handshake_->remote_static();
  handshake_.reset();
  established_ = true;
}

// ---- frames ------------------------------------------------------------------------------------------------------------

// A DataChannel is sealed by DTLS already, if it is the one that the binding names.
bool Session::sealed() const { return options_.kind != LinkKind::datachannel || options_.binding.empty(); }

std::vector<Bytes> Session::send(ByteView frame) {
  PERDURE_ASSERT(established() && frame.size() <= frame_max);
  std::vector<Bytes> out;
  do {
    ByteView chunk = frame.first(std::min(frame.size(), piece_ - piece_extra));
    frame = frame.subspan(chunk.size());
    Bytes piece;
    piece.reserve(1 + chunk.size());
    piece.push_back(frame.empty() ? 0 : 1);
    piece.insert(piece.end(), chunk.begin(), chunk.end());
    if (sealed()) {
      piece = sending_.encrypt({}, piece);
      count(sending_);
    }
    out.push_back(std::move(piece));
  } while (!frame.empty());
  return out;
}

void Session::send_pieces_of(u64 bytes) {
  if (options_.kind != LinkKind::relayed)
    piece_ = static_cast<std::size_t>(std::clamp<u64>(bytes, piece_min, piece_max));
}

Session::Input Session::read_piece(ByteView message) {
  const std::size_t longest = options_.kind == LinkKind::relayed ? piece_min : piece_max;
  if (message.size() > longest + message_slack) return end(Fault::bad_piece);
  std::optional<Bytes> opened;
  if (sealed()) {
    opened = receiving_.decrypt({}, message);
    if (!opened) return end(Fault::bad_seal);
    count(receiving_);
    message = *opened;
  }
  if (message.empty() || message[0] > 1) return end(Fault::bad_piece);
  bool more = message[0] == 1;
  ByteView chunk = message.subspan(1);
  // Pieces that bring nothing could go on for ever.
  if (chunk.size() > longest || (more && chunk.empty())) return end(Fault::bad_piece);
  if (unfinished_.size() + chunk.size() > frame_max) return end(Fault::too_long);
  unfinished_.insert(unfinished_.end(), chunk.begin(), chunk.end());
  Input in;
  if (!more) in.frames.push_back(std::exchange(unfinished_, {}));
  return in;
}

Session::Input Session::end(Fault fault) {
  fault_ = fault;
  unfinished_ = {};
  Input in;
  in.fault = fault;
  return in;
}

}  // namespace perdure::session
