/** What the questions and their rollouts came to. */

const TIERS = ["very_easy", "easy", "medium", "hard", "very_hard", "ungraded"];
const VERDICTS = ["right", "partial", "wrong", "undecided", "timeout"];
const BUCKETS = ["0", ...Array.from({ length: 10 }, (_, tenth) => `≤ ${(tenth + 1) / 10}`)];

function reasoningView({ reasoning, funnels }) {
  if (!reasoning) return null;
  return [
    passView(reasoning.pass_rates),
    stackView("Tiers", "questions by difficulty", "domain", reasoning.tiers.map(({ domain, tiers }) => [[domain], tiers]), TIERS),
    stackView("Verdicts", "rollouts by who decided", "domain", reasoning.verdicts.map((one) => [[one.domain, one.by], one]), VERDICTS),
    formatView(funnels),
    kindsView("Forced answers", reasoning.forced),
    kindsView("Questions given up", reasoning.hopeless),
    agreementView(reasoning.agreement),
  ];
}

function passView(rates) {
  if (!rates.length) return null;
  const detail = rates.map(({ domain, model, questions, rollouts, passed, histogram: bins }) => [
    domain, model, questions, rollouts, passed, figure(share(passed, rollouts)), ...bins.map((rows) => shadedCell(count(rows), rows / Math.max(...bins, 1))),
  ]);
  const head = ["domain", "model", "questions", "rollouts", "passed", "rate", ...BUCKETS];
  return [h("h3", null, "Pass rate"), passMatrix(rates), h("p", { class: "quiet" }, "Questions by the share of their rollouts that passed:"), table("Pass rates by domain and model", head, detail)];
}

/** Domains down, models across, the darker the more rollouts pass. */
function passMatrix(rates) {
  const [models, domains] = [[...grouped(rates, ({ model }) => model).keys()], [...grouped(rates, ({ domain }) => domain).entries()]];
  if (models.length < 2) return null;
  const rows = domains.map(([domain, own]) => [domain, ...models.map((model) => passCell(own.find((rate) => rate.model === model)))]);
  return table("Share of rollouts that passed", ["domain", ...models], rows);
}

function passCell(rate) {
  return rate?.rollouts ? shadedCell(share(rate.passed, rate.rollouts), rate.passed / rate.rollouts) : figure("–");
}

/**
 * Counts of fixed kinds as bars of one length.
 * @param {[string[], Json][]} lines what each is called, and its counts by kind
 */
function stackView(title, what, first, lines, kinds) {
  if (!lines.length) return null;
  const rows = lines.map(([names, counts]) => [...names, barCell(kinds.map((kind) => [kind, counts[kind]]), sum(kinds.map((kind) => counts[kind]))), ...kinds.map((kind) => counts[kind])]);
  const head = [first, ...(lines[0][0].length > 1 ? ["decided by"] : []), "", ...kinds.map(words)];
  return [h("h3", null, title), legend(kinds.map((kind) => [kind, words(kind)])), table(`${title}: ${what}`, head, rows)];
}

/** Why rollouts left: most are violations of the format. */
function formatView(funnels) {
  const rollouts = funnels.find(({ name }) => name === "rollouts");
  const reasons = rollouts?.steps.flatMap((step) => leftBy(step).map((left) => ({ ...left, step }))) ?? [];
  if (!reasons.length) return null;
  const rows = reasons.map(({ reason, step, rows: number }) => [words(reason), step.step, number, figure(share(number, step.entered))]);
  return [h("h3", null, "Why rollouts left"), table("Reasons by which rollouts left", ["reason", "step", "rollouts", "of those that came"], rows)];
}

function kindsView(title, counts) {
  return Object.keys(counts).length ? [h("h3", null, title), countsTable(title, ["kind", "rows"], counts)] : null;
}

/** For each two kinds of verifier that judged the same rollouts: what the first said down, what the second said across. */
function agreementView(lines) {
  if (!lines.length) return null;
  const pairs = [...grouped(lines, ({ first, second }) => `${words(first)} and ${words(second)}`).entries()];
  return [h("h3", null, "Where two judged the same rollout"), ...pairs.map(([title, own]) => confusion(title, own))];
}

function confusion(title, lines) {
  const seen = VERDICTS.filter((verdict) => lines.some((line) => line.said === verdict || line[verdict]));
  const total = sum(lines.flatMap((line) => VERDICTS.map((verdict) => line[verdict])));
  const agreed = sum(lines.map((line) => line[line.said]));
  const rows = seen.map((said) => [words(said), ...seen.map((verdict) => agreementCell(lines.find((line) => line.said === said)?.[verdict] ?? 0, total))]);
  const { first, second } = lines[0];
  const head = [`${words(first)} said`, ...seen.map((verdict) => `${words(second)}: ${words(verdict)}`)];
  return [h("p", null, `${title} agree on ${count(agreed)} of ${count(total)} rollouts, ${share(agreed, total)}.`), table(`Verdicts of ${title}`, head, rows)];
}

function agreementCell(rows, total) {
  return shadedCell(count(rows), rows / Math.max(total, 1));
}
