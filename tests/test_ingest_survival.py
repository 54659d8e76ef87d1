"""`kill -9` at any moment, the same command again: the same bytes, and nobody is asked twice for what is committed."""

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import psutil
import pyarrow.parquet as pq
import pytest

from tests import ingesting, jobs
from tests.test_survival import left_behind

URLS, SPLIT = 240, 8
TWO = ("--direct_num_workers=2", "--direct_running_mode=multi_processing")


class Host:
    """The hostile server as a process of its own, whose log of requests outlives every client."""

    def __init__(self, folder: Path) -> None:
        self._log = folder / "requests.log"
        port = folder / "port"
        command = [sys.executable, "-m", "tests.hostile_server", "--port-file", str(port), "--log", str(self._log)]
        self.process = subprocess.Popen(command, cwd=jobs.ROOT, stdin=subprocess.PIPE)
        deadline = time.monotonic() + 30
        while not port.exists():
            assert self.process.poll() is None
            assert time.monotonic() < deadline
        self.url = f"http://127.0.0.1:{port.read_text()}"

    def requests(self) -> list[str]:
        return [self.url + path for path in self._log.read_text().splitlines()]

    def close(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait(30)


@pytest.fixture(scope="module")
def host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    server = Host(tmp_path_factory.mktemp("host"))
    yield server
    server.close()


@pytest.fixture(scope="module")
def lists(tmp_path_factory: pytest.TempPathFactory, host: Host) -> Path:
    folder = tmp_path_factory.mktemp("lists")
    kinds = ("image/{}", "image/{}", "missing?{}", "image/{}", "robots?tag=noai&{}", "truncated?{}")
    rows = [{"url": f"{host.url}/{kinds[n % 6].format(n)}", "text": f"A harbour, print {n}"} for n in range(URLS)]
    for part in range(3):
        ingesting.write_list(folder / f"{part}.parquet", rows[part::3])
    return folder


def flags(lists: Path, output: Path, *workers: str) -> list[str]:
    """Return the flags of a job that takes its time, so that kills fall into it."""
    return ingesting.flags_for(lists, output, *workers, input__split_urls=SPLIT, download__host_delay_seconds=0.005, output__shard_mb=2)


def committed(output: Path) -> set[str]:
    """Return the addresses of the splits that have a fragment."""
    return {url for path in output.glob("download/*/[!.]*.parquet") for url in pq.read_table(path, columns=["url"])["url"].to_pylist()}


def kill_after(requests: int, host: Host, command: list[str]) -> None:
    """Start the job and kill it when the host has had so many more requests, or let it end."""
    wanted = len(host.requests()) + requests
    job = ingesting.start(*command)
    while len(host.requests()) < wanted:
        try:
            job.wait(0.01)
            break
        except subprocess.TimeoutExpired:
            continue
    if job.poll() is None:
        job.send_signal(signal.SIGKILL)
    job.wait()
    assert psutil.wait_procs(left_behind(job.pid), timeout=10)[1] == []


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory, lists: Path, host: Host) -> Path:
    output = tmp_path_factory.mktemp("undisturbed")
    before = len(host.requests())
    ingesting.run(*flags(lists, output))
    assert Counter(Counter(host.requests()[before:]).values()) == {1: URLS}
    return output


@pytest.mark.parametrize(("kills", "workers"), [(3, ()), (1, TWO)], ids=["one worker", "two processes"])
def test_kills_change_nothing(lists: Path, tmp_path: Path, host: Host, undisturbed: Path, kills: int, workers: tuple[str, ...]):
    output, luck, begun = tmp_path / "killed", random.Random(7), len(host.requests())
    for _ in range(kills):
        there, before = committed(output), len(host.requests())
        kill_after(luck.randrange(5, URLS // (kills + 1)), host, flags(lists, output, *workers))
        assert not there & set(host.requests()[before:])
    there, before = committed(output), len(host.requests())
    assert 0 < len(there) < URLS
    ingesting.run(*flags(lists, output, *workers))
    assert not there & set(host.requests()[before:])
    assert jobs.tree(output) == jobs.tree(undisturbed)
    asked = Counter(host.requests()[begun:])
    assert len(asked) == URLS
    assert sum(asked.values()) - URLS <= kills * (SPLIT + 1) * (2 if workers else 1)
    (exits,) = jobs.query(ingesting.run_folder(output), "select count(*), count(distinct url) from ledger")
    assert exits == (URLS, URLS)


def test_two_processes_write_the_bytes_of_one_and_a_finished_run_asks_nobody(lists: Path, tmp_path: Path, host: Host, undisturbed: Path):
    ingesting.run(*flags(lists, tmp_path / "two", *TWO))
    assert jobs.tree(tmp_path / "two") == jobs.tree(undisturbed)
    before = len(host.requests())
    ingesting.run(*flags(lists, undisturbed))
    assert len(host.requests()) == before
