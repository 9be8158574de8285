// The dialog that invites: a link, the same as a QR code, and a button that copies it.

import { encode } from "uqr";
import { button, byId, copy, make } from "./dom.js";

/** Shows it until it is closed; focus goes back to where it was. */
export function invite(link: string): void {
  const dialog = byId("invitation", "dialog");
  const field = make("input", { readonly: "", "aria-label": "Invite link", value: link });
  field.addEventListener("focus", () => field.select());
  const copying = button(
    "Copy the link",
    "Copy the link",
    () => void copy(link, "Copied. Whoever has the link can read and write here."),
    "primary",
  );
  dialog.replaceChildren(
    make("h2", { id: "invitation-title" }, "Invite"),
    make(
      "p",
      {},
      "Whoever opens this link is in the room: a friend, your phone, a private window. There is no account. The link is the key, so send it as you would a password.",
    ),
    qr(link),
    field,
    make(
      "p",
      { class: "row" },
      copying,
      button("Close", "Close", () => dialog.close(), ""),
    ),
    ...(/^(127\.|localhost)/.test(new URL(link).hostname)
      ? [
          make(
            "p",
            { class: "hint" },
            "This page is served to this machine only, so the link works in its other browsers and private windows.",
          ),
        ]
      : []),
  );
  dialog.showModal();
  copying.focus();
}

function qr(text: string): SVGSVGElement {
  const { data, size } = encode(text, { border: 2 });
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  for (const [name, value] of Object.entries({
    viewBox: `0 0 ${size} ${size}`,
    role: "img",
    "aria-label": "The link as a QR code",
    class: "qr",
    "shape-rendering": "crispEdges",
  }))
    svg.setAttribute(name, value);
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute(
    "d",
    data.flatMap((row, y) => row.flatMap((dark, x) => (dark ? [`M${x} ${y}h1v1h-1z`] : []))).join(""),
  );
  svg.append(path);
  return svg;
}
