/** Who else has the image open; and what they saved, seen within seconds. */
import { element } from "../shell.js";
import { newUuid } from "./uuid.js";

const EVERY_MS = 5000;
const HIDDEN_EVERY_MS = 15_000;

export class Presence {
  /** @param {import("./main.js").Editor} editor */
  constructor(editor) {
    this.editor = editor;
    this.page = newUuid();
    this.place = document.getElementById("present");
    this.key = "";
    editor.store.on("document", () => this.#opened());
    document.addEventListener("visibilitychange", () => this.#say());
    window.addEventListener("pagehide", () => editor.api.leave(this.page).catch(() => {}));
  }

  #opened() {
    const { document: image } = this.editor.store;
    if (!image || image.id === this.imageId) return;
    this.imageId = image.id;
    this.#show([]);
    this.#say();
  }

  /** Say that this page is here, show the answer, and come again. */
  async #say() {
    clearTimeout(this.timer);
    const id = this.imageId;
    if (!id) return;
    // A device that is offline is asked by the queue alone.
    const answer = navigator.onLine === false ? null : await this.editor.api.bePresent(id, this.page).catch(() => null);
    if (id !== this.imageId) return;
    if (answer?.status === 200) this.#heard(answer.body);
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.#say(), document.visibilityState === "hidden" ? HIDDEN_EVERY_MS : EVERY_MS);
  }

  #heard({ others, revision }) {
    this.#show(others);
    const here = this.editor.store.document;
    if (here?.id === this.imageId && !here.earlier && revision > here.revision) this.editor.refresh(true);
  }

  /** @param {{id: number, name: string, initials: string, you: boolean}[]} others */
  #show(others) {
    const key = JSON.stringify(others);
    if (key === this.key) return;
    this.key = key;
    const names = others.map((one) => (one.you ? "You, in another tab" : one.name));
    const words = others.length ? `Also here: ${names.join(", ")}` : "";
    this.place.replaceChildren(...others.slice(0, 4).map((one) => element("span", { class: "ava", title: one.you ? "You have this image open in another tab, too" : `${one.name} has this image open, too` }, one.initials)));
    this.place.hidden = !others.length;
    this.place.setAttribute("aria-label", words);
    if (words) this.editor.say(`${words}.`);
  }
}
