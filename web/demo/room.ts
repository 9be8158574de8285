// The demo: one topic, by invite link; a chat and a board. Only the public interface is used.
import { openPeer, PerdureError } from "perdure";
import type { Peer, Topic } from "perdure";
import { showBoard } from "./board.js";
import { showChat } from "./chat.js";
import { byId, copy, shown, toast } from "./dom.js";
import { showPeer, showTrouble } from "./people.js";

const app = "perdure-demo";
const query = new URLSearchParams(location.search);
/** Another device in the same browser, to try things out: ?instance=second */
const instance = query.get("instance") ?? "default";

// Where a page may not keep anything, it goes on without.
const kept = {
  read(key: string): string | undefined {
    try {
      return localStorage.getItem(`${app}/${instance}/${key}`) ?? undefined;
    } catch {
      return undefined;
    }
  },
  write(key: string, value: string): void {
    try {
      localStorage.setItem(`${app}/${instance}/${key}`, value);
    } catch {
      // Then it is asked for again next time.
    }
  },
};

interface Session {
  readonly peer: Peer;
  readonly topic: Topic;
  end(): Promise<void>;
}

/** The anchor in the address, or the one remembered, or the one that serves this page, if it is one. */
async function anchors(): Promise<string[]> {
  const asked = query.get("anchor");
  if (asked !== null) kept.write("anchor", asked);
  const known = asked ?? kept.read("anchor");
  if (known !== undefined) return [known];
  try {
    const answer: unknown = await (await fetch("/healthz")).json();
    if (typeof answer === "object" && answer !== null && "perdure" in answer && answer.perdure === "anchor") return [location.origin.replace(/^http/, "ws")];
  } catch {
    // A static host. An invite may bring an anchor.
  }
  return [];
}

async function openTopic(peer: Peer): Promise<Topic> {
  const topic = location.hash.length > 1 ? await peer.join(location.hash) : await peer.topic("demo");
  history.replaceState(null, "", await topic.link(location.href));
  return topic;
}

async function begin(): Promise<Session> {
  const name = kept.read("name") ?? "";
  const peer = await openPeer({ app, instance, anchors: await anchors(), ...(name === "" ? {} : { name }) });
  const names = new Map<string, string>();
  const shortIds = new Map<string, string>();
  const nameOf = (id: string): string => {
    const info = peer.peers.current.find(other => other.id === id);
    const known = names.get(id) ?? info?.name;
    // As it begins where its owner reads "Your id".
    return known ?? (id === peer.id ? "You" : (shortIds.get(id) ?? info?.shortId ?? id).slice(0, 8));
  };
  const people = showPeer(peer, nameOf);
  try {
    const topic = await openTopic(peer);
    const chat = showChat(topic, nameOf);
    const board = showBoard(topic, nameOf);
    const endNames = topic.members.subscribe(members => {
      for (const { id, shortId, name: called } of members) {
        shortIds.set(id, shortId);
        if (called !== undefined) names.set(id, called);
      }
      chat.names();
      board.names();
      people.names();
    });
    const end = async (): Promise<void> => {
      endNames();
      chat.end();
      board.end();
      people.end();
      await peer.close();
    };
    return { peer, topic, end };
  } catch (error) {
    people.end();
    await peer.close();
    throw error;
  }
}

let session: Session | undefined;
let turning: Promise<void> = Promise.resolve();

/** Ends what runs and begins anew, one after the other. `before` still has the session that ends. */
function restart(before: (old: Session | undefined) => Promise<void> | void = () => undefined): Promise<void> {
  turning = turning.then(async () => {
    await before(session);
    await session?.end();
    session = undefined;
    session = await begin();
    enable();
  }).catch(fail);
  return turning;
}

function fail(error: unknown): void {
  const bad = error instanceof PerdureError && error.code === "bad-invite";
  const text = error instanceof Error ? error.message : String(error);
  showTrouble([new Error(bad ? `${text} Check that the link is whole, or open this page without what follows the #.` : text)]);
  const state = byId("state", "span");
  state.dataset["state"] = "offline";
  state.textContent = "stopped";
}

function enable(): void {
  byId("copy-invite", "button").disabled = false;
  byId("copy-id", "button").disabled = false;
  byId("fresh", "button").disabled = false;
  const second = new URL(location.href);
  second.searchParams.set("instance", instance === "default" ? "second" : "default");
  byId("second", "a").href = second.href;
}

function listen(): void {
  const name = byId("name", "input");
  name.value = kept.read("name") ?? "";
  byId("naming", "form").addEventListener("submit", event => {
    event.preventDefault();
    kept.write("name", name.value.trim());
    shown(restart().then(() => toast("Others see your name now.")));
  });
  byId("copy-invite", "button").addEventListener("click", () => {
    if (session !== undefined) shown(session.topic.link(shareable()).then(link => copy(link, "Invite link copied. Whoever has it can read and write here.")));
  });
  byId("copy-id", "button").addEventListener("click", () => {
    if (session !== undefined) shown(copy(session.peer.id, "Your id is copied."));
  });
  byId("fresh", "button").addEventListener("click", () => {
    shown(restart(async old => {
      const topic = await old?.peer.create();
      if (topic !== undefined) history.pushState(null, "", await topic.link(location.href));
    }));
  });
  byId("add-anchor", "form").addEventListener("submit", event => {
    event.preventDefault();
    const input = byId("anchor", "input");
    try {
      session?.peer.anchors.add(input.value);
      kept.write("anchor", input.value.trim());
      input.value = "";
    } catch (error) {
      toast(error instanceof Error ? error.message : String(error));
    }
  });
  for (const shows of document.querySelectorAll<HTMLButtonElement>("nav button")) {
    shows.addEventListener("click", () => {
      document.body.dataset["tab"] = shows.dataset["shows"] ?? "chat";
      for (const other of document.querySelectorAll("nav button")) other.setAttribute("aria-pressed", String(other === shows));
    });
  }
  addEventListener("hashchange", () => void restart());
  addEventListener("popstate", () => void restart());
}

/** This page as others should open it: with its anchor, as themselves. */
function shareable(): URL {
  const url = new URL(location.href);
  url.searchParams.delete("instance");
  const [known] = session?.peer.anchors.list.current ?? [];
  if (known !== undefined && !url.searchParams.has("anchor")) url.searchParams.set("anchor", known.url);
  return url;
}

listen();
void restart();
