// The Train page: what is chosen changes the forecast at once.

import { about, forecast } from "./forecast.js";

const facts = JSON.parse(document.getElementById("train-facts").textContent);
const form = document.getElementById("train-form");
const at = (name) => document.querySelector(`[data-${name}]`);

function show() {
  const chosen = new FormData(form);
  const length = chosen.get("length");
  for (const place of form.querySelectorAll("[data-length]")) place.hidden = place.dataset.length !== length;
  const revision = form.elements.revision.selectedOptions[0];
  const images = Number(revision.dataset.train);
  const now = revision.value === "now";
  const own = { ...facts, ...facts.bases?.[chosen.get("base")] };
  const result = forecast(own, {
    images,
    val: Number(revision.dataset.val),
    length,
    epochs: Number(chosen.get("epochs")),
    minutes: Number(chosen.get("minutes")),
    inputSize: Number(chosen.get("input_size")),
    batchSize: Number(chosen.get("batch_size")),
    prune: chosen.has("prune"),
  });
  at("forecast").textContent = images ? about(result.seconds) : "–";
  at("epochs").textContent = result.epochs ? (length === "minutes" ? `about ${result.epochs}` : String(result.epochs)) : "–";
  const size = at("auto-size");
  if (size) size.hidden = chosen.get("input_size") !== "auto";
  if (size) size.textContent = own.auto_words;
  for (const change of form.querySelectorAll("[data-change]")) {
    change.hidden = !(own.changes?.includes(change.dataset.change) ?? true);
  }
  at("forecast-words").textContent = own.words;
  at("pace").textContent = result.pace ? `about ${result.pace < 3 ? result.pace.toFixed(1) : Math.round(result.pace)}` : "–";
  at("memory").textContent = own.memory ? `about ${(result.memory / 1e9).toFixed(1)} GB` : "–";
  at("learns").firstChild.textContent = `${images} `;
  at("learns").lastElementChild.textContent = `to learn from, ${revision.dataset.val} to judge by`;
  if (!now) at("counts").textContent = `${revision.dataset.images} images, ${revision.dataset.boxes} boxes: ${images} train, ${revision.dataset.val} val`;
  else at("counts").innerHTML = countsNow;
  const findings = at("findings");
  if (findings) findings.hidden = !now;
  // What stops a freeze now does not stop a run on an earlier revision.
  const start = at("start");
  if (start && "stopped" in start.dataset) {
    start.disabled = now;
    at("start-words").textContent = now ? "First see to what is marked under Data." : "You can close the page. Cancel keeps the best so far.";
  }
}

const countsNow = at("counts").innerHTML;
form.addEventListener("input", show);
form.addEventListener("change", show);
window.addEventListener("pageshow", show);
show();
