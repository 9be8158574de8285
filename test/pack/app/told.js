// Says where the files are, for bundlers that do not find them: perdure.wasm by the bundler's own means, the worker as an entry of its own.
import { openPeer } from "perdure";
import wasm from "perdure/perdure.wasm";
import { chat } from "./chat.js";

void chat(openPeer, { wasm, worker: "worker.js" });
