// Every text that a user can meet, provoked: what is true, then what helps. test/tidy holds the core to it: a sentence in src/ that stands
// in no test is a breach.
#include <algorithm>

#include "catch_amalgamated.hpp"
#include "store/transactions.hpp"
#include "unit/support/made_up.hpp"
#include "unit/support/scene.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

const Stranger::Options at_anchor{.kind = LinkKind::websocket, .url = "ws://ab", .anchor = true};

std::string text_of(const Solo& solo, u32 call) {
  auto reply = solo.replies.find(call);
  if (reply == solo.replies.end() || !std::holds_alternative<Error>(reply->second)) return "no error";
  return std::get<Error>(reply->second).text;
}

std::string trouble_of(const Solo& solo, Code code) {
  for (const Error& e : solo.status.trouble)
    if (e.code == code) return e.text;
  return "no trouble";
}

std::string invite_to(const Secret& secret) {
  identity::Invite invite;
  std::copy_n(identity::network_id("solo").bytes.begin(), 4, invite.network_tag.begin());
  invite.secret = secret;
  return identity::encode_invite(invite);
}

// A value of so many bytes.
Bytes filled(std::size_t bytes) {
  Bytes value(bytes, 0);
  value[0] = 0xc6;  // bin 32
  for (std::size_t i = 0; i < 4; ++i) value[1 + i] = static_cast<u8>((bytes - 5) >> (24 - 8 * i));
  return value;
}

}  // namespace

TEST_CASE("text: what cannot be appended") {
  Scene s;
  auto append = [&](std::vector<NewOp> ops) { return text_of(s.ada, s.ada.call(Append{s.topic, {}, std::move(ops)})); };
  CHECK(append({}) == "There is nothing to append. Give at least one value or change.");
  CHECK(append({{9, {}, Bytes{0xc0}}}) == "What is appended is a message, a set or a delete.");
  CHECK(append({{2, "", Bytes{0xc0}}}) == "A key has at least one character.");
  CHECK(append({{2, std::string(1025, 'k'), Bytes{0xc0}}}) == "A key has at most 1,024 bytes of UTF-8.");
  CHECK(append({{2, "\xff", Bytes{0xc0}}}) == "A key is text in valid UTF-8.");
  CHECK(append({{1, {}, filled(log::value_max + 1)}}) ==
        "A value has at most 256 KiB; keep files elsewhere and store where they are.");
  CHECK(append({{1, {}, Bytes{0xc1}}}) == "The value is not one MessagePack value, or nested more than 64 deep.");
  CHECK(append(std::vector<NewOp>(65, {1, {}, filled(log::value_max)})) ==
        "One call appends at most 16 MiB; split it.");
  CHECK(text_of(s.ada, s.ada.call(SetPresence{s.topic, filled(wire::presence_max + 1)})) ==
        "A presence has at most 4 KiB. Append what is larger.");
  CHECK(text_of(s.ada, s.ada.call(SetPresence{s.topic, Bytes{0xc1}})) == "The presence is not one MessagePack value.");
  CHECK(text_of(s.ada, s.ada.call(GetMessage{s.topic, "no id"})) == "no error");
  CHECK(
      text_of(s.ada, s.ada.call(WaitCopies{s.topic, "no id", 1, false})) ==
      "There is no message with this id here. If it is of this topic it may still be on its way: await synced() and try again.");
}

