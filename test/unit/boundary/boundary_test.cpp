#include "boundary/boundary.hpp"

#include "boundary/boundary_table.hpp"
#include "codec/bytes.hpp"
#include "codec/hex.hpp"
#include "vectors/vectors.hpp"

#include <catch_amalgamated.hpp>

#include <algorithm>
#include <set>

using namespace perdure;

namespace {

Bytes some(std::size_t n, u8 from = 1) {
  Bytes bytes(n);
  for (std::size_t i = 0; i < n; ++i) bytes[i] = static_cast<u8>(from + i);
  return bytes;
}

template <class Id>
Id some_id(u8 from) {
  return Id::from(some(Id::size, from));
}

constexpr u64 large = u64{1} << 52;

std::vector<CallBody> calls() {
  const auto tag = some_id<RequestTag>(9);
  return {
      TopicNamed{"lunch"},
      TopicCreate{"tea", true},
      TopicCreate{},
      TopicJoin{"perdure-abc", "x"},
      TopicJoinCode{"7K3M", std::nullopt},
      TopicClose{1},
      TopicLeave{2, true},
      TopicInvite{3},
      TopicShortcode{4},
      Append{5, tag, {{1, "", some(300)}, {2, "key", some(3)}, {3, "gone", {}}}},
      Messages{6, "b", "a", 256, true},
      Messages{},
      Latest{7, 50},
      GetMessage{8, "id"},
      Live{9, large, 7},
      Live{},
      MarkRead{10, "id"},
      MapGet{11, "ключ"},
      MapEntries{12, "pre", "after", 3},
      MapConflicts{13, "pre", std::nullopt, 3},
      MapHistory{14, "key", "v", 5},
      GetCopies{15, "m"},
      WaitCopies{16, "m", 4, true},
      WaitSynced{17},
      Cancel{18},
      SetPresence{19, some(4)},
      SetPresence{},
      AnchorAdd{"wss://a.example"},
      AnchorRemove{"wss://a.example"},
      GetDigest{20},
      GetLogs{some_id<TopicId>(7)},
      Close{},
      PullLimit{21, {{some(16), 5}, {some(16, 40), large}}},
  };
}

std::vector<Event> all_events() {
  std::vector<Event> events{
      Start{true},
      RowsRead{1, false, {}},
      RowsRead{0xffffffffu, true, {{some(1), some(500)}, {Bytes{}, Bytes{}}}},
      Reopened{Reopening::failed},
      LinkOpened{{7}, LinkKind::datachannel, true, "ws://x/", 3, "00ff", {203, 0, 113, 5}, true},
      LinkReceived{{7}, some(200)},
      LinkClosed{{8}},
      LinkDrained{{9}, 123456},
      DialFailed{"ws://x/"},
      RtcSignal{4, SignalKind::candidate, "candidate:…"},
      RtcFailed{4},
      Network{false},
      Visibility{true},
      Goodbye{},
      Room{},
  };
  for (const auto outcome : {SaveOutcome::ok, SaveOutcome::full, SaveOutcome::superseded, SaveOutcome::failed,
                             SaveOutcome::unknown, SaveOutcome::lost})
    events.push_back(Saved{5, outcome});
  u32 number = 0;
  for (const auto& body : calls()) events.push_back(Call{++number, body});
  return events;
}

std::vector<ReplyBody> replies() {
  const auto device = some_id<DeviceId>(30);
  const VersionOut version{"v", device, large, some(2)};
  const VersionOut deleted{"w", device, 0, std::nullopt};
  return {
      Error{Code::bad_argument, "say it otherwise"},
      Error{Code::outdated, ""},
      Nothing{},
      OpenedTopic{1, some_id<TopicId>(60), "lunch", "perdure-invite"},
      Text{"text"},
      Appended{"id"},
      MessagePage{{{"m", device, 5, true, some(3)}, {"n", device, 6, false, {}}}, true},
      LivePage{{{"m", device, 5, true, some(3)}}, large},
      MapPage{{{"k", version}, {"l", deleted}}, true},
      ConflictPage{{{"k", version, {deleted, version}}}, false},
      HistoryPage{{version, deleted}, true},
      CopyList{true, {device}, {device, some_id<DeviceId>(99)}},
      LogList{{{some_id<LogId>(8), large, true, {device}}, {some_id<LogId>(9), 1, false, {}}}},
  };
}

std::vector<Action> all_actions() {
  const auto device = some_id<DeviceId>(30);
  const auto topic = some_id<TopicId>(60);
  std::vector<Action> actions{
      Read{1, {some(3), Bytes{}}},
      ReadRange{2, some(1), some(2), 50, true},
      Save{3, {{some(1), some(300)}}, {some(4)}, {{some(1), some(2)}}},
      Reopen{},
      Dial{"wss://a.example/", "00ff"},
      Send{{5}, some(64)},
      CloseLink{{5}},
      RtcOpen{6, true, {"stun:a.example"}},
      RtcSignal{6, SignalKind::offer, "v=0"},
      RtcClose{6},
      StatusNotice{1, 1, 2, 3, 4, large, -45000, {{Code::storage_full, "make room"}}},
      StatusNotice{},
      PeersNotice{{{device, "Ada", PeerState::away, LinkKind::relayed, 12, false, "0.2.0"},
                   {device, "", PeerState::connecting, LinkKind::local, std::nullopt, true, {}}}},
      AnchorsNotice{{{"wss://a.example", AnchorState::refused, device, "full"}, {}}},
      TopicsNotice{true, {{1, topic, "lunch", 3, 4}, {2, topic, std::nullopt, 0, std::nullopt}}, {}},
      TopicsNotice{false, {{300, topic, "", large, 0}}, {2, 0xffffffffu}},
      TopicNotice{1, TopicState::syncing, 2, 3, 4, 5, 6, 9, 7, 8, true, false, true, {"a", "b"}},
      MembersNotice{1, {{device, "Ada", true, 5, false}, {device, "", false, std::nullopt, true}}},
      PresenceNotice{1, device, some(9)},
      PresenceNotice{1, device, std::nullopt},
      MetricsNotice{{{"bytes_in", large}}},
  };
  u32 number = 0;
  for (const auto& body : replies()) actions.push_back(Reply{++number, body});
  return actions;
}

// Every alternative of the variant is among these values.
template <class... Ts>
bool has_all(const std::vector<std::variant<Ts...>>& values) {
  std::set<std::size_t> found;
  for (const auto& value : values) found.insert(value.index());
  return found.size() == sizeof...(Ts);
}

template <class... Ts>
std::vector<u8> tags_of(const std::variant<Ts...>*) {
  return {boundary::tag<Ts>...};
}

}  // namespace

