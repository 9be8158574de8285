// Who is wired to whom in a test network.

/** So many are wired each to each. A test has no use for half a million wires. */
const meshed = 16;

/** So many wires at least has every peer of a larger network, as long as nobody is cut off. */
export const wiredAtLeast = 3;

/** Those before it to which the peer at that place is wired: all of them in a small network, else a few near and far, so that every
 *  peer is some steps from every other. */
export function wiredTo(at: number): number[] {
  if (at < meshed) return Array.from({ length: at }, (_, other) => other);
  const before: number[] = [];
  for (let step = 1; step <= at; step *= 4) before.push(at - step);
  return before;
}
