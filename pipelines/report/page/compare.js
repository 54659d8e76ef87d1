/** Two runs side by side: what drifted, what the steps did, which samples both kept. */

/** The usual rule of thumb for the population stability index. */
const PSI = [[0.1, "steady"], [0.25, "moved"], [Infinity, "shifted"]];

function compareSection(run) {
  const options = server.runs.map(({ index, pipeline, run_id: id, corpus }) => [String(index), `${pipeline} ${id}, ${corpus}`]);
  const other = server.runs.find(({ index }) => index !== run).index;
  const place = h("div");
  const state = { a: String(run), b: String(other), asking: 0 };
  const side = (name, text) => labelled(text, choice(name, options, ({ target }) => { state[name] = target.value; return compared(state, place); }, state[name]));
  compared(state, place);
  return h("section", { id: "compare", "aria-labelledby": "compare-heading" }, h("h2", { id: "compare-heading" }, "Compare"), h("div", { class: "controls" }, side("a", "run A"), side("b", "run B")), place);
}

async function compared(state, place) {
  const turn = ++state.asking;
  await tried(place, async () => {
    const told_ = await askedJson("/compare", new URLSearchParams({ a: state.a, b: state.b }));
    if (turn !== state.asking) return;
    discarded(place);
    place.replaceChildren(...[setsView(told_.sets), driftView(told_.metrics), stepsView(told_.funnel)].flat().filter(Boolean));
  });
}

function setsView({ both, only_a: a, only_b: b }) {
  const whole = both + a + b;
  const rows = [["both", both, "kept"], ["only A", a, "left"], ["only B", b, "merged"]];
  return [h("h3", null, "Samples kept"), table("Samples kept by both or one", ["kept by", "samples", "share", ""], rows.map(([name, number, colour]) => [name, number, figure(share(number, whole)), barCell([[colour, number]], whole)]))];
}

function driftView(metrics) {
  if (!metrics.length) return [];
  const rows = metrics.map(({ title, psi, ks }) => [title, figure(measured(psi)), PSI.find(([limit]) => psi < limit)[1], figure(measured(ks))]);
  return [
    h("h3", null, "Drift"), h("p", { class: "quiet" }, "Population stability index, largest first: below 0.1 is steady, above 0.25 has shifted (a rule of thumb). KS is the largest gap between the two cumulative shares."),
    table("Drift of each metric", ["metric", "PSI", "", "KS"], rows), h("div", { class: "panels" }, ...metrics.map(metricPanel)),
  ];
}

function metricPanel({ name, title, a, b }) {
  const one = (text, { edges, rows }, colour) => {
    const shown = { edges, scale: "linear", unit: "", series: [[colour, "rows", rows]] };
    return h("div", null, h("h4", null, text), histogram(`${title} in ${text}`, 130, shown), histogramTable(`${title} in ${text}`, shown));
  };
  return h("article", { class: "panel", "data-metric": name }, h("h3", null, title), h("div", { class: "beside" }, one("run A", a, "kept"), one("run B", b, "merged")));
}

function stepsView(funnel) {
  const rows = funnel.map(({ step, a_entered: a, a_kept: aKept, b_entered: b, b_kept: bKept }) => [step, ...side(a, aKept), ...side(b, bKept)]);
  const head = ["step", "A entered", "A kept", "share", "B entered", "B kept", "share"];
  return [h("h3", null, "Funnels"), table("Funnels side by side", head, rows)];
}

/** A step that one of the runs does not have is null there. */
function side(entered, kept) {
  return entered === null ? ["", "", ""] : [entered, kept, figure(share(kept, entered))];
}
