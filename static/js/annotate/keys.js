/**
 * The keyboard: runs the action that the key map gives to a key.
 *
 * A person's own keys are kept in this browser, not on the server: they belong to a keyboard and
 * its layout, and work without a network. Export and import carry them to another one.
 */
import { actions } from "./actions.js";
import { Keymap, keyOf, works } from "./keymap.js";
import { recall, remember, settings } from "./settings.js";

const ARROWS = { arrowleft: [-1, 0], arrowright: [1, 0], arrowup: [0, -1], arrowdown: [0, 1] };
/** A longer press of Space was a wish to pan. */
const SPACE_TAP_MS = 500;
const ONCE = new Set(["done", "acceptOrDone", "rejectAll", "acceptAll"]);

export class Keys {
  /** @param {import("./main.js").Editor} editor */
  constructor(editor) {
    this.editor = editor;
    this.place = `boxloop.keys.${editor.config.user_id ?? 0}`;
    this.map = this.#kept();
    document.addEventListener("keydown", (event) => this.#down(event));
    document.addEventListener("keyup", (event) => this.#up(event));
    window.addEventListener("blur", () => this.#release());
    window.addEventListener("storage", ({ key }) => key === this.place && this.use(this.#kept()));
  }

  #kept() {
    try {
      return new Keymap(JSON.parse(recall(this.place) ?? "{}"));
    } catch {
      return new Keymap();
    }
  }

  /** Take over a key map and keep it. @param {Keymap} map */
  use(map) {
    this.map = map;
    remember(this.place, JSON.stringify(map.changes));
    this.editor.store.emit("keys");
  }

  #down(event) {
    if (event.defaultPrevented || event.isComposing || isTyping(event.target)) return;
    if (document.querySelector("dialog[open]")) return;
    const key = keyOf(event);
    const arrow = ARROWS[event.key.toLowerCase()];
    if (!arrow && !works(key, settings.singleKeys)) return;
    if (onControl(event.target) && ["space", "enter"].includes(key)) return;
    if (arrow && event.target.matches("input")) return;
    if (key === "space") return this.#spaceDown(event);
    if (this.#arrow(event, arrow) || this.#digit(event, key)) return event.preventDefault();
    const action = this.map.actionOf(key);
    if (!action) return;
    if (action === "hideWhileHeld") return this.#hide(event);
    if (event.repeat && ONCE.has(action)) return event.preventDefault();
    if (actions[action](this.editor) !== false) event.preventDefault();
  }

  #arrow(event, direction) {
    if (!direction) return false;
    const plain = !event.altKey && !event.ctrlKey && !event.metaKey;
    if (plain && event.shiftKey && !this.editor.store.selection.size) return actions.pan(this.editor, direction) !== false;
    const step = direction.map((value) => value * (event.shiftKey ? 10 : 1));
    const action = event.altKey ? "grow" : event.ctrlKey || event.metaKey ? "growStart" : "nudge";
    return actions[action](this.editor, step) !== false;
  }

  #digit(event, key) {
    // `code`, because other layouts need Shift for a digit.
    const digit = /^(?:Digit|Numpad)(\d)$/.exec(event.code)?.[1] ?? (/^\d$/.test(key) ? key : null);
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey || digit === null) return false;
    const label = this.editor.labels.byHotkey(digit);
    if (label) actions.label(this.editor, label.id);
    return Boolean(label);
  }

  #spaceDown(event) {
    event.preventDefault();
    if (event.repeat) return;
    this.spaceAt = event.timeStamp;
    this.editor.pointer.holdSpace(true);
  }

  #hide(event) {
    event.preventDefault();
    if (event.repeat) return;
    this.hiding = event.code;
    this.editor.store.setHidden(true);
  }

  #up(event) {
    if (this.hiding !== undefined && event.code === this.hiding) this.#show();
    if (event.key !== " " || this.spaceAt === undefined) return;
    const panned = this.editor.pointer.holdSpace(false);
    const tapped = event.timeStamp - this.spaceAt < SPACE_TAP_MS;
    this.spaceAt = undefined;
    const action = this.map.actionOf("space");
    if (!panned && tapped && action) actions[action](this.editor);
  }

  #show() {
    if (this.hiding !== undefined) this.editor.store.setHidden(false);
    this.hiding = undefined;
  }

  #release() {
    this.#show();
    if (this.spaceAt !== undefined) this.editor.pointer.holdSpace(false);
    this.spaceAt = undefined;
  }
}

/** @param {EventTarget} target */
const isTyping = (target) =>
  target instanceof HTMLElement && target.matches("input:not([type=range], [type=checkbox]), textarea, select, [contenteditable]");

/** On a button, Space and Enter press it. @param {EventTarget} target */
const onControl = (target) => target instanceof HTMLElement && target.closest("button, a, input, summary") !== null;
