"""What another threshold changed: the kept sets of two runs over one input, held against each other by their ledgers."""

import argparse
import json
import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from pipelines.spine import storage
from pipelines.spine.commit import MANIFEST, read_manifest
from schemas import columns as c
from schemas.exits import KEPT

EXAMPLES = 5
"""Samples that are named for each direction (ours)."""


class Change(NamedTuple):
    """A row that one run kept and the other did not."""

    step: str
    """Where it left, in the run that did not keep it."""
    reason: str
    sample_id: str


def latest(runs: str, source: str, but: str) -> str | None:
    """Return the run below the local folder ``runs`` that was finished last over the input ``source``, other than ``but``; None for none.

    On an object store no earlier run is sought: name both to ``python -m pipelines.captions.difference BEFORE AFTER``.
    """
    if not storage.is_local(runs) or not os.path.isdir(runs):
        return None
    manifests = [path for path in storage.list_below(runs) if os.path.basename(path) == MANIFEST and os.path.dirname(path) != but]
    same = [path for path in manifests if json.loads(storage.read(path)).get("source") == source]
    return os.path.dirname(max(same, key=lambda path: (os.path.getmtime(path), path))) if same else None


def table(before: str, after: str) -> str:
    """Return how the kept set of the run ``after`` differs from that of ``before``."""
    old, new = _exits(before), _exits(after)
    both = sum(old[place] is None and new.get(place, False) is None for place in old)
    came = [old[place] for place, left in new.items() if left is None and old.get(place) is not None]
    went = [left for place, left in new.items() if left is not None and old.get(place, False) is None]
    lines = [f"against {before}: {both:,} samples kept by both"]
    lines += _told(f"{len(came):,} kept now, which had left by", came)
    lines += _told(f"{len(went):,} left now, which had been kept, by", went)
    return "\n".join(lines)


def _told(head: str, changes: Sequence[Change | None]) -> Iterator[str]:
    found = [change for change in changes if change is not None]
    yield f"  {head if found else head.rsplit(',', 1)[0]}"
    for (step, reason), number in sorted(Counter((change.step, change.reason) for change in found).items(), key=lambda n: (-n[1], n[0])):
        examples = sorted(change.sample_id for change in found if (change.step, change.reason) == (step, reason))[:EXAMPLES]
        yield f"    {number:,} {reason} ({step}), such as {', '.join(examples)}"


def _exits(run: str) -> Mapping[tuple[str, int], Change | None]:
    """Return for each row of the input by which step it left, null where it was kept."""
    names = [field.name for field in (c.SPLIT_ID, c.ROW, c.EXIT, c.STEP, c.REASON, c.SAMPLE_ID)]
    exits: dict[tuple[str, int], Change | None] = {}
    for path in storage.list_files(storage.join(run, "ledger")):
        with storage.parquet(path) as file:
            for batch in file.iter_batches(columns=names):
                exits.update(_of(batch.to_pydict()))
    return exits


def _of(rows: Mapping[str, list[Any]]) -> Iterator[tuple[tuple[str, int], Change | None]]:
    for split_id, row, door, step, reason, sample_id in zip(*rows.values(), strict=True):
        yield (split_id, row), None if door == KEPT else Change(step, reason, sample_id or f"{split_id}:{row}")


def main(argv: Sequence[str] | None = None) -> int:
    """Print how the kept sets of two finished runs differ."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("before", help="folder of a finished run")
    parser.add_argument("after", help="folder of another over the same input")
    runs = parser.parse_args(argv)
    for run in (runs.before, runs.after):
        if read_manifest(run) is None:
            parser.error(f"{run} is no finished run: expected {MANIFEST} in it")
    print(table(runs.before, runs.after))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
