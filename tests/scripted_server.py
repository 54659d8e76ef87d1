"""A chat completion server that follows a script: for tests, in the test's own process or as one of its own.

A script maps each ``Call`` to a ``Reply``. The default one, ``answer``, writes a caption that follows from the request
alone. As a process, ``python -m tests.scripted_server --port-file F --log L --mode MODE`` serves until its standard input
closes; MODE is ``answer``, ``NAME=N`` with a name of ``MODES``, or ``module:function`` for a script of one's own.
"""

import argparse
import base64
import hashlib
import json
import os
import pkgutil
import socket
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, BinaryIO, Self

LIGHT = ("soft", "even", "warm", "grey", "bright", "low")
GROUND = ("plain", "dark", "pale", "green", "blue", "brown", "wooden")
ALT_TEXT = "Alt text: "


@dataclass(frozen=True)
class Call:
    """One chat completion request as it arrived."""

    number: int
    """Counts the calls from 0."""
    body: dict[str, Any]
    headers: Mapping[str, str]
    in_flight: int
    """Calls that the server was busy with, this one included."""
    digest: str
    """16 hex digits over the body."""

    @property
    def text(self) -> str:
        content = self.body["messages"][-1]["content"]
        return content if isinstance(content, str) else "".join(part.get("text", "") for part in content)

    @property
    def images(self) -> list[tuple[str, bytes]]:
        """MIME type and bytes of each image, in order."""
        content = self.body["messages"][-1]["content"]
        urls = [part["image_url"]["url"] for part in content if isinstance(part, dict) and part["type"] == "image_url"]
        return [(url[5:].partition(";")[0], base64.b64decode(url.partition(",")[2])) for url in urls]

    @property
    def alt_text(self) -> str | None:
        """The alt text that the prompt ends with; None for a request without one, such as a canary."""
        _, found, rest = self.text.rpartition(ALT_TEXT)
        return rest.removesuffix("\nSentence:").strip() if found else None


