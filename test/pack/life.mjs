// What two people do with a package, and all that can be seen of it afterwards. In pages and in Node.
import { until } from "../web/support/until.mjs";

/** Two topics: every kind of value, entries, a batch, a shortcode. Resolves with the ways in, when an anchor holds all. */
export async function begin(ann) {
  const lunch = await ann.topic("lunch");
  const trip = await ann.create({ name: "trip", shortcode: true });
  await lunch.appendAll(
    Array.from({ length: 300 }, (_, at) => ({ at, when: new Date(at), bytes: Uint8Array.of(at & 255) })),
  );
  await lunch.append("long ".repeat(40_000));
  await lunch.map.setAll(
    Array.from({ length: 40 }, (_, at) => [`dish/${at}`, { at, sorts: [null, true, 1.5, "text"] }]),
  );
  await lunch.map.set("dish/7", "changed");
  await lunch.map.delete("dish/8");
  await lunch.batch(batch => {
    batch.append("both at once");
    batch.set("both", new Date(0));
  });
  await (await trip.append("who drives?")).anchored();
  await until(ann.status, ({ pending }) => pending === 0);
  return { lunch: await lunch.invite(), trip: await trip.invite(), code: await trip.shortcode() };
}

/** Says an entry that nobody hears of yet. */
export async function decide(peer, place) {
  peer.offline();
  await until(peer.status, ({ state }) => state === "offline");
  await (await peer.topic("lunch")).map.set("place", place);
}

/** What another one says meanwhile. */
const heard = ["one", "two", "three", "four"];

/** Back among the others: the conflict is seen, some of what was said is read, one topic is closed. */
export async function comeBack(ann) {
  ann.online();
  const [lunch, trip] = [await ann.topic("lunch"), await ann.topic("trip")];
  await until(lunch.map.conflicts(), ({ length }) => length === 1);
  const { messages } = await until(lunch.latest(), page =>
    heard.every(text => page.messages.some(({ value }) => value === text)),
  );
  await lunch.markRead(messages.find(({ value }) => value === heard[0]).id);
  await until(trip.status, ({ length }) => length === 2);
  await trip.close();
  await until(ann.status, ({ pending }) => pending === 0);
}

/** The last thing that is said before the app closes, with nobody there to hear it. */
export async function leave(ann) {
  ann.offline();
  await until(ann.status, ({ state }) => state === "offline");
  await (await ann.topic("lunch")).append("said to nobody");
  await ann.close();
}

/** What nobody has of hers after that, and what was not decided. */
export const left = { pending: 1, conflicts: 1 };

/** Ann's life until she leaves, with Ben beside her. `ann` has her do a step, `begin`, `decide` or `comeBack`, wherever she is. Resolves with the
 *  ways in and Ben's topics. */
export async function live(ann, ben) {
  const invites = await ann("begin");
  const lunch = await ben.join(invites.lunch, { name: "lunch" });
  const trip = await ben.join(invites.trip, { name: "trip" });
  await lunch.synced();
  await ann("decide", "pizza");
  for (const text of heard) await lunch.append(text);
  await lunch.map.set("place", "sushi");
  await (await trip.append("I do")).anchored();
  await ann("comeBack");
  return { invites, lunch, trip };
}

/** Has a peer of this process do the steps of `live`. */
export const inNode =
  ann =>
  (step, ...args) =>
    ({ begin, decide, comeBack })[step](ann, ...args);

/** Everything that a peer of these topics shows, in a form that can be compared. `pending`: how much nobody else has yet; `conflicts`: how many
 *  there are. */
export async function census(peer, { pending = 0, conflicts = 0 } = {}) {
  const listed = await until(
    peer.topics,
    topics => topics.length === 2 && topics.every(({ lastActivity }) => lastActivity !== undefined),
  );
  const topics = {};
  for (const { name } of listed) {
    const topic = await peer.topic(name);
    const messages = [],
      entries = [],
      history = [];
    for await (const message of topic.messages()) messages.push(message);
    for await (const entry of topic.map.entries()) entries.push(entry);
    for (const key of ["place", "dish/7", "dish/8"])
      for await (const version of topic.map.history(key)) history.push([key, version]);
    const due = name === "lunch" ? { pending, conflicts } : { pending: 0, conflicts: 0 };
    const { length, unread } = await until(
      topic.status,
      status => status.length === messages.length && status.pending === due.pending,
    );
    topics[name] = {
      id: topic.id,
      invite: await topic.invite(),
      code: await topic.shortcode(),
      length,
      unread,
      messages,
      entries,
      history,
      size: topic.map.size,
      conflicts: await until(topic.map.conflicts(), list => list.length === due.conflicts),
      anchors: (await until(topic.copies(messages[0].id), ({ anchors }) => anchors.length > 0)).anchors,
      members: topic.members.current.map(({ id, name, own }) => [id, name, own]).sort(),
    };
  }
  const { storage, trouble } = peer.status.current;
  const seen = {
    id: peer.id,
    listed,
    topics,
    kind: storage.kind,
    trouble: trouble.map(({ code }) => code),
    anchors: peer.anchors.list.current.map(({ url }) => url),
  };
  return JSON.parse(JSON.stringify(seen, (_, value) => (value instanceof Uint8Array ? { bytes: [...value] } : value)));
}

/** The census of what was kept there, with nothing done to it. */
export async function censusOf(openPeer, options, due) {
  const peer = await openPeer(options);
  const seen = await census(peer, due);
  await peer.close();
  return seen;
}
