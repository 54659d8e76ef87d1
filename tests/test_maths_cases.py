"""Maths is held against people's labels and other people's cases, in a child that a deadline kills and that ends with its parent."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from synth.models.children import Limits
from synth.models.math_verify import MathVerify, MathVerifySpec
from synth.verifiers.maths import Maths
from synth.verifiers.reward import TIMEOUT, Task

LABELLED = Path(__file__).parent / "labelled" / "verifiers"
ROOT = Path(__file__).parent.parent


def rows(name: str) -> list[dict]:
    return [json.loads(line) for line in (LABELLED / name).read_text(encoding="utf-8").splitlines()]


LABELS = rows("math.jsonl")


@pytest.fixture(scope="module")
def loaded() -> Iterator[MathVerify]:
    with MathVerifySpec().load() as found:
        yield found
    assert not [pid for pid in found.children.pids() if psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE]


def test_no_wrong_answer_of_the_labelled_set_is_accepted_and_next_to_no_right_one_refused(loaded: MathVerify):
    verifier = Maths(equivalence=loaded)
    judged = [
        (row, verifier(row["answer"], Task(row["truth"], row.get("question", ""), tuple(row.get("choices") or ())))) for row in LABELS
    ]
    assert len(judged) >= 450
    assert [row for row, reward in judged if reward.value is not None and reward.value > row["reward"]] == []
    missed = [row for row, reward in judged if reward.value is not None and reward.value < row["reward"]]
    assert len(missed) <= 2
    assert sum(reward.value is None for _, reward in judged) <= 0.04 * len(judged)


def test_math_verifys_own_cases_pass_through_the_child(loaded: MathVerify):
    cases = rows("conformance/math_verify.jsonl")
    wrong = [
        case
        for case in cases
        if (loaded.extract_and_compare(case["truth"], case["answer"], extract=case["extract"], **case["options"]) == "equal")
        != case["equal"]
    ]
    assert len(cases) >= 270
    assert wrong == []


def test_the_cases_of_nemo_skills_hold_in_both_directions(loaded: MathVerify):
    verifier = Maths(equivalence=loaded)
    cases = rows("conformance/nemo_skills.jsonl")
    assert len(cases) >= 60
    assert [case for case in cases if (verifier(case["answer"], Task(case["truth"])).value == 1.0) != case["equal"]] == []


def test_the_cases_of_hendrycks_hold_where_lists_have_an_order(loaded: MathVerify):
    verifier = Maths(ordered=True, equivalence=loaded)
    cases = rows("conformance/hendrycks.jsonl")
    assert len(cases) == 16
    assert [case for case in cases if (verifier(case["answer"], Task(case["truth"])).value == 1.0) != case["equal"]] == []


def test_the_truth_comes_first_whatever_math_verify_thinks_of_the_order(loaded: MathVerify):
    verifier = Maths(equivalence=loaded)
    assert verifier("(1,2)", Task("1<x<2")).value == verifier("1<x<2", Task("(1,2)")).value == 1.0


@pytest.mark.parametrize("said", ["5 km", "", "...", "5 or 6", "between 0 and 10", "the answer is correct", "Solution", "5, 6, 7", "{"])
def test_what_earns_nothing_earns_nothing(loaded: MathVerify, said: str):
    assert Maths(equivalence=loaded)(said, Task("5 cm")).value == 0.0


def test_a_comparison_that_hangs_is_killed_at_its_deadline_and_is_no_verdict():
    with replace(MathVerifySpec(), limits=Limits(seconds=1.0)).load() as found:
        hanging = found.compare("9^{9^{9^{9^9}}}", "9^{9^{9^{9^8}}}")
        assert hanging in ("timeout", "too_deep", "out_of_memory", "unparsed")
        assert found.compare("x+1", "1+x") == "equal"
    assert TIMEOUT == "timeout"


def test_a_child_that_is_killed_in_the_middle_costs_no_verdict(loaded: MathVerify):
    assert loaded.compare("x+1", "1+x") == "equal"
    for pid in loaded.children.pids():
        name = " ".join(psutil.Process(pid).cmdline())
        assert "synth.models.math_verify" in name
        os.kill(pid, signal.SIGKILL)
        break
    assert [loaded.compare("x+1", "1+x") for _ in range(3)] == ["equal"] * 3


def test_threads_share_the_children_and_each_gets_its_own_answer(loaded: MathVerify):
    answers: dict[int, str] = {}

    def ask(number: int) -> None:
        answers[number] = loaded.compare(f"x+{number}", f"{number if number % 2 else number + 1}+x")

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == {number: "equal" if number % 2 else "different" for number in range(12)}


def test_no_child_outlives_a_parent_that_is_killed():
    script = (
        "from synth.models.math_verify import MathVerifySpec\n"
        "found = MathVerifySpec().load(); found.compare('x', 'x')\n"
        "print(*found.children.pids(), flush=True); input()\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    children = [psutil.Process(int(pid)) for pid in parent.stdout.readline().split()]
    assert children
    parent.kill()
    parent.wait()
    _, alive = psutil.wait_procs(children, timeout=10)
    assert alive == []
    for stream in (parent.stdin, parent.stdout):
        assert stream is not None
        stream.close()
