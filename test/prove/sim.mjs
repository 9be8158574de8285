// Many whole networks with bad luck. Each seed is one of them, and the same again every time.
export const what = "the simulator over a range of seeds, natively";
export const options = { first: 1, seeds: 2000, portion: 20 };

export async function run({ first, seeds, portion }, { run, must, each, spread }) {
  await must("wasm/build.sh", "native", "perdure_sim");
  const portions = Array.from({ length: Math.ceil(seeds / portion) }, (_, at) => ({
    from: first + at * portion,
    count: Math.min(portion, seeds - at * portion),
  }));
  const perSeed = [];
  let passed = 0;
  await each(portions, async ({ from, count }) => {
    const { out, seconds } = await run("build/native/perdure_sim", ["--first", String(from), "--seeds", String(count)]);
    const done = Number(/(\d+) passed, \d+ failed\s*$/.exec(out)?.[1] ?? 0);
    passed += done;
    perSeed.push(seconds / count);
    for (const line of out.split("\n")) if (line.includes("npm run sim -- --seed")) console.log(line);
    if (!/passed, \d+ failed\s*$/.test(out)) console.log(`stopped: npm run sim -- --first ${from} --seeds ${count}`);
    if (perSeed.length % 25 === 0) console.log(`${passed} of ${seeds} seeds passed so far`);
  });
  console.log(
    `seeds ${first} to ${first + seeds - 1}: ${passed} passed, ${seeds - passed} did not; seconds a seed, by portions of ${portion}: ${spread(perSeed, "s")}`,
  );
  return passed === seeds;
}
