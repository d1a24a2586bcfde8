// The trash: its buttons say how many images they act on.

const form = document.getElementById("trash");

function show() {
  const count = form.querySelectorAll("input[name=ids]:checked").length;
  for (const words of form.querySelectorAll("[data-chosen]")) words.textContent = count || "all";
  const button = form.querySelector("[data-confirm]");
  if (!button) return;
  const images = count === 1 ? "1 image" : `${count || `all ${button.dataset.count}`} images`;
  button.dataset.confirm = `Delete ${images} for good?`;
  button.dataset.confirmAction = `Delete ${count || button.dataset.count} for good`;
}

form.addEventListener("change", show);
addEventListener("pageshow", show);
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape" || document.querySelector("dialog[open]")) return;
  for (const box of form.querySelectorAll("input[name=ids]:checked")) box.checked = false;
  show();
});
