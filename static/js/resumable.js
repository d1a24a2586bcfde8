// One large file in parts, by the tus protocol 1.0: a part that is lost is sent again, and an upload
// that broke off goes on where the server says that the file ends.

import { csrfToken } from "./shell.js";

const VERSION = "1.0.0";
const PART = 8 * 1024 * 1024;
const PATIENCE_MS = 15 * 60 * 1000; // how long to go on trying without one byte accepted
const LONGEST_PAUSE_MS = 10_000;

export class Refused extends Error {}
export class Cancelled extends Error {}

/**
 * Send `file` as `name` to the upload at `url`. `state` has `requests` (a Set of those under way),
 * `cancelled` and `waiting` (words about a pause); `onProgress(bytes)` tells how much is there.
 * Resolves when the server has all of it. Throws Refused, Cancelled, or an Error after long trying.
 */
export async function sendResumable(url, name, file, state, onProgress) {
  const created = await patiently(state, () => request("POST", url, state, {
    "Upload-Length": file.size, "Upload-Metadata": `filename ${base64(new TextEncoder().encode(name))}`,
  }));
  const place = created.getResponseHeader("Location");
  let offset = Number(created.getResponseHeader("Upload-Offset"));
  onProgress(offset);
  while (offset < file.size) {
    let lost = false;
    offset = await patiently(state, async () => {
      if (lost) {
        // Some of the part may have arrived.
        const known = await request("HEAD", place, state);
        offset = Number(known.getResponseHeader("Upload-Offset"));
        onProgress(offset);
        if (offset >= file.size) return offset;
      }
      lost = true;
      return sendPart(place, file, offset, state, onProgress);
    });
  }
}

async function sendPart(place, file, offset, state, onProgress) {
  const part = file.slice(offset, offset + PART);
  const headers = { "Upload-Offset": offset, "Content-Type": "application/offset+octet-stream" };
  // Browsers compute digests on secure pages only; elsewhere TCP's checksums must do.
  if (crypto.subtle) {
    const bytes = await part.arrayBuffer().catch(() => { throw new Refused(`${file.name} cannot be read any more. Was it moved or changed? Choose it again.`); });
    headers["Upload-Checksum"] = `sha256 ${base64(new Uint8Array(await crypto.subtle.digest("SHA-256", bytes)))}`;
  }
  const answer = await request("PATCH", place, state, headers, part, (sent) => onProgress(offset + sent));
  return Number(answer.getResponseHeader("Upload-Offset"));
}

/** Again and again, with longer pauses, until it works, is refused, or nothing works for long. */
export async function patiently(state, attempt) {
  const since = Date.now();
  for (let number = 0; ; number += 1) {
    try {
      if (state.cancelled) throw new Cancelled();
      const result = await attempt();
      state.waiting = "";
      return result;
    } catch (error) {
      if (error instanceof Refused || error instanceof Cancelled || Date.now() - since > PATIENCE_MS) throw error;
      state.waiting = `${error.message} It goes on where it was as soon as the server answers.`;
      await pause(Math.min(LONGEST_PAUSE_MS, 500 * 2 ** number), state);
    }
  }
}

/** A pause that ends early when the network is back or the upload is cancelled. */
function pause(ms, state) {
  return new Promise((resolve) => {
    const looking = setInterval(() => { if (state.cancelled) end(); }, 200);
    const end = () => { clearInterval(looking); clearTimeout(timer); removeEventListener("online", end); resolve(); };
    const timer = setTimeout(end, ms);
    addEventListener("online", end);
  });
}

function request(method, url, state, headers = {}, body = null, onSent = null) {
  return new Promise((resolve, reject) => {
    const call = new XMLHttpRequest();
    call.open(method, url);
    const all = { "Tus-Resumable": VERSION, "X-CSRFToken": csrfToken(), ...headers };
    for (const [name, value] of Object.entries(all)) call.setRequestHeader(name, value);
    if (onSent) call.upload.onprogress = (event) => onSent(event.loaded);
    call.onload = () => {
      if (call.status < 300 && call.getResponseHeader("Upload-Offset") !== null) resolve(call);
      else if ([409, 423, 460].includes(call.status) || (call.status >= 500 && call.status !== 507)) reject(new Error(`The server answered ${call.status}.`));
      else reject(new Refused(wordsOf(call)));
    };
    call.onerror = () => reject(new Error("The connection was lost."));
    call.onabort = () => reject(new Cancelled());
    call.onloadend = () => state.requests.delete(call);
    state.requests.add(call);
    call.send(body);
  });
}

function wordsOf(call) {
  try { return JSON.parse(call.responseText).error; } catch { /* a page, not an answer */ }
  if (call.status === 404) return "This upload is gone; it may have been cancelled. Start again.";
  return `The server answered ${call.status}. Load the page again, log in, and choose the same file: it goes on where it was.`;
}

function base64(bytes) {
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

/** The same choice of files gives the same words: 53 bits of their names, sizes and times. */
export function fingerprintOf(files) {
  let high = 0xdeadbeef;
  let low = 0x41c6ce57;
  const listed = files.map(({ name, file }) => `${name}\n${file.size}\n${file.lastModified}`).sort();
  for (const character of listed.join("\n\n")) {
    const code = character.codePointAt(0);
    high = Math.imul(high ^ code, 2654435761);
    low = Math.imul(low ^ code, 1597334677);
  }
  // cyrb53 by bryc, public domain.
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909);
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909);
  return `${files.length}-${(4294967296 * (2097151 & low) + (high >>> 0)).toString(36)}`;
}
