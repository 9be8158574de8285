// The real worker with a core that is not. Its address may name a version, how often who waits asks, and how long
// opening the store takes: /worker.js?version=9.0.0&ask=20&slow=1000

import type { TakeLead } from "../../../web/src/tabs/run.js";
import { serveTab } from "../../../web/src/host/workertab.js";
import { takeFakeLead } from "./fake.js";

const { searchParams } = new URL(location.href);
const [version, ask] = [searchParams.get("version"), searchParams.get("ask")];
const slowMs = Number(searchParams.get("slow") ?? 0);
const takeLead: TakeLead = async (options, superseded) => {
  await new Promise(resolve => setTimeout(resolve, slowMs));
  return takeFakeLead(options, superseded);
};
serveTab(takeLead, { ...(version === null ? {} : { version }), ...(ask === null ? {} : { askMs: Number(ask) }) });
