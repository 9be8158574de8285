/** Resolves with the first value of the view that holds. In pages and in Node. */
export function until(view, holds) {
  return new Promise(resolve => {
    const leave = view.subscribe(value => {
      if (!holds(value)) return;
      resolve(value);
      queueMicrotask(() => leave());
    });
  });
}
