// What every store promises. One suite for four stores, in Node and in browsers: a case gets a disk and opens it.

import type { Change, Own, Row, Store } from "../../../web/src/store/store.js";
import { check, refusal, same } from "../support/check.js";

/** A disk to try a store on. Each case gets a fresh one. */
export interface TestDisk {
  /** Opens what is on the disk; again and again if it is called so. */
  open(): Promise<Store & Own>;
  /** Puts something that is not bytes where that row's value was, behind the back of all openers. */
  damage(key: Uint8Array): Promise<void>;
  /** Raises the generation behind the back of the opener, as a later one does. */
  supersede(): Promise<void>;
  /** Writes the number of a newer format. No opener is there. */
  setFormat(format: number): Promise<void>;
  /** Lifts the bound of a small disk. */
  makeRoom(): Promise<void>;
  /** What a second opener meets while the first is there. */
  readonly second: "takes over" | "is refused";
  dispose(): Promise<void>;
}

/** `small`: the disk has room for 6 MiB. */
export interface Case {
  readonly name: string;
  readonly small?: true;
  run(disk: TestDisk): Promise<void>;
}

const bytes = (...numbers: number[]): Uint8Array => Uint8Array.from(numbers);
const nothing: Change = { puts: [], erases: [], eraseRanges: [] };
const put = (...rows: Row[]): Change => ({ ...nothing, puts: rows });
const row = (key: number, value: number): Row => [bytes(key), bytes(value)];
const all = (store: Store): Promise<Row[]> => store.range(bytes(), bytes(255, 255), 1_000_000, false);
const keysOf = (rows: readonly Row[]): number[] => rows.map(([key]) => key[0] ?? -1);

