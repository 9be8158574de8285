// Figures in the text format of Prometheus (https://prometheus.io/docs/instrumenting/exposition_formats).
import { monitorEventLoopDelay } from "node:perf_hooks";

/** Seconds up to which observations are counted. A commit on a good disk takes one millisecond, on a bad one a hundred. */
const bounds = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5] as const;
/** How exactly the lag of the event loop is measured. */
const lagResolutionMs = 10;

export class Histogram {
  readonly #counts = new Array<number>(bounds.length).fill(0);
  #sum = 0;
  #count = 0;

  observe(seconds: number): void {
    const at = bounds.findIndex(bound => seconds <= bound);
    if (at >= 0) this.#counts[at] = (this.#counts[at] ?? 0) + 1;
    this.#sum += seconds;
    this.#count++;
  }

  lines(name: string): string[] {
    let below = 0;
    return [
      ...bounds.map((bound, at) => `${name}_bucket{le="${bound}"} ${(below += this.#counts[at] ?? 0)}`),
      `${name}_bucket{le="+Inf"} ${this.#count}`,
      `${name}_sum ${this.#sum}`,
      `${name}_count ${this.#count}`,
    ];
  }
}

/** Counts by reason. */
export class Tally {
  readonly #counts = new Map<string, number>();

  add(reason: string): void {
    this.#counts.set(reason, (this.#counts.get(reason) ?? 0) + 1);
  }

  entries(): [string, number][] {
    return [...this.#counts];
  }
}

/** What is measured elsewhere and told here. */
export interface Figures {
  readonly version: string;
  readonly storage: string;
  /** The core's, as its last MetricsNotice has them. */
  readonly core: readonly (readonly [string, number])[];
  readonly links: number;
  readonly bytesIn: number;
  readonly bytesOut: number;
  readonly databaseBytes: number;
  readonly healthy: boolean;
  /** Absent where it answers none. */
  readonly stunRequests?: number;
}

interface Family {
  readonly name: string;
  readonly type: "gauge" | "counter";
  readonly help: string;
  readonly labels?: string;
}

// The core's counters by name. One that is not here is shown under its own name.
const coreFamilies: Readonly<Record<string, Family>> = {
  topics: { name: "perdure_topics", type: "gauge", help: "Topics stored." },
  logs: { name: "perdure_logs", type: "gauge", help: "Logs stored: one for each device and topic." },
  total_bytes: {
    name: "perdure_stored_bytes",
    type: "gauge",
    help: "Bytes stored, as they count against the quota: sealed ones, and 2 KiB for each log.",
  },
  saved_bytes: { name: "perdure_saved_bytes_total", type: "counter", help: "Bytes of rows saved." },
  stored_bytes: { name: "perdure_accepted_bytes_total", type: "counter", help: "Sealed bytes accepted." },
  batches_in: {
    name: "perdure_batches_total",
    type: "counter",
    help: "Batches by direction.",
    labels: 'direction="in"',
  },
  batches_out: {
    name: "perdure_batches_total",
    type: "counter",
    help: "Batches by direction.",
    labels: 'direction="out"',
  },
  acknowledged: { name: "perdure_acknowledgements_total", type: "counter", help: "Acknowledgements signed." },
  forks: { name: "perdure_forks_total", type: "counter", help: "Logs found forked." },
  signals: { name: "perdure_signals_total", type: "counter", help: "Signals forwarded between peers." },
  relayed_bytes: { name: "perdure_relayed_bytes_total", type: "counter", help: "Bytes relayed between peers." },
};

/** All figures as text. Keeps the lag of the event loop between two calls. */
export class Metrics {
  readonly saveSeconds = new Histogram();
  readonly refusals = new Tally();
  readonly #lag = monitorEventLoopDelay({ resolution: lagResolutionMs });
  readonly #startedMs = performance.now();

  constructor() {
    this.#lag.enable();
  }

  stop(): void {
    this.#lag.disable();
  }

