/**
 * What buttons and keys do, by name. Each is (editor, event) => void; a false result means that
 * there was nothing to do, and the key goes to the browser.
 */
import { copy, copyFrom, duplicate, paste } from "./clipboard.js";
import { change, place, relabel, remove, setFlag, setStatus } from "./commands.js";
import { growBox, groupShift, growBoxStart, moveBox } from "./geometry.js";
import { setSetting, settings } from "./settings.js";

const ZOOM_STEP = 1.25;
const plural = (count, noun) => `${count} ${noun}${count === 1 ? "" : noun.endsWith("x") ? "es" : "s"}`;

export const actions = {
  // ---- Tools and view
  draw(editor) {
    if (!editor.store.canEdit) return;
    const wasDrawing = editor.store.tool === "draw";
    editor.store.setTool("draw");
    if (wasDrawing && editor.pointer.at) editor.pointer.arm();
    else if (wasDrawing) actions.boxAtCentre(editor);
  },
  move: (editor) => editor.store.setTool("move"),
  boxAtCentre: (editor) => editor.boxAtCentre(),
  zoomIn: (editor) => editor.zoomBy(ZOOM_STEP),
  zoomOut: (editor) => editor.zoomBy(1 / ZOOM_STEP),
  fit: (editor) => editor.changeView((view) => view.fit()),
  oneToOne: (editor) => editor.changeView((view) => {
    const at = editor.pointer.at;
    view.setScale(1 / devicePixelRatio, at?.x, at?.y);
  }),
  toggleCrosshair(editor) {
    setSetting("crosshair", !settings.crosshair);
    editor.say(settings.crosshair ? "Crosshair on." : "Crosshair off.");
    editor.store.emit("tool");
  },
  toggleFinger(editor) {
    setSetting("fingerPans", !settings.fingerPans);
    editor.tell(settings.fingerPans ? "One finger moves the picture; a pen draws." : "One finger draws.");
    editor.store.emit("tool");
  },
  toggleAdjust: (editor) => editor.adjust.toggle(),
  brighter: (editor) => editor.adjust.step("brightness", 1),
  darker: (editor) => editor.adjust.step("brightness", -1),
  moreContrast: (editor) => editor.adjust.step("contrast", 1),
  lessContrast: (editor) => editor.adjust.step("contrast", -1),
  invert: (editor) => editor.adjust.invert(),
  plainView: (editor) => editor.adjust.reset(),
  /** For longer than a key is held: then nothing stays selected that is not seen. */
  toggleHidden({ store }) {
    store.setHidden(!store.hidden);
    if (store.hidden) store.select([]);
  },
  help: (editor) => editor.help.open(),

  // ---- Selection
  cancel(editor) {
    if (editor.pointer.cancel()) return;
    editor.store.select([]);
  },
  /** Shift and arrows without a selection: the picture moves by an eighth of the view. */
  pan(editor, [dx, dy]) {
    const { width, height } = editor.view.stage;
    editor.changeView((view) => view.panBy((-dx * width) / 8, (-dy * height) / 8));
  },
  selectAll({ store, tell }) {
    if (store.hidden) return tell("The boxes are hidden. Show them first.");
    store.select(store.touchable.map((annotation) => annotation.id));
  },
  nextBox: (editor) => step(editor, 1),
  previousBox: (editor) => step(editor, -1),

  // ---- Edits
  undo(editor) {
    const name = editor.store.undo();
    editor.say(name ? `Undone: ${name.toLowerCase()}.` : "Nothing to undo.");
  },
  redo(editor) {
    const name = editor.store.redo();
    editor.say(name ? `Redone: ${name.toLowerCase()}.` : "Nothing to redo.");
  },
  /** Deletes boxes; of suggestions it says no. */
  remove(editor) {
    const { store, say } = editor;
    const suggested = new Set(store.selected.filter((one) => one.status === "suggested").map((one) => one.id));
    const drawn = new Set([...store.selection].filter((id) => !suggested.has(id)));
    if (!store.canEdit || !store.selection.size) return false;
    if (!drawn.size) return answer(editor, "rejected", "rejected");
    const deleted = remove(store.annotations, drawn);
    const rejected = setStatus(store.annotations, suggested, "rejected");
    // Removals first: their places count in the list as it is.
    store.execute({ name: "Delete", changes: [...deleted.changes, ...rejected.changes] });
    say(`${plural(drawn.size, "box")} deleted. Undo brings back.`);
  },
  duplicate: (editor) => told(editor, duplicate(editor.store), "duplicated"),
  copy: (editor) => {
    if (!editor.store.selection.size) return false;
    editor.say(`${plural(copy(editor.store), "box")} copied.`);
  },
  paste(editor) {
    if (told(editor, paste(editor.store), "pasted") !== false || !editor.store.canEdit) return;
    editor.tell("Nothing to paste: copy boxes first (of labels that are here, not retired and not locked).");
  },
  async copyPrevious(editor) {
    const { store } = editor;
    const here = store.document;
    if (!store.canEdit || !here) return;
    if (!here.previous_id) return editor.tell("This is the first image.");
    const source = await editor.documents.get(here.previous_id).catch(() => null);
    if (store.document !== here) return;
    if (!source) return editor.tell("The previous image cannot be read now.");
    const count = copyFrom(store, source);
    editor.tell(count ? `${plural(count, "box")} copied from ${source.name}.` : `${source.name} has no boxes that are not here.`);
  },
  label(editor, id) {
    const { store } = editor;
    const label = store.labelsById.get(id);
    if (!label || label.retired) return;
    if (store.isLocked(id)) return editor.tellLocked(id);
    store.setActiveLabel(id);
    if (!store.canEdit) return;
    store.execute(relabel(store.annotations, store.selection, id));
    editor.say(store.selection.size ? `${store.labelName(id)}.` : `Next box: ${store.labelName(id)}.`);
  },
  pickLabel: (editor) => editor.labels.focusFilter(),
  lockLabel(editor) {
    const { store } = editor;
    const id = store.single?.label_id ?? store.activeLabelId;
    if (id === null) return;
    store.toggleLabelLocked(id);
    editor.tell(store.isLocked(id) ? `${store.labelName(id)} is locked.` : `${store.labelName(id)} can be edited again.`);
  },
  onlyLabel(editor) {
    const { store } = editor;
    const id = store.single?.label_id ?? store.activeLabelId;
    if (id === null) return;
    store.toggleOnlyLabel(id);
    editor.tell(store.hiddenLabels.size ? `Only ${store.labelName(id)} is shown.` : "All labels are shown.");
  },
  showAllLabels: (editor) => editor.store.showAllLabels(),
  difficult: (editor) => flag(editor, "difficult"),
  truncated: (editor) => flag(editor, "truncated"),
  crowd: (editor) => flag(editor, "crowd"),
  nudge({ store }, [dx, dy]) {
    const boxes = store.selected;
    if (!boxes.length || !store.canEdit) return false;
    const { width, height } = store.document;
    const shift = groupShift(boxes, dx, dy, width, height);
    const moved = boxes.map((box) => [box.id, moveBox(box, shift.dx, shift.dy, width, height)]);
    store.execute(place(store.annotations, new Map(moved), "Move", `move:${[...store.selection]}`));
  },
  grow({ store }, [dx, dy]) {
    const boxes = store.selected;
    if (!boxes.length || !store.canEdit) return false;
    const { width, height } = store.document;
    const grown = boxes.map((box) => [box.id, growBox(box, dx, dy, width, height, settings.minSize)]);
    store.execute(place(store.annotations, new Map(grown), "Resize", `grow:${[...store.selection]}`));
  },

  growStart({ store }, [dx, dy]) {
    const boxes = store.selected;
    if (!boxes.length || !store.canEdit) return false;
    const grown = boxes.map((box) => [box.id, growBoxStart(box, dx, dy, settings.minSize)]);
    store.execute(place(store.annotations, new Map(grown), "Resize", `growStart:${[...store.selection]}`));
  },

  // ---- Suggestions
  accept: (editor) => answer(editor, "active", "accepted"),
  acceptAll: (editor) => answerAll(editor, "active", "accepted"),
  rejectAll: (editor) => answerAll(editor, "rejected", "rejected"),

  // ---- Images
  previous: (editor) => editor.go("previous_id", "This is the first image."),
  next: (editor) => editor.go("next_id", "This is the last image."),
  nextOpen: (editor) => editor.goToNextOpen(),
  done(editor) {
    if (editor.store.canEdit) editor.store.setState("done");
    return editor.go("next_id", null);
  },
  /** Enter: the selected suggestion, else the image. */
  acceptOrDone: (editor) => (actions.accept(editor) === false ? actions.done(editor) : undefined),
  reopen(editor) {
    const { store } = editor;
    if (!store.canEdit || store.document?.state !== "done") return;
    store.setState(store.boxes.length ? "in_progress" : "new");
    editor.say("Not done.");
  },

  // ---- Review
  review: (editor) => editor.side.toggle(),
  comment: (editor) => editor.side.comments.write(),
  flag: (editor) => editor.side.review.toggleFlag(),
  nextToReview: (editor) => editor.side.review.next(),
  save: (editor) => editor.sync.flush({ retry: true }),
};

