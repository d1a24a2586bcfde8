/**
 * The outbox in a browser: IndexedDB keeps it, Web Locks tell which pages live, and it is sent
 * when the network comes back, when the page is hidden and when it is left.
 */
import { Outbox } from "./queue.js";
import { newUuid } from "./uuid.js";

const HEARTBEAT_MS = 5000;
/** Without Web Locks (plain http) a page that was silent for so long is taken for closed. */
const SILENT_MS = 20_000;

/**
 * @param {{userId: number, patch: (imageId: number, body: object, options: object) => Promise<any>,
 *   notify: (event: string, detail: any) => void}} parts
 */
export function makeSync({ userId, patch, notify }) {
  const owner = newUuid();
  const outbox = new Outbox({
    storage: makeStorage(`boxloop-${userId}`),
    send: (record, body, options) => patch(record.image_id, body, options),
    owner,
    newId: newUuid,
    isGone,
    notify,
  });
  // Held until the page is gone.
  navigator.locks?.request(lockName(owner), () => new Promise(() => {}));
  setInterval(() => outbox.heartbeat(), HEARTBEAT_MS);
  // A tab that was closed meanwhile leaves its edits to those that are still open.
  setInterval(() => outbox.adopt(), SILENT_MS);
  listen(outbox);
  return outbox;
}

const lockName = (owner) => `boxloop-page-${owner}`;

/** @param {string} owner @param {number} seen */
async function isGone(owner, seen) {
  if (!navigator.locks) return Date.now() - seen > SILENT_MS;
  return navigator.locks.request(lockName(owner), { ifAvailable: true }, (lock) => lock !== null);
}

/** @param {Outbox} outbox */
function listen(outbox) {
  const leave = () => outbox.flush({ keepalive: true });
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "hidden") leave();
    else if (outbox.login) outbox.flush({ retry: true });
  });
  window.addEventListener("pagehide", leave);
  window.addEventListener("online", () => outbox.flush({ retry: true }));
  window.addEventListener("focus", () => outbox.login && outbox.flush({ retry: true }));
  window.addEventListener("beforeunload", (event) => {
    leave();
    if (outbox.summary().kind !== "saved") event.preventDefault();
  });
}

/** Records by key in IndexedDB. @param {string} name of the database */
function makeStorage(name) {
  const opened = new Promise((resolve, reject) => {
    const request = indexedDB.open(name, 1);
    request.onupgradeneeded = () => request.result.createObjectStore("outbox", { keyPath: "key" });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error);
  });
  opened.catch(() => {});
  const run = async (mode, ask) => {
    const database = await opened;
    return new Promise((resolve, reject) => {
      const transaction = database.transaction("outbox", mode);
      const request = ask(transaction.objectStore("outbox"));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onerror = transaction.onabort = () => reject(transaction.error);
    });
  };
  return {
    all: () => run("readonly", (store) => store.getAll()),
    put: (record) => run("readwrite", (store) => store.put(record)),
    delete: (key) => run("readwrite", (store) => store.delete(key)),
  };
}
