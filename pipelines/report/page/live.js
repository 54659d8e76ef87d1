/** The page of a live server: which run is shown, and whether it goes on. */

/** How often a run that goes on is asked for, in milliseconds. */
const EVERY = 5000;

const server = { api: "", runs: [], run: 0, text: "", timer: 0, bar: h("div", { class: "live" }), extra: h("div") };

/** Ask the server below its API. @throws {Error} with what was asked and what came */
async function asked(path, query = null) {
  const address = `${server.api}${path}${query ? `?${query}` : ""}`;
  const answer = await fetch(address);
  if (!answer.ok) throw new Error(`expected an answer to ${address}, got ${answer.status} ${answer.statusText}`);
  return answer.text();
}

async function askedJson(path, query = null) {
  return JSON.parse(await asked(path, query));
}

/** Do `work`, and say in `place` what went wrong with it. */
async function tried(place, work) {
  try {
    await work();
    place.querySelector(":scope > .alarm")?.remove();
  } catch (error) {
    place.querySelector(":scope > .alarm")?.remove();
    place.prepend(h("p", { class: "alarm", role: "alert" }, `${error.message}. Is the server still running? Reload the page once it is.`));
  }
}

function live(api) {
  server.api = api;
  page.main.before(server.bar);
  page.main.after(server.extra);
  return tried(server.bar, async () => {
    server.runs = await askedJson("/runs");
    const wanted = Number(new URLSearchParams(location.search).get("run") ?? 0);
    const options = server.runs.map((run) => [String(run.index), `${run.pipeline} ${run.run_id}, ${run.corpus}: ${count(run.exits.kept)} kept`]);
    const known = server.runs.find(({ index }) => index === wanted) ?? server.runs[0];
    if (!known) throw new Error("the server knows no run");
    const select = choice("run", options, ({ target }) => chosenRun(Number(target.value)), String(known.index));
    server.bar.replaceChildren(labelled("run", select), h("p", { role: "status", class: "quiet" }), h("p", { class: "quiet looked" }));
    await chosenRun(known.index);
  });
}

async function chosenRun(index) {
  Object.assign(server, { run: index, text: "" });
  history.replaceState(null, "", `?run=${index}${location.hash}`);
  await looked(index);
  await tried(server.bar, async () => {
    const columns = await askedJson(`/runs/${index}/columns`);
    if (index !== server.run || !server.report) return;
    discarded(server.extra);
    server.extra.replaceChildren(browseSection(index, columns, server.report), ...(server.runs.length > 1 ? [compareSection(index)] : []));
    linked();
  });
}

/** Fetch the report of the run, show what is new in it, and come back if it goes on. */
async function looked(index) {
  clearTimeout(server.timer);
  await tried(server.bar, async () => {
    const text = await asked(`/runs/${index}/report`);
    if (index !== server.run) return;
    const report = JSON.parse(text);
    if (!server.text) shownAnew(report);
    else if (text !== server.text || server.isBehind) server.isBehind = renewed(report);
    Object.assign(server, { text, report });
    says(report.run.is_complete);
  });
  if (index === server.run && server.report && !server.report.run.is_complete) server.timer = setTimeout(() => looked(index), EVERY);
}

function says(isComplete) {
  const [status, time] = [server.bar.querySelector("[role=status]"), server.bar.querySelector(".looked")];
  const text = isComplete ? "This run has ended." : `This run goes on: what is here has been committed so far. The page looks again every ${EVERY / 1000} seconds.`;
  if (status.textContent !== text) status.replaceChildren(text);
  time.replaceChildren(isComplete ? "" : `Last looked at ${new Date().toLocaleTimeString("en-GB")}.`);
}

function shownAnew(report) {
  server.isBehind = false;
  discarded(page.main);
  show(report);
}

/** Show what is new in `report`: the views whose figures have changed, but not the one in use. Return whether that one has changed. */
function renewed(report) {
  titled(report);
  let [before, isBehind] = [null, false];
  for (const view of VIEWS) {
    const old = page.main.querySelector(`:scope > #${view[0]}`);
    const made_ = triedSection(view, report);
    const [isInUse, isSame] = [old?.contains(document.activeElement) ?? false, old && made_ ? told(old) === told(made_) : old === made_];
    isBehind ||= isInUse && !isSame;
    before = isInUse || isSame ? (old ?? before) : swapped(old, made_, before);
  }
  linked();
  return isBehind;
}

/** What a view says, without what the reader has opened or drawn in it. */
function told(section) {
  const copy = section.cloneNode(true);
  copy.querySelectorAll(".chart, .group, output").forEach((part) => part.remove());
  return copy.textContent;
}

/** Put `section` where `old` is, or after `before`; either may be missing. */
function swapped(old, section, before) {
  if (old) discarded(old);
  if (old && section) old.replaceWith(section);
  else if (old) old.remove();
  else if (section) before ? before.after(section) : page.main.prepend(section);
  return section ?? before;
}
