// "Try detection now": a photo dropped, pasted, chosen or taken goes to the detector at once.

import { toast } from "./shell.js";

const form = document.getElementById("try");
const drop = document.getElementById("try-drop");
const status = document.getElementById("try-status");
const input = form.querySelector("input[name=photos]");
const camera = form.querySelector("[data-camera]");

function send(files) {
  const photos = [...files].filter((file) => file.type.startsWith("image/") || /\.(jpe?g|png|webp|bmp|gif|tiff?|avif|heic)$/i.test(file.name));
  if (!photos.length) {
    const names = [...files].map((file) => file.name).join(", ");
    toast({ title: names ? `${names}: not a photo. Drop a JPEG, PNG or WebP.` : "There was no photo in what you dropped.", kind: "warn" });
    return;
  }
  const transfer = new DataTransfer();
  for (const photo of photos) transfer.items.add(photo);
  input.files = transfer.files;
  status.textContent = `Sending ${photos.length === 1 ? photos[0].name || "the photo" : `${photos.length} photos`} …`;
  form.requestSubmit();
}

input.addEventListener("change", () => { if (input.files.length) send(input.files); });
camera.addEventListener("change", () => { if (camera.files.length) send(camera.files); });

// The whole page takes a drop: a near miss must not make the browser open the photo.
let depth = 0;
const holdsFiles = (event) => event.dataTransfer?.types.includes("Files");
addEventListener("dragenter", (event) => {
  if (!holdsFiles(event)) return;
  event.preventDefault();
  depth += 1;
  drop.classList.add("hot");
});
addEventListener("dragover", (event) => { if (holdsFiles(event)) event.preventDefault(); });
addEventListener("dragleave", () => {
  depth = Math.max(0, depth - 1);
  if (!depth) drop.classList.remove("hot");
});
addEventListener("drop", (event) => {
  if (!holdsFiles(event)) return;
  event.preventDefault();
  depth = 0;
  drop.classList.remove("hot");
  send(event.dataTransfer.files);
});
addEventListener("paste", (event) => {
  if (event.clipboardData?.files.length) send(event.clipboardData.files);
});
addEventListener("pageshow", () => {
  status.textContent = "";
  form.reset();
});
