"""`kill -9`, dead servers and the same command again for the jobs over questions: the same bytes, no rollout paid for twice."""

import os
import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import psutil
import pytest

from tests import jobs, reasoning
from tests.scripted_server import Call, Reply, ScriptedServer

QUESTIONS = [reasoning.question(f"What is {n} + {n + 1}, {'sometimes' if n % 3 == 0 else 'please'}?", str(2 * n + 1)) for n in range(40)]
KILLS = 5
IN_FLIGHT = 4


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("questions")
    reasoning.write(folder, QUESTIONS[:25], "a")
    return reasoning.write(folder, QUESTIONS[25:], "b")


def counted(requests: Counter[str]):
    def script(call: Call) -> Reply:
        requests[call.digest] += 1
        return reasoning.solve(call)

    return script


def killed_after(seconds: float, command: list[str]) -> None:
    job = subprocess.Popen(command, cwd=jobs.ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        job.wait(seconds)
    except subprocess.TimeoutExpired:
        job.send_signal(signal.SIGKILL)
        job.wait()
    children = [p for p in psutil.process_iter(["pid"]) if p.pid != job.pid and _session(p.pid) == job.pid]
    assert psutil.wait_procs(children, timeout=10)[1] == []


def _session(pid: int) -> int:
    try:
        return os.getsid(pid) if psutil.Process(pid).status() != psutil.STATUS_ZOMBIE else -1
    except (ProcessLookupError, psutil.NoSuchProcess):
        return -1


def test_kills_change_nothing_and_no_rollout_is_paid_for_twice(corpus: Path, tmp_path: Path):
    requests: Counter[str] = Counter()
    with ScriptedServer(counted(requests)) as server:

        def flags(output: Path) -> list[str]:
            return reasoning.cold_start_flags(corpus, output, server.endpoint, f"--set=solver.served.max_in_flight={IN_FLIGHT}")

        began = time.monotonic()
        reasoning.run("cold_start", *flags(tmp_path / "measured"))
        whole = time.monotonic() - began
        asked = set(requests)
        requests.clear()
        luck = random.Random(7)
        for _ in range(KILLS):
            killed_after(luck.uniform(0.3, 1.0) * whole, reasoning.command("cold_start", *flags(tmp_path / "killed")))
        reasoning.run("cold_start", *flags(tmp_path / "killed"))
        again = Counter(requests)
        shutil.copytree(tmp_path / "killed" / "answers", tmp_path / "undisturbed" / "answers")
        requests.clear()
        reasoning.run("cold_start", *flags(tmp_path / "undisturbed"))
        canaries = set(requests)
    assert set(again) == asked
    paid = sum(n - 1 for request, n in again.items() if request not in canaries)
    assert paid <= KILLS * IN_FLIGHT
    assert jobs.tree(tmp_path / "killed", but=["answers"]) == jobs.tree(tmp_path / "undisturbed", but=["answers"])


def test_a_server_that_dies_halfway_stops_the_run_and_what_it_answered_is_kept(corpus: Path, tmp_path: Path):
    requests: Counter[str] = Counter()

    def dying(call: Call) -> Reply:
        return counted(requests)(call) if call.number < 30 else Reply(die=True)

    settings = ["--set=solver.served.retries=1", f"--set=solver.served.max_in_flight={IN_FLIGHT}"]
    with ScriptedServer(dying) as server:
        done = reasoning.run("cold_start", *reasoning.cold_start_flags(corpus, tmp_path / "out", server.endpoint, *settings), status=1)
    assert "expected scripted to answer at" in done.stderr
    first = set(requests)
    with ScriptedServer(counted(requests)) as server:
        reasoning.run("cold_start", *reasoning.cold_start_flags(corpus, tmp_path / "out", server.endpoint, *settings))
    twice = {request for request, n in requests.items() if n > 1}
    assert len(first) > 20
    assert len(twice & first) <= IN_FLIGHT + 2  # those under way when it died, and both canaries
    run = reasoning.run_folder(tmp_path / "out", "cold_start")
    assert reasoning.query(run, "select count(*) from rollouts") == [(len(QUESTIONS) * 4,)]
