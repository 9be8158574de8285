// Every tag and every field of the byte form in boundary.hpp. A tag is never given to something else.
#pragma once

#include <perdure/config.hpp>
#include <perdure/events.hpp>

#include <tuple>

namespace perdure::boundary {

// clang-format off: a table
// ---- tags: 1 events, 32 actions, 64 calls, 128 replies ------------------------------------------------------------------
template <class T>
inline constexpr u8 tag = 0;

template <> inline constexpr u8 tag<Start> = 1;
template <> inline constexpr u8 tag<RowsRead> = 2;
template <> inline constexpr u8 tag<Saved> = 3;
template <> inline constexpr u8 tag<Reopened> = 4;
template <> inline constexpr u8 tag<LinkOpened> = 5;
template <> inline constexpr u8 tag<LinkReceived> = 6;
template <> inline constexpr u8 tag<LinkClosed> = 7;
template <> inline constexpr u8 tag<LinkDrained> = 8;
template <> inline constexpr u8 tag<DialFailed> = 9;
template <> inline constexpr u8 tag<RtcSignal> = 10;  // also an action
template <> inline constexpr u8 tag<RtcFailed> = 11;
template <> inline constexpr u8 tag<Network> = 12;
template <> inline constexpr u8 tag<Visibility> = 13;
template <> inline constexpr u8 tag<Goodbye> = 14;
template <> inline constexpr u8 tag<Call> = 15;
template <> inline constexpr u8 tag<Room> = 16;

template <> inline constexpr u8 tag<Read> = 32;
template <> inline constexpr u8 tag<ReadRange> = 33;
template <> inline constexpr u8 tag<Save> = 34;
template <> inline constexpr u8 tag<Reopen> = 35;
template <> inline constexpr u8 tag<Dial> = 36;
template <> inline constexpr u8 tag<Send> = 37;
template <> inline constexpr u8 tag<CloseLink> = 38;
template <> inline constexpr u8 tag<RtcOpen> = 39;
template <> inline constexpr u8 tag<RtcClose> = 40;
template <> inline constexpr u8 tag<Reply> = 41;
template <> inline constexpr u8 tag<StatusNotice> = 42;
template <> inline constexpr u8 tag<PeersNotice> = 43;
template <> inline constexpr u8 tag<AnchorsNotice> = 44;
template <> inline constexpr u8 tag<TopicsNotice> = 45;
template <> inline constexpr u8 tag<TopicNotice> = 46;
template <> inline constexpr u8 tag<MembersNotice> = 47;
template <> inline constexpr u8 tag<PresenceNotice> = 48;
template <> inline constexpr u8 tag<MetricsNotice> = 49;

template <> inline constexpr u8 tag<TopicNamed> = 64;
template <> inline constexpr u8 tag<TopicCreate> = 65;
template <> inline constexpr u8 tag<TopicJoin> = 66;
template <> inline constexpr u8 tag<TopicJoinCode> = 67;
template <> inline constexpr u8 tag<TopicClose> = 68;
template <> inline constexpr u8 tag<TopicLeave> = 69;
template <> inline constexpr u8 tag<TopicInvite> = 70;
template <> inline constexpr u8 tag<TopicShortcode> = 71;
template <> inline constexpr u8 tag<Append> = 72;
template <> inline constexpr u8 tag<Messages> = 73;
template <> inline constexpr u8 tag<Latest> = 74;
template <> inline constexpr u8 tag<GetMessage> = 75;
template <> inline constexpr u8 tag<Live> = 76;
template <> inline constexpr u8 tag<MarkRead> = 77;
template <> inline constexpr u8 tag<MapGet> = 78;
template <> inline constexpr u8 tag<MapEntries> = 79;
template <> inline constexpr u8 tag<MapConflicts> = 80;
template <> inline constexpr u8 tag<MapHistory> = 81;
template <> inline constexpr u8 tag<GetCopies> = 82;
template <> inline constexpr u8 tag<WaitCopies> = 83;
template <> inline constexpr u8 tag<WaitSynced> = 84;
template <> inline constexpr u8 tag<Cancel> = 85;
template <> inline constexpr u8 tag<SetPresence> = 86;
template <> inline constexpr u8 tag<AnchorAdd> = 87;
template <> inline constexpr u8 tag<AnchorRemove> = 88;
template <> inline constexpr u8 tag<GetDigest> = 89;
template <> inline constexpr u8 tag<Close> = 90;
template <> inline constexpr u8 tag<PullLimit> = 91;
template <> inline constexpr u8 tag<GetLogs> = 92;

template <> inline constexpr u8 tag<Error> = 128;
template <> inline constexpr u8 tag<Nothing> = 129;
template <> inline constexpr u8 tag<OpenedTopic> = 130;
template <> inline constexpr u8 tag<Text> = 131;
template <> inline constexpr u8 tag<Appended> = 132;
template <> inline constexpr u8 tag<MessagePage> = 133;
template <> inline constexpr u8 tag<LivePage> = 134;
template <> inline constexpr u8 tag<MapPage> = 135;
template <> inline constexpr u8 tag<ConflictPage> = 136;
template <> inline constexpr u8 tag<HistoryPage> = 137;
template <> inline constexpr u8 tag<CopyList> = 138;
template <> inline constexpr u8 tag<LogList> = 139;

// ---- fields, in the order in which they stand ----------------------------------------------------------------------------
template <class T>
inline constexpr auto fields = std::tuple();

template <> inline constexpr auto fields<LinkId> = std::tuple(&LinkId::value);
template <> inline constexpr auto fields<Error> = std::tuple(&Error::code, &Error::text);

template <> inline constexpr auto fields<RowsRead> = std::tuple(&RowsRead::read, &RowsRead::ok, &RowsRead::rows);
template <> inline constexpr auto fields<Saved> = std::tuple(&Saved::save, &Saved::outcome);
template <> inline constexpr auto fields<Reopened> = std::tuple(&Reopened::outcome);
template <> inline constexpr auto fields<Read> = std::tuple(&Read::read, &Read::keys);
template <> inline constexpr auto fields<ReadRange> = std::tuple(&ReadRange::read, &ReadRange::from, &ReadRange::to, &ReadRange::limit, &ReadRange::reverse);
template <> inline constexpr auto fields<Save> = std::tuple(&Save::save, &Save::puts, &Save::erases, &Save::erase_ranges);

template <> inline constexpr auto fields<LinkOpened> = std::tuple(&LinkOpened::link, &LinkOpened::kind, &LinkOpened::dialler, &LinkOpened::url,
                                                                  &LinkOpened::attempt, &LinkOpened::network, &LinkOpened::address, &LinkOpened::admitted);
template <> inline constexpr auto fields<LinkReceived> = std::tuple(&LinkReceived::link, &LinkReceived::bytes);
template <> inline constexpr auto fields<LinkClosed> = std::tuple(&LinkClosed::link);
template <> inline constexpr auto fields<LinkDrained> = std::tuple(&LinkDrained::link, &LinkDrained::buffered);
template <> inline constexpr auto fields<DialFailed> = std::tuple(&DialFailed::url);
template <> inline constexpr auto fields<Dial> = std::tuple(&Dial::url, &Dial::network);
template <> inline constexpr auto fields<Send> = std::tuple(&Send::link, &Send::bytes);
template <> inline constexpr auto fields<CloseLink> = std::tuple(&CloseLink::link);
template <> inline constexpr auto fields<RtcSignal> = std::tuple(&RtcSignal::attempt, &RtcSignal::kind, &RtcSignal::text);
template <> inline constexpr auto fields<RtcFailed> = std::tuple(&RtcFailed::attempt);
template <> inline constexpr auto fields<RtcOpen> = std::tuple(&RtcOpen::attempt, &RtcOpen::initiator, &RtcOpen::ice);
template <> inline constexpr auto fields<RtcClose> = std::tuple(&RtcClose::attempt);

template <> inline constexpr auto fields<Start> = std::tuple(&Start::lost_store);
template <> inline constexpr auto fields<Network> = std::tuple(&Network::online);
template <> inline constexpr auto fields<Visibility> = std::tuple(&Visibility::hidden);

template <> inline constexpr auto fields<Call> = std::tuple(&Call::call, &Call::body);
template <> inline constexpr auto fields<TopicNamed> = std::tuple(&TopicNamed::name);
template <> inline constexpr auto fields<TopicCreate> = std::tuple(&TopicCreate::name, &TopicCreate::shortcode);
template <> inline constexpr auto fields<TopicJoin> = std::tuple(&TopicJoin::invite, &TopicJoin::name);
template <> inline constexpr auto fields<TopicJoinCode> = std::tuple(&TopicJoinCode::code, &TopicJoinCode::name);
template <> inline constexpr auto fields<TopicClose> = std::tuple(&TopicClose::topic);
template <> inline constexpr auto fields<TopicLeave> = std::tuple(&TopicLeave::topic, &TopicLeave::forget);
template <> inline constexpr auto fields<TopicInvite> = std::tuple(&TopicInvite::topic);
template <> inline constexpr auto fields<TopicShortcode> = std::tuple(&TopicShortcode::topic);
template <> inline constexpr auto fields<NewOp> = std::tuple(&NewOp::kind, &NewOp::key, &NewOp::value);
template <> inline constexpr auto fields<Append> = std::tuple(&Append::topic, &Append::tag, &Append::ops);
template <> inline constexpr auto fields<Messages> = std::tuple(&Messages::topic, &Messages::before, &Messages::after, &Messages::limit, &Messages::reverse);
template <> inline constexpr auto fields<Latest> = std::tuple(&Latest::topic, &Latest::limit);
template <> inline constexpr auto fields<GetMessage> = std::tuple(&GetMessage::topic, &GetMessage::id);
template <> inline constexpr auto fields<Live> = std::tuple(&Live::topic, &Live::after, &Live::limit);
template <> inline constexpr auto fields<MarkRead> = std::tuple(&MarkRead::topic, &MarkRead::id);
template <> inline constexpr auto fields<MapGet> = std::tuple(&MapGet::topic, &MapGet::key);
template <> inline constexpr auto fields<MapEntries> = std::tuple(&MapEntries::topic, &MapEntries::prefix, &MapEntries::after, &MapEntries::limit);
template <> inline constexpr auto fields<MapConflicts> = std::tuple(&MapConflicts::topic, &MapConflicts::prefix, &MapConflicts::after, &MapConflicts::limit);
template <> inline constexpr auto fields<MapHistory> = std::tuple(&MapHistory::topic, &MapHistory::key, &MapHistory::after, &MapHistory::limit);
template <> inline constexpr auto fields<GetCopies> = std::tuple(&GetCopies::topic, &GetCopies::id);
template <> inline constexpr auto fields<WaitCopies> = std::tuple(&WaitCopies::topic, &WaitCopies::id, &WaitCopies::copies, &WaitCopies::anchored);
template <> inline constexpr auto fields<WaitSynced> = std::tuple(&WaitSynced::topic);
template <> inline constexpr auto fields<Cancel> = std::tuple(&Cancel::call);
template <> inline constexpr auto fields<SetPresence> = std::tuple(&SetPresence::topic, &SetPresence::value);
template <> inline constexpr auto fields<AnchorAdd> = std::tuple(&AnchorAdd::url);
template <> inline constexpr auto fields<AnchorRemove> = std::tuple(&AnchorRemove::url);
template <> inline constexpr auto fields<GetDigest> = std::tuple(&GetDigest::topic);
template <> inline constexpr auto fields<GetLogs> = std::tuple(&GetLogs::id);
template <> inline constexpr auto fields<PullLimit> = std::tuple(&PullLimit::topic, &PullLimit::limits);

template <> inline constexpr auto fields<Reply> = std::tuple(&Reply::call, &Reply::body);
template <> inline constexpr auto fields<MessageOut> = std::tuple(&MessageOut::id, &MessageOut::author, &MessageOut::time_ms, &MessageOut::own, &MessageOut::value);
template <> inline constexpr auto fields<VersionOut> = std::tuple(&VersionOut::id, &VersionOut::author, &VersionOut::time_ms, &VersionOut::value);
template <> inline constexpr auto fields<EntryOut> = std::tuple(&EntryOut::key, &EntryOut::version);
template <> inline constexpr auto fields<ConflictOut> = std::tuple(&ConflictOut::key, &ConflictOut::winner, &ConflictOut::losers);
template <> inline constexpr auto fields<OpenedTopic> = std::tuple(&OpenedTopic::topic, &OpenedTopic::id, &OpenedTopic::name, &OpenedTopic::invite);
template <> inline constexpr auto fields<Text> = std::tuple(&Text::text);
template <> inline constexpr auto fields<Appended> = std::tuple(&Appended::id);
template <> inline constexpr auto fields<MessagePage> = std::tuple(&MessagePage::messages, &MessagePage::more);
template <> inline constexpr auto fields<LivePage> = std::tuple(&LivePage::messages, &LivePage::next);
template <> inline constexpr auto fields<MapPage> = std::tuple(&MapPage::entries, &MapPage::more);
template <> inline constexpr auto fields<ConflictPage> = std::tuple(&ConflictPage::conflicts, &ConflictPage::more);
template <> inline constexpr auto fields<HistoryPage> = std::tuple(&HistoryPage::versions, &HistoryPage::more);
template <> inline constexpr auto fields<CopyList> = std::tuple(&CopyList::here, &CopyList::peers, &CopyList::anchors);
template <> inline constexpr auto fields<LogOut> = std::tuple(&LogOut::id, &LogOut::length, &LogOut::own, &LogOut::acked);
template <> inline constexpr auto fields<LogList> = std::tuple(&LogList::logs);

template <> inline constexpr auto fields<PeerOut> = std::tuple(&PeerOut::id, &PeerOut::name, &PeerOut::state, &PeerOut::path, &PeerOut::round_trip_ms, &PeerOut::anchor,
                                                               &PeerOut::version);
template <> inline constexpr auto fields<AnchorOut> = std::tuple(&AnchorOut::url, &AnchorOut::state, &AnchorOut::id, &AnchorOut::reason);
template <> inline constexpr auto fields<TopicOut> = std::tuple(&TopicOut::topic, &TopicOut::id, &TopicOut::name, &TopicOut::unread, &TopicOut::last_activity_ms);
template <> inline constexpr auto fields<MemberOut> = std::tuple(&MemberOut::id, &MemberOut::name, &MemberOut::online, &MemberOut::last_seen_ms, &MemberOut::own);
template <> inline constexpr auto fields<StatusNotice> = std::tuple(&StatusNotice::state, &StatusNotice::webrtc, &StatusNotice::websocket, &StatusNotice::relayed,
                                                                    &StatusNotice::local, &StatusNotice::pending, &StatusNotice::skew_ms, &StatusNotice::trouble);
template <> inline constexpr auto fields<PeersNotice> = std::tuple(&PeersNotice::peers);
template <> inline constexpr auto fields<AnchorsNotice> = std::tuple(&AnchorsNotice::anchors);
template <> inline constexpr auto fields<TopicsNotice> = std::tuple(&TopicsNotice::whole, &TopicsNotice::topics, &TopicsNotice::ended);
template <> inline constexpr auto fields<TopicNotice> = std::tuple(&TopicNotice::topic, &TopicNotice::state, &TopicNotice::length, &TopicNotice::unread,
                                                                   &TopicNotice::pending, &TopicNotice::behind, &TopicNotice::held, &TopicNotice::unreadable, &TopicNotice::peers,
                                                                   &TopicNotice::map_size, &TopicNotice::timeline, &TopicNotice::copies, &TopicNotice::all_keys, &TopicNotice::keys);
template <> inline constexpr auto fields<MembersNotice> = std::tuple(&MembersNotice::topic, &MembersNotice::members);
template <> inline constexpr auto fields<PresenceNotice> = std::tuple(&PresenceNotice::topic, &PresenceNotice::device, &PresenceNotice::value);
template <> inline constexpr auto fields<MetricsNotice> = std::tuple(&MetricsNotice::counters);

template <> inline constexpr auto fields<Turn> = std::tuple(&Turn::deadline_ms, &Turn::actions);

template <> inline constexpr auto fields<Quotas> = std::tuple(&Quotas::total_bytes, &Quotas::topic_bytes, &Quotas::device_bytes, &Quotas::lease_days, &Quotas::address_bytes);
template <> inline constexpr auto fields<Config> = std::tuple(&Config::app, &Config::device_seed, &Config::random_seed, &Config::name, &Config::anchor, &Config::rtc,
                                                              &Config::anchors, &Config::quotas, &Config::apps, &Config::cache_bytes, &Config::links_max,
                                                              &Config::idle_bytes_per_second, &Config::stun_port, &Config::version, &Config::topics, &Config::tokens, &Config::memory_bytes);

// ---- enumerations: what a byte may say -----------------------------------------------------------------------------------
constexpr bool known(SaveOutcome v) { return v <= SaveOutcome::lost; }
constexpr bool known(Reopening v) { return v <= Reopening::failed; }
constexpr bool known(LinkKind v) { return v >= LinkKind::websocket && v <= LinkKind::local; }
constexpr bool known(SignalKind v) { return v >= SignalKind::offer && v <= SignalKind::candidate; }
constexpr bool known(PeerState v) { return v >= PeerState::connected && v <= PeerState::away; }
constexpr bool known(AnchorState v) { return v >= AnchorState::connected && v <= AnchorState::refused; }
constexpr bool known(TopicState v) { return v >= TopicState::live && v <= TopicState::alone; }
constexpr bool known(Code v) { return (v >= Code::bad_invite && v <= Code::wasm_failed) || v == Code::malformed; }
// clang-format on

}  // namespace perdure::boundary
