/** What a person chose in this browser. Kept in localStorage; works without it. */
const KEY = "boxloop.editor";

const DEFAULTS = {
  crosshair: true,
  keepZoom: false,
  singleKeys: true,
  /** One finger moves the picture; a mouse and a pen draw. */
  fingerPans: false,
  minSize: 3,
  /** Suggestions from this confidence on are shown. */
  threshold: 0.5,
};

function load() {
  try {
    return { ...DEFAULTS, ...JSON.parse(localStorage.getItem(KEY) ?? "{}") };
  } catch {
    return { ...DEFAULTS };
  }
}

export const settings = load();

/** @param {keyof DEFAULTS} name */
export function setSetting(name, value) {
  settings[name] = value;
  remember(KEY, JSON.stringify(settings));
}

/** @param {string} key @param {string} value */
export function remember(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Storage is switched off or full: the choice holds for this page.
  }
}

/** @param {string} key @returns {string|null} */
export function recall(key) {
  try {
    return localStorage.getItem(key);
  } catch {
    return null;
  }
}
