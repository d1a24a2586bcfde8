// The images page: fills the grid as it comes near, the thumbnails' size, and work on many at once.

import { csrfToken, element, toast } from "./shell.js";

const browse = document.getElementById("browse");
const page = document.getElementById("main");
const chosen = new Set();
let everything = false; // all images of the filter, but those in `chosen`
let lastTicked = null;

// ---- The grid. Far chunks are emptied again, so that 10,000 images cost what a few hundred do.

const near = new IntersectionObserver(fillNear, { root: page, rootMargin: "1600px 0px" });
const far = new IntersectionObserver(emptyFar, { root: page, rootMargin: "12000px 0px" });

function watchGrid() {
  near.disconnect();
  far.disconnect();
  for (const chunk of browse.querySelectorAll(".chunk")) {
    near.observe(chunk);
    far.observe(chunk);
  }
}

function fillNear(entries) {
  for (const { target, isIntersecting } of entries) {
    if (isIntersecting && !("filled" in target.dataset)) fill(target);
  }
}

function emptyFar(entries) {
  for (const { target, isIntersecting } of entries) {
    if (!isIntersecting && target.dataset.filled === "yes") {
      target.replaceChildren();
      delete target.dataset.filled;
    }
  }
}

async function fill(chunk, attempt = 0) {
  chunk.dataset.filled = "coming";
  try {
    const answer = await fetch(chunk.dataset.src, { headers: { "X-Requested-With": "fetch" } });
    if (answer.redirected) return location.reload(); // logged out meanwhile
    if (!answer.ok) throw new Error(`status ${answer.status}`);
    chunk.innerHTML = await answer.text();
    chunk.dataset.filled = "yes";
    showTicks(chunk);
  } catch {
    setTimeout(() => fill(chunk, attempt + 1), Math.min(8000, 500 * 2 ** attempt));
  }
}

/** Load the grid and the filters' counts again; the place that was scrolled to stays. */
function refreshGrid() {
  return globalThis.htmx.ajax("GET", location.href, { target: "#browse", swap: "innerHTML", push: "false" });
}

// ---- Thumbnail size: the choice is a cookie, so that the page comes in the right size

function setUpSizer() {
  const sizer = document.getElementById("thumbnail-size");
  if (!sizer) return;
  const choices = sizer.dataset.choices.split(",");
  sizer.addEventListener("input", () => {
    const columns = choices[sizer.value];
    sizer.setAttribute("aria-valuetext", `${columns} in a row`);
    browse.style.setProperty("--cols-asked", columns);
    document.cookie = `thumbnail_columns=${columns};path=/;max-age=31536000;samesite=lax`;
  });
}

// ---- Selection

const bar = document.getElementById("selbar");
const total = () => Number(document.getElementById("grid")?.dataset.count ?? 0);
const count = () => (everything ? total() - chosen.size : chosen.size);
const isTicked = (id) => chosen.has(id) !== everything;
const cells = () => [...browse.querySelectorAll(".cell")];

function tick(cell, on) {
  if (on === everything) chosen.delete(cell.dataset.id);
  else chosen.add(cell.dataset.id);
}

function showTicks(where = browse) {
  for (const cell of where.querySelectorAll(".cell")) {
    const on = isTicked(cell.dataset.id);
    cell.classList.toggle("on", on);
    const box = cell.querySelector(".pick input");
    if (box) box.checked = on;
  }
}

function showSelection() {
  if (!bar) return;
  showTicks();
  const number = count();
  bar.hidden = number === 0;
  browse.classList.toggle("picking", number > 0);
  document.getElementById("selected-count").textContent = `${number.toLocaleString("en")} selected`;
  const seen = cells().filter((cell) => cell.classList.contains("on"));
  const boxes = seen.reduce((sum, cell) => sum + Number(cell.dataset.boxes), 0);
  document.getElementById("selected-boxes").textContent = seen.length === number ? `${boxes.toLocaleString("en")} box${boxes === 1 ? "" : "es"}` : "";
  const all = document.getElementById("select-all");
  all.textContent = `Select all ${total().toLocaleString("en")}`;
  all.hidden = number === total();
}

function selectNone() {
  chosen.clear();
  everything = false;
  lastTicked = null;
  showSelection();
}

function onTick(event) {
  const box = event.target.closest(".pick input");
  if (!box) return;
  const cell = box.closest(".cell");
  const on = !isTicked(cell.dataset.id);
  const from = event.shiftKey && lastTicked ? browse.querySelector(`.cell[data-id="${lastTicked}"]`) : null;
  if (from) {
    const shown = cells();
    const [first, last] = [shown.indexOf(from), shown.indexOf(cell)].sort((a, b) => a - b);
    for (const between of shown.slice(first, last + 1)) tick(between, on);
  } else tick(cell, on);
  lastTicked = cell.dataset.id;
  showSelection();
}

/** The selection as the server reads it: ids, or the page's filter and what is left out of it. */
function selectionFields() {
  const form = new URLSearchParams(everything ? document.getElementById("grid").dataset.query.slice(1) : "");
  if (everything) {
    form.set("all", "1");
    form.set("upto", document.getElementById("grid").dataset.upto);
    form.set("but", [...chosen].join(","));
  } else form.set("ids", [...chosen].join(","));
  return form;
}

