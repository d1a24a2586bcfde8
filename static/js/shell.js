// The shell of every page: menus, dialogs, confirmations, toasts, ranges.
// Other modules import { toast, confirm } from "./shell.js".

const icons = { ok: "ok", warn: "warn", dng: "error", info: "info" };
const spriteUrl = new URL("../icons.svg", import.meta.url);

/** An icon of icons.svg as an <svg> element: icon("check", "s"). */
export function icon(name, css = "") {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("class", `i ${css}`.trim());
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `${spriteUrl.pathname}#${name}`);
  svg.append(use);
  return svg;
}

/** An element with attributes and children (text or nodes). Text is never read as HTML. */
export function element(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) made.setAttribute(name, "");
    else if (value !== false && value != null) made.setAttribute(name, value);
  }
  made.append(...children.filter((child) => child != null));
  return made;
}

/** The token that Django wants in X-CSRFToken. */
export function csrfToken() {
  return document.cookie.match(/(?:^|;\s*)csrftoken=([^;]+)/)?.[1] ?? "";
}

// ---- Toasts

/**
 * Show a message at the bottom right; returns its element.
 *
 * kind: "ok" (leaves after 5 s), "info", "warn" or "dng" (stay until closed).
 * lines: strings, or { text, href, link } where the line has a way out.
 */
export function toast({ title, lines = [], kind = "ok", seconds = kind === "ok" ? 5 : 0 }) {
  const made = element("div", { class: `pop toast ${kind}` }, icon(icons[kind] ?? "info"), element("b", {}, title));
  const close = element("button", { type: "button", class: "btn ic ghost sm", "aria-label": "Close", "data-close-toast": true }, icon("x"));
  made.append(close);
  if (lines.length) {
    const list = element("ul");
    for (const line of lines) {
      const { text, href, link } = typeof line === "string" ? { text: line } : line;
      list.append(element("li", {}, text, href ? " " : null, href ? element("a", { class: "link nw", href }, link ?? "Look") : null));
    }
    made.append(list);
  }
  document.getElementById("toasts")?.append(made);
  if (seconds) leave(made, seconds);
  return made;
}

function leave(made, seconds) {
  const remove = () => {
    if (made.matches(":hover, :focus-within")) setTimeout(remove, 1000);
    else made.remove();
  };
  setTimeout(remove, seconds * 1000);
}

for (const made of document.querySelectorAll(".toast[data-seconds]")) leave(made, Number(made.dataset.seconds));

// ---- Dialogs and confirmations

/**
 * Ask before something that cannot be undone; resolves to true or false.
 * action is the verb and its object ("Delete 3 images").
 */
export function confirm({ title, text = "", action = "Go on", danger = true }) {
  const go = element("button", { type: "button", class: danger ? "btn dng fill" : "btn pri" }, action);
  const cancel = element("button", { type: "button", class: "btn" }, "Cancel");
  const dialog = element(
    "dialog",
    { class: "pop dialog", "aria-label": title },
    element("div", { class: "body" }, element("h2", {}, title), text ? element("p", { class: "t2" }, text) : null, element("div", { class: "acts" }, cancel, go)),
  );
  document.body.append(dialog);
  return new Promise((resolve) => {
    let agreed = false;
    go.addEventListener("click", () => { agreed = true; dialog.close(); });
    cancel.addEventListener("click", () => dialog.close());
    dialog.addEventListener("close", () => { dialog.remove(); resolve(agreed); });
    dialog.showModal();
    cancel.focus();
  });
}

function question(holder) {
  const { confirm: title, confirmText: text = "", confirmAction: action = "Go on" } = holder.dataset;
  return { title, text, action };
}

// <form data-confirm="Delete 3 images?" data-confirm-text="…" data-confirm-action="Delete 3 images">,
// or the same attributes on one of its submit buttons.
const agreed = new WeakSet();
document.addEventListener("submit", async (event) => {
  const form = event.target;
  const holder = event.submitter?.dataset.confirm ? event.submitter : form;
  if (!holder.dataset.confirm || agreed.delete(form)) return;
  event.preventDefault();
  event.stopImmediatePropagation();
  const submitter = event.submitter;
  if (await confirm(question(holder))) {
    agreed.add(form);
    form.requestSubmit(submitter);
  }
}, true);

// A form is sent once, however often its button is pressed.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (event.defaultPrevented || form.method !== "post" || form.matches("[hx-post],[data-many]")) return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "yes";
});
window.addEventListener("pageshow", () => {
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
});

document.addEventListener("click", (event) => {
  if (!(event.target instanceof Element)) return;
  const opener = event.target.closest("[data-dialog]");
  if (opener) {
    const dialog = document.getElementById(opener.dataset.dialog);
    closeMenus();
    dialog?.showModal();
    dialog?.querySelector("[autofocus],input:not([type=hidden]),select,textarea")?.focus();
  }
  if (event.target.closest("[data-close]")) event.target.closest("dialog")?.close();
  event.target.closest("[data-close-toast]")?.closest(".toast")?.remove();
  const copier = event.target.closest("[data-copy]");
  if (copier) copy(copier);
  if (event.target instanceof HTMLDialogElement && outside(event)) event.target.close();
});

