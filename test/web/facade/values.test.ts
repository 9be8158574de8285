// Values: what goes in comes back, what cannot is refused with its place.

import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { Packr, Unpackr } from "msgpackr";
import { PerdureError } from "../../../web/src/base/errors.js";
import { pathOf } from "../../../web/src/api/packing.js";
import { decodeValue, encodeValue, presenceMax, valueMax } from "../../../web/src/api/values.js";
import { Random } from "../../../web/src/testing/random.js";

function refused(value: unknown, code: string, path: string): void {
  assert.throws(
    () => encodeValue(value),
    (error: unknown) => {
      assert.ok(error instanceof PerdureError);
      assert.equal(error.code, code);
      assert.equal(error.path, path);
      assert.ok(path === "" || error.message.includes(path), error.message);
      return true;
    },
  );
}

const back = (value: unknown): unknown => decodeValue(encodeValue(value));

/** Any value that can be stored. */
function some(random: Random, depth: number): unknown {
  const kind = random.u32() % (depth > 3 ? 9 : 11);
  const text = (): string =>
    String.fromCodePoint(
      ...Array.from(
        { length: random.u32() % 40 },
        () => [65 + (random.u32() % 26), 0xe9, 0x20ac, 0x1f600, 0][random.u32() % 5] ?? 0,
      ),
    );
  switch (kind) {
    case 0:
      return null;
    case 1:
      return random.u32() % 2 === 0;
    case 2:
      return random.u32() % 300;
    case 3:
      return (random.u32() - 0x80000000) * (random.u32() % 0x100000);
    case 4:
      return (random.fraction() - 0.5) * 10 ** ((random.u32() % 40) - 20);
    case 5:
      return text();
    case 6:
      return text().repeat(random.u32() % 9);
    case 7:
      return random.bytes(random.u32() % 300);
    case 8:
      return new Date((random.fraction() - 0.5) * 2 * 8.64e15 * 10 ** -(random.u32() % 8));
    case 9:
      return Array.from({ length: random.u32() % 20 }, () => some(random, depth + 1));
    default:
      return Object.fromEntries(Array.from({ length: random.u32() % 20 }, () => [text(), some(random, depth + 1)]));
  }
}

