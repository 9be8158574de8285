import { readFileSync } from "node:fs";
import { bounded } from "../measure.mjs";
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
  return { net, virtualMs: await net.settle({ withinMs: 600_000 }) };
}

export const row = {
  name: "testing",
  work: `perdure/testing: ${peers.toLocaleString("en-US")} peers in one process share a topic`,
  async run() {
    globalThis.gc?.();
    const before = process.cpuUsage();
    const { net, virtualMs } = await crowd();
    const { user, system } = process.cpuUsage(before);
    const { messages, memoryBytes } = await net.measure();
    // With what is garbage by now: nobody has tidied up.
    const bytes = process.memoryUsage.rss();
    await net.close();
    return [
      bounded(bytes / 2 ** 20, 2_048, { work: "memory of the process", unit: "MiB" }),
      { work: "of that the cores', in WebAssembly", ours: memoryBytes / 2 ** 20, unit: "MiB" },
      { work: "of the processor until all hold what one of them said", ours: (user + system) / 1e6, unit: "s" },
      { work: "of virtual time meanwhile", ours: virtualMs / 1_000, unit: "s" },
      { work: "sent by each", ours: messages / peers, unit: "messages" },
    ];
  },
};
