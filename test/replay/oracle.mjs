// What a history means, worked out from the history alone: who wrote on which device, in what order everything stands, and for each
// path which event won, which stand in conflict with it, which came before. It shares no code with the core and no idea of how to be
// fast: ancestry is a set of bits for each event, and the events of a path are all compared with one another.
//
//     for (const { name, wrong } of judge(events, shown).checks) …      shown: the lines that perdure_replay printed
//
// From the run it takes the devices' keys, which settle ties, and the times of batches, which it judges. Where all clocks agree,
// the times are foretold, and who won is a matter of ancestry alone; by the authors' own clocks, occurrences.mjs tells who saw what.
import { has, inOrder, readBatch, occurrences, unreplaced } from "./occurrences.mjs";

/** For each event, the set of its ancestors, a bit each. */
function ancestries(events) {
  const words = Math.ceil(events.length / 32);
  const sets = [];
  for (const { parents } of events) {
    const set = new Uint32Array(words);
    for (const parent of parents) {
      const older = sets[parent];
      for (let i = 0; i < words; ++i) set[i] |= older[i];
      set[parent >>> 5] |= 1 << (parent & 31);
    }
    sets.push(set);
  }
  return sets;
}

/** An event goes to that device of its author whose last event it builds on, the most recent of them, or to a new one. */
function assignDevices(events, ancestors) {
  const devices = [];
  const ofAuthor = new Map();
  const deviceOf = events.map(({ author }, event) => {
    const own = ofAuthor.get(author) ?? [];
    ofAuthor.set(author, own);
    const fitting = own.filter(device => has(ancestors[event], devices[device].at(-1)));
    let device = fitting.sort((a, b) => devices[b].at(-1) - devices[a].at(-1))[0];
    if (device === undefined) own.push((device = devices.push([]) - 1));
    devices[device].push(event);
    return device;
  });
  return { devices, deviceOf };
}

/** Hybrid times where all clocks stand at the greatest time so far: the clock, or just above all that the author had. */
function hybridTimes(events) {
  const times = [];
  let clock = 0;
  for (const { time, parents } of events) {
    clock = Math.max(clock, time);
    let hybrid = BigInt(clock * 1000) << 16n;
    for (const parent of parents) if (times[parent] >= hybrid) hybrid = times[parent] + 1n;
    times.push(hybrid);
  }
  return times;
}

/** The lines of perdure_replay as tables. */
function read(lines) {
  const shown = {
    keys: [],
    batches: [],
    messages: [],
    entries: new Map(),
    conflicts: new Map(),
    histories: new Map(),
    digest: "",
  };
  for (const line of lines) {
    const [kind, ...rest] = line.split(" ");
    if (kind === "device") shown.keys[Number(rest[0])] = rest[1];
    else if (kind === "batch") shown.batches.push(readBatch(rest));
    else if (kind === "message")
      shown.messages.push({ key: rest[0], ms: Number(rest[1]), text: rest.slice(2).join(" ") });
    else if (kind === "entry") shown.entries.set(rest.slice(1).join(" "), Number(rest[0]));
    else if (kind === "digest") shown.digest = rest[0];
    else if (kind === "conflict" || kind === "history") {
      const count = Number(rest[0]);
      const table = kind === "conflict" ? shown.conflicts : shown.histories;
      table.set(rest.slice(1 + count).join(" "), rest.slice(1, 1 + count).map(Number));
    }
  }
  return shown;
}

/** A device's messages are its events in the order in which they stand; so each message names one. */
function compareTimeline(events, order, shown) {
  const wrong = [];
  if (shown.messages.length !== events.length) wrong.push(`${shown.messages.length} messages, not ${events.length}`);
  const deviceOfKey = new Map(shown.keys.map((key, device) => [key, device]));
  for (const [place, { key, ms, text }] of shown.messages.entries()) {
    const said = order[place];
    if (said === undefined) break;
    const device = deviceOfKey.get(key);
    if (device !== said.device)
      wrong.push(`place ${place} is device ${device}'s, not event ${said.event} of device ${said.device}`);
    else if (ms !== Number(said.time >> 16n)) wrong.push(`event ${said.event} is of ${ms}, not ${said.time >> 16n}`);
    else if (text !== events[said.event].text) wrong.push(`event ${said.event} says ${JSON.stringify(text)}`);
  }
  return wrong;
}

function compareTables(expected, actual) {
  const wrong = [];
  for (const [path, value] of expected)
    if (String(actual.get(path)) !== String(value)) wrong.push(`${path}: ${actual.get(path)}, not ${value}`);
  for (const path of actual.keys()) if (!expected.has(path)) wrong.push(`${path}: ${actual.get(path)}, not there`);
  return wrong;
}

/** One clock for all: nothing is ever held back, and each event has the one batch that it made, under the time that follows. */
function compareTimes(events, batches) {
  const wrong = [];
  const times = hybridTimes(events);
  const seen = events.map(() => 0);
  for (const { event, time, voids } of batches) {
    if (++seen[event] > 1 || voids.length > 0) wrong.push(`event ${event} is said again`);
    if (time !== times[event]) wrong.push(`event ${event} is of ${time}, not ${times[event]}`);
  }
  return wrong;
}

export function judge(events, lines, { rawTime = false } = {}) {
  const shown = read(lines);
  const ancestors = ancestries(events);
  const { devices, deviceOf } = assignDevices(events, ancestors);
  let greatest = 0;
  const clocks = events.map(({ time }) => (rawTime ? time : (greatest = Math.max(greatest, time))) * 1000);
  const said = occurrences(events, { ancestors, devices, deviceOf, clocks, keys: shown.keys }, shown.batches);
  const timesWrong = rawTime ? said.wrong : said.wrong.concat(compareTimes(events, shown.batches));
  const distinct = new Set(shown.keys).size;
  const checks = [
    {
      name: `devices: ${devices.length}`,
      wrong: distinct === devices.length && shown.keys.length === devices.length ? [] : [`the run had ${distinct}`],
    },
    { name: `times: ${shown.batches.length} batches`, wrong: timesWrong },
  ];
  if (said.last.includes(undefined)) return { checks };
  const before = inOrder(shown.keys);
  const order = [...said.last].sort(before);

  const touching = new Map();
  for (const saying of said.last)
    for (const path of events[saying.event].paths) touching.set(path, (touching.get(path) ?? []).concat(saying));
  const winners = new Map(),
    conflicts = new Map(),
    histories = new Map();
  for (const [path, touched] of touching) {
    const newestFirst = [...touched].sort((a, b) => before(b, a));
    const maximal = rawTime
      ? unreplaced(touched, path, before)
      : newestFirst.filter(({ event }) => !touched.some(other => has(ancestors[other.event], event)));
    winners.set(path, maximal[0].event);
    if (maximal.length > 1)
      conflicts.set(
        path,
        maximal.slice(1).map(({ event }) => event),
      );
    histories.set(
      path,
      newestFirst.map(({ event }) => event),
    );
  }
  const most = Math.max(0, ...[...conflicts.values()].map(losers => losers.length + 1));
  checks.push(
    { name: `timeline: ${order.length} messages in order`, wrong: compareTimeline(events, order, shown) },
    { name: `winners: ${winners.size} paths`, wrong: compareTables(winners, shown.entries) },
    {
      name: `conflicts: ${conflicts.size} paths, at most ${most} versions`,
      wrong: compareTables(conflicts, shown.conflicts),
    },
    {
      name: `histories: ${[...histories.values()].reduce((sum, versions) => sum + versions.length, 0)} versions`,
      wrong: compareTables(histories, shown.histories),
    },
  );
  return { checks };
}
