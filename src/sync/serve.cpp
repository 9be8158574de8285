// Giving: pages that were wanted, pushes of what is small or new, announcements of the rest.
#include "codec/bytes.hpp"
#include "sync/sync.hpp"

namespace perdure::sync {

namespace {

wire::Page frame_of(const log::Page& page, const wire::LogTag& tag) {
  wire::Page out;
  if (page.from == 0) {
    codec::Writer w;
    w.be64(page.opening.incarnation);
    out.opening = wire::OpeningField{page.opening.device, {}, page.opening.certificate};
    std::copy(w.peek().begin(), w.peek().end(), out.opening->incarnation.begin());
  }
  out.log = tag;
  out.from = page.from;
  out.batches = page.batches;
  out.completion = page.completion;
  out.length = page.head.length;
  out.ops = page.head.ops;
  out.time = page.head.time.value;
  out.signature = page.head.signature;
  return out;
}

std::size_t bytes_of(const log::Page& page) {
  std::size_t n = 0;
  for (const Bytes& b : page.batches) n += b.size();
  return n;
}

}  // namespace

// One page at a time and link; the next once this one is read and the link has room.
void Sync::serve(TopicSync& t, Exchange& e) {
  TopicPtr topic = t.topic;
  if (!topic->loaded) return;
  while (!e.serving && !e.serves.empty() && host_.buffered(e.link) < buffered_bytes_max) {
    // What is wanted waits while they owe, and what is pushed goes on.
    auto next = e.serves.begin();
    if (u64 at = host_.rested_at(e.link); at > now_.steady_ms) {
      next = std::ranges::find_if(e.serves, [](const Serve& s) { return s.kind != Serve::Kind::want; });
      if (next != e.serves.begin()) resume(e, at);
      if (next == e.serves.end()) return;
    }
    Serve s = *next;
    e.serves.erase(next);
    if (s.kind == Serve::Kind::want) host_.charge(e.link, wire::work_per_page);
    if (s.kind == Serve::Kind::done) {
      for (std::size_t i = 0; i < e.unpushed.size(); i += wire::items_max)
        send(e, wire::Items{{e.unpushed.begin() + static_cast<std::ptrdiff_t>(i),
                             e.unpushed.begin() +
                                 static_cast<std::ptrdiff_t>(std::min(e.unpushed.size(), i + wire::items_max))}});
      e.unpushed.clear();
      e.answering = false;
      send(e, wire::Done{own_cursor(*topic, e)});
      continue;
    }
    auto known = e.tags.find(s.log);
    // What lies behind a cut is not offered, but given to who asks: an author fetches its lost branch so.
    u64 end = known == e.tags.end()         ? 0
              : s.kind == Serve::Kind::want ? topic->logs[known->second].durable.length
                                            : topic->logs[known->second].durable.spoken();
    if (s.from >= std::min(s.to, end)) {
      if (s.kind == Serve::Kind::want) {
        --e.wants_owed;
        send(e, wire::NoPage{s.log}, s.request);
      }
      continue;
    }
    store::LogNo no = known->second;
    s.to = std::min(s.to, end);
    if (u64 hole = topic->logs[no].durable.hole; s.from < hole) s.to = std::min(s.to, hole);
    e.serving = true;
    std::size_t room = s.kind == Serve::Kind::want ? std::min<u64>(std::max<u64>(s.bytes, 1), log::page_bytes_max)
                                                   : log::page_bytes_max;
    using Read = std::optional<log::Page>;
    transactions_.run<Read>(
        topic->queue(),
        [topic, no, s, room](store::Rows& rows) -> Read {
          auto state = read_state(rows, *topic, no);
          if (!state) return std::nullopt;
          return log::read_page(rows, topic->no, no, *state, s.from, s.to, room);
        },
        [this, topic, no, link = e.link, generation = e.generation, s](SaveOutcome saved, const Read& page) {
          // What is behind a hole is looked for as that is filled.
          if (saved == SaveOutcome::ok && !page && s.from < topic->logs[no].durable.hole)
            host_.damaged(topic, {false, false, {no}});
          if (saved == SaveOutcome::ok) served(topic, link, generation, s, page);
        });
    return;
  }
}

void Sync::served(const TopicPtr& topic, LinkId link, u32 generation, Serve s, const std::optional<log::Page>& page) {
  Exchange* e = find(topic, link);
  if (!e || e->generation != generation || !topic->loaded) return;
  TopicSync& t = topics_[topic->no];
  e->serving = false;
  auto known = e->tags.find(s.log);
  if (!page) {
    if (s.kind == Serve::Kind::want) {
      --e->wants_owed;
      send(*e, wire::NoPage{s.log}, s.request);
    }
    return serve(t, *e);
  }
  wire::Page frame = frame_of(*page, s.log);
  u64 end = page->from + page->batches.size();
  std::size_t size = bytes_of(*page);
  if (s.kind == Serve::Kind::push && e->answering && size > e->push_left) {
    if (known != e->tags.end()) e->unpushed.push_back(item_of(s.log, topic->logs[known->second].durable));
    return serve(t, *e);
  }
  e->push_left -= std::min<u64>(e->push_left, size);
  frame.last = end >= s.to || size >= s.bytes;
  send(*e, frame, s.request);
  host_.charge(link, wire::work_given(size));
  host_.count("batches_out", page->batches.size());
  Their& their = e->theirs[s.log];
  if (end > their.length) their = {end, page->head.ops, page->head.time.ms() / 1000, {}, their.cut, their.said};
  if (s.kind == Serve::Kind::push) {
    // One page shows what there is; the rest is told, and pulled at the receiver's pace.
    if (end < s.to && known != e->tags.end()) {
      wire::Item item = item_of(s.log, topic->logs[known->second].durable);
      if (e->answering) e->unpushed.push_back(item);
      else send(*e, wire::Items{{item}});
    }
  } else if (frame.last) {
    --e->wants_owed;
  } else {
    e->serves.push_front({Serve::Kind::want, s.request, s.log, end, s.to, s.bytes - size});
  }
  serve(t, *e);
}

// What is ours is pushed at once to those who hold all before it, and so does an anchor with everything; others are told.
void Sync::spread(const TopicPtr& topic, store::LogNo no, std::optional<LinkId> source) {
  TopicSync* found = known(topic);
  if (!found || no >= topic->logs.size()) return;
  TopicSync& t = *found;
  const LogEntry& entry = topic->logs[no];
  u64 pushed = 0;
  for (auto& [link, e] : t.exchanges) {
    const auto tag = tag_of(e.session, entry.pending.id);
    e.tags.emplace(tag, no);
    if ((source && link == *source) || !e.hello_got || e.refused) continue;
    const Lack lack = e.lack(tag, entry.durable);
    if (!lack) continue;
    auto queued = std::find_if(e.serves.begin(), e.serves.end(),
                               [&](const Serve& s) { return s.kind == Serve::Kind::push && s.log == tag; });
    if (entry.own || anchor_) {
      if (queued != e.serves.end()) queued->to = lack.to;
      else if (e.serves.size() < logs_max) e.serves.push_back({Serve::Kind::push, 0, tag, lack.from, lack.to, 0});
      serve(t, e);
      ++pushed;
    } else {
      e.announce.insert(no);
      if (!e.announce_at) e.announce_at = now_.steady_ms + announce_delay_ms;
    }
  }
  if (source) host_.charge(*source, pushed * wire::work_per_push);
}

void Sync::announce(TopicSync& t, Exchange& e) {
  e.announce_at.reset();
  wire::Items news;
  for (store::LogNo no : std::exchange(e.announce, {})) {
    const LogEntry& entry = t.topic->logs[no];
    const auto tag = tag_of(e.session, entry.pending.id);
    if (!e.lack(tag, entry.durable)) continue;
    news.items.push_back(item_of(tag, entry.durable));
    if (news.items.size() == wire::items_max) send(e, std::exchange(news, {}));
  }
  if (!news.items.empty()) send(e, news);
}

}  // namespace perdure::sync
