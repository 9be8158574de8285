// The dedicated worker of a page: its tab, and the core and the storage if it leads.

import { takeLead } from "./tabs/lead.js";
import { serveTab } from "./host/workertab.js";

serveTab(takeLead);