TEST_CASE("every event comes back from its bytes as it was") {
  REQUIRE(has_all(all_events()));
  REQUIRE(has_all(calls()));
  for (const Event& event : all_events()) {
    const Bytes bytes = encode_events({event});
    const auto back = decode_events(bytes);
    REQUIRE(back);
    REQUIRE(back->size() == 1);
    CHECK((*back)[0].index() == event.index());
    CHECK(encode_events(*back) == bytes);
  }
  const Bytes together = encode_events(all_events());
  const auto back = decode_events(together);
  REQUIRE(back);
  CHECK(encode_events(*back) == together);
}

TEST_CASE("every action comes back from its bytes as it was, with the deadline") {
  REQUIRE(has_all(all_actions()));
  REQUIRE(has_all(replies()));
  for (const auto deadline : {std::optional<u64>{}, std::optional<u64>{large}}) {
    const Turn turn{all_actions(), deadline};
    const Bytes bytes = encode_turn(turn);
    const auto back = decode_turn(bytes);
    REQUIRE(back);
    CHECK(back->deadline_ms == deadline);
    REQUIRE(back->actions.size() == turn.actions.size());
    for (std::size_t i = 0; i < turn.actions.size(); ++i) CHECK(back->actions[i].index() == turn.actions[i].index());
    CHECK(encode_turn(*back) == bytes);
  }
}

