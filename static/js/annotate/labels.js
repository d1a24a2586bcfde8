/** The panel's labels: choose, find by typing, hide, lock, make a new one. */
import { element, icon } from "../shell.js";
import { actions } from "./actions.js";

/** With more labels than digits a search field shows. */
const MANY = 10;

export class LabelPanel {
  /**
   * @param {{list: HTMLElement, search: HTMLElement, filter: HTMLInputElement, empty: HTMLElement,
   *   form: HTMLFormElement, name: HTMLInputElement, error: HTMLElement, all: HTMLElement, note: HTMLElement}} parts
   * @param {import("./main.js").Editor} editor
   */
  constructor(parts, editor) {
    Object.assign(this, parts);
    this.editor = editor;
    this.store = editor.store;
    /** Boxes of each label that were added or removed since the labels were read. */
    this.drift = new Map();
    this.store.on("labels", () => this.refresh());
    this.store.on("edit", ({ changes }) => this.#count(changes));
    this.list.addEventListener("click", (event) => this.#clicked(event));
    this.filter.addEventListener("input", () => this.refresh());
    this.filter.addEventListener("keydown", (event) => this.#filterKey(event));
    this.form.addEventListener("submit", (event) => {
      event.preventDefault();
      this.#add();
    });
    this.name.addEventListener("input", () => this.#typing());
    this.name.addEventListener("keydown", (event) => event.key === "Escape" && this.name.blur());
    this.refresh();
    if (!this.store.usable.length && this.store.canEdit) this.name.focus();
  }

  /** @param {string} digit @returns {import("./types.js").Label|undefined} */
  byHotkey(digit) {
    const { usable } = this.store;
    const chosen = usable.find((label) => label.hotkey === digit);
    if (chosen || usable.some((label) => label.hotkey)) return chosen;
    return usable[(Number(digit) + 9) % 10];
  }

  /** @param {import("./types.js").Label} label */
  #key(label) {
    if (this.store.usable.some((one) => one.hotkey)) return label.hotkey ?? "";
    const at = this.store.usable.indexOf(label);
    return at >= 0 && at < 10 ? String((at + 1) % 10) : "";
  }

  refresh() {
    const { usable, labels, canEdit } = this.store;
    this.search.hidden = usable.length <= MANY && !this.searching;
    this.empty.hidden = usable.length > 0;
    if (!canEdit) this.empty.textContent = "This project has no labels yet.";
    this.form.hidden = !canEdit;
    this.all.hidden = !this.store.hiddenLabels.size;
    this.note.hidden = !this.all.hidden;
    const { label, at } = this.list.contains(document.activeElement) ? document.activeElement.dataset : {};
    this.list.replaceChildren(...this.#found(labels).map((one) => this.#row(one)));
    // Rows are made anew; who works by keyboard stays where they were.
    if (at) this.list.querySelector(`[data-at="${CSS.escape(at)}"]`)?.focus();
    else if (label) this.list.querySelector(`[data-label="${CSS.escape(label)}"]`)?.focus();
  }

  #found(labels) {
    const words = this.filter.value.trim().toLowerCase();
    if (!words) return labels;
    const rank = (label) => this.store.labelName(label.id).toLowerCase().indexOf(words);
    return labels.filter((label) => rank(label) >= 0).sort((a, b) => rank(a) - rank(b));
  }

  #row(label) {
    const { store } = this;
    const active = label.id === store.activeLabelId;
    const hidden = store.hiddenLabels.has(label.id);
    const locked = store.isLocked(label.id);
    const name = store.labelName(label.id);
    const swatch = element("span", { class: "swt" });
    swatch.style.setProperty("--c", label.color);
    const key = this.#key(label);
    const choose = element("button", { type: "button", class: "name", "aria-pressed": String(active), disabled: label.retired, "data-label": label.id, title: key ? `${name} (${key})` : name },
      element("span", { class: key ? "kbd" : "kbd none", "aria-hidden": "true" }, key), swatch, element("span", { class: "el" }, name),
      element("span", { class: "n" }, label.retired ? "retired" : String(Math.max(0, label.box_count + (this.drift.get(label.id) ?? 0)))));
    const toggle = (data, on, sign, words, tip) => element("button", { type: "button", class: on ? "btn ic ghost sm tool set" : "btn ic ghost sm tool", [data]: label.id, "data-at": `${data}${label.id}`, "aria-pressed": String(on), "aria-label": words, title: tip }, icon(sign));
    const lock = store.canEdit ? toggle("data-lock", locked, "lock", `Lock ${name}`, locked ? `Unlock ${name}` : `Lock ${name}: its boxes cannot be touched`) : null;
    const eye = toggle("data-hide", hidden, "eye", `Hide ${name}`, `${hidden ? "Show" : "Hide"} ${name}; with Shift only this one`);
    const classes = ["li", "label", active && "on", hidden && "off"].filter(Boolean).join(" ");
    return element("li", { class: classes }, choose, lock, eye);
  }

  #clicked(event) {
    const { label, hide, lock } = event.target.closest("button")?.dataset ?? {};
    if (label) actions.label(this.editor, Number(label));
    if (hide && event.shiftKey) this.store.toggleOnlyLabel(Number(hide));
    else if (hide) this.store.toggleLabelHidden(Number(hide));
    if (lock) this.store.toggleLabelLocked(Number(lock));
    // Only the keyboard keeps the focus here; after a click keys go to the picture again.
    if (event.detail) this.editor.focusStage();
  }

  #count(changes) {
    const move = (annotation, by) => {
      if (annotation?.status !== "active") return;
      this.drift.set(annotation.label_id, (this.drift.get(annotation.label_id) ?? 0) + by);
    };
    for (const { before, after } of changes) {
      move(before, -1);
      move(after, 1);
    }
    if (changes.length) this.refresh();
  }

  // ---- Find by typing

  focusFilter() {
    this.searching = true;
    this.refresh();
    this.filter.focus();
    this.filter.select();
  }

  #filterKey(event) {
    if (event.key !== "Enter" && event.key !== "Escape") return;
    event.preventDefault();
    const [first] = this.#found(this.store.usable);
    if (event.key === "Enter" && first && this.filter.value.trim()) actions.label(this.editor, first.id);
    this.filter.value = "";
    this.searching = false;
    this.refresh();
    this.editor.focusStage();
  }

  // ---- A new label

  #typing() {
    this.form.querySelector("button").hidden = !this.name.value.trim();
    this.error.hidden = true;
  }

  async #add() {
    const name = this.name.value.trim();
    if (!name || this.adding) return;
    this.adding = true;
    try {
      const label = await this.editor.api.addLabel(name);
      this.name.value = "";
      this.#typing();
      this.store.setLabels([...this.store.labels, label]);
      actions.label(this.editor, label.id);
      this.editor.focusStage();
    } catch (error) {
      this.error.textContent = error.status ? error.message : `“${name}” could not be added: the server does not answer. Try again.`;
      this.error.hidden = false;
    } finally {
      this.adding = false;
    }
  }
}
