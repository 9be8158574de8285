// A whole real history through real cores, by what others said and by the authors' own clocks; held against an oracle.
export const what = "the whole history, as it was merged and by the authors' own clocks (raw time), natively";
export const options = { rounds: 3, limit: 1_000_000_000 };

export async function run({ rounds, limit }, { run, spread }) {
  const took = { merged: [], raw: [] };
  let bad = 0;
  for (let round = 0; round < rounds; round++) {
    for (const [kind, flags] of [
      ["merged", []],
      ["raw", ["--raw-time"]],
    ]) {
      const { code, seconds } = await run(
        process.execPath,
        ["test/replay/run.mjs", "--limit", String(limit), ...flags],
        { seen: true },
      );
      if (code !== 0) ++bad;
      took[kind].push(seconds);
    }
  }
  console.log(
    `It draws nothing: there is no seed. As merged: ${spread(took.merged, "s")}; by raw time: ${spread(took.raw, "s")}`,
  );
  return bad === 0;
}
