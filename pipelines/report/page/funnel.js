/** How many rows entered each step, and by which door they left. */

function funnelView({ funnels, exits }) {
  return funnels.map((funnel, place) =>
    h("div", { class: "funnel", "data-funnel": funnel.name }, h("h3", null, funnel.title), sumsLine(funnel, place ? null : exits), funnelChart(funnel), funnelTable(funnel)),
  );
}

function leftBy(step) {
  return ["dropped", "merged", "dead"].flatMap((door) => Object.entries(step[door]).map(([reason, rows]) => ({ door, reason, rows })));
}

/**
 * Every sum of `funnel` that does not add up, in words.
 * @param {Json | null} exits what the run says of all its rows, held against the funnel; null for a funnel of other rows
 * @returns {string[]}
 */
function faults({ steps }, exits) {
  const found = steps.flatMap((step, place) => stepFaults(step, place, steps[place - 1]));
  return exits && steps.length ? [...found, ...exitFaults(steps, exits)] : found;
}

function stepFaults(step, place, before) {
  const [left, name] = [sum(leftBy(step).map(({ rows }) => rows)), `Step ${place + 1}, ${step.step}`];
  const found = [];
  if (step.entered !== step.kept + left) {
    found.push(`${name}: ${count(step.entered)} entered, but ${count(step.kept)} stayed and ${count(left)} left, which makes ${count(step.kept + left)}.`);
  }
  if (before && step.entered !== before.kept) {
    found.push(`${name}: ${count(step.entered)} entered, but the step before it kept ${count(before.kept)}.`);
  }
  return found;
}

function exitFaults(steps, exits) {
  const told = { kept: steps[steps.length - 1].kept };
  for (const door of DOORS.slice(1)) told[door] = sum(steps.flatMap((step) => Object.values(step[door])));
  const broken = DOORS.filter((door) => told[door] !== exits[door]);
  return broken.map((door) => `The run says ${count(exits[door])} ${door}, its steps add up to ${count(told[door])}.`);
}

function sumsLine(funnel, exits) {
  const broken = faults(funnel, exits);
  const good = `All sums add up: what entered a step (${count(funnel.steps.length)} in all) was kept, dropped, merged or dead there, and each step got what the one before it kept.`;
  if (!funnel.steps.length) return h("p", { class: "sums", role: "status" }, "No step has counted a row.");
  if (!broken.length) return h("p", { class: "sums", role: "status" }, good);
  const list = h("ul", null, ...broken.map((text) => h("li", { dir: "auto" }, text)));
  return h("div", { class: "sums broken", role: "status" }, h("strong", null, "Sums do not add up. Do not use this run."), list);
}

function funnelTable({ title, steps }) {
  const whole = steps[0]?.entered ?? 0;
  const rows = steps.flatMap((step, place) => [stepRow(step, place, whole), ...leftBy(step).map((left) => reasonRow(left, step, whole))]);
  return table(`${title}: every step, and every reason to leave it`, ["step", "entered", "kept", "left", "kept of entered", "of all that came"], rows);
}

function stepRow(step, place, whole) {
  const left = leftBy(step);
  const parts = [["kept", step.kept], ...["dropped", "merged", "dead"].map((door) => [door, sum(Object.values(step[door]))])];
  const name = h("th", { scope: "row" }, h("span", { class: "place" }, place + 1), said(step.step));
  return { name: "step", cells: [name, step.entered, step.kept, sum(left.map(({ rows }) => rows)), figure(share(step.kept, step.entered)), barCell(parts, whole)] };
}

function reasonRow({ door, reason, rows }, step, whole) {
  const name = h("th", { scope: "row" }, h("span", { class: `door ${door}` }, door), " ", said(reason));
  return { name: "reason", cells: [name, "", "", rows, figure(share(rows, step.entered)), barCell([[door, rows]], whole)] };
}

/** The most reasons that a sankey has room for; of more, the rare ones of a step are one. */
const LEAVES = 26;

function funnelChart(funnel) {
  const { nodes, links } = flows(funnel.steps);
  if (!links.length) return h("p", { class: "quiet" }, "No row entered.");
  const leaves = nodes.filter((node) => node.isLeaf).length;
  const label = `Rows that flow through the ${funnel.steps.length} steps of ${funnel.title}; the table below has the same figures`;
  return h("div", { class: "scroll" }, h("div", { class: "wide" }, chart(label, Math.max(200, 23 * leaves + 30), () => sankeyOption(nodes, links))));
}

/** Nodes from the top down, so that no flow crosses another: the steps, what is kept, then the reasons from the last step's up. */
function flows(steps) {
  const many = sum(steps.map((step) => leftBy(step).length)) > LEAVES;
  const nodes = steps.map((step, place) => ({ name: `step ${place}`, text: String(place + 1), hint: step.step, colour: "step", rows: step.entered }));
  const links = steps.slice(1).map((step, place) => flow(`step ${place}`, `step ${place + 1}`, steps[place].kept, "kept"));
  const kept = steps[steps.length - 1]?.kept ?? 0;
  nodes.push({ name: "kept", text: `kept ${count(kept)}`, hint: "kept", colour: "kept", rows: kept, isLeaf: true });
  links.push(flow(`step ${steps.length - 1}`, "kept", kept, "kept"));
  for (const [place, step] of [...steps.entries()].reverse()) {
    for (const leaf of leavesOf(step, many)) {
      const name = `${place} ${leaf.door} ${leaf.reason}`;
      nodes.push({ name, text: `${words(leaf.reason)} ${count(leaf.rows)}`, hint: `${place + 1}. ${step.step}\n${leaf.door}: ${leaf.reason}`, colour: leaf.door, rows: leaf.rows, isLeaf: true });
      links.push(flow(`step ${place}`, name, leaf.rows, leaf.door));
    }
  }
  const used = links.filter((link) => link.value > 0);
  const named = new Set(used.flatMap(({ source, target }) => [source, target]));
  return { nodes: nodes.filter(({ name }) => named.has(name)), links: used };
}

function flow(source, target, value, door) {
  return { source, target, value, lineStyle: { color: COLOUR[door], opacity: 0.28 } };
}

function leavesOf(step, many) {
  const left = leftBy(step).filter(({ rows }) => rows);
  if (!many || left.length < 3) return left;
  const [most, ...rest] = left.sort((a, b) => b.rows - a.rows);
  return [most, { door: "dropped", reason: `${rest.length} more reasons`, rows: sum(rest.map(({ rows }) => rows)) }];
}

function sankeyOption(nodes, links) {
  const data = nodes.map(({ name, text, hint, colour, rows, isLeaf }) => ({
    name, text, hint, rows, itemStyle: { color: COLOUR[colour], borderWidth: 0 }, label: { position: isLeaf ? "right" : "top" },
  }));
  const label = { ...TEXT, color: COLOUR.text, formatter: ({ data: { text } }) => text, overflow: "truncate", width: 190 };
  return {
    tooltip: { ...TOOLTIP, formatter: flowHint(nodes) },
    series: {
      type: "sankey", left: 4, right: 200, top: 18, bottom: 8, nodeWidth: 12, nodeGap: 14, nodeAlign: "justify", layoutIterations: 0, draggable: false,
      emphasis: { disabled: true }, data, links, label,
    },
  };
}

function flowHint(nodes) {
  const names = new Map(nodes.map((node) => [node.name, node.hint]));
  return ({ dataType, data }) =>
    dataType === "edge" ? `${names.get(data.source)}\n→ ${names.get(data.target)}\n${count(data.value)} rows` : `${data.hint}\n${count(data.rows)} rows`;
}
