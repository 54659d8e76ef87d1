"""Hold a curation run against what was planted in its pool: ``python -m jobs.planted RUN LABELS``.

LABELS is what ``jobs.curation_corpus`` writes beside its pool. For each reason: how many samples were planted for it, how many left by it
(found), how many of these are among the planted (right); precision is right of found, recall right of planted. A merge is right where the
row and the one that it went into are of one cluster, and either was planted for that reason: which of the two stays is not planted.
Then every sample is named that left by another door than it should.
"""

import argparse
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.spine.tables import INTO, Run, open_run, place_of
from schemas import columns as c
from schemas.exits import MERGED

DRAWN = "over_represented"
"""Reason of concept balance, which draws: nobody can say beforehand whom."""
HASH = c.IMAGE_HASH.name
NAMED = (c.SOURCE_PATH, c.SOURCE_MEMBER, c.IMAGE_HASH, c.SPLIT_ID, c.ROW, c.EXIT, c.STEP, c.REASON, c.MERGED_INTO)


@dataclass(frozen=True, slots=True)
class Planted:
    """A sample of the pool: what its label says, and what became of it."""

    key: str
    kind: str
    reason: str | None
    """Why it is to leave, null where it is to stay."""
    cluster: int | None
    """Equal for samples that are to be merged."""
    place: str
    left: str | None
    """Why it left, null where it was kept."""
    step: str | None
    into: str | None
    """Place of the row that it was merged into."""


@dataclass(frozen=True, slots=True)
class Score:
    """What came of one reason."""

    step: str
    """Where samples left by it; empty where none did."""
    reason: str
    planted: int
    found: int
    right: int

    @property
    def precision(self) -> float | None:
        """Share of those found that were planted, 0-1; null where none was found."""
        return self.right / self.found if self.found else None

    @property
    def recall(self) -> float | None:
        """Share of those planted that were found, 0-1; null where none was planted."""
        return self.right / self.planted if self.planted else None


def read(run: Run, labels: Iterable[str]) -> list[Planted]:
    """Return every sample of ``run`` with its label, of which each of ``labels`` is one as JSON.

    Raises ``ValueError`` where labels and ledger are not of the same samples.
    """
    told = {(label["shard"], label["key"]): label for label in (_label(number, line) for number, line in enumerate(labels, 1))}
    rows = {_name(row): row for part in run.scan("ledger", [f.name for f in NAMED]) for row in part.batch.to_pylist()}
    other = sorted(told.keys() ^ rows.keys()) or [n for n, row in rows.items() if row[HASH] not in (None, told[n][HASH])]
    if other:
        raise ValueError(
            f"expected the labels of the pool that the run read, found {len(other)} samples in one alone, such as {'/'.join(other[0])}"
        )
    return [_planted(label, rows[name]) for name, label in told.items()]


def _label(number: int, line: str) -> Mapping[str, Any]:
    try:
        label = json.loads(line)
    except ValueError as error:
        raise ValueError(f"line {number} of the labels: expected a JSON object, found {line[:80]!r}; give OUT.labels.jsonl") from error
    if not isinstance(label, dict) or ({"shard", "key", "planted", "reason", "cluster", HASH} - label.keys()):
        raise ValueError(f"line {number} of the labels: expected an object with shard, key and what was planted, found {line[:80]!r}")
    return label


def _name(row: Mapping[str, Any]) -> tuple[str, str]:
    return row[c.SOURCE_PATH.name].rpartition("/")[2], row[c.SOURCE_MEMBER.name].partition(".")[0]


def _planted(label: Mapping[str, Any], row: Mapping[str, Any]) -> Planted:
    into = row[INTO]
    return Planted(
        key=label["key"],
        kind=label["planted"],
        reason=label["reason"],
        cluster=label["cluster"],
        place=place_of(row),
        left=row[c.REASON.name],
        step=row[c.STEP.name],
        into=place_of(into) if row[c.EXIT.name] == MERGED else None,
    )


