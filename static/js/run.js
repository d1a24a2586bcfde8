// A run's page: asks each second what has changed, and draws it. Stops when the run has ended,
// rests while the page is hidden.

import { lastValue, lineChart, niceTicks } from "./chart.js";
import { element } from "./shell.js";

const EVERY = 1000;
const PATIENCE = 3;
const LOG_LINES = 200;

const place = document.querySelector("[data-run]");
const epochs = [];
const log = [];
const last = { epoch: 0, log: 0, worst: "" };
let total = 0;
let failures = 0;
let timer = 0;
let ended = false;
// " · Project · Boxloop": what stands after the run's name.
const pageTitle = document.title.slice(document.title.indexOf(" · "));

function take(state) {
  for (const row of state.epochs) {
    epochs.push(row);
    last.epoch = Math.max(last.epoch, row.epoch);
  }
  if (state.log.length) {
    log.push(...state.log);
    log.splice(0, log.length - LOG_LINES);
    last.log = state.log.at(-1).id;
    showLog();
  }
  last.worst = state.worst;
  if (state.epochs.length || total !== state.epochs_total || state.ended) {
    total = state.epochs_total;
    draw(state.ended);
  }
  for (const [name, html] of Object.entries(state.parts)) replace(name, html);
  localClocks();
  document.title = `${state.title}${pageTitle}`;
  const active = document.querySelector("[data-while-active]");
  if (active) active.hidden = state.ended || state.stopping;
  const again = document.querySelector("[data-when-ended]");
  if (again) again.hidden = !state.ended;
}

// The HTML is the server's own, escaped by its templates. Unchanged parts keep their elements.
const shown = new Map();
function replace(name, html) {
  if (shown.get(name) === html) return;
  shown.set(name, html);
  document.querySelector(`[data-part="${name}"]`).innerHTML = html;
}

function clock(moment) {
  return moment.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
}

function localClocks() {
  for (const time of document.querySelectorAll("time[data-clock]")) time.textContent = clock(new Date(time.dateTime));
}

function showLog() {
  const pre = document.querySelector("[data-log]");
  const box = pre.parentElement;
  const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < 24;
  pre.textContent = log
    .map(({ at, text }) => `${new Date(at).toLocaleTimeString([], { hourCycle: "h23", hour: "2-digit", minute: "2-digit", second: "2-digit" })} ${text}`)
    .join("\n");
  if (atEnd || !box.dataset.scrolled) {
    box.scrollTop = box.scrollHeight;
    box.dataset.scrolled = "yes";
  }
}

function draw(ended) {
  const now = last.epoch;
  const xMax = Math.max(ended ? now : total || 0, now, 1);
  const of = (name, factor = 1) => epochs.map((row) => [row.epoch, row[name] === null ? NaN : row[name] * factor]);
  const train = of("loss");
  const val = of("val_loss");
  const losses = [...train, ...val].map(([, value]) => value).filter(Number.isFinite);
  const yMax = (Math.max(0, ...losses) || 1) * 1.05;
  const hasVal = lastValue(val) !== null;
  chart("loss", {
    title: "Loss by epoch",
    description: describe([["train", train], ["val", val]], 3),
    series: [{ points: train, color: hasVal ? "var(--chart-2)" : "var(--accent)" }, { points: val, color: "var(--accent)" }],
    xMax, yMax, yTicks: niceTicks(yMax, 4), now,
  }, [["train", train, hasVal ? "var(--chart-2)" : "var(--accent)", 2], ["val", val, "var(--accent)", 2]]);
  const ap50 = of("map_50", 100);
  const ap = of("map_50_95", 100);
  // The best epoch is the one with the highest AP50–95; its AP50 may have been higher before.
  const best = epochs.findLast((row) => row.best && row.map_50_95 !== null);
  chart("map", {
    title: "Validation mAP by epoch",
    description: describe([["AP50", ap50], ["AP50–95", ap]], 1),
    series: [{ points: ap50, color: "var(--accent)" }, { points: ap, color: "var(--chart-2)" }],
    xMax, yMax: 104, yTicks: [0, 25, 50, 75, 100], now,
    best: best ? { x: best.epoch, y: best.map_50_95 * 100, text: `best ${(best.map_50_95 * 100).toFixed(1)}`, below: best.map_50_95 > 0.15 } : null,
  }, [["AP50", ap50, "var(--accent)", 1], ["AP50–95", ap, "var(--chart-2)", 1]]);
}

function describe(lines, digits) {
  const known = lines.map(([name, points]) => [name, lastValue(points)]).filter(([, value]) => value !== null);
  if (!known.length) return "Nothing measured yet.";
  return `After epoch ${last.epoch}${total ? ` of ${total}` : ""}: ${known.map(([name, value]) => `${name} ${value.toFixed(digits)}`).join(", ")}.`;
}

const specs = new Map();
function chart(name, spec, legend) {
  specs.set(name, { ...spec, id: `chart-${name}` });
  render(name);
  document.querySelector(`[data-legend="${name}"]`).replaceChildren(
    ...legend
      .filter(([, points]) => lastValue(points) !== null)
      .map(([text, points, color, digits]) => element("span", { class: "row g1 s12" }, element("i", { class: "legend-line", style: `--c:${color}` }), element("span", { class: "t2" }, text), element("span", { class: "m5" }, lastValue(points).toFixed(digits)))),
  );
}

// Drawn at its own width, so that 12 px stay 12 px on a phone.
function render(name) {
  const box = document.querySelector(`[data-chart="${name}"]`);
  const width = Math.max(200, Math.round(box.clientWidth - 32));
  if (specs.has(name)) box.innerHTML = lineChart(specs.get(name), width, 216);
}

const observer = new ResizeObserver((entries) => entries.forEach(({ target }) => render(target.dataset.chart)));
for (const box of document.querySelectorAll("[data-chart]")) observer.observe(box);

async function look() {
  const url = new URL(place.dataset.progress, location.href);
  url.search = new URLSearchParams(last);
  try {
    const response = await fetch(url, { headers: { Accept: "application/json" } });
    if (response.redirected || response.status === 404 || response.status === 403) return location.reload();
    if (!response.ok) throw new Error(String(response.status));
    const state = await response.json();
    failures = 0;
    take(state);
    ended = state.ended;
    if (ended) return undefined;
  } catch {
    failures += 1;
  }
  document.querySelector("[data-lost]").hidden = failures < PATIENCE;
  return wait();
}

function wait() {
  clearTimeout(timer);
  if (!document.hidden) timer = setTimeout(look, failures ? EVERY * Math.min(2 ** failures, 10) : EVERY);
}

document.addEventListener("visibilitychange", () => { if (!document.hidden && !ended) { clearTimeout(timer); look(); } });

const first = JSON.parse(document.getElementById("run-state").textContent);
delete first.parts;
take({ ...first, parts: {} });
ended = first.ended;
if (!ended) wait();
