/**
 * Which key does what, and a person's own choice of keys. Pure: no DOM.
 *
 * A key is `event.key` in lower case with "ctrl+" (or Cmd), "alt+" and "shift+" before it; where
 * Shift makes another sign ("?") it is in the sign. Keys without Ctrl or Alt are the single ones,
 * which can be switched off.
 *
 * A row is [action, what it does, its keys]; without an action it explains what cannot be changed.
 */
export const KEY_GROUPS = [
  ["Images", [
    ["done", "Done, next image", ["space"]],
    ["acceptOrDone", "Accept the selected suggestion; without one: done, next", ["enter"]],
    ["reopen", "Not done", ["shift+backspace"]],
    ["next", "Next image (also → when no box is selected)", ["d"]],
    ["previous", "Previous image (also ←)", ["a"]],
    ["nextOpen", "Next image that is not done", ["shift+d"]],
    ["save", "Save now", ["ctrl+s"]],
  ]],
  ["Draw", [
    ["draw", "Draw: drag, or click two corners, over other boxes too", ["n", "w"]],
    ["boxAtCentre", "A box at the middle of the view", ["shift+n"]],
    ["move", "Move boxes and the picture (also: hold Ctrl)", ["m"]],
    ["copyPrevious", "Copy the boxes of the previous image", ["v"]],
    ["cancel", "Give up, then deselect", ["escape"]],
  ]],
  ["Labels", [
    [null, "Label of the selected boxes, else of the next one; it stays", ["digits"]],
    ["pickLabel", "Find a label by typing", ["l"]],
    ["lockLabel", "Lock the label: its boxes cannot be touched", ["shift+l"]],
    ["onlyLabel", "Show only this label, and all again", ["g"]],
  ]],
  ["Selected boxes", [
    [null, "Move by 1 px, with Shift by 10 px", ["arrows"]],
    [null, "Move the right and lower edge", ["alt+arrows"]],
    [null, "Move the left and upper edge", ["ctrl+arrows"]],
    ["remove", "Delete, or reject a suggestion", ["delete", "backspace"]],
    ["nextBox", "Next box", ["."]],
    ["previousBox", "Previous box", [","]],
    ["duplicate", "Duplicate", ["ctrl+d"]],
    ["copy", "Copy", ["ctrl+c"]],
    ["paste", "Paste, on another image too", ["ctrl+v"]],
    ["selectAll", "Select all; some: Shift+drag or Shift+click", ["ctrl+a"]],
    ["difficult", "Difficult", ["o"]],
    ["truncated", "Truncated", ["t"]],
    ["crowd", "Crowd: many things in one box", ["shift+o"]],
    ["undo", "Undo", ["ctrl+z"]],
    ["redo", "Redo", ["ctrl+shift+z", "ctrl+y"]],
    ["acceptAll", "Accept all suggestions that are shown", ["shift+space"]],
    ["rejectAll", "Reject all suggestions that are shown", ["shift+delete"]],
  ]],
  ["Review", [
    ["review", "Review, comments, history and deleted boxes", ["r"]],
    ["comment", "Comment on the selected box, else on the image", ["c"]],
    ["flag", "Flag the image for review, or take the flag away", ["shift+r"]],
    ["nextToReview", "Next image that waits for a review", ["shift+w"]],
  ]],
  ["View", [
    ["hideWhileHeld", "Hide all boxes while held", ["h"]],
    ["zoomIn", "Zoom in at the pointer (also: wheel, two fingers)", ["+", "="]],
    ["zoomOut", "Zoom out", ["-", "_"]],
    [null, "Move the picture, when no box is selected (also: hold Space and drag)", ["shift+arrows"]],
    ["fit", "Fit the picture", ["f"]],
    ["oneToOne", "One pixel to one pixel", ["z"]],
    ["toggleCrosshair", "Crosshair", ["x"]],
    ["brighter", "Brighter, for looking only", ["b"]],
    ["darker", "Darker", ["shift+b"]],
    ["moreContrast", "More contrast", ["k"]],
    ["lessContrast", "Less contrast", ["shift+k"]],
    ["invert", "Invert the colours", ["i"]],
    ["plainView", "The picture as it is", ["shift+i"]],
    ["help", "These keys", ["?"]],
  ]],
];

/** Keys that no action can have, with the reason. */
const DIGIT = /^\d$/;
const ARROWS = /^(ctrl\+)?(alt\+)?(shift\+)?(arrow(left|right|up|down)|arrows)$/;
const BROWSER = new Set(["tab", "shift+tab", "f5", "f11", "f12", "ctrl+w", "ctrl+t", "ctrl+n", "ctrl+r", "ctrl+l", "ctrl+shift+t", "ctrl+shift+n", "ctrl+shift+r"]);
const NAMED = /^(space|enter|backspace|delete|insert|home|end|pageup|pagedown|f([1-9]|1[0-2]))$/;

const ROWS = KEY_GROUPS.flatMap(([, rows]) => rows).filter(([action]) => action);
const DEFAULTS = new Map(ROWS.map(([action, , keys]) => [action, keys]));
const WORDS = new Map(ROWS.map(([action, words]) => [action, words]));

/** What an action does. @param {string} action @returns {string} */
export const wordsOf = (action) => WORDS.get(action) ?? action;

/** @param {string} key @returns {string[]} its caps: "ctrl++" is Ctrl and + */
export function capsOf(key) {
  const caps = [];
  let rest = key;
  for (const modifier of ["ctrl", "alt", "shift"]) {
    if (rest.startsWith(`${modifier}+`) && rest.length > modifier.length + 1) {
      caps.push(modifier);
      rest = rest.slice(modifier.length + 1);
    }
  }
  return [...caps, rest];
}

