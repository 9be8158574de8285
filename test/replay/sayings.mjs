// In which batches events stand, and what their authors saw when they wrote them: where clocks differ, that is not simply all that
// an event builds on. A batch dated more than five minutes ahead of a device's clock is held back there, so its author neither sees
// nor names it; and what he has dated ahead himself is voided and said again with his next event, in a new log and under a new time
// (DESIGN 4). So an event may have several sayings, of which the last counts in the end.
//
//     const { last, wrong } = sayings(events, { ancestors, devices, deviceOf, clocks, keys }, batches);
//
// Which batches there are and what time they bear is the run's to say; that it may say so is judged here. All else follows from the
// events: what a device saw of an ancestor is its last saying that was made by an ancestor, if it is not ahead of the device's clock.

const heldBackMs = 5 * 60 * 1000;
const namesMax = 15;

export const has = (set, event) => ((set[event >>> 5] >>> (event & 31)) & 1) === 1;

const msOf = time => Number(time >> 16n);

/** "batch EVENT LOG INDEX TIME MESSAGES [LOG FROM]…" */
export function readBatch(fields) {
  const [event, log, index, time, messages, ...rest] = fields;
  const voids = [];
  for (let i = 0; i < rest.length; i += 2) voids.push({ log: Number(rest[i]), from: Number(rest[i + 1]) });
  return { event: Number(event), log: Number(log), index: Number(index), time: BigInt(time), messages: Number(messages), voids };
}

/** DESIGN 4: time, device, incarnation, batch, position. Two incarnations of one device share no time. */
export const inOrder = keys => (a, b) =>
  a.time < b.time ? -1 : a.time > b.time ? 1 : a.device !== b.device ? (keys[a.device] < keys[b.device] ? -1 : 1) : a.index - b.index || a.position - b.position;

/** Those that no greater one of them names, greatest first. */
export function unreplaced(versions, path, before) {
  const named = new Set();
  for (const version of versions) for (const lesser of version.names.get(path)) if (before(lesser, version) < 0) named.add(lesser);
  return versions.filter(version => !named.has(version)).sort((a, b) => before(b, a));
}

class Sayings {
  wrong = [];
  #of = [];                                  // by event, in the order in which they were made
  #touching = new Map();                     // by path, the events before this one
  #logs;                                     // by device, log and index: { time, sayings, voided }
  #times = new Map();                        // by time, who has used it
  #before;

  constructor(events, world) {
    this.events = events;
    this.world = world;
    this.#logs = world.devices.map(() => []);
    this.#before = inOrder(world.keys);
  }

  add(event, batches) {
    this.#of[event] = [];
    const lost = [];
    for (const batch of batches) {
      for (const { log, from } of batch.voids) this.#void(event, log, from, lost);
      this.#addBatch(event, batch, lost);
    }
    const { clocks, deviceOf } = this.world;
    const ahead = this.#logs[deviceOf[event]].flat().filter(({ time, voided }) => !voided && msOf(time) > clocks[event] + heldBackMs);
    if (lost.length > 0 || this.#of[event].length !== 1) this.wrong.push(`event ${event}: ${lost.length} voided and not said again, ${this.#of[event].length} times said itself`);
    if (ahead.length > 0) this.wrong.push(`event ${event}: ${ahead.length} batches of its device are left dated ahead of its clock`);
    for (const path of this.events[event].paths) this.#touching.set(path, (this.#touching.get(path) ?? []).concat(event));
  }

  last() {
    return this.#of.map(said => said.at(-1));
  }

  #void(event, log, from, lost) {
    const { clocks, deviceOf } = this.world;
    for (const batch of this.#logs[deviceOf[event]][log]?.slice(from) ?? []) {
      if (batch.voided) continue;            // has been said again before
      if (msOf(batch.time) <= clocks[event] + heldBackMs) this.wrong.push(`event ${event}: log ${log} is voided from ${from} on without need`);
      batch.voided = true;
      lost.push(...batch.sayings);
    }
  }

  #addBatch(event, { log, index, time, messages }, lost) {
    const device = this.world.deviceOf[event];
    this.#judgeTime(event, time);
    const batch = { time, sayings: [], voided: false };
    const again = lost.length > 0;
    if (!again && messages !== 1) this.wrong.push(`event ${event}: a batch of ${messages} messages`);
    for (let position = 0; position < messages; ++position) {
      const before = again ? lost.shift() : undefined;
      if (again && before === undefined) break;
      const saying = { event: before?.event ?? event, by: event, device, log, index, position, time, names: new Map() };
      for (const path of this.events[saying.event].paths) {
        // Who says it again names what he named before, and what he has just said again himself.
        const earlier = batch.sayings.findLast(said => said.names.has(path));
        saying.names.set(path, before ? before.names.get(path).concat(earlier ?? []) : this.#seen(event, path));
      }
      batch.sayings.push(saying);
      this.#of[saying.event].push(saying);
    }
    const logs = this.#logs[device];
    (logs[log] ??= [])[index] = batch;
    this.#times.set(time, (this.#times.get(time) ?? []).concat(event));
  }

  /** The versions of a path that an author sees unreplaced; he names so many at most. */
  #seen(event, path) {
    const versions = (this.#touching.get(path) ?? []).filter(other => has(this.world.ancestors[event], other)).map(other => this.#shown(other, event));
    return unreplaced(versions.filter(({ time }) => msOf(time) <= this.world.clocks[event] + heldBackMs), path, this.#before).slice(0, namesMax);
  }

  #shown(other, event) {
    return this.#of[other].findLast(({ by }) => by === other || by === event || has(this.world.ancestors[event], by));
  }

  /** At least the clock, greater than all that the author had applied, and not greater than that demands. */
  #judgeTime(event, time) {
    const { clocks, ancestors, deviceOf } = this.world;
    const clock = BigInt(clocks[event]) << 16n;
    const mine = other => has(ancestors[event], other) || deviceOf[other] === deviceOf[event];
    const demanded = time === clock || (time > clock && (this.#times.get(time - 1n) ?? []).some(mine));
    if (!demanded) this.wrong.push(`event ${event}: the time ${time} comes from nowhere`);
  }
}

/** For each event its last saying, and what contradicts DESIGN 4 on the way there. */
export function sayings(events, world, batches) {
  const all = new Sayings(events, world);
  const byEvent = events.map(() => []);
  for (const batch of batches) byEvent[batch.event]?.push(batch);
  for (const [event, made] of byEvent.entries()) all.add(event, made);
  return { last: all.last(), wrong: all.wrong };
}
