/** The annotation editor: its parts, put together. */
import { toast } from "../shell.js";
import { actions } from "./actions.js";
import { Adjust } from "./adjust.js";
import { makeApi, setUser } from "./api.js";
import { askedPlace, showPlace } from "./asked_place.js";
import { Crosshair } from "./crosshair.js";
import { Documents } from "./documents.js";
import { Filmstrip } from "./filmstrip.js";
import { Picture } from "./image.js";
import { saveText } from "./files.js";
import { Help } from "./help.js";
import { showKeys } from "./keyhints.js";
import { Keys } from "./keys.js";
import { LabelPanel } from "./labels.js";
import { BoxList } from "./list.js";
import { LoginDialog } from "./login.js";
import { addAnnotations, newAnnotation } from "./make.js";
import { Pointer } from "./pointer.js";
import { Presence } from "./presence.js";
import { Renderer } from "./render.js";
import { SidePanel } from "./side_panel.js";
import { settings } from "./settings.js";
import { StatusView } from "./status.js";
import { Store } from "./store.js";
import { SuggestionPanel } from "./suggest.js";
import { makeSync } from "./sync.js";
import { Toolbar } from "./toolbar.js";
import { Viewport } from "./viewport.js";

const byId = (id) => document.getElementById(id);

export class Editor {
  /** @param {object} config what the page says (webapp/labeling/views.py) */
  constructor(config) {
    this.config = config;
    setUser(config.user_id);
    this.api = makeApi(config.api, config.project_id);
    this.store = new Store(config);
    this.view = new Viewport();
    this.stage = byId("stage");
    this.live = byId("live");
    this.sync = makeSync({
      userId: config.user_id ?? 0,
      patch: this.api.patch,
      notify: (event, detail) => this.#heard(event, detail),
    });
    this.documents = new Documents(this.api, this.sync);
    this.picture = new Picture(byId("pixels"), this.view, (problem) => this.#stageNote(problem));
    this.renderer = new Renderer({ still: byId("static"), active: byId("active") }, this.store, this.view);
    this.crosshair = new Crosshair({ h: byId("cross-h"), v: byId("cross-v"), read: byId("read") }, this.view);
    this.pointer = new Pointer(this);
    this.keys = new Keys(this);
    this.help = new Help(byId("keys"), this);
    this.#panels();
    this.store.on("edit", ({ changes, state }) => this.#queue(changes, state));
    this.store.on("keys tool", () => showKeys(byId("editor"), this.keys.map));
    showKeys(byId("editor"), this.keys.map);
    new ResizeObserver(() => this.#resized()).observe(this.stage);
    this.#resized();
  }

  #panels() {
    this.labels = new LabelPanel({
      list: byId("labels"), search: byId("label-search"), filter: byId("label-filter"), empty: byId("labels-empty"),
      form: byId("label-form"), name: byId("label-name"), error: byId("label-error"), all: byId("labels-all"), note: byId("labels-note"),
    }, this);
    this.boxes = new BoxList({
      list: byId("boxes"), scroller: byId("panel"), count: byId("box-count"), empty: byId("boxes-empty"),
    }, this);
    this.suggestions = new SuggestionPanel({
      section: byId("suggestions-section"), list: byId("suggestions"), count: byId("suggestion-count"),
      threshold: byId("threshold"), value: byId("threshold-value"), label: byId("suggestion-label"), all: byId("accept-all"), none: byId("reject-all"),
    }, this);
    this.filmstrip = new Filmstrip({ film: byId("film"), track: byId("film-track") }, this);
    this.adjust = new Adjust({ button: byId("adjust-button"), panel: byId("adjust"), pixels: byId("pixels") }, this);
    this.toolbar = new Toolbar(byId("editor"), this);
    this.login = new LoginDialog(this);
    this.presence = new Presence(this);
    this.side = new SidePanel(this);
    this.status = new StatusView({ badge: byId("badge"), notices: byId("notices") }, this);
  }

  async start() {
    await this.sync.adopt();
    window.addEventListener("popstate", (event) => {
      if (event.state?.image) this.show(event.state.image, { push: false });
    });
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.refresh(true);
    });
    history.replaceState({ image: this.config.image_id }, "");
    const place = askedPlace(location.hash);
    await this.show(this.config.image_id, { push: false });
    if (place && this.store.document) showPlace(this, place);
    if (this.store.usable.length) this.focusStage();
  }

  // ---- Images

  /** @param {number} id */
  urlOf(id) {
    return this.config.urls.editor.replace("{id}", id);
  }

