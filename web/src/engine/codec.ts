// How values cross the boundary, each with its bytes both ways.
//
//     const page = struct({ messages: list(message), more: flag });
//     page.put(writer, { messages: [], more: false });
//     const call = union({ TopicClose: [68, { topic: number }], Close: [90, {}] });       // by kind, told apart by a tag

import { bytesOfHex, MalformedBytes, type Reader, type Writer } from "../base/bytes.js";
import { codeOf, numberOf } from "../base/errors.js";
import type { ErrorCode } from "../base/errors.js";

/** How a T is written and read. */
export interface Codec<T> {
  put(w: Writer, value: T): void;
  get(r: Reader): T;
}
export type ValueOf<C> = C extends Codec<infer T> ? T : never;
type Fields = Readonly<Record<string, Codec<unknown>>>;
type OptionalKey<F extends Fields> = { [K in keyof F]: undefined extends ValueOf<F[K]> ? K : never }[keyof F];
type StructOf<F extends Fields> = { readonly [K in Exclude<keyof F, OptionalKey<F>>]: ValueOf<F[K]> } & {
  readonly [K in OptionalKey<F>]?: ValueOf<F[K]>;
};
type Table = Readonly<Record<string, readonly [tag: number, fields: Fields]>>;
type UnionOf<T extends Table> = { [K in keyof T]: { readonly kind: K } & StructOf<T[K][1]> }[keyof T];

export const number: Codec<number> = { put: (w, v) => w.varint(v), get: r => r.varint() };
export const flag: Codec<boolean> = { put: (w, v) => w.u8(v ? 1 : 0), get: r => r.u8() === 1 };
export const text: Codec<string> = { put: (w, v) => w.text(v), get: r => r.text() };
export const bytes: Codec<Uint8Array> = { put: (w, v) => w.bytes(v), get: r => r.bytes() };
/** For whoever copies it before the next turn. */
export const borrowed: Codec<Uint8Array> = { put: bytes.put, get: r => r.borrowed() };
export const signed: Codec<number> = {
  put: (w, v) => w.varint(v < 0 ? -2 * v - 1 : 2 * v),
  get: r => {
    const zigzag = r.varint();
    return zigzag % 2 === 0 ? zigzag / 2 : -(zigzag + 1) / 2;
  },
};
export const id: Codec<string> = {
  put: (w, v) => {
    const raw = bytesOfHex(v);
    if (raw?.length !== 32) throw new MalformedBytes("an id has 64 hex digits");
    w.raw(raw);
  },
  get: r => r.hex(32),
};
export const code: Codec<ErrorCode> = { put: (w, v) => w.u8(numberOf(v)), get: r => codeOf(r.u8()) };

export function sized(size: number): Codec<Uint8Array> {
  return {
    put: (w, v) => {
      if (v.length !== size) throw new MalformedBytes(`${size} bytes are needed`);
      w.raw(v);
    },
    get: r => r.raw(size),
  };
}

/** One byte that counts the names from `first`. */
export function choice<const N extends readonly string[]>(first: number, ...names: N): Codec<N[number]> {
  return {
    put: (w, v) => w.u8(first + names.indexOf(v)),
    get: r => {
      const name = names[r.u8() - first];
      if (name === undefined) throw new MalformedBytes("an unknown choice");
      return name;
    },
  };
}

export function optional<T>(inner: Codec<T>): Codec<T | undefined> {
  return {
    put: (w, v) => {
      w.u8(v === undefined ? 0 : 1);
      if (v !== undefined) inner.put(w, v);
    },
    get: r => (r.u8() === 1 ? inner.get(r) : undefined),
  };
}

export function list<T>(item: Codec<T>): Codec<readonly T[]> {
  return {
    put: (w, v) => {
      w.varint(v.length);
      for (const one of v) item.put(w, one);
    },
    get: r => {
      const items: T[] = [];
      for (let left = r.varint(); left > 0; left--) items.push(item.get(r));
      return items;
    },
  };
}

export function pair<A, B>(first: Codec<A>, second: Codec<B>): Codec<readonly [A, B]> {
  return {
    put: (w, v) => {
      first.put(w, v[0]);
      second.put(w, v[1]);
    },
    get: r => [first.get(r), second.get(r)],
  };
}

function putFields(w: Writer, fields: readonly (readonly [string, Codec<unknown>])[], value: object): void {
  const named = value as Readonly<Record<string, unknown>>;
  for (const [name, codec] of fields) codec.put(w, named[name]);
}

function getFields(
  r: Reader,
  fields: readonly (readonly [string, Codec<unknown>])[],
  into: Record<string, unknown>,
): object {
  for (const [name, codec] of fields) {
    const value = codec.get(r);
    if (value !== undefined) into[name] = value;
  }
  return into;
}

export function struct<F extends Fields>(shape: F): Codec<StructOf<F>> {
  const fields = Object.entries(shape);
  return { put: (w, v) => putFields(w, fields, v), get: r => getFields(r, fields, {}) as StructOf<F> };
}

export function union<const T extends Table>(table: T): Codec<UnionOf<T>> {
  const byKind = new Map(
    Object.entries(table).map(([kind, [tag, shape]]) => [kind, { kind, tag, fields: Object.entries(shape) }]),
  );
  const byTag = new Map([...byKind.values()].map(entry => [entry.tag, entry]));
  return {
    put: (w, v) => {
      const entry = byKind.get((v as { readonly kind: string }).kind);
      if (entry === undefined) throw new MalformedBytes("an unknown kind");
      w.u8(entry.tag);
      putFields(w, entry.fields, v as object);
    },
    get: r => {
      const entry = byTag.get(r.u8());
      if (entry === undefined) throw new MalformedBytes("an unknown tag");
      return getFields(r, entry.fields, { kind: entry.kind }) as UnionOf<T>;
    },
  };
}
