// Own batches: what was appended in a turn, or while a save was under way, is sealed together, saved, and only then spoken of.
#include "author/appender.hpp"
#include "codec/bytes.hpp"
#include "codec/value.hpp"
#include "node/impl.hpp"
#include "node/op_text.hpp"

namespace perdure {

struct Node::Impl::AppendStep {
  author::Written written;
  std::vector<std::string> answers;
  std::map<LogNo, u64> held;  // own batches dated ahead: they are appended again first, and nothing was written
  author::Named named;
};

namespace {

// What is wrong with what is to be appended; nothing: it may be.
std::optional<Error> refusal(const std::vector<NewOp>& ops) {
  if (ops.empty()) return Error{Code::bad_argument, "There is nothing to append. Give at least one value or change."};
  for (const NewOp& op : ops) {
    if (op.kind < 1 || op.kind > 3)
      return Error{Code::bad_argument, "What is appended is a message, a set or a delete."};
    if (op.kind != 1 && op.key.empty()) return Error{Code::bad_argument, "A key has at least one character."};
    if (op.key.size() > log::key_max) return Error{Code::too_large, "A key has at most 1,024 bytes of UTF-8."};
    if (op.kind != 1 && !log::is_key(view(op.key))) return Error{Code::bad_argument, "A key is text in valid UTF-8."};
    if (op.value.size() > log::value_max)
      return Error{Code::too_large, "A value has at most 256 KiB; keep files elsewhere and store where they are."};
    if (op.kind != 3 && !codec::is_value(op.value))
      return Error{Code::bad_argument, "The value is not one MessagePack value, or nested more than 64 deep."};
  }
  return std::nullopt;
}

std::size_t bytes_of(const std::vector<NewOp>& ops) {
  std::size_t bytes = 0;
  for (const NewOp& op : ops) bytes += op.key.size() + op.value.size();
  return bytes;
}

std::vector<log::Op> ops_of(const std::deque<WaitingAppend>& appends) {
  std::vector<log::Op> ops;
  for (const WaitingAppend& append : appends)
    for (const NewOp& op : append.ops)
      ops.push_back({static_cast<log::Op::Kind>(op.kind), own(view(op.key)), op.value, {}});
  return ops;
}

// The id that each is answered, which is that of its last op; and in a row, for who asks again.
std::vector<std::string> answers(store::Rows& rows, const std::deque<WaitingAppend>& appends,
                                 const author::Appender& appender, u32 receipt_row) {
  std::vector<std::string> ids;
  codec::Writer receipts;
  std::size_t n = 0;
  for (const WaitingAppend& append : appends) {
    n += append.ops.size();
    ids.push_back(op_text(appender.id_of(n - 1)));
    author::Receipts::write(receipts, append.tag, ids.back());
  }
  if (receipts.size() > 0) rows.put(store::key('R', receipt_row), std::move(receipts).take());
  return ids;
}

}  // namespace

void Node::Impl::call(u32 id, Append& c) {
  TopicPtr topic = open_one(id, c.topic);
  if (!topic) return;
  if (auto known = receipts_.of(c.tag)) return reply(id, Appended{*known});
  TopicExtra& e = extra(topic);
  if (WaitingAppend* same = e.append_of(c.tag)) {
    if (same->calls.size() < asked_again_max) return same->calls.push_back(id);
    return fail(id, Code::bad_argument, "That append is under way already. Await it.");
  }
  if (auto why = refusal(c.ops)) return reply(id, std::move(*why));
  const std::size_t bytes = bytes_of(c.ops);
  if (bytes > params::append_bytes_max) return fail(id, Code::too_large, "One call appends at most 16 MiB; split it.");
  if (!e.endings.empty())
    return fail(id, Code::closed, "The topic is being closed; open it again with topic() or join().");
  if (e.waiting_bytes + bytes > params::waiting_bytes_max)
    return fail(id, Code::too_large,
                "64 MiB are waiting for the disk already; await earlier appends before making more.");
  if (quota(*topic, identity_->id(), e.waiting_bytes + bytes))
    return fail(id, Code::storage_full,
                "The storage that this app allows is used up: this was not stored. Raise limits.storageMB.");
  e.waiting_bytes += bytes;
  e.waiting.push_back({{id}, c.tag, std::move(c.ops), bytes});
  append_waiting(topic);
}

void Node::Impl::append_waiting(const TopicPtr& topic) {
  TopicExtra& e = extra(topic);
  if (e.appending || e.releasing || e.reappending || !topic->loaded) return;
  bool resting = storage_.rests(now_.steady_ms);
  if (!e.uncounted.empty() && !resting) return reappend(topic);
  if (e.waiting.empty()) return end_if_idle(topic);
  // A clock that was put back in this very turn: what it no longer allows is held back first, and what of it is ours appended again.
  if (!resting && dated_ahead(*topic, topic->counters.greatest)) return reload_topic(topic);
  auto appends = e.appending = std::make_shared<std::deque<WaitingAppend>>(e.take_waiting(params::append_bytes_max));
  const u64 incarnation = random_.next();
  const bool unsure = std::exchange(topic->own_unsure, false);
  const bool look = !resting && redates(*topic) && !std::exchange(e.looked_for_held, true);
  const u32 receipt_row = receipts_.next_row();
  transactions_.run<AppendStep>(
      topic->queue(),
      [this, topic, appends, incarnation, unsure, look, receipt_row](store::Rows& rows) {
        AppendStep out;
        author::Appender appender(rows, *topic, *identity_, random_, corrected_now_ms());
        if (look) out.held = ahead_of_us(appender.replica());
        if (rows.missed() || !out.held.empty()) return out;
        appender.open(incarnation, unsure);
        if (rows.missed()) return out;
        appender.add(ops_of(*appends));
        if (rows.missed()) return out;
        out.answers = answers(rows, *appends, appender, receipt_row);
        if (auto written = appender.finish()) out.written = std::move(*written);
        out.named = appender.named();
        return out;
      },
      [this, topic, appends, unsure](SaveOutcome saved, AppendStep out) {
        TopicExtra* found = known_extra(topic);
        if (found) found->appending.reset();
        if (saved == SaveOutcome::ok) {
          if (found)
            appended(topic, *found, *appends, out, unsure);  // a topic is not forgotten while appends are under way
          return;
        }
        for (const WaitingAppend& append : *appends)
          for (u32 call : append.calls) save_failed(call, saved, "this was not stored.");
        topic->own_unsure |= unsure;
        if (found) found->looked_for_held = false;
      });
}

// The step is durable; or it has changed nothing, and they wait again.
void Node::Impl::appended(const TopicPtr& topic, TopicExtra& e, std::deque<WaitingAppend>& appends,
                          const AppendStep& out, bool unsure) {
  const sync::Damage& damage = out.written.damage;
  if (damage) damaged(topic, damage);
  if (!out.held.empty() || damage.indexes) {
    topic->own_unsure |= unsure;
    e.wait_again(appends);
    note_held(topic, out.held);
    if (damage.indexes) e.looked_for_held = false;
    return append_waiting(topic);  // not before damaged indexes are made anew
  }
  for (std::size_t i = 0; i < appends.size(); ++i) {
    receipts_.remember(appends[i].tag, out.answers[i]);
    for (u32 call : appends[i].calls) reply(call, Appended{out.answers[i]});
  }
  written(topic, out.written);
  e.looked_for_held = false;
  for (const auto& [no, held] : out.named)
    if (no < topic->logs.size() && topic->logs[no].pending.held == held) topic->grown.erase(no);
  append_waiting(topic);
}

void Node::Impl::written(const TopicPtr& topic, const author::Written& w) {
  apply(topic, w.updates);
  topic->counters = w.counters;
  stored(topic, w.changes);
  status_dirty_ = true;
  sync_.spread(topic, w.no, std::nullopt);
}

}  // namespace perdure
