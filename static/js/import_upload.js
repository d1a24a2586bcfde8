// Uploading: drop or choose files, send them with progress, then follow the import to its report.

import { filesOfDrop, filesOfField, importName } from "./dropped_files.js";
import { Cancelled, fingerprintOf, patiently, Refused, sendResumable } from "./resumable.js";
import { bytes, hideCard, showBrokenOff, showFailure, showImporting, showReport, showReview, showUploading } from "./upload_card.js";
import { csrfToken, toast } from "./shell.js";

const config = JSON.parse(document.getElementById("upload-config").textContent);
const PARALLEL = 3;
const IN_PARTS = 8 * 1024 * 1024; // larger files go in parts that can be sent again
const POLL_MS = 700;
const UNDER_WAY = "boxloop-upload"; // of this tab; outlives its reload
const STALLED = 120; // seconds after which an upload of another tab is taken to be dead
let busy = false;

const address = (name, id) => config[name].replace("{id}", id);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// ---- Sending

/** POST a form by XHR (fetch tells no progress of what it sends); resolves to the answer's JSON. */
function send(url, form, upload = null, onProgress = null) {
  return new Promise((resolve, reject) => {
    const request = new XMLHttpRequest();
    request.open("POST", url);
    request.setRequestHeader("X-CSRFToken", csrfToken());
    request.setRequestHeader("Accept", "application/json");
    if (onProgress) request.upload.onprogress = (event) => onProgress(event.loaded);
    request.onload = () => {
      let answer = null;
      try { answer = JSON.parse(request.responseText); } catch { /* a page, not an answer */ }
      if (request.status < 300 && answer) resolve(answer);
      else if (request.status >= 500 && request.status !== 507) reject(new Error(`The server answered ${request.status}.`));
      else reject(new Refused(answer?.error ?? wordsFor(request.status)));
    };
    request.onerror = () => reject(new Error("The connection was lost."));
    request.onabort = () => reject(new Cancelled());
    upload?.requests.add(request);
    request.onloadend = () => upload?.requests.delete(request);
    request.send(form);
  });
}

function wordsFor(status) {
  if (status === 403) return "The server did not accept this. Load the page again; an annotator or owner may upload.";
  if (status === 404) return "This import is gone. Load the page again.";
  if (status === 413) return "The file is larger than the server takes.";
  return `The server answered ${status}. Load the page again and log in.`;
}

async function sendFile(upload, { name, file }) {
  let counted = 0;
  const progress = (loaded) => {
    // What goes over the wire is a little more than the file, and a lost part counts back.
    const now = Math.min(loaded, file.size);
    upload.sent += now - counted;
    counted = now;
  };
  if (upload.arrived[name] === file.size) {
    // It came before the upload broke off.
  } else if (file.size > IN_PARTS) {
    await sendResumable(address("resumable", upload.id), name, file, upload, progress).catch((error) => {
      // Half a file stays for going on, and an import does not begin with one.
      throw error instanceof Refused ? new Error(error.message) : error;
    });
  } else await patiently(upload, () => {
    const form = new FormData();
    form.set("name", name);
    form.set("file", file, file.name);
    progress(0);
    return send(address("file", upload.id), form, upload, progress);
  });
  progress(file.size);
  upload.done += 1;
}

async function sendAll(upload) {
  const waiting = [...upload.files];
  const lane = async () => {
    while (waiting.length && !upload.cancelled) {
      const next = waiting.shift();
      try {
        await sendFile(upload, next);
      } catch (error) {
        if (!(error instanceof Refused)) throw error;
        // One file that the server will not have does not stop the others.
        upload.refused.push(error.message);
        upload.sent += next.file.size;
        upload.done += 1;
      }
    }
  };
  await Promise.all(Array.from({ length: PARALLEL }, lane));
  if (upload.cancelled) throw new Cancelled();
}

// ---- One upload from beginning to end

