// The card at the bottom right: how far an upload or import is, and its report.

import { element, icon } from "./shell.js";

const card = document.getElementById("upload-card");

export function hideCard() {
  card.hidden = true;
  card.replaceChildren();
  card.dataset.shows = "";
}

/** "41 kB", "6.3 MB". */
export function bytes(count) {
  for (const [unit, digits] of [["B", 0], ["kB", 0], ["MB", 1], ["GB", 1]]) {
    if (count < 1000) return `${count.toFixed(digits)} ${unit}`;
    count /= 1000;
  }
  return `${count.toFixed(1)} TB`;
}

function seconds(span) {
  if (span < 10) return `${span.toFixed(1)} s`;
  if (span < 60) return `${Math.round(span)} s`;
  return `${Math.floor(span / 60)}:${String(Math.round(span % 60)).padStart(2, "0")} min`;
}

const number = (value) => value.toLocaleString("en");
const plural = (value, noun, many = "s") => `${number(value)} ${noun}${value === 1 ? "" : many}`;

// ---- Progress: built once for each kind, then only its words and its bar change

function progressParts(kind, action, onCancel, extra = null) {
  if (card.dataset.shows !== kind) {
    const fill = element("i");
    const bar = element("div", { class: "bar", role: "progressbar", "aria-valuemin": 0, "aria-valuemax": 100 }, fill);
    const title = element("div", { class: "b title" });
    const detail = element("div", { class: "s12 t3 detail" });
    const cancel = element("button", { type: "button", class: "btn sm" }, action);
    cancel.addEventListener("click", () => {
      cancel.disabled = true;
      onCancel();
    });
    card.replaceChildren(
      element("div", { class: "head" }, icon("upload", "ic-ok"), element("div", { class: "grow" }, title, detail), cancel),
      element("div", { class: "body" }, bar, extra),
    );
    card.dataset.shows = kind;
    card.hidden = false;
  }
  return (title, detail, fraction) => {
    // A live region is read out at each change: words only change when they differ.
    const set = (selector, text) => { const part = card.querySelector(selector); if (part.textContent !== text) part.textContent = text; };
    set(".title", title);
    set(".detail", detail);
    const percent = Math.round(100 * fraction);
    card.querySelector(".bar i").style.width = `${percent}%`;
    card.querySelector(".bar").setAttribute("aria-valuenow", percent);
  };
}

/** Where the photos go, to be chosen until the last has arrived. */
function splitChoice(state) {
  const select = element("select", { class: "in sm" });
  for (const [value, words] of [["", "automatic"], ["train", "train"], ["val", "val"], ["test", "test"]]) {
    select.append(element("option", { value }, words));
  }
  select.value = state.split;
  select.addEventListener("change", () => { state.split = select.value; });
  return element("label", { class: "row g2 s12 t2 split-choice" }, "Split", select);
}

/** An upload that broke off, of this user; the same files go on where they were. */
export function showBrokenOff(row, onDiscard) {
  const discard = element("button", { type: "button", class: "btn sm ghost" }, "Discard");
  discard.addEventListener("click", onDiscard);
  const again = element("button", { type: "button", class: "btn sm", "data-pick": row.files > 1 ? "folder" : "files" }, "Choose again");
  const words = row.files > 1 ? "Choose the same files again: what has arrived is not sent again." : "Choose the same file again: it goes on where it was.";
  card.replaceChildren(
    head("warn", "An upload broke off", `${row.name} · ${bytes(row.bytes)} arrived`),
    element("ul", {}, problem({ file: "", message: words, severity: "mended", url: null })),
    element("div", { class: "foot" }, discard, element("span", { class: "r" }), again),
  );
  card.dataset.shows = "broken off";
  card.hidden = false;
}

export function showUploading(state, onCancel) {
  const shown = `upload ${state.started}`;
  const update = progressParts(shown, "Cancel", onCancel, card.dataset.shows === shown ? null : splitChoice(state));
  const span = (performance.now() - state.started) / 1000;
  const rate = span > 1 ? state.sent / span : 0;
  const left = rate ? (state.total - state.sent) / rate : null;
  const parts = [state.name, `${bytes(state.sent)} of ${bytes(state.total)}`];
  if (rate) parts.push(`${bytes(rate)}/s`);
  if (left !== null && left >= 1) parts.push(`about ${left < 60 ? `${Math.ceil(left)} s` : `${Math.ceil(left / 60)} min`} left`);
  update(
    `Uploading ${number(Math.min(state.done + 1, state.files.length))} of ${plural(state.files.length, "file")}`,
    state.waiting || parts.join(" · "),
    state.total ? state.sent / state.total : 0,
  );
}

