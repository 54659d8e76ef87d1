"""The downloader of one worker process: all its requests run in one event loop on one thread, however many threads ask."""

import asyncio
import atexit
import socket
import ssl
import threading
from collections.abc import Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self, TypeVar
from weakref import WeakSet

import aiohttp

from pipelines.ingest.addresses import Networks, PublicResolver
from pipelines.ingest.fetch import Fetcher
from pipelines.ingest.outcome import Outcome
from pipelines.ingest.politeness import Hosts
from pipelines.ingest.rules import Download
from pipelines.spine import storage
from schemas.exits import EnvironmentFault

T = TypeVar("T")

_LOOKUPS = 32
"""Names that are looked up at once: each takes a thread (ours; lookups are what limits img2dataset)."""
_DNS_SECONDS = 300
"""Seconds for which the addresses of a name are remembered (ours)."""
_IDLE_SECONDS = 4.0
"""Seconds for which an idle connection is kept: a list has many hosts, and a process a thousand file descriptors (ours)."""
_FAREWELL_SECONDS = 1.0
"""Seconds at most for which the end waits for connections to close (ours)."""
_BUFFER = 2**18


@dataclass(frozen=True)
class DownloaderSpec:
    """Makes the downloader of one of ``workers`` processes, with its share of what the rules allow to all."""

    rules: Download
    workers: int = 1

    def load(self) -> "Downloader":
        """Return the downloader, which ends with the process."""
        downloader = Downloader(self.rules, self.workers)
        atexit.register(downloader.close)
        return downloader


class Downloader:
    """Downloads lists of addresses. Safe to share between threads; ``close`` it."""

    def __init__(self, rules: Download, workers: int = 1) -> None:
        self._rules, self._workers, self._sockets = rules, workers, WeakSet[socket.socket]()
        trust = trusted(rules)
        self._loop = asyncio.new_event_loop()
        self._loop.set_default_executor(ThreadPoolExecutor(_LOOKUPS, "lookup"))
        self._thread = threading.Thread(target=self._loop.run_forever, name="downloader", daemon=True)
        self._thread.start()
        self._session, self._fetcher = self._run(self._open(trust))

    def download(self, addresses: Sequence[str]) -> list[Outcome]:
        """Return what each of ``addresses`` comes to, in order; equal ones are asked for once.

        Raises ``EnvironmentFault`` where this machine and no server is at fault.
        """
        distinct = list(dict.fromkeys(addresses))
        outcomes = dict(zip(distinct, self._run(self._all(distinct)), strict=True))
        return [outcomes[address] for address in addresses]

    def close(self) -> None:
        """Cancel what is under way and end the thread."""
        if not self._loop.is_closed():
            self._run(self._shut())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _open(self, trust: ssl.SSLContext | bool) -> tuple[aiohttp.ClientSession, Fetcher]:
        rules = self._rules
        connector = aiohttp.TCPConnector(
            limit=0,  # turns are given by Hosts
            resolver=PublicResolver(aiohttp.ThreadedResolver(), Networks(rules.allow_networks)),
            ttl_dns_cache=_DNS_SECONDS,
            keepalive_timeout=_IDLE_SECONDS,
            ssl=trust,
            socket_factory=self._socket,
        )
        session = aiohttp.ClientSession(
            connector=connector,
            headers={"User-Agent": rules.user_agent, "Accept": "image/*,*/*;q=0.5", "Accept-Encoding": "identity"},
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=rules.connect_seconds, sock_read=rules.read_seconds),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            read_bufsize=_BUFFER,
        )
        share = max(1, rules.max_in_flight // self._workers), max(1, rules.per_host // self._workers)
        return session, Fetcher(session, Hosts(*share, rules.host_delay_seconds * self._workers), rules)

    def _socket(self, about: tuple[Any, ...]) -> socket.socket:
        """Return a socket for the address ``about``, as ``getaddrinfo`` tells of it, and remember it."""
        family, kind, protocol, *_ = about
        made = socket.socket(family, kind, protocol)
        self._sockets.add(made)
        return made

    async def _all(self, addresses: Sequence[str]) -> list[Outcome]:
        tasks = [asyncio.create_task(self._fetcher.fetch(address)) for address in addresses]
        try:
            return await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def _shut(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._session.close()
        await self._hang_up()

    async def _hang_up(self) -> None:
        """End the connections that no session holds any more: those whose deadline came while they were made, or that a server keeps."""
        end = self._loop.time() + _FAREWELL_SECONDS
        while (left := [one for one in self._sockets if one.fileno() >= 0]) and self._loop.time() < end:
            for one in left:
                with suppress(OSError):  # not connected yet, or no more
                    one.shutdown(socket.SHUT_RDWR)
            await asyncio.sleep(0.001)


def trusted(rules: Download) -> ssl.SSLContext | bool:
    """Return what certificates are held against: the authorities of this machine and those of ``ca_file``, or False for nothing.

    Raises ``EnvironmentFault`` where ``ca_file`` holds none.
    """
    if not rules.ca_file:
        return rules.verify_tls
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(cadata=storage.read(rules.ca_file).decode())
    except (OSError, ValueError) as error:
        raise EnvironmentFault(f"expected certificates in PEM in {rules.ca_file}, found: {error}") from error
    return context
