// Invites: "perdure-" and base64url of { version, network tag, secret, up to 3 anchor addresses, checksum }.
// Shortcodes: 12 Crockford base-32 symbols and a check symbol.
#pragma once

#include <perdure/result.hpp>
#include <perdure/types.hpp>

#include <vector>

namespace perdure::identity {

struct Invite {
  std::array<u8, 4> network_tag{};  // first bytes of the network id
  Secret secret;
  std::vector<std::string> anchors;  // at most 3, each at most 200 bytes, ws:// or wss://
};

std::string encode_invite(const Invite&);
// Takes the invite itself, or any text that holds one ("https://a.example/#perdure-…", "#perdure-…"); white space around it is
// ignored. bad_invite says whether it is cut, mistyped, of a newer version, or of another network than `expect`.
Result<Invite> decode_invite(std::string_view text, const NetworkId& expect);
Result<Invite> decode_invite(std::string_view text);  // of whatever network

// 60 bits from `random60` (lowest 60 bits), with the check symbol (mod 37), in groups: "7K3M-9QXR-2ABC-V".
std::string encode_shortcode(u64 random60);
// Forgiving as Crockford is: case, hyphens and spaces do not matter, O is 0, I and L are 1. A wrong check symbol is bad_invite.
Result<std::string> normalize_shortcode(std::string_view text);  // 12 symbols and the check symbol, no hyphens
// Argon2id of the 12 symbols, salted with the network; bad_invite if the code is mistyped.
Result<Secret> secret_of_shortcode(std::string_view text, const NetworkId&);

}  // namespace perdure::identity
