/** The panel's suggestions: from which confidence on, of which label, yes or no to each or to all. */
import { element, icon } from "../shell.js";
import { setStatus } from "./commands.js";
import { setSetting, settings } from "./settings.js";

const MOST_ROWS = 100;

export class SuggestionPanel {
  /**
   * @param {{section: HTMLElement, list: HTMLElement, count: HTMLElement, threshold: HTMLInputElement,
   *   value: HTMLElement, label: HTMLSelectElement, all: HTMLElement, none: HTMLElement}} parts
   * @param {import("./main.js").Editor} editor
   */
  constructor(parts, editor) {
    Object.assign(this, parts);
    this.editor = editor;
    this.store = editor.store;
    this.threshold.value = Math.round(settings.threshold * 100);
    this.threshold.addEventListener("input", () => this.#slid());
    this.threshold.addEventListener("pointerup", () => this.editor.focusStage());
    this.label.addEventListener("change", () => {
      this.store.suggestionLabel = this.label.value ? Number(this.label.value) : null;
      this.store.emit("shown");
      this.editor.focusStage();
    });
    this.list.addEventListener("click", (event) => this.#clicked(event));
    this.store.on("document boxes selection shown labels", () => this.refresh());
    this.store.on("document", () => (this.store.suggestionLabel = null));
    this.#showThreshold();
  }

  refresh() {
    this.frame ??= requestAnimationFrame(() => {
      this.frame = null;
      this.#render();
    });
  }

  #render() {
    const { store } = this;
    const all = store.annotations.filter((one) => one.status === "suggested");
    this.section.hidden = !all.length;
    if (!all.length) return;
    const shown = store.suggestions;
    this.count.textContent = shown.length === all.length ? all.length : `${shown.length} of ${all.length}`;
    this.#labels(all);
    const focused = document.activeElement?.closest?.("li")?.dataset.id;
    const act = document.activeElement?.dataset.act;
    this.list.replaceChildren(...shown.slice(0, MOST_ROWS).map((one) => this.#row(one)));
    if (focused && act) this.list.querySelector(`[data-id="${CSS.escape(focused)}"] [data-act=${act}]`)?.focus();
    this.all.hidden = this.none.hidden = !shown.length || !store.canEdit;
    this.all.querySelector("span").textContent = shown.length === 2 ? "Accept both" : shown.length === 1 ? "Accept it" : `Accept all ${shown.length}`;
  }

  #labels(all) {
    const ids = [...new Set(all.map((one) => one.label_id))];
    this.label.hidden = ids.length < 2;
    const options = [["", "All labels"], ...ids.map((id) => [String(id), this.store.labelName(id)])];
    const key = options.join();
    if (this.labelKey === key) return;
    this.labelKey = key;
    this.label.replaceChildren(...options.map(([value, words]) => element("option", { value }, words)));
    this.label.value = this.store.suggestionLabel ?? "";
  }

  #row(annotation) {
    const { store } = this;
    const name = store.labelName(annotation.label_id);
    const percent = annotation.score === null ? "" : `${Math.round(annotation.score * 100)} %`;
    const swatch = element("span", { class: "swt dashed" });
    swatch.style.setProperty("--c", store.labelsById.get(annotation.label_id)?.color ?? "");
    const selected = store.selection.has(annotation.id);
    const choose = element("button", { type: "button", class: "name", "data-act": "choose", "aria-pressed": String(selected) },
      element("span", { class: "sr" }, "Suggestion: "), swatch, element("span", { class: "el" }, name), " ", element("span", { class: "n" }, percent));
    const button = (act, words, sign) => element("button", { type: "button", class: "btn ic ghost sm", "data-act": act, "aria-label": `${words} ${name} ${percent}`, title: words }, icon(sign));
    const buttons = store.canEdit && !store.isLocked(annotation.label_id) ? [button("accept", "Accept", "check"), button("reject", "Reject", "x")] : [];
    return element("li", { class: `li suggestion${selected ? " on" : ""}`, "data-id": annotation.id }, choose, ...buttons);
  }

  #clicked(event) {
    const act = event.target.closest("button")?.dataset.act;
    const id = event.target.closest("li")?.dataset.id;
    if (!act || !id) return;
    const { store } = this;
    if (act === "choose") {
      store.select([id]);
      this.editor.revealSelection();
    } else store.execute(setStatus(store.annotations, new Set([id]), act === "accept" ? "active" : "rejected"));
    if (event.detail) this.editor.focusStage();
  }

  #slid() {
    setSetting("threshold", Number(this.threshold.value) / 100);
    this.#showThreshold();
    this.store.emit("shown");
  }

  #showThreshold() {
    const percent = `${Math.round(settings.threshold * 100)} %`;
    this.value.textContent = percent;
    this.threshold.style.setProperty("--v", percent.replace(" ", ""));
    this.threshold.setAttribute("aria-valuetext", percent);
  }
}
