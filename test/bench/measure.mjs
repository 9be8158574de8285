// How figures are taken: both sides of a ratio by turns, so that whatever else the machine does hits both; of five runs the one
// whose ratio is the median.
//
//     const found = await byTurns({ ours: () => …, theirs: () => … });        // each does its work once and gives a figure
//     const { ours, theirs, ratio } = middle(found);                          // ratio: ours / theirs

export const runs = 5;

/** Milliseconds that it takes. */
export async function timed(run) {
  globalThis.gc?.();
  const began = performance.now();
  await run();
  return performance.now() - began;
}

/** What each side gave, run by run. `warm`: so many runs go before, until the code of both sides is compiled as well as it ever is. */
export async function byTurns(sides, { warm = 0 } = {}) {
  const entries = Object.entries(sides);
  const found = [];
  for (let run = -warm; run < runs; run++) {
    const given = {};
    // Who goes second finds a warmer or a busier machine: every other time it is the other one.
    for (const [name, measure] of run % 2 === 0 ? entries : entries.toReversed()) given[name] = await measure();
    if (run >= 0) found.push(given);
    process.stderr.write(".");
  }
  return found;
}

/** The run whose ratio is the median. */
export function middle(found, ours = run => run.ours, theirs = run => run.theirs) {
  const all = found.map(run => ({ ours: ours(run), theirs: theirs(run), ratio: ours(run) / theirs(run) }));
  return all.toSorted((a, b) => a.ratio - b.ratio)[all.length >> 1];
}

// ---- what rows give: figures beside what they are held against --------------------------------------------------------------
/** Work that takes time: how many times as fast it is as theirs. */
export const speed = ({ ours, theirs, ratio }, more) => ({ ours, theirs, unit: "ms", value: 1 / ratio, ...more });
/** Work that takes time: how many times theirs it takes. */
export const share = ({ ours, theirs, ratio }, more) => ({ ours, theirs, unit: "ms", value: ratio, ...more });
/** A figure that has a limit. */
export const bounded = (ours, limit, more) => ({
  ours,
  theirs: limit,
  value: ours / limit,
  most: 1,
  against: "the limit",
  ...more,
});
