/**
 * The panel that takes the place of labels and boxes: review, comments, history, deleted boxes.
 * It asks the server only while it is open, and stays open from image to image.
 */
import { CommentList } from "./comments.js";
import { HistoryList } from "./history.js";
import { ReviewCard } from "./review.js";
import { TrashList } from "./deleted.js";
import { plural } from "./moments.js";

const KEY = "boxloop.editor.side";
const byId = (id) => document.getElementById(id);

export class SidePanel {
  /** @param {import("./main.js").Editor} editor */
  constructor(editor) {
    this.editor = editor;
    this.panel = byId("side-panel");
    this.buttons = [...document.querySelectorAll("[data-side-panel]")];
    this.review = new ReviewCard(editor, this);
    this.comments = new CommentList(editor, this);
    this.history = new HistoryList(editor);
    this.trash = new TrashList(editor);
    this.parts = [this.review, this.comments, this.history, this.trash];
    byId("side-close").addEventListener("click", () => this.toggle());
    editor.store.on("document", () => this.#changed());
    editor.store.on("document state", () => this.#count());
    editor.store.on("selection", () => this.isOpen && this.parts.forEach((part) => part.selected?.()));
    this.#set(editor.config.reviewing || sessionStorage.getItem(KEY) === "open");
  }

  get isOpen() {
    return !this.panel.hidden;
  }

  toggle() {
    this.#set(!this.isOpen);
    try {
      sessionStorage.setItem(KEY, this.isOpen ? "open" : "");
    } catch {
      // Storage is switched off: the panel is remembered for this page alone.
    }
    if (!this.isOpen) this.history.leave();
    this.editor.focusStage();
  }

  open() {
    if (!this.isOpen) this.toggle();
  }

  #set(open) {
    this.panel.hidden = !open;
    byId("panel").hidden = open;
    for (const button of this.buttons) {
      button.setAttribute("aria-pressed", open);
      button.classList.toggle("on", open);
    }
    // One main button a view: here it is Accept, where there is one.
    byId("done").classList.toggle("pri", !open);
    if (open) this.refresh();
  }

  #changed() {
    const image = this.editor.store.document;
    if (image?.earlier || !this.isOpen) return;
    this.refresh();
  }

  /** Ask the server anew; soon, and once for several reasons. */
  refresh() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#read(), 60);
  }

  async #read() {
    const image = this.editor.store.document;
    if (!image || !this.isOpen) return;
    const { api } = this.editor;
    const id = image.id;
    const ask = (asked) => asked.catch(() => null);
    const [review, authors, history, deleted] = await Promise.all([
      ask(api.readReview(id)), ask(api.authors(id)), ask(api.history(id)), ask(api.deleted(id)),
    ]);
    if (this.editor.store.document?.id !== id) return;
    byId("side-offline").hidden = Boolean(review && authors && history && deleted);
    if (!review || !authors || !history || !deleted) return;
    this.review.show(review, authors);
    this.comments.show(review.comments);
    this.history.show(history);
    this.trash.show(deleted);
    image.open_comments = review.comments.filter((one) => !one.resolved_at).length;
    image.verdict = review.verdict;
    this.editor.store.emit("state", {});
  }

  /** The button counts the open comments, whether the panel is open or not. */
  #count() {
    const count = this.editor.store.document?.open_comments ?? 0;
    for (const button of this.buttons) {
      button.dataset.count = count || "";
      button.setAttribute("aria-label", `Review, comments and history${count ? `, ${plural(count, "open comment")}` : ""}`);
    }
  }

  /** The outbox tells what happened. @param {string} event */
  heard(event, detail) {
    if (event === "saved") this.editor.login.settled();
    if (event === "status" && this.editor.sync.login) this.editor.login.offer();
    const here = this.editor.store.document?.id;
    if (this.isOpen && ["saved", "rebased"].includes(event) && detail.image_id === here) this.refresh();
  }
}
