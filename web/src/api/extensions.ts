// What MessagePack leaves to programs: the numbers of extensions, how deep values may go, and texts that UTF-8 cannot say.

import { textOf, utf8 } from "../base/bytes.js";

/** How deep arrays and objects may stand in one another; the core takes no more. */
export const depthMax = 64;

export const timestamp = -1;
export const utf16 = 1;
export const wtf8 = 2;

/** UTF-8 in which half a surrogate pair takes three bytes of its own. */
export function wtf8Of(text: string): Uint8Array {
  const bytes = new Uint8Array(3 * text.length);
  let at = 0;
  // Whole pieces as UTF-8, and what breaks them by hand.
  for (const piece of text.split(/(\p{Surrogate})/u)) {
    const unit = piece.length === 1 ? piece.charCodeAt(0) : 0;
    if (unit >= 0xd800 && unit <= 0xdfff) {
      bytes[at++] = 0xed;
      bytes[at++] = 0x80 | ((unit >> 6) & 0x3f);
      bytes[at++] = 0x80 | (unit & 0x3f);
    } else {
      const whole = utf8(piece);
      bytes.set(whole, at);
      at += whole.length;
    }
  }
  return bytes.subarray(0, at);
}

/** The inverse. A half that stands beside its other half was not written here; it is one character then. */
export function textOfWtf8(bytes: Uint8Array): string {
  let text = "";
  let from = 0;
  for (let at = bytes.indexOf(0xed); at >= 0; at = bytes.indexOf(0xed, at + 1)) {
    const [second = 0, third = 0] = bytes.subarray(at + 1, at + 3);
    if (second < 0xa0 || second > 0xbf || third < 0x80 || third > 0xbf) continue;
    text += textOf(bytes.subarray(from, at)) + String.fromCharCode(0xd000 | ((second & 0x3f) << 6) | (third & 0x3f));
    from = at + 3;
  }
  return text + textOf(bytes.subarray(from));
}
