// What the detect page draws. Boxes are SVG in image pixels; chips are elements over them.

import { leastScore, percent, placeChips, visible } from "./detections.js";
import { element, icon } from "./shell.js";

const FEW_LABELS = 12;
const SVG = "http://www.w3.org/2000/svg";
const at = (name, root = document) => root.querySelector(`[data-${name}]`);

function svg(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

function labelOf(view, classId) {
  return view.labels.get(classId) ?? { class_id: classId, shown: `Label ${classId}`, color: "var(--class-1)", on: "var(--ink)" };
}

/** The two strokes of a box, or three where it is marked, and the part that takes the pointer. */
function boxStrokes(view, [classId, , xmin, ymin, xmax, ymax], marked) {
  const place = { x: xmin, y: ymin, width: Math.max(xmax - xmin, 0), height: Math.max(ymax - ymin, 0) };
  const strokes = marked ? ["bh", "bm", "bc"] : ["bh", "bc"];
  return svg("g", { class: marked ? "sel" : "", style: `--c:${labelOf(view, classId).color}` }, ...strokes.map((name) => svg("rect", { class: name, ...place })));
}

// ---- The photo

let drawn = null;

export function showPhoto(view, mark) {
  const stage = at("stage");
  const photo = view.photos[view.at];
  at("position").textContent = view.photos.length ? `${view.at + 1} of ${view.photos.length}` : "";
  at("previous").disabled = view.at <= 0;
  at("next").disabled = view.at >= view.photos.length - 1;
  at("name").textContent = photo?.name ?? "";
  at("size").textContent = photo?.width ? `${photo.width} × ${photo.height}` : "";
  for (const link of document.querySelectorAll("[data-drawn]")) {
    link.toggleAttribute("aria-disabled", !photo?.drawn);
    if (photo?.drawn) link.href = `${photo.drawn}${thresholdQuery(view) || "?"}&hidden=${[...view.hidden].join(",")}`;
    else link.removeAttribute("href");
  }
  if (!photo || !photo.preview) {
    drawn = null;
    stage.replaceChildren(element("p", { class: photo?.error ? "bad" : "t3" }, photo?.error ? `${photo.name}: ${photo.error}` : photo ? "Not looked at yet" : "No photo yet"));
    return;
  }
  if (drawn?.id !== photo.id) {
    const image = element("img", { src: photo.preview, alt: photo.name, draggable: "false" });
    const frame = element("div", { class: "photo", style: `--ratio:${photo.width / photo.height}` }, image, svg("svg", { viewBox: `0 0 ${photo.width} ${photo.height}`, preserveAspectRatio: "none", "aria-hidden": "true" }));
    stage.replaceChildren(frame);
    drawn = { id: photo.id, frame };
  }
  drawBoxes(view, photo, drawn.frame, mark);
}

function drawBoxes(view, photo, frame, mark) {
  const shown = visible(photo, view.limits, view.hidden);
  // The marked box lies on top; the surest of the others above the less sure.
  const order = shown.map((_, index) => index).reverse().sort((a, b) => (a === view.marked) - (b === view.marked));
  const layer = frame.querySelector("svg");
  layer.replaceChildren(...order.map((index) => boxStrokes(view, shown[index], index === view.marked)));
  for (const [index, [, , xmin, ymin, xmax, ymax]] of [...shown.entries()].sort(([, a], [, b]) => area(b) - area(a))) {
    const hit = svg("rect", { class: "hit", x: xmin, y: ymin, width: Math.max(xmax - xmin, 0), height: Math.max(ymax - ymin, 0) });
    hit.addEventListener("pointerenter", () => mark(index));
    layer.append(hit);
  }
  layer.onpointerleave = () => mark(-1);
  for (const chip of frame.querySelectorAll(".tag")) chip.remove();
  const stage = { width: frame.clientWidth, height: frame.clientHeight };
  if (!stage.width) return;
  const scale = stage.width / photo.width;
  const chips = shown.map(([classId, score], index) => {
    const label = labelOf(view, classId);
    const chip = element("span", { class: `tag${view.marked !== -1 && view.marked !== index ? " dim" : ""}`, style: `--c:${label.color};--on:${label.on};transform:none` }, `${label.shown} ${percent(score)}`);
    frame.append(chip);
    return chip;
  });
  const boxes = shown.map(([, , xmin, ymin, xmax, ymax], index) => ({ left: xmin * scale, top: ymin * scale, right: xmax * scale, bottom: ymax * scale, width: chips[index].offsetWidth }));
  for (const [index, place] of placeChips(boxes, stage).entries()) {
    chips[index].style.left = `${place.left}px`;
    chips[index].style.top = `${place.top}px`;
  }
}

const area = ([, , xmin, ymin, xmax, ymax]) => (xmax - xmin) * (ymax - ymin);

// ---- Threshold and labels

/** "?threshold=0.4" where one holds for all labels, "" where each has its own. */
export function thresholdQuery({ limits }) {
  return limits.one === null ? "" : `?threshold=${limits.one}`;
}

export function showThreshold({ limits }) {
  const slider = document.getElementById("threshold");
  const each = limits.one === null && limits.own.size > 0;
  const low = Number(slider.min);
  const share = (value) => (100 * (value - low)) / (Number(slider.max) - low);
  slider.value = Math.round((limits.one ?? limits.recommended) * 100);
  slider.style.setProperty("--v", `${share(Number(slider.value))}%`);
  slider.setAttribute("aria-valuetext", each ? "each label's own threshold" : `${slider.value} % for all labels`);
  const shown = at("threshold-shown");
  shown.textContent = each ? "Each label’s own" : `${slider.value} %`;
  shown.classList.toggle("each", each);
  const recommended = Math.max(Math.round(limits.recommended * 100), low);
  const mark = at("recommended");
  mark.textContent = limits.own.size ? "▲ each label’s own" : `▲ ${recommended} recommended`;
  mark.disabled = limits.one === null;
  mark.style.setProperty("--at", `clamp(76px, ${share(recommended)}%, calc(100% - 84px))`);
  at("threshold-words").textContent = each ? "What balances missed and false best, label by label. Move the slider for one value." : limits.own.size ? "One value for all labels." : "";
}

export function showLabels(view, counts, change) {
  const place = at("labels");
  // All labels of a small model; of many, those that are to be seen, or were switched off.
  const all = view.state.own_labels && view.labels.size <= FEW_LABELS;
  const labels = [...view.labels.values()].filter(({ class_id: id }) => all || counts.has(id) || view.hidden.has(id)).sort((a, b) => a.class_id - b.class_id);
  const key = labels.map(({ class_id: id }) => id).join();
  if (place.dataset.key !== key) {
    place.dataset.key = key;
    place.replaceChildren(...labels.map((label) => labelSwitch(view, label, change)));
  }
  for (const row of place.children) {
    const classId = Number(row.dataset.label);
    row.querySelector(".n").textContent = counts.get(classId) ?? 0;
    const each = view.limits.one === null && view.limits.own.size > 0;
    row.querySelector(".from").textContent = each ? `from ${limitOf(view, classId)}` : "";
  }
}

const limitOf = (view, classId) => `${Math.round(100 * leastScore(view.limits, classId))} %`;

function labelSwitch(view, label, change) {
  const box = element("input", { type: "checkbox", class: "sw", role: "switch", checked: !view.hidden.has(label.class_id) });
  box.addEventListener("change", () => {
    if (box.checked) view.hidden.delete(label.class_id);
    else view.hidden.add(label.class_id);
    change();
  });
  return element("label", { "data-label": String(label.class_id) }, element("span", { class: "swt", style: `--c:${label.color}` }), element("span", { class: "el" }, label.shown), element("span", { class: "from s12 t3 nw" }), element("span", { class: "n" }), box);
}

// ---- This photo's table

export function showTable(view, mark) {
  const photo = view.photos[view.at];
  const all = photo?.detections ?? [];
  const shown = photo ? visible(photo, view.limits, view.hidden) : [];
  const isBelow = ([classId, score]) => score < leastScore(view.limits, classId);
  const below = all.filter(isBelow).length;
  const off = all.length - shown.length - below;
  const limit = view.limits.one === null && view.limits.own.size ? "their label’s threshold" : `${Math.round((view.limits.one ?? view.limits.recommended) * 100)} %`;
  at("found").textContent = photo?.done && !photo.error ? [`${shown.length} found`, below ? `${below} below ${limit}` : "", off ? `${off} switched off` : ""].filter(Boolean).join(", ") : "";
  const rows = shown.map((detection, index) => tableRow(view, detection, index, mark));
  // The surest of what is hidden shows what a lower threshold would bring.
  const nearest = all.filter((detection) => isBelow(detection) && !view.hidden.has(detection[0])).slice(0, 2);
  rows.push(...nearest.map((detection) => tableRow(view, detection, -1, mark)));
  at("table").hidden = !rows.length;
  at("table").tBodies[0].replaceChildren(...rows);
  const none = at("none");
  none.hidden = rows.length > 0;
  none.textContent = photo?.error ? "It could not be read." : photo?.done ? "Nothing was found in it." : "Not looked at yet.";
}

function tableRow(view, [classId, score, xmin, ymin, xmax, ymax], index, mark) {
  const label = labelOf(view, classId);
  const row = element(
    "tr",
    { class: index < 0 ? "below" : index === view.marked ? "on" : "" },
    element("td", {}, index < 0 ? "–" : String(index + 1)),
    element("td", {}, element("span", { class: "row g2" }, element("span", { class: "swt", style: `--c:${label.color}` }), element("span", { class: "el" }, label.shown))),
    element("td", { class: index < 0 ? "n" : "n m5" }, percent(score)),
    element("td", { class: "n no-ph size" }, index < 0 ? "hidden" : `${Math.round(xmax - xmin)} × ${Math.round(ymax - ymin)}`),
  );
  if (index >= 0) {
    row.addEventListener("pointerenter", () => mark(index));
    row.addEventListener("pointerleave", () => mark(-1));
  }
  return row;
}

// ---- The strip and Correct

export function showStrip(view, go) {
  const strip = at("strip");
  const items = view.photos.map((photo, index) => {
    const known = strip.querySelector(`[data-photo="${photo.id}"]`);
    const item = known?.dataset.done === String(photo.done) ? known : stripItem(photo, () => go(index));
    item.classList.toggle("on", index === view.at);
    item.setAttribute("aria-selected", String(index === view.at));
    const shown = visible(photo, view.limits, view.hidden);
    const layer = item.querySelector("svg.boxes");
    layer?.replaceChildren(...shown.map((detection) => boxStrokes(view, detection, false)));
    const count = item.querySelector(".over:not(.in-project)");
    if (count) count.textContent = String(shown.length);
    return item;
  });
  if (items.length !== strip.children.length || items.some((item, index) => strip.children[index] !== item)) strip.replaceChildren(...items);
  strip.hidden = items.length < 2;
  const now = strip.children[view.at];
  if (now && strip.dataset.at !== String(view.at)) {
    strip.dataset.at = view.at;
    strip.scrollTo({ left: now.offsetLeft - strip.clientWidth / 2 + now.offsetWidth / 2 });
  }
}

function stripItem(photo, go) {
  const made = element("button", { type: "button", role: "option", "data-photo": photo.id, "data-done": String(photo.done), title: photo.name, "aria-label": photo.name });
  const frame = element("span", { class: "photo th" });
  if (photo.thumbnail) {
    frame.append(element("img", { src: photo.thumbnail, alt: "", loading: "lazy" }), svg("svg", { class: "boxes", viewBox: `0 0 ${photo.width} ${photo.height}`, preserveAspectRatio: "xMidYMid slice", "aria-hidden": "true" }));
    made.append(frame, element("span", { class: "over" }));
  } else {
    frame.classList.add("waiting");
    if (photo.error) frame.classList.add("bad");
    frame.append(icon(photo.error ? "error" : "clock"));
    made.append(frame);
  }
  if (photo.image_url) made.append(element("span", { class: "over in-project", title: "In the project" }, icon("check")));
  made.addEventListener("click", go);
  return made;
}

export function showCorrect(view) {
  const photo = view.photos[view.at];
  const form = document.getElementById("correct");
  const usable = Boolean(photo?.correct);
  at("correct").hidden = !usable;
  for (const button of document.querySelectorAll('[form="correct"]')) button.disabled = !usable;
  if (!usable) return;
  form.action = photo.correct;
  form.elements.threshold.value = view.limits.one ?? "";
  form.elements.hidden.value = [...view.hidden].join(",");
  const taken = at("taken");
  if (taken) {
    taken.hidden = !photo.image_url;
    taken.querySelector("a").href = photo.image_url || "#";
  }
}
