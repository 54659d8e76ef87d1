/** Charts are drawn when they come into view, and take their colours from the style sheet, so dark mode and print need no redrawing. */

const COLOUR = Object.fromEntries(
  ["text", "quiet", "line", "surface", "kept", "left", "later", "dropped", "merged", "dead", "step"].map((name) => [name, `var(--${name})`]),
);
const TEXT = { color: COLOUR.quiet, fontSize: 11, textBorderWidth: 0 };
const TOOLTIP = {
  renderMode: "richText", // the other one writes style attributes, which the policy of the page forbids
  confine: true,
  transitionDuration: 0,
  backgroundColor: COLOUR.surface,
  borderColor: COLOUR.line,
  borderWidth: 1,
  padding: 8,
  shadowBlur: 0,
  textStyle: { color: COLOUR.text, fontSize: 12 },
};

/** What each element of a chart is drawn of, and the chart once it is drawn. */
const options = new WeakMap();
const charts = new Map();
const sizes = new ResizeObserver((entries) => entries.forEach(({ target }) => resized(target)));
const sight = new IntersectionObserver(
  (entries) => entries.filter((entry) => entry.isIntersecting).forEach((entry) => drawn(entry.target)),
  { rootMargin: "400px" },
);

/**
 * An element that becomes a chart when it is near the window.
 * @param {string} label what it shows, in words
 * @param {number} height in pixels
 * @param {() => Json} option what ECharts draws
 */
function chart(label, height, option) {
  const element = h("div", { class: "chart", role: "img", "aria-label": label });
  element.style.height = `${height}px`;
  options.set(element, option);
  sight.observe(element);
  return element;
}

function drawn(element) {
  if (charts.has(element)) return;
  sight.unobserve(element);
  const made = echarts.init(element, null, { renderer: "svg" });
  charts.set(element, made);
  sizes.observe(element);
  redrawn(element);
}

/** Fit the chart to its element; the view box lets print, which asks nobody, fit it to the paper. */
function resized(element) {
  const made = charts.get(element);
  made?.resize();
  element.querySelector("svg")?.setAttribute("viewBox", `0 0 ${made.getWidth()} ${made.getHeight()}`);
}

/** Draw `element` again of what its option says now, if it is drawn at all. */
function redrawn(element) {
  charts.get(element)?.setOption({ animation: false, tooltip: TOOLTIP, ...options.get(element)() }, { notMerge: true });
}

/** Let go of the charts inside `root`, which is taken out of the page. */
function discarded(root) {
  for (const element of root.querySelectorAll(".chart")) {
    sight.unobserve(element);
    sizes.unobserve(element);
    charts.get(element)?.dispose();
    charts.delete(element);
  }
}

function drawAll() {
  document.querySelectorAll(".chart").forEach(drawn);
}
