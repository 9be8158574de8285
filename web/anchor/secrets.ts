// Files that nobody may be handed: the anchor's database, which holds its private key, and what its certificate stands on.
//
//     const secrets = new Secrets([{ file: "anchor.db", option: "data", flag: "--data", harm: "…", besides: sqliteBesides }]);
//     await secrets.mustLieOutside("site");            // before anything is opened
//     await secrets.include(await stat(file, …));      // for each file that is asked for: hard links and mounts lead there, too
//
// A file is known by what it is (device and inode), never by how its path is spelt: links, "..", upper and lower case and mounts all
// give one file several names.
import type { BigIntStats } from "node:fs";
import { readlink, realpath, stat } from "node:fs/promises";
import { basename, dirname, isAbsolute, join, relative, resolve, sep } from "node:path";
import { badArgument } from "../src/base/errors.js";

export interface Secret {
  readonly file: string;
  /** What says where it is: to a function, and on the command line. */
  readonly option: string;
  readonly flag: string;
  /** What that takes, if it is not the file itself. */
  readonly takes?: string;
  /** What whoever got it could do, or would have. */
  readonly harm: string;
  /** Endings of files that come and go beside it. */
  readonly besides?: readonly string[];
}

/** https://www.sqlite.org/tempfiles.html */
export const sqliteBesides = ["-wal", "-shm", "-journal"] as const;
/** As many links in a row as Linux follows. */
const linksMax = 40;

export class Secrets {
  readonly #secrets: readonly Secret[];

  constructor(secrets: readonly Secret[]) {
    // As they are meant now, wherever the process goes. Not tidied up: what ".." means is known only once the links before it are followed.
    this.#secrets = secrets.map(secret => ({
      ...secret,
      file: isAbsolute(secret.file) ? secret.file : `${process.cwd()}${sep}${secret.file}`,
    }));
  }

  /** Rejects with bad-argument if one of them lies in that folder, or would be made there. */
  async mustLieOutside(folder: string): Promise<void> {
    for (const { file, option, flag, takes, harm } of this.#secrets) {
      if (!(await liesIn(folder, file))) continue;
      const served = await realpath(folder);
      const outside = takes ?? relative("", join(dirname(served), basename(file)));
      throw badArgument(
        `${resolve(file)} lies in ${served}, which is served: whoever asked for it would ${harm}. Keep it outside of that folder, as with ${flag} ${outside}.`,
        option,
      );
    }
  }

  /** Whether what was found is one of them, whatever its name. */
  async include(found: BigIntStats): Promise<boolean> {
    const identities = await Promise.all(
      this.#secrets.map(async ({ file, besides = [] }) => {
        const place = await realpath(file).catch(() => file);
        return Promise.all([place, ...besides.map(ending => place + ending)].map(identityOf));
      }),
    );
    return identities.flat().includes(nameOf(found));
  }
}

async function liesIn(folder: string, file: string): Promise<boolean> {
  const wanted = await identityOf(folder);
  for (let place = await placeOf(file); place !== dirname(place); ) {
    place = dirname(place);
    if ((await identityOf(place)) === wanted) return true;
  }
  return false;
}

/** Where the file is, or would be made: a link that leads to nothing yet leads there all the same. */
async function placeOf(file: string, links = linksMax): Promise<string> {
  const place = await realpath(file).catch(() => undefined);
  if (place !== undefined || file === dirname(file)) return place ?? file;
  const folder = await placeOf(dirname(file), links);
  const target = links === 0 ? undefined : await readlink(file).catch(() => undefined);
  return target === undefined ? join(folder, basename(file)) : placeOf(resolve(folder, target), links - 1);
}

async function identityOf(file: string): Promise<string | undefined> {
  const found = await stat(file, { bigint: true }).catch(() => undefined);
  return found === undefined ? undefined : nameOf(found);
}

const nameOf = ({ dev, ino }: BigIntStats): string => `${dev} ${ino}`;
