"""A web server as bad as the web: for tests, in a thread of the test's process or as a process of its own.

What it does to a request is told by the first part of its path, a name of ``BEHAVIOURS``. As a process,
``python -m tests.hostile_server --port-file F --log L`` serves until its standard input closes and logs the path of each request.
"""

import argparse
import asyncio
import contextlib
import functools
import gzip
import os
import ssl
import sys
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Self
from urllib.parse import parse_qs, urlsplit

from tests import images

Headers = Sequence[tuple[str, str]]
JPEG = ("Content-Type", "image/jpeg")


@dataclass(frozen=True)
class Request:
    """One request as it arrived."""

    path: str
    """With its query."""
    headers: Mapping[str, str]
    """By lower-case names."""
    seen: int
    """How often this path was asked for, this time included."""
    reader: asyncio.StreamReader
    """What else the client says: nothing, until it hangs up."""

    @property
    def parts(self) -> list[str]:
        return urlsplit(self.path).path.strip("/").split("/")

    @property
    def query(self) -> Mapping[str, list[str]]:
        return parse_qs(urlsplit(self.path).query)


@functools.cache
def picture(seed: int) -> bytes:
    return images.photo(seed)


def response(status: int, body: bytes, *headers: tuple[str, str], length: int | None = None) -> bytes:
    """Return a whole answer; ``length`` is what it claims of its body, if that is not the truth."""
    said = [*headers, ("Content-Length", str(len(body) if length is None else length))]
    return f"HTTP/1.1 {status} X\r\n".encode() + "".join(f"{n}: {v}\r\n" for n, v in said).encode() + b"\r\n" + body


Behaviour = Callable[[Request, asyncio.StreamWriter], Awaitable[bool]]
"""Answers a request, and tells whether the connection stays open."""


def says(answer: Callable[[Request], bytes], stays: bool = True) -> Behaviour:
    async def behave(request: Request, writer: asyncio.StreamWriter) -> bool:
        writer.write(answer(request))
        await writer.drain()
        return stays

    return behave


def image(request: Request) -> bytes:
    return response(200, picture(int(request.parts[1])), JPEG)


def hops(request: Request) -> bytes:
    left = int(request.parts[1])
    return response(302, b"", ("Location", f"../hops/{left - 1}" if left else "/image/0"))


def busy(request: Request) -> bytes:
    """Refuse ``/busy/K/...`` K times, then answer."""
    if request.seen <= int(request.parts[1]):
        return response(429, b"slow down", ("Retry-After", "7"))
    return response(200, picture(1), JPEG)


def stumble(request: Request) -> bytes:
    """Fail ``/stumble/K/...`` K times with 503, then answer."""
    return response(503, b"") if request.seen <= int(request.parts[1]) else response(200, picture(1), JPEG)


def robots(request: Request) -> bytes:
    return response(200, picture(0), JPEG, *(("X-Robots-Tag", tag) for tag in request.query["tag"]))


async def silent(request: Request, writer: asyncio.StreamWriter) -> bool:
    await request.reader.read()
    return False


async def stalled(request: Request, writer: asyncio.StreamWriter) -> bool:
    writer.write(response(200, picture(0)[:1000], JPEG, length=len(picture(0))))
    await writer.drain()
    await request.reader.read()
    return False


async def drip(request: Request, writer: asyncio.StreamWriter) -> bool:
    writer.write(response(200, b"", JPEG, length=10**6))
    while True:
        writer.write(b"\xff")
        await writer.drain()
        await asyncio.sleep(0.01)


async def endless(request: Request, writer: asyncio.StreamWriter) -> bool:
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\n\r\n" + picture(0))
    while True:
        writer.write(b"\0" * 65536)
        await writer.drain()


async def reset(request: Request, writer: asyncio.StreamWriter) -> bool:
    """Break off ``/reset/K/...`` in the middle K times, then answer."""
    if request.seen > int(request.parts[1]):
        writer.write(response(200, picture(2), JPEG))
        return True
    writer.write(response(200, picture(2)[:1000], JPEG, length=len(picture(2))))
    await writer.drain()
    writer.transport.abort()
    return False


@functools.cache
def bomb() -> bytes:
    return gzip.compress(b"\0" * 2**23, mtime=0)


