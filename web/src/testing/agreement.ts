// Do those that can reach each other hold the same?
import type { NoticeOf } from "../boundary.js";
import type { Station } from "./station.js";
import type { VirtualTime } from "./time.js";

type Noticed = Pick<NoticeOf<"TopicNotice">, "state" | "length" | "mapSize" | "behind" | "pending" | "held">;

/** What a peer says of one of its topics. */
interface Holding extends Noticed {
  readonly station: Station;
  readonly digest: string;
  readonly anchors: readonly string[];
}

/** Those that can reach each other, edges and anchors. */
type Group = readonly Station[];

/** True if somebody's latest notices show already that they differ: then nobody need be asked. */
export function apart(groups: readonly Group[]): boolean {
  return groups.some(group => {
    const anchors = anchorsOf(group).length;
    const holders = new Map<string, number>();
    for (const { engine } of group) for (const { id } of engine.topics.values()) holders.set(id, (holders.get(id) ?? 0) + 1);
    return group.some(station => [...station.engine.topics].some(([number, { id }]) => {
      const { state, behind, pending } = noticed(station, number);
      return (holders.get(id) ?? 0) + anchors > 1 && (state !== "live" || behind > 0 || pending > 0);
    }));
  });
}

/** What still differs, in words; nothing if all agree. Compared are the digests of every topic that is open somewhere. Where there is
 *  somebody else to hold it, all are live, nothing is behind or pending, and every anchor in reach has it all. */
export async function differences(groups: readonly Group[], time: VirtualTime): Promise<string[]> {
  const holdings = await heldBy(groups.flat(), time);
  const found: string[] = [];
  for (const group of groups) {
    const byTopic = new Map<string, Holding[]>();
    for (const station of group) {
      for (const [number, { id }] of station.engine.topics) {
        const holding = holdings.get(station)?.get(number);
        const others = byTopic.get(id);
        if (holding === undefined) found.push(`${station.label} does not answer about topic ${id.slice(0, 8)}`);
        else if (others === undefined) byTopic.set(id, [holding]);
        else others.push(holding);
      }
    }
    for (const [id, held] of byTopic) found.push(...disagreements(id.slice(0, 8), held, anchorsOf(group)));
  }
  return found;
}

function disagreements(topic: string, holdings: readonly Holding[], anchors: readonly Station[]): string[] {
  const found: string[] = [];
  const [first] = holdings;
  for (const holding of holdings) {
    const { station: { label }, digest, state, length, mapSize, behind, pending } = holding;
    // There is nothing of which an anchor could say that it has it.
    const empty = length === 0 && mapSize === 0;
    if (first !== undefined && digest !== first.digest) {
      found.push(`topic ${topic}: ${told(holding)}, ${told(first)}`);
    }
    if (holdings.length + anchors.length === 1) continue;
    if (state !== "live" || behind > 0) found.push(`topic ${topic}: ${label} is ${state}, ${behind} behind`);
    if (pending > 0) found.push(`topic ${topic}: ${label} has ${pending} pending`);
    if (empty) continue;
    for (const anchor of anchors) if (!holding.anchors.includes(anchor.id)) found.push(`topic ${topic}: ${label} does not know that ${anchor.label} has all of it`);
  }
  return found;
}

function told({ station, digest, length, held }: Holding): string {
  return `${station.label} has ${length} messages (${digest.slice(0, 8)})${held === 0 ? "" : ` and ${held} dated ahead`}`;
}

function anchorsOf(group: Group): Station[] {
  return group.filter(({ anchorUrl }) => anchorUrl !== undefined);
}

/** All are asked at once. Left out are those of whom no answer comes without time going on: a disk that fails, a core that has ended. */
async function heldBy(stations: Group, time: VirtualTime): Promise<Map<Station, Map<number, Holding>>> {
  const found = new Map(stations.map(station => [station, new Map<number, Holding>()]));
  const waiting = new Set<AbortController>();
  const asked = [...found].flatMap(([station, holdings]) => [...station.engine.topics.keys()].map(async topic => {
    const end = new AbortController();
    waiting.add(end);
    const answer = await ask(station, topic, end.signal);
    waiting.delete(end);
    if (answer !== undefined) holdings.set(topic, { station, ...answer, ...noticed(station, topic) });
  }));
  await Promise.race([Promise.all(asked), time.drain()]);
  for (const end of waiting) end.abort();
  return found;
}

async function ask(station: Station, topic: number, signal: AbortSignal): Promise<Pick<Holding, "digest" | "anchors"> | undefined> {
  try {
    const [digest, copies] = await Promise.all([station.engine.call({ kind: "GetDigest", topic }, { signal }), station.engine.call({ kind: "GetCopies", topic }, { signal })]);
    return digest.kind === "Text" && copies.kind === "CopyList" ? { digest: digest.text, anchors: copies.anchors } : undefined;
  } catch {
    return undefined;
  }
}

/** By its latest notice. */
function noticed(station: Station, topic: number): Noticed {
  let latest: NoticeOf<"TopicNotice"> | undefined;
  station.engine.onNotice(heard => {
    if (heard.kind === "TopicNotice" && heard.topic === topic) latest = heard;
  })();
  return latest ?? { state: "alone", length: 0, mapSize: 0, behind: 0, pending: 0, held: 0 };
}
