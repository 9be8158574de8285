// How the store does. It asks nothing of the host itself: each move says what is to be done next.
//
//                    read                 failed
//       reading ───────────────▶ up ─────────────────▶ reopening ──── opened ───▶ up, or reading
//          │                      ▲                     │      │
//          │ failed               │ opened              │      │ taken over, taken away
//          ▼                      │ (or reading)        ▼      ▼
//       reopening                 └─────────────────── away   over ◀── from any: written by a newer version
//
// away: it could not be opened, or fails again and again; it is tried from time to time, and whoever calls is told meanwhile. over: for good.
// After each failure nothing is written of our own accord for a while (`rests`), also once it is up again.
#pragma once

#include <perdure/events.hpp>

#include <optional>

namespace perdure {

class Storage {
 public:
  enum class State : u8 { reading, up, reopening, away, over };
  enum class Next : u8 {
    nothing,
    read,    // it is open: all is read (again)
    reopen,  // the host is to open it
    tell     // it is not to be had, for now or for good: whoever waits hears why
  };

  State state() const { return state_; }
  bool started() const { return started_; }  // all that is known of it at the start was read, in this life
  bool over() const { return state_ == State::over; }
  // Why it is not to be had; null: it is, or soon.
  const Error* gone() const { return state_ == State::away || over() ? &why_ : nullptr; }
  bool rests(u64 now_ms) const { return rests_until_ > now_ms; }
  u64 rests_until() const { return rests_until_; }
  std::optional<u64> deadline() const;

  void read();
  Next failed(u64 now_ms, SaveOutcome outcome);
  Next reopened(u64 now_ms, Reopening outcome);
  Next on_time(u64 now_ms, bool closed);  // closed: it has to be opened before it can be read
  Next outdated();

 private:
  Next ask(u64 now_ms);
  Next open();
  Next lose(State state, Error why, u64 at_ms = 0);

  State state_ = State::reading;
  bool started_ = false;
  bool asked_ = false;  // the host has not answered yet
  u64 at_ms_ = 0;       // reopening: that takes too long; away: it is tried again
  u64 rests_until_ = 0;
  u64 failed_ms_ = 0;
  u32 failures_ = 0;  // in a row, each soon after the last
  Error why_{Code::storage_unavailable, {}};
};

}  // namespace perdure
