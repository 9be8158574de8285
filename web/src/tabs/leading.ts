// A tab's time of leading: its core, and the other tabs that it serves.
//
//     const leading = new Leading({ lead, hold, others, hidden, onNotice, onInfo });
//     leading.hear(message);                           // what other tabs say to who leads
//     await leading.engine.call(body);                 // what its own tab asks
//     await leading.resign();                          // or end(), where nothing can be written any more

import type { Notice } from "../engine/boundary.js";
import type { Engine, EngineInfo } from "../engine/engine.js";
import type { TabMessage } from "./bus.js";
import { Followers } from "./followers.js";
import type { Hold } from "./hold.js";
import type { Others } from "./others.js";

/** A running core, with what only its own tab can tell it. A Driver is one. */
export interface LeadEngine extends Engine {
  network(online: boolean): void;
  visibility(hidden: boolean): void;
  goodbye(): void;
}

export interface Lead {
  readonly engine: LeadEngine;
  /** Ends it as a crash does: nothing more is said or written, the store is let go. */
  drop(): Promise<void>;
}

export interface LeadingOptions {
  readonly lead: Lead;
  readonly hold: Hold;
  /** How they are reached. None: it is alone. */
  readonly others: Pick<Others, "bus" | "candidate"> | undefined;
  /** Whether its own page is. */
  readonly hidden: () => boolean;
  readonly onNotice: (notice: Notice) => void;
  readonly onInfo: (info: EngineInfo) => void;
}

export class Leading {
  readonly lead: Lead;
  readonly hold: Hold;
  /** Names this time of leading. */
  readonly term: string;
  readonly #hidden: () => boolean;
  readonly #followers: Followers | undefined;
  readonly #stops: readonly (() => void)[];

  constructor({ lead, hold, others, hidden, onNotice, onInfo }: LeadingOptions) {
    this.lead = lead;
    this.hold = hold;
    this.term = `${others?.bus.id ?? ""}-${performance.now()}`;
    this.#hidden = hidden;
    const { engine } = lead;
    if (others !== undefined) {
      const { bus, candidate } = others;
      this.#followers = new Followers({
        engine,
        bus,
        term: this.term,
        watch: (tab, signal, gone) => candidate.watch(tab, signal, gone),
        onVisibility: () => this.tellVisibility(),
      });
    }
    this.#stops = [engine.onNotice(onNotice), engine.onInfo(onInfo)];
  }

  get engine(): LeadEngine {
    return this.lead.engine;
  }

  hear(message: TabMessage): void {
    this.#followers?.hear(message);
  }

  /** The core hears whether any page of this peer is seen. */
  tellVisibility(): void {
    this.engine.visibility(this.#hidden() && (this.#followers?.allHidden ?? true));
  }

  /** Nobody is served any more, who is learns of it, and nothing of the core is heard; what becomes of that is for its caller. */
  end(): void {
    this.#deaf();
    this.#followers?.lose();
  }

  /** Closes the core: everything accepted is on disk afterwards. */
  async resign(): Promise<void> {
    this.#deaf();
    this.#followers?.leave();
    await this.engine.close().catch(() => undefined);
    this.#followers?.end();
  }

  #deaf(): void {
    for (const stop of this.#stops) stop();
  }
}
