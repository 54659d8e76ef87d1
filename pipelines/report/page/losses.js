/** What failed, and what was merged. */

function deadView({ dead }) {
  if (!dead.length) return null;
  const rows = dead.map(({ step, reason, error, rows: number, example }) => [step, reason, error, number, h("td", { class: "source", dir: "auto" }, example)]);
  return [h("p", { class: "quiet" }, `${count(sum(dead.map((one) => one.rows)))} rows failed with ${count(dead.length)} different errors.`),
    table("Dead letters by error", ["step", "reason", "error", "rows", "example"], rows)];
}

function clustersView({ clusters: { sizes, largest, sampled } }) {
  if (!sizes && !largest.length && !sampled.length) return null;
  return [sizes ? sizesView(sizes) : null, largest.length ? largestView(largest) : null, sampled.length ? sampledView(sampled) : null];
}

function sizesView({ edges, rows }) {
  const shown = { edges, scale: "log", unit: "rows in a cluster", series: [["merged", "rows", rows]] };
  return h("article", { class: "panel" }, h("h3", null, "Sizes of clusters"), histogram("Rows by the size of their cluster", 180, shown), histogramTable("Sizes of clusters", shown));
}

function largestView(largest) {
  const cards = largest.map(({ rows, card }) => h("div", { class: "stack" }, h("p", null, h("b", null, count(rows)), " rows are one"), cardView(card)));
  return [h("h3", null, "Largest"), h("div", { class: "cards" }, ...cards)];
}

/** For each sampled cluster a contact sheet: what is kept of it, then what was merged into that. */
function sampledView(sampled) {
  const sheets = sampled.map(({ card, members }) =>
    h("div", { class: "sheet" }, cardView(card), h("div", { class: "members" }, h("h4", null, `${count(members.length)} merged into it`), h("div", { class: "contacts" }, ...members.map(contact)))),
  );
  return [h("h3", null, "Sampled"), ...sheets];
}

function contact(card) {
  return h("div", { class: "contact", "data-place": card.place, title: card.source }, pictureView(card), ...card.texts.slice(0, 1).map(textView));
}
