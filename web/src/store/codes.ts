// What SQLite says went wrong, whichever library says it: https://www.sqlite.org/rescode.html
export const full = 13;
export const ioError = 10;
export const ioErrorWrite = ioError | (3 << 8);
const ioErrorShmSize = ioError | (19 << 8); // no room for the index of the write-ahead log
const corrupt = 11;
export const notDatabase = 26;

// Each library tells SQLite's result code in its own way: `errcode` (Node), `resultCode` (wasm), `code: "SQLITE_FULL"`.
export function resultCode(error: unknown): number {
  if (typeof error !== "object" || error === null) return 0;
  for (const field of ["errcode", "resultCode"]) {
    const code: unknown = Reflect.get(error, field);
    if (typeof code === "number") return code;
  }
  const name: unknown = Reflect.get(error, "code");
  if (typeof name !== "string") return 0;
  if (name === "SQLITE_IOERR_WRITE") return ioErrorWrite;
  if (name === "SQLITE_IOERR_SHMSIZE") return ioErrorShmSize;
  const named = { SQLITE_FULL: full, SQLITE_IOERR: ioError, SQLITE_CORRUPT: corrupt, SQLITE_NOTADB: notDatabase };
  return Object.entries(named).find(([prefix]) => name.startsWith(prefix))?.[1] ?? 0;
}

/** There is no room on its disk, or what it may take is used up. */
export function isFull(error: unknown): boolean {
  return [full, ioErrorWrite, ioErrorShmSize].includes(resultCode(error));
}

/** It is no database, or not a whole one. */
export function isDamage(error: unknown): boolean {
  const code = resultCode(error) & 0xff;
  return code === notDatabase || code === corrupt;
}
