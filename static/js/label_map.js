// The label map: fields save themselves; rows move by drag, by the arrow keys or by the menu.

import { csrfToken, element, toast } from "./shell.js";

const table = document.getElementById("labels");
const status = document.getElementById("label-status");

for (const dialog of document.querySelectorAll("dialog[data-open]")) dialog.showModal();

/** POST a form's fields; returns the JSON answer, null for none. Says so where the server is away. */
async function post(url, fields) {
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "X-CSRFToken": csrfToken(), Accept: "application/json" },
      body: new URLSearchParams(fields),
    });
    if (response.redirected) {
      toast({ title: "You are logged out. Log in, then change it again.", kind: "warn" });
      return { response: null };
    }
    const isJson = response.headers.get("Content-Type")?.startsWith("application/json");
    return { response, data: isJson ? await response.json() : null };
  } catch {
    toast({ title: "The server could not be reached. Nothing was changed; try again.", kind: "dng" });
    return { response: null };
  }
}

// ---- Fields

async function save(row, field, value) {
  const { response, data } = await post(row.dataset.url, { [field]: value });
  if (!response) return false;
  const input = row.querySelector(`[name=${field}]`);
  input?.parentElement.querySelector(".err")?.remove();
  input?.removeAttribute("aria-invalid");
  if (response.ok) {
    settle(row, field, data);
    return true;
  }
  const words = data?.errors?.[field] ?? `The server answered ${response.status}. Load the page again.`;
  if (input) {
    input.setAttribute("aria-invalid", "true");
    input.after(element("p", { class: "err", role: "alert" }, words));
  } else toast({ title: words, kind: "dng" });
  return false;
}

function settle(row, field, saved) {
  const input = row.querySelector(`[name=${field}]`);
  // Unless it was typed on in the meantime, show what the server made of it.
  if (input && input !== document.activeElement) input.value = saved[field];
  if (input) input.dataset.saved = saved[field];
  row.dataset.name = saved.name;
  status.textContent = `${saved.name} is saved.`;
  if (saved.swapped) {
    const other = table.querySelector(`tr[data-id="${saved.swapped.id}"] [name=hotkey]`);
    if (other) other.value = saved.swapped.hotkey;
    toast({ title: `Hotkey ${saved.hotkey} belongs to ${saved.name} now.`, lines: [saved.swapped.hotkey ? `${saved.swapped.name} has ${saved.swapped.hotkey}.` : `${saved.swapped.name} has none.`] });
  }
}

table?.addEventListener("change", (event) => {
  const row = event.target.closest("tr[data-url]");
  if (row && event.target.name) save(row, event.target.name, event.target.value);
});

table?.addEventListener("keydown", (event) => {
  if (!event.target.matches("input[name]")) return;
  if (event.key === "Enter") event.target.blur();
  if (event.key === "Escape") {
    event.target.value = event.target.dataset.saved ?? event.target.defaultValue;
    event.target.removeAttribute("aria-invalid");
    event.target.parentElement.querySelector(".err")?.remove();
    event.target.blur();
  }
});

table?.addEventListener("click", async (event) => {
  const color = event.target.closest("[data-color]");
  if (!color) return;
  const row = color.closest("tr");
  const menu = color.closest("details");
  if (!(await save(row, "color", color.dataset.color))) return;
  const index = [...color.parentElement.children].indexOf(color) + 1;
  row.className = `c${index}`;
  for (const button of color.parentElement.children) {
    button.classList.toggle("on", button === color);
    button.toggleAttribute("aria-pressed", button === color);
  }
  menu.open = false;
  menu.querySelector("summary").focus();
});

// ---- Order

const rows = () => [...table.tBodies[0].rows];
let saving = Promise.resolve();

function saveOrder(moved) {
  const ids = rows().map((row) => row.dataset.id).join(",");
  status.textContent = `${moved.dataset.name} is at place ${rows().indexOf(moved) + 1} of ${rows().length}.`;
  // One after the other: two answers must not overtake each other.
  saving = saving.then(async () => {
    const { response, data } = await post(table.dataset.orderUrl, { ids });
    if (response && !response.ok) toast({ title: data?.message ?? `The order was not saved: the server answered ${response.status}.`, kind: "dng" });
  });
}

function moveBy(row, step) {
  const other = step < 0 ? row.previousElementSibling : row.nextElementSibling;
  if (!other) return;
  if (step < 0) other.before(row);
  else other.after(row);
  saveOrder(row);
}

table?.addEventListener("keydown", (event) => {
  const grip = event.target.closest(".grip");
  const step = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  if (!grip || !step) return;
  event.preventDefault();
  moveBy(grip.closest("tr"), step);
  grip.focus();
});

table?.addEventListener("click", (event) => {
  const mover = event.target.closest("[data-move]");
  if (mover) moveBy(mover.closest("tr"), Number(mover.dataset.move));
});

table?.addEventListener("pointerdown", (event) => {
  const grip = event.target.closest(".grip");
  if (!grip || event.button !== 0) return;
  const row = grip.closest("tr");
  const before = rows();
  grip.setPointerCapture(event.pointerId);
  row.classList.add("moving");
  const follow = (move) => {
    const previous = row.previousElementSibling;
    const next = row.nextElementSibling;
    const middle = (other) => other.getBoundingClientRect().top + other.offsetHeight / 2;
    // The neighbour moves, not the row: a row that leaves the page for a moment loses the pointer.
    if (previous && move.clientY < middle(previous)) row.after(previous);
    else if (next && move.clientY > middle(next)) row.before(next);
  };
  const stop = (end) => {
    grip.removeEventListener("pointermove", follow);
    row.classList.remove("moving");
    if (end.type === "pointercancel") table.tBodies[0].append(...before);
    else if (before.some((other, place) => other !== rows()[place])) saveOrder(row);
  };
  grip.addEventListener("pointermove", follow);
  grip.addEventListener("pointerup", stop, { once: true });
  grip.addEventListener("pointercancel", stop, { once: true });
});

// ---- Merge

const mergeDialog = document.getElementById("merge-dialog");

table?.addEventListener("click", (event) => {
  if (!event.target.closest("[data-merge]")) return;
  const row = event.target.closest("tr");
  const select = mergeDialog.querySelector("select");
  mergeDialog.querySelector("form").action = row.dataset.mergeUrl;
  mergeDialog.querySelector("[data-merge-name]").textContent = row.dataset.name;
  for (const option of select.options) {
    option.hidden = option.disabled = option.value === row.dataset.id;
    const named = table.querySelector(`tr[data-id="${option.value}"]`);
    if (named) option.textContent = `${named.dataset.name} (id ${named.querySelector(".id-col").textContent})`;
  }
  select.value = [...select.options].find((option) => !option.disabled)?.value ?? "";
  describeMerge(row);
  select.onchange = () => describeMerge(row);
  mergeDialog.showModal();
  select.focus();
});

function describeMerge(row) {
  const target = mergeDialog.querySelector("select").selectedOptions[0]?.textContent ?? "";
  const count = Number(row.dataset.boxes);
  const boxes = count === 1 ? "1 box gets" : `${count} boxes get`;
  mergeDialog.querySelector("[data-merge-words]").textContent =
    `${count ? `${boxes} the label ${target}` : "It has no boxes"}; ${row.dataset.name} is retired and its id stays taken. The boxes cannot be told apart again.`;
  mergeDialog.querySelector("[data-merge-go]").textContent = `Merge ${row.dataset.name}`;
}
