/** Comments on the image or on one of its boxes; open ones first. */
import { element, icon } from "../shell.js";
import { avatar, moment, nameOf } from "./people.js";

const byId = (id) => document.getElementById(id);

export class CommentList {
  /** @param {import("./main.js").Editor} editor @param {import("./side_panel.js").SidePanel} side */
  constructor(editor, side) {
    Object.assign(this, { editor, side });
    this.list = byId("comments");
    this.form = byId("comment-form");
    this.error = byId("comment-error");
    this.form.addEventListener("submit", (event) => this.#submitted(event));
    this.form.text.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) this.form.requestSubmit();
      if (event.key === "Escape") editor.focusStage();
    });
    this.list.addEventListener("click", (event) => this.#clicked(event));
  }

  /** Start to write, on the selected box where there is one. */
  write() {
    this.side.open();
    this.form.text.focus();
  }

  show(comments) {
    this.comments = comments;
    const open = comments.filter((one) => !one.resolved_at);
    const closed = comments.filter((one) => one.resolved_at);
    this.form.hidden = !this.editor.store.canEdit;
    byId("comment-count").textContent = open.length || "";
    byId("comments-empty").hidden = comments.length > 0;
    this.list.replaceChildren(...[...open, ...closed].map((one) => this.#row(one)));
    this.selected();
  }

  /** The form says what the comment will be on. */
  selected() {
    const { single } = this.editor.store;
    this.form.querySelector("button").textContent = single ? `Comment on this ${this.editor.store.labelName(single.label_id)}` : "Comment on the image";
  }

  #row(comment) {
    const { store } = this.editor;
    const box = comment.annotation && store.byId(comment.annotation);
    const about = !comment.annotation ? null : box
      ? element("button", { type: "button", class: "link s12", "data-act": "box" }, `on ${store.labelName(box.label_id)}`)
      : element("span", { class: "t3 s12" }, "on a deleted box");
    const act = (name, words) => element("button", { type: "button", class: "btn ghost tiny", "data-act": name }, words);
    const acts = store.canEdit ? [
      act("resolve", comment.resolved_at ? "Open again" : "Resolve"),
      comment.who.you || this.editor.config.role === "owner" ? act("delete", "Delete") : null,
    ] : [];
    return element("li", { class: `remark${comment.resolved_at ? " resolved" : ""}`, "data-id": comment.id },
      element("div", { class: "row g2" }, avatar(comment.who), element("span", { class: "m5 el" }, nameOf(comment.who)), about, element("span", { class: "r" }), moment(comment.at)),
      element("p", {}, comment.text),
      element("div", { class: "row g1" }, comment.resolved_at ? element("span", { class: "t3 s12 row g1" }, icon("check", "s"), `Resolved by ${nameOf(comment.resolved_by).replace("You", "you")}`) : null, element("span", { class: "r" }), ...acts.filter(Boolean)));
  }

  async #clicked(event) {
    const act = event.target.closest("[data-act]")?.dataset.act;
    const comment = this.comments.find((one) => String(one.id) === event.target.closest("li")?.dataset.id);
    if (!act || !comment) return;
    const { store, api } = this.editor;
    if (act === "box") {
      store.select([comment.annotation]);
      this.editor.revealSelection();
      return;
    }
    const id = store.document.id;
    await this.#ask(act === "delete" ? api.deleteComment(id, comment.id) : api.resolveComment(id, comment.id, !comment.resolved_at));
  }

  async #submitted(event) {
    event.preventDefault();
    const { store, api, sync } = this.editor;
    const text = this.form.text.value;
    if (!text.trim()) return this.form.text.focus();
    const image = store.document;
    const { single } = store;
    // A box that was drawn a moment ago must be on the server before it can be spoken of.
    sync.flush({ imageId: image.id });
    await this.editor.settled(3000, image.id);
    if (await this.#ask(api.comment(image.id, text, single?.id ?? null))) {
      this.form.text.value = "";
      this.editor.say("Comment saved.");
    }
  }

  /** @param {Promise<any>} asked */
  async #ask(asked) {
    try {
      await asked;
      this.#say("");
      return true;
    } catch (error) {
      this.#say(error.status === 0 ? "The server does not answer. The words stay here; try again in a moment." : error.message);
      return false;
    } finally {
      this.side.refresh();
    }
  }

  #say(words) {
    this.error.textContent = words;
    this.error.hidden = !words;
  }
}
