"""What the tests of verifiers share: labelled pairs, hostile answers, and a count of what hard negatives earn."""

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from synth.verifiers.reward import Reward, Task, Verifier

LABELLED = Path(__file__).parent / "labelled" / "verifiers"
LONG = 100_000

HOSTILE = (
    *(mark * LONG for mark in "[({<]1 0,;:-.\\'\"\n\x00eE分秒从第�"),
    *(
        piece * (LONG // len(piece))
        for piece in ("[1,2,3,4],", "[[", "{}", '{"a":', "1:", "1.", "a(", "a='", "\\'", " 分", "from ", "1 - ", "99分")
    ),
    "[" * 3000,
    '{"a":' * 800,
    "[[1,2,3," + "4" * 5000 + "]]",
    '{"action_type":"click","box_2d":[[' + "9" * 4000 + ",1,2,3]]}",
    '{"action_type":"' + "x" * 4050 + '"}',
    "left_click(start_box='[" + "1" * 4000 + ",2]')",
    "\ud800\udfff",
    '{"action_type":"\ud800"}',
    '{"action_type":"\\ud800"}',
    "left_click(start_box='\ud800')",
    "\x00\x01\x02\x7f",
    "\u202e[[4,3,2,1]]",
    "NaN",
    "[[NaN,Infinity,-Infinity,1e999]]",
    "[nan, inf]",
    "__import__('os').system('false')",
    "𝟙𝟘𝟘-𝟚𝟘𝟘",
    "٣-٥",
)
"""Answers that a careless parser hangs, crashes or recurses on."""


@dataclass(frozen=True)
class Pair:
    """A line of a labelled set."""

    answer: str
    task: Task
    reward: float
    kind: str


def labelled(name: str) -> list[Pair]:
    lines = map(json.loads, (LABELLED / f"{name}.jsonl").read_text(encoding="utf-8").splitlines())
    return [
        Pair(line["answer"], Task(line["truth"], line["question"], tuple(line.get("choices", ()))), line["reward"], line["kind"])
        for line in lines
    ]


def misjudged(verifier: Verifier, pairs: Iterable[Pair]) -> list[tuple[Pair, Reward]]:
    """The pairs whose reward is not the labelled one to 4 decimals."""
    found = [(pair, verifier(pair.answer, pair.task)) for pair in pairs]
    return [(pair, reward) for pair, reward in found if reward.value is None or abs(reward.value - pair.reward) > 1e-4]


def is_honest_set(pairs: list[Pair]) -> bool:
    """At least 60 pairs that nobody means to cheat with, and about half of them right."""
    honest = [pair for pair in pairs if not pair.kind.startswith("hack")]
    right = sum(pair.reward >= 0.5 for pair in honest)
    return len(honest) >= 60 and 0.4 <= right / len(honest) <= 0.75


def accepted(verifier: Verifier, negatives: Iterable[tuple[str, Task, float]]) -> list[tuple[str, Task, Reward]]:
    """The hard negatives that earn more than they may, or no verdict."""
    found = [(answer, task, most, verifier(answer, task)) for answer, task, most in negatives]
    return [(answer, task, reward) for answer, task, most, reward in found if reward.value is None or reward.value > most + 6e-5]


def survives(verifier: Verifier, task: Task, *, judged: bool = False) -> None:
    """Every hostile answer earns nothing, by a reason that is a name, in less than a second of this process.

    Where the task may go on to a judge, ``judged``, no verdict will do.
    """
    for answer in HOSTILE:
        began = time.process_time()
        reward = verifier(answer, task)
        assert time.process_time() - began < 1, answer[:40]
        assert reward.value == 0 or (judged and reward.value is None), (answer[:40], reward)
        assert reward.reason.isidentifier(), reward
