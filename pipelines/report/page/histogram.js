/** Histograms over edges that need not be evenly spaced: bin 0 lies below the first edge, the last one above the last. */

/**
 * @typedef {object} Histogram
 * @property {number[]} edges ascending
 * @property {string} scale "linear" or "log"
 * @property {string} unit
 * @property {[string, string, number[]][]} series colour, name and one count for each bin, from the bottom up
 * @property {"min" | "max"} [side]
 * @property {{value: number, text: string, isDashed: boolean}[]} [lines]
 */

/** Where values lie on the axis: a log axis is a linear one of logarithms, on which zero has a place left of the least positive edge. */
function placing({ edges, scale }) {
  if (scale !== "log") return { at: (value) => value, back: (x) => x };
  const positive = edges.filter((edge) => edge > 0);
  const least = positive.length ? positive[0] / 2 : 1;
  return { at: (value) => Math.log10(Math.max(value, least)), back: (x) => 10 ** x };
}

/** The two ends of each bin on the axis; the outer bins, which have but one edge, are as wide as the inner ones are on average. */
function extents(edges, at) {
  const x = edges.map(at);
  const width = x.length > 1 ? (x[x.length - 1] - x[0]) / (x.length - 1) : 1;
  return [...x, x[x.length - 1] + width].map((high, bin) => [bin ? x[bin - 1] : high - width, high]);
}

/** A histogram that is drawn when it comes into view, or a word where nothing was measured. */
function histogram(label, height, shown) {
  return shown.edges.length ? chart(label, height, () => histogramOption(shown)) : h("p", { class: "quiet" }, "No value was measured.");
}

function histogramOption(/** @type {Histogram} */ shown) {
  const { at, back } = placing(shown);
  const ends = extents(shown.edges, at);
  const totals = added(shown.series.map(([, , counts]) => counts));
  const first = totals[0] ? 0 : 1;
  const last = totals[totals.length - 1] || totals.length < 3 ? totals.length - 1 : totals.length - 2;
  const [min, max] = [ends[Math.min(first, last)][0], ends[last][1]];
  return {
    grid: { left: 8, right: 14, top: shown.lines?.length ? 34 : 10, bottom: 4, outerBoundsMode: "same" },
    xAxis: horizontal(min, max, shown.scale, back, shown.unit),
    yAxis: vertical(),
    series: [...stacked(shown.series, ends), hitSeries(shown, ends, totals), lineSeries(shown.lines ?? [], at)],
  };
}

function horizontal(min, max, scale, back, unit) {
  const label = { ...TEXT, hideOverlap: true, formatter: (x) => short(back(x)) };
  const ticks = { customValues: scale === "log" ? decades(min, max) : rounds(min, max) };
  return {
    type: "value", min, max, splitLine: { show: false }, name: unit, nameLocation: "middle", nameGap: 22, nameTextStyle: TEXT,
    axisLabel: { ...label, ...ticks }, axisTick: { show: true, lineStyle: { color: COLOUR.line }, ...ticks },
    axisLine: { lineStyle: { color: COLOUR.line } },
  };
}

/** Round values of a log axis from `min` to `max`, as logarithms: 1, 2, 5, or whole decades where there are many. */
function decades(min, max) {
  const steps = max - min > 3 ? [1] : [1, 2, 5];
  const powers = Array.from({ length: Math.ceil(max) - Math.floor(min) + 1 }, (_, i) => Math.floor(min) + i);
  return powers.flatMap((power) => steps.map((step) => power + Math.log10(step))).filter((x) => x >= min && x <= max);
}

/** Round values of a linear axis from `min` to `max`, about six. */
function rounds(min, max) {
  const rough = (max - min) / 6 || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((times) => times * power).find((size) => size >= rough * 0.999);
  const first = Math.ceil(min / step - 1e-9);
  return Array.from({ length: Math.floor(max / step + 1e-9) - first + 1 }, (_, place) => Number(((first + place) * step).toPrecision(12)));
}