TEST_CASE("fields keep their values across the boundary") {
  const auto back = decode_events(encode_events({LinkOpened{{7}, LinkKind::local, true, "u", 3, "n"},
                                                 Call{9, Append{5, some_id<RequestTag>(1), {{2, "k", some(3)}}}}}));
  REQUIRE(back);
  const auto& opened = std::get<LinkOpened>((*back)[0]);
  CHECK((opened.link.value == 7 && opened.kind == LinkKind::local && opened.dialler && opened.url == "u" &&
         opened.attempt == 3 && opened.network == "n"));
  const auto& call = std::get<Call>((*back)[1]);
  CHECK(call.call == 9);
  const auto& append = std::get<Append>(call.body);
  CHECK((append.topic == 5 && append.tag == some_id<RequestTag>(1)));
  CHECK((append.ops.size() == 1 && append.ops[0].kind == 2 && append.ops[0].key == "k" &&
         append.ops[0].value == some(3)));

  const auto turn = decode_turn(encode_turn({{StatusNotice{2, 1, 2, 3, 4, 5, -7, {{Code::closed, "c"}}}}, 11}));
  REQUIRE(turn);
  const auto& status = std::get<StatusNotice>(turn->actions[0]);
  CHECK((status.state == 2 && status.webrtc == 1 && status.local == 4 && status.pending == 5 && status.skew_ms == -7));
  CHECK((status.trouble.size() == 1 && status.trouble[0].code == Code::closed && status.trouble[0].text == "c"));
}

TEST_CASE("a configuration comes back from its bytes as it was") {
  Config config;
  config.app = "talkbox";
  config.device_seed = some_id<Seed>(1);
  config.random_seed = some_id<Seed>(2);
  config.name = "Ada";
  config.anchor = true;
  config.rtc = false;
  config.anchors = {"wss://a.example", "wss://b.example"};
  config.quotas = {1, 2, 3, 4};
  config.cache_bytes = 5;
  config.links_max = 6;
  config.stun_port = 7;
  config.version = "0.2.0";
  config.topics = {some_id<TopicId>(3), some_id<TopicId>(4)};
  config.tokens = true;
  config.memory_bytes = 8;
  const auto back = decode_config(encode_config(config));
  REQUIRE(back);
  CHECK(encode_config(*back) == encode_config(config));
  CHECK((back->app == "talkbox" && back->random_seed == config.random_seed && back->anchor && !back->rtc &&
         back->anchors.size() == 2 && back->quotas.lease_days == 4));
}

// web/src/engine/boundary.ts reads the same file (test/web/facade/boundary.test.ts). Who changes the form on purpose puts in the line that
// the failure shows.
TEST_CASE("the bytes are those that the other side knows") {
  Config config;
  config.app = "talkbox";
  config.anchors = {"wss://a.example"};
  config.apps = {"x"};
  std::map<std::string, Bytes> made{{"events", encode_events(all_events())},
                                    {"turn", encode_turn({all_actions(), large})},
                                    {"config", encode_config(config)}};
  std::ifstream in("test/vectors/boundary.txt");
  REQUIRE(in);
  for (std::string line; std::getline(in, line);) {
    const vectors::Case known(line);
    const std::string bytes = codec::to_hex(made.at(known.text("id")));
    INFO("id=" << known.text("id") << " bytes=" << bytes);
    CHECK(bytes == known.text("bytes"));
    made.erase(known.text("id"));
  }
  CHECK(made.empty());
}

TEST_CASE("no two kinds of one place share a tag") {
  for (const auto& tags : {tags_of(static_cast<Event*>(nullptr)), tags_of(static_cast<Action*>(nullptr)),
                           tags_of(static_cast<CallBody*>(nullptr)), tags_of(static_cast<ReplyBody*>(nullptr))}) {
    CHECK(std::set<u8>(tags.begin(), tags.end()).size() == tags.size());
    CHECK(std::count(tags.begin(), tags.end(), 0) == 0);
  }
}

TEST_CASE("bytes that no host could have written are malformed, cut anywhere and changed anywhere") {
  const Bytes good = encode_events({Call{9, Append{5, some_id<RequestTag>(1), {{2, "k", some(3)}}}},
                                    RowsRead{1, true, {{some(1), some(9)}}}, Saved{5, SaveOutcome::full}});
  for (std::size_t length = 0; length < good.size(); ++length) CHECK_FALSE(decode_events(ByteView(good).first(length)));
  for (std::size_t at = 0; at < good.size(); ++at) {
    for (const u8 byte : {0x00, 0x01, 0x7f, 0x80, 0xff}) {
      Bytes bad = good;
      bad[at] = byte;
      if (const auto back = decode_events(bad)) CHECK(encode_events(*back) == bad);
    }
  }
  Bytes longer = good;
  longer.push_back(0);
  CHECK_FALSE(decode_events(longer));
  CHECK(decode_events(longer).error().code == Code::malformed);
  // A count of 2^62 events in ten bytes.
  codec::Writer w;
  w.varint(u64{1} << 62);
  CHECK_FALSE(decode_events(w.peek()));
}
