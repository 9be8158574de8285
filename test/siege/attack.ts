// What each attack is given, and what it tells.

import { Client, type Dialling } from "./client.js";
import type { Purse, Spending } from "./purse.js";

/** The anchor under siege, as an attacker knows it. */
export interface Besieged {
  /** Where its clients dial. */
  readonly url: string;
  readonly port: number;
  readonly app: string;
  /** What a member was given, and whom it knows there: device ids in hex. */
  readonly invite: string;
  readonly members: readonly string[];
  /** The address of the n-th attacker; all have one if they share it. */
  address(attacker: number): string;
}

/** How many of its links or sockets stood, and what else there is to tell. */
export interface Reached {
  readonly stood: number;
  readonly [what: string]: number;
}

export interface Attack {
  readonly name: string;
  /** What all its attackers together spend at most. */
  readonly limits: Spending;
  readonly seconds: number;
  /** What it makes in advance, and what it does then. */
  prepare(at: Besieged): (purse: Purse) => Promise<Reached>;
}

export const MiB = 1 << 20;

/** Dials so many times, eight at once, and gives the links that stood. Who is not let in has lost a socket. */
export async function crowd(
  count: number,
  purse: Purse,
  dialling: (index: number) => Omit<Dialling, "purse">,
): Promise<Client[]> {
  const links: Client[] = [];
  let next = 0;
  const worker = async (): Promise<void> => {
    while (next < count && purse.hasTime) {
      try {
        links.push(await Client.dial({ ...dialling(next++), purse }));
      } catch {
        // The anchor closed it, or there is nothing left to spend.
      }
    }
  };
  await Promise.race([Promise.all(Array.from({ length: 8 }, worker)), purse.over()]);
  return links;
}

/** Calls it again and again, as long as the link stands and something is left to spend; the link has room each time. */
export async function flood(link: Client, purse: Purse, send: (round: number) => void): Promise<number> {
  let rounds = 0;
  try {
    while (link.isOpen && purse.hasTime) {
      send(rounds++);
      await link.room();
    }
  } catch (error) {
    purse.excuse(error);
  }
  return rounds;
}
