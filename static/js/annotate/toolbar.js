/** Buttons, the head's words, the progress, Done. */
import { actions } from "./actions.js";
import { settings } from "./settings.js";

const VERDICTS = { sent_back: "sent back", flagged: "flagged for review", accepted: "accepted" };

export class Toolbar {
  /** @param {HTMLElement} root @param {import("./main.js").Editor} editor */
  constructor(root, editor) {
    this.root = root;
    this.editor = editor;
    this.store = editor.store;
    root.classList.toggle("reading", !this.store.canEdit);
    root.addEventListener("click", (event) => this.#clicked(event));
    document.getElementById("back").addEventListener("click", (event) => this.#leave(event));
    for (const [id, action] of [["previous", "previous"], ["next", "next"], ["help", "help"]]) {
      document.getElementById(id).dataset.action = action;
    }
    this.store.on("document state", (detail) => this.#image(detail));
    this.store.on("tool shown selection boxes document", () => this.#buttons());
    this.#buttons();
  }

  #clicked(event) {
    const button = event.target.closest("[data-action], [data-tool]");
    if (!button || button.disabled) return;
    const { action, tool } = button.dataset;
    if (tool) this.store.setTool(tool);
    else actions[action](this.editor, event);
    // After a click Space means the image again, not the button.
    if (event.detail && !["help", "toggleAdjust"].includes(action)) this.editor.focusStage();
  }

  /** Leaving the page waits a moment for the last edit instead of asking. */
  async #leave(event) {
    const { sync } = this.editor;
    if (sync.summary().kind !== "saving" || event.ctrlKey || event.metaKey) return;
    event.preventDefault();
    sync.flush();
    for (let i = 0; i < 40 && sync.summary().kind === "saving"; i++) await new Promise((done) => setTimeout(done, 50));
    location.assign(document.getElementById("back").href);
  }

  #image(detail) {
    const { document: image } = this.store;
    if (!image) return;
    const set = (id, words) => (document.getElementById(id).textContent = words);
    if (this.shownImage !== image) {
      this.shownImage = image;
      set("image-name", image.name.split("/").pop());
      document.getElementById("image-name").title = image.name;
      set("position", `${image.position} of ${image.count}`);
      document.getElementById("previous").disabled = !image.previous_id;
      document.getElementById("next").disabled = !image.next_id;
      this.#progress(image);
    }
    const facts = [this.editor.config.project_name, image.split, `${image.width} × ${image.height}`, VERDICTS[image.verdict] ?? (image.state === "done" ? "done" : "")];
    set("image-facts", facts.filter(Boolean).join(" · "));
    if (detail?.from && detail.from !== image.state) {
      if (image.state === "done") this.done += 1;
      else if (detail.from === "done") this.done -= 1;
    }
    this.#showProgress(image.count);
    this.#foot(image);
  }

  /** A count that was read ahead may be older than what was done since. */
  #progress(image) {
    if (this.done === undefined || image.readAt > (this.countedAt ?? 0)) {
      const pending = [...this.editor.sync.records.values()].filter((one) => one.ops.some((op) => op.state)).length;
      if (!pending) {
        this.done = this.done === undefined ? image.done : Math.max(image.done, Math.min(this.done, image.count));
        this.countedAt = image.readAt;
      } else this.done ??= image.done;
    }
  }

  #showProgress(count) {
    document.getElementById("done-count").textContent = `${this.done} of ${count} done`;
    const bar = document.getElementById("done-bar");
    bar.firstElementChild.style.width = `${count ? (100 * this.done) / count : 0}%`;
    bar.setAttribute("aria-valuemax", count);
    bar.setAttribute("aria-valuenow", this.done);
  }

  #foot(image) {
    const { canEdit } = this.store;
    const done = document.getElementById("done");
    const finished = image.state === "done" || !canEdit;
    done.firstElementChild.textContent = finished ? "Next image" : "Done, next image";
    document.getElementById("reopen").hidden = image.state !== "done" || !canEdit;
  }

  #buttons() {
    const { store, root } = this;
    for (const button of root.querySelectorAll("[data-tool]")) {
      const on = button.dataset.tool === store.tool;
      button.classList.toggle("on", on);
      button.classList.toggle("ghost", !on);
      button.setAttribute("aria-pressed", on);
    }
    const pressed = { toggleHidden: store.hidden, toggleCrosshair: settings.crosshair, toggleFinger: settings.fingerPans };
    for (const [action, on] of Object.entries(pressed)) {
      for (const button of root.querySelectorAll(`[data-action=${action}]`)) {
        button.setAttribute("aria-pressed", on);
        button.classList.toggle("on", on && action !== "toggleCrosshair");
      }
    }
    const history = store.document?.history;
    const able = { undo: history?.done.length, redo: history?.undone.length, remove: store.selection.size, copyPrevious: store.document?.previous_id };
    for (const [action, can] of Object.entries(able)) root.querySelector(`.etools [data-action=${action}]`).disabled = !can || !store.canEdit;
  }

  showZoom() {
    const { view } = this.editor;
    document.getElementById("zoom-value").textContent = `${Math.round(view.scale * devicePixelRatio * 100)} %`;
  }
}
