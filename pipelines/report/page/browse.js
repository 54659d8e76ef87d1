/** The rows of a run's ledger: filtered, sorted, page by page. */

const PAGE = 50;
const OPERATORS = {
  number: [["ge", "≥"], ["gt", ">"], ["le", "≤"], ["lt", "<"], ["eq", "="], ["ne", "≠"]],
  text: [["has", "contains"], ["eq", "="], ["ne", "≠"]],
  bool: [["eq", "="], ["ne", "≠"]],
};

function browseSection(run, columns, report) {
  const state = { run, columns, exit: "", step: "", reason: "", where: [], sort: "", isDescending: false, offset: 0, isTable: false, asking: 0 };
  const parts = { filters: h("div", { class: "filters" }), rows: h("div", { class: "rows" }), pager: h("div", { class: "pager" }), distribution: h("div"), dialog: h("dialog", { "aria-labelledby": "row-heading" }) };
  const again = (change_) => {
    Object.assign(state, { offset: 0 }, change_);
    return browsed(state, parts);
  };
  const section = h(
    "section", { id: "browse", "aria-labelledby": "browse-heading" }, h("h2", { id: "browse-heading" }, "All rows"),
    doorControls(report, again), whereControls(state, again), parts.filters, orderControls(columns, again),
    parts.rows, parts.pager, columnControls(state, parts), parts.distribution, parts.dialog,
  );
  again({});
  return section;
}

function doorControls({ funnels }, again) {
  const steps = funnels[0]?.steps ?? [];
  const reasons = [...new Set(steps.flatMap((step) => leftBy(step).map(({ reason }) => reason)))].sort();
  const any = ["", "any"];
  return h(
    "div", { class: "controls" },
    labelled("exit", choice("exit", [any, ...DOORS.map((door) => [door, door])], ({ target }) => again({ exit: target.value }))),
    labelled("step", choice("step", [any, ...steps.map(({ step }) => [step, step])], ({ target }) => again({ step: target.value }))),
    labelled("reason", choice("reason", [any, ...reasons.map((reason) => [reason, words(reason)])], ({ target }) => again({ reason: target.value }))),
  );
}

/** A condition on a column, which is added to those there are. */
function whereControls(state, again) {
  const value = h("input", { name: "value", size: 14 });
  const operator = choice("operator", [], null);
  const type = () => state.columns.find(({ name }) => name === column.value)?.type ?? "text";
  const fits = () => operator.replaceChildren(...OPERATORS[type()].map(([op, text]) => h("option", { value: op }, text)));
  const column = choice("column", state.columns.map(({ name, unit }) => [name, unit ? `${words(name)}, ${unit}` : words(name)]), fits);
  fits();
  const submit = (event) => {
    event.preventDefault();
    again({ where: [...state.where, [column.value, operator.value, value.value]] });
  };
  return h("form", { class: "controls", onsubmit: submit }, labelled("column", column), labelled("is", operator), labelled("value", value), h("button", null, "Add filter"));
}

function orderControls(columns, again) {
  const names = [["", "as they lie"], ...columns.map(({ name }) => [name, words(name)])];
  const box = (name, onchange) => h("input", { type: "checkbox", name, onchange });
  return h(
    "div", { class: "controls" },
    labelled("sort by", choice("sort", names, ({ target }) => again({ sort: target.value }))),
    labelled("descending", box("descending", ({ target }) => again({ isDescending: target.checked })), true),
    labelled("as a table", box("table", ({ target }) => again({ isTable: target.checked })), true),
  );
}

function queryOf({ exit, step, reason, where, sort, isDescending, offset }) {
  const query = new URLSearchParams(Object.entries({ exit, step, reason }).filter(([, value]) => value));
  where.forEach((condition) => query.append("where", condition.join(":")));
  if (sort) query.append("sort", sort);
  query.append("descending", isDescending ? "1" : "0");
  query.append("offset", String(offset));
  query.append("limit", String(PAGE));
  return query;
}

