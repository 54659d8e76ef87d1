"""The embedded server with the weights of SmolLM2, and its end in every way in which a parent can end."""

import json
import os
import select
import signal
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from jobs.fetch import fetch
from schemas.exits import EnvironmentFault
from schemas.weights import TABLE, cache_dir
from synth.models.embedded import serve

ROOT = Path(__file__).resolve().parents[1]
DEADLINE = 20.0

# Serves until it is killed; the first argument is the file of the weights.
PARENT = """
import sys
from pathlib import Path
from synth.models.embedded import serve
with serve(Path(sys.argv[1]), threads=1) as endpoint:
    print(endpoint, flush=True)
    sys.stdin.read()
"""

# Stands in for the library: says that loading has begun, then never returns and never gives up the interpreter's lock, which
# is what the library does for the seconds that a large model takes.
NEVER_LOADED = """
import ctypes, os
from types import SimpleNamespace

def CommonParams():
    return SimpleNamespace(model=SimpleNamespace(), cpuparams=SimpleNamespace(), cpuparams_batch=SimpleNamespace())

def Server(params):
    with open(os.environ["LOADING"], "w") as told:
        told.write("loading")
    ctypes.PyDLL(None).pause()
"""

# Stands in for the library: fills its standard output, more than a pipe holds, before it listens.
NOISY = """
import os
from types import SimpleNamespace

def CommonParams():
    return SimpleNamespace(model=SimpleNamespace(), cpuparams=SimpleNamespace(), cpuparams_batch=SimpleNamespace())

def Server(params):
    os.write(1, b"loading\\n" * 100_000)
    assert os.environ["OMP_WAIT_POLICY"] == "PASSIVE"
    return SimpleNamespace(listening_address=f"http://127.0.0.1:{os.environ['OMP_NUM_THREADS']}{params.cpuparams_batch.n_threads}")
"""

QUESTIONS = (
    "Write a caption for a picture of a bowl from Iran.",
    "Write a caption for a picture of the Great Wave by Hokusai.",
    "Write a caption for a picture of a circus sideshow by Seurat.",
)


@pytest.fixture(scope="session")
def smollm2() -> Path:
    return fetch(TABLE["smollm2"], cache_dir())


