"""What a request to the live dashboard costs over a ledger of a million rows: ``python -m benchmarks.dashboard``.

The real server in a process of its own, asked one request after another; no request is asked twice, so nothing but DuckDB's own caches
can answer from memory. The goal of each line is 100 ms. ``--parquet`` leaves the ledger where it is instead of copying it at the start.
"""

import argparse
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

import httpx

from benchmarks.dashboard_ledger import write

ROWS, REQUESTS = 1_000_000, 50
API = "/api/runs/0"
SERVE = "import sys; from jobs.dashboard import store, __main__ as m; store.COPIED = int(sys.argv[1]); sys.exit(m.main(sys.argv[2:]))"
"""The server as ``python -m jobs.dashboard`` starts it, but for the size up to which a ledger is copied."""

ASKED: dict[str, Callable[[int], str]] = {
    "histogram of a column": lambda n: f"{API}/histogram?column=clip_score&bins={40 + n}",
    "histogram of a column, kept rows": lambda n: f"{API}/histogram?column=sharpness&exit=kept&bins={40 + n}",
    "page, filtered and sorted": lambda n: f"{API}/samples?where=width:ge:{800 + n}&where=language:eq:de&sort=clip_score&descending=1",
    "page, filtered by exit and sorted": lambda n: f"{API}/samples?exit=dropped&where=height:lt:{1000 + n}&sort=value",
    "first page": lambda n: f"{API}/samples?limit={50 + n}",
    "page in the middle": lambda n: f"{API}/samples?sort=sharpness&offset={500_000 + n * 50}",
    "page, words in the alt text": lambda n: f"{API}/samples?where=alt_text:has:bergen, number {n}" + "%20",
    "every column of a row": lambda n: f"{API}/sample/{n * 0xD6E8FEB86659FD93A5A5A5A5 % 2**128:032x}:{n}",
    "two runs compared": lambda n: "/api/compare?a=0&b=0" + "&a=0" * n,
    "all runs": lambda n: f"/api/runs#{n}",
}


def main(argv: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.dashboard", description=__doc__)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--requests", type=int, default=REQUESTS)
    parser.add_argument("--folder", type=Path, help="where the ledger is kept for another time (default: a temporary folder)")
    parser.add_argument("--parquet", action="store_true")
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory() as scratch:
        run = (options.folder or Path(scratch)) / "captions" / "bench"
        write(run, options.rows)
        print(f"{options.rows:,} rows, {sum(path.stat().st_size for path in run.glob('ledger/*')) / 2**20:,.0f} MiB of Parquet")
        began = time.perf_counter()
        with served(run, 0 if options.parquet else options.rows) as client:
            print(f"ready after {time.perf_counter() - began:.1f} s\n\n| request | median, ms | 95 %, ms | status |\n|---|---|---|---|")
            for name, path in ASKED.items():
                print(row(name, *measured(client, path, options.requests)), flush=True)


@contextmanager
def served(run: Path, copied: int) -> Generator[httpx.Client]:
    """Yield a client of a server over ``run`` that copies a ledger of up to ``copied`` rows."""
    with subprocess.Popen([sys.executable, "-c", SERVE, str(copied), str(run), "--port=0"], stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            address = server.stdout.readline().split()[-1]
            with httpx.Client(base_url=address, timeout=60) as client:
                yield client
        finally:
            server.terminate()


def measured(client: httpx.Client, path: Callable[[int], str], requests: int) -> tuple[list[float], set[int]]:
    """Return milliseconds and statuses of so many requests."""
    times: list[float] = []
    statuses: set[int] = set()
    for number in range(requests):
        began = time.perf_counter()
        statuses.add(client.get(path(number)).status_code)
        times.append((time.perf_counter() - began) * 1000)
    return times, statuses


def row(name: str, times: Sequence[float], statuses: set[int]) -> str:
    """Return a line of the table."""
    late = statistics.quantiles(times, n=20)[-1] if len(times) > 1 else times[0]
    return f"| {name} | {statistics.median(times):.0f} | {late:.0f} | {', '.join(map(str, sorted(statuses)))} |"


if __name__ == "__main__":
    main()
