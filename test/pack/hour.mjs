// An hour in a few seconds: clocks and timers of this process stand still and move when they are told to, while its sockets are real.
//
//     const clock = standStill();
//     await clock.pass(60_000);      what falls due meanwhile runs, in order
//     clock.run();                   from now on it goes by itself

/** No step is longer, so that what is on a wire arrives long before anybody misses it. */
const stepMs = 1_000;
/** A message crosses the loopback within one turn of the event loop; these are enough to and fro for an answer's answer. */
const turns = 8;

/** Timers, and the time that they go by: it stands at `ms`. */
class Timers {
  ms = 0;
  #timers = new Map();
  #last = 0;

  add(run, wait, every) {
    const timer = {
      id: ++this.#last,
      ref: () => timer,
      unref: () => timer,
      hasRef: () => true,
      refresh: () => ((this.#timers.get(timer.id).at = this.ms + wait), timer),
      [Symbol.toPrimitive]: () => timer.id,
    };
    this.#timers.set(timer.id, { at: this.ms + Math.max(1, wait), run, every });
    return timer;
  }

  remove(timer) {
    this.#timers.delete(Number(timer ?? 0));
  }

  /** Runs what is due by then. */
  runUntil(to) {
    for (;;) {
      const next = this.#nextBy(to);
      if (next === undefined) break;
      const [id, timer] = next;
      this.ms = Math.max(this.ms, timer.at);
      if (timer.every === undefined) this.#timers.delete(id);
      else timer.at += timer.every;
      timer.run();
    }
    this.ms = to;
  }

  #nextBy(to) {
    let next;
    for (const [id, timer] of this.#timers)
      if (timer.at <= to && (next === undefined || timer.at < next[1].at)) next = [id, timer];
    return next;
  }
}

/** From now on this process knows no other time. */
function goBy(timers) {
  const RealDate = Date;
  const [began, start] = [RealDate.now(), performance.now()];
  globalThis.setTimeout = (run, wait = 1, ...args) => timers.add(() => run(...args), wait);
  globalThis.setInterval = (run, wait = 1, ...args) => timers.add(() => run(...args), wait, Math.max(1, wait));
  globalThis.clearTimeout = globalThis.clearInterval = timer => timers.remove(timer);
  globalThis.Date = class extends RealDate {
    constructor(...args) {
      super(...(args.length === 0 ? [began + timers.ms] : args));
    }
    static now() {
      return began + timers.ms;
    }
  };
  performance.now = () => start + timers.ms;
}

async function settle() {
  for (let turn = 0; turn < turns; turn++) await new Promise(resolve => setImmediate(resolve));
}

export function standStill() {
  const { setInterval } = globalThis;
  const steady = performance.now.bind(performance);
  const timers = new Timers();
  goBy(timers);
  return {
    async pass(amount) {
      for (const end = timers.ms + amount; timers.ms < end; ) {
        timers.runUntil(Math.min(end, timers.ms + stepMs));
        await settle();
      }
    },
    /** Lets time pass until it holds; rejects if it does not within that time. */
    async until(holds, within = 60_000) {
      for (const end = timers.ms + within; !holds(); ) {
        if (timers.ms >= end) throw new Error(`after ${within} ms this did not hold: ${holds}`);
        timers.runUntil(timers.ms + 20);
        await settle();
      }
    },
    /** From now on it goes by itself, as fast as any. */
    run() {
      const since = steady() - timers.ms;
      setInterval(() => timers.runUntil(Math.max(timers.ms, steady() - since)), 10).unref();
    },
  };
}
