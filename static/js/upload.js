// Photos by choice, drop (folders too) or paste, sent in parts with progress and a way to stop.

import { batches } from "./detections.js";
import { csrfToken, toast } from "./shell.js";

const LOOKS_LIKE_A_PHOTO = /\.(jpe?g|png|webp|tiff?|bmp|gif|avif|mpo)$/i;
const FIRST_PART = 2;

/** Call `take(files)` for photos that are chosen, dropped on `drop` or pasted anywhere. */
export function listen(drop, take) {
  for (const input of document.querySelectorAll("[data-choose] input")) {
    input.addEventListener("change", () => {
      const files = [...input.files];
      input.value = "";
      if (files.length) take(files);
    });
  }
  let depth = 0;
  const carries = (event) => event.dataTransfer?.types.includes("Files");
  document.addEventListener("dragenter", (event) => { if (carries(event)) { depth += 1; drop.classList.add("hot"); } });
  document.addEventListener("dragleave", (event) => { if (carries(event)) { depth -= 1; if (depth <= 0) drop.classList.remove("hot"); } });
  document.addEventListener("dragover", (event) => { if (carries(event)) event.preventDefault(); });
  document.addEventListener("drop", async (event) => {
    if (!carries(event)) return;
    event.preventDefault();
    depth = 0;
    drop.classList.remove("hot");
    const files = await dropped(event.dataTransfer);
    if (files.length) take(files);
    else toast({ title: "There is no photo in what you dropped.", kind: "warn", seconds: 8 });
  });
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])].filter((file) => file.type.startsWith("image/"));
    if (files.length) take(files);
  });
}

/** All photos of a drop. A single file is taken as it is: the server says what is wrong with it. */
async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.some((entry) => entry.isDirectory)) return [...transfer.files];
  const files = [];
  for (const entry of entries) await collect(entry, files, true);
  return files;
}

async function collect(entry, files, top) {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    if (top || LOOKS_LIKE_A_PHOTO.test(file.name)) files.push(file);
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    const part = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!part.length) return;
    for (const inner of part.sort((a, b) => a.name.localeCompare(b.name, undefined, { numeric: true }))) await collect(inner, files, false);
  }
}

/**
 * Send the files in parts, one after another; `urlOf(answer)` gives the address of the next part
 * from the last answer. Resolves to the last answer; throws an Error in words for people.
 */
export async function send(files, { url, fields = {}, urlOf = () => url, progress, signal }) {
  const total = files.reduce((sum, file) => sum + file.size, 0) || 1;
  // A small first part: the first results are there while the rest is still on its way.
  const parts = [files.slice(0, FIRST_PART), ...batches(files.slice(FIRST_PART))];
  let answer = null;
  let sentFiles = 0;
  let sentBytes = 0;
  for (const part of parts.filter((one) => one.length)) {
    const body = new FormData();
    for (const [name, value] of Object.entries(fields)) body.append(name, value);
    for (const file of part) body.append("photos", file, file.name);
    const size = part.reduce((sum, file) => sum + file.size, 0);
    answer = await post(answer ? urlOf(answer) : url, body, signal, (share) => progress(sentFiles, (sentBytes + share * size) / total));
    sentFiles += part.length;
    sentBytes += size;
    progress(sentFiles, sentBytes / total);
  }
  return answer;
}

/** fetch() tells nothing about an upload's progress; XMLHttpRequest does. */
function post(url, body, signal, progress) {
  return new Promise((resolve, reject) => {
    const call = new XMLHttpRequest();
    call.open("POST", url);
    call.setRequestHeader("X-CSRFToken", csrfToken());
    call.setRequestHeader("Accept", "application/json");
    call.responseType = "json";
    call.upload.addEventListener("progress", (event) => { if (event.lengthComputable) progress(event.loaded / event.total); });
    call.addEventListener("load", () => {
      if (call.status < 300 && call.response) resolve(call.response);
      else reject(new Error(call.response?.message ?? words(call.status)));
    });
    call.addEventListener("error", () => reject(new Error("The server could not be reached. What had arrived is kept; add the others again.")));
    call.addEventListener("abort", () => reject(new DOMException("Stopped", "AbortError")));
    signal?.addEventListener("abort", () => call.abort());
    call.send(body);
  });
}

function words(status) {
  if (status === 413) return "That is more than the server takes at once. Send fewer or smaller photos.";
  if (status === 403) return "You may not do that here, or were logged out. Load the page again.";
  return `The server answered ${status}. What had arrived is kept; load the page again.`;
}
