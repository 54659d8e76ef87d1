"""One address, fetched: its turns, its redirects, its retries, its body up to a cap. Nothing that a server does raises."""

import asyncio
import random
import zlib
from dataclasses import dataclass, replace

import aiohttp
from yarl import URL

from pipelines.ingest.addresses import Networks, checked
from pipelines.ingest.failures import failure_of
from pipelines.ingest.opt_out import opted_out, robot_of
from pipelines.ingest.outcome import OptedOut, Outcome
from pipelines.ingest.politeness import Hosts, retry_after
from pipelines.ingest.rules import Download
from schemas.protocols import Failure

_REDIRECTS = frozenset((301, 302, 303, 307, 308))
_BUSY = frozenset((429, 503))
"""Statuses whose ``Retry-After`` is for the whole host (RFC 6585, RFC 9110)."""
_ZLIB = {"gzip": 31, "x-gzip": 31, "deflate": 15}
"""Window bits of the encodings that are undone although none was asked for."""


@dataclass(frozen=True, slots=True)
class _Reply:
    """What one request came to."""

    result: bytes | Failure | OptedOut
    url: str | None = None
    """The address that answered, null where none did."""
    status: int | None = None
    content_type: str | None = None
    location: str | None = None
    """Where a redirect leads."""
    again: bool = False
    """Whether another attempt may end otherwise."""
    pause: float = 0.0
    """Seconds that the server asks to wait."""
    asked: bool = True
    """Whether anybody was asked, rather than the address refused."""


class Fetcher:
    """Fetches addresses in one event loop."""

    def __init__(self, session: aiohttp.ClientSession, hosts: Hosts, rules: Download) -> None:
        self._session, self._hosts, self._rules = session, hosts, rules
        self._networks, self._robot = Networks(rules.allow_networks), robot_of(rules.user_agent)

    async def fetch(self, address: str) -> Outcome:
        """Return what ``address`` comes to; raises ``EnvironmentFault`` where this machine is at fault."""
        attempt = 1
        reply = await self._follow(address)
        while reply.again and attempt <= self._rules.retries:
            await asyncio.sleep(max(_jitter(attempt, self._rules), reply.pause))
            attempt += 1
            reply = await self._follow(address)
        return Outcome(reply.result, reply.url, reply.status, reply.content_type, attempt if reply.asked else 0)

    async def _follow(self, address: str) -> _Reply:
        """Ask ``address`` and whatever it redirects to; return the last reply."""
        before: _Reply | None = None
        for _ in range(self._rules.max_redirects + 1):
            url = checked(address, self._networks)
            if isinstance(url, Failure):
                return _behind(before, _Reply(url, asked=False))
            reply = await self._ask(url)
            if reply.location is None:
                return _behind(before, reply)
            before, address = reply, _joined(url, reply.location)
        failure = Failure("too_many_redirects", f"expected at most {self._rules.max_redirects} redirects, found another one to {address}")
        return _behind(before, _Reply(failure))

    async def _ask(self, url: URL) -> _Reply:
        async with self._hosts.turn(str(url.host)):
            try:
                async with asyncio.timeout(self._rules.total_seconds), self._session.get(url, allow_redirects=False) as response:
                    try:
                        reply = await self._read(response)
                    finally:
                        _hang_up(response)
            except Exception as error:  # noqa: BLE001  whatever a server makes the client raise is the fate of one row
                failure, again = failure_of(error, self._rules)
                return _Reply(failure, again=again)
        if reply.pause:
            self._hosts.hold(str(url.host), reply.pause)
        return reply

    async def _read(self, response: aiohttp.ClientResponse) -> _Reply:
        status = response.status
        said = str(response.url), status, response.headers.get("Content-Type")
        location = response.headers.get("Location") if status in _REDIRECTS else None
        if location is not None:
            return _Reply(b"", *said, location)
        if not 200 <= status < 300:
            pause = retry_after(response.headers.get("Retry-After")) if status in _BUSY else 0.0
            failure = Failure(f"http_{status}", f"expected an image, found the status {status}")
            return _Reply(failure, *said, again=status == 429 or status >= 500, pause=min(pause, self._rules.max_pause_seconds))
        directive = opted_out(response.headers.getall("X-Robots-Tag", ()), self._robot, self._rules.opt_out)
        result = OptedOut(directive) if directive else await _body(response, self._rules.max_bytes)
        return _Reply(result, *said)


def _hang_up(response: aiohttp.ClientResponse) -> None:
    """End the connection of an answer that was not read to its end, at once.

    TLS takes leave by a word of both sides, and asyncio waits 30 s for that of a server: a host that says none would hold a file
    descriptor of ours for each answer.
    """
    if response.connection is not None and response.connection.transport is not None:
        response.connection.transport.abort()


async def _body(response: aiohttp.ClientResponse, most: int) -> bytes | Failure:
    """Return the body, or why not; never more than ``most`` bytes are held, packed or unpacked, and what is over is not awaited."""
    if (response.content_length or 0) > most:
        return Failure("too_many_bytes", f"expected at most {most} bytes, found Content-Length {response.content_length}")
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity", *_ZLIB):
        return Failure("content_encoding", f"expected the body as it is, or in gzip or deflate, found {encoding!r}")
    body, packed = bytearray(), 0
    packer = zlib.decompressobj(_ZLIB[encoding]) if encoding in _ZLIB else None
    async for piece in response.content.iter_any():
        packed += len(piece)
        body += packer.decompress(piece, most + 1 - len(body)) if packer else piece
        if max(packed, len(body)) > most:
            return Failure("too_many_bytes", f"expected at most {most} bytes, found more")
    if packer and not packer.eof and packed:
        return Failure("bad_response", f"expected a whole body in {encoding}, found that it ends early")
    return bytes(body)


def _behind(before: _Reply | None, reply: _Reply) -> _Reply:
    """Return ``reply`` with what the redirect ``before`` answered, where nobody answered after it."""
    if before is None or reply.url is not None:
        return reply
    return replace(reply, url=before.url, status=before.status, content_type=before.content_type, asked=True)


def _joined(url: URL, location: str) -> str:
    try:
        return str(url.join(URL(location)))
    except ValueError:
        return location


def _jitter(attempt: int, rules: Download) -> float:
    """Return seconds before the next attempt: full jitter, so that clients that failed together do not come back together (AWS)."""
    return random.uniform(0.0, min(rules.max_pause_seconds, rules.backoff_seconds * 2 ** (attempt - 1)))  # noqa: S311  no secret
