#include "node/storage.hpp"

#include "base/assert.hpp"
#include "node/params.hpp"
#include "sync/exchange.hpp"

namespace perdure {

namespace {
constexpr char
    outdated_text[] = "A newer version of this app has written to this device's store. Reload to run it too.";
constexpr char superseded_text
    [] = "Another tab or process of this device has taken its store over; this one neither reads nor writes any more. Go on there, or reload to take it back.";
constexpr char taken_text
    [] = "This device's store was taken away while it was in use. Reload the page, or close the peer and open it again, and each topic by its invite: what others hold of it is fetched again.";
constexpr char unopened_text[] = "The store could not be opened again; that is tried on. Reload the page if it lasts.";
constexpr char failing_text[] = "The store fails again and again; it is given time. Reload the page if it lasts.";
}  // namespace

std::optional<u64> Storage::deadline() const {
  return state_ == State::reopening || state_ == State::away ? std::optional(at_ms_) : std::nullopt;
}

void Storage::read() {
  PERDURE_ASSERT(!gone() && state_ != State::reopening);
  state_ = State::up;
  started_ = true;
}

Storage::Next Storage::failed(u64 now_ms, SaveOutcome outcome) {
  if (over()) return Next::nothing;
  rests_until_ = now_ms + sync::failed_pause_ms;
  const bool soon = failed_ms_ != 0 && failed_ms_ + sync::failed_pause_ms > now_ms;
  failures_ = soon && outcome != SaveOutcome::full ? failures_ + 1 : 1;
  failed_ms_ = now_ms;
  if (outcome == SaveOutcome::superseded) return lose(State::over, {Code::storage_unavailable, superseded_text});
  if (outcome == SaveOutcome::lost) return lose(State::over, {Code::storage_lost, taken_text});
  if (state_ != State::away) state_ = State::reopening;
  ask(now_ms);
  return Next::nothing;  // whoever met the failure has asked the host already
}

Storage::Next Storage::reopened(u64 now_ms, Reopening outcome) {
  if (over()) return Next::nothing;
  const u64 again = now_ms + params::reopen_pause_ms;
  asked_ = false;
  switch (outcome) {
    case Reopening::superseded: return lose(State::over, {Code::storage_unavailable, superseded_text});
    case Reopening::lost: return lose(State::over, {Code::storage_lost, taken_text});
    case Reopening::failed: return lose(State::away, {Code::storage_unavailable, unopened_text}, again);
    case Reopening::ok: break;
  }
  if (failures_ < params::failures_max) return open();
  return lose(State::away, {Code::storage_unavailable, failing_text}, again);
}

Storage::Next Storage::on_time(u64 now_ms, bool closed) {
  if (auto at = deadline(); !at || *at > now_ms) return Next::nothing;
  failures_ = 0;
  if (!closed) return open();
  if (asked_) return lose(State::away, {Code::storage_unavailable, unopened_text}, now_ms + params::reopen_ms_max);
  return ask(now_ms);
}

Storage::Next Storage::outdated() { return lose(State::over, {Code::outdated, outdated_text}); }

Storage::Next Storage::ask(u64 now_ms) {
  asked_ = true;
  at_ms_ = now_ms + params::reopen_ms_max;
  return Next::reopen;
}

Storage::Next Storage::open() {
  state_ = started_ ? State::up : State::reading;
  return Next::read;
}

Storage::Next Storage::lose(State state, Error why, u64 at_ms) {
  state_ = state;
  at_ms_ = at_ms;
  why_ = std::move(why);
  return Next::tell;
}

}  // namespace perdure
