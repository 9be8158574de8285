#include "identity/invite.hpp"

#include <algorithm>

#include "catch_amalgamated.hpp"
#include "crypto/hash.hpp"
#include "crypto/random.hpp"
#include "identity/identity.hpp"

using namespace perdure;
using namespace perdure::identity;

namespace {

const NetworkId here = network_id("chat");

Invite sample(std::vector<std::string> anchors = {"wss://anchor.example/perdure"}) {
  Invite invite;
  std::copy_n(here.bytes.begin(), 4, invite.network_tag.begin());
  invite.secret = Secret::from(Bytes(32, 0xa7));
  invite.anchors = std::move(anchors);
  return invite;
}

bool same(const Result<Invite>& a, const Invite& b) {
  return a && a->network_tag == b.network_tag && a->secret == b.secret && a->anchors == b.anchors;
}

std::string why(std::string_view text) {
  auto invite = decode_invite(text, here);
  if (invite) return "it is good";
  CHECK(invite.error().code == Code::bad_invite);
  return invite.error().text;
}
bool says(const std::string& text, std::string_view word) { return text.find(word) != text.npos; }

const std::string symbols = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

// An invite with the given bytes before the checksum.
std::string forge(Bytes body) {
  Hash h = crypto::blake2b({body});
  body.insert(body.end(), h.bytes.begin(), h.bytes.begin() + 4);
  std::string out = "perdure-";
  for (std::size_t bit = 0; bit < 8 * body.size(); bit += 6) {
    u32 v = 0;
    for (std::size_t b = bit; b < bit + 6; ++b) v = v << 1 | (b < 8 * body.size() ? body[b / 8] >> (7 - b % 8) & 1 : 0);
    out += symbols[v];
  }
  return out;
}

Bytes body(u8 version, u8 count, std::string_view tail = {}) {
  Bytes b{version};
  b.insert(b.end(), here.bytes.begin(), here.bytes.begin() + 4);
  b.insert(b.end(), 32, 0xa7);
  b.push_back(count);
  b.insert(b.end(), tail.begin(), tail.end());
  return b;
}

}  // namespace

TEST_CASE("an invite comes back as it went out, with no anchor and with three") {
  const std::string longest = "wss://" + std::string(194, 'a');
  for (const Invite& invite :
       {sample({}), sample(), sample({"ws://a", "wss://b", longest}), sample({longest, longest, longest})}) {
    std::string text = encode_invite(invite);
    CHECK(text.starts_with("perdure-"));
    CHECK(text.find_first_not_of(symbols) == text.npos);
    CHECK(same(decode_invite(text, here), invite));
  }
}

TEST_CASE("an anchor that does not fit is left out of the invite") {
  Invite invite = sample(
      {"https://a", "wss://" + std::string(195, 'a'), "wss://a b", "wss://1", "wss://2", "wss://3", "wss://4"});
  auto decoded = decode_invite(encode_invite(invite), here);
  REQUIRE(decoded);
  CHECK(decoded->anchors == std::vector<std::string>{"wss://1", "wss://2", "wss://3"});
}

TEST_CASE("an invite is found in a link, in a fragment and in a sentence") {
  Invite invite = sample();
  std::string text = encode_invite(invite);
  CHECK(same(decode_invite("https://a.example/#" + text, here), invite));
  CHECK(same(decode_invite("#" + text, here), invite));
  CHECK(same(decode_invite(" \n\t" + text + " \r\n", here), invite));
  CHECK(same(decode_invite("Join us: " + text + ". See you!", here), invite));
  CHECK(same(decode_invite("https://perdure-chat.example/perdure-/#" + text + "&x=1", here), invite));
  CHECK(same(decode_invite("<" + text + ">", here), invite));
}

TEST_CASE("a text without an invite is told what to look for") {
  for (const char* text : {"", " ", "hello", "https://a.example/", "perdure", "PERDURE-"})
    CHECK(why(text) == "This holds no invite. Invites begin with \"perdure-\": copy the whole invite or link.");
}

TEST_CASE("an invite cut anywhere is said to be cut") {
  std::string text = encode_invite(sample({"wss://one.example", "wss://two.example"}));
  for (std::size_t n = 8; n < text.size(); ++n) CHECK(says(why(text.substr(0, n)), "cut"));
  CHECK(why("https://perdure-chat.example/#" + text.substr(0, 60)) ==
        "The invite is cut short. Copy all of it, to its last letter.");
}

TEST_CASE("an invite with any letter changed is refused") {
  std::string text = encode_invite(sample());
  for (std::size_t i = 8; i < text.size(); ++i)
    for (char c : symbols) {
      if (c == text[i]) continue;
      std::string bent = text;
      bent[i] = c;
      CHECK_FALSE(decode_invite(bent, here));
    }
  std::string bent = text;
  bent[20] = bent[20] == 'A' ? 'B' : 'A';
  CHECK(why(bent) == "The invite has a mistake in it. Copy it again, or ask for a new one.");
  CHECK(says(why(text + "A"), "mistake"));
  CHECK(says(why(text + "AAAAAAAA"), "mistake"));
  CHECK(says(why("perdure-" + std::string(5000, 'A')), "mistake"));
}

TEST_CASE("an invite of a newer version says to update") {
  CHECK(why(forge(body(2, 0))) ==
        "The invite is from a newer version of this app. Update the app, then open the invite again.");
  CHECK(says(why(forge({9, 1, 2, 3})), "newer version"));
  CHECK(why(forge(body(1, 0))) == "it is good");
}