describe("a value that can be stored", () => {
  test("comes back as it went in, at every edge of a number's form", () => {
    const edges = [
      0,
      1,
      31,
      32,
      127,
      128,
      255,
      256,
      0x7fff,
      0x8000,
      0xffff,
      0x10000,
      0x7fffffff,
      0x80000000,
      0xffffffff,
      0x100000000,
      Number.MAX_SAFE_INTEGER,
    ];
    for (const edge of edges)
      for (const value of [edge, -edge, -edge - 1, edge + 0.5]) assert.ok(Object.is(back(value), value), `${value}`);
    for (const value of [-0, 1e300, -1e-300, Number.MIN_VALUE, Number.MAX_VALUE, 2 ** 53, 2 ** 64, 0.1])
      assert.ok(Object.is(back(value), value), `${value}`);
  });

  test("comes back as it went in, at every edge of a length's form", () => {
    for (const length of [0, 1, 15, 16, 31, 32, 64, 65, 255, 256, 65535, 65536]) {
      assert.equal(back("x".repeat(length)), "x".repeat(length));
      assert.deepEqual(back(new Uint8Array(length).fill(3)), new Uint8Array(length).fill(3));
      assert.deepEqual(
        back(Array.from({ length }, (_, i) => i % 7)),
        Array.from({ length }, (_, i) => i % 7),
      );
      if (length <= 256)
        assert.deepEqual(
          back(Object.fromEntries(Array.from({ length }, (_, i) => [`k${i}`, i]))),
          Object.fromEntries(Array.from({ length }, (_, i) => [`k${i}`, i])),
        );
    }
  });

  test("may be any text: umlauts, emoji, zeros, halves of surrogate pairs", () => {
    for (const text of [
      "",
      "Grüße",
      "日本語",
      "👩‍👩‍👧",
      "\0\u0001",
      "\ufeffmark",
      "\ud800",
      "a\udc00b",
      "x".repeat(70) + "\udbff",
      "é".repeat(33),
    ]) {
      assert.equal(back(text), text);
      assert.deepEqual(back({ [text]: text }), { [text]: text });
    }
  });

  test("may be any date, to the millisecond", () => {
    for (const ms of [
      0,
      1,
      999,
      1000,
      1732147200123,
      2 ** 32 * 1000,
      2 ** 34 * 1000 + 5,
      -1,
      -1001,
      8.64e15,
      -8.64e15,
    ]) {
      const date = back(new Date(ms));
      assert.ok(date instanceof Date);
      assert.equal(date.getTime(), ms);
    }
  });

  test("keeps own properties of every name, and makes no prototype of them", () => {
    const value: unknown = JSON.parse(
      '{"__proto__": {"admin": true}, "constructor": 1, "": 2, "toString": 3, "12": 4}',
    );
    const found = back(value) as Record<string, unknown>;
    assert.equal(JSON.stringify(found), JSON.stringify(value));
    assert.equal(Object.getPrototypeOf(found), Object.prototype);
    assert.equal(found["admin"], undefined);
  });

  test("loses its undefined properties and its symbols, and nothing else", () => {
    assert.deepEqual(back({ a: undefined, b: 1, c: { d: undefined } }), { b: 1, c: {} });
    assert.deepEqual(back({ [Symbol("s")]: 1, b: 2 }), { b: 2 });
  });

  test("may be made without a prototype, be a Buffer, or stand in two places", () => {
    assert.deepEqual(back(Object.assign(Object.create(null), { a: 1 })), { a: 1 });
    assert.deepEqual(back(Buffer.from([1, 2])), new Uint8Array([1, 2]));
    const twice = { n: 1 };
    assert.deepEqual(back([twice, twice]), [{ n: 1 }, { n: 1 }]);
  });

  test("is a copy: changing what went in or came out changes nothing else", () => {
    const bytes = new Uint8Array([1, 2, 3]);
    const packed = encodeValue({ bytes });
    bytes[0] = 9;
    const first = decodeValue(packed) as { bytes: Uint8Array };
    first.bytes[1] = 9;
    packed[0] = 0x81;
    assert.deepEqual(decodeValue(packed), { bytes: new Uint8Array([1, 2, 3]) });
  });

  test("may be anything that a thousand throws of the dice make", () => {
    const random = new Random(11);
    for (let i = 0; i < 1000; i++) {
      const value = some(random, 0);
      assert.deepEqual(back(value), value);
    }
  });

  test("reads the same to another program, and what that writes reads the same here", () => {
    const others = {
      pack: new Packr({ useRecords: false, variableMapSize: true }),
      unpack: new Unpackr({ useRecords: false, mapsAsObjects: true, int64AsType: "number" }),
    };
    const random = new Random(12);
    for (let i = 0; i < 500; i++) {
      const value = some(random, 0);
      assert.deepEqual(plain(others.unpack.unpack(encodeValue(value))), plain(value));
      assert.deepEqual(plain(decodeValue(Uint8Array.from(others.pack.pack(value)))), plain(value));
    }
  });
});

