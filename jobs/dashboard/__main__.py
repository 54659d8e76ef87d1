"""Runs in a browser: ``python -m jobs.dashboard RUN [RUN ...]`` serves them to this machine alone, until it is stopped."""

import argparse
import signal
import socket
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack

import uvicorn

from jobs.dashboard import store
from jobs.dashboard.app import application
from jobs.dashboard.guard import guarded
from jobs.dashboard.refusals import Refused
from jobs.dashboard.runs import open_run, read_from
from pipelines.report import page
from pipelines.spine import storage
from schemas.exits import EnvironmentFault

PORT, LAST_PORT = 8040, 65535
HOST = "127.0.0.1"
"""This machine alone: the page shows whatever the web held, and asks nobody who they are."""
PATIENCE = 5
"""Seconds that a request may still take once the server is to stop (ours)."""


def serve(runs: Sequence[str], port: int) -> None:
    """Serve ``runs`` on ``port``, 0 for any that is free, until SIGTERM or SIGINT.

    Raises ``Refused`` where a run is none, ``OSError`` where the port is taken, ``EnvironmentFault`` where the page lacks its library.
    """
    folders = [open_run(run).folder for run in runs]
    live = page.render(None, page.library(), live=True)
    with ExitStack() as stack:
        scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="glmv-dashboard-"))
        reads = sorted({folder for run in folders for folder in read_from(run)})
        opened = stack.enter_context(store.opened(folders, reads, scratch))
        listening = stack.enter_context(socket.create_server((HOST, port)))
        # What it accepts inherits this; without, the kernel holds each body back for 40 ms, since head and body are written apart.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        store.warm(opened)
        bound = listening.getsockname()[1]
        print(f"dashboard http://{HOST}:{bound}", flush=True)
        app = guarded(application(opened, live), bound)
        config = uvicorn.Config(
            app, log_level="warning", ws="none", lifespan="off", server_header=False, timeout_graceful_shutdown=PATIENCE
        )
        uvicorn.Server(config).run([listening])


def main(argv: Sequence[str] | None = None) -> int:
    """Serve the runs that ``argv`` names; exit status 1 with the reason where that cannot be."""
    options = _parser().parse_args(argv)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _stop)
    try:
        serve(list(map(storage.absolute, options.runs)), options.port)
    except (Refused, EnvironmentFault, OSError) as fault:
        print(f"error: {fault}", file=sys.stderr)
        return 1
    return 0


def _stop(*_: object) -> None:
    """End the process by way of its ``with`` blocks; uvicorn finishes what it has begun first and then raises the signal again."""
    raise SystemExit(0)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m jobs.dashboard", description="Show runs in a browser on this machine.")
    parser.add_argument("runs", nargs="+", metavar="RUN", help="folder of a run, finished or under way: runs/recaption/ID")
    parser.add_argument("--port", type=_port, default=PORT, metavar="N", help=f"port on {HOST}; 0: any that is free (default: {PORT})")
    return parser


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > LAST_PORT:
        raise argparse.ArgumentTypeError(f"expected a port from 0 to {LAST_PORT}, found {text!r}")
    return int(text)


if __name__ == "__main__":
    sys.exit(main())
