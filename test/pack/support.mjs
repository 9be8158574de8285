// The package as strangers get it: packed, and installed into an empty folder.
import { execFile } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { builtinModules } from "node:module";
import { tmpdir } from "node:os";
import { extname, join, normalize } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { chromium } from "playwright-core";

export const root = fileURLToPath(new URL("../..", import.meta.url));
export const pages = fileURLToPath(new URL(".", import.meta.url));
const execute = promisify(execFile);

/** Runs a program to its end and gives what it printed; rejects with all of that if it failed. */
export async function run(cwd, command, ...args) {
  try {
    return (await execute(command, args, { cwd, maxBuffer: 1 << 26 })).stdout;
  } catch (error) {
    throw new Error(`${command} ${args.join(" ")}\n${error.stdout}\n${error.stderr}`, { cause: error });
  }
}

/** An empty folder, into which the tarball was installed. */
export async function install() {
  const folder = mkdtempSync(join(tmpdir(), "perdure-pack-"));
  // dist/ is built by now, so that nothing needs to be done before packing.
  const packed = JSON.parse(await run(root, "npm", "pack", "--json", "--ignore-scripts", "--pack-destination", folder));
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "stranger", private: true, type: "module" }));
  await run(folder, "npm", "install", "--prefer-offline", "--no-audit", "--no-fund", join(folder, packed[0].filename));
  // What an anchor asks for where Node has no SQLite of its own, and only there. Compiled already, so it is lent.
  if (!builtinModules.includes("sqlite") && !builtinModules.includes("node:sqlite")) symlinkSync(join(root, "node_modules/better-sqlite3"), join(folder, "node_modules/better-sqlite3"));
  const dist = join(folder, "node_modules/perdure/dist");
  return {
    folder,
    dist,
    /** Paths in the tarball. */
    files: packed[0].files.map(({ path }) => path),
    load: name => import(pathToFileURL(join(dist, `${name}.js`)).href),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

const types = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".wasm": "application/wasm", ".svg": "image/svg+xml" };

/** A static host: folders by the path they lie at, the longest first. Resolves with its address. */
export async function serve(folders, headers = {}) {
  const asked = [];
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://here");
    asked.push(pathname);
    for (const [prefix, folder] of Object.entries(folders)) {
      if (!pathname.startsWith(prefix)) continue;
      const file = join(folder, normalize(`/${pathname.slice(prefix.length)}`), pathname.endsWith("/") ? "index.html" : "");
      if (existsSync(file)) return response.writeHead(200, { "content-type": types[extname(file)] ?? "text/plain", ...headers }).end(readFileSync(file));
    }
    response.writeHead(404, headers).end();
  });
  await new Promise((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  return {
    url: `http://localhost:${server.address().port}/`,
    asked,
    close: () => new Promise(resolve => {
      server.close(resolve);
      server.closeAllConnections();
    }),
  };
}

/** One that nobody listens on now. */
export async function freePort() {
  const host = await serve({});
  await host.close();
  return Number(new URL(host.url).port);
}

/** Chromium with the arguments that the package gives to those who test with it. */
export async function launch(chromiumArgs) {
  const executable = process.env.PERDURE_CHROMIUM ?? "/usr/bin/chromium";
  return chromium.launch({ headless: true, args: [...chromiumArgs], ...(existsSync(executable) ? { executablePath: executable } : {}) });
}

/** A page of a browser of its own; `said` gathers all that it complains about, `asked` what it loads. */
export async function visit(browser, url) {
  const context = await browser.newContext({ permissions: ["camera", "microphone"] });
  const page = await context.newPage();
  const said = [];
  const asked = [];
  page.on("console", message => said.push(message.text()));
  page.on("pageerror", error => said.push(String(error)));
  context.on("request", request => asked.push(request.url()));
  await page.goto(url);
  return { page, said, asked };
}
