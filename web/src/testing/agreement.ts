// Do those that can reach each other hold the same?
import type { NoticeOf } from "../boundary.js";
import type { Station } from "./station.js";
import type { VirtualTime } from "./time.js";

/** What a peer says of one of its topics. */
interface Holding {
  readonly station: Station;
  readonly digest: string;
  readonly state: NoticeOf<"TopicNotice">["state"];
  readonly length: number;
  readonly mapSize: number;
  readonly behind: number;
  readonly pending: number;
  /** Messages dated ahead, which it will show when they are due. */
  readonly held: number;
  readonly anchors: readonly string[];
}

/** What still differs, in words; nothing if all agree. Compared are the digests of every topic that is open somewhere. Where there is
 *  somebody else to hold it, all are live, nothing is behind or pending, and every anchor in reach has it all. */
export async function differences(groups: readonly (readonly Station[])[], time: VirtualTime): Promise<string[]> {
  const found: string[] = [];
  for (const group of groups) {
    const anchors = group.filter(({ anchorUrl }) => anchorUrl !== undefined);
    const byTopic = new Map<string, Holding[]>();
    for (const station of group) {
      for (const [number, { id }] of station.engine.topics) {
        const holding = await held(station, number, time);
        if (holding === undefined) found.push(`${station.label} does not answer about topic ${id.slice(0, 8)}`);
        else byTopic.set(id, [...(byTopic.get(id) ?? []), holding]);
      }
    }
    for (const [id, holdings] of byTopic) found.push(...disagreements(id.slice(0, 8), holdings, anchors));
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

/** undefined if no answer comes without time going on: a disk that fails, a core that has ended. */
async function held(station: Station, topic: number, time: VirtualTime): Promise<Holding | undefined> {
  let notice: NoticeOf<"TopicNotice"> | undefined;
  station.engine.onNotice(heard => {
    if (heard.kind === "TopicNotice" && heard.topic === topic) notice = heard;
  })();
  const end = new AbortController();
  const options = { signal: end.signal };
  let answer: { digest: string; anchors: readonly string[] } | undefined;
  const asked = Promise.all([station.engine.call({ kind: "GetDigest", topic }, options), station.engine.call({ kind: "GetCopies", topic }, options)]).then(([digest, copies]) => {
    if (digest.kind === "Text" && copies.kind === "CopyList") answer = { digest: digest.text, anchors: copies.anchors };
  }).catch(() => undefined);
  await Promise.race([asked, time.drain()]);
  end.abort();
  return answer === undefined ? undefined : { station, ...answer, state: notice?.state ?? "alone", length: notice?.length ?? 0, mapSize: notice?.mapSize ?? 0, behind: notice?.behind ?? 0, pending: notice?.pending ?? 0, held: notice?.held ?? 0 };
}
