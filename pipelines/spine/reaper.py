"""Ends the worker processes that a killed launcher leaves behind: Beam's local workers wait for ever for a runner that is gone.

``reaping`` marks this process's environment, which its workers inherit, and starts ``python -m pipelines.spine.reaper MARK`` with
a pipe on its standard input. When the pipe closes, also after ``kill -9``, the reaper ends every process that bears the mark.
"""

import os
import subprocess
import sys
import uuid
from collections.abc import Generator
from contextlib import contextmanager

import psutil

MARK = "GLMV_LAUNCH"
"""Environment variable that workers inherit from their launcher."""
GONE_SECONDS = 5.0
"""How long killed processes may take to go before they are looked for again (ours)."""


@contextmanager
def reaping() -> Generator[None]:
    """While the block runs, tie the life of every process started in it to the life of this one."""
    mark = uuid.uuid4().hex
    unmarked = dict(os.environ)
    command = [sys.executable, "-m", __name__, mark]
    with subprocess.Popen(command, stdin=subprocess.PIPE, env=unmarked, start_new_session=True) as reaper:  # noqa: S603  our own module
        os.environ[MARK] = mark
        try:
            yield
        finally:
            del os.environ[MARK]
            assert reaper.stdin is not None
            reaper.stdin.close()


def marked(mark: str) -> list[psutil.Process]:
    """Return the processes that were started under ``mark``."""
    return [process for process in psutil.process_iter() if _mark_of(process) == mark]


def _mark_of(process: psutil.Process) -> str | None:
    try:
        return process.environ().get(MARK)
    except psutil.Error:  # gone by now, or another user's, which is not ours to end
        return None


def main() -> None:
    """Wait for the end of standard input, then end what bears the mark until nothing does."""
    sys.stdin.read()
    while left := marked(sys.argv[1]):
        for process in left:
            process.kill()
        psutil.wait_procs(left, timeout=GONE_SECONDS)


if __name__ == "__main__":
    main()