/** Yes or no to the selected suggestions; the next one, the surest first, is selected then. */
function answer(editor, status, verb) {
  const { store } = editor;
  const ids = new Set(store.selected.filter((one) => one.status === "suggested").map((one) => one.id));
  if (!ids.size || !store.canEdit) return false;
  const offered = store.suggestions.filter((one) => !store.isLocked(one.label_id));
  const at = offered.findIndex((one) => ids.has(one.id));
  const left = [...offered.slice(Math.max(at, 0)), ...offered.slice(0, Math.max(at, 0))].find((one) => !ids.has(one.id));
  store.execute(setStatus(store.annotations, ids, status));
  store.select(left ? [left.id] : []);
  if (left) editor.revealSelection();
  editor.say(`${plural(ids.size, "suggestion")} ${verb}.${left ? "" : " No more are shown."}`);
}

function answerAll({ store, say, tell }, status, verb) {
  const ids = new Set(store.suggestions.filter((one) => !store.isLocked(one.label_id)).map((one) => one.id));
  if (!ids.size) return tell("No suggestions are shown.");
  store.execute(setStatus(store.annotations, ids, status));
  say(`${plural(ids.size, "suggestion")} ${verb}. Undo brings them back.`);
}

function told(editor, count, verb) {
  if (!count) return false;
  editor.say(`${plural(count, "box")} ${verb}.`);
}

function step({ store, revealSelection }, direction) {
  if (store.hidden) return;
  const ordered = [...store.boxes, ...store.suggestions].filter((one) => store.isShown(one) && !store.isLocked(one.label_id));
  if (!ordered.length) return;
  const at = ordered.findIndex((one) => store.selection.has(one.id));
  const next = at < 0 ? (direction > 0 ? 0 : ordered.length - 1) : (at + direction + ordered.length) % ordered.length;
  store.select([ordered[next].id]);
  revealSelection();
}

function flag({ store, say }, name) {
  const selected = store.selected;
  if (!selected.length || !store.canEdit) return;
  const value = !selected.every((one) => one[name]);
  store.execute(setFlag(store.annotations, store.selection, name, value));
  say(value ? `Marked ${name}.` : `Not ${name}.`);
}

/** Typed numbers. @param {import("./store.js").Store} store @param {string} id @param {import("./types.js").Box} box */
export const setBox = (store, id, box) =>
  store.execute(change(store.annotations, new Set([id]), (one) => ({ ...box, ...(one.status === "suggested" ? { status: "active" } : {}) }), "Resize"));
