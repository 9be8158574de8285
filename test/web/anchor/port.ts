// An anchor's one port with nothing behind it, and who comes to it.

import { request as httpRequest } from "node:http";
import { WebSocket } from "ws";
import { StaticFiles } from "../../../web/anchor/files.js";
import { settingsOf, type AnchorOptions } from "../../../web/anchor/options.js";
import { Secrets } from "../../../web/anchor/secrets.js";
import { AnchorServer, type Doors, type Visitor } from "../../../web/anchor/server.js";

export const network = "ab".repeat(32);
export const none = new Secrets([]);

export interface Running extends AsyncDisposable {
  readonly server: AnchorServer;
  readonly port: number;
  readonly refusals: string[];
  readonly accepted: { socket: WebSocket; network: string; visitor: Visitor }[];
}

export async function run(options: Partial<AnchorOptions> = {}, doors: Partial<Doors> = {}): Promise<Running> {
  const settings = settingsOf({ data: ":memory:", port: 0, ...options });
  const refusals: string[] = [];
  const accepted: { socket: WebSocket; network: string; visitor: Visitor }[] = [];
  const server = new AnchorServer(
    settings,
    settings.serve === undefined ? undefined : await StaticFiles.in(settings.serve, none),
    reason => refusals.push(reason),
  );
  const port = await server.listen();
  server.open({
    accept: (socket, asked, visitor) => accepted.push({ socket, network: asked, visitor }),
    health: async () => "",
    metrics: async () => "figures 1\n",
    ...doors,
  });
  return { server, port, refusals, accepted, [Symbol.asyncDispose]: () => server.close() };
}

export interface Answer {
  status: number;
  headers: Record<string, string | string[] | undefined>;
  body: string;
  bytes: Buffer;
}

/** The path goes out as it is: fetch() would tidy it up. */
export function ask(port: number, path: string, headers: Record<string, string> = {}, method = "GET"): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = httpRequest({ host: "127.0.0.1", port, path, headers, method, agent: false }, response => {
      const parts: Buffer[] = [];
      response
        .on("error", reject)
        .on("data", (part: Buffer) => parts.push(part))
        .on("end", () => {
          const bytes = Buffer.concat(parts);
          resolve({ status: response.statusCode ?? 0, headers: response.headers, body: bytes.toString(), bytes });
        });
    });
    sent.on("error", reject).end();
  });
}

export function dial(
  port: number,
  query = `?network=${network}`,
  headers: Record<string, string> = {},
): Promise<{ socket: WebSocket; closed: Promise<{ code: number; reason: string }> }> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/${query}`, { headers });
  const closed = new Promise<{ code: number; reason: string }>(resolve =>
    socket.on("close", (code, reason) => resolve({ code, reason: reason.toString() })),
  );
  return new Promise((resolve, reject) => socket.on("open", () => resolve({ socket, closed })).on("error", reject));
}
