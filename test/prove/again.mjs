// A suite of `npm test` again and again: a race that it hides shows in one run of many.
export const what = "one suite of npm test so many times: how often it passes, and how long it takes";
export const options = { suite: "pack", rounds: 10 };

export async function run({ suite, rounds }, { run, spread }) {
  const took = [];
  let passed = 0;
  for (let round = 1; round <= rounds; round++) {
    const { code, out, seconds } = await run(process.execPath, ["test/run.mjs", ...suite.split(",")]);
    took.push(seconds);
    if (code === 0) ++passed;
    else console.log(out.trimEnd());
    console.log(`round ${round} of ${rounds}: ${code === 0 ? "passed" : "FAILED"} in ${seconds.toFixed(0)} s`);
  }
  console.log(`${suite}: ${passed} of ${rounds} passed; ${spread(took, "s")}`);
  return passed === rounds;
}
