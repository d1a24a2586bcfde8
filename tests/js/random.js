/** Seeded random numbers (mulberry32), so that a failing sequence can be run again. */
export function seeded(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return {
    next,
    int: (low, high) => low + Math.floor(next() * (high - low + 1)),
    pick: (list) => list[Math.floor(next() * list.length)],
    chance: (p) => next() < p,
  };
}

export const IMAGE = { width: 800, height: 600 };

let made = 0;

/** A valid annotation somewhere in IMAGE. */
export function annotation(random, fields = {}) {
  const xmin = random.int(0, IMAGE.width - 2);
  const ymin = random.int(0, IMAGE.height - 2);
  return Object.freeze({
    id: `a${made++}`,
    label_id: random.int(1, 4),
    xmin,
    ymin,
    xmax: random.int(xmin + 1, IMAGE.width),
    ymax: random.int(ymin + 1, IMAGE.height),
    status: "active",
    source: "human",
    score: null,
    difficult: false,
    truncated: false,
    ...fields,
  });
}