/** What works with single keys switched off: nobody types these by accident. */
const ALWAYS = new Set(["escape", "delete", "shift+delete"]);

/** Whether the key works where single keys may be switched off. @param {string} key @param {boolean} singleKeys */
export const works = (key, singleKeys) => singleKeys || !isSingle(key) || ALWAYS.has(key);

/** Whether it works without Ctrl and Alt. @param {string} key */
export const isSingle = (key) => !key.startsWith("ctrl+") && !key.startsWith("alt+");

/**
 * The key of a keyboard event.
 * @param {{key: string, code?: string, ctrlKey?: boolean, metaKey?: boolean, altKey?: boolean, shiftKey?: boolean}} event
 */
export function keyOf(event) {
  let key = event.key === " " ? "space" : event.key.toLowerCase();
  // Other scripts, and Alt on a Mac, give other letters: there the key's place counts.
  const place = /^Key([A-Z])$/.exec(event.code ?? "")?.[1];
  if (place && key.length === 1 && (key.charCodeAt(0) > 127 || event.altKey)) key = place.toLowerCase();
  const isSign = key.length === 1 && key.toUpperCase() === key.toLowerCase();
  return (event.ctrlKey || event.metaKey ? "ctrl+" : "") + (event.altKey ? "alt+" : "") + (event.shiftKey && !isSign ? "shift+" : "") + key;
}

/** @param {string} key @returns {string|null} why no action can have this key */
export function whyNot(key) {
  if (DIGIT.test(key)) return "Digits choose labels; which one, the label map says.";
  if (ARROWS.test(key)) return "The arrows move the selected boxes.";
  if (key === "escape") return "Esc always gives up what was begun.";
  if (BROWSER.has(key)) return "The browser keeps this key for itself.";
  const last = capsOf(key).at(-1);
  return last.length === 1 || NAMED.test(last) ? null : "This key cannot be used.";
}

export class KeymapError extends Error {}

export class Keymap {
  /** @param {Object<string, string[]>} changes keys by action, where they are not the usual ones */
  constructor(changes = {}) {
    /** @type {Map<string, string[]>} */
    this.own = new Map(Object.entries(changes).filter(([action]) => DEFAULTS.has(action)));
    this.#index();
  }

  #index() {
    /** @type {Map<string, string>} */
    this.byKey = new Map([["arrowright", "next"], ["arrowleft", "previous"]]);
    for (const action of DEFAULTS.keys()) for (const key of this.keysOf(action)) this.byKey.set(key, action);
  }

  /** @param {string} action @returns {string[]} */
  keysOf(action) {
    return this.own.get(action) ?? DEFAULTS.get(action) ?? [];
  }

  /** @param {string} key @returns {string|undefined} */
  actionOf(key) {
    return this.byKey.get(key);
  }

  /** Whether the action's keys are not the usual ones. @param {string} action */
  isChanged(action) {
    return this.own.has(action);
  }

  /** Which other action has the key. @param {string} key @param {string} action @returns {string|null} */
  clash(key, action) {
    const other = this.byKey.get(key);
    return other && other !== action ? other : null;
  }

  /**
   * Give an action its keys; another one that had one of them loses it.
   * @param {string} action @param {string[]} keys
   */
  set(action, keys) {
    for (const key of keys) {
      const other = this.clash(key, action);
      if (other) this.#put(other, this.keysOf(other).filter((one) => one !== key));
    }
    this.#put(action, [...new Set(keys)]);
    this.#index();
  }

  #put(action, keys) {
    if (keys.join(" ") === DEFAULTS.get(action).join(" ")) this.own.delete(action);
    else this.own.set(action, keys);
  }

  /** The usual keys again, of one action or of all. @param {string} [action] */
  reset(action) {
    if (action) this.set(action, DEFAULTS.get(action));
    else this.own.clear();
    this.#index();
  }

  /** @returns {Object<string, string[]>} what differs from the usual keys */
  get changes() {
    return Object.fromEntries(this.own);
  }

  /** @returns {string} a file that `readKeymap` reads */
  toText() {
    return `${JSON.stringify({ boxloop_keys: 1, keys: this.changes }, null, 1)}\n`;
  }
}

/**
 * A key map from a file.
 * @param {string} text @returns {Keymap} @throws {KeymapError} with a sentence that says what is wrong
 */
export function readKeymap(text) {
  let read;
  try {
    read = JSON.parse(text);
  } catch {
    throw new KeymapError("This is no JSON. Choose a file that “Export” has made.");
  }
  if (read?.boxloop_keys !== 1 || typeof read.keys !== "object" || read.keys === null) {
    throw new KeymapError("This is no key map of Boxloop. Choose a file that “Export” has made.");
  }
  const taken = new Map();
  for (const [action, keys] of Object.entries(read.keys)) {
    if (!DEFAULTS.has(action)) throw new KeymapError(`“${action}” is nothing that the editor can do.`);
    if (!Array.isArray(keys)) throw new KeymapError(`“${action}” needs a list of keys.`);
    for (const key of keys) {
      const problem = typeof key === "string" ? (DEFAULTS.get(action).includes(key) ? null : whyNot(key)) : "A key is a text.";
      if (problem) throw new KeymapError(`“${action}” cannot have ${JSON.stringify(key)}. ${problem}`);
      if (taken.has(key)) throw new KeymapError(`${key} is given to “${taken.get(key)}” and to “${action}”. Give it to one of them.`);
      taken.set(key, action);
    }
  }
  const map = new Keymap();
  for (const [action, keys] of Object.entries(read.keys)) map.set(action, keys);
  return map;
}
