// A room: one topic, by invite link; a chat, a board, and how things stand. Only the public interface is used.
import { openPeer, PerdureError } from "perdure";
import type { Peer, Topic } from "perdure";
import { showBoard } from "./board.js";
import { showChat } from "./chat.js";
import { byId, copy, shown, toast } from "./dom.js";
import { showFiles } from "./files.js";
import { invite } from "./invitation.js";
import { showPeer, showTrouble } from "./people.js";
import { keeper, listenTo, serverWord, type FromFrame, type ToFrame } from "./told.js";

const app = "perdure-demo";
const query = new URLSearchParams(location.search);
/** Another device in the same browser: ?instance=second */
const instance = query.get("instance") ?? "default";
/** Of the stage, which shows two of these pages side by side. */
const framed = query.has("side") && parent !== window;
const kept = keeper(`${app}/${instance}`);
const served = serverWord();

interface Session {
  readonly peer: Peer;
  readonly topic: Topic;
  end(): Promise<void>;
}

/** The anchor in the address or the one remembered, and the one that comes with this page. An invite may bring more. */
async function anchors(): Promise<string[]> {
  const asked = query.get("anchor");
  if (asked !== null) kept.write("anchor", asked);
  const known = [asked ?? kept.read("anchor"), served?.anchor].filter(url => url !== undefined);
  if (known.length > 0) return known;
  try {
    const answer: unknown = await (await fetch("/healthz")).json();
    if (typeof answer === "object" && answer !== null && "perdure" in answer && answer.perdure === "anchor")
      return [location.origin.replace(/^http/, "ws")];
  } catch {
    // A static host.
  }
  return [];
}

async function openTopic(peer: Peer): Promise<Topic> {
  const topic = location.hash.startsWith("#perdure-") ? await peer.join(location.hash) : await firstTopic(peer);
  history.replaceState(null, "", await topic.link(location.href));
  return topic;
}

/** The room this device begins with. On the stage it has something to try out. */
async function firstTopic(peer: Peer): Promise<Topic> {
  const topic = await peer.topic("demo");
  if (framed && kept.read("begun") === undefined) {
    await topic.map.set("card/first", { text: "Change me on both sides", column: "todo", at: 0 });
    kept.write("begun", "yes");
  }
  return topic;
}

async function begin(): Promise<Session> {
  const name = ownName();
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
    const chat = showChat(topic, { nameOf, onWrote: () => tell({ kind: "wrote" }) });
    const board = showBoard(topic, nameOf);
    const endFiles = showFiles(topic);
    const endTelling = framed ? await tellStage(peer, topic) : () => undefined;
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
      endTelling();
      endFiles();
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

function ownName(): string {
  return kept.read("name") ?? query.get("name") ?? "";
}

// ---- the stage around this page ------------------------------------------------------------------------------------------
function tell(word: FromFrame): void {
  if (framed) parent.postMessage(word, location.origin);
}

/** Tells it how things stand, after each change. */
async function tellStage(peer: Peer, topic: Topic): Promise<() => void> {
  const link = await topic.link(shareable(peer));
  const conflicts = topic.map.conflicts({ prefix: "card/" });
  const stands = (): void =>
    tell({
      kind: "stands",
      id: peer.id,
      topic: topic.id,
      name: ownName(),
      link,
      state: peer.status.current.state,
      pending: peer.status.current.pending,
      peers: peer.peers.current,
      anchors: peer.anchors.list.current,
      disputed: conflicts.current.length,
    });
  const ends = [
    peer.status.subscribe(stands),
    peer.peers.subscribe(stands),
    peer.anchors.list.subscribe(stands),
    conflicts.subscribe(stands),
  ];
  return () => ends.forEach(end => end());
}

let offline = false;

/** Cuts this peer off from all others, or lets it go on. */
function goOffline(wanted: boolean): void {
  offline = wanted;
  if (offline) session?.peer.offline();
  else session?.peer.online();
  const control = byId("offline", "button");
  control.setAttribute("aria-pressed", String(offline));
  control.textContent = offline ? "Work online again" : "Work offline";
}

let session: Session | undefined;
let turning: Promise<void> = Promise.resolve();

/** Ends what runs and begins anew, one after the other. `before` still has the session that ends. */
function restart(before: (old: Session | undefined) => Promise<void> | void = () => undefined): Promise<void> {
  turning = turning
    .then(async () => {
      await before(session);
      await session?.end();
      session = undefined;
      session = await begin();
      if (offline) session.peer.offline();
      enable();
    })
    .catch(fail);
  return turning;
}

function fail(error: unknown): void {
  const bad = error instanceof PerdureError && error.code === "bad-invite";
  const text = error instanceof Error ? error.message : String(error);
  showTrouble([
    new Error(bad ? `${text} Check that the link is whole, or open this page without what follows the #.` : text),
  ]);
  const state = byId("state", "span");
  state.dataset["state"] = "offline";
  state.textContent = "stopped";
}

function enable(): void {
  for (const id of ["invite", "copy-id", "fresh", "offline"]) byId(id, "button").disabled = false;
  const second = new URL(location.href);
  second.searchParams.set("instance", instance === "default" ? "second" : "default");
  byId("second", "a").href = second.href;
}

function listen(): void {
  const name = byId("name", "input");
  name.value = ownName();
  const rename = (): void => {
    if (name.value.trim() === ownName()) return;
    kept.write("name", name.value.trim());
    shown(restart().then(() => toast("Others see your name now.")));
  };
  byId("naming", "form").addEventListener("submit", event => {
    event.preventDefault();
    rename();
  });
  name.addEventListener("change", rename);
  byId("invite", "button").addEventListener("click", () => {
    if (session !== undefined) shown(session.topic.link(shareable(session.peer)).then(invite));
  });
  byId("offline", "button").addEventListener("click", () =>
    goOffline(byId("offline", "button").getAttribute("aria-pressed") !== "true"),
  );
  byId("copy-id", "button").addEventListener("click", () => {
    if (session !== undefined) shown(copy(session.peer.id, "Your id is copied."));
  });
  byId("fresh", "button").addEventListener("click", () => {
    shown(
      restart(async old => {
        const topic = await old?.peer.create();
        if (topic !== undefined) history.pushState(null, "", await topic.link(location.href));
      }),
    );
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
      for (const other of document.querySelectorAll("nav button"))
        other.setAttribute("aria-pressed", String(other === shows));
    });
  }
  addEventListener("hashchange", () => void restart());
  addEventListener("popstate", () => void restart());
}

/** This page as others should open it: as themselves, and with an anchor that its server does not tell them of. */
function shareable(peer: Peer): URL {
  const url = new URL("room.html", location.href);
  const [known] = peer.anchors.list.current;
  if (known !== undefined && known.url !== served?.anchor) url.searchParams.set("anchor", known.url);
  return url;
}

if (framed) {
  document.body.classList.add("framed");
  listenTo<ToFrame>(
    () => parent,
    ({ cut }) => goOffline(cut),
  );
}
listen();
void restart();