// The pointer went down and up on the backdrop: a drag that ends there must not close.
let pressedOn = null;
document.addEventListener("pointerdown", (event) => { pressedOn = event.target; });

function outside(event) {
  const box = event.target.getBoundingClientRect();
  const within = event.clientX >= box.left && event.clientX <= box.right && event.clientY >= box.top && event.clientY <= box.bottom;
  return pressedOn === event.target && !within;
}

/** data-copy="#id of a field" or data-copy-text="the text". */
async function copy(button) {
  const field = button.dataset.copy ? document.querySelector(button.dataset.copy) : null;
  const text = button.dataset.copyText ?? field?.value ?? field?.textContent ?? "";
  try {
    await navigator.clipboard.writeText(text);
  } catch {
    // Not https, or not allowed: the field is selected, and the older command may still work.
    field?.select?.();
    if (!document.execCommand("copy")) {
      toast({ title: "The browser did not let Boxloop copy. The text is selected: press Ctrl C.", kind: "info" });
      return;
    }
  }
  toast({ title: "Copied." });
}

// ---- Menus: <details class="menu"><summary>…</summary><div class="pop menu-list">…</div></details>

function closeMenus(but = null) {
  for (const menu of document.querySelectorAll("details.menu[open]")) {
    if (menu !== but && !menu.contains(but)) menu.open = false;
  }
}

document.addEventListener("click", (event) => {
  if (!(event.target instanceof Element)) return;
  closeMenus(event.target.closest("details.menu"));
  // A choice in a menu closes it, unless it holds fields of its own.
  const item = event.target.closest("details.menu a.menu-item, details.menu button.menu-item");
  if (item) item.closest("details.menu").open = false;
});
document.addEventListener("focusin", (event) => closeMenus(event.target.closest("details.menu")));

document.addEventListener("keydown", (event) => {
  if (!(event.target instanceof Element)) return;
  const menu = event.target.closest("details.menu[open]") ?? (event.key === "Escape" ? document.querySelector("details.menu[open]") : null);
  if (!menu) return;
  if (event.key === "Escape") {
    event.preventDefault();
    menu.open = false;
    menu.querySelector("summary").focus();
    return;
  }
  const step = { ArrowDown: 1, ArrowUp: -1, Home: "first", End: "last" }[event.key];
  if (step === undefined || event.target.matches("input,select,textarea")) return;
  const items = [...menu.querySelectorAll("a.menu-item,button.menu-item,label.menu-item input")];
  if (!items.length) return;
  event.preventDefault();
  const at = items.indexOf(document.activeElement);
  const next = step === "first" ? 0 : step === "last" ? items.length - 1 : (at + step + items.length) % items.length;
  items[at === -1 && step === -1 ? items.length - 1 : next].focus();
});

// <select data-submit>: choosing is sending.
document.addEventListener("change", (event) => { if (event.target.matches("[data-submit]")) event.target.form.requestSubmit(); });

// ---- Ranges: the filled part of the track follows --v

function paint(range) {
  const low = Number(range.min || 0);
  const high = Number(range.max || 100);
  range.style.setProperty("--v", `${(100 * (range.value - low)) / (high - low || 1)}%`);
}
document.addEventListener("input", (event) => { if (event.target.matches("input.rng")) paint(event.target); });
for (const range of document.querySelectorAll("input.rng")) paint(range);

// ---- htmx

document.addEventListener("htmx:confirm", async (event) => {
  const holder = event.detail.elt;
  if (!holder.dataset.confirm || holder.matches("form")) return;
  event.preventDefault();
  if (await confirm(question(holder))) event.detail.issueRequest(true);
});
document.addEventListener("htmx:afterSwap", (event) => {
  for (const range of event.detail.elt.querySelectorAll?.("input.rng") ?? []) paint(range);
});
document.addEventListener("htmx:responseError", (event) => {
  const { status, responseURL } = event.detail.xhr;
  // A poll that fails once is not worth a word; the next one comes.
  if (event.detail.requestConfig.verb === "get") return;
  if (status === 403) toast({ title: "Your role here does not allow that.", kind: "dng" });
  else if (status === 404) toast({ title: "It is gone. Load the page again.", kind: "dng" });
  else toast({ title: `The server answered ${status} to ${new URL(responseURL).pathname}. Nothing was changed; try again.`, kind: "dng" });
});
document.addEventListener("htmx:sendError", (event) => {
  if (event.detail.requestConfig.verb !== "get") toast({ title: "The server could not be reached. Nothing was changed; try again.", kind: "dng" });
});
