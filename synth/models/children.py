"""Calls that may hang or run out of memory, in child processes that a deadline kills.

A thread cannot be stopped and ``signal.alarm`` works in the main thread alone, which is not where Beam calls. So the call is
made in another process: a *nursery*, started as a fresh interpreter, imports the library once and forks a *worker* for the calls.
The worker is killed at the deadline, and the nursery, which has one thread and so may fork, has the next one ready in
milliseconds instead of the seconds of an import.

The nursery's standard input is a lifeline: when it closes, because the parent closes it or is gone (also by ``kill -9``), the kernel
ends nursery and worker, whatever they are doing. A process that the parent forks without exec holds the lifeline too.
"""

import contextlib
import fcntl
import json
import math
import os
import queue
import resource
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from schemas.exits import EnvironmentFault

ROOT = Path(__file__).resolve().parents[2]
HEADER = 4
"""Bytes in front of a message that give its length."""
END_SECONDS = 5.0
"""How long an idle child may take to end before it is killed (ours; measured: below 0.1 s)."""
STOPPED = 3
"""Exit status of a worker whose parent wants no more of it."""

TIMEOUT, OUT_OF_MEMORY, CRASHED = "timeout", "out_of_memory", "crashed"

Request = Mapping[str, Any]
"""What is asked: JSON."""


@dataclass(frozen=True)
class Limits:
    """What one call may take, and how many a worker makes (all ours)."""

    seconds: float = 2.0
    """From the request to the answer; then the worker is killed. The median call takes 5 ms."""
    memory: int = 2 << 30
    """Bytes of address space of a worker; sympy and its parser take 0.2 GB."""
    calls: int = 2000
    """After so many calls a worker is replaced: sympy's caches grow."""
    start_seconds: float = 60.0
    """How long the import may take, on a machine that does other things too."""


class Child:
    """One nursery with its worker; not for two threads at a time."""

    def __init__(self, module: str, limits: Limits) -> None:
        self._module, self._limits = module, limits
        self._number = 0
        self._worker = -1
        self._start()

    def ask(self, request: Request) -> str:
        """Return the answer to ``request``, or ``timeout``, ``out_of_memory`` or ``crashed`` where there is none.

        A worker that dies of something else than its limits is given a second chance, since others may have killed it.
        """
        for _ in range(2):
            answer = self._ask_once(request)
            if answer != CRASHED:
                return answer
        return CRASHED

    def pids(self) -> tuple[int, int]:
        """Return the process ids of nursery and worker, the latter -1 while none is there."""
        return self._nursery.pid, self._worker

    def close(self) -> None:
        """End both processes, the idle worker by request so that its CPU time is counted."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_WR)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._nursery.wait(END_SECONDS)
        self._end()

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
        options = json.dumps({"memory": self._limits.memory, "calls": self._limits.calls, "seconds": self._limits.seconds})
        command = [sys.executable, "-m", self._module, str(theirs.fileno()), options]
        environment = {**os.environ, "PYTHONPATH": paths}
        with theirs:
            self._nursery = subprocess.Popen(  # noqa: S603 - our own module in our own interpreter
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                env=environment,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self._socket = ours
        if not self._announced():
            self._end()
            raise EnvironmentFault(
                f"expected a worker of {self._module} within {self._limits.start_seconds:g} s, found none, "
                f"status {self._nursery.returncode}; if a library is missing, run: python -m jobs.doctor"
            )

    def _announced(self) -> bool:
        try:
            return self._receive(time.monotonic() + self._limits.start_seconds) is not None
        except OSError:
            return False

    def _end(self) -> None:
        assert self._nursery.stdin is not None
        self._nursery.stdin.close()
        self._socket.close()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._nursery.pid, signal.SIGKILL)
        self._nursery.wait()
        self._worker = -1

    def _ask_once(self, request: Request) -> str:
        self._ready()
        self._number += 1
        try:
            send(self._socket, {**request, "number": self._number})
            reply = self._receive(time.monotonic() + self._limits.seconds)
        except OSError:
            self._end()
            self._start()
            return CRASHED
        if reply is None:
            self._kill()
            return TIMEOUT
        if "worker" in reply:
            return TIMEOUT if reply["died"] == signal.SIGXCPU else CRASHED
        if reply["last"]:
            self._worker = -1
        return str(reply["answer"])

    def _ready(self) -> None:
        """Hear of workers that were replaced between calls, and wait for one where there is none."""
        while self._worker < 0 or select.select([self._socket], [], [], 0)[0]:
            try:
                message = self._receive(time.monotonic() + self._limits.start_seconds)
            except OSError:
                message = None
            if message is None:
                self._end()
                self._start()

    def _receive(self, deadline: float) -> dict[str, Any] | None:
        """Return the next message that is for us, or None at the deadline. Raises ``OSError`` where the nursery is gone."""
        while True:
            message = receive(self._socket, deadline)
            if message is None:
                return None
            if "worker" in message:
                self._worker = message["worker"]
                return message
            if message["number"] == self._number:
                return message

    def _kill(self) -> None:
        """Kill the worker. Its nursery reaps it no sooner than it reports the next, so that the id is still its own."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._worker, signal.SIGKILL)
        self._worker = -1