/** Without what the other library does its own way: classes of bytes, and the fractions of milliseconds that it makes of dates. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return [...value];
  if (value instanceof Date) return `date ${Math.round(value.getTime() / 1000)}`;
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value === "object" && value !== null)
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, plain(item)]));
  return value;
}

describe("a value that cannot be stored", () => {
  test("is refused with the path to it", () => {
    refused({ items: [1, 2, 3, { when: Number.NaN }] }, "bad-argument", "items[3].when");
    refused({ "two words": [Infinity] }, "bad-argument", '["two words"][0]');
    refused([[], [-Infinity]], "bad-argument", "[1][0]");
    refused({ a: 1n }, "bad-argument", "a");
    refused(
      {
        f() {
          /* a method */
        },
      },
      "bad-argument",
      "f",
    );
    refused({ s: Symbol("s") }, "bad-argument", "s");
    refused({ m: new Map() }, "bad-argument", "m");
    refused({ m: [new Set()] }, "bad-argument", "m[0]");
    refused(
      {
        c: new (class Point {
          x = 1;
        })(),
      },
      "bad-argument",
      "c",
    );
    refused({ e: new Error("no") }, "bad-argument", "e");
    refused({ r: /x/ }, "bad-argument", "r");
    refused({ d: new Date(Number.NaN) }, "bad-argument", "d");
    refused({ b: new ArrayBuffer(2) }, "bad-argument", "b");
    assert.throws(() => encodeValue(new ArrayBuffer(2)), /^PerdureError: An ArrayBuffer /);
    refused({ b: new Float32Array(2) }, "bad-argument", "b");
    refused({ p: Promise.resolve() }, "bad-argument", "p");
    refused({ n: new Number(3) }, "bad-argument", "n");
    refused([1, undefined], "bad-argument", "[1]");
    refused([1, , 3], "bad-argument", "[1]");
    refused(undefined, "bad-argument", "");
    refused(() => 1, "bad-argument", "");
  });

  test("is refused where it closes on itself", () => {
    const self: Record<string, unknown> = { a: 1 };
    self["self"] = self;
    refused(self, "bad-argument", "self");
    const list: unknown[] = [];
    const deep = { list: [{ list }] };
    list.push(0, deep.list);
    refused(deep, "bad-argument", "list[0].list[1]");
  });

  test("is refused when it is nested deeper than the core reads", () => {
    const nested = (depth: number): unknown => Array.from({ length: depth }).reduce<unknown>(inner => [inner], 1);
    assert.deepEqual(back(nested(64)), nested(64));
    refused(nested(65), "bad-argument", "[0]".repeat(64));
  });

  test("is refused where it calls itself what it is not, or cannot be named or read", () => {
    refused({ when: { [Symbol.toStringTag]: "Date" } }, "bad-argument", "when");
    refused([{ [Symbol.toStringTag]: "Uint8Array" }], "bad-argument", "[0]");
    refused({ a: Object.create({ [Symbol.toStringTag]: "Date" }) as object }, "bad-argument", "a");
    refused({ a: Object.create(Date.prototype) as object }, "bad-argument", "a");
    refused({ a: Object.create(Uint8Array.prototype) as object }, "bad-argument", "a");
    refused({ a: new Proxy(new Date(), {}) }, "bad-argument", "a");
    refused(
      {
        c: new (class {
          static override name = Symbol("no text") as unknown as string;
        })(),
      },
      "bad-argument",
      "c",
    );
    refused(
      {
        list: [
          {
            get when(): number {
              throw new Error("the app's own");
            },
          },
        ],
      },
      "bad-argument",
      "list[0].when",
    );
    refused(
      {
        a: {
          get constructor(): number {
            throw new Error("no");
          },
        },
      },
      "bad-argument",
      "a.constructor",
    );
    const gone = Proxy.revocable({}, {});
    gone.revoke();
    refused({ list: [1, gone.proxy] }, "bad-argument", "list[1]");
    assert.throws(
      () =>
        encodeValue({
          get a(): number {
            throw new Error("mine");
          },
        }),
      { code: "bad-argument", message: "At a: the value cannot be read (Error: mine).", cause: new Error("mine") },
    );
    assert.throws(() => encodeValue({ when: { [Symbol.toStringTag]: "Date" } }), {
      message: "At when: what calls itself a Date and is none cannot be stored.",
    });
    assert.deepEqual(back({ [Symbol.toStringTag]: "Point", x: 1 }), { x: 1 });
  });

  test("is too large past 256 KiB, to the byte, and a presence past 4; the text says how much there may be", () => {
    assert.throws(() => encodeValue("x".repeat(256 * 1024 + 1)), {
      code: "too-large",
      message: "A value takes at most 256 KiB, and this one takes more. Keep files elsewhere and store where they are.",
    });
    assert.throws(() => encodeValue({ a: new Uint8Array(5000) }, presenceMax), {
      message: /^A value takes at most 4 KiB, and this one takes more \(at a\)\./,
    });
    const head = 5;
    assert.equal(encodeValue("x".repeat(valueMax - head)).length, valueMax);
    refused("x".repeat(valueMax - head + 1), "too-large", "");
    refused({ a: { b: "x".repeat(valueMax) } }, "too-large", "a.b");
    refused(new Uint8Array(1 << 24), "too-large", "");
    refused(
      Array.from({ length: valueMax }, () => 0),
      "too-large",
      "",
    );
    assert.equal(encodeValue("x".repeat(4 * 1024), presenceMax).length, presenceMax);
    assert.throws(() => encodeValue("x".repeat(4 * 1024 + 1), presenceMax), { code: "too-large" });
  });

  test("counts as what is stored, also where a text was cut inside an emoji", () => {
    const cut = "x".repeat(200_000) + "👍".slice(0, 1);
    assert.equal(back(cut), cut);
    assert.ok(encodeValue(cut).length < 200_010);
    assert.deepEqual(back({ cut, "key \udc00": ["\ud800é👍\udc00", "日".repeat(1000) + "\udfff"] }), {
      cut,
      "key \udc00": ["\ud800é👍\udc00", "日".repeat(1000) + "\udfff"],
    });
    // What fits in the form that every version reads keeps it.
    assert.deepEqual(encodeValue("a\udc00"), Uint8Array.of(0xd6, 1, 0, 0x61, 0xdc, 0));
    refused("é".repeat(131_072) + "\ud83d", "too-large", "");
    refused("日".repeat(131_072) + "\ud83d", "too-large", "");
    // Every order of halves comes back, and what others wrote of them never throws.
    const halves = ["a", "\ud83d", "\udc4d", "é", "\ud800"];
    for (const a of halves)
      for (const b of halves)
        for (const c of halves) {
          const text = `${"x".repeat(100)}${a}${b}${c}z\udfff`;
          const packed = encodeValue(text, 130);
          assert.deepEqual([packed[2], decodeValue(packed)], [2, text]);
        }
    assert.equal(decodeValue(Uint8Array.of(0xc7, 6, 2, 0xed, 0xa0, 0xbd, 0xed, 0xb1, 0x8d)), "👍");
    assert.equal(decodeValue(Uint8Array.of(0xd6, 2, 0xed, 0xa0, 0xff, 0x61)), "\ufffd\ufffd\ufffda");
  });

  test("is packed whole while the app's own code, which it reads from, packs another", () => {
    const value = {
      a: 1,
      get inner() {
        return encodeValue({ x: "inside" });
      },
      b: "x".repeat(100),
    };
    const found = back(value) as { inner: Uint8Array };
    assert.deepEqual(
      { ...found, inner: decodeValue(found.inner) },
      { a: 1, inner: { x: "inside" }, b: "x".repeat(100) },
    );
    let reads = 0;
    assert.deepEqual(
      back({
        get once() {
          return ++reads === 1 ? 1 : undefined;
        },
      }),
      { once: 1 },
    );
  });

  test("leaves nothing behind for the next one", () => {
    refused({ a: "x", b: Number.NaN }, "bad-argument", "b");
    assert.deepEqual(encodeValue(1), new Uint8Array([1]));
  });

  test("says where it stands in a list of values or an entry", () => {
    assert.throws(() => encodeValue({ x: Number.NaN }, valueMax, [3]), { path: "[3].x" });
    assert.throws(() => encodeValue({ x: Number.NaN }, valueMax, ["a key"]), { path: '["a key"].x' });
    assert.equal(pathOf(["a", 0, "b", "ü", "1x"]), 'a[0].b.ü["1x"]');
  });
});