  /** Show an image. What was not saved of the one before is sent now. @param {number} id */
  async show(id, { push = true } = {}) {
    if (this.store.document) this.sync.flush({ imageId: this.store.document.id });
    this.wanted = id;
    let image;
    try {
      image = await this.documents.get(id);
    } catch (error) {
      if (this.wanted === id) this.#notShown(id, error);
      return;
    }
    if (this.wanted !== id) return;
    if (push && id !== this.config.image_id) history.pushState({ image: id }, "", this.urlOf(id));
    this.config.image_id = id;
    document.title = `Label ${image.name} · ${this.config.project_name} · Boxloop`;
    this.view.setImage(image, settings.keepZoom);
    const pixels = this.picture.show(image);
    this.store.open(image);
    this.viewChanged();
    this.status.refresh();
    this.say(`${image.name}, ${image.position} of ${image.count}, ${this.store.boxes.length} boxes.`);
    await pixels;
    this.refresh();
    this.documents.readAhead(image, this.picture);
  }

  /** @param {"next_id"|"previous_id"} neighbour @param {string|null} end what to say when there is none */
  go(neighbour, end) {
    const id = this.store.document?.[neighbour];
    if (id) return this.show(id);
    if (end) return this.tell(end);
    return this.goToNextOpen();
  }

  /** The server knows which image comes next that is not done. */
  async goToNextOpen() {
    const here = this.store.document;
    if (!here) return;
    this.sync.flush();
    await this.settled(1500);
    const url = `${this.config.urls.next}?after=${here.id}`;
    const pattern = new RegExp(`${this.urlOf("(\\d+)").replaceAll("/", "\\/")}$`);
    const answer = await fetch(url, { credentials: "same-origin", signal: AbortSignal.timeout(10_000) }).catch(() => null);
    const id = Number(answer && pattern.exec(new URL(answer.url).pathname)?.[1]);
    const next = id && (await this.documents.get(id).catch(() => null));
    if (!next) return this.tell("The next image cannot be asked for now: the server does not answer.");
    if (next.state !== "done" && next !== here) return this.show(id);
    toast({ title: here.state === "done" ? "All images are done." : "All other images are done.", lines: [{ text: "Freeze them and train.", href: this.config.urls.images, link: "To the images" }] });
  }

  /** Wait for what is being saved. @returns {Promise<boolean>} whether nothing of the image waits */
  async settled(longest, imageId = this.store.document?.id) {
    const end = Date.now() + longest;
    while (this.sync.summary().kind === "saving" && Date.now() < end) await new Promise((done) => setTimeout(done, 50));
    return !this.sync.records.has(imageId);
  }

