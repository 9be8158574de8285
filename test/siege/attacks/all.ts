// All ways, in the order in which they come.

import type { Attack } from "../attack.js";
import { junkAcks, sybils } from "./acks.js";
import { cursors } from "./cursors.js";
import { emptyTopics } from "./empty.js";
import { floods } from "./floods.js";
import { frontiers } from "./frontiers.js";
import { halfOpen } from "./halfopen.js";
import { idleLinks } from "./idle.js";
import { tinyLogs } from "./logs.js";
import { mutations } from "./mutations.js";
import { presence } from "./presence.js";
import { quotas } from "./quotas.js";
import { relays } from "./relays.js";
import { silentSockets } from "./silent.js";

// The acknowledgements come while the members' logs are short. What fills the anchor comes last, and what it left is there for none.
export const attacks: readonly Attack[] = [
  sybils,
  junkAcks,
  silentSockets,
  halfOpen,
  idleLinks,
  relays,
  cursors,
  floods,
  frontiers,
  presence,
  emptyTopics,
  mutations,
  tinyLogs,
  quotas,
];