TEST_CASE("text: appends that wait for the disk") {
  Scene s;
  s.ada.answers_saves = false;
  const RequestTag tag = RequestTag::from(Bytes(16, 7));
  (void)s.ada.call(Append{s.topic, {}, {Solo::message("under way")}});
  (void)s.ada.call(Append{s.topic, tag, {Solo::message("waiting")}});
  for (int n = 1; n < 64; ++n) (void)s.ada.call(Append{s.topic, tag, {Solo::message("waiting")}});
  CHECK(text_of(s.ada, s.ada.call(Append{s.topic, tag, {Solo::message("waiting")}})) ==
        "That append is under way already. Await it.");
  for (int n = 0; n < 3; ++n)
    (void)s.ada.call(Append{s.topic, {}, std::vector<NewOp>(63, {1, {}, filled(log::value_max)})});
  u32 last = 0;
  for (int n = 0; n < 2; ++n)
    last = s.ada.call(Append{s.topic, {}, std::vector<NewOp>(63, {1, {}, filled(log::value_max)})});
  CHECK(text_of(s.ada, last) == "64 MiB are waiting for the disk already; await earlier appends before making more.");
  (void)s.ada.call(TopicClose{s.topic});
  CHECK(text_of(s.ada, s.ada.call(Append{s.topic, {}, {Solo::message("late")}})) ==
        "The topic is being closed; open it again with topic() or join().");
}

