/** The image's deleted boxes: who deleted them and when, and back they come. */
import { element } from "../shell.js";
import { add } from "./commands.js";
import { height, width } from "./geometry.js";
import { plural } from "./moments.js";
import { moment, nameOf } from "./people.js";

const byId = (id) => document.getElementById(id);

export class TrashList {
  /** @param {import("./main.js").Editor} editor */
  constructor(editor) {
    this.editor = editor;
    this.rows = [];
    this.list = byId("deleted");
    this.list.addEventListener("click", (event) => {
      const id = event.target.closest("[data-restore]")?.dataset.restore;
      if (id) this.restore([id]);
    });
    byId("restore-all").addEventListener("click", () => this.restore(this.rows.map((row) => row.annotation.id)));
    editor.store.on("boxes document", () => this.#render());
  }

  show(rows) {
    this.all = rows;
    this.imageId = this.editor.store.document.id;
    this.#render();
  }

  #render() {
    const { store } = this.editor;
    const here = store.document;
    const current = new Set(store.annotations.map((one) => one.id));
    this.rows = here?.id === this.imageId && !here.earlier ? (this.all ?? []).filter(({ annotation }) => !current.has(annotation.id)) : [];
    byId("deleted-section").hidden = !this.rows.length;
    byId("deleted-count").textContent = this.rows.length;
    byId("restore-all").hidden = this.rows.length < 2 || !store.canEdit;
    this.list.replaceChildren(...this.rows.slice(0, 100).map((row) => this.#row(row)));
  }

  #row({ annotation, deleted_by: who, deleted_at: at }) {
    const { store } = this.editor;
    const swatch = element("span", { class: "swt" });
    swatch.style.setProperty("--c", store.labelsById.get(annotation.label_id)?.color ?? "");
    const name = store.labelName(annotation.label_id);
    const size = `${Math.round(width(annotation))} × ${Math.round(height(annotation))}`;
    const retired = !store.usable.some((label) => label.id === annotation.label_id);
    const button = store.canEdit ? element("button", { type: "button", class: "btn tiny", "data-restore": annotation.id, disabled: retired, title: retired ? "Its label is retired: bring the label back first" : "", "aria-label": `Restore ${name}, ${size}` }, "Restore") : null;
    return element("li", { class: "li lost" }, swatch,
      element("span", { class: "col grow" }, element("span", { class: "el" }, `${name} · ${size}`), element("span", { class: "t3 s12 el" }, `by ${nameOf(who).replace("You", "you")}, `, moment(at))),
      button);
  }

  /** Put boxes back where they were. @param {string[]} ids */
  restore(ids) {
    const { store } = this.editor;
    const wanted = new Set(ids);
    const usable = new Set(store.usable.map((label) => label.id));
    const back = this.rows.map((row) => row.annotation).filter((one) => wanted.has(one.id) && usable.has(one.label_id));
    if (!back.length || !store.execute(add(store.annotations, back.map(Object.freeze), "Restore"))) return;
    store.select(back.map((one) => one.id));
    this.editor.revealSelection();
    this.editor.say(`${plural(back.length, "box")} restored.`);
  }
}
