/** What each threshold of the config decides, and what another one would. */

function thresholdsView({ bars, funnels }) {
  return bars.length ? h("div", { class: "panels" }, ...bars.map((bar) => barPanel(bar, funnels))) : null;
}

/**
 * Rows that would leave by `bar` if its threshold were edge number `edge`: exact, since no bin straddles an edge.
 * Rows without a value stay.
 */
function leaving(bar, edge) {
  const all = added([bar.kept, bar.left_here, bar.left_later]);
  return sum(bar.side === "min" ? all.slice(0, edge + 1) : all.slice(edge + 1));
}

function met(bar) {
  return sum([bar.kept, bar.left_here, bar.left_later].map(sum)) + bar.unmeasured;
}

/** The edge that is the threshold in force. */
function inForce(bar) {
  const far = bar.edges.map((edge) => Math.abs(edge - bar.threshold));
  return far.indexOf(Math.min(...far));
}

function barPanel(bar, funnels) {
  const state = { edge: inForce(bar) };
  const shown = barHistogram(bar, state);
  const [caption, figures] = [`${bar.title}, ${sumOf(bar.left_here)} leave here`, h("output", { class: "what-if" })];
  const drawing = bar.edges.length ? chart(caption, 210, () => histogramOption({ ...shown, lines: barLines(bar, state) })) : null;
  return h(
    "article", { class: "panel", "data-bar": bar.name },
    h("h3", null, bar.title), h("p", { class: "quiet" }, barLine(bar, funnels)),
    legend([["kept", "kept in the end"], ["later", "left at a later step"], ["left", "left here"]]),
    drawing, bar.edges.length ? slider(bar, state, drawing, figures) : null, disagreement(bar), histogramTable(bar.title, shown),
  );
}

function sumOf(counts) {
  return `${count(sum(counts))} rows`;
}

/** Which key, which step, how many rows. */
function barLine(bar, funnels) {
  const of = funnels.find((funnel) => funnel.name === bar.of)?.title ?? bar.of;
  const stays = `${bar.side === "min" ? "at least" : "at most"} ${withUnit(bar.threshold, bar.unit)} stays`;
  const unmeasured = bar.unmeasured ? ` ${count(bar.unmeasured)} had no value and stayed.` : "";
  return [h("code", null, bar.name), `: ${stays}. ${of}: ${count(met(bar))} rows met it, ${count(sum(bar.left_here))} left here as `, said(bar.reason), ` (`, said(bar.step), `).${unmeasured}`];
}

function barHistogram({ edges, scale, unit, side, kept, left_here, left_later }) {
  return { edges, scale, unit, side, series: [["kept", "kept", kept], ["later", "left later", left_later], ["left", "left here", left_here]] };
}

function barLines(bar, { edge }) {
  const now = { value: bar.threshold, text: `in force ${measured(bar.threshold)}`, isDashed: false };
  return edge === inForce(bar) ? [now] : [now, { value: bar.edges[edge], text: `if ${measured(bar.edges[edge])}`, isDashed: true }];
}

/** The question "what if the threshold were", over the edges. */
function slider(bar, state, drawing, figures) {
  const id = `slider-${bar.name}`;
  const input = h("input", { type: "range", id, min: 0, max: bar.edges.length - 1, step: 1, value: state.edge });
  const told = () => {
    state.edge = Number(input.value);
    const text = whatIf(bar, state.edge);
    input.setAttribute("aria-valuetext", text);
    figures.replaceChildren(text);
    redrawn(drawing);
  };
  input.addEventListener("input", told);
  const back = h("button", { type: "button", onclick: () => { input.value = String(inForce(bar)); told(); } }, "In force");
  told();
  figures.setAttribute("for", id);
  return h("div", { class: "slider" }, h("label", { for: id }, "What if the threshold were"), input, back, figures);
}

function whatIf(bar, edge) {
  const [would, now] = [leaving(bar, edge), leaving(bar, inForce(bar))];
  const against = edge === inForce(bar) ? "the threshold in force" : `${change(would - now)} against ${measured(bar.threshold)}`;
  return `${withUnit(bar.edges[edge], bar.unit)}: ${count(would)} of ${count(met(bar))} rows would leave here (${share(would, met(bar))}), ${against}`;
}

/** A word where rows left here on the side of the threshold that stays, or stayed on the other. */
function disagreement(bar) {
  if (!bar.edges.length) return null;
  const [by, did] = [leaving(bar, inForce(bar)), sum(bar.left_here)];
  if (by === did) return null;
  return h("p", { class: "note" }, `By their values ${count(by)} rows should have left here at the threshold in force, but ${count(did)} did.`);
}