class Children:
    """A few children that threads share; each call takes one that is idle, and waits where all are busy.

    They end by ``close``, with the last reference to this object, or with the process.
    """

    def __init__(self, module: str, limits: Limits, slots: int) -> None:
        self._module, self._limits = module, limits
        self._idle: queue.LifoQueue[Child | None] = queue.LifoQueue()
        self._all: list[Child] = []
        self._lock = threading.Lock()
        self.close = weakref.finalize(self, _close, self._all)
        """Ends all children. A call after it fails."""
        self.close.atexit = False  # their lifeline closes with the process, and a fork of it must not end them
        for _ in range(slots):
            self._idle.put(None)

    def ask(self, request: Request) -> str:
        """Return what a child answers, as ``Child.ask``. Raises ``EnvironmentFault`` where none can be started."""
        child = self._idle.get()
        try:
            child = child or self._started()
            return child.ask(request)
        finally:
            self._idle.put(child)

    def pids(self) -> list[int]:
        """Return the process ids of all nurseries and workers."""
        return [pid for child in self._all for pid in child.pids() if pid > 0]

    def _started(self) -> Child:
        child = Child(self._module, self._limits)
        with self._lock:
            self._all.append(child)
        return child


def _close(children: Sequence[Child]) -> None:
    for child in children:
        child.close()


def serve(answer: Callable[[Request], str], arguments: list[str]) -> None:
    """Be the nursery: fork workers that answer requests, one after the other, until the parent wants no more.

    ``answer`` may raise ``MemoryError``; everything else that it raises ends the worker.
    """
    channel, options = socket.socket(fileno=int(arguments[0])), json.loads(arguments[1])
    _end_with_parent()
    status = 0
    while True:
        worker = os.fork()
        if not worker:
            _work(channel, answer, options, status)
        _, waited = os.waitpid(worker, 0)
        status = os.waitstatus_to_exitcode(waited)
        if status == STOPPED:
            return


def _work(channel: socket.socket, answer: Callable[[Request], str], options: dict[str, Any], died: int) -> None:
    """Be a worker: announce oneself, answer, end."""
    resource.setrlimit(resource.RLIMIT_AS, (options["memory"], options["memory"]))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # the traceback of a call is an answer, ``crashed``, and no message
    send(channel, {"worker": os.getpid(), "died": -died})
    for left in reversed(range(options["calls"])):
        request = receive(channel, math.inf)
        if request is None:
            os._exit(STOPPED)
        _limit_cpu(options["seconds"])
        try:
            said = answer(request)
        except MemoryError:
            said = OUT_OF_MEMORY
        left = 0 if said == OUT_OF_MEMORY else left
        send(channel, {"number": request["number"], "answer": said, "last": not left})
        if not left:
            break
    os._exit(0)


def _limit_cpu(seconds: float) -> None:
    """Have the kernel end this worker some time after the parent should have."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    limit = math.ceil(used.ru_utime + used.ru_stime + 2 * seconds + 1)
    resource.setrlimit(resource.RLIMIT_CPU, (limit, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def _end_with_parent() -> None:
    """Have the kernel end this process group when the lifeline closes: O_ASYNC sends SIGIO, whose default action is to end."""
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(0, fcntl.F_SETOWN, -os.getpgrp())
    fcntl.fcntl(0, fcntl.F_SETFL, fcntl.fcntl(0, fcntl.F_GETFL) | os.O_ASYNC)
    closed_before, _, _ = select.select([0], [], [], 0)
    if closed_before:
        os._exit(0)


def send(channel: socket.socket, message: Request) -> None:
    """Write one message; lone surrogates travel as escapes."""
    body = json.dumps(message).encode()
    channel.sendall(len(body).to_bytes(HEADER, "big") + body)


def receive(channel: socket.socket, deadline: float) -> dict[str, Any] | None:
    """Return one message, or None at ``deadline`` (of ``time.monotonic``). At the end of input a worker gets None, a parent ``OSError``."""
    header = _exactly(channel, HEADER, deadline)
    body = None if header is None else _exactly(channel, int.from_bytes(header, "big"), deadline)
    return None if body is None else json.loads(body)


def _exactly(channel: socket.socket, size: int, deadline: float) -> bytes | None:
    parts = b""
    while len(parts) < size:
        wait = None if deadline == math.inf else max(deadline - time.monotonic(), 0)
        if not select.select([channel], [], [], wait)[0]:
            return None
        part = channel.recv(size - len(parts))
        if not part and wait is None:
            return None
        if not part:
            raise ConnectionResetError("the child has closed its end")
        parts += part
    return parts
