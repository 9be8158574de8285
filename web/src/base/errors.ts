// What a caller can meet. Codes are numbered in include/perdure/result.hpp.

import { wordsHere } from "./words.js";

const codes = [
  "bad-invite",
  "bad-argument",
  "too-large",
  "storage-full",
  "storage-unavailable",
  "storage-lost",
  "not-allowed",
  "not-found",
  "closed",
  "outdated",
  "insecure-context",
  "wasm-blocked",
  "wasm-failed",
] as const;

/** What went wrong, for programs. */
export type ErrorCode = (typeof codes)[number];

/** The one error of this package. The message says what to do. An aborted call rejects with `signal.reason` instead. */
export class PerdureError extends Error {
  /** What went wrong, for programs. */
  readonly code: ErrorCode;
  /** bad-argument: where in the value, as "items[3].when". */
  readonly path?: string;

  constructor(code: ErrorCode, message: string, options?: { path?: string; cause?: unknown }) {
    super(message, options?.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    if (options?.path !== undefined) this.path = options.path;
  }

  override get name(): string {
    return "PerdureError";
  }
}

/** The code of a number from the core. A number that no caller should meet is told as not-allowed. */
export function codeOf(number: number): ErrorCode {
  return codes[number - 1] ?? "not-allowed";
}

/** The number of a code, as the core counts them. */
export function numberOf(code: ErrorCode): number {
  return codes.indexOf(code) + 1;
}

/** A PerdureError as plain data, to be posted between threads. */
export interface ErrorData {
  readonly code: ErrorCode;
  readonly text: string;
  readonly path?: string;
}

export function dataOf(error: PerdureError): ErrorData {
  return { code: error.code, text: error.message, ...(error.path === undefined ? {} : { path: error.path }) };
}

export function errorOf({ code, text, path }: ErrorData): PerdureError {
  return new PerdureError(code, wordsHere(text), path === undefined ? undefined : { path });
}

/** What is thrown at a caller is always this package's. */
export function asPerdureError(error: unknown): PerdureError {
  if (error instanceof PerdureError) return error;
  return new PerdureError("wasm-failed", error instanceof Error ? `${error.name}: ${error.message}` : String(error), {
    cause: error,
  });
}

/** For every call after close(). */
export function closedError(what = "This peer"): PerdureError {
  return new PerdureError("closed", `${what} is closed. Open it again to go on.`);
}

/** For every call on a topic that was left. */
export function leftError(): PerdureError {
  return new PerdureError("closed", "This topic was left. To go on in it, join() it again with its invite.");
}

export function badArgument(text: string, path?: string): PerdureError {
  return new PerdureError("bad-argument", text, path === undefined ? undefined : { path });
}
