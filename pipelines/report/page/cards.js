/** One sample: its image with its boxes, its texts with their marks, and by which door it left. */

function cardView(card, onopen = null) {
  const { place, exit } = card;
  return h(
    "article", { class: `card ${exit}`, "data-place": place, "aria-label": `${exit}: ${card.source}` },
    pictureView(card, onopen && (() => onopen(card))), verdictView(card), ...card.texts.map(textView), notesView(card),
    onopen ? h("button", { type: "button", onclick: () => onopen(card) }, "All columns") : null,
  );
}

function pictureView(card, onclick = null) {
  const { boxes, width, height } = card;
  const source = card.thumbnail ?? card.image ?? null;
  const alt = card.texts.length ? card.texts[0].text.slice(0, 200) : "";
  const image = source ? h("img", { src: source, alt, decoding: "async", loading: card.image ? "lazy" : null, width, height }) : null;
  const overlay = boxes.length && width && height ? overlayOf(boxes, width, height, !image) : null;
  const frame = image || overlay ? h("div", { class: "frame" }, image, overlay) : h("span", { class: "quiet" }, "no image to show");
  return h("figure", { class: onclick ? "opens" : null, ...(onclick ? { onclick } : {}) }, h("div", { class: "picture" }, frame), boxes.length ? boxList(boxes) : null);
}

/** Boxes in pixels of the stored image, over whatever size the image is shown in. */
function overlayOf(boxes, width, height, isAlone) {
  const drawn_ = boxes.flatMap((box) => [boxOf(box, "halo"), boxOf(box, box.kind)]);
  return g("svg", { class: isAlone ? "boxes alone" : "boxes", viewBox: `0 0 ${width} ${height}`, preserveAspectRatio: "none", "aria-hidden": "true" }, ...drawn_);
}

function boxOf({ x1, y1, x2, y2, label }, name) {
  const place = { x: Math.min(x1, x2), y: Math.min(y1, y2), width: Math.abs(x2 - x1), height: Math.abs(y2 - y1) };
  return g("rect", { class: `box ${name}`, ...place }, g("title", null, label));
}

function boxList(boxes) {
  const told = ({ x1, y1, x2, y2 }) => `(${[x1, y1, x2, y2].map(measured).join(", ")})`;
  const items = boxes.map((box) => h("li", null, h("span", { class: `stroke ${box.kind}` }), `${box.kind} `, said(box.label), h("span", { class: "quiet" }, ` ${told(box)}`)));
  return h("figcaption", null, h("ul", null, ...items));
}

/** The door, and the number that decided. */
function verdictView({ exit, step, reason, value, threshold, error, into, source, place }) {
  const numbers = value === null ? "" : `${measured(value)}${threshold === null ? "" : ` against ${measured(threshold)}`}`;
  const why = [reason ? said(words(reason), "why") : null, numbers ? h("span", { class: "number" }, numbers) : null];
  return h(
    "div", { class: "verdict" },
    h("p", null, h("span", { class: `door ${exit}` }, exit), ...why.flatMap((part) => (part ? [" ", part] : []))),
    step ? h("p", { class: "quiet", dir: "auto" }, step) : null,
    error ? h("p", { class: "error", dir: "auto" }, error) : null,
    into ? h("p", { class: "quiet" }, "into ", h("code", null, into)) : null,
    h("p", { class: "source", dir: "auto", title: place }, source),
  );
}

function textView({ name, text, marks, is_long }) {
  const body = h("p", { class: "text", dir: "auto" }, ...(text ? markedText(text, marks) : [h("span", { class: "quiet" }, "(empty)")]));
  if (is_long) return h("div", { class: "said", "data-text": name }, folded([said(words(name)), `, ${count(Array.from(text).length)} characters`], body));
  return h("div", { class: "said", "data-text": name }, h("h4", { dir: "auto" }, words(name)), body);
}

const MARKS = { kept: "mark", lost: "del", added: "ins" };

/** The pieces of `text`, each mark an element of its own; places are code points, as Python counts, not halves of surrogate pairs. */
function markedText(text, marks) {
  if (!marks.length) return [text];
  const points = Array.from(text);
  const pieces = [];
  let here = 0;
  for (const { start, end, kind } of [...marks].sort((a, b) => a.start - b.start)) {
    const from = Math.max(start, here);
    if (end <= from) continue;
    pieces.push(points.slice(here, from).join(""), h(MARKS[kind] ?? "mark", { title: kind }, points.slice(from, end).join("")));
    here = end;
  }
  return [...pieces, points.slice(here).join("")];
}

function notesView({ notes }) {
  if (!notes.length) return null;
  return h("dl", { class: "notes" }, ...notes.map(([name, value]) => h("div", null, h("dt", { dir: "auto" }, name), h("dd", { dir: "auto" }, value))));
}

function cardsView(cards, onopen = null) {
  return h("div", { class: "cards" }, ...cards.map((card) => cardView(card, onopen)));
}
