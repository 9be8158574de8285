// What a history means, worked out from the history alone: who wrote on which device, in what order everything stands, and for each
// path which event won, which stand in conflict with it, which came before. It shares no code with the core and no idea of how to be
// fast: ancestry is a set of bits for each event, and the events of a path are all compared with one another.
//
//     for (const { name, wrong } of judge(events, shown).checks) …      shown: the lines that perdure_replay printed
//
// The one thing that it takes from the run are the devices' keys, which settle ties.

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

const has = (set, event) => ((set[event >>> 5] >>> (event & 31)) & 1) === 1;

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
  const shown = { keys: [], messages: [], entries: new Map(), conflicts: new Map(), histories: new Map(), digest: "" };
  for (const line of lines) {
    const [kind, ...rest] = line.split(" ");
    if (kind === "device") shown.keys[Number(rest[0])] = rest[1];
    else if (kind === "message") shown.messages.push({ key: rest[0], ms: Number(rest[1]), text: rest.slice(2).join(" ") });
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

function compareTimeline(events, devices, times, order, shown) {
  const wrong = [];
  const deviceOfKey = new Map(shown.keys.map((key, device) => [key, device]));
  const said = devices.map(() => 0);
  if (shown.messages.length !== events.length) wrong.push(`${shown.messages.length} messages, not ${events.length}`);
  for (const [place, { key, ms, text }] of shown.messages.entries()) {
    const device = deviceOfKey.get(key);
    const event = device === undefined ? undefined : devices[device][said[device]++];
    if (event !== order[place]) wrong.push(`place ${place} has event ${event}, not ${order[place]}`);
    else if (ms !== Number(times[event] >> 16n)) wrong.push(`event ${event} is of ${ms}, not ${times[event] >> 16n}`);
    else if (text !== events[event].text) wrong.push(`event ${event} says ${JSON.stringify(text)}`);
  }
  return wrong;
}

function compareTables(expected, actual) {
  const wrong = [];
  for (const [path, value] of expected) if (String(actual.get(path)) !== String(value)) wrong.push(`${path}: ${actual.get(path)}, not ${value}`);
  for (const path of actual.keys()) if (!expected.has(path)) wrong.push(`${path}: ${actual.get(path)}, not there`);
  return wrong;
}

export function judge(events, lines) {
  const shown = read(lines);
  const ancestors = ancestries(events);
  const { devices, deviceOf } = assignDevices(events, ancestors);
  const times = hybridTimes(events);
  // DESIGN 4: time, device, incarnation, batch. No device has two incarnations here.
  const before = (a, b) => (times[a] < times[b] ? -1 : times[a] > times[b] ? 1 : shown.keys[deviceOf[a]] < shown.keys[deviceOf[b]] ? -1 : shown.keys[deviceOf[a]] > shown.keys[deviceOf[b]] ? 1 : a - b);
  const order = events.map((_, event) => event).sort(before);

  const touching = new Map();
  for (const [event, { paths }] of events.entries()) for (const path of paths) touching.set(path, (touching.get(path) ?? []).concat(event));
  const winners = new Map(), conflicts = new Map(), histories = new Map();
  for (const [path, touched] of touching) {
    const newestFirst = [...touched].sort((a, b) => before(b, a));
    const maximal = newestFirst.filter(event => !touched.some(other => has(ancestors[other], event)));
    winners.set(path, maximal[0]);
    if (maximal.length > 1) conflicts.set(path, maximal.slice(1));
    histories.set(path, newestFirst);
  }
  const distinct = new Set(shown.keys).size;
  const checks = [
    { name: `devices: ${devices.length}`, wrong: distinct === devices.length && shown.keys.length === devices.length ? [] : [`the run had ${distinct}`] },
    { name: `timeline: ${order.length} messages in order`, wrong: compareTimeline(events, devices, times, order, shown) },
    { name: `winners: ${winners.size} paths`, wrong: compareTables(winners, shown.entries) },
    { name: `conflicts: ${conflicts.size} paths, at most ${Math.max(0, ...[...conflicts.values()].map(l => l.length + 1))} versions`, wrong: compareTables(conflicts, shown.conflicts) },
    { name: `histories: ${[...histories.values()].reduce((sum, h) => sum + h.length, 0)} versions`, wrong: compareTables(histories, shown.histories) },
  ];
  return { checks, devices: devices.length, conflicts: conflicts.size, paths: winners.size, digest: shown.digest };
}