TEST_CASE("text: storage that the app does not allow") {
  Config config;
  config.quotas.total_bytes = 10'000;
  Solo ada("ada", config);
  u32 topic = ada.join(secret);
  auto append = [&] { return text_of(ada, ada.call(Append{topic, {}, {{1, {}, filled(6'000)}}})); };
  CHECK(append() == "no error");
  CHECK(append() == "The storage that this app allows is used up: this was not stored. Raise limits.storageMB.");
  Stranger eve(ada, "eve");
  eve.enter(secret);
  Ledger ledger(eve.identity, *eve.keys);
  ledger.add({{log::Op::Kind::message, {}, filled(6'000), {}}}, ada.wall_ms);
  eve.say(ledger.page(), 1);
  CHECK(trouble_of(ada, Code::storage_full) ==
        "The storage that this app allows is used up: what comes from others is not stored. Raise limits.storageMB.");
}

TEST_CASE("text: what is closed") {
  Scene s;
  u32 waiting = s.ada.call(WaitSynced{s.topic});
  (void)s.ada.call(TopicClose{s.topic});
  s.ada.pass(1);
  CHECK(text_of(s.ada, waiting) == "The topic was closed. Open it again with topic() or join().");
  CHECK(text_of(s.ada, s.ada.call(Latest{s.topic, 10})) ==
        "The topic is closed; open it again with topic() or join().");
  s.ada.answers_saves = false;
  u32 join = s.ada.call(TopicJoin{invite_to(secret), "a name"});
  (void)s.ada.call(TopicLeave{s.topic, false});
  s.ada.answers_saves = true;
  s.ada.pass(1);
  CHECK(text_of(s.ada, join) == "The topic was left while it was being opened. Join it again to open it.");
  u32 topic = s.ada.join(secret);
  waiting = s.ada.call(WaitSynced{topic});
  (void)s.ada.call(Close{});
  CHECK(text_of(s.ada, waiting) == "The peer was closed. Open it again with openPeer().");
  CHECK(text_of(s.ada, s.ada.call(Latest{topic, 10})) == "The peer is closed. Open it again with openPeer().");
}

TEST_CASE("text: more calls than can wait") {
  Scene s;
  const u32 last = 1'000'000;
  auto call = [&](auto body) {
    std::vector<Event> calls;
    for (u32 n = 0; n <= 4'096; ++n) calls.push_back(Call{last - 4'096 + n, body});
    s.ada.turn(std::move(calls));
  };
  call(WaitSynced{s.topic});
  CHECK(text_of(s.ada, last) == "4,096 calls are waiting already. Await or abort some of them first.");
  s.ada.start();
  s.ada.answers_reads = false;
  (void)s.ada.call(TopicJoin{invite_to(secret), {}});
  call(Latest{s.topic, 1});
  CHECK(text_of(s.ada, last) ==
        "4,096 calls wait for the topic to be read already. Await earlier ones before making more.");
  s.ada.start();
  call(Latest{s.topic, 1});
  CHECK(text_of(s.ada, last) ==
        "4,096 calls wait for the store to be read already. Await earlier ones before making more.");
}

TEST_CASE("text: an anchor that is not to be had, and why") {
  Solo ada("ada", client_config({"ws://ab"}));
  (void)ada.join(secret);
  auto reason = [&] { return ada.anchors.at(0).reason; };
  ada.turn({DialFailed{"ws://ab"}});
  CHECK(
      reason() ==
      "Nobody answers at this address, or whoever does makes no WebSocket of it now. It is tried again; check the address if that lasts.");
  ada.turn({LinkOpened{{9'001}, LinkKind::websocket, true, "ws://ab", 0, {}}});
  ada.turn({LinkReceived{{9'001}, own(view("HTTP/1.1 400 Bad Request"))}});
  CHECK(reason() == "What answers at this address does not speak Perdure, or not for this app. Check the address.");
  (void)ada.ask<Nothing>(AnchorRemove{"ws://ab"});
  (void)ada.ask<Nothing>(AnchorAdd{"ws://ab"});
  ada.turn({LinkOpened{{9'002}, LinkKind::websocket, true, "ws://ab", 0, {}}});
  ada.turn({LinkClosed{{9'002}}});
  CHECK(
      reason() ==
      "What answers at this address ends the link before it is greeted. It is tried again; check the address if that lasts.");
  Stranger anchor(ada, "anchor", at_anchor);
  for (
      auto [why, text] : {
          std::pair{
              1,
              "This anchor does not serve this app, or serves only who comes with its token (wss://…/?token=…); ask who runs it."},
          {2, "This anchor did not accept the proof of membership. Update the app, or add another anchor."},
          {3, "This anchor is full; ask who runs it for more room, or add another."},
          {4,
           "This topic is at the anchor's limit; nothing more of it is stored there. Ask who runs it for more room, or add another."},
          {5,
           "This device is at the anchor's limit for this topic; nothing more of it is stored there. Ask who runs it for more room, or add another."},
          {6,
           "The anchor's disk is full, or nearly so: what does not fit is kept here and brought again. Who runs it has to make room."},
          {7, "This anchor serves as many links as it may. It is tried again; add another if that lasts."},
          {8,
           "This anchor stores only so much that comes from one address, and so many topics; it goes on once somebody from elsewhere has entered this one. Else ask who runs it for more room."},
          {200,
           "This anchor refused, for a reason that this version does not know. Update the app, or add another anchor."},
      }) {
    anchor.say(wire::Refused{static_cast<u8>(why)});
    CHECK(reason() == text);
    CHECK(trouble_of(ada, Code::not_allowed) == std::string("ws://ab: ") + text);
  }
  anchor.say(wire::Refused{1}, 1);
  CHECK(
      reason() ==
      "This anchor does not serve this topic; ask who runs it to add the topic, or for an address with a token. (a topic without a name)");
  anchor.close();
  Stranger another(ada, "another", at_anchor);
  CHECK(
      reason() ==
      "Another key answers at this address than at first contact. Remove the anchor and add it again if that is right.");
  CHECK(text_of(ada, ada.call(AnchorAdd{"http://a"})) ==
        "An anchor's address begins with ws:// or wss:// and has at most 200 characters.");
  for (int n = 1; n < 16; ++n) (void)ada.ask<Nothing>(AnchorAdd{"ws://ab" + std::to_string(n)});
  CHECK(text_of(ada, ada.call(AnchorAdd{"ws://one-more"})) == "There are 16 anchors already. Remove one first.");
}

TEST_CASE("text: one device in two places, of which an anchor serves the last that came") {
  Solo ada("ada", client_config({"ws://ab"}));
  (void)ada.join(secret);
  for (bool again : {false, true}) {
    CHECK(trouble_of(ada, Code::not_allowed) == "no trouble");
    Stranger anchor(ada, "anchor", at_anchor);
    anchor.say(wire::Bye{1});
    if (again) continue;
    CHECK_FALSE(anchor.linked());
  }
  CHECK(
      trouble_of(ada, Code::not_allowed) ==
      "This device's data is in use in two places, and each throws the other off its anchors. Close one of them; who copied a profile or a database lets the copy begin with a store of its own.");
  Stranger anchor(ada, "anchor", at_anchor);
  u32 answered = 0;
  for (int n = 0; n < 80; ++n) {  // it stays
    anchor.pass(1'000);
    for (const auto& ping : anchor.all<wire::Ping>())
      if (ping.id > answered) answered = ping.id, anchor.say(wire::Pong{ping.id, ada.wall_ms});
  }
  CHECK(anchor.linked());
  CHECK(trouble_of(ada, Code::not_allowed) == "no trouble");
}

TEST_CASE("text: a disk that is full or fails") {
  for (bool full : {true, false}) {
    Scene s;
    const std::string why = full ? "The disk is full: " : "The store could not be written to: ",
                      then = full ? " Free some space and try again." : " Try again.";
    auto fails = [&](CallBody body) {
      s.ada.next_save = full ? SaveOutcome::full : SaveOutcome::failed;
      std::string text = text_of(s.ada, s.ada.call(std::move(body)));
      s.ada.pass(6'000);
      return text;
    };
    Stranger bob(s.ada, "bob");
    bob.enter(secret);
    Ledger ledger(bob.identity, *bob.keys);
    ledger.say("to be read");
    bob.say(ledger.page(), 1);
    CHECK(fails(Append{s.topic, {}, {Solo::message("x")}}) == why + "this was not stored." + then);
    CHECK(fails(MarkRead{s.topic, {}}) == why + "the mark was not stored." + then);
    CHECK(fails(TopicCreate{}) == why + "the topic was not stored." + then);
    CHECK(fails(TopicLeave{s.topic, false}) == why + "the topic was not left." + then);
  }
  Scene s;
  s.ada.reopening.reset();
  s.ada.next_save = SaveOutcome::failed;
  (void)s.ada.call(Append{s.topic, {}, {Solo::message("x")}});
  CHECK(trouble_of(s.ada, Code::storage_unavailable) ==
        "The store could not be written to; it is being opened again. Reload the page if it lasts.");
  s.ada.turn({Reopened{Reopening::failed}});
  CHECK(trouble_of(s.ada, Code::storage_unavailable) ==
        "The store could not be opened again; that is tried on. Reload the page if it lasts.");
  CHECK(text_of(s.ada, s.ada.call(Latest{s.topic, 1})) ==
        "The store could not be opened again; that is tried on. Reload the page if it lasts.");
  Scene full;
  full.ada.next_save = SaveOutcome::full;
  (void)full.ada.call(Append{full.topic, {}, {Solo::message("x")}});
  CHECK(trouble_of(full.ada, Code::storage_full) ==
        "The disk is full: nothing new is stored. What was accepted before is kept; free some space.");
  Scene again;
  for (int n = 0; n < 8; ++n) {
    again.ada.next_save = SaveOutcome::failed;
    (void)again.ada.call(Append{again.topic, {}, {Solo::message("x")}});
    again.ada.pass(10);
  }
  CHECK(trouble_of(again.ada, Code::storage_unavailable) ==
        "The store fails again and again; it is given time. Reload the page if it lasts.");
  Scene unreadable;
  for (int n = 0; n < 2; ++n) unreadable.ada.start(), unreadable.ada.join(secret);  // the first looks through what came
  unreadable.ada.start();
  unreadable.topic = unreadable.ada.join(secret);
  unreadable.ada.readable = false;
  u32 call = unreadable.ada.call(GetMessage{unreadable.topic, unreadable.first});
  CHECK(text_of(unreadable.ada, call) == "The store could not be read. Try again.");
}

TEST_CASE("text: a store that is another's, newer, gone or damaged") {
  {
    Scene s;
    s.ada.next_save = SaveOutcome::superseded;
    const char*
        text = "Another tab or process of this device has taken its store over; this one neither reads nor writes any more. Go on there, or reload to take it back.";
    CHECK(text_of(s.ada, s.ada.call(Append{s.topic, {}, {Solo::message("x")}})) == text);
    CHECK(text_of(s.ada, s.ada.call(Latest{s.topic, 1})) == text);
    CHECK(trouble_of(s.ada, Code::storage_unavailable) == text);
  }
  {
    Scene s;
    s.ada.reopening = Reopening::lost;
    s.ada.next_save = SaveOutcome::failed;
    (void)s.ada.call(Append{s.topic, {}, {Solo::message("x")}});
    CHECK(
        trouble_of(s.ada, Code::storage_lost) ==
        "This device's store was taken away while it was in use. Reload the page, or close the peer and open it again, and each topic by its invite: what others hold of it is fetched again.");
  }
  {
    Scene s;
    Bytes meta = store::unseal_row(store::key('M'), s.ada.disk.rows[store::key('M')]).value();
    meta[0] = 2;
    s.ada.disk.rows[store::key('M')] = store::seal_row(store::key('M'), meta);
    s.ada.start();
    CHECK(text_of(s.ada, s.ada.call(TopicNamed{"x"})) ==
          "A newer version of this app has written to this device's store. Reload to run it too.");
  }
  {
    Solo ada("ada");
    ada.turn({Start{true}});
    CHECK(
        trouble_of(ada, Code::storage_lost) ==
        "This device's store is gone: it is a new device now. Open each topic again by its invite, and what others hold of it is fetched again.");
  }
  {
    Scene s;
    std::erase_if(s.ada.disk.rows, [](const auto& row) { return row.first[0] == 'L'; });
    s.ada.start();
    (void)s.ada.join(secret);
    CHECK(trouble_of(s.ada, Code::storage_lost) ==
          "Rows of this device's store are damaged or lost. Stay online: what others hold is fetched again.");
  }
}

TEST_CASE("text: a disk that damages an index as soon as it was made anew") {
  Solo ada("ada", client_config({}, 0));  // nothing is at hand: each query reads
  u32 topic = ada.join(secret);
  for (int n = 0; n < 3; ++n) (void)ada.append(topic, "m");
  auto damage = [&] {
    for (auto& [key, row] : ada.disk.rows)
      if (key[0] == 'X') row.back() ^= 1;
    return ada.call(Latest{topic, 10});
  };
  (void)damage();
  ada.pass(10);
  CHECK(trouble_of(ada, Code::storage_unavailable) == "no trouble");
  (void)damage();
  CHECK(trouble_of(ada, Code::storage_unavailable) ==
        "The store damages what is written to it. Check the disk of this device.");
  ada.pass(20'000);
  CHECK(ada.messages(topic).size() == 3);
  CHECK(trouble_of(ada, Code::storage_unavailable) == "no trouble");
}

TEST_CASE("text: what cannot be said again") {
  Scene s({"one"});
  Stranger bob(s.ada, "bob");
  bob.enter(secret);
  const wire::Page shown = bob.last<wire::Page>().value();
  const u64 incarnation = incarnation_of(shown);
  // Another life of this device said something else in its place, which nobody can read.
  const identity::Identity ada = s.ada.identity();
  Ledger other(ada, *bob.keys, incarnation);
  other.add_sealed(Bytes(100, 7));
  const wire::LogTag tag = bob.tag(other.id());
  bob.say(wire::Hello{{9}, 1, {other.item(tag, 1)}, {}}, 1);
  REQUIRE(bob.last<wire::AskProof>());
  const log::Head head = other.head(1);
  bob.say(wire::Proof{tag, 1, other.peaks(1).hashes, {}, 1, head.ops, head.time.value, head.signature}, 1);
  REQUIRE(bob.last<wire::Want>());
  wire::Page page = other.page(0, 1);
  page.log = tag;
  bob.say(page, 1, bob.request<wire::Want>());
  CHECK(
      trouble_of(s.ada, Code::storage_lost) ==
      "Something that this device had said was lost here, and what others hold of it cannot be read. Say it again where it matters.");
  CHECK(s.intact());
}
