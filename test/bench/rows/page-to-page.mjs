import { context, newPage, started } from "../browser.mjs";
import { byTurns, middle, share } from "../measure.mjs";

/** Two pages that have never been here. The first one stands when the second one begins. */
async function between(first, second, given) {
  const contexts = [await context(), await context()];
  try {
    const [a, b] = [await newPage(contexts[0]), await newPage(contexts[1])];
    const told = await a.evaluate(first, given);
    return await b.evaluate(second, { ...given, ...told });
  } finally {
    for (const made of contexts) await made.close();
  }
}

/** Milliseconds from openPeer() until the first message is shown, and until a DataChannel stands. */
const ours = anchor =>
  between(
    async ({ app, anchors }) => {
      const peer = await window.openPeer({ app, anchors });
      await window.until(peer.status, ({ state }) => state === "online");
      const topic = await peer.topic("bench");
      await topic.append(window.texts(1)[0]);
      return { link: await topic.link(location.href) };
    },
    async ({ app, anchors, link }) => {
      const began = performance.now();
      const peer = await window.openPeer({ app, anchors });
      const topic = await peer.join(link);
      const direct = window
        .until(peer.peers, all => all.some(({ path }) => path === "webrtc"))
        .then(() => performance.now() - began);
      const { messages } = await window.until(topic.latest(50), shown => shown.messages.length > 0);
      window.show(messages.map(({ value }) => value));
      const shown = performance.now() - began;
      return { shown, direct: await direct };
    },
    { app: crypto.randomUUID(), anchors: [anchor] },
  );

/** The same from new Peer(); it has no other path than a DataChannel. Both know their ids, so that the server is not asked for one. */
const theirs = port =>
  between(
    async ({ options, ids }) => {
      const peer = new window.PeerJS(ids[0], options);
      peer.on("connection", to => to.on("open", () => to.send(window.texts(1)[0])));
      await new Promise(resolve => {
        peer.on("open", resolve);
      });
    },
    async ({ options, ids }) => {
      const began = performance.now();
      const peer = new window.PeerJS(ids[1], options);
      const text = await new Promise(resolve => {
        peer.on("open", () => peer.connect(ids[0], { reliable: true }).on("data", resolve));
      });
      window.show([text]);
      return performance.now() - began;
    },
    {
      options: { host: "localhost", port, path: "/", config: { iceServers: [] } },
      ids: [crypto.randomUUID(), crypto.randomUUID()],
    },
  );

export const row = {
  name: "page-to-page",
  work: "page to page in Chromium, both fresh, local servers: from openPeer() to the first message shown",
  async run() {
    const anchor = /\bws:\/\/\S+/.exec(await started("dist/cli.js", "anchor", "--port", "0", "--data", ":memory:"))[0];
    const port = Number(await started("test/bench/peer-server.mjs"));
    const found = await byTurns({ ours: () => ours(anchor), theirs: () => theirs(port) });
    const against = "PeerJS with its local server";
    return [
      share(
        middle(found, run => run.ours.shown),
        { work: "by any path", against, most: 1.5 },
      ),
      share(
        middle(found, run => run.ours.direct),
        { work: "until webrtc", against },
      ),
    ];
  },
};
