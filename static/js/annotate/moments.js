/** Moments and counts in words. Pure. */

const relative = new Intl.RelativeTimeFormat("en", { numeric: "auto", style: "short" });
const STEPS = [[60, "minute"], [60, "hour"], [24, "day"], [7, "week"]];

/** @param {Date} at */
export function ago(at, now = Date.now()) {
  let value = (at.getTime() - now) / 1000;
  if (value > -45) return "just now";
  let unit = "second";
  for (const [size, next] of STEPS) {
    if (Math.abs(value) < size) break;
    value /= size;
    unit = next;
  }
  if (unit === "week" && value < -4) return at.toLocaleDateString();
  return relative.format(Math.round(value), unit);
}

/** @param {number} count @param {string} noun */
export const plural = (count, noun) => `${count} ${noun}${count === 1 ? "" : noun.endsWith("x") ? "es" : "s"}`;
