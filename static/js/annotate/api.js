/** The editor's half of webapp/api/labeling.py. */
import { csrfToken } from "../shell.js";

const TIMEOUT_MS = 20_000;
/** Browsers send at most 64 KiB of keepalive bodies when a page is left. */
const KEEPALIVE_BYTES = 60_000;
/** For pages that live on although they were left, lest a hung request blocks its image. */
const KEEPALIVE_TIMEOUT_MS = 60_000;

/** Who opened this page: the server takes nothing of it after somebody else logged in. */
let userId = "";

/** @param {number} id */
export const setUser = (id) => (userId = String(id));

/** An answer that is not a success; `status` 0 where there was none. */
export class ApiError extends Error {
  /** @param {number} status @param {string} message @param {any} body */
  constructor(status, message, body = null) {
    super(message);
    this.status = status;
    this.body = body;
  }
}

/**
 * One request; any answer of the server is a result.
 * @returns {Promise<{status: number, body: any}>} rejects when there was no answer
 */
export async function request(method, url, body, { keepalive = false } = {}) {
  const text = body === undefined ? undefined : JSON.stringify(body);
  const token = csrfToken();
  // Without its cookies the browser is logged out, whatever the server would say first.
  if (method !== "GET" && !token) return { status: 401, body: null };
  const headers = { Accept: "application/json", "X-CSRFToken": token, "X-Boxloop-User": userId };
  if (text !== undefined) headers["Content-Type"] = "application/json";
  const response = await fetch(url, {
    method,
    headers,
    body: text,
    credentials: "same-origin",
    // A redirect is the way to the log-in page, and means the same as 401.
    redirect: "manual",
    cache: "no-store",
    keepalive: keepalive && (text?.length ?? 0) < KEEPALIVE_BYTES,
    signal: AbortSignal.timeout(keepalive ? KEEPALIVE_TIMEOUT_MS : TIMEOUT_MS),
  });
  if (response.type === "opaqueredirect") return { status: 401, body: null };
  const answer = await response.json().catch(() => null);
  return { status: response.status, body: answer };
}

/** @param {string} method @param {string} url @returns {Promise<any>} the body; rejects with ApiError */
async function ask(method, url, body) {
  let answer;
  try {
    answer = await request(method, url, body);
  } catch {
    throw new ApiError(0, "The server does not answer.");
  }
  if (answer.status < 400) return answer.body;
  if (answer.status === 401) document.dispatchEvent(new CustomEvent("boxloop:login"));
  const words = answer.body?.message ?? answer.body?.detail;
  throw new ApiError(answer.status, typeof words === "string" ? words : `The server answered ${answer.status}.`, answer.body);
}

/** @param {string} base the API's root, "/api/" */
export const makeApi = (base, projectId) => ({
  image: (id) => ask("GET", `${base}images/${id}`),
  labels: () => ask("GET", `${base}projects/${projectId}/labels`),
  addLabel: (name) => ask("POST", `${base}projects/${projectId}/labels`, { name }),
  filmstrip: (offset, limit) => ask("GET", `${base}projects/${projectId}/filmstrip?offset=${offset}&limit=${limit}`),
  history: (id, before) => ask("GET", `${base}images/${id}/history${before ? `?before=${before}` : ""}`),
  revision: (id, revision) => ask("GET", `${base}images/${id}/history/${revision}`),
  deleted: (id) => ask("GET", `${base}images/${id}/deleted`),
  authors: (id) => ask("GET", `${base}images/${id}/authors`),
  readReview: (id) => ask("GET", `${base}images/${id}/review`),
  /** @param {"flag"|"take_flag_away"|"accept"|"send_back"} action */
  review: (id, baseRevision, action, words) =>
    ask("POST", `${base}images/${id}/review`, { base_revision: baseRevision, action, words }),
  comment: (id, text, annotation) => ask("POST", `${base}images/${id}/comments`, { text, annotation }),
  resolveComment: (id, comment, resolved) => ask("PATCH", `${base}images/${id}/comments/${comment}`, { resolved }),
  deleteComment: (id, comment) => ask("DELETE", `${base}images/${id}/comments/${comment}`),
  /** @returns {Promise<{id: number|null}>} */
  nextToReview: (after) => ask("GET", `${base}projects/${projectId}/next?to=review&after=${after}`),
  bePresent: (id, page) => request("POST", `${base}images/${id}/presence`, { page }),
  leave: (page) => request("POST", `${base}presence/leave`, { page }, { keepalive: true }),
  /** @returns {Promise<{status: number, body: any}>} */
  patch: (imageId, body, options) => request("PATCH", `${base}images/${imageId}/annotations`, body, options),
});
