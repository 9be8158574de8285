// What is written: messages of 120 ASCII characters, no two alike.
export const count = 10_000;

export const text = (n, by = "a") =>
  `${by}${String(n).padStart(9, "0")} `.padEnd(120, "the quick brown fox jumps over the lazy dog ");
export const texts = (length, from = 0) => Array.from({ length }, (_, n) => text(from + n));
export const messages = texts(count);
