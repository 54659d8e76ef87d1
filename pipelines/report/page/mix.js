/** What the data is made of: shares of labels, distributions, planes, concepts. */

function sharesView({ shares, funnels }) {
  return shares.length ? h("div", { class: "panels" }, ...shares.map((one) => shareTable(one, funnels))) : null;
}

function shareTable({ name, title, of, values, others }, funnels) {
  const all = others.kept + others.left ? [...values, ["all others", others.kept, others.left]] : values;
  const most = Math.max(...all.map(([, kept, left]) => kept + left), 1);
  const rows = all.map(([label, kept, left]) => [label === "" ? "(none)" : label, barCell([["kept", kept], ["left", left]], most), kept, left, figure(share(kept, kept + left))]);
  const head = ["label", "", "kept", "left", "kept of it"];
  return h("article", { class: "panel", "data-share": name }, h("h3", null, title), ofLine(of, funnels), table(title, head, rows));
}

/** Which rows a figure is about, where a run counts more than one kind. */
function ofLine(of, funnels) {
  return funnels.length > 1 ? h("p", { class: "quiet" }, funnels.find(({ name }) => name === of)?.title ?? of) : null;
}

function distributionsView({ distributions, funnels }) {
  return distributions.length ? h("div", { class: "panels" }, ...distributions.map((one) => distributionPanel(one, funnels))) : null;
}

function distributionPanel({ name, title, unit, of, scale, edges, kept, left, missing }, funnels) {
  const shown = { edges, scale, unit, series: [["kept", "kept", kept], ["left", "left", left]] };
  const absent = missing.kept + missing.left ? `Without a value: ${count(missing.kept)} kept, ${count(missing.left)} left. ` : "";
  const line = `${absent}${edges.length ? `Of those kept, half lie at ${quantile(edges, kept, 0.5)}, and one in twenty at ${quantile(edges, kept, 0.95)} or beyond.` : ""}`;
  return h(
    "article", { class: "panel", "data-distribution": name }, h("h3", null, title), ofLine(of, funnels),
    legend([["kept", `kept ${count(sum(kept))}`], ["left", `left ${count(sum(left))}`]]),
    histogram(`${title}: kept and left`, 170, shown), h("p", { class: "quiet" }, line), histogramTable(title, shown),
  );
}

/** The span of the bin in which that share of the rows is reached; bins know no more. */
function quantile(edges, counts, part) {
  const whole = sum(counts);
  if (!whole) return "no value";
  let seen = 0;
  return span(edges, counts.findIndex((rows) => (seen += rows) >= part * whole));
}

function planesView({ planes }) {
  return planes.length ? h("div", { class: "panels" }, ...planes.map(planePanel)) : null;
}

function planePanel({ name, title, x, y, counts }) {
  const rows = [...counts].sort((a, b) => b[2] + b[3] - a[2] - a[3]).map(([xi, yi, kept, left]) => [span(x.edges, xi), span(y.edges, yi), kept, left]);
  const head = [`${x.title}, ${x.unit}`, `${y.title}, ${y.unit}`, "kept", "left"];
  return h(
    "article", { class: "panel", "data-plane": name }, h("h3", null, title),
    h("p", { class: "quiet" }, "Each square is a bin; the fuller, the darker. A ring marks one of which more than half left."),
    chart(`${title}: rows by ${x.title} and ${y.title}`, 340, () => planeOption({ x, y, counts })), folded("As a table", table(title, head, rows)),
  );
}

function planeOption({ x, y, counts }) {
  const most = Math.max(...counts.map(([, , kept, left]) => kept + left), 1);
  const shade = (rows) => 0.12 + 0.88 * (Math.log1p(rows) / Math.log1p(most));
  return {
    grid: { left: 8, right: 14, top: 8, bottom: 4, outerBoundsMode: "same" },
    tooltip: { ...TOOLTIP, formatter: ({ data: [xi, yi, kept, left] }) => `${x.title} ${span(x.edges, xi)} ${x.unit}\n${y.title} ${span(y.edges, yi)} ${y.unit}\nkept: ${count(kept)}\nleft: ${count(left)}` },
    xAxis: binAxis(x, 22), yAxis: binAxis(y, 40),
    series: { type: "custom", clip: true, encode: { x: 0, y: 1 }, data: counts, renderItem: (_, api) => square(api, shade) },
  };
}

function binAxis({ title, unit, edges }, nameGap) {
  const data = Array.from({ length: edges.length + 1 }, (_, bin) => (bin ? short(edges[bin - 1]) : `< ${short(edges[0])}`));
  return {
    type: "category", data, name: `${title}, ${unit}`, nameLocation: "middle", nameGap, nameTextStyle: TEXT, axisLabel: { ...TEXT, hideOverlap: true },
    axisTick: { show: false }, axisLine: { lineStyle: { color: COLOUR.line } }, splitLine: { show: false },
  };
}

function square(api, shade) {
  const [kept, left] = [api.value(2), api.value(3)];
  const [x, y] = api.coord([api.value(0), api.value(1)]);
  const [width, height] = api.size([1, 1]).map((side) => Math.max(side - 1, 1));
  const ring = left > kept ? { stroke: COLOUR.left, lineWidth: 1.5 } : {};
  return { type: "rect", shape: { x: x - width / 2, y: y - height / 2, width, height }, style: { fill: COLOUR.kept, fillOpacity: shade(kept + left), ...ring } };
}

function conceptsView({ concepts }) {
  if (!concepts) return null;
  const of = (part) => `${ONE.format(100 * part)} %`;
  const { head_share_before: before, head_share_after: after } = concepts;
  const rows = [
    ["matches of head entries, before", figure(of(before)), barCell([["later", before]], 1)],
    ["matches of head entries, after", figure(of(after)), barCell([["kept", after]], 1)],
    ["tail entries that still have a sample", figure(share(concepts.tail_entries_kept, concepts.tail_entries)), barCell([["kept", concepts.tail_entries_kept]], concepts.tail_entries)],
  ];
  const names = Object.keys(concepts).filter((name) => !name.startsWith("head_share"));
  return [table("Balance of concepts", ["concepts", "share", ""], rows), facts(names.map((name) => [words(name), amount(concepts[name])]))];
}