/** Ask for the page of rows and show it, unless another has been asked for meanwhile. */
async function browsed(state, parts) {
  const turn = ++state.asking;
  shownFilters(state, parts);
  await tried(parts.rows, async () => {
    const { rows, samples } = await askedJson(`/runs/${state.run}/samples`, queryOf(state));
    if (turn !== state.asking) return;
    const open = (card) => opened_(state.run, card.place, parts.dialog);
    parts.rows.replaceChildren(state.isTable ? rowsTable(samples, open) : cardsView(samples.map(withImage), open));
    shownPager(state, parts, rows, samples.length);
  });
}

function withImage(card) {
  return { ...card, image: card.image ? `${card.image}?side=256` : null };
}

function shownFilters(state, parts) {
  const named = Object.fromEntries(Object.values(OPERATORS).flat());
  parts.filters.replaceChildren(...state.where.map(([column, operator, value], place) => {
    const text = `${words(column)} ${named[operator]} ${value}`;
    const drop = () => {
      state.where = state.where.filter((_, other) => other !== place);
      state.offset = 0;
      return browsed(state, parts);
    };
    return h("button", { type: "button", "aria-label": `Remove the filter ${text}`, onclick: drop }, text, " ×");
  }));
}

function shownPager(state, parts, rows, here) {
  const to = (offset) => () => {
    state.offset = offset;
    return browsed(state, parts);
  };
  const told_ = rows ? `${count(state.offset + 1)} to ${count(state.offset + here)} of ${count(rows)} rows` : "No row is like that";
  parts.pager.replaceChildren(
    h("button", { type: "button", disabled: state.offset === 0, onclick: to(Math.max(0, state.offset - PAGE)) }, "Previous"),
    h("span", { role: "status" }, told_),
    h("button", { type: "button", disabled: state.offset + here >= rows, onclick: to(state.offset + PAGE) }, "Next"),
  );
}

function rowsTable(samples, open) {
  const rows = samples.map((card) => [
    h("button", { type: "button", onclick: () => open(card) }, card.source), card.exit, words(card.reason ?? ""), figure(card.value === null ? "" : measured(card.value)),
    h("td", { dir: "auto" }, card.texts[0]?.text.slice(0, 160) ?? ""), card.error ?? "",
  ]);
  return table("Rows", ["row", "exit", "reason", "value", "text", "error"], rows);
}

/** Every column of one row in a dialog. */
async function opened_(run, place, dialog) {
  const close = h("form", { method: "dialog" }, h("button", { type: "button", onclick: () => dialog.close() }, "Close"));
  dialog.replaceChildren(h("h2", { id: "row-heading" }, `Row ${place}`), close);
  dialog.showModal();
  await tried(dialog, async () => {
    const columns = await askedJson(`/runs/${run}/sample/${encodeURIComponent(place).replaceAll("%3A", ":")}`);
    close.before(table(`Columns of row ${place}`, ["column", "value"], Object.entries(columns).map(([name, value]) => [name, valueCell(value)])));
  });
}

function valueCell(value) {
  if (value === null) return h("td", { class: "quiet" }, "null");
  return h("td", { dir: "auto" }, typeof value === "object" ? JSON.stringify(value) : String(value));
}

/** The distribution of any number of the ledger. */
function columnControls(state, parts) {
  const numbers = state.columns.filter(({ type }) => type === "number");
  const names = [["", "choose a column"], ...numbers.map(({ name }) => [name, words(name)])];
  const draw = ({ target }) => columnShown(state, parts, numbers.find(({ name }) => name === target.value));
  return h("div", { class: "controls" }, labelled("distribution of", choice("histogram", names, draw)));
}

async function columnShown({ run }, { distribution }, column) {
  discarded(distribution);
  if (!column) return distribution.replaceChildren();
  return tried(distribution, async () => {
    const query = new URLSearchParams({ column: column.name, bins: "60", exit: "" });
    const { edges, kept, left } = await askedJson(`/runs/${run}/histogram`, query);
    const shown = { edges, scale: "linear", unit: column.unit ?? "", series: [["kept", "kept", kept], ["left", "left", left]] };
    const title = h("p", { class: "quiet" }, column.doc);
    distribution.replaceChildren(h("article", { class: "panel" }, h("h3", null, words(column.name)), title, legend([["kept", "kept"], ["left", "left"]]), histogram(`Rows by ${words(column.name)}`, 200, shown), histogramTable(column.name, shown)));
  });
}
