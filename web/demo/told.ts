// What the frames and the stage around them tell each other, and what the page knows from its server. All of one origin.

import type { AnchorInfo, PeerInfo, PeerStatus } from "perdure";

/** To a frame. cut: it goes offline. */
export interface ToFrame {
  readonly kind: "cut";
  readonly cut: boolean;
}

/** From a frame: how it stands, after each change; and that its user has written something. */
export type FromFrame =
  | {
      readonly kind: "stands";
      readonly id: string;
      readonly topic: string;
      readonly name: string;
      readonly link: string;
      readonly state: PeerStatus["state"];
      readonly pending: number;
      readonly peers: readonly PeerInfo[];
      readonly anchors: readonly AnchorInfo[];
      readonly disputed: number;
    }
  | { readonly kind: "wrote" };

/** What the demo's own server says about itself; nothing on any other host. */
export interface ServerWord {
  readonly anchor: string;
  readonly running: boolean;
  readonly room?: string;
}

export function serverWord(): ServerWord | undefined {
  const told = document.querySelector<HTMLMetaElement>("meta[name=perdure-demo]")?.content;
  return told === undefined ? undefined : (JSON.parse(told) as ServerWord);
}

/** Messages of windows of this origin that come from there. */
export function listenTo<M>(from: () => Window | null | undefined, hear: (message: M) => void): void {
  addEventListener("message", ({ origin, source, data }) => {
    if (origin === location.origin && source !== null && source === from()) hear(data as M);
  });
}

// Where a page may not keep anything, it goes on without.
export function keeper(place: string): {
  read(key: string): string | undefined;
  write(key: string, value: string): void;
} {
  return {
    read: key => {
      try {
        return localStorage.getItem(`${place}/${key}`) ?? undefined;
      } catch {
        return undefined;
      }
    },
    write: (key, value) => {
      try {
        localStorage.setItem(`${place}/${key}`, value);
      } catch {
        // Then it is asked for again next time.
      }
    },
  };
}
