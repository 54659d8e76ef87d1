"""What the doctor says of machines that lack something."""

import hashlib
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib import metadata
from pathlib import Path
from threading import Thread

import pytest

from filters.vocabulary import BUILT
from jobs import doctor
from jobs.doctor import MISSING, OK, WARN, Check, Needs
from jobs.vocabulary import LISTS
from schemas.weights import CACHE_VARIABLE, TABLE
from tests import jobs

NUMPY = metadata.version("numpy")


@pytest.fixture
def lock(tmp_path: Path) -> Path:
    return tmp_path / "requirements.lock"


class Models(BaseHTTPRequestHandler):
    """Answers ``/v1/models``, asks for a key at ``/locked/models``, and has nothing else."""

    def do_GET(self) -> None:
        self.send_response({"/v1/models": 200, "/locked/models": 401}.get(self.path, 404))
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def server() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), Models) as http:
        thread = Thread(target=http.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


def test_a_lock_that_is_met_is_one_line(lock: Path) -> None:
    lock.write_text(f"# made by make lock\n\nnumpy=={NUMPY}\nPyYAML=={metadata.version('pyyaml')}  # a comment\n")
    (check,) = doctor.packages(lock)
    assert (check.state, check.mend) == (OK, "")
    assert "2" in check.detail


@pytest.mark.parametrize(
    "line", ["numpy", "numpy>=2", "numpy==", "<<<<<<< HEAD", "numpy @ file:///somewhere", "numpy==2; sys_platform == 'x'"]
)
def test_a_broken_line_of_the_lock_is_named_by_its_number(lock: Path, line: str) -> None:
    lock.write_text(f"numpy=={NUMPY}\n{line}\n")
    (check,) = doctor.packages(lock)
    assert check.state == MISSING
    assert f"requirements.lock:2: expected name==version, found '{line}'" in check.detail.replace('"', "'")
    assert "make lock" in check.mend


def test_each_package_that_is_absent_or_another_version_has_a_line_and_its_command(lock: Path) -> None:
    lock.write_text(f"numpy==0.1\nno-such-package==1.0\npytest=={metadata.version('pytest')}\n")
    numpy, absent = doctor.packages(lock)
    assert (numpy.name, numpy.state, numpy.detail) == ("numpy", MISSING, f"expected 0.1, found {NUMPY}")
    assert (absent.name, absent.state, absent.detail) == ("no-such-package", MISSING, "expected 1.0, found none")
    assert absent.mend == f"{sys.executable} -m pip install no-such-package==1.0"


def test_a_build_tag_is_a_matter_of_the_machine_and_a_longer_version_is_not(lock: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metadata, "version", lambda _: "2.13.0+cpu")
    for pinned, state in (("2.13.0", OK), ("2.13.0+cpu", OK), ("2.13", MISSING), ("2.13.0+cu130", MISSING)):
        lock.write_text(f"torch=={pinned}\n")
        assert doctor.packages(lock)[0].state == state, pinned


def test_without_a_lock_the_command_that_makes_one_is_named(lock: Path) -> None:
    (check,) = doctor.packages(lock)
    assert (check.state, check.mend) == (MISSING, "make lock env")


@pytest.mark.parametrize(("version", "state"), [((3, 10), MISSING), ((3, 11), OK), ((3, 13), OK), ((3, 14), MISSING)])
def test_python_must_be_one_that_the_pins_allow(version: tuple[int, int], state: str) -> None:
    check = doctor.python_version(version, Needs())
    assert check.state == state
    assert ("make" in check.mend) == (state == MISSING)


def test_weights_are_looked_for_in_the_cache(tmp_path: Path) -> None:
    entry = TABLE["imagenet"]
    absent = doctor.weights(entry, tmp_path, needed=True)
    assert (absent.state, absent.mend) == (MISSING, f"{sys.executable} -m jobs.fetch imagenet")
    assert doctor.weights(entry, tmp_path, needed=False).state == WARN
    (tmp_path / entry.file).write_bytes(b"half")
    damaged = doctor.weights(entry, tmp_path, needed=True)
    assert damaged.state == MISSING
    assert "not the pinned file" in damaged.detail
    whole = replace(entry, size=4, sha256=hashlib.sha256(b"half").hexdigest())
    assert doctor.weights(whole, tmp_path, needed=True).state == OK


def test_the_demo_corpus_is_two_shards(tmp_path: Path) -> None:
    (tmp_path / "00000.tar").touch()
    assert doctor.demo_corpus(tmp_path).state == WARN
    assert "jobs.demo_corpus" in doctor.demo_corpus(tmp_path).mend
    (tmp_path / "00001.tar").touch()
    assert doctor.demo_corpus(tmp_path).state == OK


def test_the_vocabulary_is_a_file_in_the_cache_and_the_command_that_builds_it_is_named(tmp_path: Path) -> None:
    absent = doctor.vocabulary(tmp_path)
    assert (absent.state, absent.detail.split(";")[0]) == (WARN, f"no {tmp_path / BUILT}")
    assert absent.mend == f"{sys.executable} -m jobs.fetch {' '.join(LISTS)} && {sys.executable} -m jobs.vocabulary"
    (tmp_path / BUILT).touch()
    assert doctor.vocabulary(tmp_path) == Check("vocabulary", OK, str(tmp_path / BUILT))


def test_the_disk_of_a_folder_that_is_not_there_yet_is_looked_at(tmp_path: Path) -> None:
    assert doctor.disk(tmp_path / "not" / "yet", Needs(disk=0)).state == OK
    short = doctor.disk(tmp_path / "not" / "yet", Needs(disk=2**60))
    assert short.state == WARN
    assert "GLMV_CACHE" in short.mend


@pytest.mark.parametrize(("gib", "cores", "state"), [(8, 2, OK), (4, 2, OK), (3, 8, WARN), (64, 1, WARN)])
def test_memory_and_cores_are_held_against_what_the_embedded_server_needs(gib: int, cores: int, state: str) -> None:
    check = doctor.machine(gib * 2**30, cores, Needs())
    assert check.state == state
    assert f"{gib}.0 GiB and {cores} cores" in check.detail


def test_the_memory_of_a_container_is_its_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(doctor, "CGROUP_LIMIT", limit)
    whole = doctor.memory_bytes()
    assert whole > 2**28
    for text, expected in (("max\n", whole), ("1048576\n", 2**20), (f"{2**60}\n", whole)):
        limit.write_text(text)
        assert doctor.memory_bytes() == expected


@pytest.mark.parametrize(
    ("path", "state", "said"), [("/v1", OK, "answers"), ("/v1/", OK, "answers"), ("/locked", WARN, "key"), ("", MISSING, "404")]
)
def test_an_endpoint_is_asked_for_its_models(server: str, path: str, state: str, said: str) -> None:
    check = doctor.reachable(server + path, Needs())
    assert check.state == state
    assert said in check.detail


def test_an_endpoint_where_nothing_listens_or_nothing_answers_is_missing() -> None:
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/v1"
        refused = doctor.reachable(address, Needs())
        silent.listen()
        unanswered = doctor.reachable(address, Needs(endpoint_seconds=0.1))
    assert (refused.state, unanswered.state) == (MISSING, MISSING)
    assert "ConnectError" in refused.detail
    assert "Timeout" in unanswered.detail
    assert doctor.reachable("no address at all", Needs()).state == MISSING


def test_a_served_model_makes_the_weights_of_the_embedded_one_dispensable(
    tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))

    def qwen(endpoint: str | None) -> Check:
        return next(check for check in doctor.checks(endpoint, Needs()) if check.name == "weights qwen")

    assert qwen(None).state == MISSING
    assert qwen(f"{server}/v1").state == WARN


