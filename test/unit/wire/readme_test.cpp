// The worked examples of src/wire/README.md, made by the core again: what the page says to who writes a client is what the core does.
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>

#include "catch_amalgamated.hpp"
#include "codec/bytes.hpp"
#include "crypto/seal.hpp"
#include "identity/invite.hpp"
#include "log/nodes.hpp"
#include "peers/proof.hpp"
#include "peers/signal.hpp"
#include "sync/topic.hpp"
#include "unit/support/solo.hpp"

using namespace perdure;
using namespace perdure::test;

namespace {

constexpr const char* page_path = "src/wire/README.md";
constexpr std::size_t hex_columns = 128;

// In the fenced block `vectors` a name stands at the margin and what belongs to it indented, on the same line and those that follow.
std::map<std::string, std::string> vectors_of_the_page() {
  std::map<std::string, std::string> out;
  std::ifstream page(page_path);
  bool inside = false;
  std::string name;
  for (std::string line; std::getline(page, line);) {
    if (line.starts_with("```")) inside = line == "```vectors";
    if (!inside || line.starts_with("```")) continue;
    std::istringstream words(line);
    if (!line.starts_with(' ')) words >> name;
    for (std::string word; words >> word;) out[name] += word;
  }
  return out;
}

Bytes joined(std::initializer_list<ByteView> parts) {
  codec::Writer w;
  for (ByteView part : parts) w.raw(part);
  return std::move(w).take();
}

Bytes be64(u64 v) {
  codec::Writer w;
  w.be64(v);
  return std::move(w).take();
}

Bytes first_of(const Seed& seed, std::size_t n) {
  Bytes out(n);
  crypto::Random(seed).fill(out);
  return out;
}

// Two devices, a topic and a log of the first one, with the seeds that the page names.
struct Example {
  static constexpr u64 incarnation = 5;
  static constexpr u64 time = u64{1'700'000'000'000} << 16;

  identity::Identity a{"notes", named_seed("\x01")}, b{"notes", named_seed("!")};
  Secret secret = named_secret("A");
  identity::TopicKeys topic = identity::topic_keys(secret);
  NetworkId network = identity::network_id("notes");
  LogId log = identity::log_id(network, topic.id, a.id(), incarnation),
        other = identity::log_id(network, topic.id, b.id(), 6);
  Signature certificate = identity::open_log(network, topic, a.id(), incarnation);
  std::vector<log::Batch> batches{
      {{time}, 0, {}, {}, {{log::Op::Kind::message, {}, {0xa5, 'h', 'e', 'l', 'l', 'o'}, {}}}},
      {{time + 1},
       1,
       {{{1, 2, 3, 4, 5, 6, 7, 8}, 3, {8, 7, 6, 5, 4, 3, 2, 1}}},
       {},
       {{log::Op::Kind::message, {}, {0x2a}, {}},
        {log::Op::Kind::set, own(view("color")), {0xa3, 'r', 'e', 'd'}, {{other, 2, 1}}},
        {log::Op::Kind::erase, own(view("color")), {}, {{log, 1, 1}}}}}};
  std::vector<Bytes> plain, sealed;
  log::Peaks peaks[3];
  log::Head heads[3];

  Example() {
    crypto::Random random(named_seed("sealing"));
    u64 ops = 0;
    for (u64 i = 0; i < batches.size(); ++i) {
      plain.push_back(log::encode_batch(batches[i], log));
      sealed.push_back(log::seal_batch(topic, {network, topic.id, log, i}, plain[i], random));
      ops += batches[i].ops.size();
      peaks[i + 1] = peaks[i];
      peaks[i + 1].append(log::leaf_hash(sealed[i]));
      heads[i + 1] = log::sign_head(a, topic.id, incarnation, i + 1, ops, peaks[i + 1].root(), batches[i].time);
    }
  }

