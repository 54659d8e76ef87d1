"""A real vLLM server on the CPU, as a process of its own that serves the model of ``make_model``."""

import os
import socket
import subprocess
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
from tenacity import RetryError, Retrying, retry_if_exception_type, stop_after_delay, wait_fixed

HERE = Path(__file__).resolve().parent
PYTHON = HERE.parents[1] / ".venv-serving/bin/python"
"""The interpreter of the server: it has libraries of its own, in versions that are not ours."""
MODEL = "glm-tiny"
CONTEXT = 4096
IMAGES_PER_PROMPT = 2
START_SECONDS = 400.0
"""How long a start may take (ours; measured: 35 to 80 s on two cores that others use too)."""
END_SECONDS = 30.0
"""How long the processes may take to end before they are killed (ours; measured: 4 to 20 s)."""
LOG_LINES = 60
"""Lines of the server's log that a failure shows (ours)."""

FLAGS = {
    "--served-model-name": MODEL,
    "--host": "127.0.0.1",
    "--dtype": "bfloat16",
    "--max-model-len": str(CONTEXT),
    "--max-num-seqs": "8",
    "--limit-mm-per-prompt": f'{{"image": {IMAGES_PER_PROMPT}, "video": 0}}',
    "--reasoning-parser": "glm45",
    # A model of random weights would write white space between the tokens of its JSON for ever.
    "--structured-outputs-config": '{"backend": "xgrammar", "disable_any_whitespace": true}',
}
ENVIRONMENT = {
    "PYTHONPATH": str(HERE / "server"),
    "HF_HUB_OFFLINE": "1",
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",
    "OMP_NUM_THREADS": "2",
}


@dataclass(frozen=True)
class Server:
    """A server, its address and its log."""

    endpoint: str
    log: Path
    leader: psutil.Popen
    """The process that answers HTTP; its descendants run the model."""

    def tail(self) -> str:
        """Return the end of the log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-LOG_LINES:])

    def wait_until_healthy(self) -> None:
        """Return when it answers; raises ``RuntimeError`` with the end of the log if it has ended, or does not answer in time."""
        patient = Retrying(retry=retry_if_exception_type(httpx.TransportError), stop=stop_after_delay(START_SECONDS), wait=wait_fixed(0.5))
        try:
            patient(self._check)
        except RetryError as error:
            raise RuntimeError(f"vLLM did not answer within {START_SECONDS:g} s:\n{self.tail()}") from error

    def _check(self) -> None:
        if self.leader.poll() is not None:
            raise RuntimeError(f"vLLM ended with status {self.leader.returncode} before it answered:\n{self.tail()}")
        httpx.get(self.endpoint.replace("/v1", "/health"), timeout=5).raise_for_status()

    def kill(self) -> None:
        """Kill the process that answers, and end the others, which it leaves behind."""
        family = self._family()
        self.leader.kill()
        _end(family)

    def end(self) -> None:
        """Ask its processes to end, and kill what has not ended in time."""
        _end(self._family())

    def _family(self) -> Sequence[psutil.Process]:
        return [self.leader, *self.leader.children(recursive=True)] if self.leader.is_running() else []


@contextmanager
def serve(model: Path, log: Path) -> Generator[Server]:
    """Serve the model in ``model`` while the block runs, in a process group of its own; the server writes to ``log``."""
    port = _free_port()
    with log.open("wb") as file:
        leader = psutil.Popen(
            [PYTHON, "-m", "vllm.entrypoints.openai.api_server", *_flags(model, port)],
            env=environment(), stdin=subprocess.DEVNULL, stdout=file, stderr=file, cwd=log.parent, process_group=0,
        )  # fmt: skip
    server = Server(f"http://127.0.0.1:{port}/v1", log, leader)
    try:
        server.wait_until_healthy()
        yield server
    finally:
        server.end()


def make_model(folder: Path) -> Path:
    """Write the model into ``folder`` and return it."""
    done = subprocess.run([PYTHON, HERE / "make_model.py", folder], env=environment(), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


def _end(family: Sequence[psutil.Process]) -> None:
    for process in family:
        with suppress(psutil.NoSuchProcess):
            process.terminate()
    for process in psutil.wait_procs(family, timeout=END_SECONDS)[1]:
        with suppress(psutil.NoSuchProcess):
            process.kill()


def environment() -> dict[str, str]:
    """Return the environment of whatever runs in ``PYTHON``."""
    return {**os.environ, **ENVIRONMENT}


def _flags(model: Path, port: int) -> Iterator[str]:
    for name, value in {"--model": str(model), "--port": str(port), **FLAGS}.items():
        yield from (name, value)
    yield "--enforce-eager"


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]
