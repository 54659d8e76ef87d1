/** Groups of samples as tabs: kept, drawn at random, near each threshold, left for each reason. */

const KINDS = { kept: "Kept", random: "At random", near: "Near a threshold", left: "Left" };

/** The group that is shown, which a page that is drawn again keeps. */
const chosen = { group: null };

function galleryView({ gallery }) {
  if (!gallery.length) return null;
  const panels = gallery.map((group, place) => panelOf(group, place));
  const tabs = gallery.map((group, place) => tabOf(group, place));
  const list = h("div", { class: "tabs", role: "tablist", "aria-label": "Groups of samples", "aria-orientation": "vertical" });
  for (const [kind, places] of grouped(gallery.keys(), (place) => gallery[place].kind)) {
    list.append(h("span", { class: "kind", role: "presentation" }, KINDS[kind] ?? kind), ...places.map((place) => tabs[place]));
  }
  const order = [...list.querySelectorAll("[role=tab]")];
  const show = (tab) => shownTab(tab, order, panels, gallery);
  list.addEventListener("click", ({ target }) => target.closest("[role=tab]") && show(target.closest("[role=tab]")));
  list.addEventListener("keydown", (event) => moved(event, order, show));
  const before = gallery.findIndex(({ name }) => name === chosen.group);
  show(before < 0 ? order[0] : tabs[before]);
  return h("div", { class: "gallery" }, list, h("div", { class: "shown" }, ...panels));
}

function tabOf({ title, rows }, place) {
  return h("button", { type: "button", role: "tab", id: `tab-${place}`, "aria-controls": `group-${place}`, "data-group": place }, said(title), h("small", null, count(rows)));
}

/** An empty panel; its cards are made when it is first shown, or for print. */
function panelOf(group, place) {
  const panel = h("div", { role: "tabpanel", id: `group-${place}`, "aria-labelledby": `tab-${place}`, tabindex: 0, hidden: true, class: "group" });
  unmade.set(panel, () => [h("h3", { dir: "auto" }, group.title), h("p", { class: "quiet" }, groupLine(group)), cardsView(group.cards)]);
  return panel;
}

function groupLine({ rows, cards, step, reason }) {
  const by = step ? `, ${step}${reason ? `: ${words(reason)}` : ""}` : "";
  return `${count(cards.length)} of ${count(rows)} rows, drawn by hash, the same on every rerun${by}`;
}

/** What makes the content of each panel that has none yet. */
const unmade = new Map();

function made(panel) {
  const make = unmade.get(panel);
  unmade.delete(panel);
  if (make) panel.append(...make());
}

function makeAll() {
  [...unmade.keys()].filter((panel) => panel.isConnected).forEach(made);
}

function shownTab(tab, tabs, panels, gallery) {
  for (const other of tabs) {
    other.setAttribute("aria-selected", String(other === tab));
    other.tabIndex = other === tab ? 0 : -1;
  }
  const place = Number(tab.dataset.group);
  made(panels[place]);
  panels.forEach((panel, number) => { panel.hidden = number !== place; });
  chosen.group = gallery[place].name;
}

/** Arrow keys go round the tabs, Home and End to their ends. */
function moved(event, tabs, show) {
  const here = tabs.indexOf(event.target);
  const steps = { ArrowDown: here + 1, ArrowRight: here + 1, ArrowUp: here - 1, ArrowLeft: here - 1, Home: 0, End: tabs.length - 1 };
  if (here < 0 || !(event.key in steps)) return;
  event.preventDefault();
  const tab = tabs[(steps[event.key] + tabs.length) % tabs.length];
  show(tab);
  tab.focus();
}