  Bytes salt(std::size_t i) const { return own(ByteView(sealed[i]).subspan(1, 8)); }
  Bytes nonce(std::size_t i) const {
    Bytes out(24);
    crypto::blake2b_into(out, topic.seal_key.view(), {topic.epoch_id, log.view(), be64(i), salt(i)});
    return out;
  }
  Bytes aad(std::size_t i) const {
    return joined({network.view(), topic.id.view(), log.view(), be64(i), topic.epoch_id});
  }
  Bytes head_statement(std::size_t length) const {
    const log::Head& h = heads[length];
    return joined({view("perdure/head/1"), network.view(), topic.id.view(), a.id().view(), be64(incarnation),
                   be64(h.length), be64(h.ops), peaks[length].root().view(), be64(h.time.value)});
  }
  Bytes ack_statement(u64 length, const DeviceId& acker, const wire::Epoch& epoch) const {
    return joined({view("perdure/ack/1"), network.view(), topic.id.view(), log.view(), be64(0), be64(length),
                   peaks[length].root().view(), acker.view(), epoch});
  }
  Bytes presence_about(u64 sequence) const {
    return joined(
        {view("perdure/presence/1"), network.view(), topic.id.view(), a.id().view(), Bytes{1}, be64(sequence)});
  }
  Bytes presence_plain(u64 sequence, ByteView value) const {
    const Bytes content = joined({Bytes{1}, value});
    return joined({content, crypto::sign(a.key(), {presence_about(sequence), content}).view()});
  }
  Bytes presence_sealed(u64 sequence, ByteView value, ByteView salt8) const {
    const Seed key = crypto::derive(topic.seal_key.view(), "perdure/presence/1");
    crypto::Nonce24 nonce;
    crypto::blake2b_into(nonce, key.view(), {salt8, presence_about(sequence)});
    return joined({salt8, crypto::seal(key, nonce, presence_about(sequence), presence_plain(sequence, value))});
  }
  wire::Page page(const wire::LogTag& tag) const {
    wire::Page page;
    page.opening = wire::OpeningField{a.id(), {0, 0, 0, 0, 0, 0, 0, incarnation}, certificate};
    page.log = tag;
    page.last = true;
    page.batches = sealed;
    page.length = heads[2].length;
    page.ops = heads[2].ops;
    page.time = heads[2].time.value;
    page.signature = heads[2].signature;
    return page;
  }
};

// A session of the two, as it goes over a WebSocket.
struct Talk {
  session::StaticKey key_a, key_b;
  crypto::Random random_a{named_seed("ephemeral a")}, random_b{named_seed("ephemeral b")};
  std::vector<Bytes> messages;
  Bytes ping = wire::encode({}, wire::Ping{1, 1'700'000'000'000}),
        pong = wire::encode({}, wire::Pong{1, 1'700'000'000'001});
  Bytes ping_sealed, pong_sealed;
  Bytes greeting_a = wire::encode_body(wire::Greeting{1, 0, true, {1, 1, 1, 1, 1, 1, 1, 1}, {}, 0});
  Bytes greeting_b = wire::encode_body(wire::Greeting{1, 1, false, {2, 2, 2, 2, 2, 2, 2, 2}, {0x0d, 0x96}, 0});
  Hash hash;

  static session::StaticKey static_key(const identity::Identity& who, const Seed& seed) {
    crypto::Random random(seed);
    return session::make_static_key(who, random);
  }
  explicit Talk(const Example& e)
      : key_a(static_key(e.a, named_seed("static a"))), key_b(static_key(e.b, named_seed("static b"))) {
    session::Session one(e.a, key_a, random_a, {true, LinkKind::websocket, {}, greeting_a}),
        two(e.b, key_b, random_b, {false, LinkKind::websocket, {}, greeting_b});
    messages.push_back(one.start().at(0));
    messages.push_back(two.on_bytes(messages[0]).to_send.at(0));
    messages.push_back(one.on_bytes(messages[1]).to_send.at(0));
    two.on_bytes(messages[2]);
    REQUIRE(two.established());
    hash = two.handshake_hash();
    ping_sealed = one.send(ping).at(0);
    pong_sealed = two.send(pong).at(0);
  }
};

// Names and what belongs to them, in the order of the page.
struct Vectors {
  std::vector<std::pair<std::string, std::string>> all;

