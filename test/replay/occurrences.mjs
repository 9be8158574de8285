// In which batches events stand, and what their authors saw when they wrote them: where clocks differ, that is not simply all that
// an event builds on. A batch dated more than five minutes ahead of a device's clock is held back there, so its author neither sees
// nor names it. What he has dated ahead himself waits until it is due, for nobody here confirms his clock; only where nobody else has said
// anything it is said again with his next event, in a new log and under a new time, and then voided where it stood (DESIGN 3, 4). So an event
// may have several occurrences, of which the last counts in the end; it is known by the first.
//
//     const { last, wrong } = occurrences(events, { ancestors, devices, deviceOf, clocks, keys }, batches);
//
// Which batches there are and what time they bear is the run's to say; that it may say so is judged here. All else follows from the
// events: what a device saw of an ancestor is its last saying that was made by an ancestor, if it is not ahead of the device's clock.

const heldBackMs = 5 * 60 * 1000;
const namesMax = 15;

export const has = (set, event) => ((set[event >>> 5] >>> (event & 31)) & 1) === 1;

const msOf = time => Number(time >> 16n);

/** "batch EVENT LOG INCARNATION INDEX TIME MESSAGES [LOG FROM]…" */
export function readBatch(fields) {
  const [event, log, incarnation, index, time, messages, ...rest] = fields;
  const voids = [];
  for (let i = 0; i < rest.length; i += 2) voids.push({ log: Number(rest[i]), from: Number(rest[i + 1]) });
  return {
    event: Number(event),
    log: Number(log),
    incarnation: BigInt(incarnation),
    index: Number(index),
    time: BigInt(time),
    messages: Number(messages),
    voids,
  };
}

const compare = (a, b) => (a < b ? -1 : a > b ? 1 : 0);
const byPlace = (a, b) => compare(a.incarnation, b.incarnation) || a.index - b.index || a.position - b.position;

/** DESIGN 4: time, device, and where it was said first: incarnation, batch, position. */
export const inOrder = keys => (a, b) =>
  compare(a.time, b.time) || compare(keys[a.device], keys[b.device]) || byPlace(a.first, b.first);

/** Those that no greater one of them names, greatest first. */
export function unreplaced(versions, path, before) {
  const of = new Map(versions.map(version => [version.event, version]));
  const named = new Set();
  for (const version of versions)
    for (const event of version.names.get(path))
      if (of.has(event) && before(of.get(event), version) < 0) named.add(event);
  return versions.filter(({ event }) => !named.has(event)).sort((a, b) => before(b, a));
}

class Sayings {
  wrong = [];
  #of = []; // by event, in the order in which they were made
  #touching = new Map(); // by path, the events before this one
  #logs; // by device, log and index: { time, occurrences, voided }
  #times = new Map(); // by time, who has used it
  #before;

  constructor(events, world) {
    this.events = events;
    this.world = world;
    this.#logs = world.devices.map(() => []);
    this.#before = inOrder(world.keys);
  }

  add(event, batches) {
    this.#of[event] = [];
    let made = []; // not yet known to say again what a void behind them cuts
    let forgotten = 0;
    for (const batch of batches) {
      made.push(batch);
      if (batch.voids.length === 0) continue;
      const lost = batch.voids.flatMap(({ log, from }) => this.#void(event, log, from));
      for (const again of made) this.#addBatch(event, again, lost);
      forgotten += lost.length;
      made = [];
    }
    for (const batch of made) this.#addBatch(event, batch);
    const { clocks, deviceOf } = this.world;
    const ahead = this.#logs[deviceOf[event]]
      .flat()
      .filter(({ time, voided }) => !voided && msOf(time) > clocks[event] + heldBackMs);
    if (forgotten > 0 || this.#of[event].length !== 1)
      this.wrong.push(
        `event ${event}: ${forgotten} voided and not said again, ${this.#of[event].length} times said itself`,
      );
    if (ahead.length > 0 && !this.#hearsOthers(event))
      this.wrong.push(`event ${event}: ${ahead.length} batches of its device are left dated ahead of its clock`);
    for (const path of this.events[event].paths)
      this.#touching.set(path, (this.#touching.get(path) ?? []).concat(event));
  }

  /** Whether its author has something of somebody else. */
  #hearsOthers(event) {
    const { ancestors, deviceOf } = this.world;
    return this.events.some((_, other) => deviceOf[other] !== deviceOf[event] && has(ancestors[event], other));
  }

  last() {
    return this.#of.map(said => said.at(-1));
  }

  /** What stood there and counted. */
  #void(event, log, from) {
    const { clocks, deviceOf } = this.world;
    const lost = [];
    for (const batch of this.#logs[deviceOf[event]][log]?.slice(from) ?? []) {
      if (batch.voided) continue; // has been said again before
      if (msOf(batch.time) <= clocks[event] + heldBackMs)
        this.wrong.push(`event ${event}: log ${log} is voided from ${from} on without need`);
      if (this.#hearsOthers(event))
        this.wrong.push(`event ${event}: log ${log} is voided from ${from} on by the word of one clock`);
      batch.voided = true;
      lost.push(...batch.occurrences);
    }
    return lost;
  }

  /** `lost`: what it says again, or nothing where it says the event itself. */
  #addBatch(event, { log, incarnation, index, time, messages }, lost) {
    const device = this.world.deviceOf[event];
    const batch = { time, occurrences: [], voided: false };
    if (!lost && messages !== 1) this.wrong.push(`event ${event}: a batch of ${messages} messages`);
    const said = lost ? lost.splice(0, messages) : [undefined];
    // Its time is that of the last; those before it stand earlier where their places alone would put them behind.
    const steps = said.map((saying, i) => (i > 0 && byPlace(saying.first, said[i - 1].first) < 0 ? 1n : 0n));
    let at = steps.reduce((sum, step) => sum - step, time);
    this.#judgeTime(event, at);
    this.#use(at, event);
    for (const [position, before] of said.entries()) {
      if (steps[position] > 0n) this.#use((at += 1n), event);
      const first = before?.first ?? { incarnation, index, position };
      const names = before?.names ?? new Map(this.events[event].paths.map(path => [path, this.#seen(event, path)]));
      const saying = { event: before?.event ?? event, by: event, device, time: at, first, names };
      batch.occurrences.push(saying);
      this.#of[saying.event].push(saying);
    }
    (this.#logs[device][log] ??= [])[index] = batch;
  }

  #use(time, event) {
    this.#times.set(time, (this.#times.get(time) ?? []).concat(event));
  }

  /** The versions of a path that an author sees unreplaced; he names so many at most. */
  #seen(event, path) {
    const versions = (this.#touching.get(path) ?? [])
      .filter(other => has(this.world.ancestors[event], other))
      .map(other => this.#shown(other, event));
    return unreplaced(
      versions.filter(({ time }) => msOf(time) <= this.world.clocks[event] + heldBackMs),
      path,
      this.#before,
    )
      .slice(0, namesMax)
      .map(version => version.event);
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
export function occurrences(events, world, batches) {
  const all = new Sayings(events, world);
  const byEvent = events.map(() => []);
  for (const batch of batches) byEvent[batch.event]?.push(batch);
  for (const [event, made] of byEvent.entries()) all.add(event, made);
  return { last: all.last(), wrong: all.wrong };
}
