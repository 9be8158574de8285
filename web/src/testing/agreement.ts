// Do those that can reach each other hold the same?
import type { NoticeOf, ReplyOf } from "../engine/boundary.js";
import type { Station } from "./station.js";
import type { VirtualTime } from "./time.js";

type Noticed = Pick<NoticeOf<"TopicNotice">, "state" | "length" | "mapSize" | "behind" | "pending" | "held">;

type Log = ReplyOf<"LogList">["logs"][number];

/** What a peer says of one of its topics. */
interface Holding extends Noticed {
  readonly station: Station;
  readonly digest: string;
  readonly logs: readonly Log[];
}

/** What an anchor holds of a topic: batches by log. */
interface Copy {
  readonly anchor: Station;
  readonly lengths: ReadonlyMap<string, number>;
}

/** Those that can reach each other, edges and anchors. */
type Group = readonly Station[];

/** True if somebody's latest notices show already that they differ: then nobody need be asked. */
export function apart(groups: readonly Group[]): boolean {
  return groups.some(group =>
    [...openIn(group).values()].some(open => {
      if (open.length === 1 && usedBy(open, group).length === 0) return false;
      return open.some(({ station, topic }) => {
        const { state, behind, pending } = noticed(station, topic);
        return state !== "live" || behind > 0 || pending > 0;
      });
    }),
  );
}

/** What still differs, in words; nothing if all agree. Compared are the digests of every topic that is open somewhere. Where there is
 *  somebody else to hold it, all are live, nothing is behind or pending, and every anchor in reach that one of them uses has it all
 *  and has said so to the authors that use it. */
export async function differences(groups: readonly Group[], time: VirtualTime): Promise<string[]> {
  const holdings = await heldBy(groups.flat(), time);
  const found: string[] = [];
  for (const group of groups) {
    for (const [id, open] of openIn(group)) {
      const held: Holding[] = [];
      for (const { station, topic } of open) {
        const holding = holdings.get(station)?.get(topic);
        if (holding === undefined) found.push(`${station.label} does not answer about topic ${id.slice(0, 8)}`);
        else held.push(holding);
      }
      const copies = await Promise.all(usedBy(held, group).map(anchor => copyOf(anchor, id, time)));
      found.push(...disagreements(id.slice(0, 8), held, copies));
    }
  }
  return found;
}

function disagreements(topic: string, holdings: readonly Holding[], copies: readonly Copy[]): string[] {
  const found: string[] = [];
  const [first] = holdings;
  for (const holding of holdings) {
    const {
      station,
      station: { label },
      digest,
      state,
      behind,
      pending,
      logs,
    } = holding;
    if (first !== undefined && digest !== first.digest) {
      found.push(`topic ${topic}: ${told(holding)}, ${told(first)}`);
    }
    if (holdings.length + copies.length === 1) continue;
    if (state !== "live" || behind > 0) found.push(`topic ${topic}: ${label} is ${state}, ${behind} behind`);
    if (pending > 0) found.push(`topic ${topic}: ${label} has ${pending} pending`);
    for (const { anchor, lengths } of copies) {
      if (logs.some(({ id, length }) => length > (lengths.get(id) ?? 0)))
        found.push(`topic ${topic}: ${anchor.label} has not all of what ${label} has`);
      else if (uses(station, anchor) && logs.some(({ own, acked }) => own && !acked.includes(anchor.id)))
        found.push(`topic ${topic}: ${label} has not heard from ${anchor.label} that it has all`);
    }
  }
  return found;
}

function told({ station, digest, length, held }: Holding): string {
  return `${station.label} has ${length} messages (${digest.slice(0, 8)})${held === 0 ? "" : ` and ${held} dated ahead`}`;
}

/** Who has which topic open, by the topic's id. */
function openIn(group: Group): Map<string, { readonly station: Station; readonly topic: number }[]> {
  const found = new Map<string, { readonly station: Station; readonly topic: number }[]>();
  for (const station of group) {
    for (const [topic, { id }] of station.engine.topics) {
      const others = found.get(id);
      if (others === undefined) found.set(id, [{ station, topic }]);
      else others.push({ station, topic });
    }
  }
  return found;
}

/** The anchors in reach that one of them uses. */
function usedBy(holders: readonly { readonly station: Station }[], group: Group): Station[] {
  return group.filter(anchor => anchor.anchorUrl !== undefined && holders.some(({ station }) => uses(station, anchor)));
}

/** All are asked at once. Left out are those of whom no answer comes without time going on: a disk that fails, a core that has ended. */
async function heldBy(stations: Group, time: VirtualTime): Promise<Map<Station, Map<number, Holding>>> {
  const found = new Map(stations.map(station => [station, new Map<number, Holding>()]));
  const waiting = new Set<AbortController>();
  const asked = [...found].flatMap(([station, holdings]) =>
    [...station.engine.topics].map(async ([topic, { id }]) => {
      const end = new AbortController();
      waiting.add(end);
      const answer = await ask(station, topic, id, end.signal);
      waiting.delete(end);
      if (answer !== undefined) holdings.set(topic, { station, ...answer, ...noticed(station, topic) });
    }),
  );
  await Promise.race([Promise.all(asked), time.drain()]);
  for (const end of waiting) end.abort();
  return found;
}

async function ask(
  station: Station,
  topic: number,
  id: string,
  signal: AbortSignal,
): Promise<Pick<Holding, "digest" | "logs"> | undefined> {
  try {
    const [digest, held] = await Promise.all([
      station.engine.call({ kind: "GetDigest", topic }, { signal }),
      station.engine.call({ kind: "GetLogs", id }, { signal }),
    ]);
    return digest.kind === "Text" && held.kind === "LogList" ? { digest: digest.text, logs: held.logs } : undefined;
  } catch {
    return undefined;
  }
}

/** Of one that does not answer: nothing. */
async function copyOf(anchor: Station, id: string, time: VirtualTime): Promise<Copy> {
  const end = new AbortController();
  const asked = anchor.engine.call({ kind: "GetLogs", id }, { signal: end.signal }).catch(() => undefined);
  const held = await Promise.race([asked, time.drain()]);
  end.abort();
  return { anchor, lengths: new Map(held?.kind === "LogList" ? held.logs.map(log => [log.id, log.length]) : []) };
}

/** By its latest notice. */
function noticed(station: Station, topic: number): Noticed {
  let latest: NoticeOf<"TopicNotice"> | undefined;
  station.engine.onNotice(heard => {
    if (heard.kind === "TopicNotice" && heard.topic === topic) latest = heard;
  })();
  return latest ?? { state: "alone", length: 0, mapSize: 0, behind: 0, pending: 0, held: 0 };
}

function uses(station: Station, anchor: Station): boolean {
  let urls: readonly string[] = [];
  station.engine.onNotice(heard => {
    if (heard.kind === "AnchorsNotice") urls = heard.anchors.map(({ url }) => url);
  })();
  return anchor.anchorUrl !== undefined && urls.includes(anchor.anchorUrl);
}
