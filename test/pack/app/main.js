// Leaves everything to the bundler.
import { openPeer } from "perdure";
import { chat } from "./chat.js";

void chat(openPeer);
