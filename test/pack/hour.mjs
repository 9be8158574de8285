// An hour in a few seconds: clocks and timers of this process stand still and move when they are told to, while its sockets are real.
//
//     const clock = standStill();
//     await clock.pass(60_000);      what falls due meanwhile runs, in order
//     clock.run();                   from now on it goes by itself

/** No step is longer, so that what is on a wire arrives long before anybody misses it. */
const stepMs = 1_000;
/** A message crosses the loopback within one turn of the event loop; these are enough to and fro for an answer's answer. */
const turns = 8;

export function standStill() {
  const { setInterval, Date: RealDate } = globalThis;
  const steady = performance.now,
    began = RealDate.now();
  const start = steady.call(performance);
  const timers = new Map();
  let ms = 0,
    last = 0;
  const add = (run, wait, every) => {
    const timer = {
      id: ++last,
      ref: () => timer,
      unref: () => timer,
      hasRef: () => true,
      refresh: () => ((timers.get(timer.id).at = ms + wait), timer),
      [Symbol.toPrimitive]: () => timer.id,
    };
    timers.set(timer.id, { at: ms + Math.max(1, wait), run, every });
    return timer;
  };
  const remove = timer => void timers.delete(Number(timer ?? 0));
  globalThis.setTimeout = (run, wait = 1, ...args) => add(() => run(...args), wait);
  globalThis.setInterval = (run, wait = 1, ...args) => add(() => run(...args), wait, Math.max(1, wait));
  globalThis.clearTimeout = globalThis.clearInterval = remove;
  globalThis.Date = class extends RealDate {
    constructor(...args) {
      super(...(args.length === 0 ? [began + ms] : args));
    }
    static now() {
      return began + ms;
    }
  };
  performance.now = () => start + ms;

  const settle = async () => {
    for (let turn = 0; turn < turns; turn++) await new Promise(resolve => setImmediate(resolve));
  };
  /** Runs what is due by then. */
  const runUntil = to => {
    for (;;) {
      let next;
      for (const [id, timer] of timers)
        if (timer.at <= to && (next === undefined || timer.at < next[1].at)) next = [id, timer];
      if (next === undefined) break;
      const [id, timer] = next;
      ms = Math.max(ms, timer.at);
      if (timer.every === undefined) timers.delete(id);
      else timer.at += timer.every;
      timer.run();
    }
    ms = to;
  };
  return {
    async pass(amount) {
      for (const end = ms + amount; ms < end; ) {
        runUntil(Math.min(end, ms + stepMs));
        await settle();
      }
    },
    /** Lets time pass until it holds; rejects if it does not within that time. */
    async until(holds, within = 60_000) {
      for (const end = ms + within; !holds(); ) {
        if (ms >= end) throw new Error(`after ${within} ms this did not hold: ${holds}`);
        runUntil(ms + 20);
        await settle();
      }
    },
    /** From now on it goes by itself, as fast as any. */
    run() {
      const since = steady.call(performance) - ms;
      setInterval(() => runUntil(Math.max(ms, steady.call(performance) - since)), 10).unref();
    },
  };
}
