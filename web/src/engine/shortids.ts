// The short forms of device ids, for notices that name devices. They are the core's to make, and the same ones are wanted again and again.

import type { Action, RawTurn, Turn, TurnAction } from "./boundary.js";

/** Enough for all members of large topics; then the cache begins anew. */
const knownMax = 10_000;

export class ShortIds {
  readonly #make: (id: string) => string;
  readonly #known = new Map<string, string>();

  constructor(make: (id: string) => string) {
    this.#make = make;
  }

  /** Of a device id of 64 hex digits. */
  of(id: string): string {
    let short = this.#known.get(id);
    if (short === undefined) {
      if (this.#known.size >= knownMax) this.#known.clear();
      short = this.#make(id);
      this.#known.set(id, short);
    }
    return short;
  }

  /** Whether none has to be made for that turn. */
  hasAll({ actions }: RawTurn): boolean {
    return actions.every(action => devicesIn(action).every(({ id }) => this.#known.has(id)));
  }

  /** The same turn, with short ids where it tells of devices. */
  added(turn: RawTurn): Turn {
    for (const action of turn.actions)
      for (const device of devicesIn(action)) Object.assign(device, { shortId: this.of(device.id) });
    return { ...turn, actions: turn.actions as readonly Action[] };
  }
}

const none: readonly never[] = [];

function devicesIn(action: TurnAction): readonly { readonly id: string }[] {
  return action.kind === "PeersNotice" ? action.peers : action.kind === "MembersNotice" ? action.members : none;
}
