"""Second opinions: who else is asked about which answers, that no reward changes, and what a report counts of them."""

import json
from collections.abc import Sequence

import pyarrow as pa
import pytest

from pipelines.report.rollouts import labels
from pipelines.report.sketches import Labels
from schemas import questions as q
from synth.models.math_verify import MathVerifySpec
from synth.second_opinion import SecondOpinions
from synth.verifiers.domains import verifiers_by_domain
from synth.verifiers.maths import Maths
from synth.verifiers.reward import Reward, Task
from synth.verify import Verify

ROWS = [
    # domain, truth, answer, choices, who decides, who is asked too
    ("math", "1/2", "0.5", None, "value", ["math_verify", "judge"]),
    ("math", "7", "8", None, "value", ["math_verify", "judge"]),
    ("math", r"\sum_{i=1}^3 i", "6", None, "math_verify", ["judge"]),
    ("math", "12", "between 0 and 20", None, "gate", []),
    ("math", "B", "B", ["one", "two"], "exact", ["judge"]),
    ("math", None, "5", None, None, []),
    ("counting", "3", "3", None, "exact", ["judge"]),
    ("grounding", "[[10,10,90,90]]", "[[10,10,90,90]]", None, "iou", []),
    ("no such domain", "tree", "a tree", None, "judge", []),
]


class ScriptedJudge:
    """Finds everything equal, and remembers what it was asked."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def __call__(self, pairs: Sequence[tuple[str, Task]]) -> list[Reward]:
        self.asked.append([answer for answer, _ in pairs])
        return [Reward(1.0, "equal", "judge") for _ in pairs]


@pytest.fixture(scope="module")
def maths() -> Maths:
    return Maths(equivalence=MathVerifySpec().load())


def rollouts(rows: Sequence[tuple] = tuple(ROWS)) -> pa.RecordBatch:
    names = (q.DOMAIN, q.TRUTH, q.ANSWER, q.CHOICES)
    told = [dict(zip((field.name for field in names), row, strict=False)) for row in rows]
    named = [{**row, "sample_id": f"{n:032x}", "question": "How many?", "model": "m", "rollout": n % 3} for n, row in enumerate(told)]
    schema = pa.schema([*names, ("sample_id", pa.string()), ("question", pa.string()), ("model", pa.string()), ("rollout", pa.int32())])
    return pa.RecordBatch.from_pylist(named, schema=schema)


def judged(batch: pa.RecordBatch, maths: Maths, share: float | None, judge: ScriptedJudge | None = None) -> dict[str, list]:
    second = None if share is None else SecondOpinions(share, maths)
    added = Verify()(batch, verifiers=verifiers_by_domain(maths), judge=judge, second=second).added
    return {name: column.to_pylist() for name, column in added.items()}


def test_each_kind_that_did_not_decide_is_asked_where_it_can_tell(maths: Maths):
    judge = ScriptedJudge()
    said = judged(rollouts(), maths, 1.0, judge)
    for (domain, truth, answer, _, by, also), found, opinions in zip(ROWS, said["rewarded_by"], said["second_opinions"], strict=True):
        assert found == by, (domain, truth, answer)
        assert [one["by"] for one in opinions or ()] == also, (domain, truth, answer)
    assert said["second_opinions"][0][0] == {"by": "math_verify", "reward": 1.0, "reason": "equal"}
    assert said["second_opinions"][1] == [
        {"by": "math_verify", "reward": 0.0, "reason": "different"},
        {"by": "judge", "reward": 1.0, "reason": "equal"},
    ], "a gullible judge is told apart"
    assert len(judge.asked) == 1, "its canaries are paid for once"


def test_what_the_gate_before_a_judge_refuses_is_no_opinion_of_the_judge(maths: Maths):
    def gated(pairs: Sequence[tuple[str, Task]]) -> list[Reward]:
        return [Reward(0.0, "hedged", "gate") for _ in pairs]

    counted = judged(rollouts([("counting", "3", "3", None)]), maths, 1.0, gated)  # type: ignore[arg-type]
    assert (counted["reward"], counted["second_opinions"]) == ([1.0], [None])


def test_a_judge_that_leaves_an_answer_out_is_no_judge(maths: Maths):
    with pytest.raises(ValueError, match="shorter"):
        judged(rollouts([("no such domain", "a", "b", None)] * 2), maths, None, lambda _: [Reward(1.0, "equal", "judge")])  # type: ignore[arg-type]


def test_no_reward_changes_and_nothing_drawn_asks_nobody(maths: Maths):
    judge = ScriptedJudge()
    alone, none, every = (judged(rollouts(), maths, share, judge) for share in (None, 0.0, 1.0))
    for name in ("reward", "reward_reason", "rewarded_by", "verifier"):
        assert alone[name] == none[name] == every[name]
    assert none["second_opinions"] == alone["second_opinions"] == [None] * len(ROWS)
    assert judge.asked[:2] == [["a tree"], ["a tree"]], "only what nobody could decide"


def test_who_is_drawn_does_not_depend_on_the_batch(maths: Maths):
    batch = rollouts([("math", str(n), str(n), None) for n in range(400)])
    drawn = [row for row, found in enumerate(judged(batch, maths, 0.25)["second_opinions"]) if found]
    assert 70 < len(drawn) < 130
    backwards = batch.take(pa.array(range(399, -1, -1)))
    assert [399 - row for row, found in enumerate(judged(backwards, maths, 0.25)["second_opinions"]) if found][::-1] == drawn
    assert [row for row, found in enumerate(judged(batch.slice(100, 100), maths, 0.25)["second_opinions"]) if found] == [
        row - 100 for row in drawn if 100 <= row < 200
    ]


def test_an_empty_batch_has_the_column(maths: Maths):
    assert judged(rollouts(()), maths, 1.0)["second_opinions"] == []


def test_the_report_counts_what_the_one_said_against_what_the_other_said(maths: Maths):
    batch = rollouts()
    said = Verify()(batch, verifiers=verifiers_by_domain(maths), judge=ScriptedJudge(), second=SecondOpinions(1.0, maths)).added
    forced = {q.FORCED.name: pa.nulls(len(batch), pa.string())}
    whole = pa.RecordBatch.from_pydict({**{name: batch.column(name) for name in batch.schema.names}, **said, **forced})
    (found,) = [counted for name, counted in labels("rollouts", whole) if name == ("second", "rollouts") and isinstance(counted, Labels)]
    assert {tuple(json.loads(name)): sums.tolist() for name, sums in found.of.items()} == {
        ("rule", "math_verify", "right"): [1, 0, 0, 0, 0],
        ("rule", "math_verify", "wrong"): [0, 0, 1, 0, 0],
        ("rule", "judge", "right"): [3, 0, 0, 0, 0],
        ("rule", "judge", "wrong"): [1, 0, 0, 0, 0],
        ("math_verify", "judge", "right"): [1, 0, 0, 0, 0],
    }