TEST_CASE("an invite of another app is not taken for ours") {
  std::string text = encode_invite(sample());
  auto invite = decode_invite(text, network_id("notes"));
  REQUIRE_FALSE(invite);
  CHECK(invite.error().code == Code::bad_invite);
  CHECK(invite.error().text == "The invite is for another app. Open it in the app it was made with.");
}

TEST_CASE("an invite that breaks the form is refused though its checksum holds") {
  CHECK_FALSE(decode_invite(forge(body(1, 0, "x")), here));
  CHECK_FALSE(decode_invite(forge(body(1, 1)), here));
  CHECK_FALSE(decode_invite(forge(body(1, 1, "\x05http:")), here));
  CHECK_FALSE(decode_invite(forge(body(1, 1, "\x07wss://\n")), here));
  CHECK_FALSE(decode_invite(forge(body(1, 4, "\x06wss://\x06wss://\x06wss://\x06wss://")), here));
  CHECK_FALSE(decode_invite(forge(body(1, 255)), here));
  CHECK_FALSE(decode_invite(forge(body(1, 1, "\xc9\x01" + ("wss://" + std::string(195, 'a')))), here));
  CHECK(decode_invite(forge(body(1, 1, "\xc8\x01" + ("wss://" + std::string(194, 'a')))), here));
}

TEST_CASE("whatever is pasted, decoding ends with an invite or a reason") {
  crypto::Random random{Seed{}};
  std::string text = encode_invite(sample());
  for (int i = 0; i < 2000; ++i) {
    std::string bent = text;
    for (u64 n = random.below(4) + 1; n > 0; --n) {
      std::size_t at = random.below(bent.size());
      switch (random.below(3)) {
        case 0: bent[at] = static_cast<char>(random.below(256)); break;
        case 1: bent.erase(at, random.below(9)); break;
        default: bent.insert(at, bent.substr(random.below(bent.size()), random.below(20)));
      }
      if (bent.empty()) bent = "x";
    }
    auto invite = decode_invite(bent, here);
    if (invite) CHECK(invite->secret == sample().secret);
  }
}

// ---- shortcodes --------------------------------------------------------------------------------------------------------

TEST_CASE("a shortcode comes back from what people make of it") {
  CHECK(encode_shortcode(0) == "0000-0000-0000-0");
  CHECK(encode_shortcode((u64{1} << 60) - 1) == encode_shortcode(~u64{0}));
  CHECK(encode_shortcode(1) == "0000-0000-0001-1");
  CHECK(encode_shortcode(36) == "0000-0000-0014-U");
  CHECK(*normalize_shortcode("0000-0000-0014-u") == "000000000014U");
  CHECK(*normalize_shortcode(" oooo OOoo\t0oi4 U\n") == "000000000014U");
  CHECK(*normalize_shortcode("0-0-0-0-0-0-0-0-0-0-l-4-U") == "000000000014U");
  CHECK(*normalize_shortcode("00000000000L1") == *normalize_shortcode("0000-0000-0001-1"));
}

TEST_CASE("every check symbol is read back") {
  for (u64 v = 0; v < 37; ++v) {
    std::string code = encode_shortcode(v);
    auto read = normalize_shortcode(code);
    REQUIRE(read);
    CHECK(read->size() == 13);
    CHECK(read->back() == code.back());
  }
}

TEST_CASE("one wrong character, or two that changed places, is noticed") {
  const std::string alphabet = "0123456789ABCDEFGHJKMNPQRSTVWXYZ*~$=U";
  crypto::Random random{Seed{}};
  for (int i = 0; i < 20; ++i) {
    std::string code = *normalize_shortcode(encode_shortcode(random.next()));
    for (std::size_t at = 0; at < code.size(); ++at) {
      for (char c : alphabet) {
        std::string bent = code;
        bent[at] = c;
        CHECK(static_cast<bool>(normalize_shortcode(bent)) == (c == code[at]));
      }
      if (at + 2 < code.size()) {
        std::string swapped = code;
        std::swap(swapped[at], swapped[at + 1]);
        CHECK(static_cast<bool>(normalize_shortcode(swapped)) == (swapped == code));
      }
    }
  }
}

TEST_CASE("a code says whether it is too short, too long, or no code at all") {
  auto error = [](std::string_view text) {
    auto code = normalize_shortcode(text);
    REQUIRE_FALSE(code);
    CHECK(code.error().code == Code::bad_invite);
    return code.error().text;
  };
  CHECK(error("") == "The code is too short: a code has 13 characters. Type all of it.");
  CHECK(says(error("0000-0000-0000"), "too short"));
  CHECK(error("0000-0000-0000-00") == "The code is too long: a code has 13 characters. Type it again.");
  CHECK(error("0000-0000-0000-1") == "The code has a mistake in it. Compare each character and type it again.");
  CHECK(error("0000-0000-00!0-1") ==
        "The code has a character that no code has. Codes are made of digits and letters without I, L, O and U.");
  CHECK(says(error("U000-0000-0000-0"), "character"));
  CHECK(says(error("\xc3\xa9"), "character"));
  CHECK(says(error(std::string(100'000, '0')), "too long"));
}

TEST_CASE("a code is the same secret for all who type it, and another one in another app") {
  auto secret = secret_of_shortcode("0000-0000-0014-U", here);
  REQUIRE(secret);
  CHECK(*secret == *secret_of_shortcode("oooo oooo oo i4 u", here));
  CHECK(*secret != *secret_of_shortcode("0000-0000-0014-U", network_id("notes")));
  CHECK(*secret != *secret_of_shortcode("0000-0000-0001-1", here));
  auto wrong = secret_of_shortcode("0000-0000-0014-0", here);
  REQUIRE_FALSE(wrong);
  CHECK(wrong.error().code == Code::bad_invite);
}
