// The stage: two browsers side by side, each a frame with an identity and a database of its own. They talk through the library alone.
// This page draws the cable between them, tells both when it is cut, and can stop the demo's own server.
import { byId, make, shown, toast } from "./dom.js";
import { invite } from "./invitation.js";
import { keeper, listenTo, serverWord, type FromFrame, type ToFrame } from "./told.js";
import { linkWords } from "./words.js";

type Stands = Extract<FromFrame, { kind: "stands" }>;

const kept = keeper("perdure-demo/stage");
const served = serverWord();
let cut = false;
let serverRuns = served?.running ?? false;
/** The story so far, for what is said next. */
let wroteWhileCut = false;
let healed = false;

class Side {
  readonly window: HTMLElement;
  stands: Stands | undefined;
  #frame: HTMLIFrameElement | undefined;

  constructor(
    readonly id: "left" | "right",
    readonly name: string,
  ) {
    this.window = byId(id, "section");
    listenTo<FromFrame>(
      () => this.#frame?.contentWindow,
      word => {
        if (word.kind === "wrote") return wrote(this);
        this.stands = word;
        const called = word.name === "" ? "This" : `${word.name}’s`;
        const caption = this.window.querySelector("span");
        if (caption !== null) caption.textContent = `${called} browser`;
        arrived();
      },
    );
  }

  /** Opens the room with that invite, or the one its device begins with. */
  show(hash: string): void {
    const url = new URL("room.html", location.href);
    url.search = new URLSearchParams({
      side: this.id,
      instance: this.id,
      name: this.name,
      ...anchorAsked(),
    }).toString();
    url.hash = hash;
    this.#frame?.remove();
    this.stands = undefined;
    this.#frame = make("iframe", { title: `${this.name}’s browser`, src: url.href, allow: "clipboard-write" });
    this.window.append(this.#frame);
  }

  tell(word: ToFrame): void {
    this.#frame?.contentWindow?.postMessage(word, location.origin);
  }
}

function anchorAsked(): { anchor?: string } {
  const asked = new URLSearchParams(location.search).get("anchor");
  return asked === null ? {} : { anchor: asked };
}

const left = new Side("left", "Ann");
const right = new Side("right", "Ben");

/** One of them stands otherwise than before. */
function arrived(): void {
  if (left.stands !== undefined) {
    const { link, topic } = left.stands;
    const { hash } = new URL(link);
    const elsewhere = right.stands !== undefined && right.stands.topic !== topic;
    if (kept.read("invite") === undefined || elsewhere) {
      kept.write("invite", hash);
      right.show(hash);
    }
  }
  draw();
}

function wrote(side: Side): void {
  if (cut) wroteWhileCut = true;
  const cable = byId("cable", "button");
  if (cable.dataset["state"] !== "joined") return draw();
  delete cable.dataset["pulse"];
  cable.getBoundingClientRect(); // so that the same way twice is seen twice
  cable.dataset["pulse"] = side === left ? "right" : "left";
}

function draw(): void {
  const cable = byId("cable", "button");
  const link = left.stands?.peers.find(({ id }) => id === right.stands?.id);
  const joined = !cut && link?.state === "connected";
  const waiting = (left.stands?.pending ?? 0) + (right.stands?.pending ?? 0);
  cable.disabled = left.stands === undefined || right.stands === undefined;
  cable.dataset["state"] = cut ? "cut" : joined ? "joined" : "none";
  cable.setAttribute("aria-pressed", String(cut));
  byId("cable-label", "span").textContent = cut
    ? waiting === 0
      ? "cut"
      : `cut · ${waiting} waiting`
    : joined && link !== undefined
      ? linkWords(link)
      : "connecting";
  byId("cable-does", "span").textContent = cable.disabled ? "\u00a0" : cut ? "Click to join" : "Click to cut";
  byId("invite", "button").disabled = left.stands === undefined;
  byId("hint", "p").textContent = hint(joined);
  drawServer();
}

function drawServer(): void {
  if (served === undefined) return;
  byId("server", "div").hidden = false;
  byId("server", "div").dataset["state"] = serverRuns ? (cut ? "cut" : "runs") : "stopped";
  byId("server-label", "span").textContent = serverRuns ? "anchor" : "anchor stopped";
  byId("server-switch", "button").textContent = serverRuns ? "Stop the server" : "Start it again";
  const state = byId("server-state", "span");
  state.hidden = false;
  state.dataset["state"] = serverRuns ? "online" : "unreachable";
  state.textContent = serverRuns ? "server running" : "server stopped";
}

function hint(joined: boolean): string {
  const disputed = Math.max(left.stands?.disputed ?? 0, right.stands?.disputed ?? 0);
  if (cut)
    return wroteWhileCut
      ? "Both go on alone. Change the card on both sides, too. Then click the cable again."
      : "Cut: nothing gets through, not even by the server. Keep typing on both sides.";
  if (disputed > 0)
    return "Everything has flowed. One card was changed on both sides: both versions are kept, choose one.";
  if (served !== undefined && !serverRuns)
    return "The server’s process has ended. The two go on without it. Reload this page: all is there.";
  if (!joined) return "Two browsers, side by side. They are about to meet.";
  if (healed && served !== undefined) return "All is in step again. Next: stop the server.";
  return "Type on one side, read on the other. Then click the cable.";
}

byId("cable", "button").addEventListener("click", () => {
  cut = !cut;
  if (cut) wroteWhileCut = false;
  else healed = true;
  for (const side of [left, right]) side.tell({ kind: "cut", cut });
  draw();
});

let switching = false;
byId("server-switch", "button").addEventListener("click", () => {
  // Not disabled meanwhile: that would take the focus away.
  if (switching) return;
  switching = true;
  const asked = fetch("anchor", {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ run: !serverRuns }),
  })
    .then(async answer => {
      if (!answer.ok) throw new Error("The server did not do it. Is the demo still running?");
      ({ running: serverRuns } = (await answer.json()) as { running: boolean });
      toast(serverRuns ? "The anchor runs again. It catches up by itself." : "The anchor’s process has ended.");
    })
    .finally(() => {
      switching = false;
      draw();
    });
  shown(asked);
});

byId("invite", "button").addEventListener("click", () => {
  if (left.stands !== undefined) invite(left.stands.link);
});

if (location.hash.startsWith("#perdure-")) {
  // An invite is for one: the page of the room.
  location.replace(new URL(`room.html${location.search}${location.hash}`, location.href));
} else {
  if (served?.room !== undefined) {
    byId("room", "a").href = served.room;
    byId("room", "a").hidden = false;
  }
  left.show("");
  const known = kept.read("invite");
  if (known !== undefined) right.show(known);
  draw();
}
