// In the editor, where an error of a model or a detection led there: what is shown is right, the
// image is done, and the next run begins.

import { toast } from "./shell.js";

const PATIENCE = 20_000;

const { editor, actions } = document.getElementById("editor");
const { store, sync } = editor;
const form = document.getElementById("train-again");
const button = form.querySelector("button");
const words = button.querySelector("span");

// A suggestion that nobody answers is no box for the training: what is shown is taken, and said.
const offered = () => store.suggestions.filter((one) => !store.isLocked(one.label_id)).length;

function show() {
  words.textContent = offered() ? `Accept ${offered()}, train again` : "Done, train again";
}

async function send(event) {
  event.preventDefault();
  if (!store.document || button.disabled) return;
  button.disabled = true;
  const { id } = store.document;
  if (offered()) actions.acceptAll(editor);
  store.setState("done");
  sync.flush({ retry: true });
  if (await editor.settled(PATIENCE, id)) return form.submit();
  button.disabled = false;
  toast({ kind: "warn", title: "No training yet: not all that you drew is saved.", lines: ["Try again when the badge above says Saved."] });
}

form.addEventListener("submit", send);
store.on("document boxes shown labels", show);
show();
