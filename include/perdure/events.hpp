// What a host tells the core (events) and what the core asks of its host (actions). Plain values.
// src/boundary/boundary.hpp gives them a byte form for hosts in other languages.
#pragma once

#include <perdure/result.hpp>
#include <perdure/types.hpp>

#include <optional>
#include <utility>
#include <variant>

namespace perdure {

// ---- storage -----------------------------------------------------------------------------------------------------------
// Saves take effect in order; a read sees every save issued before it. After a save that is not `ok`, all later ones fail until
// `Reopen` was answered.
// clang-format off: a table
enum class SaveOutcome : u8 {
  ok = 0,
  full = 1,          // nothing of it was written
  superseded = 2,    // another core has taken the store over: this one is over, too
  failed = 3,        // nothing of it was written
  unknown = 4,       // may or may not have been written
  lost = 5,          // the rows are gone: so is this core
};
struct RowsRead { u32 read = 0; bool ok = true; std::vector<std::pair<Bytes, Bytes>> rows; };   // event
struct Saved { u32 save = 0; SaveOutcome outcome = SaveOutcome::ok; };                            // event
enum class Reopening : u8 {
  ok = 0,
  superseded = 1,    // another core has taken the store over: this one is over
  lost = 2,          // the rows are gone: so is this core
  failed = 3,        // not to be had now; it is asked for again
};
struct Reopened { Reopening outcome = Reopening::ok; };                                          // event
struct Read { u32 read = 0; std::vector<Bytes> keys; };                                           // action: those that exist come back
struct ReadRange { u32 read = 0; Bytes from, to; u32 limit = 0; bool reverse = false; };          // action: from <= key < to
struct Save { u32 save = 0; std::vector<std::pair<Bytes, Bytes>> puts; std::vector<Bytes> erases; std::vector<std::pair<Bytes, Bytes>> erase_ranges; };
// A save that ended as `full` would be written now: whoever measures tells it, so that nobody has to find out by failing again.
struct Room {};                                                                                  // event
struct Reopen {};                                                                                // action

// ---- links -------------------------------------------------------------------------------------------------------------
// Link ids and RTC attempt ids: links the host numbers (below 2^31, never reused), attempts the core numbers.
enum class LinkKind : u8 { websocket = 1, datachannel = 2, relayed = 3, local = 4 };
// url: of the Dial; attempt: of the RtcOpen; network: hex of the network id that the other side asked for, where we did not dial a WebSocket but accepted it.
// address: where it comes from, in at most 16 bytes that the host made of it; equal ones are one stranger. admitted: it brought a token.
struct LinkOpened { LinkId link; LinkKind kind = LinkKind::websocket; bool dialler = false; std::string url; u32 attempt = 0; std::string network; Bytes address = {}; bool admitted = false; };
struct LinkReceived { LinkId link; Bytes bytes; };
struct LinkClosed { LinkId link; };
// At least once for every 128 KiB sent on a link, as soon as less than 256 KiB of it wait in the host's buffer: how much waits.
// The core counts what it sends from one to the next, and stops sending where none comes.
struct LinkDrained { LinkId link; u32 buffered = 0; };
struct DialFailed { std::string url; };
struct Dial { std::string url; std::string network; };      // action: open a WebSocket at url, with ?network=<hex> added to its query
struct Send { LinkId link; Bytes bytes; };                  // action: one message
struct CloseLink { LinkId link; };                          // action: after what was sent is out, at most 1 s later
// WebRTC: the host makes the connection, the core carries the descriptions. A description holds what candidates are known by then.
enum class SignalKind : u8 { offer = 1, answer = 2, candidate = 3 };
struct RtcSignal { u32 attempt = 0; SignalKind kind = SignalKind::offer; std::string text; };      // event and action
struct RtcFailed { u32 attempt = 0; };                      // event
struct RtcOpen { u32 attempt = 0; bool initiator = false; std::vector<std::string> ice; };         // action; ice: stun: urls
struct RtcClose { u32 attempt = 0; };                       // action: also closes its link

// ---- life cycle ---------------------------------------------------------------------------------------------------------
struct Start { bool lost_store = false; };                  // event, first: lost_store: this device had a store and now has none
struct Network { bool online = true; };                     // event
struct Visibility { bool hidden = false; };                 // event
struct Goodbye {};                                          // event: pagehide, SIGTERM: say so to all links at once

// ---- calls of the app ---------------------------------------------------------------------------------------------------
// `topic` in calls and notices is this device's number of the topic, valid until the topic is forgotten.
// Message ids are text: base64url of the log id's first 16 bytes, batch, position.
struct TopicNamed { std::string name; };                                           // -> OpenedTopic
struct TopicCreate { std::optional<std::string> name; bool shortcode = false; };   // -> OpenedTopic
struct TopicJoin { std::string invite; std::optional<std::string> name; };         // -> OpenedTopic | bad_invite
struct TopicJoinCode { std::string code; std::optional<std::string> name; };       // -> OpenedTopic | bad_invite
struct TopicClose { u32 topic = 0; };                                              // -> Nothing
struct TopicLeave { u32 topic = 0; bool forget = false; };                         // -> Nothing, once durable
struct TopicInvite { u32 topic = 0; };                                             // -> Text
struct TopicShortcode { u32 topic = 0; };                                          // -> Text, empty if there is none
struct NewOp { u8 kind = 1; std::string key; Bytes value; };                       // 1 message, 2 set, 3 erase
struct Append { u32 topic = 0; RequestTag tag; std::vector<NewOp> ops; };          // -> Appended, once durable
struct Messages { u32 topic = 0; std::optional<std::string> before, after; u32 limit = 50; bool reverse = false; };  // -> MessagePage
struct Latest { u32 topic = 0; u32 limit = 50; };                                  // -> MessagePage
struct GetMessage { u32 topic = 0; std::string id; };                              // -> MessagePage of none or one
struct Live { u32 topic = 0; std::optional<u64> after; u32 limit = 256; };         // -> LivePage; no `after`: an empty page and where now is
struct MarkRead { u32 topic = 0; std::optional<std::string> id; };                 // -> Nothing, once durable
struct MapGet { u32 topic = 0; std::string key; };                                 // -> MapPage of none or one
struct MapEntries { u32 topic = 0; std::string prefix; std::optional<std::string> after; u32 limit = 256; };  // -> MapPage
struct MapConflicts { u32 topic = 0; std::string prefix; std::optional<std::string> after; u32 limit = 256; };  // -> ConflictPage
struct MapHistory { u32 topic = 0; std::string key; std::optional<std::string> after; u32 limit = 64; };      // -> HistoryPage
struct GetCopies { u32 topic = 0; std::optional<std::string> id; };                // -> CopyList
struct WaitCopies { u32 topic = 0; std::string id; u32 copies = 1; bool anchored = false; };   // -> Nothing, when so
struct WaitSynced { u32 topic = 0; };                                              // -> Nothing, when so
struct Cancel { u32 call = 0; };                                                   // no reply; the cancelled call gets none either
struct SetPresence { u32 topic = 0; std::optional<Bytes> value; };                 // -> Nothing
struct AnchorAdd { std::string url; };                                             // -> Nothing | bad_argument
struct AnchorRemove { std::string url; };                                          // -> Nothing
struct GetDigest { u32 topic = 0; };                                               // -> Text (hex); for tests
struct GetLogs { TopicId id; };                                                    // -> LogList, of an anchor too; for tests
// Tests and replays: from now on at most so many batches of a log (32-byte id) are pulled, none of logs not named. -> Nothing
struct PullLimit { u32 topic = 0; std::vector<std::pair<Bytes, u64>> limits; };
struct Close {};                                                                   // -> Nothing, when everything accepted is on disk

using CallBody = std::variant<TopicNamed, TopicCreate, TopicJoin, TopicJoinCode, TopicClose, TopicLeave, TopicInvite, TopicShortcode, Append,
                              Messages, Latest, GetMessage, Live, MarkRead, MapGet, MapEntries, MapConflicts, MapHistory, GetCopies,
                              WaitCopies, WaitSynced, Cancel, SetPresence, AnchorAdd, AnchorRemove, GetDigest, GetLogs, Close, PullLimit>;
struct Call { u32 call = 0; CallBody body; };               // event

// ---- replies ------------------------------------------------------------------------------------------------------------
struct MessageOut { std::string id; DeviceId author; u64 time_ms = 0; bool own = false; Bytes value; };
struct VersionOut { std::string id; DeviceId author; u64 time_ms = 0; std::optional<Bytes> value; };
struct EntryOut { std::string key; VersionOut version; };
struct ConflictOut { std::string key; VersionOut winner; std::vector<VersionOut> losers; };

struct Nothing {};
struct OpenedTopic { u32 topic = 0; TopicId id; std::optional<std::string> name; std::string invite; };   // invite: as TopicInvite gives it
struct Text { std::string text; };
struct Appended { std::string id; };
struct MessagePage { std::vector<MessageOut> messages; bool more = false; };
struct LivePage { std::vector<MessageOut> messages; u64 next = 0; };
struct MapPage { std::vector<EntryOut> entries; bool more = false; };
struct ConflictPage { std::vector<ConflictOut> conflicts; bool more = false; };
struct HistoryPage { std::vector<VersionOut> versions; bool more = false; };
struct CopyList { bool here = false; std::vector<DeviceId> peers; std::vector<DeviceId> anchors; };
struct LogOut { LogId id; u64 length = 0; bool own = false; std::vector<DeviceId> acked; };   // acked: who has signed for all of it, of own logs
struct LogList { std::vector<LogOut> logs; };              // none: it is not open here
using ReplyBody = std::variant<Error, Nothing, OpenedTopic, Text, Appended, MessagePage, LivePage, MapPage, ConflictPage, HistoryPage, CopyList, LogList>;
struct Reply { u32 call = 0; ReplyBody body; };             // action

// ---- notices: what changed, at most one of each kind (and topic) a turn --------------------------------------------------
enum class PeerState : u8 { connected = 1, connecting = 2, away = 3 };
enum class AnchorState : u8 { connected = 1, connecting = 2, unreachable = 3, refused = 4 };
enum class TopicState : u8 { live = 1, syncing = 2, alone = 3 };
struct PeerOut { DeviceId id; std::string name; PeerState state = PeerState::connected; LinkKind path = LinkKind::websocket; std::optional<u32> round_trip_ms; bool anchor = false; std::string version; };   // version: of its package; empty: it does not say
struct AnchorOut { std::string url; AnchorState state = AnchorState::connecting; std::optional<DeviceId> id; std::string reason; };
struct TopicOut { u32 topic = 0; TopicId id; std::optional<std::string> name; u64 unread = 0; std::optional<u64> last_activity_ms; };
struct MemberOut { DeviceId id; std::string name; bool online = false; std::optional<u64> last_seen_ms; bool own = false; };

struct StatusNotice { u8 state = 3; u32 webrtc = 0, websocket = 0, relayed = 0, local = 0; u64 pending = 0; std::optional<i64> skew_ms; std::vector<Error> trouble; };  // state: 1 online 2 connecting 3 offline
struct PeersNotice { std::vector<PeerOut> peers; };
struct AnchorsNotice { std::vector<AnchorOut> anchors; };
// First the whole list, then what is new in it or has changed, and the numbers of those that are listed no more; in the order of their numbers.
struct TopicsNotice { bool whole = false; std::vector<TopicOut> topics; std::vector<u32> ended; };
// Something of an open topic changed. timeline: messages were added or removed. keys: map keys whose state changed; all_keys: too many to list.
struct TopicNotice { u32 topic = 0; TopicState state = TopicState::alone; u64 length = 0, unread = 0, pending = 0, behind = 0, held = 0, unreadable = 0; u32 peers = 0; u64 map_size = 0;
                     bool timeline = false; bool copies = false; bool all_keys = false; std::vector<std::string> keys; };
struct MembersNotice { u32 topic = 0; std::vector<MemberOut> members; };
struct PresenceNotice { u32 topic = 0; DeviceId device; std::optional<Bytes> value; };
// Counters of an anchor for its metrics: name, value. Refusals by reason, bytes, signals …
struct MetricsNotice { std::vector<std::pair<std::string, u64>> counters; };      // with every Deadline tick of an anchor, at most once a second

using Event = std::variant<Start, RowsRead, Saved, Reopened, LinkOpened, LinkReceived, LinkClosed, LinkDrained, DialFailed, RtcSignal, RtcFailed, Network,
                           Visibility, Goodbye, Call, Room>;
using Action = std::variant<Read, ReadRange, Save, Reopen, Dial, Send, CloseLink, RtcOpen, RtcSignal, RtcClose, Reply, StatusNotice, PeersNotice, AnchorsNotice,
                            TopicsNotice, TopicNotice, MembersNotice, PresenceNotice, MetricsNotice>;

struct Turn {
  std::vector<Action> actions;       // to be carried out in this order
  std::optional<u64> deadline_ms;    // steady time at which to call handle again, with no events if there are none
};
// clang-format on

}  // namespace perdure
