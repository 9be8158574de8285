#include "wire/frames.hpp"

#include <set>

#include "catch_amalgamated.hpp"
#include "fuzz/samples.hpp"

using namespace perdure;
using namespace perdure::wire;

namespace {

template <class M>
std::optional<M> read(const Bytes& bytes) {
  auto frame = parse(bytes);
  return frame ? decode<M>(*frame) : std::nullopt;
}

}  // namespace

TEST_CASE("every message comes out of its bytes as it went in") {
  std::set<Tag> seen;
  fuzz::each_message([&]<class M>(const M& sample) {
    Bytes bytes = encode({300, 70'000}, sample);
    auto frame = parse(bytes);
    REQUIRE(frame);
    CHECK(frame->tag == M::tag);
    CHECK(frame->header.alias == 300);
    CHECK(frame->header.request == 70'000);
    auto message = decode<M>(*frame);
    REQUIRE(message);
    CHECK(encode(frame->header, *message) == bytes);
    seen.insert(M::tag);
  });
  for (int tag = 0; tag < 256; ++tag) CHECK(known(static_cast<Tag>(tag)) == seen.contains(static_cast<Tag>(tag)));
}

TEST_CASE("a message that is cut anywhere, or goes on, is no message") {
  fuzz::each_message([&]<class M>(const M& sample) {
    Bytes bytes = encode({1, 2}, sample);
    for (std::size_t size = 0; size < bytes.size(); ++size)
      CHECK_FALSE(read<M>({bytes.begin(), bytes.begin() + static_cast<std::ptrdiff_t>(size)}));
    bytes.push_back(0);
    CHECK_FALSE(read<M>(bytes));
  });
}

TEST_CASE("a message with any one bit flipped is another message or none, and never two readings of one") {
  fuzz::each_message([&]<class M>(const M& sample) {
    Bytes bytes = encode({1, 2}, sample);
    for (std::size_t bit = 0; bit < std::min<std::size_t>(bytes.size(), 120) * 8; ++bit) {
      Bytes bent = bytes;
      bent[bit / 8] ^= static_cast<u8>(1u << (bit % 8));
      auto frame = parse(bent);
      if (!frame || frame->tag != M::tag) continue;
      if (auto message = decode<M>(*frame)) CHECK(encode(frame->header, *message) == bent);
    }
  });
}

TEST_CASE("flags are zero in this version, and numbers have one form") {
  Bytes bytes = encode({1, 2}, Bye{});
  bytes[1] = 1;
  CHECK_FALSE(parse(bytes));
  CHECK_FALSE(parse(Bytes{4, 0, 0x81, 0x00, 0, 0}));                    // alias 1 in two bytes
  CHECK_FALSE(parse(Bytes{4, 0, 0xff, 0xff, 0xff, 0xff, 0x1f, 0, 0}));  // an alias of more than 32 bits
  CHECK_FALSE(parse(Bytes{}));
  CHECK_FALSE(parse(Bytes{4}));
}

TEST_CASE("a flag is 0 or 1") {
  Bytes bytes = encode({}, Introduce{{{DeviceId{}, true}}, {}});
  bytes[4 + 1 + DeviceId::size] = 2;  // rtc, behind how many there are and who
  CHECK_FALSE(read<Introduce>(bytes));
}

TEST_CASE("a list that claims more than there is, or more than it may, is refused before it is read") {
  Bytes claims{static_cast<u8>(Tag::items), 0, 1, 0, 0x80, 0x04};  // 512 items, and none of them there
  CHECK_FALSE(read<Items>(claims));
  claims = {static_cast<u8>(Tag::items), 0, 1, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01};
  CHECK_FALSE(read<Items>(claims));
  Hello hello;
  hello.items.resize(hello_items_max + 1);
  CHECK_FALSE(read<Hello>(encode({1, 0}, hello)));
  hello.items.resize(hello_items_max);
  CHECK(read<Hello>(encode({1, 0}, hello)));
}

TEST_CASE("bytes longer than they may be are refused") {
  fuzz::each_message([&]<class M>(const M& sample) {
    if constexpr (std::is_same_v<M, Signal> || std::is_same_v<M, Presence>) {
      M message = sample;
      std::size_t max = std::is_same_v<M, Signal> ? signal_max : presence_sealed_max;
      message.sealed.assign(max, 1);
      CHECK(read<M>(encode({}, message)));
      message.sealed.push_back(1);
      CHECK_FALSE(read<M>(encode({}, message)));
    }
  });
}

TEST_CASE("a page's log stands in its opening or in its tag, never in both") {
  for (bool opening : {true, false}) {
    auto page = read<Page>(encode({1, 0}, fuzz::sample_page(opening)));
    REQUIRE(page);
    CHECK(page->opening.has_value() == opening);
  }
  Page both = fuzz::sample_page(true);
  both.log = fuzz::filled<wire::LogTag>(9);
  auto page = read<Page>(encode({1, 0}, both));
  REQUIRE(page);
  CHECK(page->log == wire::LogTag{});
}

TEST_CASE("what is not known may be skipped from 128 on, and closes the link below") {
  CHECK_FALSE(may_skip(static_cast<Tag>(127)));
  CHECK(may_skip(static_cast<Tag>(128)));
  for (int tag = 0; tag < 256; ++tag)
    CHECK((known(static_cast<Tag>(tag)) && may_skip(static_cast<Tag>(tag))) == (tag == 128 || tag == 129));
}

TEST_CASE(
    "what a side understands comes out as it went in; what is not known of it is let be, and what is not right counts as not said") {
  const Able most{{1, 128, 200}, 65'536, 2, "0.2.0"};
  const Able heard = hear(say(most));
  CHECK(heard.numbers == most.numbers);
  CHECK(heard.piece_bytes == 65'536);
  CHECK(heard.batch_format == 2);
  CHECK(heard.version == "0.2.0");
  CHECK(heard.knows(Tag::abilities));
  CHECK_FALSE(heard.knows(Tag{129}));

  Abilities strange = say(most);
  strange.values.push_back({9, Bytes(128, 1)});  // of a later version
  strange.values.push_back({1, {5}});            // said before
  CHECK(hear(strange).piece_bytes == 65'536);
  CHECK(encode({}, *read<Abilities>(encode({}, strange))) == encode({}, strange));

  for (const Bytes& bent : {Bytes{}, Bytes{0x80, 0x00}, Bytes{1, 1}})
    CHECK(hear({{}, {{1, bent}, {2, bent}}}).batch_format == 1);
  for (const char* text : {"0.2.0\n", "a b", "\xc3\xa9"}) CHECK(hear({{}, {{3, own(view(text))}}}).version.empty());
  CHECK(hear({{}, {{3, Bytes(65, 'x')}}}).version.empty());
  CHECK(say({{}, 0, 1, std::string(100, 'x')}).values.back().bytes.size() == 64);

  Abilities much;
  much.numbers.resize(abilities_max + 1);
  CHECK_FALSE(read<Abilities>(encode({}, much)));
  CHECK_FALSE(read<Abilities>(encode({}, Abilities{{}, std::vector<Abilities::Value>(ability_values_max + 1)})));
  CHECK_FALSE(read<Abilities>(encode({}, Abilities{{}, {{1, Bytes(ability_bytes_max + 1)}}})));
}
