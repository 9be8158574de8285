// A secure channel over a link: Noise_XX_25519_ChaChaPoly_BLAKE2b, then frames, whole and in order.
//
//     Session s(identity, random, {.dialler = true, .kind = LinkKind::websocket, .binding = {}});
//     for (Bytes& b : s.start()) link.send(b);
//     Session::Input in = s.on_bytes(bytes);          // what came of it: frames, bytes to send, or the end
//     if (s.established()) for (Bytes& b : s.send(frame)) link.send(b);
//
// The prologue binds network, wire version, kind of link and `binding` (over WebRTC both DTLS fingerprints). The payloads of messages 2 and 3 carry the
// device id and its signature over "perdure/noise/1" | network | static key, and a greeting of the layer above, which so is there as
// soon as the session stands. Until the handshake ends nothing else is read.
// On a fingerprint-bound DataChannel frames are not encrypted again; on all other links they are sealed with the
// session keys, rekeyed (Noise REKEY) every 65,536 messages. A frame longer than a piece travels in pieces; one unfinished
// frame per direction, at most frame_max bytes. A piece has 16 KiB, or up to 64 where the other side has said that it reads them.
#pragma once

#include <perdure/events.hpp>
#include <perdure/types.hpp>

#include <optional>
#include <vector>

#include "crypto/random.hpp"
#include "identity/identity.hpp"
#include "session/noise.hpp"

namespace perdure::session {

using perdure::LinkKind;

inline constexpr std::size_t piece_min = 16 * 1024;  // what everybody reads, and the longest that is relayed
// what is read on a direct link; sent to who has said that it reads it
inline constexpr std::size_t piece_max = 64 * 1024;
inline constexpr std::size_t frame_max = 352 * 1024;  // one op of 256 KiB, its sealing and its proof fit
inline constexpr std::size_t greeting_size = 14;

// Why a session ended; a number for logs and metrics, never sent.
enum class Fault : u8 { none = 0, bad_handshake, other_network, own_key, bad_seal, bad_piece, too_long };

struct StaticKey {  // fresh each start of the core
  std::array<u8, 32> secret{};
  std::array<u8, 32> pub{};
  Signature signature;  // by the device, over "perdure/noise/1" | network | pub
};
StaticKey make_static_key(const identity::Identity&, crypto::Random&);

class Session {
 public:
  struct Options {
    bool dialler = false;
    LinkKind kind = LinkKind::websocket;
    Bytes binding = {};
    Bytes greeting = Bytes(greeting_size);  // to the peer, of exactly that size
  };
  struct Input {
    std::vector<Bytes> frames;   // whole frames, oldest first
    std::vector<Bytes> to_send;  // handshake answers
    Fault fault = Fault::none;   // anything else: close the link, drop the session
  };

  Session(const identity::Identity&, const StaticKey&, crypto::Random&, Options);
  std::vector<Bytes> start();  // the dialler's first message; nothing for the other side
  Input on_bytes(ByteView);
  std::vector<Bytes> send(ByteView frame);  // only when established; frame is at most frame_max
  void send_pieces_of(u64 bytes);           // the peer reads pieces as long as that; nothing changes on a relayed link
  std::size_t unfinished() const { return unfinished_.size(); }  // bytes of a frame of which pieces are missing

  bool established() const;
  const DeviceId& peer() const;                    // known when established
  ByteView greeting() const { return greeting_; }  // theirs, known when established
  // their static key: another one, and they have started anew
  const std::array<u8, 32>& peer_key() const { return peer_key_; }
  const Hash& handshake_hash() const;  // the same on both sides, different for each session
  bool dialler() const;
  LinkKind kind() const;

 private:
  Input read_handshake(ByteView message);
  std::optional<Bytes> shake();  // our next handshake message; nothing if their key is of no use
  Fault check_peer(ByteView payload);
  void finish();
  bool sealed() const;
  Input read_piece(ByteView message);
  Input end(Fault);

  Options options_;
  DeviceId own_;
  NetworkId network_;
  Signature signature_;                        // over our static key
  std::optional<noise::Handshake> handshake_;  // until established
  noise::CipherState sending_, receiving_;
  bool established_ = false;
  Fault fault_ = Fault::none;  // for good, once there is one
  DeviceId peer_;
  Bytes greeting_;
  std::array<u8, 32> peer_key_{};
  Hash handshake_hash_;
  std::size_t piece_ = piece_min;  // that we send
  Bytes unfinished_;               // a frame of which pieces are missing
};

}  // namespace perdure::session