  #notShown(id, error) {
    const words = error.status === 404 ? "This image is no longer in the project." : error.status === 401 ? "Your login has expired." : error.message;
    if (this.store.document) {
      this.wanted = this.store.document.id;
      toast({ kind: "warn", seconds: 8, title: "The image cannot be shown.", lines: [error.status === 401 ? { text: words, href: this.config.urls.login, link: "Log in" } : words] });
    } else this.#stageNote(words, () => this.show(id, { push: false }));
  }

  /** Take over what others changed, where nothing of ours waits. */
  async refresh(always = false) {
    const { document: here } = this.store;
    if (!here || this.store.draft) return;
    const image = await this.documents.refreshed(here, always);
    if (!image) return;
    here.revision = image.revision;
    here.state = image.state;
    this.store.replace(here, image.annotations);
    this.store.emit("state", {});
    this.tell(`${here.name} was changed by somebody else and is up to date now.`);
  }

  // ---- Saving

  #queue(changes, state) {
    const { id, name, revision } = this.store.document;
    this.sync.edit({ id, project_id: this.config.project_id, name, revision }, changes, state);
  }

  #heard(event, detail) {
    const image = detail && this.documents.loaded.get(detail.image_id);
    if (event === "saved" && image) {
      image.revision = detail.revision;
      if (detail.state) image.state = detail.state;
      this.store.emit("state", {});
    } else if (event === "rebased" && image) {
      Object.assign(image, { revision: detail.revision, state: detail.state });
      this.store.replace(image, detail.annotations);
      this.store.emit("state", {});
      this.tell(`Somebody else works on ${image.name} too. Their boxes were added.`);
    } else if (event === "replaced" && image) {
      const others = image.annotations.filter((one) => one.id !== detail.id);
      this.store.replace(image, detail.annotation ? [...others, detail.annotation] : others);
    } else if (event === "adopted" && image) {
      this.documents.forget(detail.image_id);
      if (this.store.document?.id === detail.image_id) this.show(detail.image_id, { push: false });
    }
    this.side?.heard(event, detail);
    this.status?.refresh();
  }

  /** Give up what cannot be saved of an image, and show it as the server has it. @param {number} imageId */
  async discard(imageId) {
    this.sync.discard(imageId);
    this.documents.cache.delete(imageId);
    if (this.store.document?.id === imageId) await this.show(imageId, { push: false });
  }

  /** Download what is in the outbox. */
  saveCopy() {
    const now = new Date().toISOString().slice(0, 19).replaceAll(":", "-");
    saveText(`boxloop-edits-${now}.json`, JSON.stringify([...this.sync.records.values()], null, 1));
  }

  /** @param {import("./queue.js").Conflict|null} conflict */
  showConflict(conflict) {
    if (this.renderer.conflict === conflict) return;
    this.renderer.conflict = conflict;
    if (conflict) this.changeView((view) => view.reveal(conflict.mine ?? conflict.theirs));
    this.renderer.invalidate();
  }

  /** @param {Map<string, string>} refused words by annotation */
  showRefused(refused) {
    if (!refused.size && !this.renderer.refused.size) return;
    this.renderer.refused = refused;
    this.renderer.invalidate();
  }

  // ---- Boxes

  /** A new box of the sticky label. @param {import("./types.js").Box} box */
  addBox(box) {
    const { store } = this;
    if (store.activeLabelId === null) {
      this.tell("Make a label first.");
      byId("label-name").focus();
      return;
    }
    if (store.isLocked(store.activeLabelId)) return this.tellLocked(store.activeLabelId);
    // What is drawn is to be seen.
    if (store.hiddenLabels.has(store.activeLabelId)) store.toggleLabelHidden(store.activeLabelId);
    store.setHidden(false);
    addAnnotations(store, [newAnnotation(store, box)], "Draw");
    this.say(`${store.labelName(store.activeLabelId)}, box ${store.boxes.length}.`);
  }

  /** @param {number} labelId */
  tellLocked(labelId) {
    this.tell(`${this.store.labelName(labelId)} is locked. Unlock it in the list of labels first.`);
  }

  /** For the keyboard alone: a quarter of what is in view. */
  boxAtCentre() {
    const { store, view } = this;
    if (!store.canEdit || !store.document) return;
    const { xmin, ymin, xmax, ymax } = view.visible;
    const { width, height } = store.document;
    const [left, right] = [Math.max(0, xmin), Math.min(width, xmax)];
    const [top, bottom] = [Math.max(0, ymin), Math.min(height, ymax)];
    const [w, h] = [Math.max(1, (right - left) / 4), Math.max(1, (bottom - top) / 4)];
    const [x, y] = [(left + right) / 2, (top + bottom) / 2];
    this.addBox({
      xmin: Math.max(0, Math.round(x - w / 2)),
      ymin: Math.max(0, Math.round(y - h / 2)),
      xmax: Math.min(width, Math.round(x + w / 2)),
      ymax: Math.min(height, Math.round(y + h / 2)),
    });
  }

  revealSelection = () => {
    const [first] = this.store.selected;
    if (first) this.changeView((view) => view.reveal(first));
  };

  // ---- View

  #resized() {
    const { width, height } = this.stage.getBoundingClientRect();
    this.stageRect = this.stage.getBoundingClientRect();
    this.view.setStage(width, height);
    this.renderer.resize(width, height);
    this.viewChanged();
  }

  /** @param {(view: Viewport) => void} change */
  changeView(change) {
    change(this.view);
    this.viewChanged();
  }

  zoomBy(factor) {
    const at = this.pointer.at ?? { x: this.view.stage.width / 2, y: this.view.stage.height / 2 };
    this.changeView((view) => view.zoomAt(at.x, at.y, factor));
  }

  viewChanged() {
    this.picture.place();
    this.renderer.invalidate();
    this.toolbar?.showZoom();
  }

  #stageNote(words, retry = () => this.picture.show(this.store.document)) {
    const note = byId("stage-note");
    note.hidden = !words;
    if (!words) return;
    const again = document.createElement("button");
    Object.assign(again, { type: "button", className: "btn sm", textContent: "Try again" });
    again.addEventListener("click", retry);
    note.replaceChildren(words, again);
  }

  /** The keys' place, without the ring that shows where Tab has led. */
  focusStage() {
    this.stage.classList.add("quiet");
    this.stage.focus({ preventScroll: true });
    this.stage.addEventListener("blur", () => this.stage.classList.remove("quiet"), { once: true });
  }

  /** To a screen reader, politely. @param {string} words */
  say = (words) => {
    this.live.textContent = "";
    this.live.textContent = words;
  };

  /** To everybody: on the screen for a moment too. @param {string} words */
  tell = (words) => {
    this.hint?.remove();
    // The toasts are a live region of their own.
    this.hint = toast({ title: words, kind: "info", seconds: 3 });
  };
}

const editor = new Editor(JSON.parse(byId("editor-config").textContent));
// Kept on the element, not on the window, for tests and for the curious.
byId("editor").editor = editor;
byId("editor").actions = actions;
editor.start();
