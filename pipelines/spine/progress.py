"""What a local run has done so far, read off the files that it leaves: no step of the pipeline knows of it."""

import json
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pipelines.spine import storage


@dataclass(frozen=True)
class Done:
    """How far one pass is."""

    what: str
    done: int
    of: int


@contextmanager
def shown(look: Callable[[], Done | None] | None, every: float = 2.0) -> Generator[None]:
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


def answered(folder: str, splits: set[str] | None = None) -> tuple[int, int]:
    """Return (answers stored, requests known) over the newest segment of each split below the answers of one model.

    The first line of a segment says how many requests its split has and how many were stored when it began.
    """
    stored = requests = 0
    for split in storage.list_folders(folder):
        if splits is None or split in splits:
            segments = sorted(Path(folder, split).glob("*.jsonl"), key=lambda path: path.stat().st_mtime_ns)
            counts = [_segment(path) for path in segments]
            stored += sum(count[1] for count in counts)
            requests += counts[-1][0] if counts else 0
    return stored, requests


def _segment(path: Path) -> tuple[int, int]:
    lines = path.read_bytes().splitlines()
    return (json.loads(lines[0])["requests"], len(lines) - 1) if lines else (0, 0)


def _watch(look: Callable[[], Done | None], every: float, stop: threading.Event) -> None:
    began: dict[str, tuple[float, int]] = {}
    last = ""
    while not stop.wait(every):
        done = look()
        if done is None:
            continue
        since, first = began.setdefault(done.what, (time.monotonic(), done.done))
        line = _line(done, time.monotonic() - since, first)
        if line != last:
            print(line, file=sys.stderr, flush=True)
        last = line


def _line(done: Done, seconds: float, first: int) -> str:
    rate = (done.done - first) / seconds if seconds else 0.0
    left = f"{(done.of - done.done) / rate:,.0f} s left" if rate else "measuring"
    return f"  {done.what}: {done.done:,} of {done.of:,}, {rate:.2f}/s, {left}"