export const cases: readonly Case[] = [
  {
    name: "what is saved is read, by key and in the order asked for, and what does not exist is left out",
    async run(disk) {
      const store = await disk.open();
      check(store.wasEmpty, "a fresh store was empty");
      same(await store.save(put(row(1, 10), row(2, 20), row(3, 30))), "ok");
      same(await store.read([bytes(3), bytes(9), bytes(1)]), [row(3, 30), row(1, 10)]);
      same(await store.read([]), []);
    },
  },
  {
    name: "a range is half open, ascending or descending, and ends at its limit if it has one",
    async run(disk) {
      const store = await disk.open();
      await store.save(put(...[5, 1, 4, 2, 3].map(n => row(n, n))));
      const range = async (from: number, to: number, limit: number, reverse: boolean): Promise<number[]> =>
        keysOf(await store.range(bytes(from), bytes(to), limit, reverse));
      same(await range(2, 4, 10, false), [2, 3]);
      same(await range(2, 4, 10, true), [3, 2]);
      same(await range(0, 9, 2, false), [1, 2]);
      same(await range(0, 9, 2, true), [5, 4]);
      same(await range(0, 9, 1, true), [5]);
      same(await range(0, 4, 0, false), [1, 2, 3]);
      same(await range(2, 9, 0, true), [5, 4, 3, 2]);
      same(await range(4, 2, 10, false), []);
      same(await range(3, 3, 10, true), []);
      same(await range(6, 9, 10, true), []);
      same(await range(0, 9, 4_294_967_295, true), [5, 4, 3, 2, 1]);
    },
  },
  {
    name: "keys are ordered as bytes, a prefix before what it begins",
    async run(disk) {
      const store = await disk.open();
      const keys = [
        bytes(),
        bytes(0),
        bytes(0, 0),
        bytes(0, 255),
        bytes(1),
        bytes(127, 1),
        bytes(128),
        bytes(200, 0),
        bytes(255),
        bytes(255, 254),
      ];
      await store.save(put(...keys.toReversed().map(key => [key, bytes(7)] as const)));
      same(
        (await all(store)).map(([key]) => key),
        keys,
      );
      same(
        (await store.range(bytes(0), bytes(0, 255), 10, true)).map(([key]) => key),
        [bytes(0, 0), bytes(0)],
      );
    },
  },
  {
    name: "a save erases ranges and keys first and puts afterwards, and none of it has to exist",
    async run(disk) {
      const store = await disk.open();
      await store.save(put(...[1, 2, 3, 4, 5, 6].map(n => row(n, n))));
      const change = {
        puts: [row(3, 33), row(6, 66)],
        erases: [bytes(6), bytes(99)],
        eraseRanges: [
          [bytes(2), bytes(5)],
          [bytes(100), bytes(101)],
          [bytes(5), bytes(1)],
        ] as const,
      };
      same(await store.save(change), "ok");
      same(await all(store), [row(1, 1), row(3, 33), row(5, 5), row(6, 66)]);
      same(await store.save(nothing), "ok");
    },
  },
  {
    name: "the last of several puts of one key stays",
    async run(disk) {
      const store = await disk.open();
      same(await store.save(put(row(1, 1), row(1, 2), row(1, 3))), "ok");
      same(await all(store), [row(1, 3)]);
    },
  },
  {
    name: "saves take effect in order and a read sees every save issued before it",
    async run(disk) {
      const store = await disk.open();
      const saves = Array.from({ length: 40 }, (_, n) => store.save(put(row(1, n), row(10 + n, n))));
      const read = store.read([bytes(1)]);
      const range = store.range(bytes(10), bytes(255), 100, true);
      const late = store.save(put(row(1, 200)));
      same(await read, [row(1, 39)]);
      same(keysOf(await range).length, 40);
      same(
        await Promise.all(saves),
        saves.map(() => "ok"),
      );
      same(await late, "ok");
      same(await store.read([bytes(1)]), [row(1, 200)]);
    },
  },
  {
    name: "what is handed in may be overwritten at once, and what comes out is the caller's own",
    async run(disk) {
      const store = await disk.open();
      const heap = Uint8Array.from({ length: 64 }, (_, n) => n);
      const [key, value] = [heap.subarray(4, 5), heap.subarray(8, 11)];
      const saved = store.save(put([key, value]));
      const read = store.read([key]);
      heap.fill(255);
      same(await saved, "ok");
      const [first] = await read;
      same(first, [bytes(4), bytes(8, 9, 10)]);
      first?.[1].fill(1);
      same(await store.read([bytes(4)]), [[bytes(4), bytes(8, 9, 10)]]);
    },
  },
  {
    name: "rows outlive their opener and the store is then no longer empty",
    async run(disk) {
      const first = await disk.open();
      await first.save(put(row(1, 1), [bytes(2), new Uint8Array()]));
      await first.close();
      await first.close();
      same(await first.save(put(row(3, 3))), "failed");
      same(await refusal(first.read([bytes(1)])), "closed");
      const second = await disk.open();
      check(!second.wasEmpty, "rows were there");
      same(await all(second), [row(1, 1), [bytes(2), bytes()]]);
    },
  },
  {
    name: "close waits for the saves that were issued",
    async run(disk) {
      const store = await disk.open();
      const saves = [1, 2, 3].map(n => store.save(put(row(n, n))));
      await store.close();
      same(await Promise.all(saves), ["ok", "ok", "ok"]);
      same(keysOf(await all(await disk.open())), [1, 2, 3]);
    },
  },
  {
    name: "large values and thousands of rows are saved whole",
    async run(disk) {
      const store = await disk.open();
      const large = Uint8Array.from({ length: 300 * 1024 }, (_, n) => n % 251);
      const many = Array.from({ length: 3000 }, (_, n) => [bytes(2, n >> 8, n & 255), bytes(n & 255)] as const);
      same(await store.save(put([bytes(1), large], ...many)), "ok");
      const [found] = await store.read([bytes(1)]);
      check(
        found !== undefined && found[1].length === large.length && found[1].every((byte, n) => byte === n % 251),
        "the large value came back",
      );
      same((await store.range(bytes(2), bytes(3), 10_000, false)).length, 3000);
      same(
        (await store.range(bytes(2), bytes(3), 50, true)).map(([key]) => key),
        many
          .slice(-50)
          .reverse()
          .map(([key]) => key),
      );
    },
  },
  {
    name: "a full disk takes nothing of the save, all later saves fail, and after reopening with room they do not",
    small: true,
    async run(disk) {
      const store = await disk.open();
      const large = Uint8Array.from({ length: 60_000 }, (_, n) => (n * n * 7919) >> 5);
      same(await store.save(put(row(1, 1), row(2, 2))), "ok");
      const [full, after] = await Promise.all([
        store.save({
          puts: [row(1, 100), row(9, 9), ...Array.from({ length: 140 }, (_, n) => [bytes(50, n), large] as const)],
          erases: [bytes(2)],
          eraseRanges: [],
        }),
        store.save({ ...nothing, erases: [bytes(1)] }),
      ]);
      same([full, after], ["full", "failed"]);
      same(await all(store), [row(1, 1), row(2, 2)]);
      await disk.makeRoom();
      same(await store.save(put(row(3, 3))), "failed");
      same(await store.reopen(), "ok");
      same(await store.save(put(row(3, 3))), "ok");
      same(await all(store), [row(1, 1), row(2, 2), row(3, 3)]);
    },
  },
  {
    name: "a damaged row is still a row, and its neighbours are whole",
    async run(disk) {
      const first = await disk.open();
      await first.save(put(row(1, 1), row(2, 2), row(3, 3)));
      await first.close();
      await disk.damage(bytes(2));
      const store = await disk.open();
      same(await all(store), [row(1, 1), [bytes(2), bytes()], row(3, 3)]);
      same(await store.read([bytes(2), bytes(3)]), [[bytes(2), bytes()], row(3, 3)]);
      same(await store.save(put(row(2, 22))), "ok");
      same(await store.read([bytes(2)]), [row(2, 22)]);
    },
  },
  {
    name: "a superseded opener writes nothing, now and later",
    async run(disk) {
      const store = await disk.open();
      same(await store.save(put(row(1, 1))), "ok");
      await disk.supersede();
      const outcomes = await Promise.all([store.save(put(row(1, 2))), store.save({ ...nothing, erases: [bytes(1)] })]);
      same(outcomes, ["superseded", "failed"]);
      same(await store.reopen(), "superseded");
      same(await store.save(put(row(1, 2))), "failed");
      same(await all(store), [row(1, 1)]);
    },
  },
  {
    name: "of two openers one has the store and sees all that the other saved before",
    async run(disk) {
      const first = await disk.open();
      same(await first.save(put(row(1, 1))), "ok");
      if (disk.second === "is refused") {
        same(await refusal(disk.open()), "storage-unavailable");
        same(await first.save(put(row(2, 2))), "ok");
        await first.close();
        same(await all(await disk.open()), [row(1, 1), row(2, 2)]);
        return;
      }
      const second = await disk.open();
      same(await first.save(put(row(2, 2))), "superseded");
      same(await second.save(put(row(3, 3))), "ok");
      same(await all(second), [row(1, 1), row(3, 3)]);
    },
  },
  {
    name: "of two who open at once only one can save, whoever it is",
    async run(disk) {
      if (disk.second === "is refused") return;
      const stores = await Promise.all([disk.open(), disk.open(), disk.open()]);
      const outcomes = await Promise.all(stores.map((store, n) => store.save(put(row(1, n)))));
      same(outcomes.toSorted(), ["ok", "superseded", "superseded"]);
    },
  },
  {
    name: "the shim's own values lie beside the rows and outlive their opener, too",
    async run(disk) {
      const store = await disk.open();
      same(await store.getOwn("seed"), undefined);
      await store.putOwn("seed", bytes(1, 2, 3));
      await store.putOwn("since", 7);
      same([await store.getOwn("seed"), await store.getOwn("since")], [bytes(1, 2, 3), 7]);
      same(await all(store), []);
      await store.close();
      const again = await disk.open();
      check(again.wasEmpty, "own values are no rows");
      same(await again.getOwn("seed"), bytes(1, 2, 3));
    },
  },
  {
    name: "of two who put the same own value at once, where none was that stands, both are given the one that is there",
    async run(disk) {
      const isByte = (found: unknown): found is Uint8Array => found instanceof Uint8Array && found.length === 1;
      const store = await disk.open();
      await store.putOwn("seed", bytes(7, 7));
      const both = await Promise.all([1, 2].map(n => store.putOwn("seed", bytes(n), isByte)));
      same(both, [bytes(1), bytes(1)]);
      same(await store.getOwn("seed"), bytes(1));
      same(await store.putOwn("seed", bytes(3)), bytes(3));
    },
  },
  {
    name: "rows of a newer version are not touched",
    async run(disk) {
      const store = await disk.open();
      await store.save(put(row(1, 1)));
      await store.close();
      await disk.setFormat(2);
      same(await refusal(disk.open()), "outdated");
      await disk.setFormat(1);
      const again = await disk.open();
      same(await all(again), [row(1, 1)]);
    },
  },
  {
    name: "usage is a number of bytes",
    async run(disk) {
      const store = await disk.open();
      await store.save(put([bytes(1), new Uint8Array(100_000)]));
      const usage = await store.usage();
      check(usage.usedBytes > 0, `something is used: ${usage.usedBytes}`);
    },
  },
];
