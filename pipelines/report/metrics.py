"""What is measured of a row, and over which edges it is counted."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from schemas.batches import numbers

Numbers = npt.NDArray[np.float64]
Side = Literal["min", "max"]


def steps(first: float, last: float, step: float) -> tuple[float, ...]:
    """Return edges from ``first`` to ``last``, ``step`` apart, each as its decimal says."""
    return tuple(round(first + number * step, 6) for number in range(round((last - first) / step) + 1))


def decades(first: int, last: int, each: int = 20) -> tuple[float, ...]:
    """Return whole numbers from ``first`` to ``last``, ``each`` to a decade and about as far apart by ratio."""
    powers = np.arange(np.log10(first), np.log10(last) + 1e-9, 1 / each)
    return tuple(float(edge) for edge in np.unique(np.round(10**powers)))


SHARE = steps(0, 1, 0.01)
COSINE = steps(-0.2, 1, 0.01)
SIDES = decades(10, 20_000)
BYTES = decades(100, 100_000_000)
CHARS = decades(1, 100_000)
COUNTS = tuple(float(n) for n in range(33))


@dataclass(frozen=True)
class Metric:
    """A number of each row."""

    name: str
    title: str
    unit: str
    edges: tuple[float, ...]
    """Ascending. A bin lies between two of them; below the first and above the last there is one more each."""
    values: Callable[[pa.RecordBatch], Numbers]
    """Shape (n,), NaN where a row has none."""
    scale: Literal["linear", "log"] = "linear"
    needs: tuple[str, ...] = ()
    """Columns without which there is nothing to measure."""


@dataclass(frozen=True)
class Bar:
    """A threshold that rows have to pass, at one step of the funnel."""

    key: str
    """Of the job, such as ``clip.min_score``."""
    metric: Metric
    step: str
    reason: str
    side: Side
    """``min``: a row stays with a value of at least the threshold. ``max``: with one of at most that."""
    threshold: float
    before: tuple[str, ...] = ()
    """Reasons of the same step that are asked first: a row that left for one of them has not met this bar."""

    @property
    def edges(self) -> tuple[float, ...]:
        """Return the edges of the metric, with the threshold among them."""
        return tuple(sorted({*self.metric.edges, float(self.threshold)}))


def column(name: str, decimals: int | None = None) -> Callable[[pa.RecordBatch], Numbers]:
    """Return what reads the numeric column ``name``, rounded as the filter that judges it rounds."""
    return Column(name, decimals)


@dataclass(frozen=True)
class Column:
    """Reads a numeric column of a batch; picklable."""

    name: str
    decimals: int | None = None

    def __call__(self, batch: pa.RecordBatch) -> Numbers:
        """Return the column, shape (n,), NaN where it is null."""
        found = numbers(batch.column(self.name))
        return found if self.decimals is None else found.round(self.decimals)


@dataclass(frozen=True)
class Plane:
    """Two metrics of each row against one another."""

    name: str
    title: str
    x: Metric
    y: Metric


@dataclass(frozen=True)
class Told:
    """What is counted of the rows of one table."""

    bars: tuple[Bar, ...] = ()
    metrics: tuple[Metric, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    """Columns of few values, each with its title."""
    planes: tuple[Plane, ...] = ()
    verdicts: bool = False
    """Whether the rows are rollouts, which somebody judged."""
    columns: tuple[str, ...] = field(default=())
    """Columns that a card shows; none shows them all."""


def binned(values: Numbers, edges: tuple[float, ...], side: Side = "min") -> npt.NDArray[np.int64]:
    """Return the bin of each value, 0 to ``len(edges)``, -1 for NaN.

    Of ``min``, bin i holds edges[i-1] <= value < edges[i], so that all that stay at a threshold lie above its edge; of ``max``,
    edges[i-1] < value <= edges[i].
    """
    found = np.searchsorted(np.array(edges), values, side="right" if side == "min" else "left").astype(np.int64)
    return np.where(np.isnan(values), -1, found)
