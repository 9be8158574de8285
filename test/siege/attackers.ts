// The process of the attackers. It makes all that they need, says that it is ready, and attacks when it is told to, at a low priority:
// what an attack costs the others is then what the anchor makes of it.

import { getPriority, setPriority } from "node:os";
import type { Besieged, Reached } from "./attack.js";
import { attacks } from "./attacks/all.js";
import { Purse, type Spending } from "./purse.js";

/** What it is told first. Attackers share the address, if one is named. */
export interface Orders extends Omit<Besieged, "address"> {
  readonly shared?: string;
}
export interface Attacked {
  readonly name: string;
  readonly reached: Reached;
  readonly spent: Spending;
}

const say = (what: unknown): Promise<void> => new Promise(resolve => process.send?.(what, () => resolve()));
process.on("disconnect", () => process.exit(0));

process.once("message", async (orders: Orders) => {
  const at: Besieged = { ...orders, address: attacker => orders.shared ?? `203.0.113.${attacker + 1}` };
  const ready = new Map(attacks.map(attack => [attack.name, attack.prepare(at)]));
  process.on("message", async ({ name, seconds }: { name: string; seconds: number }) => {
    const attack = attacks.find(other => other.name === name);
    const run = ready.get(name);
    if (attack === undefined || run === undefined) throw new Error(`no such attack: ${name}`);
    const purse = new Purse(attack.limits, seconds);
    let reached: Reached = { stood: 0 };
    try {
      reached = await run(purse);
    } catch (error) {
      purse.excuse(error);
    }
    purse.close();
    await say({ name, reached, spent: purse.spent } satisfies Attacked);
  });
  setPriority(Math.min(19, getPriority() + 10));
  await say({ ready: true });
});
