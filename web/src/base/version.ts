/** The version of this package, as package.json says it. Tabs compare it: the newest one runs the core. */
export const version = "0.2.0";

/** Below 0 if a is older than b, 0 if neither is older. What follows a hyphen does not count. */
export function compareVersions(a: string, b: string): number {
  const [left, right] = [numbersOf(a), numbersOf(b)];
  for (let i = 0; i < 3; i++) {
    const difference = (left[i] ?? 0) - (right[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

function numbersOf(text: string): number[] {
  return (text.split("-", 1)[0] ?? "").split(".").map(part => Number.parseInt(part, 10) || 0);
}
