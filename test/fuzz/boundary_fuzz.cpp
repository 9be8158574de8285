// What a host hands in and gets back, as bytes.
#include "boundary/boundary.hpp"
#include "fuzz/target.hpp"

namespace perdure::fuzz {

void target(ByteView in) {
  {
    Meter meter;
    auto events = decode_events(in);
    CHECK(meter.bytes() <= 4096 * in.size() + 4096);
    if (events) CHECK(std::ranges::equal(encode_events(*events), in));
  }
  if (auto turn = decode_turn(in)) CHECK(std::ranges::equal(encode_turn(*turn), in));
  if (auto config = decode_config(in)) CHECK(std::ranges::equal(encode_config(*config), in));
}

std::vector<Bytes> seeds() {
  const Bytes row = {1, 2, 3};
  std::vector<Bytes> out;
  for (const Event& event :
       std::vector<Event>{Start{true},
                          RowsRead{7, true, {{row, row}, {{}, {}}}},
                          Saved{3, SaveOutcome::unknown},
                          Reopened{},
                          LinkReceived{{9}, row},
                          LinkClosed{{9}},
                          LinkOpened{{9}, LinkKind::datachannel, true, "ws://a", 3, "00ff", {1, 2}, true},
                          LinkDrained{{9}, 100},
                          DialFailed{"ws://a"},
                          RtcSignal{4, SignalKind::answer, "v=0"},
                          RtcFailed{4},
                          Network{false},
                          Visibility{true},
                          Goodbye{},
                          Room{},
                          Call{1, TopicNamed{"a"}},
                          Call{2, TopicCreate{"b", true}},
                          Call{3, TopicJoin{"perdure-x", {}}},
                          Call{4, Append{1, {}, {{1, {}, row}, {2, "k", row}}}},
                          Call{5, Messages{1, "x", {}, 50, true}},
                          Call{6, MapEntries{1, "p", "q", 9}},
                          Call{7, WaitCopies{1, "x", 2, true}},
                          Call{8, SetPresence{1, row}},
                          Call{9, PullLimit{1, {{Bytes(32, 1), 7}}}},
                          Call{10, Close{}}})
    out.push_back(encode_events({event}));
  out.push_back(encode_events({Start{}, Network{true}, Call{1, TopicCreate{}}}));
  Turn turn;
  turn.deadline_ms = 12;
  turn.actions = {Save{1, {{row, row}}, {row}, {{row, row}}},
                  Read{2, {row}},
                  Send{{3}, row},
                  Reply{4, Text{"t"}},
                  StatusNotice{},
                  TopicsNotice{true, {{1, {}, "a", 2, 3}}, {}},
                  TopicsNotice{false, {{2, {}, {}, 0, {}}}, {1, 300}},
                  Reply{5, MessagePage{{{"i", {}, 1, true, row}}, false}}};
  out.push_back(encode_turn(turn));
  Config config;
  config.app = "a";
  config.anchors = {"ws://a"};
  out.push_back(encode_config(config));
  return out;
}

}  // namespace perdure::fuzz
