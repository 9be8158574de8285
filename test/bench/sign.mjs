// The module's own libsodium without the module: the same archive, linked with the same flags and nothing else, because what ships
// exports no call that only signs.
import { spawnSync } from "node:child_process";
import { resolve } from "node:path";
import { pathToFileURL } from "node:url";

const archive = "build/toolchain/libsodium/wasm/libsodium.a";
const linked = "build/bench/sign.mjs";
const flags =
  "-msimd128 -Os -flto -sMODULARIZE=1 -sEXPORT_ES6=1 -sENVIRONMENT=node -sALLOW_MEMORY_GROWTH=1 -sFILESYSTEM=0 -sSTACK_SIZE=262144 --no-entry " +
  "-sEXPORTED_FUNCTIONS=_crypto_sign_detached,_crypto_sign_seed_keypair,_malloc -sEXPORTED_RUNTIME_METHODS=HEAPU8";

/** A function that signs each of those messages once. */
export async function bareSign(messages) {
  const { status, stderr } = spawnSync(
    "bash",
    ["-c", `. build/toolchain/env.sh && emcc ${archive} ${flags} -o ${linked}`],
    { encoding: "utf8" },
  );
  if (status !== 0) throw new Error(`libsodium could not be linked: ${stderr}`);
  const { default: create } = await import(pathToFileURL(resolve(linked)).href);
  const sodium = await create();
  const [seed, pub, secret, signature, text] = [32, 32, 64, 64, 120].map(size => sodium._malloc(size));
  sodium._crypto_sign_seed_keypair(pub, secret, seed);
  const encoder = new TextEncoder();
  return () => {
    for (const message of messages) {
      sodium.HEAPU8.set(encoder.encode(message), text);
      // The length is a 64-bit number in two halves.
      sodium._crypto_sign_detached(signature, 0, text, 120, 0, secret);
    }
  };
}
