// The package as strangers get it: packed, and installed into an empty folder.
import assert from "node:assert/strict";
import { execFile, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { builtinModules, createRequire } from "node:module";
import { tmpdir } from "node:os";
import { dirname, extname, join, normalize } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { promisify } from "node:util";
import { transform } from "esbuild";
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
  const [packed] = JSON.parse(
    await run(root, "npm", "pack", "--json", "--ignore-scripts", "--pack-destination", folder),
  );
  const stranger = await installed(folder, join(folder, packed.filename));
  /** Paths in the tarball. */
  return { ...stranger, files: packed.files.map(({ path }) => path) };
}

/** The first package there was, as it was packed: what it wrote and what it says on the wire stays readable. */
export async function installFirst() {
  const tarball = join(pages, "fixtures/perdure-0.1.0.tgz");
  assert.equal(
    createHash("sha256").update(readFileSync(tarball)).digest("hex"),
    "167b6213664ec0a5200bbd074af231b644f8f31a225cd041b23b23cf84a6317f",
  );
  return installed(mkdtempSync(join(tmpdir(), "perdure-first-")), tarball);
}

async function installed(folder, tarball) {
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "stranger", private: true, type: "module" }));
  await run(folder, "npm", "install", "--prefer-offline", "--no-audit", "--no-fund", tarball);
  const brought = JSON.parse(readFileSync(join(folder, "node_modules/.package-lock.json"), "utf8")).packages;
  // What an anchor asks for where Node has no SQLite of its own, and only there. Compiled already, so it is lent.
  if (!builtinModules.includes("sqlite") && !builtinModules.includes("node:sqlite"))
    symlinkSync(join(root, "node_modules/better-sqlite3"), join(folder, "node_modules/better-sqlite3"));
  const dist = join(folder, "node_modules/perdure/dist");
  return {
    folder,
    dist,
    /** What npm brought with it, by its place. */
    installed: brought,
    load: name => import(pathToFileURL(join(dist, `${name}.js`)).href),
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Binaries of other Nodes, of Bun and Deno come for this machine alone. */
const hasOthers = process.platform === "linux" && process.arch === "x64";

/** Bundlers, frameworks and runtimes, at the versions that test/pack/package.json pins. Nobody else gets them, so they come when they are needed. */
export function others() {
  const { dependencies, optionalDependencies } = JSON.parse(readFileSync(join(pages, "package.json"), "utf8"));
  const wanted = { ...dependencies, ...(hasOthers ? optionalDependencies : {}) };
  const isThere = ([name, version]) => {
    const file = join(pages, "node_modules", name, "package.json");
    return existsSync(file) && version.endsWith(JSON.parse(readFileSync(file, "utf8")).version);
  };
  if (!Object.entries(wanted).every(isThere)) {
    const brought = spawnSync(
      "npm",
      ["ci", "--ignore-scripts", "--prefer-offline", "--no-audit", "--no-fund", "--silent"],
      { cwd: pages, stdio: "inherit" },
    );
    assert.equal(brought.status, 0, "npm ci in test/pack");
  }
  const require = createRequire(join(pages, "package.json"));
  return {
    load: async name => import(pathToFileURL(require.resolve(name)).href),
    path: name => join(pages, "node_modules", name),
    /** The Node that runs this, and the others that the package is for. */
    nodes: [
      process.execPath,
      ...(hasOthers ? ["node-22", "node-24"].map(name => join(pages, "node_modules", name, "bin/node")) : []),
    ],
    /** Other runtimes: a name, and how they run a script. */
    runtimes: !hasOthers
      ? []
      : [
          { name: "Bun", command: [join(pages, "node_modules/@oven/bun-linux-x64-baseline/bin/bun")] },
          { name: "Deno", command: [join(pages, "node_modules/@deno/linux-x64-glibc/deno"), "run", "--allow-all"] },
        ],
  };
}

/** An empty folder, and npx in it, with the tarball as it would come from the registry. What npx unpacks stays in that folder. */
export async function nothing() {
  const folder = mkdtempSync(join(tmpdir(), "perdure-empty-"));
  const [packed] = JSON.parse(
    await run(root, "npm", "pack", "--json", "--ignore-scripts", "--pack-destination", folder),
  );
  const cache = join(folder, "npm");
  mkdirSync(cache);
  // What was fetched before is not fetched again.
  symlinkSync(join((await run(root, "npm", "config", "get", "cache")).trim(), "_cacache"), join(cache, "_cacache"));
  return {
    /** Starts `npx perdure …` in a folder of that name, under that Node. `gone` resolves when all of it has ended, with what it said. */
    npx: (name, node, args, options = {}) => {
      const cwd = join(folder, name);
      mkdirSync(cwd, { recursive: true });
      const env = {
        ...process.env,
        PATH: `${dirname(node)}:${process.env.PATH}`,
        npm_config_cache: cache,
        XDG_CACHE_HOME: join(folder, `cache ${name}`),
        ...options,
      };
      // A group of its own, which Ctrl-C reaches as a terminal's would.
      const child = spawn(
        "npx",
        ["--yes", "--prefer-offline", `--package=${join(folder, packed.filename)}`, "--", "perdure", ...args],
        { cwd, env, detached: true, stdio: ["ignore", "pipe", "pipe"] },
      );
      let said = "";
      for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", text => (said += text));
      const gone = once(child, "close").then(([code]) => ({ code, said }));
      return {
        cwd,
        gone,
        said: () => said,
        line: pattern =>
          new Promise((resolve, reject) => {
            const look = () => pattern.test(said) && resolve(pattern.exec(said)[0]);
            child.stdout.on("data", look);
            gone.then(() => reject(new Error(`it ended: ${said}`)));
            look();
          }),
        stop: () => {
          process.kill(-child.pid, "SIGINT");
          return gone;
        },
      };
    },
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** A module of the web tests that imports nothing of ours. */
export async function webTest(path) {
  const { code } = await transform(readFileSync(join(root, "test/web", path), "utf8"), { loader: "ts" });
  return import(`data:text/javascript,${encodeURIComponent(code)}`);
}

/** Starts the package's command, as npx would. `line(pattern)` resolves with what the pattern found first; `stop()` sends SIGTERM and
 *  resolves with how it ended. */
export function perdure(folder, ...args) {
  const child = spawn(join(folder, "node_modules/.bin/perdure"), args, {
    cwd: folder,
    stdio: ["ignore", "pipe", "inherit"],
  });
  const closed = once(child, "close");
  let said = "";
  child.stdout.setEncoding("utf8").on("data", text => (said += text));
  return {
    line: pattern =>
      new Promise((resolve, reject) => {
        const look = () => pattern.test(said) && resolve(pattern.exec(said)[0]);
        child.stdout.on("data", look);
        closed.then(() => reject(new Error(`it ended: ${said}`)));
        look();
      }),
    stop: () => {
      child.kill("SIGTERM");
      return closed;
    },
  };
}

/** The README's code by the name that stands after its language, as in ```js vite.config.js */
export function readme() {
  const text = readFileSync(join(root, "README.md"), "utf8");
  return Object.fromEntries([...text.matchAll(/^```\w+ (\S+)\n(.*?)^```$/gms)].map(([, name, code]) => [name, code]));
}

const types = {
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript",
  ".wasm": "application/wasm",
  ".svg": "image/svg+xml",
};

/** A static host: folders by the path they lie at, the longest first; `{ text, type }` is a file that is in no folder. `typed`: other
 *  content types by ending. Resolves with its address. */
export async function serve(folders, headers = {}, typed = {}) {
  const asked = [];
  const typeOf = path => ({ ...types, ...typed })[extname(path)] ?? "text/plain";
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url, "http://here");
    asked.push(pathname);
    for (const [prefix, place] of Object.entries(folders)) {
      if (typeof place === "object") {
        if (pathname === prefix)
          return response.writeHead(200, { "content-type": place.type ?? typeOf(prefix), ...headers }).end(place.text);
        continue;
      }
      if (!pathname.startsWith(prefix)) continue;
      const file = join(
        place,
        normalize(`/${pathname.slice(prefix.length)}`),
        pathname.endsWith("/") ? "index.html" : "",
      );
      if (existsSync(file))
        return response.writeHead(200, { "content-type": typeOf(file), ...headers }).end(readFileSync(file));
    }
    response.writeHead(404, headers).end();
  });
  await new Promise((resolve, reject) => server.once("error", reject).listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  return {
    url: `http://localhost:${port}/`,
    port,
    asked,
    close: () =>
      new Promise(resolve => {
        server.close(resolve);
        server.closeAllConnections();
      }),
  };
}

/** One that nobody listens on now. */
export async function freePort() {
  const host = await serve({});
  await host.close();
  return host.port;
}

/** The system's Chromium where there is one, else Playwright's. */
export function chromiumPath() {
  const path = process.env.PERDURE_CHROMIUM ?? "/usr/bin/chromium";
  return existsSync(path) ? { executablePath: path } : {};
}

/** Chromium with the arguments that the package gives to those who test with it. On plain http, app.test is this machine. */
export async function launch(chromiumArgs) {
  return chromium.launch({
    headless: true,
    args: [...chromiumArgs, "--host-resolver-rules=MAP app.test 127.0.0.1"],
    ...chromiumPath(),
  });
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

/** Opens a chat twice, in browsers that know nothing of each other; the second by the link that the first shares. */
export async function chats(browser, anchor, url) {
  const visits = [];
  try {
    visits.push(await visit(browser, `${url}?anchor=${anchor.url}`));
    await visits[0].page.waitForFunction(() => document.title.includes("#perdure-"));
    visits.push(await visit(browser, await visits[0].page.title()));
    for (const { page } of visits) {
      await page.waitForFunction(() => document.querySelector("#messages")?.textContent === "hello, hello");
      await page.waitForFunction(() =>
        document.querySelector("#state")?.textContent?.startsWith("1 webrtc, 1 websocket"),
      );
    }
  } catch (error) {
    const texts = await Promise.all(
      visits.map(async ({ page, said }) => `${await page.textContent("body")}\n${said.join("\n")}`),
    );
    throw new Error(`${url}\n${texts.join("\n")}`, { cause: error });
  } finally {
    for (const { page } of visits) await page.context().close();
  }
  return visits;
}

/** What a page shows that could not open its peer. */
export async function refusal(browser, url) {
  const { page } = await visit(browser, url);
  try {
    await page.waitForFunction(() => /^[a-z]+-[a-z]+: /.test(document.querySelector("#state")?.textContent ?? ""));
    return await page.textContent("#state");
  } finally {
    await page.context().close();
  }
}

/** Packed, an anchor, a browser: for all tests of a file. */
export async function world() {
  const stranger = await install();
  const { startAnchor } = await stranger.load("anchor");
  const { chromiumArgs } = await stranger.load("testing");
  const anchor = await startAnchor({ data: ":memory:", port: 0 });
  const browser = await launch(chromiumArgs);
  return {
    stranger,
    anchor,
    browser,
    chats: url => chats(browser, anchor, url),
    end: async () => {
      await browser.close();
      await anchor.close();
      stranger.remove();
    },
  };
}
