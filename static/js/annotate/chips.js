/**
 * Where each box's name goes. Pure but for the text widths, which the caller measures.
 *
 * Above the top left corner; inside where there is no room above; right-aligned over the right
 * edge; where two would overlap, the first of the list stays and the other goes inside.
 */
export const CHIP_HEIGHT = 20;
const GAP = 4;

/**
 * @param {{xmin: number, ymin: number, xmax: number, ymax: number, width: number, must?: boolean}[]} wanted
 *   boxes on the screen and the width of their chips, the surest first
 * @param {{width: number, height: number}} stage
 * @returns {({x: number, y: number}|null)[]} top left corners; null where there is no room
 */
export function placeChips(wanted, stage) {
  const taken = [];
  return wanted.map((box) => {
    const free = candidates(box, stage).find((place) => !taken.some((other) => collide(place, other)));
    const place = free ?? (box.must ? candidates(box, stage)[0] : null);
    if (place) taken.push(place);
    return place;
  });
}

function candidates(box, stage) {
  const { width } = box;
  const left = Math.min(Math.max(box.xmin - 2, 0), stage.width - width);
  const right = Math.min(Math.max(box.xmax + 2 - width, 0), stage.width - width);
  const over = box.xmin - 2 + width > stage.width ? right : left;
  const above = box.ymin - GAP - CHIP_HEIGHT;
  const places = [];
  if (above >= 2) places.push([over, above]);
  const inside = Math.max(box.ymin, 0) + GAP;
  const insideX = Math.min(Math.max(box.xmin, 0) + GAP, stage.width - width);
  places.push([insideX, inside]);
  places.push([right, Math.max(above, 2)], [left, box.ymax + GAP]);
  return places.map(([x, y]) => ({ x, y, width }));
}

const collide = (a, b) =>
  a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + CHIP_HEIGHT && b.y < a.y + CHIP_HEIGHT;
