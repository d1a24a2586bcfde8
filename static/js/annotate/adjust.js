/**
 * Brightness, contrast and inverted colours of the picture on the screen: for looking only, nothing
 * of it is stored with the image or seen in training. Kept from image to image until the tab closes.
 */
import { element } from "../shell.js";

const KEY = "boxloop.editor.adjust";
const MOST = 8;
const FACTOR = 1.25;
const PLAIN = { brightness: 0, contrast: 0, inverted: false };

/** @param {{brightness: number, contrast: number, inverted: boolean}} look steps from 0 @returns {string} a CSS filter */
export function filterOf({ brightness, contrast, inverted }) {
  const parts = [];
  if (inverted) parts.push("invert(1)");
  if (brightness) parts.push(`brightness(${percentOf(brightness)}%)`);
  if (contrast) parts.push(`contrast(${percentOf(contrast)}%)`);
  return parts.join(" ");
}

const percentOf = (steps) => Math.round(100 * FACTOR ** steps);

export class Adjust {
  /**
   * @param {{button: HTMLElement, panel: HTMLElement, pixels: HTMLElement}} parts
   * @param {import("./main.js").Editor} editor
   */
  constructor(parts, editor) {
    Object.assign(this, parts);
    this.editor = editor;
    this.look = { ...PLAIN, ...this.#kept() };
    this.#build();
    document.addEventListener("pointerdown", ({ target }) => {
      if (!this.panel.hidden && !this.panel.contains(target) && !this.button.contains(target)) this.#open(false);
    });
    this.panel.addEventListener("keydown", (event) => {
      if (event.key !== "Escape") return;
      event.stopPropagation();
      this.#open(false);
      this.button.focus();
    });
    this.#show();
  }

  #kept() {
    try {
      return JSON.parse(sessionStorage.getItem(KEY) ?? "{}");
    } catch {
      return {};
    }
  }

  #build() {
    this.inputs = {};
    const slider = (name, words) => {
      const input = element("input", { class: "rng", type: "range", min: -MOST, max: MOST, step: 1, id: `adjust-${name}` });
      input.addEventListener("input", () => this.#set({ [name]: Number(input.value) }));
      const value = element("output", { class: "r m5" });
      this.inputs[name] = { input, value };
      return element("div", {}, element("label", { class: "row s12 t2", for: input.id }, words, value), input);
    };
    this.switch = element("input", { type: "checkbox", class: "sw r" });
    this.switch.addEventListener("change", () => this.#set({ inverted: this.switch.checked }));
    this.plain = element("button", { type: "button", class: "btn sm" }, "As it is");
    this.plain.addEventListener("click", () => this.reset());
    this.panel.append(slider("brightness", "Brightness"), slider("contrast", "Contrast"),
      element("label", { class: "row" }, "Invert", this.switch),
      element("div", { class: "row" }, element("span", { class: "t3 s12" }, "For looking only"), element("span", { class: "r" }), this.plain));
  }

  toggle() {
    this.#open(this.panel.hidden);
  }

  #open(open) {
    this.panel.hidden = !open;
    this.button.setAttribute("aria-expanded", open);
    if (open) this.inputs.brightness.input.focus();
  }

  /** @param {"brightness"|"contrast"} name @param {number} by */
  step(name, by) {
    this.#set({ [name]: Math.min(MOST, Math.max(-MOST, this.look[name] + by)) });
    this.editor.say(`${name === "contrast" ? "Contrast" : "Brightness"} ${percentOf(this.look[name])} %.`);
  }

  invert() {
    this.#set({ inverted: !this.look.inverted });
    this.editor.say(this.look.inverted ? "Colours inverted." : "Colours as they are.");
  }

  reset() {
    this.#set(PLAIN);
    this.editor.say("The picture as it is.");
  }

  #set(fields) {
    Object.assign(this.look, fields);
    try {
      sessionStorage.setItem(KEY, JSON.stringify(this.look));
    } catch {
      // Storage is switched off: it holds for this page.
    }
    this.#show();
  }

  #show() {
    const filter = filterOf(this.look);
    this.pixels.style.filter = filter;
    for (const [name, { input, value }] of Object.entries(this.inputs)) {
      const words = `${percentOf(this.look[name])} %`;
      input.value = this.look[name];
      input.style.setProperty("--v", `${(50 * (this.look[name] + MOST)) / MOST}%`);
      input.setAttribute("aria-valuetext", words);
      value.textContent = words;
    }
    this.switch.checked = this.look.inverted;
    this.plain.disabled = !filter;
    this.button.classList.toggle("on", Boolean(filter));
  }
}
