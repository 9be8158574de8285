// The dedicated worker of a page that wants storage: "opfs". A worker of its own instead of something that worker.ts loads when it is
// asked to: bundlers that put a worker into one file cannot load parts of it later, and would put SQLite into everybody's.

import { takeLead } from "./tabs/lead.js";
import { openOpfs } from "./store/opfs.js";
import { serveTab } from "./host/workertab.js";

serveTab((options, superseded) => takeLead({ ...options, openOpfs }, superseded));
