// Every decoder under the fuzzer, for long, from several seeds.
export const what = "all fuzz targets, from one seed after another, each time for so many seconds";
export const options = { seconds: 1200, rounds: 3, seed: 1, driver: "any" };

export async function run({ seconds, rounds, seed, driver }, { run, spread }) {
  const runs = new Map();
  let bad = 0;
  for (let round = 0; round < rounds; round++) {
    const args = [
      "test/fuzz/run.mjs",
      "--seconds",
      String(seconds),
      "--seed",
      String(seed + round),
      ...(driver === "any" ? [] : ["--driver", driver]),
    ];
    const { code, out } = await run(process.execPath, args, { seen: true });
    if (code !== 0) ++bad;
    for (const [, name, count] of out.matchAll(/^passed {2}(\w+), (\d+) runs/gm))
      runs.set(name, [...(runs.get(name) ?? []), Number(count)]);
  }
  console.log(`seeds ${seed} to ${seed + rounds - 1}`);
  for (const [name, counts] of runs) console.log(`${name}: ${spread(counts, "runs")}`);
  return bad === 0;
}
