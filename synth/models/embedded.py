"""The embedded server: a GGUF model behind the OpenAI HTTP API on 127.0.0.1, for local runners only.

``serve`` starts ``python -m synth.models.embedded WEIGHTS`` as a child and holds the write end of its standard input. When
that pipe closes, because the block ends or because the parent is gone (also by ``kill -9``), the child ends at once. A
process that the parent forks without exec holds the pipe too and keeps the server alive; Beam's workers are not of that kind.
"""

import argparse
import fcntl
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from schemas.exits import EnvironmentFault

ROOT = Path(__file__).resolve().parents[2]
LOG_LINES = 8
"""Lines of the server's log that go into an error message (ours)."""
END_SECONDS = 10.0
"""How long a server may take to end before it is killed (ours; measured: below 0.1 s)."""


@contextmanager
def serve(weights: Path, *, context: int = 2048, threads: int = 2, cache: bool = False, start_seconds: float = 300.0) -> Generator[str]:
    """Serve ``weights`` while the block runs and yield the endpoint, ``http://127.0.0.1:PORT/v1``; any ``model`` name is accepted.

    ``context`` is in tokens, prompt and answer together. Requests are answered one after the other. At temperature 0 an
    answer depends on its request alone, unless ``cache`` is on: the server then reads the common beginning of prompts once,
    which doubles its speed on short captions, but the answers of Qwen2.5-Coder-1.5B changed with the order of the requests.
    Raises ``EnvironmentFault`` where the server does not start within ``start_seconds``.
    """
    if not weights.is_file():
        raise EnvironmentFault(f"expected model weights at {weights}, found no file; run: python -m jobs.fetch")
    with tempfile.TemporaryFile() as log:
        server = _start(weights, context, threads, cache, log)
        try:
            yield _address(server, weights, start_seconds) + "/v1"
        except EnvironmentFault as fault:
            if server.poll() is None:
                raise
            raise _explained(fault, server.returncode, log) from fault
        finally:
            _end(server)


def _start(weights: Path, context: int, threads: int, cache: bool, log: Any) -> subprocess.Popen[bytes]:
    """Start the child, in a session of its own so that an interrupt from the keyboard reaches it through the pipe alone."""
    # Waiting OpenMP threads spin by default, which takes the cores from the pipeline beside it (measured: up to 10 times slower).
    quiet = {"OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": str(threads)}
    paths = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    command = [sys.executable, "-m", __name__, str(weights.resolve()), "--context", str(context), "--threads", str(threads)]
    command += ["--cache"] * cache
    environment = {**os.environ, **quiet, "PYTHONPATH": paths}
    return subprocess.Popen(  # noqa: S603 - our own module in our own interpreter
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, env=environment, start_new_session=True
    )


def _address(server: subprocess.Popen[bytes], weights: Path, start_seconds: float) -> str:
    """Return the line that the child prints when it is ready."""
    assert server.stdout is not None
    ready, _, _ = select.select([server.stdout], [], [], start_seconds)
    line = server.stdout.readline().decode().strip() if ready else ""
    if line:
        return line
    found = f"no address within {start_seconds:g} s" if not ready else f"the end of its process, status {server.wait()}"
    raise EnvironmentFault(
        f"expected the embedded server to serve {weights} ({weights.stat().st_size:,} bytes), found {found}; "
        "if the file is damaged, delete it and run: python -m jobs.fetch; if memory or a library is missing, run: python -m jobs.doctor"
    )


def _explained(fault: EnvironmentFault, status: int, log: Any) -> EnvironmentFault:
    """Return ``fault`` with what the dead server said last: its client saw no more than a refused connection."""
    log.seek(0)
    lines = log.read().decode(errors="replace").strip().splitlines()[-LOG_LINES:]
    return EnvironmentFault(
        "\n".join([str(fault), f"the embedded server had ended with status {status}; the last lines of its log:", *lines])
    )


def _end(server: subprocess.Popen[bytes]) -> None:
    assert server.stdin is not None
    assert server.stdout is not None
    server.stdin.close()
    server.stdout.close()
    try:
        server.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        server.kill()
        server.wait()


def end_with_parent() -> None:
    """Have the kernel end this process when its standard input closes, whatever the process is doing then.

    A thread that waits for the end of input would not do: xllamacpp holds the interpreter's lock while it loads a model
    (measured: 6.5 s for 1.1 GB). With O_ASYNC the kernel sends SIGIO instead, whose default action ends the process.
    """
    signal.signal(signal.SIGIO, signal.SIG_DFL)
    fcntl.fcntl(0, fcntl.F_SETOWN, os.getpid())
    fcntl.fcntl(0, fcntl.F_SETFL, fcntl.fcntl(0, fcntl.F_GETFL) | os.O_ASYNC)
    closed_before, _, _ = select.select([0], [], [], 0)
    if closed_before:
        os._exit(0)


def load(weights: str, context: int, threads: int, cache: bool) -> Any:
    """Return a listening ``xllamacpp.Server`` on a free port of 127.0.0.1."""
    import xllamacpp

    library: Any = xllamacpp  # compiled, without types
    params = library.CommonParams()
    params.model.path = weights
    params.n_ctx = context
    params.n_parallel = 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.hostname, params.port = "127.0.0.1", 0
    params.cache_prompt, params.cache_idle_slots = cache, False
    params.cache_ram_mib = 0
    params.warmup = params.ui = params.endpoint_slots = False
    params.fit_params = False
    params.verbosity = 2
    return library.Server(params)


def main(argv: Sequence[str] | None = None) -> None:
    """Serve until standard input closes; the address is the one line on standard output, all else goes to standard error."""
    parser = argparse.ArgumentParser(prog="python -m synth.models.embedded")
    parser.add_argument("weights")
    parser.add_argument("--context", type=int, default=2048)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--cache", action="store_true")
    options = parser.parse_args(argv)
    end_with_parent()
    announce = os.dup(1)
    os.dup2(2, 1)  # nothing that the library prints may be taken for the address
    try:
        server = load(options.weights, options.context, options.threads, options.cache)
    except RuntimeError as fault:
        sys.exit(str(fault))
    os.write(announce, f"{server.listening_address}\n".encode())
    while os.read(0, 1):
        pass
    # Destroying the server waits for a request under way, and nobody is left to read its answer.
    os._exit(0)


if __name__ == "__main__":
    main()