/** Go to the export page with the selection. It may be long, so that it is sent as a form. */
function exportSelection() {
  const form = element("form", { method: "post", action: bar.dataset.exportUrl, hidden: "" });
  const fields = selectionFields();
  fields.set("csrfmiddlewaretoken", csrfToken());
  for (const [name, value] of fields) form.append(element("input", { type: "hidden", name, value }));
  document.body.append(form);
  form.submit();
}

async function act(action, value = "") {
  const form = selectionFields();
  form.set("action", action);
  form.set("value", value);
  const answer = await post(form);
  if (!answer) return;
  if (action === "trash") selectNone();
  const made = toast({ title: answer.words, seconds: answer.undo ? 12 : 5 });
  if (answer.undo) {
    const undo = element("button", { type: "button", class: "btn sm undo" }, "Undo");
    undo.addEventListener("click", async () => {
      made.remove();
      const restored = await post(new URLSearchParams({ action: "restore", value: answer.undo }));
      if (restored) toast({ title: restored.words });
      refreshGrid();
    });
    made.querySelector("b").after(undo);
    made.classList.add("with-undo");
  }
  refreshGrid();
}

async function post(form) {
  let words = "The server could not be reached. Nothing was changed; try again.";
  try {
    const answer = await fetch(bar.dataset.url, {
      method: "POST",
      body: form,
      headers: { "X-CSRFToken": csrfToken(), Accept: "application/json" },
    });
    if (answer.ok) return await answer.json();
    if (answer.status === 400) words = (await answer.json()).error;
    else if (answer.status === 403) words = "Your role here does not allow that.";
    else words = `The server answered ${answer.status}. Nothing was changed; try again.`;
  } catch { /* the words above say it */ }
  toast({ title: words, kind: "dng" });
  return null;
}

// ---- Keyboard: arrows go from photo to photo, X ticks, Ctrl A ticks all, Escape clears, / searches

function onKey(event) {
  if (event.defaultPrevented) return; // Escape that closed a menu, say
  const typing = event.target.closest?.("input:not([type=checkbox]):not([type=range]),textarea,select,dialog,details[open]");
  if (event.key === "Escape" && count() && !typing) return selectNone();
  if (typing) return;
  if (event.key === "/") {
    event.preventDefault();
    return document.getElementById("q")?.focus();
  }
  if (bar && event.key.toLowerCase() === "a" && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    return selectAll();
  }
  const cell = event.target.closest?.(".cell");
  if (!cell || event.ctrlKey || event.metaKey || event.altKey) return;
  if (bar && event.key.toLowerCase() === "x") {
    tick(cell, !isTicked(cell.dataset.id));
    lastTicked = cell.dataset.id;
    return showSelection();
  }
  const columns = getComputedStyle(cell.parentElement).gridTemplateColumns.split(" ").length;
  const step = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns }[event.key];
  if (!step) return;
  const shown = cells();
  const next = shown[shown.indexOf(cell) + step];
  if (next) {
    event.preventDefault();
    next.querySelector(".photo").focus();
  }
}

function selectAll() {
  chosen.clear();
  everything = true;
  showSelection();
}

// ---- Start

if (browse) {
  watchGrid();
  setUpSizer();
  document.addEventListener("htmx:afterSettle", (event) => {
    if (event.detail.target?.id !== "browse") return;
    watchGrid();
    setUpSizer();
    showSelection();
  });
  document.addEventListener("htmx:beforeRequest", (event) => {
    // Another filter is another set: what was ticked in the old one is let go.
    if (event.detail.elt.closest("#filters")) selectNone();
  });
  document.addEventListener("keydown", onKey);
}
if (bar) {
  browse.addEventListener("click", onTick);
  // While picking, a click with Shift or Ctrl on a photo ticks it, as in a file manager.
  browse.addEventListener("click", (event) => {
    const photo = event.target.closest(".photo");
    if (!photo || !(event.shiftKey || event.ctrlKey || event.metaKey) || !count()) return;
    event.preventDefault();
    const box = photo.closest(".cell").querySelector(".pick input");
    box.dispatchEvent(new MouseEvent("click", { bubbles: true, shiftKey: event.shiftKey }));
  });
  bar.addEventListener("click", (event) => {
    const button = event.target.closest("[data-action]");
    if (button) act(button.dataset.action, button.dataset.value);
  });
  document.getElementById("group-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const field = document.getElementById("group-name");
    act("group", field.value.trim());
    field.value = "";
    event.target.closest("details").open = false;
  });
  document.getElementById("select-all").addEventListener("click", selectAll);
  document.getElementById("export-selected").addEventListener("click", exportSelection);
  document.getElementById("select-none").addEventListener("click", selectNone);
}
document.addEventListener("boxloop:imported", (event) => {
  if (browse) return refreshGrid();
  // The first images of a project: the page becomes another one, and shows the report again.
  sessionStorage.setItem("boxloop-report", event.detail.id);
  location.reload();
});
