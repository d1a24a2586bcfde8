/** The keys that buttons name in their tips and caps: those of the person's own key map. */
import { capsOf, works } from "./keymap.js";
import { keyWords } from "./help.js";
import { settings } from "./settings.js";

const TOOLS = { draw: "draw", move: "move" };
const HELD = { toggleHidden: "hideWhileHeld" };

/** The action's first key that works as things are. @param {import("./keymap.js").Keymap} map @param {string} action */
export const keyOfAction = (map, action) => map.keysOf(action).find((key) => works(key, settings.singleKeys));

/** @param {HTMLElement} root @param {import("./keymap.js").Keymap} map */
export function showKeys(root, map) {
  for (const cap of root.querySelectorAll(".kbd[data-key]")) {
    const key = keyOfAction(map, cap.dataset.key);
    cap.hidden = !key;
    cap.textContent = key ? keyWords(key) : "";
  }
  for (const button of root.querySelectorAll("[data-action], [data-tool]")) {
    const { action, tool } = button.dataset;
    const key = keyOfAction(map, TOOLS[tool] ?? HELD[action] ?? action);
    const end = key ? ` (${keyWords(key)}${HELD[action] === "hideWhileHeld" ? ", while held" : ""})` : "";
    // The words without the key are kept at the first time.
    if (button.title) button.title = (button.dataset.words ??= button.title.replace(/ \([^()]*\)$/, "")) + end;
    const caps = button.querySelectorAll(".kbd");
    if (!caps.length) continue;
    const shown = key ? capsOf(key) : [];
    caps.forEach((cap, i) => {
      cap.hidden = i >= shown.length;
      if (!cap.hidden) cap.textContent = i === caps.length - 1 ? keyWords(shown.slice(i).join("+")) : keyWords(shown[i]);
    });
  }
}
