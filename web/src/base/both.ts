/** Waits for both, which are under way. If either fails, `other` is closed again where it was opened. */
export async function both<T, S extends { close(): Promise<void> }>(
  one: Promise<T>,
  other: Promise<S>,
): Promise<[T, S]> {
  try {
    return await Promise.all([one, other]);
  } catch (error) {
    await other.then(
      opened => opened.close(),
      () => undefined,
    );
    throw error;
  }
}
