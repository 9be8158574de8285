// Async iterators that end at once: on `break`, on an aborted signal, on return() while next() waits.

/** Runs a generator under a signal that ends with the iteration. Aborting the caller's signal rejects with its reason; leaving the
 *  loop, or calling return() at any moment, ends quietly. */
export function walk<T>(
  outer: AbortSignal | undefined,
  steps: (signal: AbortSignal) => AsyncGenerator<T, void, void>,
): AsyncIterableIterator<T> {
  const inner = new AbortController();
  const generator = steps(inner.signal);
  let ended = false;
  const abort = (): void => inner.abort(outer?.reason);
  outer?.addEventListener("abort", abort, { once: true });
  if (outer?.aborted === true) abort();

  const end = async (): Promise<void> => {
    ended = true;
    outer?.removeEventListener("abort", abort);
    inner.abort();
    // A generator that waits is woken by the signal; one that rests runs its finally blocks.
    await generator.return().catch(() => undefined);
  };
  return {
    async next() {
      if (ended) return { done: true, value: undefined };
      if (outer?.aborted === true) {
        await end();
        throw outer.reason;
      }
      try {
        const step = await generator.next();
        if (step.done === true) await end();
        return step;
      } catch (error) {
        if (ended) return { done: true, value: undefined };
        await end();
        throw error;
      }
    },
    async return() {
      await end();
      return { done: true, value: undefined };
    },
    async throw(error) {
      await end();
      throw error;
    },
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
