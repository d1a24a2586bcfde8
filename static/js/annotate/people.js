/** People and moments as the side panel shows them. */
import { element } from "../shell.js";
import { ago } from "./moments.js";

/** @typedef {{id: number|null, name: string, initials: string, you: boolean}} Person */

/** @param {Person} who */
export const avatar = (who) => element("span", { class: "ava sm", "aria-hidden": "true", title: who.name }, who.initials);

/** @param {Person} who */
export const nameOf = (who) => (who.you ? "You" : who.name);

/** A moment in words, relative, the exact one on hover. @param {string} iso */
export function moment(iso) {
  const at = new Date(iso);
  return element("time", { class: "t3 s12 nw", datetime: iso, title: at.toLocaleString() }, ago(at));
}
