// Shows the demo: an anchor in a process of its own and a static server, both on free loopback ports.
//
//   npm start              builds first, then runs this
//   node web/demo/serve.mjs [--data FILE]
//
// What the anchor stores is kept from one start to the next, in .perdure/ or in that file. Ctrl-C stops both.
import { spawn } from "node:child_process";
import { createReadStream, existsSync, mkdirSync, statSync } from "node:fs";
import { createServer } from "node:http";
import { dirname, extname, join, normalize } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const root = fileURLToPath(new URL("../..", import.meta.url));
const pages = join(root, "dist/demo");
const { data } = parseArgs({ options: { data: { type: "string", default: join(root, ".perdure/demo-anchor.db") } } }).values;
const types = { ".html": "text/html; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".wasm": "application/wasm" };

if (!existsSync(join(pages, "index.html"))) fail("dist/demo is not built yet. Run: npm start");
mkdirSync(dirname(data), { recursive: true });

function fail(text) {
  console.error(`demo: ${text}`);
  process.exit(1);
}

/** Resolves with its address. */
function startAnchor() {
  const child = spawn(process.execPath, [join(root, "dist/cli.js"), "anchor", "--port", "0", "--data", data], { stdio: ["ignore", "pipe", "inherit"] });
  return new Promise((resolve, reject) => {
    child.on("exit", code => reject(new Error(`the anchor has stopped (${code}).`)));
    createInterface({ input: child.stdout }).on("line", line => {
      const url = /\bwss?:\/\/\S+/.exec(line)?.[0];
      if (url !== undefined) resolve({ child, url });
    });
  });
}

function fileOf(path) {
  try {
    const file = join(pages, normalize(`/${decodeURIComponent(path)}`), path.endsWith("/") ? "index.html" : "");
    return statSync(file).isFile() ? file : undefined;
  } catch {
    return undefined;
  }
}

/** Resolves with its port. */
function startServer() {
  const server = createServer((request, response) => {
    const file = fileOf((request.url ?? "/").replace(/\?.*$/, ""));
    if (file === undefined) return response.writeHead(404).end("Not found.\n");
    response.writeHead(200, { "content-type": types[extname(file)] ?? "application/octet-stream", "cache-control": "no-cache" });
    createReadStream(file).pipe(response);
  });
  return new Promise((resolve, reject) => {
    server.on("error", reject);
    server.listen(0, "127.0.0.1", () => resolve({ server, port: server.address().port }));
  });
}

const [{ child, url }, { server, port }] = await Promise.all([startAnchor(), startServer()]).catch(error => fail(error.message));
console.log(`
  The demo:    http://127.0.0.1:${port}/?anchor=${url}
  The anchor:  ${url}, which keeps what it stores in ${data}

  Open the link, copy the invite link there, and open that in another browser, or choose "Open as a second device".
  Ctrl-C stops both.
`);

let stopping = false;
child.on("exit", code => {
  if (!stopping) fail(`the anchor has stopped (${code}).`);
});
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, () => {
    if (stopping) return;
    stopping = true;
    server.close();
    server.closeAllConnections();
    if (child.exitCode !== null) process.exit(0);
    child.once("exit", () => process.exit(0));
    child.kill("SIGTERM");
  });
}
