// npm run bench -- turn [--whole]       what a turn of the core costs, natively and in WebAssembly (turn.cpp)
import { spawnSync } from "node:child_process";

/** `args`: parts and options of turn.cpp. */
export function turn(args) {
  const sides = [
    ["native", "Natively", "build/native/perdure_turn"],
    ["wasm-test", "In WebAssembly", process.execPath, "build/wasm-test/perdure_turn.cjs"],
  ];
  for (const [preset, what, command, ...before] of sides) {
    const built = spawnSync("wasm/build.sh", [preset, "perdure_turn"], { stdio: ["ignore", "ignore", "inherit"] });
    if (built.status !== 0) return built.status ?? 1;
    console.log(`${what}:`);
    const { status } = spawnSync(command, [...before, ...args], { stdio: ["ignore", "inherit", "inherit"] });
    if (status !== 0) return status ?? 1;
    console.log("");
  }
  return 0;
}
