/** The views in the order in which they are read; one that has nothing to show is left out, and so is its link. */

const VIEWS = [
  ["run", "Run", runView],
  ["funnel", "Funnel", funnelView],
  ["thresholds", "Thresholds", thresholdsView],
  ["samples", "Samples", galleryView],
  ["reasoning", "Reasoning", reasoningView],
  ["dead", "Dead letters", deadView],
  ["duplicates", "Duplicates", clustersView],
  ["mix", "Mix", sharesView],
  ["distributions", "Distributions", distributionsView],
  ["planes", "Sizes", planesView],
  ["concepts", "Concepts", conceptsView],
  ["serving", "Serving", servingView],
];

function sectionOf([id, title, view], report) {
  const content = [view(report)].flat(3).filter(Boolean);
  return content.length ? h("section", { id, "aria-labelledby": `${id}-heading` }, h("h2", { id: `${id}-heading` }, title), ...content) : null;
}

/** One view that cannot be drawn is not worth the others. */
function triedSection(view, report) {
  try {
    return sectionOf(view, report);
  } catch (error) {
    console.error(error);
    return h("section", { id: view[0] }, h("h2", null, view[1]), h("p", { class: "alarm", role: "alert" }, `This view could not be drawn: ${error}. The figures are in report.json.`));
  }
}

const page = { nav: h("nav", { "aria-label": "Views" }), heading: h("h1"), main: h("main") };

function titled({ run }) {
  page.heading.replaceChildren(said(run.corpus), " ", h("small", null, said(`${run.pipeline} ${run.run_id}`), run.is_complete ? "" : " (goes on)"));
  document.title = `${run.corpus}: ${run.pipeline} ${run.run_id}`;
}

function linked() {
  const links = [...document.querySelectorAll("section")].map((section) => h("li", null, h("a", { href: `#${section.id}` }, section.querySelector("h2").textContent)));
  page.nav.replaceChildren(h("ul", null, ...links));
}

function show(report) {
  titled(report);
  page.main.replaceChildren(...VIEWS.map((view) => triedSection(view, report)).filter(Boolean));
  linked();
}

/** For print all is open: every group, every chart, every fold; then it is as it was. */
const opened = new Set();

function opensAll() {
  makeAll();
  drawAll();
  for (const fold of document.querySelectorAll("details:not([open])")) {
    opened.add(fold);
    fold.open = true;
  }
}

function closesAgain() {
  opened.forEach((fold) => { fold.open = false; });
  opened.clear();
}

function started() {
  document.body.prepend(h("a", { class: "skip", href: "#main" }, "To the figures"), h("header", null, page.heading), page.nav, page.main);
  page.main.id = "main";
  page.main.tabIndex = -1;
  addEventListener("beforeprint", opensAll);
  addEventListener("afterprint", closesAgain);
  matchMedia("print").addEventListener("change", ({ matches }) => (matches ? opensAll() : closesAgain()));
  const report = JSON.parse(document.getElementById("report").textContent);
  if (report) show(report);
  if (document.body.dataset.live) live(document.body.dataset.live);
  document.documentElement.dataset.ready = String(performance.now());
}

started();
