/** Tables, and figures that are tables: bars and shades inside cells need no chart and are read as they are. */

/**
 * A table whose numbers are written as counts; a cell that is a node or a string stands as it is.
 * @param {string} caption what a screen reader says of it
 * @param {string[]} head
 * @param {(Child[] | {name: string, cells: Child[]})[]} rows the first cell of each is its heading; `name` is a class
 */
function table(caption, head, rows) {
  const lines = rows.map((row) => (Array.isArray(row) ? { name: null, cells: row } : row));
  const numeric = head.map((_, column) => lines.some(({ cells }) => isNumeric(cells[column])));
  const top = head.map((text, column) => h("th", { scope: "col", class: numeric[column] ? "number" : null }, text));
  const body = lines.map(({ name, cells }) => h("tr", { class: name }, ...cells.map((value, column) => cell(value, column === 0))));
  const made = h("table", null, h("caption", null, caption), h("thead", null, h("tr", null, ...top)), h("tbody", null, ...body));
  return h("div", { class: "scroll" }, made);
}

function isNumeric(value) {
  return typeof value === "number" || (value instanceof Element && value.classList.contains("number"));
}

function cell(value, isHeading) {
  const tag = isHeading ? "th" : "td";
  if (value instanceof HTMLTableCellElement) return value;
  const attributes = { scope: isHeading ? "row" : null, class: typeof value === "number" ? "number" : null };
  if (typeof value === "string") attributes.dir = "auto";
  return h(tag, attributes, typeof value === "number" ? count(value) : value);
}

/** A cell with a number that is no count. */
function figure(text) {
  return h("td", { class: "number" }, text);
}

/**
 * A bar of parts side by side, as a cell: what it shows stands in the cells beside it.
 * @param {[string, number][]} parts class and value
 * @param {number} whole value that fills the cell
 */
function barCell(parts, whole) {
  let x = 0;
  const rects = parts.map(([name, value]) => {
    const width = whole ? (100 * value) / whole : 0;
    x += width;
    return g("rect", { class: name, x: `${x - width}%`, width: `${width}%`, height: "100%" });
  });
  return h("td", { class: "bar" }, g("svg", { "aria-hidden": "true" }, ...rects));
}

/** A cell shaded by its share of a whole, in seven steps; the text says the same. */
function shadedCell(text, part) {
  const step = Number.isFinite(part) ? Math.min(6, Math.ceil(6 * part)) : 0;
  return h("td", { class: `number heat-${step}` }, text);
}

/** Names and values in two columns. */
function facts(pairs) {
  const told = pairs.filter(([, value]) => value !== null && value !== "");
  return h("dl", { class: "facts" }, ...told.map(([name, value]) => h("div", null, h("dt", null, name), h("dd", { dir: "auto" }, value))));
}

/** What colours stand for. @param {[string, string][]} names class and text */
function legend(names) {
  return h("ul", { class: "legend" }, ...names.map(([name, text]) => h("li", null, h("span", { class: `swatch ${name}` }), text)));
}

/** A table of what was counted under each name, most first as it comes. */
function countsTable(caption, head, counts) {
  const whole = sum(Object.values(counts));
  const rows = Object.entries(counts).map(([name, rows_]) => [words(name), rows_, figure(share(rows_, whole))]);
  return table(caption, [...head, "share"], rows);
}
