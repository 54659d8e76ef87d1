"""math-verify in its child: its own cases, deadlines, memory, threads, and the end of its processes."""

import gc
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from schemas.exits import EnvironmentFault
from synth.models.children import Child, Children, Limits
from synth.models.math_verify import MathVerify, MathVerifySpec

ROOT = Path(__file__).resolve().parents[1]
CASES = ROOT / "tests" / "labelled" / "verifiers" / "conformance" / "math_verify.jsonl"
PATIENCE = 20.0
HANGS = "9^{9^{9}}"

# Starts a child, says its pids, has it hang, and is killed.
PARENT = f"""
import threading
from synth.models.children import Limits
from synth.models.math_verify import MathVerifySpec
loaded = MathVerifySpec(limits=Limits(seconds=600)).load()
loaded.compare("1", "1")
threading.Thread(target=loaded.compare, args=("{HANGS}", "1"), daemon=True).start()
print(*loaded.children.pids(), flush=True)
threading.Event().wait()
"""

# A worker that does as it is told.
OBEDIENT = """
import sys
from synth.models.children import serve
def answer(request):
    if request["do"] == "memory":
        return str(len(bytearray(8 << 30)))
    if request["do"] == "hang":
        while True:
            pass
    if request["do"] == "raise":
        raise ValueError("no")
    return request["do"]
serve(answer, sys.argv[1:])
"""


@pytest.fixture(scope="module")
def loaded() -> Iterator[MathVerify]:
    with MathVerifySpec(slots=2).load() as equivalence:
        yield equivalence


@pytest.fixture
def obedient(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Child]:
    (tmp_path / "obedient.py").write_text(OBEDIENT)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    child = Child("obedient", Limits(seconds=0.5, memory=1 << 30, calls=3))
    yield child
    child.close()


def ended(pid: int) -> bool:
    return not psutil.pid_exists(pid) or psutil.Process(pid).status() == psutil.STATUS_ZOMBIE


def wait_for(condition: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            return False
        threading.Event().wait(0.01)
    return True


def test_its_own_cases_pass_through_the_child(loaded: MathVerify) -> None:
    rows = [json.loads(line) for line in CASES.read_text().splitlines()]
    assert len(rows) == 274
    found = [loaded.extract_and_compare(row["truth"], row["answer"], extract=row["extract"], **row["options"]) for row in rows]
    assert [
        (row, said)
        for row, said in zip(rows, found, strict=True)
        if (said == "equal") != row["equal"] or said not in ("equal", "different")
    ] == []


def test_a_hang_ends_at_the_deadline_and_the_next_call_works() -> None:
    with MathVerifySpec(limits=Limits(seconds=1.0), slots=1).load() as loaded:
        loaded.compare("1", "1")
        began = time.monotonic()
        assert loaded.compare(HANGS, "1") == "timeout"
        assert 0.9 < time.monotonic() - began < 3.0
        assert loaded.compare("\\pi+1", "1+\\pi") == "equal"


def test_what_runs_out_of_memory_is_not_called_wrong() -> None:
    with MathVerifySpec(limits=Limits(seconds=60.0, memory=400 << 20), slots=1).load() as loaded:
        assert loaded.compare("1", "2") == "different"
        assert loaded.compare("2^{30000000000}", "3") == "out_of_memory"
        assert loaded.compare("1", "1") == "equal"


def test_memory_hangs_and_exceptions_have_names_of_their_own(obedient: Child) -> None:
    assert obedient.ask({"do": "memory"}) == "out_of_memory"
    assert obedient.ask({"do": "hang"}) == "timeout"
    assert obedient.ask({"do": "raise"}) == "crashed"
    assert obedient.ask({"do": "this"}) == "this"


def test_a_worker_is_replaced_after_its_number_of_calls(obedient: Child) -> None:
    workers: list[int] = []
    for number in range(7):
        assert obedient.ask({"do": str(number)}) == str(number)
        workers.append(obedient.pids()[1])
    assert len({worker for worker in workers if worker > 0}) == 3


def test_a_worker_that_somebody_kills_in_a_call_is_replaced_and_asked_again(obedient: Child) -> None:
    obedient.ask({"do": "this"})
    nursery, worker = obedient.pids()
    with ThreadPoolExecutor(1) as pool:
        hanging = pool.submit(obedient.ask, {"do": "hang"})
        assert wait_for(lambda: psutil.Process(worker).cpu_times().user > 0.1)
        os.kill(worker, signal.SIGKILL)
        assert hanging.result() == "timeout"
    assert obedient.pids()[0] == nursery
    assert obedient.ask({"do": "that"}) == "that"


def test_a_nursery_that_somebody_kills_is_started_anew(obedient: Child) -> None:
    os.kill(obedient.pids()[0], signal.SIGKILL)
    assert obedient.ask({"do": "this"}) in ("this", "crashed")
    assert obedient.ask({"do": "that"}) == "that"


def test_four_threads_share_two_children(loaded: MathVerify) -> None:
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda n: loaded.compare(f"{n}\\pi", f"\\pi \\cdot {n + n % 2}"), range(40)))
    assert found == ["different" if n % 2 else "equal" for n in range(40)]
    assert len(loaded.children.pids()) <= 4


def test_no_process_is_left_after_close() -> None:
    loaded = MathVerifySpec(slots=1).load()
    loaded.compare("1", "1")
    pids = loaded.children.pids()
    assert len(pids) == 2
    loaded.close()
    assert all(wait_for(lambda pid=pid: ended(pid)) for pid in pids)


def test_no_process_is_left_of_a_comparison_that_nobody_closes_or_knows_any_more() -> None:
    forgotten = MathVerifySpec(slots=1).load()
    forgotten.compare("1", "1")
    pids, itself = forgotten.children.pids(), [forgotten]
    itself.append(itself)  # type: ignore[arg-type]  # a cycle, which only the collector finds
    del forgotten, itself
    gc.collect()
    assert len(pids) == 2
    assert all(wait_for(lambda pid=pid: ended(pid)) for pid in pids)


def test_no_process_is_left_after_the_parent_is_killed_though_a_call_hangs() -> None:
    with subprocess.Popen([sys.executable, "-c", PARENT], cwd=ROOT, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        pids = [int(word) for word in parent.stdout.readline().split()]
        assert len(pids) == 2
        assert wait_for(lambda: psutil.Process(pids[1]).cpu_percent(0.05) > 20)
        parent.kill()
    assert all(wait_for(lambda pid=pid: ended(pid)) for pid in pids)


def test_a_child_that_cannot_start_is_a_fault_of_the_environment() -> None:
    children = Children("no_such_module", replace(Limits(), start_seconds=10.0), 1)
    with pytest.raises(EnvironmentFault, match="no_such_module"):
        children.ask({})