def right_merges(samples: Sequence[Planted]) -> list[tuple[Planted, Planted]]:
    """Return each sample that was rightly merged, with the one that it went into."""
    by_place = {sample.place: sample for sample in samples}
    pairs = [(sample, by_place[sample.into]) for sample in samples if sample.into]
    return [
        (one, other)
        for one, other in pairs
        if one.cluster is not None and one.cluster == other.cluster and one.left in (one.reason, other.reason)
    ]


def scores(samples: Sequence[Planted], steps: Sequence[str]) -> list[Score]:
    """Return the score of each reason that was planted or found, in the order of ``steps``; what is drawn has none."""
    planted, found = (Counter(told) for told in ([s.reason for s in samples], [s.left for s in samples]))
    merged = {one.place for one, _ in right_merges(samples)}
    right = Counter(s.left for s in samples if s.place in merged or (s.left == s.reason and not s.into))
    at = {s.left: s.step for s in samples}
    made = [
        Score(at.get(reason) or "", reason, planted[reason], found[reason], right[reason])
        for reason in planted.keys() | found.keys()
        if reason not in (None, DRAWN)
    ]
    return sorted(made, key=lambda score: (steps.index(score.step) if score.step else len(steps), score.reason))


def unexpected(samples: Sequence[Planted]) -> list[Planted]:
    """Return the samples that did not leave as they were to; to be drawn is nothing unexpected where a sample was to stay."""
    merged = right_merges(samples)
    as_planned = {one.place for one, _ in merged} | {other.place for one, other in merged if one.left == other.reason}
    return [s for s in samples if s.place not in as_planned and not (_as_told(s) or (s.left == DRAWN and s.reason is None))]


def _as_told(sample: Planted) -> bool:
    return sample.left == sample.reason and not sample.into


def report(samples: Sequence[Planted], steps: Sequence[str]) -> Iterator[str]:
    """Yield the lines that are printed."""
    yield f"{'planted':>8} {'found':>8} {'right':>8} {'precision':>10} {'recall':>8}  reason, and the step"
    for score in scores(samples, steps):
        numbers = f"{score.planted:>8,} {score.found:>8,} {score.right:>8,} {_share(score.precision):>10} {_share(score.recall):>8}"
        yield f"{numbers}  {score.reason}" + (f" ({score.step})" if score.step else "")
    drawn = Counter(s.kind for s in samples if s.left == DRAWN)
    yield f"\ndrawn by concept balance: {sum(drawn.values()):,} ({_listed(drawn)})"
    others = defaultdict[tuple[str, str], list[str]](list)
    for sample in unexpected(samples):
        others[sample.kind, _surprise(sample)].append(sample.key)
    yield f"\nby another door than planted: {sum(map(len, others.values())):,} of {len(samples):,}"
    for (kind, surprise), keys in sorted(others.items()):
        yield f"  {len(keys):,} {kind}: {surprise}: {', '.join(keys)}"


def _surprise(sample: Planted) -> str:
    if sample.left == sample.reason:
        return f"merged into a stranger as {sample.left}"
    return f"{sample.left or 'kept'}, not {sample.reason or 'kept'}"


def _share(share: float | None) -> str:
    return "-" if share is None else f"{share:.2f}"


def _listed(kinds: Mapping[str, int]) -> str:
    return ", ".join(f"{number:,} {kind}" for kind, number in sorted(kinds.items(), key=lambda k: (-k[1], k[0]))) or "none"


def main(argv: Sequence[str] | None = None) -> int:
    """Print what the run found of what was planted; exit status 1 with the reason where the two do not belong together."""
    parser = argparse.ArgumentParser(prog="python -m jobs.planted", description="Hold a curation run against what was planted in its pool.")
    parser.add_argument("run", metavar="RUN", help="folder of a finished run, runs/captions/ID")
    parser.add_argument("labels", metavar="LABELS", type=Path, help="what jobs.curation_corpus wrote beside the pool")
    arguments = parser.parse_args(argv)
    try:
        run = open_run(arguments.run)
        samples = read(run, arguments.labels.read_text(encoding="utf-8").splitlines())
    except (ValueError, FileNotFoundError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    print("\n".join(report(samples, [count.step for count in run.funnel()])))
    return 0


if __name__ == "__main__":
    sys.exit(main())
