// The real worker with a core that is not. Its address may name a version: /worker.js?version=9.0.0

import { serveTab } from "../../../web/src/workertab.js";
import { takeFakeLead } from "./fake.js";

serveTab(takeFakeLead, new URL(location.href).searchParams.get("version") ?? undefined);
