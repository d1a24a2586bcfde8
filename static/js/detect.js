// The detect page: send photos; then show each as it is done, with one threshold for all.

import { countByLabel, doneUpTo, summary, thresholdAsked } from "./detections.js";
import { showCorrect, showLabels, showPhoto, showStrip, showTable, showThreshold, thresholdQuery } from "./detect_view.js";
import { csrfToken, toast } from "./shell.js";
import { listen, send } from "./upload.js";

const EVERY = 1000;
const WAKING_MS = 3000;
const SILENT_MS = 25000;

const at = (name, root = document) => root.querySelector(`[data-${name}]`);
const page = at("request");
const limits = JSON.parse(document.getElementById("page-facts").textContent);
let stop = null;

// ---- Sending

function refuse(words) {
  const place = at("refused");
  place.hidden = !words;
  place.querySelector("span").textContent = words;
}

function showSending(total, done, share) {
  const place = at("sending");
  place.hidden = false;
  at("sending-words").textContent = done >= total ? `${total} sent` : `Sending ${Math.min(done + 1, total)} of ${total}`;
  place.querySelector(".bar i").style.width = `${(100 * share).toFixed(1)}%`;
}

async function take(files) {
  if (stop) return toast({ title: "Photos are being sent. Add these when they are there.", kind: "info", seconds: 6 });
  if (files.length > limits.max_photos) {
    return refuse(`You chose ${files.length} photos; at most ${limits.max_photos} go in one request. Send them in parts.`);
  }
  refuse("");
  stop = new AbortController();
  const form = document.getElementById("upload");
  const options = page
    ? { url: page.dataset.photos }
    : { url: form.action, fields: { detector: new FormData(form).get("detector") ?? "" }, urlOf: (answer) => answer.photos_url };
  let first = null;
  try {
    const answer = await send(files, {
      ...options,
      urlOf: (last) => { first = last; return options.urlOf ? options.urlOf(last) : options.url; },
      progress: (done, share) => { showSending(files.length, done, share); if (page && done) look(); },
      signal: stop.signal,
    });
    if (!page) return location.assign(answer.url);
  } catch (error) {
    if (error.name === "AbortError") {
      if (!page && first) return location.assign(first.url);
    } else refuse(error.message);
  } finally {
    stop = null;
    at("sending").hidden = true;
  }
  return page ? look() : undefined;
}

at("stop")?.addEventListener("click", () => stop?.abort());
listen(at("drop"), take);

// ---- Results

const view = { photos: [], labels: new Map(), at: 0, limits: { one: null, own: new Map(), recommended: 0.5 }, hidden: new Set(), marked: -1, seconds: null, state: null };
let timer = 0;
let opened = Date.now();
let failures = 0;

function merge(state) {
  const byId = new Map(view.photos.map((photo) => [photo.id, photo]));
  for (const photo of state.photos) byId.set(photo.id, photo);
  view.photos = [...byId.values()].sort((a, b) => a.id - b.id);
  for (const label of state.labels) view.labels.set(label.class_id, label);
  view.seconds = state.ended ? state.seconds : null;
  view.state = state;
  view.limits.recommended = state.threshold;
  view.limits.own = new Map(Object.entries(state.own_thresholds).map(([classId, least]) => [Number(classId), least]));
}

function showState() {
  const { status, reason, ahead, total, undone, ended } = view.state;
  at("failed").hidden = status !== "failed";
  at("reason").textContent = reason;
  const done = total - undone;
  const waited = Date.now() - opened;
  const idle = !ended && undone > 0 && done === 0 && waited > WAKING_MS;
  const waking = at("waking");
  waking.hidden = !idle;
  if (idle) {
    let words = "The detector is waking up: the first photo after a pause takes some seconds.";
    if (status === "queued" && ahead) words = `Waits for ${ahead} other request${ahead === 1 ? "" : "s"}.`;
    else if (status === "queued" && waited > SILENT_MS) words = "No worker for detection is answering. Is ./boxloop run still running? The photos wait until one comes.";
    waking.querySelector("span").textContent = words;
  }
  const working = at("working");
  working.hidden = total < 2 || !undone || (ended && status !== "finished");
  at("working-words").textContent = `${done} of ${total} done`;
  working.querySelector(".bar i").style.width = `${(100 * done) / Math.max(total, 1)}%`;
}

