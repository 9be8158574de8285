// From what an app asks for to what the core is told.
import type { CoreConfig } from "./boundary.js";
import { anchorsOf } from "../base/arguments.js";
import { badArgument } from "../base/errors.js";
import type { Limits, PeerOptions } from "../base/types.js";
import { version } from "../base/version.js";

const MiB = 1024 * 1024;

/** An edge's configuration. Both seeds are 32 bytes: `deviceSeed` is the device, `randomSeed` is fresh at each start. Throws
 *  bad-argument. */
export function edgeConfig(options: PeerOptions, deviceSeed: Uint8Array, randomSeed: Uint8Array): CoreConfig {
  const limits = limitsOf(options.limits);
  return {
    app: options.app,
    deviceSeed,
    randomSeed,
    name: options.name ?? "",
    anchor: false,
    rtc: options.rtc !== false,
    anchors: anchorsOf(options.anchors),
    quotas: {
      totalBytes: bytesOf(limits, "storageMB", 4096),
      topicBytes: 256 * MiB,
      deviceBytes: 64 * MiB,
      leaseDays: 30,
      addressBytes: 64 * MiB,
    },
    apps: [],
    cacheBytes: bytesOf(limits, "memoryMB", 4),
    linksMax: whole(limits, "links", 64),
    idleBytesPerSecond: limits.idleBytesPerSecond === undefined ? 0 : whole(limits, "idleBytesPerSecond", 1),
    stunPort: 0,
    version,
    topics: [],
    tokens: false,
    memoryBytes: 0,
  };
}

function limitsOf(limits: unknown = {}): Partial<Limits> {
  if (typeof limits !== "object" || limits === null)
    throw badArgument("limits must be an object of numbers.", "limits");
  return limits;
}

function bytesOf(limits: Partial<Limits>, name: "storageMB" | "memoryMB", otherwise: number): number {
  return Math.floor(positive(limits, name, otherwise) * MiB);
}

function whole(limits: Partial<Limits>, name: "links" | "idleBytesPerSecond", otherwise: number): number {
  return Math.max(1, Math.floor(positive(limits, name, otherwise)));
}

function positive(limits: Partial<Limits>, name: keyof Limits, otherwise: number): number {
  const value = limits[name] ?? otherwise;
  if (typeof value !== "number" || !(value > 0) || value > 1e9)
    throw badArgument(`limits.${name} must be a number above 0.`, `limits.${name}`);
  return value;
}
