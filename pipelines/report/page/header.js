const DOORS = ["kept", "dropped", "merged", "dead"];

/** What ran, on what, and what came of it. */
function runView(report) {
  const { run, exits } = report;
  return [
    h("div", { class: "figures" }, ...DOORS.map((door) => exitFigure(door, exits[door], sum(Object.values(exits))))),
    alarm(report),
    facts([
      ["pipeline", run.pipeline],
      ["run", run.run_id],
      ["corpus", run.corpus],
      ["licence", run.license],
      ["input", run.input],
      ["code", run.code],
      ["models", run.models.map(([role, name]) => `${role}: ${name}`).join(", ")],
      ["started", run.started],
      ["took", duration(run.seconds)],
      ["passes", run.passes.join(", ")],
      ...costs(report),
    ]),
    folded("Config", h("pre", { dir: "auto" }, run.config)),
  ];
}

function exitFigure(door, rows, whole) {
  return h("div", { class: `figure ${door}` }, h("span", { class: "name" }, door), h("b", null, count(rows)), h("small", null, share(rows, whole)));
}

/** What the models cost, in all and for each row that was kept. */
function costs({ spent, exits }) {
  const units = { answer_seconds: ["model time", duration], prompt_tokens: ["prompt tokens", count], completion_tokens: ["completion tokens", count] };
  return Object.entries(spent).map(([name, whole]) => {
    const [title, written] = units[name] ?? [words(name), measured];
    const each = exits.kept ? `${measured(whole / exits.kept)}${name === "answer_seconds" ? " s" : ""} for each kept` : "nothing kept";
    return [title, `${written(whole)} (${each})`];
  });
}

/** A word at the top of the page where a sum of the funnel does not add up. */
function alarm(report) {
  const broken = report.funnels.flatMap((funnel, place) => faults(funnel, place ? null : report.exits));
  if (!broken.length) return null;
  const sums = broken.length === 1 ? "A sum does" : `${count(broken.length)} sums do`;
  return h("p", { class: "alarm", role: "alert" }, `${sums} not add up: rows were lost or invented. `, h("a", { href: "#funnel" }, "See the funnel"), ".");
}