async function upload(files, split = document.getElementById("upload-split")?.value ?? "") {
  const tooLarge = files.filter(({ file }) => file.size > config.max_bytes);
  const fitting = files.filter(({ file }) => file.size <= config.max_bytes);
  for (const { name, file } of tooLarge.slice(0, 5)) {
    toast({ title: `${name}: ${bytes(file.size)} is over the limit of ${bytes(config.max_bytes)} a file. Left out; split it.`, kind: "dng" });
  }
  if (!fitting.length) {
    if (!tooLarge.length) toast({ title: "There are no files in that. Choose photos, a folder or a zip.", kind: "warn" });
    return;
  }
  if (busy) {
    toast({ title: "An upload is under way. Add these when it is done.", kind: "warn" });
    return;
  }
  busy = true;
  const state = {
    files: fitting, name: importName(fitting), id: null, done: 0, sent: 0, refused: [], waiting: "",
    total: fitting.reduce((sum, { file }) => sum + file.size, 0),
    started: performance.now(), requests: new Set(), cancelled: false, split, arrived: {},
  };
  const cancel = () => {
    state.cancelled = true;
    for (const request of state.requests) request.abort();
  };
  const ticking = setInterval(() => showUploading(state, cancel), 200);
  showUploading(state, cancel);
  try {
    const form = new FormData();
    const announced = { name: state.name, files: fitting.length, bytes: state.total, split, fingerprint: fingerprintOf(fitting) };
    for (const [key, value] of Object.entries(announced)) form.set(key, value);
    const draft = await patiently(state, () => send(config.create, form, state));
    Object.assign(state, { id: draft.id, arrived: draft.arrived });
    sessionStorage.setItem(UNDER_WAY, draft.id);
    await sendAll(state);
    const chosen = new FormData();
    chosen.set("split", state.split);
    await patiently(state, () => send(address("start", state.id), chosen, state));
    sessionStorage.removeItem(UNDER_WAY);
    clearInterval(ticking);
    busy = false;
    await follow(state.id, state.refused);
  } catch (error) {
    clearInterval(ticking);
    busy = false;
    if (error instanceof Cancelled || state.cancelled) await giveUp(state);
    else showFailure(state, error.message, () => upload(files, state.split), config.history);
  }
}

async function giveUp(state) {
  hideCard();
  sessionStorage.removeItem(UNDER_WAY);
  if (state.id) await send(address("cancel", state.id), new FormData()).catch(() => null);
  toast({ title: `${state.name}: upload cancelled. Nothing was imported.`, kind: "info", seconds: 5 });
}

/** Poll the import until it has ended, then show its report and have the page refreshed. */
async function follow(id, refused = [], refresh = true) {
  let misses = 0;
  for (;;) {
    let row = null;
    try {
      const answer = await fetch(address("progress", id), { headers: { Accept: "application/json" } });
      if (answer.status === 404 || answer.redirected) return hideCard();
      if (answer.ok) row = await answer.json();
    } catch { misses += 1; }
    if (row?.review_url) return showReview(row);
    if (row && !row.active) {
      showReport(row, refused);
      if (refresh) document.dispatchEvent(new CustomEvent("boxloop:imported", { detail: row }));
      return;
    }
    if (row) {
      misses = 0;
      showImporting(row, () => send(address("cancel", id), new FormData()).catch(() => null));
    }
    await pause(POLL_MS * Math.min(8, 1 + misses));
  }
}

// ---- The page: fields, buttons, dropping anywhere

function setUpPicking() {
  const fields = { files: document.getElementById("pick-files"), folder: document.getElementById("pick-folder") };
  document.addEventListener("click", (event) => {
    const button = event.target.closest?.("[data-pick]");
    if (button) fields[button.dataset.pick].click();
  });
  for (const field of Object.values(fields)) {
    field.addEventListener("change", () => {
      const files = filesOfField(field);
      field.value = ""; // the same choice again must be a change again
      upload(files);
    });
  }
}

function setUpDropping() {
  const veil = document.getElementById("veil");
  let depth = 0; // dragenter and dragleave come for every element that is crossed
  const bringsFiles = (event) => event.dataTransfer?.types.includes("Files");
  const show = (on) => { veil.hidden = !on; };
  document.addEventListener("dragenter", (event) => {
    if (!bringsFiles(event)) return;
    depth += 1;
    show(true);
  });
  document.addEventListener("dragleave", () => {
    depth = Math.max(0, depth - 1);
    if (!depth) show(false);
  });
  document.addEventListener("dragover", (event) => {
    if (!bringsFiles(event)) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "copy";
  });
  document.addEventListener("drop", async (event) => {
    depth = 0;
    show(false);
    if (!bringsFiles(event)) return;
    event.preventDefault();
    try {
      upload(await filesOfDrop(event.dataTransfer));
    } catch (error) {
      toast({ title: `The browser could not read what was dropped (${error.message}). Choose the folder by the button instead.`, kind: "dng" });
    }
  });
}

if (config.can_upload) {
  setUpPicking();
  setUpDropping();
}
window.addEventListener("beforeunload", (event) => { if (busy) event.preventDefault(); });
const ended = sessionStorage.getItem("boxloop-report");
sessionStorage.removeItem("boxloop-report");
if (config.running) follow(config.running);
else if (ended) follow(ended, [], false);
else if (config.can_upload && config.broken_off) {
  const left = config.broken_off;
  const discard = async () => {
    hideCard();
    sessionStorage.removeItem(UNDER_WAY);
    await send(address("cancel", left.id), new FormData()).catch((error) => toast({ title: error.message, kind: "dng" }));
  };
  if (String(left.id) === sessionStorage.getItem(UNDER_WAY) || left.seconds_ago > STALLED) showBrokenOff(left, discard);
}
