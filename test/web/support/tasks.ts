// What a page's thread does while something goes on, task by task, as Chromium traces it.

import type { Page } from "playwright-core";

interface TraceEvent {
  readonly name: string;
  readonly pid: number;
  readonly tid: number;
  readonly tdur?: number;
}

/** Milliseconds that each task of the page took on the processor, the longest first. What else the machine does makes a task wait and
 *  is not in it. One page at a time. */
export async function tasksOf(page: Page, during: () => Promise<void>): Promise<number[]> {
  const browser = page.context().browser();
  if (browser === null) throw new Error("this browser traces nothing");
  await browser.startTracing(page, { categories: ["toplevel", "blink.user_timing"] });
  await page.evaluate(() => performance.mark("the page's thread"));
  await during();
  const { traceEvents } = JSON.parse((await browser.stopTracing()).toString()) as { traceEvents: TraceEvent[] };
  const marked = traceEvents.find(({ name }) => name === "the page's thread");
  const tasks = traceEvents.filter(
    ({ name, pid, tid }) => name === "ThreadControllerImpl::RunTask" && pid === marked?.pid && tid === marked.tid,
  );
  if (tasks.length === 0) throw new Error("the trace shows no task of the page");
  return tasks.map(({ tdur = 0 }) => tdur / 1000).sort((a, b) => b - a);
}