  void add(const std::string& name, const std::string& value) { all.emplace_back(name, value); }
  void put(const std::string& name, ByteView bytes) { add(name, codec::to_hex(bytes)); }
};

void put_names_and_keys(Vectors& out, const Example& e) {
  out.put("network", e.network.view());
  out.put("device-a-seed", named_seed("\x01").view());
  out.put("device-a", e.a.id().view());
  out.put("device-b-seed", named_seed("!").view());
  out.put("device-b", e.b.id().view());
  out.put("topic-secret", e.secret.view());
  out.put("topic-key-seed", crypto::derive(e.secret.view(), "perdure/topic/1").view());
  out.put("topic", e.topic.id.view());
  out.put("seal-key", e.topic.seal_key.view());
  out.put("epoch-id", e.topic.epoch_id);
  out.put("match-key", e.topic.match_key.view());
  identity::Invite invite;
  std::copy_n(e.network.bytes.begin(), 4, invite.network_tag.begin());
  invite.secret = e.secret;
  invite.anchors = {"wss://a.example"};
  const std::string code = identity::encode_shortcode(123'456'789'012'345'678);
  out.add("invite", identity::encode_invite(invite));
  out.add("shortcode", code);
  out.put("shortcode-secret", (*identity::secret_of_shortcode(code, e.network)).view());
}

void put_session(Vectors& out, const Talk& t) {
  out.put("static-a", t.key_a.secret);
  out.put("static-a-signature", t.key_a.signature.view());
  out.put("ephemeral-a", first_of(named_seed("ephemeral a"), 32));
  out.put("static-b", t.key_b.secret);
  out.put("ephemeral-b", first_of(named_seed("ephemeral b"), 32));
  out.put("greeting-a", t.greeting_a);
  out.put("greeting-b", t.greeting_b);
  for (std::size_t i = 0; i < t.messages.size(); ++i) out.put("noise-" + std::to_string(i + 1), t.messages[i]);
  out.put("session", t.hash.view());
  out.put("ping", t.ping);
  out.put("ping-sealed", t.ping_sealed);
  out.put("pong", t.pong);
  out.put("pong-sealed", t.pong_sealed);
  session::noise::CipherState cipher(session::noise::Key{1});
  cipher.rekey();
  out.put("rekeyed-seals-nothing", cipher.encrypt({}, {}));
}

void put_log(Vectors& out, const Example& e) {
  out.put("log", e.log.view());
  out.put("certificate", e.certificate.view());
  for (std::size_t i = 0; i < 2; ++i) {
    const std::string batch = "batch-" + std::to_string(i);
    out.put(batch + "-plain", e.plain[i]);
    out.put(batch + "-nonce", e.nonce(i));
    out.put(batch + "-sealed", e.sealed[i]);
    out.put("leaf-" + std::to_string(i), log::leaf_hash(e.sealed[i]).view());
  }
  out.put("root-2", e.peaks[2].root().view());
  out.put("head-1-signature", e.heads[1].signature.view());
  out.put("head-2-statement", e.head_statement(2));
  out.put("head-2-signature", e.heads[2].signature.view());
}

// A tree of five leaves, and what completes its first three.
void put_tree(Vectors& out) {
  log::Peaks five;
  std::map<std::pair<u32, u64>, Hash> nodes;
  for (u8 i = 0; i < 5; ++i)
    five.append(log::leaf_hash(Bytes{i}), log::blake2b_tree,
                [&](u32 level, u64 index, const Hash& hash) { nodes[{level, index}] = hash; });
  out.put("root-of-5", five.root().view());
  const Hash completion[] = {nodes[{0, 3}], nodes[{0, 4}]};
  out.put("completion-3-of-5", joined({completion[0].view(), completion[1].view()}));
  log::Peaks three;
  for (u8 i = 0; i < 3; ++i) three.append(log::leaf_hash(Bytes{i}));
  CHECK(log::complete(three, 5, {completion[0], completion[1]}) == five.root());
}

// How one shows that he knows the topic, and what he holds of it.
void put_entering(Vectors& out, const Example& e, const Talk& t) {
  const peers::TopicProof showing{e.topic, t.hash, e.a.id(), e.b.id()};
  sync::Topic held;
  held.network = e.network;
  held.id = e.topic.id;
  held.add_log(e.a.id(), Example::incarnation);
  held.logs[0].durable = {2, e.heads[2].ops, e.heads[2].time, e.peaks[2].root()};
  out.put("log-tag", sync::tag_of(t.hash, e.log).view());
  out.put("fingerprint", sync::fingerprint_of(t.hash, held));
  const wire::Hello hello = sync::hello_of(t.hash, held, 1);
  out.put("hello", wire::encode({.alias = 1}, hello));
  out.put("topic-mac", peers::topic_mac(showing));
  crypto::Random random(named_seed("padding"));
  std::vector<wire::Mac> padding;
  CHECK(peers::pad(showing, 1, hello, random, padding));
  Bytes sealed_hello;
  for (const wire::Mac& part : padding) sealed_hello.insert(sealed_hello.end(), part.begin(), part.end());
  out.put("blind-hello", sealed_hello);
  out.put("enter",
          wire::encode({.alias = 1}, wire::Enter{e.topic.id, peers::enter_signature(e.topic, t.hash, e.a.id())}));
}

void put_exchange(Vectors& out, const Example& e, const Talk& t) {
  const wire::LogTag tag = sync::tag_of(t.hash, e.log);
  out.put("want", wire::encode({.alias = 1, .request = 1}, wire::Want{tag, 0, 2, 524'288}));
  out.put("page", wire::encode({.alias = 1, .request = 1}, e.page(tag)));
  const wire::Epoch epoch{2, 2, 2, 2, 2, 2, 2, 2};
  out.put("ack-statement", e.ack_statement(2, e.b.id(), epoch));
  out.put("ack", wire::encode({.alias = 1}, wire::Ack{e.a.id(),
                                                      {0, 0, 0, 0, 0, 0, 0, Example::incarnation},
                                                      e.b.id(),
                                                      0,
                                                      2,
                                                      epoch,
                                                      crypto::sign(e.b.key(), {e.ack_statement(2, e.b.id(), epoch)})}));
}

void put_signal_and_presence(Vectors& out, const Example& e) {
  crypto::Random box(named_seed("box"));
  const auto signal = peers::seal_signal(e.a, e.b.id(), e.topic, {{9, 9}, SignalKind::offer, "v=0"}, box);
  out.put("signal-ephemeral", first_of(named_seed("box"), 32));
  out.put("signal-plain", *crypto::unseal_from(e.b.key(), signal->sealed));
  out.put("signal-sealed", signal->sealed);
  const Bytes value{0xa4, 'h', 'e', 'r', 'e'};
  out.put("presence-plain", e.presence_plain(1'700'000'000'000, value));
  out.put("presence-sealed", e.presence_sealed(1'700'000'000'000, value, Bytes{1, 2, 3, 4, 5, 6, 7, 8}));
}

Vectors vectors_of_the_core() {
  Vectors out;
  const Example e;
  const Talk t(e);
  put_names_and_keys(out, e);
  put_session(out, t);
  put_log(out, e);
  put_tree(out);
  put_entering(out, e, t);
  put_exchange(out, e, t);
  put_signal_and_presence(out, e);
  return out;
}

// As the page writes it.
std::string written(const std::string& name, const std::string& value) {
  std::string out = name + std::string(name.size() < 22 ? 22 - name.size() : 1, ' ');
  for (std::size_t at = 0; at < value.size(); at += hex_columns)
    out += (at > 0 ? "\n" + std::string(22, ' ') : "") + value.substr(at, hex_columns);
  return out + "\n";
}

}  // namespace

TEST_CASE(
    "every worked example of the page about the wire is what the core makes of it, and the page has all of them") {
  const auto page = vectors_of_the_page();
  const auto core = vectors_of_the_core().all;
  std::string wanted;
  for (const auto& [name, value] : core) {
    auto said = page.find(name);
    if (said == page.end() || said->second != value) wanted += written(name, value);
  }
  // Whole lines, to be put into the page: the framework would break them.
  if (!wanted.empty()) std::cout << "The page should say:\n" << wanted;
  CHECK(wanted.empty());
  CHECK(page.size() == core.size());
}

TEST_CASE("batches are sealed with the nonce and the associated data of the page") {
  const Example e;
  for (std::size_t i = 0; i < e.sealed.size(); ++i) {
    crypto::Nonce24 nonce;
    std::ranges::copy(e.nonce(i), nonce.begin());
    CHECK(e.sealed[i][0] == 0);
    CHECK(crypto::unseal(e.topic.seal_key, nonce, e.aad(i), ByteView(e.sealed[i]).subspan(9)) == e.plain[i]);
    CHECK(crypto::verify(e.a.id().view(), {e.head_statement(i + 1)}, e.heads[i + 1].signature));
  }
  CHECK(e.peaks[2].root() ==
        crypto::blake2b({Bytes{1}, log::leaf_hash(e.sealed[0]).view(), log::leaf_hash(e.sealed[1]).view()}));
  CHECK(log::leaf_hash(e.sealed[0]) == crypto::blake2b({Bytes{0}, e.sealed[0]}));
}

TEST_CASE("a core takes in the page's log, acknowledges it over the page's statement, and reads the page's presence") {
  const Example e;
  Config config;
  config.app = "notes";
  Solo core("!", config);
  const u32 topic = core.join(e.secret);
  Stranger device(core, "\x01");
  REQUIRE(core.id() == e.b.id());
  REQUIRE(device.identity.id() == e.a.id());
  device.enter(e.secret);
  device.say(e.page(device.tag(e.log)), 1);
  device.say(wire::Presence{e.a.id(), 1, 1'700'000'000'000,
                            e.presence_sealed(1'700'000'000'000, Bytes{0xa4, 'h', 'e', 'r', 'e'}, Bytes(8))},
             1);
  device.pass(1'000);
  CHECK(device.linked());
  CHECK(core.ask<MessagePage>(Latest{topic, 256}).messages.size() == 2);
  CHECK(core.presence[e.a.id()] == Bytes{0xa4, 'h', 'e', 'r', 'e'});
  const auto ack = device.last<wire::Ack>();
  REQUIRE(ack);
  CHECK(ack->length == 2);
  CHECK(crypto::verify(core.id().view(), {e.ack_statement(2, core.id(), ack->epoch)}, ack->signature));
}
