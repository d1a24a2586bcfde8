/** Keys: the map, the listener, and the overlay that shows them. */
import { element, icon } from "../shell.js";
import { actions } from "./actions.js";
import { setSetting, settings } from "./settings.js";

/**
 * [keys, action, what it does, argument]. A key is `event.key` in lower case, with Ctrl (or Cmd),
 * Alt and Shift before it. Keys without Ctrl or Alt are the single ones, which can be switched off.
 */
export const KEY_MAP = [
  ["Images", [
    [["space"], "done", "Done, next image"],
    [["enter"], "acceptOrDone", "Accept the selected suggestion, else done and next"],
    [["shift+backspace"], "reopen", "Not done"],
    [["d", "arrowright"], "next", "Next image (→ when no box is selected)"],
    [["a", "arrowleft"], "previous", "Previous image (← when no box is selected)"],
    [["shift+d"], "nextOpen", "Next image that is not done"],
    [["ctrl+s"], "save", "Save now"],
  ]],
  ["Draw", [
    [["n", "w"], "draw", "Draw: drag, or click two corners, over other boxes too"],
    [["shift+n"], "boxAtCentre", "A box at the middle of the view"],
    [["m"], "move", "Move boxes and the picture (also: hold Ctrl)"],
    [["l"], "pickLabel", "Find a label by typing"],
    [["v"], "copyPrevious", "Copy the boxes of the previous image"],
    [["escape"], "cancel", "Give up, then deselect"],
  ]],
  ["Selected box", [
    [["arrows"], null, "Move by 1 px, with Shift by 10 px"],
    [["alt+arrows"], null, "Change its size"],
    [["delete", "backspace"], "remove", "Delete, or reject a suggestion"],
    [[".", ","], null, "Next, previous box"],
    [["ctrl+d"], "duplicate", "Duplicate"],
    [["ctrl+c", "ctrl+v"], null, "Copy, paste (also on another image)"],
    [["ctrl+a"], "selectAll", "Select all; Shift+drag or Shift+click: some"],
    [["o", "t"], null, "Difficult, truncated"],
    [["ctrl+z", "ctrl+shift+z"], null, "Undo, redo"],
    [["shift+space"], "acceptAll", "Accept all suggestions that are shown"],
  ]],
  ["View", [
    [["h"], null, "Hide all boxes while held"],
    [["+", "-"], null, "Zoom at the pointer (also: wheel, two fingers)"],
    [["f"], "fit", "Fit the picture"],
    [["z"], "oneToOne", "One pixel to one pixel"],
    [["x"], "toggleCrosshair", "Crosshair"],
    [["?"], "help", "These keys"],
  ]],
];

/** Keys of rows that stand for two actions. */
const MORE = {
  ".": "nextBox",
  ",": "previousBox",
  "ctrl+c": "copy",
  "ctrl+v": "paste",
  "ctrl+z": "undo",
  "ctrl+shift+z": "redo",
  "ctrl+y": "redo",
  o: "difficult",
  t: "truncated",
  "+": "zoomIn",
  "=": "zoomIn",
  "shift++": "zoomIn",
  "-": "zoomOut",
  "shift+_": "zoomOut",
  "shift+?": "help",
};

const BY_KEY = new Map(Object.entries(MORE));
for (const [, rows] of KEY_MAP) {
  for (const [keys, action] of rows) if (action) for (const key of keys) BY_KEY.set(key, action);
}

const ARROWS = { arrowleft: [-1, 0], arrowright: [1, 0], arrowup: [0, -1], arrowdown: [0, 1] };
/** A longer press of Space was a wish to pan. */
const SPACE_TAP_MS = 500;

