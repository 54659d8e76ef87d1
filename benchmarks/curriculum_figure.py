"""Curves as an SVG that reads on a light and on a dark page, written by hand: no plotting library is among our dependencies."""

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT, LEFT, TOP, GAP = 960, 400, 58, 84, 34
PLOT_HEIGHT = 250
STYLE = """
  .page { fill: #ffffff } text { fill: #1f2328; font: 13px system-ui, sans-serif } .small { font-size: 12px; fill: #59636e }
  .title { font-size: 14px; font-weight: 600 } .grid { stroke: #d1d9e0; stroke-width: 1 } .line { fill: none; stroke-width: 2 }
  .band { stroke: none; opacity: .12 } .c0 { stroke: #59636e; fill: #59636e } .c1 { stroke: #c2410c; fill: #c2410c }
  .c2 { stroke: #1d4ed8; fill: #1d4ed8 } .c3 { stroke: #0f766e; fill: #0f766e } .c4 { stroke: #a21caf; fill: #a21caf } .line { fill: none }
  .c3.line { stroke-dasharray: 7 4 } .c4.line { stroke-dasharray: 2 3 }
  @media (prefers-color-scheme: dark) {
    .page { fill: #0d1117 } text { fill: #e6edf3 } .small { fill: #9198a1 } .grid { stroke: #30363d }
    .c0 { stroke: #9198a1; fill: #9198a1 } .c1 { stroke: #fb923c; fill: #fb923c } .c2 { stroke: #60a5fa; fill: #60a5fa }
    .c3 { stroke: #2dd4bf; fill: #2dd4bf } .c4 { stroke: #e879f9; fill: #e879f9 } .line { fill: none }
  }
"""


@dataclass(frozen=True, slots=True)
class Line:
    """A curve with its interval; y in the axis's units, one value for each of the same x."""

    middle: Sequence[float]
    low: Sequence[float]
    high: Sequence[float]


@dataclass(frozen=True, slots=True)
class Panel:
    """One plot: its title and its curves, in the order of the legend."""

    title: str
    lines: Sequence[Line]


@dataclass(frozen=True, slots=True)
class Axis:
    """One axis: its label, its ends, and what is written where."""

    label: str
    ends: tuple[float, float]
    ticks: Sequence[tuple[float, str]]

    def share(self, value: float) -> float:
        """Return how far along the axis ``value`` lies, 0 to 1."""
        return (value - self.ends[0]) / (self.ends[1] - self.ends[0])


def figure(title: str, xs: Sequence[float], across: Axis, up: Axis, legend: Sequence[str], panels: Sequence[Panel]) -> str:
    """Return an SVG of ``panels`` side by side with a shared vertical axis, a legend above and labels on both axes."""
    width = (WIDTH - LEFT - GAP * len(panels)) / len(panels)
    parts = [_panel(LEFT + i * (width + GAP), width, panel, xs, across, up, i == 0) for i, panel in enumerate(panels)]
    middle = TOP + PLOT_HEIGHT / 2
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">',
        f"<title>{escape(title)}</title><style>{STYLE}</style>",
        f'<rect class="page" width="{WIDTH}" height="{HEIGHT}"/>',
        *_legend(legend),
        *parts,
        f'<text transform="translate(16 {middle:.0f}) rotate(-90)" text-anchor="middle">{escape(up.label)}</text>',
        f'<text x="{(WIDTH + LEFT - GAP) / 2:.0f}" y="{HEIGHT - 12}" text-anchor="middle">{escape(across.label)}</text>',
        "</svg>\n",
    ])  # fmt: skip


def _legend(names: Sequence[str]) -> list[str]:
    found: list[str] = []
    x = LEFT
    for i, name in enumerate(names):
        found.append(f'<path class="line c{i}" d="M{x} 26h28"/><text x="{x + 35}" y="30">{escape(name)}</text>')
        x += 62 + 7 * len(name)
    return found


def _panel(left: float, width: float, panel: Panel, xs: Sequence[float], across: Axis, up: Axis, labelled: bool) -> str:
    def at(x: float, y: float) -> str:
        return f"{left + width * across.share(x):.1f} {TOP + PLOT_HEIGHT * (1 - up.share(y)):.1f}"

    parts = [f'<text class="title" x="{left:.0f}" y="{TOP - 14}">{escape(panel.title)}</text>']
    for value, text in up.ticks:
        y = TOP + PLOT_HEIGHT * (1 - up.share(value))
        parts.append(f'<path class="grid" d="M{left:.1f} {y:.1f}h{width:.1f}"/>')
        parts += [f'<text class="small" x="{left - 8:.0f}" y="{y + 4:.1f}" text-anchor="end">{text}</text>'] * labelled
    for value, text in across.ticks:
        x = left + width * across.share(value)
        parts.append(f'<text class="small" x="{x:.1f}" y="{TOP + PLOT_HEIGHT + 18}" text-anchor="middle">{text}</text>')
    for i, line in enumerate(panel.lines):
        edge = [at(x, y) for x, y in zip(xs, line.high, strict=True)] + [at(x, y) for x, y in zip(xs, line.low, strict=True)][::-1]
        parts.append(f'<path class="band c{i}" d="M{"L".join(edge)}Z"/>')
    for i, line in enumerate(panel.lines):
        parts.append(f'<path class="line c{i}" d="M{"L".join(at(x, y) for x, y in zip(xs, line.middle, strict=True))}"/>')
    return "\n".join(parts)