function show() {
  view.at = Math.min(view.at, Math.max(view.photos.length - 1, 0));
  showThreshold(view);
  showLabels(view, countByLabel(view.photos, view.limits), change);
  showPhoto(view, mark);
  showStrip(view, go);
  showTable(view, mark);
  showCorrect(view);
  const words = summary(view.photos, view.limits, view.hidden, view.seconds);
  at("summary").textContent = words;
  const link = at("json-link");
  link.href = page.dataset.json + thresholdQuery(view);
}

function change() {
  view.marked = -1;
  show();
}

function mark(index) {
  if (view.marked === index) return;
  view.marked = index;
  showPhoto(view, mark);
  showTable(view, mark);
}

function go(index) {
  if (index < 0 || index >= view.photos.length) return;
  view.at = index;
  change();
  remember();
}

/** The photo and the threshold stay in the address: a reload or a link shows the same. */
function remember() {
  const query = new URLSearchParams();
  if (view.photos[view.at]) query.set("photo", view.photos[view.at].id);
  if (view.limits.one !== null) query.set("threshold", view.limits.one);
  history.replaceState(null, "", String(query) ? `?${query}` : location.pathname);
}

/** One threshold for all labels; null is each label's own. */
function setThreshold(one) {
  view.limits.one = one;
  change();
  remember();
}

async function look() {
  clearTimeout(timer);
  const url = new URL(page.dataset.progress, location.href);
  url.searchParams.set("after", doneUpTo(view.photos));
  try {
    const response = await fetch(url, { headers: { Accept: "application/json" } });
    if (response.redirected || response.status === 404) return location.reload();
    if (!response.ok) throw new Error(String(response.status));
    failures = 0;
    const before = JSON.stringify([view.state, view.photos.length]);
    merge(await response.json());
    if (JSON.stringify([view.state, view.photos.length]) !== before) show();
    showState();
    if (view.state.status === "finished" && view.state.undone && !stop) await takeUp();
  } catch {
    failures += 1;
  }
  return wait();
}

/** Photos that came while a worker was just ending wait without a request: queue it again. */
async function takeUp() {
  opened = Date.now();
  await fetch(page.dataset.photos, { method: "POST", headers: { "X-CSRFToken": csrfToken(), Accept: "application/json" } });
}

function wait() {
  const rests = view.state.ended && !(view.state.status === "finished" && view.state.undone);
  if (!document.hidden && (!rests || failures)) timer = setTimeout(look, EVERY * Math.min(2 ** failures, 10));
}

function start() {
  merge(JSON.parse(document.getElementById("request-state").textContent));
  const wanted = Number(new URLSearchParams(location.search).get("photo"));
  view.at = Math.max(0, view.photos.findIndex((photo) => photo.id === wanted));
  view.limits.one = thresholdAsked(location.search);
  show();
  showState();
  const slider = document.getElementById("threshold");
  slider.addEventListener("input", () => setThreshold(Number(slider.value) / 100));
  at("recommended").addEventListener("click", () => setThreshold(null));
  at("previous").addEventListener("click", () => go(view.at - 1));
  at("next").addEventListener("click", () => go(view.at + 1));
  at("retry").addEventListener("click", async () => { await takeUp(); look(); });
  document.addEventListener("keydown", (event) => {
    if (event.target.matches("input,select,textarea") || event.metaKey || event.ctrlKey || event.altKey) return;
    const step = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (!step || event.target.closest("details.menu[open]")) return;
    event.preventDefault();
    go(view.at + step);
  });
  document.addEventListener("visibilitychange", () => { if (!document.hidden) look(); });
  new ResizeObserver(() => showPhoto(view, mark)).observe(at("stage"));
  if (!view.state.ended || view.state.undone) look();
}

if (page) start();
