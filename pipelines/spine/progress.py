"""What a local run has done so far, read off the files that it leaves: no step of the pipeline knows of it."""

import json
import sys
import threading
import time
from collections.abc import Callable, Collection, Generator
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


def answered(folder: str, splits: Collection[str]) -> tuple[int, int]:
    """Return (answers stored, requests in all) over the answers of one model to ``splits``.

    The first line of a segment says how many requests its split has. Splits without a segment are taken to have as many
    requests as those with one have on average, so the second number is an estimate until every split has begun.
    """
    stored = requests = begun = 0
    for split in set(storage.list_folders(folder)) & set(splits):
        counts = [_segment(path) for path in Path(folder, split).glob("*.jsonl")]
        stored += sum(answers for _, answers in counts)
        requests += max((known for known, _ in counts), default=0)
        begun += bool(counts)
    return stored, round(requests / begun * len(splits)) if begun else 0


def _segment(path: Path) -> tuple[int, int]:
    lines = path.read_bytes().splitlines()
    return (json.loads(lines[0])["requests"], len(lines) - 1) if lines else (0, 0)


def _watch(look: Callable[[], Done | None], every: float, stop: threading.Event) -> None:
    began: dict[str, tuple[float, int]] = {}
    last = ""
    while not stop.wait(every):
        done = look()
        if done is None or done.done >= done.of:
            continue
        since, first = began.setdefault(done.what, (time.monotonic(), done.done))
        line = _line(done, time.monotonic() - since, first)
        if line != last:
            print(line, file=sys.stderr, flush=True)
        last = line


def _line(done: Done, seconds: float, first: int) -> str:
    rate = (done.done - first) / seconds if seconds else 0.0
    left = f"{(done.of - done.done) / rate:,.0f} s left" if rate else "measuring"
    return f"  {done.what}: {done.done:,} of about {done.of:,}, {rate:.2f}/s, {left}"
