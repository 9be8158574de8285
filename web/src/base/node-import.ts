/** A module that only Node has. Bundlers for pages do not look for it: they would not find it, and some then refuse the whole app. */
export async function importInNode(name: string): Promise<unknown> {
  return import(/* @vite-ignore */ /* webpackIgnore: true */ name);
}
