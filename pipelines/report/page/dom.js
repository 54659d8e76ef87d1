/** @typedef {Record<string, any>} Json */
/** @typedef {Node | string | number | null | undefined} Child */

const SVG = "http://www.w3.org/2000/svg";

/**
 * Make an element. Strings become text and never markup, so whatever a sample says stays what it says.
 * @param {string} tag
 * @param {Json | null} [attributes] `onclick` and the like are listeners; null and false are left out.
 * @param {...(Child | Child[])} children null ones are left out.
 * @returns {any}
 */
function h(tag, attributes, ...children) {
  return filled(document.createElement(tag), attributes, children);
}

/** Make an element of SVG, likewise. @returns {any} */
function g(tag, attributes, ...children) {
  return filled(document.createElementNS(SVG, tag), attributes, children);
}

function filled(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== null && value !== undefined && value !== false) element.setAttribute(name, String(value));
  }
  const told = children.flat(2).filter((child) => child !== null && child !== undefined);
  element.append(...told.map((child) => (child instanceof Node ? child : String(child))));
  return element;
}

/** A run of text that may be in any script. */
function said(text, name = null) {
  return h("span", { dir: "auto", class: name }, text);
}

/** What can be opened: a line that says what is in it, and the rest. */
function folded(summary, ...children) {
  return h("details", null, h("summary", null, summary), ...children);
}

let controls = 0;

/** A control and its label, which stands before it, or after it where that is the custom. */
function labelled(text, control, isAfter = false) {
  control.id = `control-${++controls}`;
  const label = h("label", { for: control.id }, text);
  return h("div", { class: isAfter ? "field after" : "field" }, ...(isAfter ? [control, label] : [label, control]));
}

/** A `<select>` of [value, text] pairs. */
function choice(name, options, onchange, chosen = null) {
  const made = options.map(([value, text]) => h("option", { value, selected: value === chosen }, text));
  return h("select", { name, onchange }, ...made);
}

/** Give each of `items` its place in groups by `key`, in the order in which the keys come up. @returns {Map<string, any[]>} */
function grouped(items, key) {
  const groups = new Map();
  for (const item of items) {
    if (!groups.has(key(item))) groups.set(key(item), []);
    groups.get(key(item)).push(item);
  }
  return groups;
}

function sum(numbers) {
  return numbers.reduce((whole, part) => whole + part, 0);
}

/** Bins of several lists added up, bin by bin. */
function added(lists) {
  return lists[0].map((_, bin) => sum(lists.map((list) => list[bin])));
}
