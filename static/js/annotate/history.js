/** The image's history: who did what; an earlier state can be looked at, and gone back to. */
import { element } from "../shell.js";
import { plural } from "./moments.js";
import { avatar, moment, nameOf } from "./people.js";
import { changesBackTo } from "./restoring.js";
import { ImageDocument } from "./store.js";

const byId = (id) => document.getElementById(id);

export class HistoryList {
  /** @param {import("./main.js").Editor} editor */
  constructor(editor) {
    this.editor = editor;
    this.list = byId("history");
    this.more = byId("history-more");
    this.bar = byId("earlier");
    this.list.addEventListener("click", (event) => this.#clicked(event));
    this.more.addEventListener("click", () => this.#older());
    byId("earlier-back").addEventListener("click", () => this.leave());
    byId("earlier-restore").addEventListener("click", () => this.restore());
    // Another image was opened while an earlier state was shown.
    editor.store.on("document", () => !editor.store.document.earlier && this.today && this.#end());
  }

  show({ entries, more, added }) {
    Object.assign(this, { entries, added });
    this.#render(more);
  }

  async #older() {
    const image = this.editor.store.document;
    const before = this.entries.at(-1)?.revision;
    const answer = await this.editor.api.history(image.id, before).catch(() => null);
    if (!answer || this.editor.store.document?.id !== image.id) return;
    this.entries = [...this.entries, ...answer.entries];
    this.#render(answer.more);
  }

  #render(more) {
    const shown = this.editor.store.document.earlier?.revision;
    const rows = this.entries.map((entry, i) => this.#row(entry, i === 0, shown));
    if (!more) {
      rows.push(element("li", { class: "past" }, avatar(this.added.who), element("span", { class: "grow" }, element("span", { class: "m5" }, nameOf(this.added.who)), " added the image"), moment(this.added.at)));
    }
    this.list.replaceChildren(...rows);
    this.more.hidden = !more;
  }

  #row({ revision, who, at, words }, isLatest, shown) {
    const text = element("span", { class: "grow" }, element("span", { class: "m5" }, nameOf(who)), ` ${words}`);
    const on = shown === undefined ? isLatest : shown === revision;
    const button = element("button", { type: "button", class: `past${on ? " on" : ""}`, "data-revision": revision, "aria-pressed": String(on), title: isLatest ? "As it is now" : "Look at the boxes as they were after this" }, avatar(who), text, moment(at));
    return element("li", {}, button);
  }

  #clicked(event) {
    const revision = event.target.closest("[data-revision]")?.dataset.revision;
    if (revision) this.look(Number(revision));
  }

  /** Show the boxes of a revision; nothing can be changed meanwhile. @param {number} revision */
  async look(revision) {
    const { editor } = this;
    const today = this.today ?? editor.store.document;
    if (revision === today.revision) return this.leave();
    const answer = await editor.api.revision(today.id, revision).catch(() => null);
    if (editor.store.document?.id !== today.id) return;
    if (!answer) return editor.tell("The server does not answer. Try again in a moment.");
    const { history, ...facts } = today;
    const past = new ImageDocument({ ...facts, annotations: answer.annotations, revision: today.revision });
    past.earlier = { revision };
    this.today = today;
    this.couldEdit ??= editor.store.canEdit;
    editor.store.canEdit = false;
    editor.store.open(past);
    editor.viewChanged();
    byId("editor").classList.add("reading", "looking-back");
    byId("earlier-words").textContent = `${plural(past.annotations.length, "box")} after revision ${revision}`;
    byId("earlier-restore").hidden = !this.couldEdit;
    this.bar.hidden = false;
    this.#mark(revision);
    editor.say(`Revision ${revision}: ${plural(past.annotations.length, "box")}.`);
  }

  /** Back to today's boxes. */
  leave() {
    const { today } = this;
    if (!today) return;
    this.#end();
    this.editor.store.open(today);
    this.editor.viewChanged();
    this.#mark(this.entries[0]?.revision);
    this.editor.refresh(true);
  }

  #end() {
    const { store } = this.editor;
    store.canEdit = this.couldEdit;
    this.today = this.couldEdit = undefined;
    byId("editor").classList.toggle("reading", !store.canEdit);
    byId("editor").classList.remove("looking-back");
    this.bar.hidden = true;
    store.emit("tool");
  }

  /** Make today's boxes those of the revision that is shown, as an edit that can be undone. */
  restore() {
    const { editor } = this;
    const { annotations, earlier } = editor.store.document;
    if (!earlier) return;
    this.leave();
    const { store, sync } = editor;
    const usable = (id) => store.usable.some((label) => label.id === id);
    const { changes, leftOut } = changesBackTo(store.annotations, annotations, usable);
    // What was edited before is an operation of its own.
    sync.flush({ imageId: store.document.id });
    if (store.execute({ name: "Go back", changes })) sync.markRestore(store.document.id, earlier.revision);
    const left = leftOut ? ` ${plural(leftOut, "box")} of retired labels stayed out.` : "";
    editor.tell(changes.length ? `Back to revision ${earlier.revision}. Ctrl+Z undoes it.${left}` : `Nothing differs from revision ${earlier.revision}.${left}`);
  }

  #mark(revision) {
    for (const button of this.list.querySelectorAll("[data-revision]")) {
      const on = Number(button.dataset.revision) === revision;
      button.classList.toggle("on", on);
      button.setAttribute("aria-pressed", on);
    }
  }
}
