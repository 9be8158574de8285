// The watch over an anchor's store: when it is in trouble, when it is well again, and that it says each once.

import { describe, test } from "node:test";
import { Histogram } from "../../../web/anchor/metrics.js";
import { WatchedStore } from "../../../web/anchor/watched.js";
import { MemoryBackend } from "../../../web/src/store/memory.js";
import { OrderedStore } from "../../../web/src/store/ordered.js";
import type { Change, Reopening, SaveOutcome } from "../../../web/src/store/store.js";
import { check, same } from "../support/check.js";

/** A disk with room for so much in one commit. */
class Disk extends MemoryBackend {
  room = Number.POSITIVE_INFINITY;
  standing: Reopening = "ok";
  failing: SaveOutcome = "full";

  override commit(change: Change): SaveOutcome | Promise<SaveOutcome> {
    return change.puts.reduce((sum, [key, value]) => sum + key.length + value.length, 0) > this.room
      ? this.failing
      : super.commit(change);
  }

  override putOwn<T>(key: string, value: T): T {
    if ((value instanceof Uint8Array ? value.length : 8) > this.room) throw new Error("no room");
    return super.putOwn(key, value);
  }

  held(): Reopening {
    return this.standing;
  }
}

function watched(): {
  disk: Disk;
  store: WatchedStore;
  said: string[];
  well: Promise<void>;
  save: (bytes: number) => Promise<SaveOutcome>;
} & AsyncDisposable {
  const disk = new Disk();
  const said: string[] = [];
  // The watch alone keeps no process.
  const awake = setInterval(() => undefined, 1_000);
  let tell = (): void => undefined;
  const well = new Promise<void>(resolve => (tell = resolve));
  const store = new WatchedStore(new OrderedStore("memory", true, disk), new Histogram(), {
    failing: why => said.push(why),
    well: () => {
      said.push("well");
      tell();
    },
    lost: how => said.push(how),
  });
  const save = async (bytes: number): Promise<SaveOutcome> => {
    const outcome = await store.save({
      puts: [[Uint8Array.of(1), new Uint8Array(bytes)]],
      erases: [],
      eraseRanges: [],
    });
    if (outcome !== "ok") same(await store.reopen(), "ok");
    return outcome;
  };
  return {
    disk,
    store,
    said,
    well,
    save,
    [Symbol.asyncDispose]: () => {
      clearInterval(awake);
      return store.close();
    },
  };
}

describe("a store that is watched", { timeout: 30_000 }, () => {
  test("stays in trouble after a save that did not fit, whatever small ones do, until as much can be written", async () => {
    await using watch = watched();
    const { disk, store, said, save } = watch;
    same([await save(300_000), await store.trouble()], ["ok", ""]);
    disk.room = 80_000;
    same(await save(250_000), "full");
    const trouble = await store.trouble();
    check(trouble.includes("disk is full") && trouble.includes("make room"), trouble);
    for (let at = 0; at < 20; at++) {
      same(await save(300), "ok");
      same(await store.trouble(), trouble);
      same(await save(250_000), "full");
    }
    same(said, [trouble]);
    disk.room = 260_000;
    same([await save(260_000 - 1), await store.trouble()], ["ok", ""]);
    same(said, [trouble, "well"]);
  });

  test("finds out by itself that there is room again, and leaves nothing in it", async () => {
    await using watch = watched();
    const { disk, store, said, save } = watch;
    disk.room = 80_000;
    same(await save(250_000), "full");
    disk.room = 260_000;
    await watch.well;
    same([await store.trouble(), said.length], ["", 2]);
    same(typeof disk.getOwn("probe"), "number");
  });

  test("tells at once that it is another's", async () => {
    for (const how of ["superseded", "lost"] as const) {
      await using watch = watched();
      watch.disk.standing = how;
      check((await watch.store.trouble()) !== "", "in trouble");
      same(watch.said, [how]);
    }
  });

  test("whose database does not take even a little is in trouble though nothing was saved", async () => {
    await using watch = watched();
    watch.disk.room = 0;
    check((await watch.store.trouble()).includes("cannot commit"), "in trouble");
    same(watch.said.length, 1);
  });
});
