// Whom to ask for a log that several hold: one link at a time, and the next one as soon as it gives nothing, or little in a long time. What
// somebody claims to hold, and sends in place of it, keeps nobody from having it of others.
#include "sync/sync.hpp"

namespace perdure::sync {

// The one that is asked goes on as long as it gets on. Then comes the next, by number of the link, whoever happens to be looked at first:
// so nobody is passed over for those who begin again and again.
bool Sync::take_turn(TopicSync& t, const Exchange& e, store::LogNo no, u32 request) {
  auto [at, fresh] = t.turns.emplace(no, TopicSync::Turn{e.link});
  TopicSync::Turn& turn = at->second;
  if (turn.request != 0 && !turn.over) return false;
  if (!fresh && (turn.link != e.link || turn.over)) {
    if (next_in_turn(t, no, turn.link) != e.link) {
      t.freed = true;  // and that one is asked
      return false;
    }
    turn = {e.link};
  }
  turn.request = request;
  turn.asked_ms = now_.steady_ms;
  return true;
}

// Who can be asked for that log now; the one before comes last.
std::optional<LinkId> Sync::next_in_turn(const TopicSync& t, store::LogNo no, LinkId after) const {
  const LogId& id = t.topic->logs[no].pending.id;
  auto at = t.exchanges.upper_bound(after);
  for (std::size_t n = 0; n < t.exchanges.size(); ++n, ++at) {
    if (at == t.exchanges.end()) at = t.exchanges.begin();
    const Exchange& e = at->second;
    if (!e.done_got || e.behind.empty() || e.pulls.size() >= pulls_max || e.pull_bytes >= window_bytes) continue;
    const auto tag = tag_of(e.session, id);
    if (e.behind.contains(tag) && lacking(*t.topic, e, tag) && to_be_asked(*t.topic, e, tag) &&
        host_.rested_at(e.link) <= now_.steady_ms)
      return e.link;
  }
  return std::nullopt;
}

// That is of this want; null: none.
const Sync::TopicSync::Turn* Sync::turn_of(const TopicSync& t, const Exchange& e, u32 request) {
  auto pull = e.pulls.find(request);
  if (pull == e.pulls.end() || !pull->second.turn) return nullptr;
  auto turn = t.turns.find(*pull->second.turn);
  return turn != t.turns.end() && turn->second.link == e.link && turn->second.request == request ? &turn->second
                                                                                                 : nullptr;
}

Sync::TopicSync::Turn* Sync::turn_of(TopicSync& t, const Exchange& e, u32 request) {
  return const_cast<TopicSync::Turn*>(turn_of(std::as_const(t), e, request));
}

void Sync::free_turn(TopicSync& t, const Exchange& e, u32 request) {
  TopicSync::Turn* turn = turn_of(t, e, request);
  if (!turn) return;  // nobody waited for that one
  t.freed = true;
  turn->request = 0;
  turn->used_ms += now_.steady_ms - turn->asked_ms;
}

void Sync::free_turns(TopicSync& t, const Exchange& e) {
  for (const auto& [request, pull] : e.pulls) free_turn(t, e, request);
}

// What it spoke of is here: when there is more of it, it has as much time again.
void Sync::all_given(TopicSync& t, const Exchange& e, store::LogNo no) {
  auto turn = t.turns.find(no);
  if (turn != t.turns.end() && turn->second.link == e.link && turn->second.request == 0) turn->second = {e.link};
}

// Only what proved right, and is of what was asked, is a sign that an answer goes on: anybody can send something.
void Sync::went_on(TopicSync& t, Exchange& e, const Came& came, const Taken& result) {
  const bool fresh = result.verdict == log::Verdict::accepted || result.restored;
  if (result.refused || (!fresh && result.verdict != log::Verdict::known)) return;
  for (auto& [request, pull] : e.pulls) {
    if (pull.log != came.tag || !(fresh || (result.end > pull.next && result.end <= pull.to))) continue;
    pull.next = std::max(pull.next, result.end);
    pull.heard_ms = now_.steady_ms;
    pull.got = true;
  }
  if (!fresh) return;
  if (auto turn = t.turns.find(result.no); turn != t.turns.end() && turn->second.link == e.link) {
    turn->second.bytes += result.given;
    if (turn->second.bytes >= want_bytes_max) turn->second = {e.link, turn->second.request, now_.steady_ms};
  }
  if (auto sought = t.sought.find(result.no); sought != t.sought.end() && result.restored) {
    sought->second.bytes += result.given;
    if (sought->second.bytes >= want_bytes_max || sought->second.since_ms + turn_ms_max <= now_.steady_ms)
      sought->second = {now_.steady_ms};
  }
}

// Who does not answer keeps nobody else from being asked.
void Sync::give_up_late(TopicSync& t, Exchange& e) {
  std::vector<u32> late;
  for (const auto& [request, p] : e.pulls)
    if (p.heard_ms + p.ms_max <= now_.steady_ms) late.push_back(request);
  for (u32 request : late) {
    e.withhold(e.pulls[request].log);
    end_branch_fetch(e, e.pulls[request].log);
    end_pull(t, e, request);
  }
  end_turns(t, e);
}

// Nor does who gives it little by little. The want stands: what it brings is taken, and it is not asked again while that comes.
void Sync::end_turns(TopicSync& t, Exchange& e) {
  for (const auto& [request, pull] : e.pulls) {
    TopicSync::Turn* turn = turn_of(t, e, request);
    if (!turn || turn->over || turn->ends_ms() > now_.steady_ms) continue;
    turn->over = t.freed = true;
    if (next_in_turn(t, *pull.turn, e.link) && e.behind.contains(pull.log)) e.withheld.insert(pull.log);
  }
}

void Sync::ask_next(TopicSync& t) {
  if (!std::exchange(t.freed, false)) return;
  for (auto& [link, e] : t.exchanges) pull(t, e);
  t.freed = false;  // all that could be was given out
}

}  // namespace perdure::sync
