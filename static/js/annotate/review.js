/** The review of the image: how it stands, who drew what, accept or send back, flag. */
import { element, icon } from "../shell.js";
import { plural } from "./moments.js";
import { avatar, moment, nameOf } from "./people.js";

const byId = (id) => document.getElementById(id);
const VERDICTS = {
  accepted: ["ok", "ok", "Accepted"],
  sent_back: ["warn", "undo", "Sent back"],
  flagged: ["warn", "flag", "Flagged for review"],
};

export class ReviewCard {
  /** @param {import("./main.js").Editor} editor @param {import("./side_panel.js").SidePanel} side */
  constructor(editor, side) {
    Object.assign(this, { editor, side });
    this.words = byId("review-words");
    this.error = byId("review-error");
    for (const button of document.querySelectorAll("[data-review]")) {
      button.addEventListener("click", () => this.act(button.dataset.review));
    }
    byId("next-review").addEventListener("click", () => this.next());
    editor.store.on("document", () => {
      this.words.value = "";
      this.#say("");
    });
  }

  /** @param {object} review @param {{people: object, boxes: object}} authors */
  show(review, authors) {
    Object.assign(this, { review, authors });
    const { state } = this.editor.store.document;
    const { canEdit } = this.editor.store;
    const [kind, sign, words] = VERDICTS[review.verdict] ?? (state === "done" ? ["line", "clock", "Waits for a review"] : ["line", "empty", "Not done yet"]);
    byId("review-state").replaceChildren(
      element("span", { class: `pill ${kind}` }, icon(sign), element("span", {}, words)),
      ...(review.who ? [element("span", { class: "t2 s12 el" }, `by ${nameOf(review.who).replace("You", "you")}`), moment(review.at)] : []),
    );
    const may = canEdit && review.may_review;
    const show = { accept: may && review.verdict !== "accepted", send_back: may && review.verdict !== "sent_back", flag: canEdit && !review.verdict, take_flag_away: canEdit && review.verdict === "flagged" };
    for (const [action, on] of Object.entries(show)) document.querySelector(`[data-review=${action}]`).hidden = !on;
    byId("review-form").hidden = !may && !show.flag && !show.take_flag_away;
    byId("next-review").hidden = !may;
    byId("next-review").lastElementChild.textContent = review.waiting_count ? `Next to review (${review.waiting_count})` : "Nothing waits for a review";
    byId("next-review").disabled = !review.waiting_count;
    this.#authors();
    this.selected();
  }

  /** Who drew how many; a click selects theirs. */
  #authors() {
    const byPerson = new Map();
    for (const [id, { drawn_by }] of Object.entries(this.authors.boxes)) {
      byPerson.set(drawn_by, [...(byPerson.get(drawn_by) ?? []), id]);
    }
    const rows = [...byPerson].sort((a, b) => b[1].length - a[1].length).map(([person, ids]) => {
      const who = this.authors.people[person] ?? { name: "Somebody who left", initials: "–" };
      const button = element("button", { type: "button", class: "name", title: `Select what ${who.you ? "you" : who.name} drew` }, avatar(who), element("span", { class: "el" }, nameOf(who)), element("span", { class: "n" }, plural(ids.length, "box")));
      button.addEventListener("click", () => this.editor.store.select(ids));
      return element("li", { class: "li" }, button);
    });
    byId("authors").replaceChildren(...rows);
    byId("authors-section").hidden = !rows.length;
  }

  /** Of the selected box: who drew it and who changed it last. */
  selected() {
    const { single } = this.editor.store;
    const told = single && this.authors?.boxes[single.id];
    const place = byId("selected-author");
    place.hidden = !told;
    if (!told) return;
    const name = (id) => {
      const who = this.authors.people[id];
      return who ? nameOf(who) : "Somebody who left";
    };
    const how = { import: "imported", model: "taken from a model", copied: "copied" }[told.source] ?? "drawn";
    const label = this.editor.store.labelName(single.label_id);
    const changed = told.changed_by !== null && told.changed_at.slice(0, 19) !== told.drawn_at.slice(0, 19);
    place.replaceChildren(
      element("span", {}, `Selected: ${label}, ${how} by ${name(told.drawn_by).replace("You", "you")} `), moment(told.drawn_at),
      ...(changed ? [element("span", {}, `, changed by ${name(told.changed_by).replace("You", "you")} `), moment(told.changed_at)] : []),
    );
  }

  /** @param {"flag"|"take_flag_away"|"accept"|"send_back"} action */
  async act(action) {
    const { editor } = this;
    const image = editor.store.document;
    if (!image || image.earlier || this.busy) return;
    if (action === "send_back" && !this.words.value.trim()) {
      this.#say("Say in a few words what is to be changed; then it can be sent back.");
      this.words.focus();
      return;
    }
    this.busy = true;
    editor.sync.flush({ imageId: image.id });
    if (!(await editor.settled(5000, image.id))) {
      this.busy = false;
      return this.#say("Your own edits are not saved yet. Try again once the badge says Saved.");
    }
    try {
      const answer = await editor.api.review(image.id, image.revision, action, this.words.value);
      this.words.value = "";
      this.#say("");
      image.revision = answer.revision;
      const from = image.state;
      image.state = answer.state;
      editor.store.emit("state", { from });
      if (action === "accept" || action === "send_back") await this.next();
    } catch (error) {
      if (error.status === 409) await editor.refresh(true);
      this.#say(error.message);
    } finally {
      this.busy = false;
      this.side.refresh();
    }
  }

  /** Flag the image, or take its flag away. */
  async toggleFlag() {
    const { editor } = this;
    const image = editor.store.document;
    if (!image || !editor.store.canEdit) return;
    const now = await editor.api.readReview(image.id).catch(() => null);
    if (!now || editor.store.document !== image) return;
    if (now.verdict && now.verdict !== "flagged") return editor.tell("The image has been reviewed. Write a comment instead (C).");
    await this.act(now.verdict ? "take_flag_away" : "flag");
    editor.tell(this.error.hidden ? (now.verdict ? "The flag is taken away." : "Flagged for review.") : this.error.textContent);
  }

  /** Go to the next image that waits for a reviewer. */
  async next() {
    const here = this.editor.store.document;
    const { id } = await this.editor.api.nextToReview(here?.id ?? 0).catch(() => ({ id: here?.id }));
    if (id === null) this.editor.tell("Nothing waits for a review.");
    else if (id !== here?.id) await this.editor.show(id);
  }

  #say(words) {
    this.error.textContent = words;
    this.error.hidden = !words;
  }
}
