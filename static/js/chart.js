// Small line charts as inline SVG. lineChart() is pure: numbers in, markup out (tests/js/chart.test.js).

const MARGIN = { left: 36, right: 8, top: 12, bottom: 26 };
const LABEL_ROOM = 44;

/** Text that is safe inside markup. */
export function escapeText(text) {
  return String(text).replace(/[&<>"']/g, (sign) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" })[sign]);
}

/** Round values that divide 0..max into at most `most` parts: niceTicks(3.2) -> [0, 1, 2, 3]. */
export function niceTicks(max, most = 5) {
  if (!(max > 0)) return [0, 1];
  const rough = max / most;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 2.5, 5, 10].map((factor) => factor * power).find((size) => size >= rough * (1 - 1e-9));
  const ticks = [];
  for (let at = 0; at <= max * (1 + 1e-9); at += step) ticks.push(Number(at.toPrecision(12)));
  return ticks;
}

/** Whole numbers for an axis of epochs, 0 and the end among them where there is room. */
export function epochTicks(max, most = 5) {
  return niceTicks(max, most).filter((tick) => Number.isInteger(tick));
}

/**
 * The path of points [[x, y], ...]; a point without a number leaves a gap only where it is the
 * first: epochs that were not judged lie between two that were.
 */
export function linePath(points, x, y) {
  return points
    .filter(([, value]) => Number.isFinite(value))
    .map(([at, value], index) => `${index ? "L" : "M"}${x(at).toFixed(1)} ${y(value).toFixed(1)}`)
    .join(" ");
}

/**
 * A line chart's markup.
 *
 * spec: { id, title, description, series: [{ points: [[x, y], ...], color }], xMax, yMax, yTicks,
 *         now (x up to which there is data), best: { x, y, text, below } | null, xName, empty }
 */
export function lineChart(spec, width = 364, height = 216) {
  const { series, xMax, yMax, yTicks, now = null, best = null, xName = "epoch" } = spec;
  const right = width - MARGIN.right;
  const bottom = height - MARGIN.bottom;
  const x = (value) => MARGIN.left + (value / (xMax || 1)) * (right - MARGIN.left);
  const y = (value) => bottom - (Math.min(Math.max(value, 0), yMax) / (yMax || 1)) * (bottom - MARGIN.top);
  const parts = [`<title id="${spec.id}-title">${escapeText(spec.title)}</title><desc id="${spec.id}-words">${escapeText(spec.description)}</desc>`];
  for (const tick of yTicks) {
    parts.push(`<path d="M${MARGIN.left} ${y(tick).toFixed(1)}H${right}" stroke="var(--chart-grid)"/><text x="${MARGIN.left - 8}" y="${(y(tick) + 4).toFixed(1)}" text-anchor="end">${tick}</text>`);
  }
  for (const tick of epochTicks(xMax)) {
    if (x(tick) > right - LABEL_ROOM) continue;
    parts.push(`<text x="${x(tick).toFixed(1)}" y="${height - 6}" text-anchor="middle">${tick}</text>`);
  }
  parts.push(`<text x="${right}" y="${height - 6}" text-anchor="end">${escapeText(xName)}</text>`);
  if (now !== null && now < xMax) {
    parts.push(`<rect x="${x(now).toFixed(1)}" y="${MARGIN.top}" width="${(right - x(now)).toFixed(1)}" height="${bottom - MARGIN.top}" fill="var(--sunken)" opacity=".55"/>`);
    if (now > 0) parts.push(`<path d="M${x(now).toFixed(1)} ${MARGIN.top}V${bottom}" stroke="var(--border-strong)" stroke-dasharray="2 3"/>`);
  }
  const dots = [];
  let drawn = 0;
  for (const { points, color } of series) {
    const known = points.filter(([, value]) => Number.isFinite(value));
    if (!known.length) continue;
    drawn += known.length;
    parts.push(`<path d="${linePath(known, x, y)}" fill="none" stroke="${color}" stroke-width="2" stroke-linejoin="round" stroke-linecap="round"/>`);
    const [lastX, lastY] = known.at(-1);
    dots.push(`<circle cx="${x(lastX).toFixed(1)}" cy="${y(lastY).toFixed(1)}" r="4" fill="${color}" stroke="var(--surface)" stroke-width="2"/>`);
  }
  parts.push(...dots);
  if (best && Number.isFinite(best.y)) parts.push(bestMark(best, x(best.x), y(best.y), right));
  if (!drawn) {
    parts.push(`<text class="empty-words" x="${((MARGIN.left + right) / 2).toFixed(1)}" y="${((MARGIN.top + bottom) / 2).toFixed(1)}" text-anchor="middle">${escapeText(spec.empty ?? "Nothing measured yet")}</text>`);
  }
  return `<svg viewBox="0 0 ${width} ${height}" role="img" aria-labelledby="${spec.id}-title ${spec.id}-words">${parts.join("")}</svg>`;
}

function bestMark(best, x, y, right) {
  const anchor = x > right - LABEL_ROOM ? "end" : x < MARGIN.left + LABEL_ROOM ? "start" : "middle";
  // Above the ring, or below it where the top is near or another curve runs above.
  const textY = best.below || y - 10 < MARGIN.top + 2 ? y + 22 : y - 10;
  return `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="5.5" fill="none" stroke="var(--text)" stroke-width="1.5"/><text class="strong" x="${x.toFixed(1)}" y="${textY.toFixed(1)}" text-anchor="${anchor}" paint-order="stroke" stroke="var(--surface)" stroke-width="4" stroke-linejoin="round">${escapeText(best.text)}</text>`;
}

/** The last number of a series, or null. */
export function lastValue(points) {
  return points.findLast(([, value]) => Number.isFinite(value))?.[1] ?? null;
}