describe("bytes that others wrote", () => {
  test("are null where they are no value, and never throw", () => {
    const good = encodeValue({ a: [1, "text", new Date(5), new Uint8Array(3)], b: { c: null } });
    for (let length = 0; length < good.length; length++) assert.equal(decodeValue(good.subarray(0, length)), null);
    assert.equal(decodeValue(Uint8Array.of(...good, 0)), null);
    assert.equal(decodeValue(Uint8Array.of(0xc1)), null);
    assert.equal(decodeValue(Uint8Array.of(0xd4, 7, 0)), null);
    assert.equal(decodeValue(Uint8Array.of(0xdd, 0xff, 0xff, 0xff, 0xff)), null);
    assert.equal(decodeValue(Uint8Array.of(0xc6, 0xff, 0xff, 0xff, 0xff)), null);
    assert.equal(decodeValue(new Uint8Array(1000).fill(0x91)), null);
    assert.equal(decodeValue(Uint8Array.of(0x81, 0xc0, 1)), null);
    const random = new Random(13);
    for (let i = 0; i < 5000; i++) {
      const bad = good.slice();
      bad[random.u32() % bad.length] = random.u32() & 255;
      decodeValue(bad);
      decodeValue(random.bytes(random.u32() % 50));
    }
  });

  test("hold null where they say what this program cannot, and the rest stands", () => {
    const f64 = (value: number): number[] => {
      const bytes = new Uint8Array(9);
      bytes[0] = 0xcb;
      new DataView(bytes.buffer).setFloat64(1, value);
      return [...bytes];
    };
    const within = (...item: number[]): unknown => decodeValue(Uint8Array.of(0x82, 0xa1, 0x61, ...item, 0xa1, 0x62, 1));
    for (const [what, item] of Object.entries({
      NaN: f64(Number.NaN),
      Infinity: f64(Infinity),
      "-Infinity": f64(-Infinity),
      "a short NaN": [0xca, 0x7f, 0xc0, 0, 0],
      "a short -Infinity": [0xca, 0xff, 0x80, 0, 0],
      "a date past all dates": [0xc7, 12, 0xff, 0, 0, 0, 0, 0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
      "a date before all dates": [0xc7, 12, 0xff, 0, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0],
      "a date with too many nanoseconds": [0xd7, 0xff, 0xff, 0xff, 0xff, 0xfc, 0, 0, 0, 1],
      "a date of two bytes": [0xd5, 0xff, 0, 0],
      "a date of nothing": [0xc7, 0, 0xff],
      "another program's undefined": [0xd4, 0, 0],
      "another program's class": [0xc7, 3, 0x64, 1, 2, 3],
      "a text of an odd size": [0xd4, 1, 0x61],
      "a map with a key that is none": [0x81, 0xc0, 1],
      "a map with a list for a key": [0x82, 0x90, 1, 0xa1, 0x78, 2],
    }))
      assert.deepEqual(within(...item), { a: null, b: 1 }, what);
    assert.equal(decodeValue(Uint8Array.from(f64(Number.NaN))), null);
  });

  test("are the nearest that there is where numbers are too great or keys come twice, and make no prototype", () => {
    assert.equal(decodeValue(Uint8Array.of(0xcf, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff)), 2 ** 64);
    assert.equal(decodeValue(Uint8Array.of(0xd3, 0x80, 0, 0, 0, 0, 0, 0, 0)), -(2 ** 63));
    assert.deepEqual(decodeValue(Uint8Array.of(0x82, 0xa1, 0x61, 1, 0xa1, 0x61, 2)), { a: 2 });
    const proto = decodeValue(
      Uint8Array.of(
        0x82,
        0xa9,
        ...new TextEncoder().encode("__proto__"),
        0x81,
        0xa1,
        0x78,
        1,
        0xa9,
        ...new TextEncoder().encode("__proto__"),
        7,
      ),
    ) as object;
    assert.equal(Object.getPrototypeOf(proto), Object.prototype);
    assert.deepEqual(Object.entries(proto), [["__proto__", 7]]);
    assert.equal(decodeValue(Uint8Array.of(0xa3, 0xed, 0xa0, 0x80)), "\ufffd\ufffd\ufffd");
    assert.equal(decodeValue(new Uint8Array(260).fill(0x91, 0, 259)), null);
  });

  test("may hold forms that this program does not write", () => {
    assert.equal(decodeValue(Uint8Array.of(0xca, 0x3f, 0x80, 0, 0)), 1);
    assert.equal(decodeValue(Uint8Array.of(0xcf, 0, 0, 0, 0, 0, 0, 0, 7)), 7);
    assert.deepEqual(decodeValue(Uint8Array.of(0x81, 5, 6)), { 5: 6 });
    assert.equal(decodeValue(Uint8Array.of(0xa1, 0xff)), "\ufffd");
  });
});
