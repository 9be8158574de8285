// The dedicated worker of a page: its tab, and the core and the storage if it leads.

import { takeLead } from "./lead.js";
import { serveTab } from "./workertab.js";

serveTab(takeLead);
