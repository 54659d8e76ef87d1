"""Hold every verifier against its labelled answers: ``python -m jobs.verifier_report [tests/labelled/verifiers]``.

A file ``<domain>.jsonl`` holds an object a line: ``question``, ``truth``, ``choices`` (or none), ``answer``, ``reward`` from 0 to 1 as a
person gives it, and ``kind``. Kinds that begin with ``hack`` are hard negatives; the others are what honest people and models write.
"""

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipelines.questions.verifiers import VerifierSpec
from synth.verifiers.reward import TIMEOUT, Reward, Task, Verifier

RIGHT = 0.5
"""A reward from here on counts as accepted (ours)."""
JUDGE = "judge"
"""Name of the labelled set for judges, which no rule is held against."""
HEADER = ("domain", "pairs", "false +", "false -", "undecided", "timeouts", "off", "hacks", "accepted")


@dataclass(frozen=True, slots=True)
class Labelled:
    """An answer with what it should earn."""

    task: Task
    answer: str
    reward: float
    """In [0, 1]; what lies between is the exact expectation of a graded verifier."""
    kind: str
    """Group: ``equal``, ``different``, ``hack:range``, ..."""

    @property
    def is_hack(self) -> bool:
        """Whether the answer was made to be accepted without being right."""
        return self.kind.startswith("hack")


@dataclass(frozen=True, slots=True)
class Counts:
    """What came of the labelled answers of one domain."""

    pairs: int
    """Honest ones."""
    false_positives: int
    """Honest, wrong and accepted."""
    false_negatives: int
    """Honest, right and rejected."""
    undecided: int
    """Without a verdict, of all, timeouts not among them."""
    timeouts: int
    off: int
    """Graded rewards that differ from the expected one by more than 1e-4, on the right side of ``RIGHT``."""
    hacks: int
    """Hard negatives that should earn less than ``RIGHT``."""
    accepted: int
    """Hard negatives that were accepted all the same."""


def read(path: Path) -> Iterator[Labelled]:
    """Yield the labelled answers of a file. Raises ``ValueError`` with the place of a line that is none."""
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        try:
            row: dict[str, Any] = json.loads(line)
            task = Task(row["truth"], row.get("question", ""), tuple(row.get("choices") or ()))
            yield Labelled(task, row["answer"], float(row["reward"]), row["kind"])
        except (json.JSONDecodeError, KeyError, TypeError) as error:
            raise ValueError(f"{path}:{number}: expected an object with truth, answer, reward and kind, found {line[:80]!r}") from error


def count(verifier: Verifier, labelled: Sequence[Labelled]) -> Counts:
    """Return what ``verifier`` makes of ``labelled``."""
    judged = [(each, verifier(each.answer, each.task)) for each in labelled]
    honest = [pair for pair in judged if not pair[0].is_hack]
    hacks = [pair for pair in judged if pair[0].is_hack and pair[0].reward < RIGHT]
    without = [reward for _, reward in judged if reward.value is None]
    return Counts(
        pairs=len(honest),
        false_positives=sum(each.reward < RIGHT and _accepted(reward) for each, reward in honest),
        false_negatives=sum(each.reward >= RIGHT and not _accepted(reward) and reward.value is not None for each, reward in honest),
        undecided=sum(reward.reason != TIMEOUT for reward in without),
        timeouts=sum(reward.reason == TIMEOUT for reward in without),
        off=sum(_is_off(each, reward) for each, reward in judged),
        hacks=len(hacks),
        accepted=sum(_accepted(reward) for _, reward in hacks),
    )


def _accepted(reward: Reward) -> bool:
    return reward.value is not None and reward.value >= RIGHT


def _is_off(each: Labelled, reward: Reward) -> bool:
    same_side = reward.value is not None and (reward.value >= RIGHT) == (each.reward >= RIGHT)
    return same_side and abs((reward.value or 0) - each.reward) > 1e-4


def lines(folder: Path) -> Iterator[str]:
    """Yield the table: a line for each domain with a labelled set, rates behind the counts, then one for those without.

    Raises ``ValueError`` where ``folder`` holds no set, or one of a domain that has no verifier.
    """
    verifiers, files = VerifierSpec().load(), sorted(folder.glob("*.jsonl"))
    if not files:
        raise ValueError(f"{folder} holds no <domain>.jsonl, expected the labelled sets of verifiers")
    yield "".join(name.ljust(15) for name in HEADER).rstrip()
    for path in files:
        if path.stem == JUDGE:
            yield "judge          a served model, not a rule: python -m jobs.judge_canaries " + str(path)
            continue
        if path.stem not in verifiers:
            raise ValueError(f"{path}: no verifier of this domain, expected one of {', '.join(sorted(verifiers))}")
        yield _line(path.stem, count(verifiers[path.stem], list(read(path))))
    if missing := sorted(verifiers.keys() - {path.stem for path in files}):
        yield f"no labelled set: {', '.join(missing)}"


def _line(domain: str, counts: Counts) -> str:
    everything = counts.pairs + counts.hacks
    shown = (
        str(counts.pairs),
        _share(counts.false_positives, counts.pairs),
        _share(counts.false_negatives, counts.pairs),
        _share(counts.undecided, everything),
        _share(counts.timeouts, everything),
        str(counts.off),
        str(counts.hacks),
        _share(counts.accepted, counts.hacks),
    )
    return "".join(cell.ljust(15) for cell in (domain, *shown)).rstrip()


def _share(part: int, whole: int) -> str:
    return f"{part} ({part / whole:.1%})" if whole else str(part)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table for a folder of labelled sets."""
    parser = argparse.ArgumentParser(description="Hold every verifier against its labelled answers.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path("tests/labelled/verifiers"), help="folder of <domain>.jsonl")
    for line in lines(parser.parse_args(arguments).folder):
        print(line)


if __name__ == "__main__":
    sys.exit(main())
