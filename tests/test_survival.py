"""`kill -9` at any moment, the same command again: the same bytes, no answer paid for twice, nobody left behind."""

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests import images, jobs

SAMPLES, PICTURES = 120, 100
"""The last 20 samples show pictures of the first: exact duplicates, in other shards."""
IN_FLIGHT = 4


class Endpoint:
    """The scripted server as a process of its own, whose log of requests outlives every client."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "requests.log"
        port = folder / "port"
        command = [sys.executable, "-m", "tests.scripted_server", "--port-file", str(port), "--log", str(self._log)]
        self.process = subprocess.Popen(command, cwd=jobs.ROOT, stdin=subprocess.PIPE)
        deadline = time.monotonic() + 30
        while not port.exists():
            assert self.process.poll() is None
            assert time.monotonic() < deadline
        self.url = f"http://127.0.0.1:{port.read_text()}/v1"

    def requests(self) -> Counter[str]:
        """Return how often each request was made."""
        return Counter(line.split()[0] for line in self._log.read_text().splitlines())

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(30)


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[Endpoint]:
    server = Endpoint(tmp_path)
    yield server
    server.close()


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pool")
    samples = [images.sample(n % PICTURES, f"A small harbour at dusk, print number {n}", number=n) for n in range(SAMPLES)]
    for shard in range(3):
        images.write_tar(folder / f"{shard}.tar", samples[shard::3])
    return folder


def left_behind(session: int) -> list[psutil.Process]:
    """Return the processes of a session, those of its dead leader among them."""
    return [process for process in psutil.process_iter() if process.is_running() and _session(process) == session]


def _session(process: psutil.Process) -> int:
    try:
        return os.getsid(process.pid) if process.status() != psutil.STATUS_ZOMBIE else -1
    except (ProcessLookupError, psutil.NoSuchProcess):
        return -1


def kill_after(seconds: float, flags: list[str]) -> bool:
    """Start the job, kill it after so many seconds; tell whether it had ended by itself."""
    job = jobs.start(*flags)
    try:
        job.wait(seconds)
        ended = True
    except subprocess.TimeoutExpired:
        job.send_signal(signal.SIGKILL)
        job.wait()
        ended = False
    gone = psutil.wait_procs(left_behind(job.pid), timeout=10)[1]
    assert gone == [], f"left behind after {seconds:.2f} s: {gone}"
    return ended


@pytest.mark.parametrize(
    ("kills", "workers"),
    [(20, ()), (4, ("--direct_num_workers=2", "--direct_running_mode=multi_processing"))],
    ids=["one worker", "two processes"],
)
def test_kills_change_nothing(pool: Path, tmp_path: Path, endpoint: Endpoint, kills: int, workers: tuple[str, ...]):
    def flags(output: Path) -> list[str]:
        return jobs.flags_for(pool, output, endpoint.url, f"--set=captioner.max_in_flight={IN_FLIGHT}", *workers)

    began = time.monotonic()
    jobs.run(*flags(tmp_path / "measured"))
    whole = time.monotonic() - began
    before = endpoint.requests()

    killed, luck, done = tmp_path / "killed", random.Random(5), 0
    while done < kills:
        if kill_after(luck.uniform(0.2, 1.0) * whole, flags(killed)):
            for folder in ("recaption", "recaption-pass", "annotate"):  # it was done: leave the answers, and give it work again
                shutil.rmtree(killed / folder)
        else:
            done += 1
    jobs.run(*flags(killed))
    asked = endpoint.requests() - before

    # The undisturbed run is given the answers of the killed one, so whatever it asks is a canary.
    undisturbed = tmp_path / "undisturbed"
    shutil.copytree(killed / "answers", undisturbed / "answers")
    before = endpoint.requests()
    jobs.run(*flags(undisturbed))
    canaries = set(endpoint.requests() - before)

    assert jobs.tree(killed, but=["answers"]) == jobs.tree(undisturbed, but=["answers"])
    assert len(jobs.tree(killed, but=["answers"])) > 10
    questions = {request: n for request, n in asked.items() if request not in canaries}
    assert len(questions) == PICTURES
    assert sum(questions.values()) - PICTURES <= kills * IN_FLIGHT
