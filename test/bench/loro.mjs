// The same work with Loro, which neither signs nor seals nor stores.
import { LoroDoc } from "loro-crdt";
import { messages } from "./messages.mjs";

/** All messages pushed and committed, once or after each. */
export function pushed({ commitEach = false } = {}) {
  const doc = new LoroDoc();
  const list = doc.getList("bench");
  for (const message of messages) {
    list.push(message);
    if (commitEach) doc.commit();
  }
  doc.commit();
  return doc;
}

export const updateOf = doc => doc.export({ mode: "update" });

/** A document into which that update was merged. */
export function merged(bytes, doc = new LoroDoc()) {
  doc.import(bytes);
  return doc;
}

export function mapOf(entries, doc = new LoroDoc()) {
  const map = doc.getMap("bench");
  for (const [key, value] of entries) map.set(key, value);
  doc.commit();
  return doc;
}
