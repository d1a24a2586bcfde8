// What was dropped or chosen, as a flat list of { name, file }: names are relative paths, as text.

const SKIPPED = /(^|\/)(\.DS_Store|Thumbs\.db|desktop\.ini|__MACOSX\/.*|\._[^/]*)$/i;

/** All files of a drop, folders gone through. Call it inside the drop event's own turn. */
export async function filesOfDrop(transfer) {
  // The list of items is emptied when the event is over: entries are taken now.
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) return unique([...transfer.files].map((file) => ({ name: file.name, file })));
  const found = [];
  for (const entry of entries) await walk(entry, "", found);
  return unique(found);
}

/** All files of a file or folder field. */
export function filesOfField(field) {
  return unique([...field.files].map((file) => ({ name: file.webkitRelativePath || file.name, file })));
}

async function walk(entry, above, found) {
  const name = above + entry.name;
  if (entry.isFile) {
    found.push({ name, file: await new Promise((resolve, reject) => entry.file(resolve, reject)) });
    return;
  }
  const reader = entry.createReader();
  for (;;) {
    // A reader gives at most 100 entries at a time; an empty answer is the end.
    const part = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!part.length) return;
    for (const inner of part) await walk(inner, `${name}/`, found);
  }
}

// The name is a file's key within its import: two files of one name become "a.jpg" and "a (2).jpg".
function unique(found) {
  const taken = new Set();
  const kept = [];
  for (const { name, file } of found) {
    if (SKIPPED.test(name)) continue;
    let own = name;
    for (let number = 2; taken.has(own); number += 1) own = name.replace(/(\.[^./]*)?$/, (end) => ` (${number})${end}`);
    taken.add(own);
    kept.push({ name: own, file });
  }
  return kept;
}

/** A name for the whole import: the zip's, the folder's, the photo's, or "40 files". */
export function importName(files) {
  if (files.length === 1) return files[0].name.split("/").pop();
  const folders = new Set(files.map(({ name }) => (name.includes("/") ? name.split("/")[0] : "")));
  if (folders.size === 1 && !folders.has("")) return [...folders][0];
  return `${files.length.toLocaleString("en")} files`;
}
