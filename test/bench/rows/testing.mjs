import { readFileSync } from "node:fs";
import { bounded, timed } from "../measure.mjs";
import { Network } from "../../../web/src/testing/network.ts";

const peers = 1_000;

/** A network of so many who share a topic, and who all have seen a message of the first. */
async function crowd() {
  const net = new Network({ seed: 1, wasm: readFileSync("dist/perdure.wasm") });
  const first = await net.open({ app: "bench" });
  const topic = await first.topic("bench");
  const invite = await topic.invite();
  for (let n = 1; n < peers; n++) await (await net.open({ app: "bench" })).join(invite);
  process.stderr.write(".");
  await topic.append("hello");
  await net.settle({ withinMs: 600_000 });
  return net;
}

export const row = {
  name: "testing",
  work: `perdure/testing: ${peers.toLocaleString("en-US")} peers in one process share a topic`,
  async run() {
    let net;
    const seconds = (await timed(async () => { net = await crowd(); })) / 1_000;
    const { messages } = await net.measure();
    const bytes = process.memoryUsage.rss();
    await net.close();
    return [
      bounded(bytes / 2 ** 20, 2_048, { work: "memory of the process", unit: "MiB" }),
      { work: "until all hold the same", ours: seconds, unit: "s" },
      { work: "sent meanwhile", ours: messages, unit: "messages" },
    ];
  },
};
