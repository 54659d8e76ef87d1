"""The four doors, and what a step says of each row.

Every row of every step leaves by exactly one door: kept, dropped (a decision), merged (into another row) or dead (an
exception). A filter answers with a ``Verdict``, a synth step with an ``Addition``.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
import pyarrow as pa

KEPT, DROPPED, MERGED, DEAD = "kept", "dropped", "merged", "dead"

NOTHING: Mapping[str, pa.Array] = MappingProxyType({})


class EnvironmentFault(Exception):
    """Something that no sample is to blame for (missing weights, full disk, dead server); it stops the run.

    The message says what was expected, what was found, and what to do.
    """


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a filter says of each row of a batch of n rows."""

    reason: pa.StringArray
    """Length n, string; null means keep."""
    value: pa.DoubleArray
    """Length n, float64; the number that decided, null where none did."""
    threshold: pa.DoubleArray
    """Length n, float64; what the number was held against."""
    added: Mapping[str, pa.Array] = field(default_factory=lambda: NOTHING)
    """Columns of length n that the filter measured: its signal."""


@dataclass(frozen=True, slots=True)
class Addition:
    """What a synth step, a reader or a decoder adds to each row of a batch of n rows."""

    added: Mapping[str, pa.Array]
    """Columns of length n; values of failed rows are null."""
    reason: pa.StringArray
    """Length n, string; null where the row succeeded, else the name of the failure."""
    error: pa.StringArray
    """Length n, string; null where the row succeeded, else what was expected and what was found."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One test over all rows: those where ``fails`` is true break it."""

    reason: str
    fails: npt.NDArray[np.bool_]
    """Shape (n,)."""
    value: npt.NDArray[np.float64] | None = None
    """Shape (n,), the number that the test looked at."""
    threshold: float | npt.NDArray[np.float64] | None = None
    """What the number is held against, shape (n,) where each row has its own."""


def judge(rows: int, *rules: Rule, added: Mapping[str, pa.Array] = NOTHING) -> Verdict:
    """Return the verdict of ``rules`` over ``rows`` rows; the first rule that a row breaks names the reason."""
    first = np.full(rows, -1)
    for index, rule in enumerate(rules):
        first[(first < 0) & rule.fails] = index
    value = [None if i < 0 else _number(rules[i].value, row) for row, i in enumerate(first)]
    return Verdict(
        reason=pa.array([None if i < 0 else rules[i].reason for i in first], pa.string()),
        value=pa.array(value, pa.float64()),
        threshold=pa.array([None if i < 0 else _number(rules[i].threshold, row) for row, i in enumerate(first)], pa.float64()),
        added=added,
    )


def _number(values: npt.NDArray[np.float64] | float | None, row: int) -> float | None:
    number = values[row] if isinstance(values, np.ndarray) else values
    return None if number is None or np.isnan(number) else float(number)
