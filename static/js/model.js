// A model's page: kinds of errors, and the snippets' languages.

const FIRST = 8;
const gallery = document.querySelector("[data-errors]");
const more = document.querySelector("[data-more]");
let kind = "";
let all = false;

function show() {
  if (!gallery) return;
  const fitting = [...gallery.children].filter((item) => !kind || item.dataset.kind === kind);
  for (const item of gallery.children) item.hidden = true;
  for (const item of all ? fitting : fitting.slice(0, FIRST)) item.hidden = false;
  more.hidden = all || fitting.length <= FIRST;
  more.textContent = `Show all ${fitting.length}`;
}

for (const tab of document.querySelectorAll(".errors .tabs button")) {
  tab.addEventListener("click", () => {
    kind = tab.dataset.kind;
    for (const other of tab.parentElement.children) {
      other.classList.toggle("on", other === tab);
      other.setAttribute("aria-pressed", String(other === tab));
    }
    show();
  });
}
more?.addEventListener("click", () => { all = true; show(); });
show();

for (const choice of document.querySelectorAll('input[name="snippet"]')) {
  choice.addEventListener("change", () => {
    for (const part of document.querySelectorAll("[data-snippet]")) part.hidden = part.dataset.snippet !== choice.value;
    document.querySelector("[data-copy-button]").dataset.copy = `#snippet-${choice.value}`;
  });
}
