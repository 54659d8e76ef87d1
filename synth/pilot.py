"""What pilot runs found out about prompts, taken in before the first iteration (paper 5.1: pilot RL for each sub-domain)."""

import json
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq

from synth.curriculum import Outcome, State, learn, places_of


class Names(NamedTuple):
    """Fields of a pilot's log."""

    sample_id: str = "sample_id"
    iteration: str = "iteration"
    n: str = "n"
    correct: str = "correct"


FIELDS = Names()


class Taken(NamedTuple):
    """A state that knows a pilot, and how many lines of its log it could use."""

    state: State
    used: int
    unknown: int
    """Lines of prompts that the state lacks: a pilot's table is often an older one."""


def read_log(path: str | Path, names: Names = FIELDS) -> list[tuple[int, Outcome]]:
    """Return iterations and outcomes of a log, sorted by iteration and prompt: ``.parquet``, or JSON lines.

    A prompt's lines of one iteration are one outcome, their sum. Raises ``ValueError`` with the line for a field that is missing or counts
    that cannot be.
    """
    rows = _parquet(path, names) if str(path).endswith(".parquet") else _lines(path, names)
    found = sorted((int(iteration), str(sample), int(n), int(correct)) for sample, iteration, n, correct in rows)
    return [(key[0], _sum(key[1], list(lines))) for key, lines in groupby(found, key=lambda row: row[:2])]


def _sum(sample_id: str, lines: list[tuple[int, str, int, int]]) -> Outcome:
    return Outcome(sample_id, sum(n for *_, n, _ in lines), sum(correct for *_, correct in lines))


def _parquet(path: str | Path, names: Names) -> Iterator[tuple[str, int, int, int]]:
    table = pq.read_table(path, columns=list(names))
    if missing := {*names} - {*table.column_names}:
        raise ValueError(f"{path}: a pilot's log has the columns {', '.join(names)}; {', '.join(sorted(missing))} missing")
    yield from zip(*(table.column(name).to_pylist() for name in names), strict=True)


def _lines(path: str | Path, names: Names) -> Iterator[tuple[str, int, int, int]]:
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            if line.strip():
                yield _row(json.loads(line), names, f"{path}, line {number}")


def _row(found: dict[str, object], names: Names, where: str) -> tuple[str, int, int, int]:
    if missing := {*names} - {*found}:
        raise ValueError(f"{where}: a line of a pilot's log has {', '.join(names)}; {', '.join(sorted(missing))} missing")
    sample, *counts = (found[name] for name in names)
    iteration, n, correct = (_whole(value, where) for value in counts)
    return str(sample), iteration, n, correct


def _whole(value: object, where: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool):
        raise ValueError(f"{where}: iteration, n and correct are whole numbers, found {value!r}")  # noqa: TRY004 - a fault of the file
    return value


def take_in(state: State, log: list[tuple[int, Outcome]]) -> Taken:
    """Return ``state`` with the outcomes of a pilot, iteration after iteration, so that later ones weigh more.

    Tiers of prompts and rates of tiers learn as from training. The iteration, the expansion ratio and how often a prompt was asked stay:
    they tell of this run, whose mixture is another.
    """
    known = {*state.prompts.ids}
    for _, lines in groupby(log, key=lambda line: line[0]):
        outcomes = [outcome for _, outcome in lines if outcome.sample_id in known]
        places = places_of(state.prompts, [outcome.sample_id for outcome in outcomes])
        state = learn(state, np.asarray(places, np.int64), outcomes, faded=True)
    used = sum(outcome.sample_id in known for _, outcome in log)
    return Taken(state, used, len(log) - used)