export class Keys {
  /** @param {import("./main.js").Editor} editor */
  constructor(editor) {
    this.editor = editor;
    document.addEventListener("keydown", (event) => this.#down(event));
    document.addEventListener("keyup", (event) => this.#up(event));
    window.addEventListener("blur", () => this.#release());
  }

  #down(event) {
    if (event.defaultPrevented || event.isComposing || isTyping(event.target)) return;
    if (document.querySelector("dialog[open]")) return;
    const single = !(event.ctrlKey || event.metaKey || event.altKey);
    if (single && !settings.singleKeys && !["Escape", "Delete"].includes(event.key) && !event.key.startsWith("Arrow")) return;
    const key = event.key === " " ? "space" : event.key.toLowerCase();
    if (onControl(event.target) && ["space", "enter"].includes(key) && !event.shiftKey) return;
    if (key === "space" && !event.shiftKey) return this.#spaceDown(event);
    if (key === "h" && single) return this.#hide(event);
    if (this.#arrow(event, key) || this.#digit(event, single)) return event.preventDefault();
    const name = (event.ctrlKey || event.metaKey ? "ctrl+" : "") + (event.altKey ? "alt+" : "") + (event.shiftKey ? "shift+" : "") + key;
    const action = BY_KEY.get(name);
    if (!action || (event.repeat && ["done", "acceptOrDone"].includes(action))) return;
    if (actions[action](this.editor) !== false) event.preventDefault();
  }

  #arrow(event, key) {
    const direction = ARROWS[key];
    if (!direction || event.ctrlKey || event.metaKey || event.target.closest?.("input")) return false;
    const step = direction.map((value) => value * (event.shiftKey ? 10 : 1));
    return actions[event.altKey ? "grow" : "nudge"](this.editor, step) !== false;
  }

  #digit(event, single) {
    // `code`, because Shift and other layouts change what a digit key gives.
    const digit = /^(?:Digit|Numpad)(\d)$/.exec(event.code)?.[1] ?? (/^\d$/.test(event.key) ? event.key : null);
    if (!single || event.shiftKey || digit === null) return false;
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
    this.hiding = true;
    this.editor.store.setHidden(true);
  }

  #up(event) {
    if (event.key.toLowerCase() === "h" && this.hiding) this.#release();
    if (event.key !== " " || this.spaceAt === undefined) return;
    const panned = this.editor.pointer.holdSpace(false);
    const tapped = event.timeStamp - this.spaceAt < SPACE_TAP_MS;
    this.spaceAt = undefined;
    if (!panned && tapped) actions.done(this.editor);
  }

  #release() {
    if (this.hiding) this.editor.store.setHidden(false);
    this.hiding = false;
    if (this.spaceAt !== undefined) this.editor.pointer.holdSpace(false);
    this.spaceAt = undefined;
  }
}

/** @param {EventTarget} target */
const isTyping = (target) =>
  target instanceof HTMLElement && target.matches("input:not([type=range], [type=checkbox]), textarea, select, [contenteditable]");

/** On a button, Space and Enter press it. @param {EventTarget} target */
const onControl = (target) => target instanceof HTMLElement && target.closest("button, a, input, summary") !== null;

// ---- The overlay

const NAMES = { arrowright: "→", arrowleft: "←", arrows: "← ↑ ↓ →", ctrl: "Ctrl", alt: "Alt", shift: "Shift", space: "Space", enter: "Enter", escape: "Esc", delete: "Del", backspace: "⌫" };

export class Help {
  /** @param {HTMLDialogElement} dialog @param {import("./main.js").Editor} editor */
  constructor(dialog, editor) {
    this.dialog = dialog;
    this.editor = editor;
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
    dialog.addEventListener("keydown", (event) => event.key === "?" && dialog.close());
  }

  open() {
    this.dialog.replaceChildren(this.#body());
    this.dialog.showModal();
  }

  #body() {
    const close = element("button", { type: "button", class: "btn ic ghost sm r", "aria-label": "Close" }, icon("x"));
    close.addEventListener("click", () => this.dialog.close());
    const digits = ["Digits", [[["1", "…", "0"], null, "Label of the selected boxes, else of the next one; it stays"]]];
    const groups = [...KEY_MAP.slice(0, 2), digits, ...KEY_MAP.slice(2)].map(([name, rows]) =>
      element("section", {}, element("h3", {}, name), element("dl", {}, ...rows.flatMap(keyRow))));
    return element("div", { class: "body" },
      element("div", { class: "row" }, element("h2", { id: "keys-title" }, "Keys and settings"), close),
      element("div", { class: "keymap" }, ...groups),
      this.#settings());
  }

  #settings() {
    const least = element("input", { class: "in", type: "number", min: 1, max: 100, value: settings.minSize, id: "min-size" });
    least.addEventListener("change", () => setSetting("minSize", Math.min(100, Math.max(1, Math.round(Number(least.value) || 1)))));
    return element("section", { class: "choices" },
      element("h3", {}, "Settings, kept in this browser"),
      this.#switch("keepZoom", "Keep zoom and place from image to image"),
      this.#switch("crosshair", "Crosshair and coordinates at the pointer"),
      this.#switch("singleKeys", "Single-key shortcuts"),
      element("label", { class: "row", for: "min-size" }, "Smallest box", element("span", { class: "in sm r" }, least, element("span", { class: "u" }, "px"))));
  }

  #switch(name, words) {
    const input = element("input", { type: "checkbox", class: "sw r", checked: settings[name] });
    input.addEventListener("change", () => {
      setSetting(name, input.checked);
      this.editor.store.emit("tool");
    });
    return element("label", { class: "row" }, words, input);
  }
}

function keyRow([keys, , words]) {
  const shown = keys.flatMap((key, i) => {
    const parts = key.length > 1 && key !== "arrows" ? key.split("+") : [key];
    const caps = parts.map((part) => element("kbd", { class: "kbd" }, NAMES[part] ?? part.toUpperCase()));
    return i && key !== "…" && keys[i - 1] !== "…" ? [" ", ...caps] : caps;
  });
  return [element("dt", {}, ...shown), element("dd", {}, words)];
}