export function showImporting(row, onCancel) {
  const update = progressParts(`import ${row.id}`, "Cancel", onCancel);
  const words = row.cancelling
    ? "Stopping the import"
    : row.status === "queued" ? "Waiting for a worker" : row.found ? `Importing ${number(row.done)} of ${plural(row.found, "image")}` : "Looking through the files";
  const parts = [row.name];
  if (row.format) parts.push(row.format);
  if (row.boxes) parts.push(plural(row.boxes, "box", "es"));
  if (row.status === "queued") parts.push("you may leave this page");
  update(words, parts.join(" · "), row.found ? row.done / row.found : 0);
}

/** Annotations were found that ask for a choice: the page that shows them waits. */
export function showReview(row) {
  const parts = [row.name];
  if (row.format) parts.push(row.format);
  if (row.found) parts.push(plural(row.found, "image"));
  card.replaceChildren(
    head("note", "Look at what was found", parts.join(" · ")),
    element("div", { class: "body t2" }, "Choose what its classes become. Nothing is taken before you say so."),
    element("div", { class: "foot" }, element("span", { class: "s12 t3" }, "It waits in Import history, too"), element("a", { class: "r btn pri sm", href: row.review_url }, "Look and take in")),
  );
  card.dataset.shows = "review";
  card.hidden = false;
}

// ---- The report

function head(kind, title, detail) {
  const close = element("button", { type: "button", class: "btn ic ghost sm", "aria-label": "Close" }, icon("x"));
  close.addEventListener("click", hideCard);
  const signs = { ok: ["ok", "ic-ok"], warn: ["warn", "ic-warn"], dng: ["error", "ic-dng"], note: ["info", "ic-note"] };
  return element("div", { class: "head" }, icon(...signs[kind]), element("div", { class: "grow" }, element("div", { class: "b" }, title), element("div", { class: "s12 t3" }, detail)), close);
}

function problem(line) {
  const [sign, css] = line.severity === "refused" ? ["error", "ic-dng"] : ["warn", "ic-warn"];
  const words = element("div", {}, line.file ? element("span", { class: "m5" }, line.file) : null, line.file ? `: ${line.message}` : line.message);
  const link = line.url ? element("a", { class: "link s12", href: line.url }, "Look at the image") : null;
  return element("li", {}, icon(sign, css), element("div", { class: "grow" }, words, link));
}

/** The row of an import that has ended; `refused` are sentences about files that never arrived. */
export function showReport(row, refused = []) {
  const lines = [...refused.map((message) => ({ file: "", message, severity: "refused", url: null })), ...row.problems];
  const parts = [row.name];
  if (row.format) parts.push(row.format);
  if (row.boxes) parts.push(plural(row.boxes, "box", "es"));
  if (row.known) parts.push(`${number(row.known)} already here`);
  if (row.seconds !== null) parts.push(seconds(row.seconds));
  const all = row.taken + row.known + row.refused;
  const titles = {
    finished: all ? `${number(row.taken)} of ${plural(all, "image")} imported` : "No images were found in this",
    cancelled: `Import stopped: ${plural(row.taken, "image")} imported`,
    failed: "The import failed",
  };
  const bad = lines.length + (row.num_problems - row.problems.length);
  const kind = row.status === "failed" ? "dng" : row.status === "cancelled" || bad || !all ? "warn" : "ok";
  const list = element("ul");
  if (row.reason) list.append(problem({ file: row.name, message: row.reason, severity: "refused", url: null }));
  for (const line of lines) list.append(problem(line));
  const more = row.num_problems - row.problems.length;
  card.replaceChildren(
    head(kind, titles[row.status] ?? row.status, parts.join(" · ")),
    list,
    element("div", { class: "foot" }, element("span", { class: "s12 t3" }, more > 0 ? `and ${number(more)} more` : "Also kept in Import history"), element("a", { class: "r link s12", href: row.report_url }, "Full report")),
  );
  card.dataset.shows = "report";
  card.hidden = false;
  // Plain success leaves by itself; problems stay until they are closed.
  if (kind === "ok") setTimeout(() => { if (card.dataset.shows === "report" && !card.matches(":hover,:focus-within")) hideCard(); }, 8000);
}

export function showFailure(state, message, onRetry, historyUrl) {
  const retry = element("button", { type: "button", class: "btn sm" }, "Upload again");
  retry.addEventListener("click", () => {
    hideCard();
    onRetry();
  });
  card.replaceChildren(
    head("dng", "The upload stopped", `${state.name} · ${number(state.done)} of ${plural(state.files.length, "file")} arrived`),
    element("ul", {}, problem({ file: "", message, severity: "refused", url: null })),
    element("div", { class: "foot" }, element("a", { class: "link s12", href: historyUrl }, "Import history"), element("span", { class: "r" }), retry),
  );
  card.dataset.shows = "failure";
  card.hidden = false;
}
