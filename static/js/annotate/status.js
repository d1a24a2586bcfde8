/** The badge, and the notices at the panel's foot: offline, log in, refused, conflict. */
import { element, icon } from "../shell.js";

const plural = (count, noun) => `${count} ${noun}${count === 1 ? "" : "s"}`;
const clock = (time) => new Date(time).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

export class StatusView {
  /**
   * @param {{badge: HTMLElement, notices: HTMLElement}} parts
   * @param {import("./main.js").Editor} editor
   */
  constructor(parts, editor) {
    Object.assign(this, parts);
    this.editor = editor;
    this.key = "";
    setInterval(() => this.countdown && this.#count(), 1000);
  }

  /** Show how things stand. */
  refresh() {
    const { sync, store } = this.editor;
    const summary = sync.summary();
    this.#badge(summary, sync.storageFailed);
    const record = store.document && sync.records.get(store.document.id);
    const [conflictId] = Object.keys(record?.conflicts ?? {});
    this.editor.showConflict(conflictId ? record.conflicts[conflictId] : null);
    this.editor.showRefused(new Map(Object.entries(record?.refused ?? {}).map(([id, { message }]) => [id, message])));
    const notices = [
      conflictId && this.#conflict(record, conflictId),
      summary.kind === "login" && this.#login(summary),
      summary.kind === "offline" && this.#offline(summary),
      ...[...sync.records.values()].filter((one) => one.blocked || Object.keys(one.refused).length).map((one) => this.#refused(one)),
      summary.kind === "conflict" && !conflictId && this.#elsewhere(),
    ].filter(Boolean);
    const key = JSON.stringify(notices.map((notice) => notice.dataset.key));
    if (key !== this.key) this.notices.replaceChildren(...notices);
    this.key = key;
    this.countdown = summary.kind === "offline" ? summary : null;
    if (this.countdown) this.#count();
  }

  #badge({ kind, edits }, storageFailed) {
    const kept = ` · ${plural(edits, "edit")} kept`;
    // A phone shows the first words alone.
    const [css, sign, words, more = ""] = {
      saved: ["ok", "check", "Saved"],
      saving: ["", "clock", "Saving", storageFailed ? " · keep this tab open" : ""],
      offline: ["warn", "offline", "Offline", kept],
      login: ["warn", "lock", "Log in", ` to save${kept}`],
      conflict: ["warn", "warn", "Choose", " a version"],
      refused: ["dng", "error", "Not saved"],
    }[kind];
    this.badge.dataset.kind = kind;
    this.badge.className = `pill ${css}`;
    if (this.badge.lastElementChild.textContent === words + more) return;
    this.badge.replaceChildren(icon(sign), element("span", {}, words, element("span", { class: "no-ph" }, more)));
  }

  #offline({ edits, images, since, reason }) {
    const count = edits === 1 ? "1 edit is" : `${plural(edits, "edit")} on ${plural(images, "image")} are`;
    const kept = this.editor.sync.storageFailed ? "kept in this tab alone: do not close it" : "kept in this browser";
    const notice = this.#notice("offline", "offline", `No connection since ${clock(since)}`,
      `${count} ${kept}. Go on labelling: they are sent when the server answers.`,
      [this.#button("Try now", () => this.editor.sync.flush({ retry: true })), this.#copyButton(), element("span", { class: "t2 s12 r nw", id: "next-try" })]);
    notice.dataset.key = `offline ${edits} ${images} ${reason}`;
    return notice;
  }

  #count() {
    const seconds = Math.max(0, Math.round((this.countdown.nextAt - Date.now()) / 1000));
    const place = this.notices.querySelector("#next-try");
    if (place) place.textContent = seconds ? `next in ${seconds} s` : "trying";
  }

  #login({ edits }) {
    const again = this.#button("Log in", () => this.editor.login.open());
    again.classList.add("pri");
    const notice = this.#notice("login", "lock", "Your login has expired",
      `${plural(edits, "edit")} ${edits === 1 ? "is" : "are"} kept in this browser, and sent once you have logged in.`,
      [again, this.#copyButton()]);
    notice.dataset.key = `login ${edits}`;
    return notice;
  }

  #refused(record) {
    const reasons = [...new Set(Object.values(record.refused).map((one) => one.message))];
    const words = record.blocked ? blockedWords(record) : `${record.name}: ${reasons.join(" ")} Change the box and it is sent again.`;
    const notice = this.#notice("dng", "error", "Not saved", words, [
      record.blocked && this.#button("Try again", () => this.editor.sync.flush({ retry: true })),
      this.#copyButton(),
      this.#button("Give up these edits", () => this.editor.discard(record.image_id)),
    ].filter(Boolean));
    notice.dataset.key = `refused ${record.image_id} ${words}`;
    return notice;
  }

  #conflict(record, id) {
    const { base, mine, theirs } = record.conflicts[id];
    const left = Object.keys(record.conflicts).length;
    const name = this.editor.store.labelName((mine ?? theirs ?? base).label_id);
    const who = !theirs ? "Somebody else deleted it; you changed it." : !mine ? "You deleted it; somebody else changed it." : "Both are on the picture: yours solid, theirs dashed.";
    const choose = (side) => () => this.editor.sync.resolve(record.image_id, id, side);
    const notice = this.#notice("conflict", "warn", `Two versions of one box${left > 1 ? ` (1 of ${left})` : ""}`,
      `${name} was changed by somebody else while you changed it. ${who}`,
      [this.#button("Keep mine", choose("mine")), this.#button("Take theirs", choose("theirs"))]);
    notice.dataset.key = `conflict ${id} ${left}`;
    return notice;
  }

  #elsewhere() {
    const record = [...this.editor.sync.records.values()].find((one) => Object.keys(one.conflicts).length);
    const notice = this.#notice("conflict", "warn", "Two versions of one box",
      `${record.name}: somebody else changed a box that you changed.`,
      [this.#button(`Go to ${record.name}`, () => this.editor.show(record.image_id))]);
    notice.dataset.key = `elsewhere ${record.image_id}`;
    return notice;
  }

  #notice(kind, sign, title, words, buttons) {
    return element("section", { class: `ed-notice ${kind}`, role: kind === "dng" ? "alert" : "status" },
      element("div", { class: "row g2" }, icon(sign), element("span", { class: "b" }, title)),
      element("p", { class: "t2 s12" }, words), element("div", { class: "row g1 wrap" }, ...buttons));
  }

  #button(words, run) {
    const button = element("button", { type: "button", class: "btn sm" }, words);
    button.addEventListener("click", run);
    return button;
  }

  #copyButton() {
    const button = this.#button("Save a copy", () => this.editor.saveCopy());
    button.classList.add("ghost");
    return button;
  }
}

function blockedWords({ blocked, name }) {
  if (blocked.status === 403) return `${name}: you may no longer change this project. Ask its owner, or keep a copy of your edits.`;
  if (blocked.status === 404) return `${name} is no longer in the project. Keep a copy of your edits if you need them.`;
  return `${name}: the server answered ${blocked.status}. ${blocked.message}`;
}