def test_the_exit_status_is_1_if_and_only_if_something_is_missing(
    lock: Path, tmp_path: Path, server: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, jobs.charts_alone(tmp_path / "cache"))
    monkeypatch.setattr(doctor, "LOCK", lock)
    lock.write_text(f"numpy=={NUMPY}\n")
    assert doctor.main(["--endpoint", f"{server}/v1"]) == 0
    assert "missing" not in capsys.readouterr().out
    lock.write_text(f"numpy=={NUMPY}\nnumpy>2\n")
    assert doctor.main(["--endpoint", f"{server}/v1"]) == 1
    assert "mend: make lock env" in capsys.readouterr().out


def test_every_line_that_is_not_ok_says_how_to_mend_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    monkeypatch.setattr(doctor, "LOCK", tmp_path / "absent.lock")
    for check in doctor.checks("http://127.0.0.1:1/v1", Needs(disk=2**60, memory=2**60)):
        assert bool(check.mend) == (check.state != OK), check


def test_a_library_that_the_doctor_itself_needs_is_reported_and_not_a_crash() -> None:
    """``-S`` leaves out every installed package."""
    root = Path(doctor.__file__).resolve().parents[1]
    command = [sys.executable, "-S", "-m", "jobs.doctor"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=root, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr == ""
    assert "no PIL, httpx, numpy, pyarrow; nothing else was looked at" in done.stdout
