"""Turns, on a clock that only sleeping moves."""

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest

from pipelines.ingest.politeness import Hosts, retry_after


class Clock(asyncio.SelectorEventLoop):
    """An event loop whose time jumps to the next thing that waits, so that no test waits."""

    def __init__(self) -> None:
        super().__init__()
        self._jumped = 0.0

    def time(self) -> float:
        return self._jumped

    def _run_once(self) -> None:
        if not self._ready and self._scheduled:  # type: ignore[attr-defined]
            self._jumped = max(self._jumped, self._scheduled[0].when())  # type: ignore[attr-defined]
        super()._run_once()  # type: ignore[misc]


def timed(work: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
    with asyncio.Runner(loop_factory=Clock) as runner:
        return runner.run(work())


async def visit(hosts: Hosts, name: str, seconds: float, visits: list[tuple[str, float, float]]) -> None:
    async with hosts.turn(name):
        began = asyncio.get_running_loop().time()
        await asyncio.sleep(seconds)
        visits.append((name, began, asyncio.get_running_loop().time()))


def visits_of(hosts_of: Callable[[], Hosts], names: list[str], seconds: float = 1.0) -> list[tuple[str, float, float]]:
    async def work() -> list[tuple[str, float, float]]:
        hosts, visits = hosts_of(), list[tuple[str, float, float]]()
        await asyncio.gather(*(visit(hosts, name, seconds, visits) for name in names))
        assert hosts._hosts == {} or hosts._delay
        return visits

    return timed(work)


def most_at_once(visits: list[tuple[str, float, float]]) -> int:
    return max(sum(began <= at < ended for _, began, ended in visits) for _, at, _ in visits)


def test_so_many_at_once_and_so_many_to_one_host():
    visits = visits_of(lambda: Hosts(5, 2, 0.0), [name for name in "abcd" for _ in range(6)])
    assert most_at_once(visits) == 5
    assert {most_at_once([v for v in visits if v[0] == name]) for name in "abcd"} == {2}
    assert len(visits) == 24


def test_a_slow_host_takes_no_turn_from_the_others():
    async def work() -> float:
        hosts, visits = Hosts(4, 2, 0.0), list[tuple[str, float, float]]()
        slow = [asyncio.create_task(visit(hosts, "slow", 1000.0, visits)) for _ in range(50)]
        await asyncio.gather(*(visit(hosts, f"quick{n}", 1.0, visits) for n in range(20)))
        for task in slow:
            task.cancel()
        return asyncio.get_running_loop().time()

    assert timed(work) == pytest.approx(10.0)


def test_requests_to_one_host_start_so_far_apart():
    visits = visits_of(lambda: Hosts(50, 50, 3.0), [name for name in "ab" for _ in range(4)])
    assert sorted(visits) == [(name, 3.0 * n, 3.0 * n + 1) for name in "ab" for n in range(4)]


def test_a_host_that_asks_for_a_pause_gets_it_and_no_other_host_does():
    async def work() -> list[tuple[str, float, float]]:
        hosts, visits = Hosts(9, 9, 0.0), list[tuple[str, float, float]]()
        hosts.hold("busy", 60.0)
        hosts.hold("busy", 20.0)
        await asyncio.gather(*(visit(hosts, name, 1.0, visits) for name in ("busy", "idle", "busy")))
        return visits

    assert sorted(timed(work)) == [("busy", 60.0, 61.0), ("busy", 60.0, 61.0), ("idle", 0.0, 1.0)]


def test_hosts_are_forgotten_when_nobody_asks_them():
    async def work() -> int:
        hosts, visits = Hosts(100, 1, 5.0), list[tuple[str, float, float]]()
        for first in range(0, 21_000, 7_000):
            await asyncio.gather(*(visit(hosts, str(n), 0.0, visits) for n in range(first, first + 7_000)))
            await asyncio.sleep(6.0)
        await visit(hosts, "last", 0.0, visits)
        return len(hosts._hosts)

    assert timed(work) <= 10_001


@pytest.mark.parametrize(
    ("header", "seconds"), [("0", 0), ("120", 120), (" 7 ", 7), (None, 0), ("", 0), ("soon", 0), ("-5", 0), ("1.5", 0)]
)
def test_retry_after_in_seconds(header: str | None, seconds: float):
    assert retry_after(header) == seconds


def test_retry_after_as_a_date():
    now = datetime.now(UTC)
    assert retry_after(format_datetime(now + timedelta(seconds=90), usegmt=True)) == pytest.approx(90, abs=3)
    assert retry_after(format_datetime(now - timedelta(days=1), usegmt=True)) == 0
    assert retry_after("Fri, 99 Dec 2999 23:59:59 GMT") == 0