function vertical() {
  return {
    type: "value", splitNumber: 3, minInterval: 1, axisLabel: { ...TEXT, formatter: short }, axisTick: { show: false },
    splitLine: { lineStyle: { color: COLOUR.line } }, axisLine: { show: false },
  };
}

/** One series of rectangles for each list of counts, on top of the one before. */
function stacked(series, ends) {
  const floor = ends.map(() => 0);
  return series.map(([colour, name, counts]) => {
    const data = counts.map((rows, bin) => [ends[bin][0], ends[bin][1], floor[bin], (floor[bin] += rows)]);
    return { type: "custom", name, silent: true, clip: true, encode: { x: [0, 1], y: [2, 3] }, data: data.filter((d) => d[3] > d[2]), renderItem: rectangle(colour) };
  });
}

function rectangle(colour) {
  return (_, api) => {
    const [x, bottom] = api.coord([api.value(0), api.value(2)]);
    const [right, top] = api.coord([api.value(1), api.value(3)]);
    const shape = { x, y: top, width: Math.max(right - x - 0.6, 0.6), height: bottom - top };
    return { type: "rect", shape, style: { fill: COLOUR[colour] } };
  };
}

/** What the pointer meets: each bin over the whole height, so that a small one is found. */
function hitSeries({ edges, series, side, unit }, ends, totals) {
  const top = Math.max(...totals, 1);
  const told = (bin) => [`${span(edges, bin, side)} ${unit}`, ...series.map(([, name, counts]) => `${name}: ${count(counts[bin])}`)];
  return {
    type: "custom", clip: true, encode: { x: [0, 1], y: [2, 3] }, data: ends.map(([low, high]) => [low, high, 0, top]),
    tooltip: { formatter: ({ dataIndex }) => told(dataIndex).join("\n") },
    renderItem: (_, api) => {
      const [[x, bottom], [right, y]] = [api.coord([api.value(0), 0]), api.coord([api.value(1), top])];
      return { type: "rect", shape: { x, y, width: right - x, height: bottom - y }, style: { fill: "transparent" } };
    },
  };
}

/** Upright lines with a word at their top, one below the other so that two near each other are both read. */
function lineSeries(lines, at) {
  return { type: "custom", silent: true, clip: false, encode: { x: 0, y: 1 }, data: lines.map(({ value }) => [at(value), 0]), renderItem: (params, api) => uprightLine(lines, params, api) };
}

function uprightLine(lines, { dataIndex, coordSys }, api) {
  const { text, isDashed } = lines[dataIndex];
  const x = Math.min(Math.max(api.coord([api.value(0), 0])[0], coordSys.x), coordSys.x + coordSys.width);
  const y = coordSys.y - 4 - 13 * (lines.length - 1 - dataIndex);
  const align = x > coordSys.x + coordSys.width * 0.7 ? "right" : "left";
  const stroke = { stroke: COLOUR.text, lineWidth: 1.5, lineDash: isDashed ? [4, 3] : null };
  return {
    type: "group",
    children: [
      { type: "line", shape: { x1: x, y1: y - 9, x2: x, y2: coordSys.y + coordSys.height }, style: stroke },
      { type: "text", style: { text, x: x + (align === "left" ? 4 : -4), y: y - 10, fill: COLOUR.text, font: "11px system-ui, sans-serif", align } },
    ],
  };
}

/** The same counts as a table, folded. */
function histogramTable(caption, { edges, series, side, unit }) {
  const totals = added(series.map(([, , counts]) => counts));
  const bins = totals.map((_, bin) => bin).filter((bin) => totals[bin]);
  const rows = bins.map((bin) => [span(edges, bin, side), ...series.map(([, , counts]) => counts[bin])]);
  const head = [unit ? `value, ${unit}` : "value", ...series.map(([, name]) => name)];
  return folded("As a table", table(`${caption}: bins that hold rows`, head, rows));
}
