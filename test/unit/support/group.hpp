// A few devices in one topic, in virtual time, linked as the test says.
//
//     Group group;
//     sim::HostId ada = group.add(), bob = group.add();
//     group.say(ada, "hello");
//     group.meet(ada, bob);
//     CHECK(group.words(bob) == Words{"hello"});
#pragma once

#include <algorithm>

#include "catch_amalgamated.hpp"
#include "sim/world.hpp"
#include "unit/support/scene.hpp"

namespace perdure::test {

using Words = std::vector<std::string>;

inline Words sorted(Words words) {
  std::ranges::sort(words);
  return words;
}

struct Group {
  sim::World world{11};
  std::map<sim::HostId, u32> topic;

  sim::HostId add() {
    sim::HostId host = world.add({.name = {}, .rtc = false, .anchors = {}, .device_seed = {}, .disk = {}});
    open(host);
    return host;
  }
  void open(sim::HostId host) {
    identity::Invite invite;
    std::copy_n(identity::network_id("sim").bytes.begin(), 4, invite.network_tag.begin());
    invite.secret = secret;
    topic[host] = ask<OpenedTopic>(host, TopicJoin{identity::encode_invite(invite), {}}).topic;
  }
  template <class R>
  R ask(sim::HostId host, CallBody body) {
    std::optional<ReplyBody> got;
    world.call(host, std::move(body), [&](const ReplyBody* reply) {
      if (reply) got = *reply;
    });
    bool answered = world.run_until([&] { return got.has_value(); }, 30'000);
    REQUIRE(answered);
    REQUIRE(std::holds_alternative<R>(*got));
    return std::get<R>(*got);
  }
  std::string say(sim::HostId host, std::string_view text) {
    return ask<Appended>(host, Append{topic[host], {}, {Solo::message(text)}}).id;
  }
  Words words(sim::HostId host) {
    Words out;
    for (const MessageOut& m : ask<MessagePage>(host, Latest{topic[host], 256}).messages)
      out.emplace_back(text(ByteView(m.value).subspan(2)));
    return sorted(out);
  }
  std::string digest(sim::HostId host) { return ask<Text>(host, GetDigest{topic[host]}).text; }
  bool troubled(sim::HostId host, Code code) const {
    return std::ranges::any_of(world.status(host).trouble, [&](const Error& e) { return e.code == code; });
  }

  void meet(sim::HostId a, sim::HostId b) {
    world.connect(a, b);
    world.run_for(20'000);
  }
  void part(sim::HostId a, sim::HostId b) {
    world.disconnect(a, b);
    world.run_for(1'000);
  }
  // Down, its rows changed by `change(rows)`, and up again.
  template <class Change>
  void restart(sim::HostId host, Change change) {
    world.crash(host);
    change(*world.disk(host));
    world.restart(host);
    open(host);
  }
  std::vector<Bytes> rows(sim::HostId host, char kind) const {
    std::vector<Bytes> out;
    for (const auto& [key, value] : world.disk(host)->rows)
      if (key[0] == static_cast<u8>(kind)) out.push_back(key);
    return out;
  }
};

enum class Harm { lost, cut, bent };

inline void harm(sim::Disk& disk, const Bytes& key, Harm how) {
  Bytes& row = disk.rows[key];
  if (how == Harm::lost) disk.rows.erase(key);
  else if (how == Harm::cut) row.resize(row.size() / 2);
  else row[row.size() / 2] ^= 0x11;
}

}  // namespace perdure::test
