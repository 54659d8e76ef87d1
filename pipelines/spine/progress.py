"""What a local run has done so far, read off the files that it leaves: no step of the pipeline knows of it."""

import os
import sys
import threading
import time
from collections.abc import Callable, Collection, Generator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from pipelines.spine import storage
from schemas.exits import EnvironmentFault
from synth import answers

CONNECTIONS = 16
"""Splits whose answers are read at once: on a store each segment is a request (ours)."""


@dataclass(frozen=True)
class Done:
    """How far one pass is."""

    what: str
    done: int
    of: int


@contextmanager
def shown(look: Callable[[], Done | None] | None, every: float = 5.0) -> Generator[None]:
    """Print a line with count, rate and remaining time for what ``look`` finds, every so many seconds, while the block runs.

    Without a ``look`` nothing is printed: a remote runner has a page of its own.
    """
    if look is None:
        yield
        return
    stop = threading.Event()
    thread = threading.Thread(target=_watch, args=(look, every, stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def read_segment(path: str) -> answers.Segment:
    """Return what can be read of the segment ``path`` by now."""
    return answers.glance(storage.read(path), answers.split_of(path) or "")


def remembering(folder: str) -> Callable[[str], answers.Segment]:
    """Return a ``read_segment`` for segments below ``folder`` that reads one again only when it has grown; on a store none grows."""
    known: dict[str, tuple[int, answers.Segment]] = {}

    def read(path: str) -> answers.Segment:
        size = os.path.getsize(path) if storage.is_local(folder) else 0
        if path not in known or known[path][0] != size:
            known[path] = (size, read_segment(path))
        return known[path][1]

    return read


def answered(folder: str, splits: Collection[str], read: Callable[[str], answers.Segment] = read_segment) -> tuple[int, int]:
    """Return (distinct answers stored, requests in all) over the answers of one model below ``folder`` to ``splits``.

    The first line of a segment says how many requests its split has. Splits without a segment are taken to have as many
    requests as those with one have on average, so the second number is an estimate until every split has begun.
    """
    segments: dict[str, list[str]] = {}
    for path in storage.list_below(folder):
        split = answers.split_of(path)
        if split is not None and split in splits:
            segments.setdefault(split, []).append(path)
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        counts = list(pool.map(lambda paths: _of_split([read(path) for path in paths]), segments.values()))
    requests = sum(known for _, known in counts)
    return sum(stored for stored, _ in counts), round(requests / len(counts) * len(splits)) if counts else 0


def _of_split(segments: Sequence[answers.Segment]) -> tuple[int, int]:
    """Return (distinct answers, requests) of one split from its segments, at least one."""
    stored = frozenset[str]().union(*(segment.keys for segment in segments))
    return len(stored), max(segment.requests for segment in segments)


def _watch(look: Callable[[], Done | None], every: float, stop: threading.Event) -> None:
    began: dict[str, tuple[float, int]] = {}
    last = ""
    while not stop.wait(every):
        line = _found(look, began)
        if line and line != last:
            print(line, file=sys.stderr, flush=True)
        last = line or last


def _found(look: Callable[[], Done | None], began: dict[str, tuple[float, int]]) -> str:
    """Return the line for what ``look`` finds; a look that fails is told of and taken again: the run goes on without it."""
    try:
        done = look()
    except (EnvironmentFault, OSError) as error:
        return f"  no look at the run: {error}"
    if done is None or done.done >= done.of:
        return ""
    since, first = began.setdefault(done.what, (time.monotonic(), done.done))
    return _line(done, time.monotonic() - since, first)


def _line(done: Done, seconds: float, first: int) -> str:
    rate = (done.done - first) / seconds if seconds else 0.0
    left = f"{(done.of - done.done) / rate:,.0f} s left" if rate else "measuring"
    return f"  {done.what}: {done.done:,} of about {done.of:,}, {rate:.2f}/s, {left}"