def ask(endpoint: str, question: str, model: str = "any") -> str:
    messages = [{"role": "user", "content": question}]
    body = {"model": model, "messages": messages, "max_tokens": 24, "temperature": 0, "seed": 0}
    request = urllib.request.Request(f"{endpoint}/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.load(answer)["choices"][0]["message"]["content"]


def children(pid: int) -> set[int]:
    return {int(child) for task in Path(f"/proc/{pid}/task").iterdir() for child in (task / "children").read_text().split()}


@contextmanager
def handle(pid: int) -> Iterator[int]:
    """A handle of a process, which unlike its number is never given to another one."""
    pidfd = os.pidfd_open(pid)
    try:
        yield pidfd
    finally:
        os.close(pidfd)


def ends_in_time(pidfd: int) -> bool:
    return bool(select.select([pidfd], [], [], DEADLINE)[0])


def end(pidfd: int) -> None:
    """Ends what a failed test would leave behind."""
    if not select.select([pidfd], [], [], 0)[0]:
        signal.pidfd_send_signal(pidfd, signal.SIGKILL)


@contextmanager
def parent_of_server(weights: Path, environment: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", PARENT, str(weights)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ, **environment}
    ) as parent:
        try:
            yield parent
        finally:
            parent.kill()


def kill_parent_and_wait(parent: subprocess.Popen[str], stack: ExitStack) -> bool:
    (child,) = children(parent.pid)
    pidfd = stack.enter_context(handle(child))
    stack.callback(end, pidfd)
    parent.kill()
    parent.wait()
    return ends_in_time(pidfd)


def never_loaded(folder: Path) -> dict[str, str]:
    """The environment in which loading a model never ends, and the named pipe that tells when it has begun."""
    (folder / "xllamacpp.py").write_text(NEVER_LOADED)
    os.mkfifo(folder / "loading")
    return {"PYTHONPATH": str(folder), "LOADING": str(folder / "loading")}


def test_the_same_request_has_the_same_answer_in_a_fresh_server_and_in_any_order(smollm2: Path) -> None:
    with serve(smollm2, threads=1) as endpoint:
        forwards = {question: ask(endpoint, question) for question in QUESTIONS}
    with serve(smollm2, threads=1) as endpoint:
        backwards = {question: ask(endpoint, question) for question in reversed(QUESTIONS)}
        again = {question: ask(endpoint, question) for question in QUESTIONS}
    assert all(forwards.values())
    assert forwards == backwards == again


def test_nothing_of_an_earlier_prompt_is_reused(smollm2: Path) -> None:
    body = {"model": "any", "messages": [{"role": "user", "content": QUESTIONS[0]}], "max_tokens": 1, "temperature": 0}
    with serve(smollm2, threads=1) as endpoint:
        ask(endpoint, QUESTIONS[0])
        request = urllib.request.Request(f"{endpoint}/chat/completions", json.dumps(body).encode(), {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert json.load(answer)["usage"]["prompt_tokens_details"]["cached_tokens"] == 0


def test_it_listens_on_this_machine_alone_under_any_model_name(smollm2: Path) -> None:
    with serve(smollm2, threads=1) as endpoint:
        assert endpoint.startswith("http://127.0.0.1:")
        assert endpoint.endswith("/v1")
        assert ask(endpoint, QUESTIONS[0], model="one") == ask(endpoint, QUESTIONS[0], model="another")
        with urllib.request.urlopen(f"{endpoint}/models", timeout=10) as models:
            assert models.status == 200


def test_a_prompt_longer_than_the_context_is_refused_with_400(smollm2: Path) -> None:
    with serve(smollm2, threads=1, context=256) as endpoint, pytest.raises(urllib.error.HTTPError) as refused:
        ask(endpoint, "word " * 600)
    with refused.value as answer:
        assert answer.code == 400


def test_the_server_ends_with_the_block(smollm2: Path) -> None:
    before = children(os.getpid())
    with ExitStack() as stack:
        with serve(smollm2, threads=1):
            (child,) = children(os.getpid()) - before
            pidfd = stack.enter_context(handle(child))
        assert ends_in_time(pidfd)


def test_the_server_ends_when_its_parent_is_killed(smollm2: Path) -> None:
    with ExitStack() as stack:
        parent = stack.enter_context(parent_of_server(smollm2, {}))
        assert parent.stdout is not None
        assert parent.stdout.readline().startswith("http://127.0.0.1:")
        assert kill_parent_and_wait(parent, stack)


def test_the_server_ends_when_its_parent_is_killed_while_the_model_is_loading(smollm2: Path, tmp_path: Path) -> None:
    with ExitStack() as stack:
        parent = stack.enter_context(parent_of_server(smollm2, never_loaded(tmp_path)))
        assert (tmp_path / "loading").read_text() == "loading"
        assert kill_parent_and_wait(parent, stack)


def test_a_server_whose_parent_was_gone_before_it_started_ends_without_loading(smollm2: Path) -> None:
    command = [sys.executable, "-m", "synth.models.embedded", str(smollm2)]
    done = subprocess.run(command, input=b"", capture_output=True, cwd=ROOT, timeout=DEADLINE, check=False)
    assert done.returncode in (0, -signal.SIGIO)
    assert done.stdout == b""


def test_missing_weights_are_named_with_the_command_that_fetches_them(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault, match=r"absent\.gguf.*python -m jobs\.fetch"), serve(tmp_path / "absent.gguf"):
        pass


def test_a_damaged_file_is_reported_with_what_the_server_said_of_it(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.gguf"
    damaged.write_bytes(b"GARBAGE!" * 1000)
    with pytest.raises(EnvironmentFault) as fault, serve(damaged):
        pass
    assert "invalid magic" in str(fault.value)
    assert "delete it and run" in str(fault.value)


def test_a_server_that_does_not_start_in_time_is_reported_and_ended(smollm2: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in never_loaded(tmp_path).items():
        monkeypatch.setenv(name, value)
    before = children(os.getpid())
    with pytest.raises(EnvironmentFault, match=r"no address within 0\.2 s"), serve(smollm2, start_seconds=0.2):
        pass
    assert children(os.getpid()) == before


def test_a_fault_in_the_block_tells_that_the_server_had_died(smollm2: Path) -> None:
    before = children(os.getpid())

    def lose_the_server() -> None:
        (child,) = children(os.getpid()) - before
        with handle(child) as pidfd:
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            assert ends_in_time(pidfd)
        raise EnvironmentFault("connection refused")

    with pytest.raises(EnvironmentFault, match=r"(?s)connection refused.*ended with status -9"), serve(smollm2, threads=1):
        lose_the_server()


def test_a_fault_in_the_block_passes_unchanged_while_the_server_lives(smollm2: Path) -> None:
    fault = EnvironmentFault("disk full")
    with pytest.raises(EnvironmentFault) as raised, serve(smollm2, threads=1):
        raise fault
    assert raised.value is fault


def test_a_library_that_prints_neither_blocks_nor_is_taken_for_the_address_and_its_idle_threads_sleep(
    smollm2: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "xllamacpp.py").write_text(NOISY)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with serve(smollm2, threads=3) as endpoint:
        assert endpoint == "http://127.0.0.1:33/v1"


def test_the_noise_of_the_server_stays_out_of_the_streams_of_its_parent(smollm2: Path, capfd: pytest.CaptureFixture[str]) -> None:
    with serve(smollm2, threads=1) as endpoint:
        ask(endpoint, QUESTIONS[0])
    assert capfd.readouterr() == ("", "")