@dataclass(frozen=True)
class Reply:
    """What the server does."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    withheld: int = 0
    """Bytes of the body that Content-Length promises and that never come."""
    drop: bool = False
    """Hang up without a word."""
    die: bool = False
    """Hang up, and never listen again."""
    hold: threading.Event | None = None
    """Do all this once the event is set."""


Script = Callable[[Call], Reply]


def completion(text: str | None, finish_reason: str | None = "stop", prompt_tokens: int = 7) -> Reply:
    choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish_reason}
    usage = {"prompt_tokens": prompt_tokens, "completion_tokens": len((text or "").split())}
    return Reply(body=json.dumps({"object": "chat.completion", "choices": [choice], "usage": usage}).encode())


def error(status: int, message: str = "no", **headers: str) -> Reply:
    return Reply(status, json.dumps({"error": {"message": message}}).encode(), {k.replace("_", "-"): v for k, v in headers.items()})


def caption(call: Call) -> str:
    """Return a sentence that follows from the request alone and looks like a caption."""
    luck = int(call.digest, 16)
    subject = " ".join((call.alt_text or "nothing in particular").split())[:120].rstrip(" .,;:!?")
    return f"A picture that shows {subject}, seen in {LIGHT[luck % len(LIGHT)]} light before a {GROUND[luck % len(GROUND)]} background."


def answer(call: Call) -> Reply:
    return completion(caption(call), prompt_tokens=len(call.text.split()) + 256 * len(call.images))


def die_after(n: int) -> Script:
    """Answer n calls, then die."""
    return lambda call: answer(call) if call.number < n else Reply(die=True)


def hold_after(n: int) -> Script:
    """Answer n calls and keep all others waiting for ever: a client can be killed at a known point."""
    return lambda call: answer(call) if call.number < n else Reply(hold=threading.Event())


def throttle(n: int) -> Script:
    """Refuse with 429 whatever exceeds n calls in flight."""
    return lambda call: answer(call) if call.in_flight <= n else error(429, "too many requests")


def stumble(n: int) -> Script:
    """Fail every n-th call with 500, whatever it asks."""
    return lambda call: error(500, "stumbled") if call.number % n == n - 1 else answer(call)


def poison(n: int) -> Script:
    """Refuse with 400, each time, about every n-th request that holds an alt text."""
    return lambda call: error(400, "poisoned") if call.alt_text is not None and int(call.digest, 16) % n == 0 else answer(call)


MODES: Mapping[str, Callable[[int], Script]] = {
    "die_after": die_after,
    "hold_after": hold_after,
    "throttle": throttle,
    "stumble": stumble,
    "poison": poison,
}


class ScriptedServer:
    """Serves ``script`` on a free port of 127.0.0.1 while its context is open."""

    def __init__(self, script: Script = answer, log: BinaryIO | None = None, models: Sequence[str] = ("scripted",)) -> None:
        self.models = models
        self.context: int | None = None
        """Tokens of prompt and answer together, as vLLM lists them; None says nothing of it."""
        self.calls: list[Call] = []
        self.most_in_flight = 0
        self.errors: list[BaseException | None] = []
        """What the script raised: a fault of the test, which leaving the context brings to light."""
        self._script, self._log = script, log
        self._lock, self._in_flight, self._dead = threading.Lock(), 0, False
        self._http = _Http(("127.0.0.1", 0), _Handler)
        self._http.scripted = self
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)

    @property
    def port(self) -> int:
        return self._http.server_address[1]

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    @property
    def alt_texts(self) -> list[str]:
        """The alt texts asked for, in the order of arrival, without canaries."""
        return [call.alt_text for call in self.calls if call.alt_text is not None]

    @property
    def canaries(self) -> int:
        return sum(call.alt_text is None for call in self.calls)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.die()
        self._thread.join()
        assert not self.errors, self.errors

    def die(self) -> None:
        """Refuse every connection from now on, and hang up on those that are open."""
        with self._lock:
            if self._dead:
                return
            self._dead = True
        self._http.shutdown()
        self._http.server_close()

    def take(self, body: bytes, headers: Mapping[str, str]) -> Reply:
        """Return what to do about a call, counting it in and, before its client can know of the answer, out."""
        with self._lock:
            self._in_flight += 1
            self.most_in_flight = max(self.most_in_flight, self._in_flight)
            digest = hashlib.blake2b(body, digest_size=8).hexdigest()
            call = Call(len(self.calls), json.loads(body), headers, self._in_flight, digest)
            self.calls.append(call)
        try:
            return self._reply(call)
        finally:
            with self._lock:
                self._in_flight -= 1

    def _reply(self, call: Call) -> Reply:
        reply = self._script(call)
        if reply.hold:
            reply.hold.wait()
        if reply.die:
            self.die()
        self._write_log(call, reply)
        return Reply(drop=True) if self._dead else reply

    def _write_log(self, call: Call, reply: Reply) -> None:
        if self._log:
            status = 0 if self._dead or reply.drop else reply.status
            with self._lock:
                self._log.write(f"{call.digest} {status}\n".encode())
                self._log.flush()


class _Http(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128
    scripted: ScriptedServer

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(error := sys.exception(), ConnectionError):  # a client that hung up is no error
            self.scripted.errors.append(error)


class _Handler(BaseHTTPRequestHandler):
    server: _Http
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1

    def do_GET(self) -> None:
        known = self.path == "/v1/models"
        context = self.server.scripted.context
        about = {"object": "model"} if context is None else {"object": "model", "max_model_len": context}
        listed = {"object": "list", "data": [{"id": name, **about} for name in self.server.scripted.models]}
        self._send(Reply(body=json.dumps(listed).encode()) if known else error(404))

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        body = self.rfile.read(length)
        if len(body) < length:  # the client hung up in the middle
            self.close_connection = True
            return
        reply = self.server.scripted.take(body, dict(self.headers))
        if reply.drop:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
        else:
            self._send(reply)

    def _send(self, reply: Reply) -> None:
        self.send_response(reply.status)
        for name, value in {"Content-Type": "application/json", **reply.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        self.wfile.write(reply.body[: len(reply.body) - reply.withheld])
        self.wfile.flush()
        self.close_connection |= reply.withheld > 0

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def script_of(mode: str) -> Script:
    name, _, number = mode.partition("=")
    if ":" in mode:
        return pkgutil.resolve_name(mode)
    return MODES[name](int(number)) if number else answer


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.scripted_server")
    parser.add_argument("--port-file", type=Path, required=True)
    parser.add_argument("--log", type=Path, required=True)
    parser.add_argument("--mode", default="answer")
    options = parser.parse_args(argv)
    with options.log.open("ab") as log, ScriptedServer(script_of(options.mode), log) as server:
        unfinished = options.port_file.with_suffix(".part")
        unfinished.write_text(str(server.port))
        os.replace(unfinished, options.port_file)
        sys.stdin.read()


if __name__ == "__main__":
    main()
