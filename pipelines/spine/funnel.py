"""The funnel: how many rows entered each step, and by which door they left."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from typing import Any

from schemas.exits import DEAD, DROPPED, MERGED, EnvironmentFault

TAKE_DOWN = "Take samples down on request"
"""The step by which samples on the list of ``spine.forgotten`` leave: the second of a funnel, and in it only where one left by it."""

Exit = tuple[str | None, str | None, str | None]
"""Exit, step and reason of a row."""


@dataclass(frozen=True)
class StepCount:
    """One step's rows: ``entered = kept + dropped + merged + dead``, the last three by reason."""

    step: str
    entered: int
    kept: int
    dropped: Mapping[str, int] = field(default_factory=dict[str, int])
    merged: Mapping[str, int] = field(default_factory=dict[str, int])
    dead: Mapping[str, int] = field(default_factory=dict[str, int])

    @property
    def left(self) -> int:
        """Rows that left at this step."""
        return sum(sum(door.values()) for door in (self.dropped, self.merged, self.dead))


Funnel = Sequence[StepCount]


class SumsDoNotAddUp(EnvironmentFault):
    """A step lost or invented rows. The run is not committed."""


def dumps(funnel: Funnel) -> bytes:
    """Return ``funnel`` as canonical JSON."""
    return json.dumps([asdict(count) for count in funnel], sort_keys=True, ensure_ascii=False).encode()


def loads(data: bytes | None) -> list[StepCount]:
    """Return what ``dumps`` wrote; None is the empty funnel."""
    rows: list[dict[str, Any]] = json.loads(data) if data else []
    return [StepCount(**row) for row in rows]


def total(funnels: Iterable[Funnel]) -> list[StepCount]:
    """Return the sum of ``funnels`` step by step; all must tell of the same steps in the same order, but for ``TAKE_DOWN``.

    Raises ``SumsDoNotAddUp`` when they do not.
    """
    sums: Funnel = []
    for funnel in funnels:
        if not sums:
            sums = [StepCount(count.step, 0, 0) for count in funnel]
        sums, funnel = _beside(sums, funnel), _beside(funnel, sums)
        if [c.step for c in funnel] != [c.step for c in sums]:
            raise SumsDoNotAddUp(f"fragments tell of different steps: {[c.step for c in sums]} and {[c.step for c in funnel]}")
        sums = [_add(a, b) for a, b in zip(sums, funnel, strict=True)]
    return list(sums)


def check(funnel: Funnel, where: str) -> None:
    """Raise ``SumsDoNotAddUp`` unless every step's doors sum up and every step got what the one before it kept."""
    for count in funnel:
        if count.entered != count.kept + count.left:
            raise SumsDoNotAddUp(
                f"{where}: step {count.step!r} took in {count.entered} rows, but {count.kept} stayed and {count.left} left"
            )
    for before, after in pairwise(funnel):
        if before.kept != after.entered:
            raise SumsDoNotAddUp(f"{where}: step {before.step!r} kept {before.kept} rows, but {after.step!r} took in {after.entered}")


def recount(steps: Sequence[str], exits: Mapping[Exit, int]) -> list[StepCount]:
    """Return the funnel over ``steps`` of rows that left by ``exits``, ``TAKE_DOWN`` among the steps where one left by it.

    Raises ``SumsDoNotAddUp`` where rows left by a step that is none of them.
    """
    left = {step: {DROPPED: dict[str, int](), MERGED: dict[str, int](), DEAD: dict[str, int]()} for step in _with_take_down(steps, exits)}
    for (door, step, reason), rows in sorted((e, n) for e, n in exits.items() if e[1] is not None):
        if step not in left:
            raise SumsDoNotAddUp(f"{rows} rows left at {step!r}, which is no step of the funnel: {list(steps)}")
        left[step][str(door)][str(reason)] = rows
    counted: list[StepCount] = []
    entered = sum(exits.values())
    for step, doors in left.items():
        kept = entered - sum(sum(reasons.values()) for reasons in doors.values())
        counted.append(StepCount(step, entered, kept, *doors.values()))
        entered = kept
    return counted


def _with_take_down(steps: Sequence[str], exits: Mapping[Exit, int]) -> list[str]:
    others = [step for step in steps if step != TAKE_DOWN]
    return [*others[:1], TAKE_DOWN, *others[1:]] if any(step == TAKE_DOWN for _, step, _ in exits) else others


def _beside(funnel: Funnel, other: Funnel) -> Funnel:
    """Return ``funnel`` with the step ``TAKE_DOWN``, which nothing left by, where ``other`` has it and it has not."""
    has, should = (any(count.step == TAKE_DOWN for count in told) for told in (funnel, other))
    return [funnel[0], StepCount(TAKE_DOWN, funnel[0].kept, funnel[0].kept), *funnel[1:]] if should and funnel and not has else funnel


def exits(funnel: Funnel) -> dict[str, int]:
    """Return the rows by door over the whole funnel: kept, dropped, merged, dead."""
    doors = {door: sum(sum(getattr(count, door).values()) for count in funnel) for door in ("dropped", "merged", "dead")}
    return {"kept": funnel[-1].kept if funnel else 0, **doors}


def taken_down(funnel: Funnel) -> int:
    """Return the rows that were taken down."""
    return sum(count.left for count in funnel if count.step == TAKE_DOWN)


def table(funnel: Funnel) -> str:
    """Return the funnel as a text table, a line for each step and one below it for each reason."""
    lines = [f"{'in':>8} {'kept':>8} {'dropped':>8} {'merged':>8} {'dead':>8}  step"]
    for count in funnel:
        doors = (count.dropped, count.merged, count.dead)
        numbers = [count.entered, count.kept, *(sum(door.values()) for door in doors)]
        lines.append(" ".join(f"{n:>8,}" for n in numbers) + f"  {count.step}")
        for door, reasons in zip(("dropped", "merged", "dead"), doors, strict=True):
            lines += [f"{'':>44}    {n:,} {door}: {reason}" for reason, n in sorted(reasons.items(), key=lambda r: (-r[1], r[0]))]
    return "\n".join(lines)


def _add(a: StepCount, b: StepCount) -> StepCount:
    def both(x: Mapping[str, int], y: Mapping[str, int]) -> dict[str, int]:
        return dict(sorted((Counter(x) + Counter(y)).items()))

    return StepCount(
        a.step, a.entered + b.entered, a.kept + b.kept, both(a.dropped, b.dropped), both(a.merged, b.merged), both(a.dead, b.dead)
    )
