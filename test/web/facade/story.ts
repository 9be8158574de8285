// Networks in virtual time on real cores, and what their tests read of them.

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Network } from "../../../web/src/testing/network.js";
import type { TestPeer } from "../../../web/src/testing/types.js";
import type { Topic } from "../../../web/src/base/types.js";

declare global {
  var testRoot: string;
}

export const wasm = await WebAssembly.compile(readFileSync(join(globalThis.testRoot, "../../build/wasm/perdure.wasm")));

export async function network(
  options: { seed?: number; latencyMs?: number; loss?: number },
  story: (net: Network) => Promise<void>,
): Promise<void> {
  await using net = new Network({ ...options, wasm });
  await story(net);
}

/** Two peers in one topic. */
export async function two(net: Network): Promise<{ a: TestPeer; b: TestPeer; ta: Topic; tb: Topic }> {
  const [a, b] = [await net.open({ app: "talkbox", name: "Ada" }), await net.open({ app: "talkbox", name: "Bob" })];
  const ta = await a.topic("lunch");
  const tb = await b.join(await ta.invite(), { name: "lunch with Ada" });
  return { a, b, ta, tb };
}

export async function list<T>(items: AsyncIterable<T>): Promise<T[]> {
  const found: T[] = [];
  for await (const item of items) found.push(item);
  return found;
}

export const values = async (topic: Topic): Promise<unknown[]> =>
  (await list(topic.messages())).map(({ value }) => value);
/** The code of the error that it rejects with. */
export const code = (promise: Promise<unknown>): Promise<unknown> =>
  promise.then(
    () => "none",
    (error: { code?: unknown }) => error.code ?? error,
  );
