/** Logging in again in place: the page, its picture and what is not saved yet stay as they are. */
import { csrfToken } from "../shell.js";

export class LoginDialog {
  /** @param {import("./main.js").Editor} editor */
  constructor(editor) {
    this.editor = editor;
    this.dialog = document.getElementById("login-dialog");
    this.form = this.dialog.querySelector("form");
    this.error = this.dialog.querySelector(".err");
    this.asked = false;
    this.form.addEventListener("submit", (event) => this.#submitted(event));
    this.dialog.querySelector("[data-later]").addEventListener("click", () => this.dialog.close());
    document.addEventListener("boxloop:login", () => this.offer());
  }

  /** Open once of itself for each time that the login expires; later the notice's button opens it. */
  offer() {
    if (this.asked) return;
    this.asked = true;
    this.open();
  }

  open() {
    if (this.dialog.open) return;
    this.#say("");
    this.form.password.value = "";
    this.dialog.showModal();
    this.form.password.focus();
  }

  /** The server takes edits again, perhaps by a log-in in another tab. */
  settled() {
    this.asked = false;
    if (this.dialog.open) this.dialog.close();
  }

  async #submitted(event) {
    event.preventDefault();
    const button = this.form.querySelector("button.pri");
    button.disabled = true;
    this.#say("");
    try {
      const problem = await logIn(this.editor.config.urls.login, this.form.username.value, this.form.password.value);
      if (problem) return this.#refused(problem);
    } catch {
      return this.#refused("The server does not answer. Your edits stay in this browser; try again in a moment.");
    } finally {
      button.disabled = false;
    }
    this.settled();
    this.editor.sync.flush({ retry: true });
    if (!this.editor.store.document) this.editor.show(this.editor.config.image_id, { push: false });
    this.editor.focusStage();
  }

  #refused(words) {
    this.#say(words);
    this.form.password.select();
    this.form.password.focus();
  }

  #say(words) {
    this.error.textContent = words;
    this.error.hidden = !words;
  }
}

/**
 * Send the log-in page's form. @returns {Promise<string>} what is wrong, in its words, or ""
 * @param {string} url
 */
async function logIn(url, username, password) {
  const options = { credentials: "same-origin", cache: "no-store", signal: AbortSignal.timeout(20_000) };
  // A browser without its cookies gets them with the form.
  if (!csrfToken()) await fetch(url, options);
  const body = new URLSearchParams({ username, password, csrfmiddlewaretoken: csrfToken() });
  const answer = await fetch(url, { ...options, method: "POST", body, redirect: "manual" });
  if (answer.type === "opaqueredirect") return "";
  const page = new DOMParser().parseFromString(await answer.text(), "text/html");
  const words = [...page.querySelectorAll("[role=alert], .err")].map((one) => one.textContent.trim()).filter(Boolean);
  return words.join(" ") || `The server answered ${answer.status}. Try again, or log in in another tab.`;
}
