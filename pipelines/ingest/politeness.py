"""Whose turn it is: so many requests at once, so many of them to one host, and as much time between them as the host asks for."""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

_REMEMBERED = 10_000
"""Idle hosts that are remembered for the sake of a pause, before those whose pause is over are let go (ours)."""


@dataclass(slots=True)
class _Host:
    slots: asyncio.Semaphore
    users: int = 0
    next_at: float = 0.0
    """Time of the loop before which the host is not asked again."""


class Hosts:
    """Gives each request its turn. For use in one event loop."""

    def __init__(self, most: int, per_host: int, delay: float) -> None:
        """``most`` requests at once, ``per_host`` of them to one host, ``delay`` seconds from the start of one to that of the next."""
        self._all, self._per_host, self._delay = asyncio.Semaphore(most), per_host, delay
        self._hosts: dict[str, _Host] = {}

    @asynccontextmanager
    async def turn(self, name: str) -> AsyncGenerator[None]:
        """Wait for a turn at the host ``name`` and hold it while the block runs.

        The host's own slot comes first, so that requests that wait for one slow host leave the others room.
        """
        host = self._hosts.setdefault(name, _Host(asyncio.Semaphore(self._per_host)))
        host.users += 1
        try:
            async with host.slots:
                await self._wait(host)
                async with self._all:
                    yield
        finally:
            host.users -= 1
            self._forget(name, host)

    def hold(self, name: str, seconds: float) -> None:
        """Let nobody ask the host ``name`` for so many seconds, as its ``Retry-After`` wants it."""
        host = self._hosts.setdefault(name, _Host(asyncio.Semaphore(self._per_host)))
        host.next_at = max(host.next_at, _now() + seconds)

    async def _wait(self, host: _Host) -> None:
        while (pause := host.next_at - _now()) > 0:
            await asyncio.sleep(pause)
        host.next_at = max(host.next_at, _now()) + self._delay if self._delay else host.next_at

    def _forget(self, name: str, host: _Host) -> None:
        if not host.users and host.next_at <= _now():
            del self._hosts[name]
        elif len(self._hosts) > _REMEMBERED:
            self._hosts = {name: host for name, host in self._hosts.items() if host.users or host.next_at > _now()}


def retry_after(header: str | None) -> float:
    """Return the seconds that a ``Retry-After`` asks for, as a number or as a date (RFC 9110); 0 without one that can be read."""
    if header is None:
        return 0.0
    if header.strip().isdecimal():
        return float(header)
    try:
        when = parsedate_to_datetime(header)
    except ValueError:
        return 0.0
    return max(0.0, (when.replace(tzinfo=when.tzinfo or UTC) - datetime.now(UTC)).total_seconds())


def _now() -> float:
    return asyncio.get_running_loop().time()