  text(figures: Figures): string {
    const page = new Page();
    page.family("perdure_build_info", "gauge", "What runs here.", [
      `{version="${label(figures.version)}",node="${label(process.version)}",storage="${label(figures.storage)}"} 1`,
    ]);
    page.family("perdure_up", "gauge", "1 while the database can commit.", [` ${figures.healthy ? 1 : 0}`]);
    page.family("perdure_uptime_seconds", "gauge", "Since the anchor was started.", [
      ` ${((performance.now() - this.#startedMs) / 1000).toFixed(3)}`,
    ]);
    page.family("perdure_links", "gauge", "Links that stand.", [` ${figures.links}`]);
    page.family("perdure_database_bytes", "gauge", "Size of the database.", [` ${figures.databaseBytes}`]);
    page.family("perdure_link_bytes_total", "counter", "Bytes on links by direction.", [
      `{direction="in"} ${figures.bytesIn}`,
      `{direction="out"} ${figures.bytesOut}`,
    ]);
    if (figures.stunRequests !== undefined)
      page.family("perdure_stun_requests_total", "counter", "STUN requests answered.", [` ${figures.stunRequests}`]);
    this.#core(page, figures.core);
    page.histogram(
      "perdure_save_seconds",
      "From a save asked for to its durable commit: what an acknowledgement waits for.",
      this.saveSeconds,
    );
    page.family(
      "perdure_event_loop_lag_seconds",
      "gauge",
      "Lag of the event loop since the last look.",
      this.#lagLines(),
    );
    page.family("process_resident_memory_bytes", "gauge", "Memory of the process.", [` ${process.memoryUsage.rss()}`]);
    return page.text();
  }

  #core(page: Page, counters: Figures["core"]): void {
    const refused = this.refusals.entries();
    const families = new Map<string, Family & { lines: string[] }>();
    // What has not happened yet is told as none: a figure that comes up later cannot be watched from the beginning.
    const figures = new Map([...Object.keys(coreFamilies).map(name => [name, 0] as const), ...counters]);
    for (const [name, value] of figures) {
      const reason = /^refus(?:al|als|ed)_(\w+)$/.exec(name)?.[1];
      if (reason !== undefined) refused.push([reason, value]);
      else if (name !== "refusals" && name !== "links") {
        const family = coreFamilies[name] ?? {
          name: `perdure_${name.replace(/\W/g, "_")}_total`,
          type: "counter",
          help: "Counted by the core.",
        };
        const known = families.get(family.name) ?? { ...family, lines: [] };
        known.lines.push(`${family.labels === undefined ? "" : `{${family.labels}}`} ${value}`);
        families.set(family.name, known);
      }
    }
    // Refusals that the core does not name a reason for.
    const named = counters
      .filter(([name]) => /^refus(?:al|als|ed)_/.test(name))
      .reduce((sum, [, value]) => sum + value, 0);
    const all = counters.find(([name]) => name === "refusals")?.[1] ?? 0;
    refused.push(["quota", Math.max(0, all - named)]);
    for (const { name, type, help, lines } of families.values()) page.family(name, type, help, lines);
    page.family(
      "perdure_refusals_total",
      "counter",
      "What was refused, by reason.",
      refused.map(([reason, count]) => `{reason="${label(reason)}"} ${count}`),
    );
  }

  #lagLines(): string[] {
    // The histogram holds times between two looks, so the time that was meant to pass is in them.
    const seconds = (nanoseconds: number): string => Math.max(0, nanoseconds / 1e9 - lagResolutionMs / 1e3).toFixed(6);
    const lines = [
      `{quantile="0.5"} ${seconds(this.#lag.percentile(50))}`,
      `{quantile="0.99"} ${seconds(this.#lag.percentile(99))}`,
      `{quantile="1"} ${seconds(this.#lag.max)}`,
    ];
    this.#lag.reset();
    return lines;
  }
}

class Page {
  readonly #lines: string[] = [];

  family(name: string, type: string, help: string, samples: readonly string[]): void {
    this.#lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} ${type}`, ...samples.map(sample => name + sample));
  }

  histogram(name: string, help: string, histogram: Histogram): void {
    this.#lines.push(`# HELP ${name} ${help}`, `# TYPE ${name} histogram`, ...histogram.lines(name));
  }

  text(): string {
    return `${this.#lines.join("\n")}\n`;
  }
}

function label(text: string): string {
  return text.replace(/[\\"\n]/g, " ");
}
