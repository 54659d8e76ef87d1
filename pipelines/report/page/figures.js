/** How figures are written. A count is always written in full: the page is held against the tables. */

const WHOLE = new Intl.NumberFormat("en-GB", { maximumFractionDigits: 0 });
const SHORT = new Intl.NumberFormat("en-US", { notation: "compact", maximumFractionDigits: 1 });
const FOUR = new Intl.NumberFormat("en-GB", { maximumSignificantDigits: 4 });
const ONE = new Intl.NumberFormat("en-GB", { minimumFractionDigits: 1, maximumFractionDigits: 1 });

/** A count: 12,345. */
function count(number) {
  return WHOLE.format(number);
}

/** A measured number to four digits; one too small for that as 1.2e-7. */
function measured(number) {
  if (number === null || number === undefined) return "none";
  return number !== 0 && Math.abs(number) < 1e-4 ? number.toExponential(1) : FOUR.format(number);
}

/** A number of which it is not known whether it is a count. */
function amount(number) {
  return Number.isInteger(number) ? count(number) : measured(number);
}

/** A number for an axis, where room is short: 12k. */
function short(number) {
  return Math.abs(number) >= 10000 ? SHORT.format(number) : measured(number);
}

/** A share of a whole: 12.3 %, and a dash where there is no whole. */
function share(part, whole) {
  return whole ? `${ONE.format((100 * part) / whole)} %` : "–";
}

/** A change with its sign: +12, −3, no change. */
function change(number) {
  return number === 0 ? "no change" : `${number > 0 ? "+" : "−"}${count(Math.abs(number))}`;
}

/** Seconds as people say them: 1 h 02 min, 3 min 20 s, 4.2 s. */
function duration(seconds) {
  if (seconds === null || seconds === undefined) return "not known";
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)];
  const two = (number) => String(Math.floor(number)).padStart(2, "0");
  if (hours) return `${count(hours)} h ${two(minutes)} min`;
  return minutes ? `${minutes} min ${two(seconds % 60)} s` : `${ONE.format(seconds)} s`;
}

/** A name of a column or reason as words. */
function words(name) {
  return String(name).replaceAll("_", " ");
}

/** A number with its unit, where it has one. */
function withUnit(number, unit) {
  return unit ? `${measured(number)} ${unit}` : measured(number);
}

/**
 * The span of values that bin `bin` of `edges` holds, in words.
 * @param {"min" | "max"} side "min": a bin holds its lower edge; "max": its upper one.
 */
function span(edges, bin, side = "min") {
  const [low, high] = [edges[bin - 1], edges[bin]];
  if (edges.length === 0) return "any";
  if (bin === 0) return `${side === "min" ? "<" : "≤"} ${measured(high)}`;
  if (bin === edges.length) return `${side === "min" ? "≥" : ">"} ${measured(low)}`;
  return side === "min" ? `${measured(low)} ≤ v < ${measured(high)}` : `${measured(low)} < v ≤ ${measured(high)}`;
}