def gone(status: int, body: bytes = b"gone") -> Behaviour:
    return says(lambda _: response(status, body, ("Content-Type", "text/html")))


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
GZIP = ("Content-Encoding", "gzip")
BEHAVIOURS: Mapping[str, Behaviour] = {
    "image": says(image),
    "text": says(lambda request: response(200, picture(int(request.parts[1])), ("Content-Type", "text/html; charset=utf-8"))),
    "html": says(lambda _: response(200, images.html(), JPEG)),
    "bytes": says(lambda _: response(200, b"no image at all", JPEG)),
    "silent": silent,
    "stalled": stalled,
    "drip": drip,
    "endless": endless,
    "claims": says(lambda request: response(200, b"", JPEG, length=int(request.parts[1]))),
    "short": says(lambda _: response(200, picture(0), JPEG, length=len(picture(0)) // 2), stays=False),
    "long": says(lambda _: response(200, picture(0), JPEG, length=len(picture(0)) + 100), stays=False),
    "loop": says(lambda request: response(301, b"", ("Location", request.path))),
    "hops": says(hops),
    "to": says(lambda request: response(307, b"", ("Location", request.query["url"][0]))),
    "nowhere": says(lambda _: response(302, b"")),
    "reset": reset,
    "busy": says(busy),
    "stumble": says(stumble),
    "broken": gone(500),
    "missing": gone(404),
    "forbidden": gone(403),
    "empty": says(lambda _: response(200, b"", JPEG)),
    "nothing": says(lambda _: b"HTTP/1.1 204 No Content\r\n\r\n"),
    "truncated": says(lambda _: response(200, images.truncated(picture(0)), JPEG)),
    "bomb": says(lambda _: response(200, bomb(), JPEG, GZIP)),
    "gzip": says(lambda _: response(200, gzip.compress(picture(0)), JPEG, GZIP)),
    "cutgzip": says(lambda _: response(200, gzip.compress(picture(0))[:500], JPEG, GZIP)),
    "notgzip": says(lambda _: response(200, picture(0), JPEG, GZIP)),
    "brotli": says(lambda _: response(200, b"?", JPEG, ("Content-Encoding", "br"))),
    "robots": says(robots),
    "hangup": says(lambda _: b"", stays=False),
    "last": says(image, stays=False),
    "chunks": says(lambda _: CHUNKED + b"%x\r\n" % len(picture(0)) + picture(0) + b"\r\n0\r\n\r\n"),
    "badchunks": says(lambda _: CHUNKED + b"zz\r\nno\r\n"),
    "garbage": says(lambda _: b"SSH-2.0-OpenSSH_9.2\r\n\r\n", stays=False),
}


class HostileServer:
    """Serves on a free port of 127.0.0.1, in a thread of its own, while its context is open; with ``tls`` by https."""

    def __init__(self, log: BinaryIO | None = None, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self.most_in_flight = 0
        self.connections = 0
        self.errors: list[Exception] = []
        self._log, self._tls, self._seen, self._busy = log, tls, Counter[str](), 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def paths(self) -> Counter[str]:
        return Counter(request.path for request in self.requests)

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"http{'s' if self._tls else ''}://{host}:{self.port}/{path}"

    def __enter__(self) -> Self:
        self._thread.start()
        serving = asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=512, ssl=self._tls)
        self._server = asyncio.run_coroutine_threadsafe(serving, self._loop).result()
        self.port: int = self._server.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._shut(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        assert not self.errors, self.errors

    async def _shut(self) -> None:
        self._server.close()
        await asyncio.sleep(0)  # a task that has not begun would not close what it was given
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while await self._answer(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # a client that hung up, or the end
        except Exception as error:  # noqa: BLE001  told at the end
            self.errors.append(error)
        finally:
            writer.close()
            with contextlib.suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        path = head[0].split(" ")[1]
        self._seen[path] += 1
        self._busy += 1
        self.most_in_flight = max(self.most_in_flight, self._busy)
        request = Request(path, headers, self._seen[path], reader)
        self.requests.append(request)
        if self._log:
            self._log.write(f"{path}\n".encode())
            self._log.flush()
        try:
            return await BEHAVIOURS[request.parts[0]](request, writer)
        finally:
            self._busy -= 1


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.hostile_server")
    parser.add_argument("--port-file", type=Path, required=True)
    parser.add_argument("--log", type=Path, required=True)
    options = parser.parse_args(argv)
    with options.log.open("ab") as log, HostileServer(log) as server:
        unfinished = options.port_file.with_suffix(".part")
        unfinished.write_text(str(server.port))
        os.replace(unfinished, options.port_file)
        sys.stdin.read()


if __name__ == "__main__":
    main()
