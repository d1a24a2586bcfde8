/** The overlay with the keys, where they are changed too, and the settings of this browser. */
import { element, icon } from "../shell.js";
import { KEY_GROUPS, Keymap, KeymapError, capsOf, keyOf, readKeymap, whyNot, wordsOf } from "./keymap.js";
import { saveText } from "./files.js";
import { setSetting, settings } from "./settings.js";

const CAPS = {
  arrowright: "→", arrowleft: "←", ctrl: "Ctrl", alt: "Alt", shift: "Shift", space: "Space", enter: "Enter",
  escape: "Esc", delete: "Del", backspace: "⌫", pageup: "Page ↑", pagedown: "Page ↓", home: "Home", end: "End", insert: "Ins",
};

/** @param {string} key @returns {string} "Ctrl+Z" */
export const keyWords = (key) => capsOf(key).map((cap) => CAPS[cap] ?? cap.toUpperCase()).join("+");

/** @param {string} key @returns {string[]} */
function shownCaps(key) {
  if (key === "digits") return ["1", "…", "0"];
  return capsOf(key).flatMap((cap) => (cap === "arrows" ? ["← ↑ ↓ →"] : [CAPS[cap] ?? cap.toUpperCase()]));
}

export class Help {
  /** @param {HTMLDialogElement} dialog @param {import("./main.js").Editor} editor */
  constructor(dialog, editor) {
    this.dialog = dialog;
    this.editor = editor;
    this.changing = false;
    /** The action and the key of it that the next key press replaces; null key: one more. */
    this.waiting = null;
    dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
    dialog.addEventListener("keydown", (event) => this.#key(event), true);
    dialog.addEventListener("close", () => (this.changing = false));
    editor.store.on("keys", () => dialog.open && this.#draw());
  }

  open() {
    this.waiting = this.question = null;
    this.#draw();
    this.dialog.showModal();
  }

  get #map() {
    return this.editor.keys.map;
  }

  /** Draw it again with the focus on what had it. */
  #draw() {
    const focused = document.activeElement?.dataset?.at;
    const { scrollTop } = this.dialog;
    this.dialog.replaceChildren(this.#body());
    this.dialog.scrollTop = scrollTop;
    if (focused) this.dialog.querySelector(`[data-at="${CSS.escape(focused)}"]`)?.focus();
  }

  #body() {
    const groups = KEY_GROUPS.map(([name, rows]) =>
      element("section", {}, element("h3", {}, name), element("dl", {}, ...rows.flatMap((row) => this.#row(row)))));
    const close = this.#button("Close", () => this.dialog.close(), "x");
    close.classList.add("r");
    return element("div", { class: this.changing ? "body changing" : "body" },
      element("div", { class: "row" }, element("h2", { id: "keys-title" }, "Keys and settings"), close),
      this.#bar(), element("div", { class: "keymap" }, ...groups), this.#settings());
  }

  // ---- The keys

  #bar() {
    const change = this.#button(this.changing ? "Done changing" : "Change keys", () => {
      this.changing = !this.changing;
      this.waiting = this.question = null;
      this.#draw();
    });
    const parts = [change];
    if (this.changing) {
      const reset = this.#button("Usual keys for all", () => this.editor.keys.use(new Keymap()));
      reset.disabled = !Object.keys(this.#map.changes).length;
      const file = element("input", { type: "file", accept: ".json,application/json", hidden: true });
      file.addEventListener("change", () => this.#import(file.files[0]));
      parts.push(reset, this.#button("Export", () => saveText("boxloop-keys.json", this.#map.toText())), this.#button("Import", () => file.click()), file);
    }
    const words = this.changing ? "Press a key cap, then the new key. Your keys are kept in this browser." : "";
    return element("div", { class: "col g2" }, element("div", { class: "row wrap" }, ...parts, element("span", { class: "t2 s12" }, words)),
      this.problem ? element("p", { class: "err", role: "alert" }, this.problem) : null);
  }

  #row([action, words, fixed]) {
    const keys = action ? this.#map.keysOf(action) : fixed;
    const isFixed = !action || fixed.includes("escape");
    if (!this.changing || isFixed) {
      const caps = keys.flatMap((key, i) => [i ? " " : null, ...shownCaps(key).map((cap) => element("kbd", { class: "kbd" }, cap))]);
      return [element("dt", {}, ...caps.filter(Boolean)), element("dd", {}, words)];
    }
    const caps = keys.map((key) => this.#cap(action, key));
    const more = this.#cap(action, null);
    const back = this.#map.isChanged(action) ? this.#button("Usual", () => this.#change((map) => map.reset(action)), null, `Usual key for: ${words}`) : null;
    back?.classList.add("tiny");
    return [element("dt", {}, ...caps, more), element("dd", {}, words, back ? " " : null, back, this.#question(action))];
  }

  #cap(action, key) {
    const waits = this.waiting?.action === action && this.waiting.key === key;
    const cap = element("button", { type: "button", class: waits ? "kbd on" : "kbd", "data-at": `${action} ${key ?? ""}`, "aria-label": key ? `${keyWords(key)}: ${wordsOf(action)}. Change` : `Another key: ${wordsOf(action)}` },
      waits ? "Press…" : key ? keyWords(key) : "+");
    cap.addEventListener("click", () => {
      this.waiting = waits ? null : { action, key };
      this.question = this.problem = null;
      this.#draw();
      this.editor.say(waits ? "" : `Press the new key for: ${wordsOf(action)}. Delete takes it away, Escape leaves it.`);
    });
    return cap;
  }

  #question(action) {
    const asked = this.question;
    if (asked?.action !== action) return null;
    const line = element("p", { class: asked.other ? "s12 ask" : "err ask", role: "alert" }, asked.words, " ");
    if (asked.other) {
      const no = this.#button("Leave it", () => { this.question = null; this.#draw(); });
      const yes = this.#button("Use it here", () => this.#give(asked));
      for (const button of [yes, no]) button.classList.add("tiny");
      line.append(yes, " ", no);
    }
    return line;
  }

  /** While a key is waited for, every key is meant. */
  #key(event) {
    if (!this.waiting) {
      if (event.key === "?" && !event.target.matches("input")) this.dialog.close();
      return;
    }
    if (["Shift", "Control", "Alt", "Meta", "AltGraph", "CapsLock", "Dead"].includes(event.key)) return;
    event.preventDefault();
    event.stopPropagation();
    const { action, key: old } = this.waiting;
    this.waiting = null;
    if (event.key === "Escape") return this.#draw();
    const key = keyOf(event);
    if (key === "delete" && old && action !== "remove") return this.#change((map) => map.set(action, map.keysOf(action).filter((one) => one !== old)));
    const problem = whyNot(key);
    const other = this.#map.clash(key, action);
    const wanted = { action, old, key, other };
    if (problem) this.question = { action, words: `${keyWords(key)} cannot be used. ${problem}` };
    else if (other) this.question = { ...wanted, words: `${keyWords(key)} means “${wordsOf(other)}”.` };
    else return this.#give(wanted);
    this.#draw();
    this.dialog.querySelector(".ask button")?.focus();
  }

  #give({ action, old, key }) {
    this.#change((map) => {
      const keys = map.keysOf(action);
      map.set(action, old ? keys.map((one) => (one === old ? key : one)) : [...keys, key]);
    });
    this.editor.say(`${keyWords(key)}: ${wordsOf(action)}.`);
  }

  /** @param {(map: Keymap) => void} edit */
  #change(edit) {
    this.question = this.problem = null;
    const map = new Keymap(this.#map.changes);
    edit(map);
    this.editor.keys.use(map);
  }

  async #import(file) {
    if (!file) return;
    try {
      this.problem = null;
      this.editor.keys.use(readKeymap(await file.text()));
    } catch (error) {
      if (!(error instanceof KeymapError)) throw error;
      this.problem = `${file.name}: ${error.message}`;
      this.#draw();
    }
  }

  // ---- The settings

  #settings() {
    const least = element("input", { class: "in", type: "number", min: 1, max: 100, value: settings.minSize, id: "min-size" });
    least.addEventListener("change", () => setSetting("minSize", Math.min(100, Math.max(1, Math.round(Number(least.value) || 1)))));
    return element("section", { class: "choices" },
      element("h3", {}, "Settings, kept in this browser"),
      this.#switch("keepZoom", "Keep zoom and place from image to image"),
      this.#switch("crosshair", "Crosshair and coordinates at the pointer"),
      this.#switch("fingerPans", "One finger moves the picture, a pen draws"),
      this.#switch("singleKeys", "Single-key shortcuts (those without Ctrl or Alt)"),
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

  #button(words, run, sign = null, label = words) {
    const button = element("button", { type: "button", class: sign ? "btn ic ghost sm" : "btn sm", "aria-label": label, "data-at": label }, sign ? icon(sign) : words);
    button.addEventListener("click", run);
    return button;
  }
}
