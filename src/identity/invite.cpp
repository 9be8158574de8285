#include "identity/invite.hpp"

#include <algorithm>
#include <optional>

#include "codec/bytes.hpp"
#include "crypto/hash.hpp"
#include "crypto/stretch.hpp"

namespace perdure::identity {

namespace {

constexpr std::string_view prefix = "perdure-";
constexpr u8 version = 1;
constexpr std::size_t checksum_size = 4;
constexpr std::size_t anchors_max = 3;
constexpr std::size_t anchor_max = 200;
constexpr std::size_t invite_max = 1 + 4 + Secret::size + 1 + anchors_max * (2 + anchor_max) + checksum_size;
constexpr std::size_t symbols_max = (invite_max * 4 + 2) / 3;

constexpr std::string_view base64url = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

Error bad(std::string text) { return {Code::bad_invite, std::move(text)}; }
Error not_an_invite() {
  return bad("This holds no invite. Invites begin with \"perdure-\": copy the whole invite or link.");
}
Error cut() { return bad("The invite is cut short. Copy all of it, to its last letter."); }
Error mistyped() { return bad("The invite has a mistake in it. Copy it again, or ask for a new one."); }
Error newer() {
  return bad("The invite is from a newer version of this app. Update the app, then open the invite again.");
}
Error other_network() { return bad("The invite is for another app. Open it in the app it was made with."); }

std::string to_base64(ByteView in) {
  std::string out;
  u32 bits = 0;
  int held = 0;
  for (u8 b : in) {
    bits = bits << 8 | b;
    for (held += 8; held >= 6; held -= 6) out += base64url[bits >> (held - 6) & 63];
  }
  if (held > 0) out += base64url[bits << (6 - held) & 63];
  return out;
}

struct Decoded {
  Bytes bytes;
  bool whole = false;  // exactly what to_base64 makes of them
};
Decoded from_base64(std::string_view in) {
  Decoded out;
  u32 bits = 0;
  int held = 0;
  for (char c : in) {
    bits = (bits << 6 | static_cast<u32>(base64url.find(c))) & 0xffff;
    held += 6;
    if (held >= 8) {
      held -= 8;
      out.bytes.push_back(static_cast<u8>(bits >> held));
    }
  }
  out.whole = held < 6 && (bits & ((1u << held) - 1)) == 0;
  return out;
}

bool is_anchor(std::string_view url) {
  auto printable = [](char c) { return c > ' ' && c < '\x7f'; };
  return url.size() <= anchor_max && (url.starts_with("ws://") || url.starts_with("wss://")) &&
         std::all_of(url.begin(), url.end(), printable);
}

std::array<u8, checksum_size> checksum(ByteView of) {
  Hash h = crypto::blake2b({of});
  return {h.bytes[0], h.bytes[1], h.bytes[2], h.bytes[3]};
}

bool checksum_holds(ByteView in) {
  ByteView body = in.first(in.size() - checksum_size);
  ByteView sum = in.last(checksum_size);
  auto expected = checksum(body);
  return std::equal(sum.begin(), sum.end(), expected.begin());
}

// `symbols`: what follows the prefix.
Result<Invite> decode_symbols(std::string_view symbols, const NetworkId* expect) {
  Decoded decoded = from_base64(symbols);
  ByteView in = decoded.bytes;
  if (in.size() <= checksum_size) return cut();
  bool intact = decoded.whole && checksum_holds(in);
  // The checksum stands at the end in every version.
  if (in[0] != version) return intact ? newer() : mistyped();

  codec::Reader r(in);
  Invite invite;
  r.u8();
  ByteView tag = r.raw(invite.network_tag.size());
  invite.secret = r.fixed<Secret>();
  u8 count = r.u8();
  // A mistake in a length would look like a cut: whether it is one, the end tells.
  for (u8 i = 0; i < count && i < anchors_max && r.ok(); ++i) invite.anchors.emplace_back(text(r.bytes(anchor_max)));
  if (!r.ok() || r.left() < checksum_size) return cut();
  if (!intact || r.left() > checksum_size || count > anchors_max) return mistyped();
  if (!std::all_of(invite.anchors.begin(), invite.anchors.end(), is_anchor)) return mistyped();
  std::copy(tag.begin(), tag.end(), invite.network_tag.begin());
  if (expect && !std::equal(tag.begin(), tag.end(), expect->bytes.begin())) return other_network();
  return invite;
}

// The prefix may stand in the address of the page, too: the first invite that is one counts. If none is, what is said of the longest
// is meant.
Result<Invite> find_invite(std::string_view text, const NetworkId* expect) {
  std::optional<Error> error;
  std::size_t longest = 0;
  for (std::size_t at = text.find(prefix); at != text.npos; at = text.find(prefix, at + 1)) {
    std::string_view symbols = text.substr(at + prefix.size(), symbols_max + 1);
    symbols = symbols.substr(0, symbols.find_first_not_of(base64url));
    auto invite = decode_symbols(symbols, expect);
    if (invite) return invite;
    if (error && symbols.size() <= longest) continue;
    error = invite.error();
    longest = symbols.size();
  }
  return error ? *error : not_an_invite();
}

}  // namespace

// An address that does not fit is left out: an invite works without any.
std::string encode_invite(const Invite& invite) {
  std::vector<std::string_view> anchors;
  for (const std::string& url : invite.anchors)
    if (is_anchor(url) && anchors.size() < anchors_max) anchors.push_back(url);
  codec::Writer w;
  w.u8(version).raw(invite.network_tag).fixed(invite.secret).u8(static_cast<u8>(anchors.size()));
  for (std::string_view url : anchors) w.bytes(url);
  w.raw(checksum(w.peek()));
  return std::string(prefix) + to_base64(w.peek());
}

Result<Invite> decode_invite(std::string_view text, const NetworkId& expect) { return find_invite(text, &expect); }
Result<Invite> decode_invite(std::string_view text) { return find_invite(text, nullptr); }

// ---- shortcodes --------------------------------------------------------------------------------------------------------

namespace {

// Crockford's base 32; the last five are for the check symbol alone.
constexpr std::string_view crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ*~$=U";
constexpr std::size_t code_size = 12;
static_assert(crockford.size() == 37);

char check_symbol(u64 value) { return crockford[value % crockford.size()]; }

char forgiven(char c) {
  if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  if (c == 'O') return '0';
  if (c == 'I' || c == 'L') return '1';
  return c;
}

}  // namespace

std::string encode_shortcode(u64 random60) {
  u64 value = random60 & ((u64{1} << 60) - 1);
  std::string out;
  for (std::size_t i = 0; i < code_size; ++i) {
    if (i > 0 && i % 4 == 0) out += '-';
    out += crockford[value >> (5 * (code_size - 1 - i)) & 31];
  }
  return out + '-' + check_symbol(value);
}

Result<std::string> normalize_shortcode(std::string_view text) {
  std::string code;
  for (char c : text) {
    if (c == '-' || c == ' ' || c == '\t' || c == '\r' || c == '\n') continue;
    code += forgiven(c);
    std::size_t symbol = crockford.find(code.back());
    if (symbol == crockford.npos || (symbol >= 32 && code.size() <= code_size))
      return bad(
          "The code has a character that no code has. Codes are made of digits and letters without I, L, O and U.");
    if (code.size() > code_size + 1) return bad("The code is too long: a code has 13 characters. Type it again.");
  }
  if (code.size() <= code_size) return bad("The code is too short: a code has 13 characters. Type all of it.");
  u64 value = 0;
  for (std::size_t i = 0; i < code_size; ++i) value = value << 5 | crockford.find(code[i]);
  if (check_symbol(value) != code.back())
    return bad("The code has a mistake in it. Compare each character and type it again.");
  return code;
}

Result<Secret> secret_of_shortcode(std::string_view text, const NetworkId& network) {
  auto code = normalize_shortcode(text);
  if (!code) return code.error();
  auto secret = crypto::stretch(view(std::string_view(*code).substr(0, code_size)), network.view());
  if (!secret)
    return Error{Code::wasm_failed,
                 "There is not enough memory to open a code: 32 MiB are needed. Close other tabs and try again."};
  return *secret;
}

}  // namespace perdure::identity
