"""Say whether this machine can run the pipelines, and how to mend it: ``python -m jobs.doctor [--endpoint URL]``.

One line a check: ``ok``, ``warn`` (something will not work, but not everybody needs it) or ``missing``. Below each line
that is not ``ok`` stands the command that mends it. Exit status 1 if anything is missing.
"""

# Only the standard library up here: a doctor who needs the packages that are missing says nothing about them.
from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from schemas.weights import Weights

OK, WARN, MISSING = "ok", "warn", "missing"
GIB = 2**30
LOCK = Path(__file__).resolve().parents[1] / "requirements.lock"
CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")
VOCABULARY = "vocabulary.txt"
"""``filters.vocabulary.BUILT``, which stands among imports that a doctor does without."""
WORD_LISTS = ("wordnet", "wordfreq", "geonames", "thuocl", "jieba")
"""``jobs.vocabulary.LISTS``, likewise."""
OWN_IMPORTS = ("PIL", "httpx", "numpy", "pyarrow")
"""What the checks below the packages import themselves."""


@dataclass(frozen=True, slots=True)
class Check:
    """What was found, and the command that mends it (empty where nothing is wrong)."""

    name: str
    state: str
    detail: str
    mend: str = ""


@dataclass(frozen=True)
class Needs:
    """What a machine should have."""

    python: tuple[tuple[int, int], tuple[int, int]] = ((3, 11), (3, 14))
    """First version that will do and first that will not (wheels of apache-beam 2.77 and torch 2.13)."""
    disk: int = 5 * GIB
    """Bytes free beside the cache and the runs (ours: the cache takes 1.3 GB, a demo run a few MB)."""
    memory: int = 4 * GIB
    """Bytes (ours; measured: 1.9 GB for the embedded Qwen2.5-Coder-1.5B, the rest for the workers)."""
    cores: int = 2
    """Below it the embedded server and the pipeline wait for each other (ours)."""
    endpoint_seconds: float = 5.0


def checks(endpoint: str | None, needs: Needs) -> Iterator[Check]:
    """Yield every check of this machine; with an ``endpoint``, what only the embedded server needs is no more than a warning."""
    yield python_version(sys.version_info[:2], needs)
    yield from packages(LOCK)
    lost = [name for name in OWN_IMPORTS if find_spec(name) is None]
    if lost:
        yield Check("libraries", MISSING, f"no {', '.join(lost)}; nothing else was looked at", f"{sys.executable} -m pip install -r {LOCK}")
        return
    yield from _with_libraries(endpoint, needs)


def _with_libraries(endpoint: str | None, needs: Needs) -> Iterator[Check]:
    from jobs.demo_corpus import POOL
    from pipelines.report.page import LIBRARY
    from schemas.weights import TABLE, cache_dir

    yield server_library(needed=endpoint is None)
    for entry in TABLE.values():
        embedded = endpoint is None and entry.name in ("qwen", "efficientnet", "imagenet")
        yield weights(entry, cache_dir(), needed=embedded or entry.name == LIBRARY)
    yield demo_corpus(cache_dir() / POOL)
    yield vocabulary(cache_dir())
    yield disk(cache_dir(), needs)
    yield machine(memory_bytes(), os.cpu_count() or 1, needs)
    yield chromium()
    if endpoint:
        yield reachable(endpoint, needs)


def python_version(version: tuple[int, int], needs: Needs) -> Check:
    """Whether ``version`` of Python is one that the pins allow."""
    first, beyond = needs.python
    found = f"{version[0]}.{version[1]}, expected {first[0]}.{first[1]} to {beyond[0]}.{beyond[1] - 1}"
    if first <= version < beyond:
        return Check("python", OK, found)
    return Check("python", MISSING, found, f"make clean env PYTHON=python{first[0]}.{first[1]}")


def packages(lock: Path) -> list[Check]:
    """Whether each ``name==version`` of ``lock`` is installed: a check for each that is not, or one for all."""
    if not lock.is_file():
        return [Check("packages", MISSING, f"no {lock}", "make lock env")]
    lines = enumerate(lock.read_text(encoding="utf-8").splitlines(), 1)
    pinned = [(number, text) for number, line in lines if (text := line.partition("#")[0].strip())]
    found = [_package(text, f"{lock.name}:{number}") for number, text in pinned]
    wrong = [check for check in found if check.state != OK]
    return wrong or [Check("packages", OK, f"all {len(found)} of {lock.name} at their versions")]


def _package(text: str, place: str) -> Check:
    pin = re.fullmatch(r"([\w.-]+)==(\S+)", text, re.ASCII)
    if pin is None:
        return Check("packages", MISSING, f"{place}: expected name==version, found {text!r}", "make lock env")
    name, version = pin.groups()
    try:
        found = metadata.version(name)
    except metadata.PackageNotFoundError:
        found = "none"
    # The build tag of an installed version, as in 2.13.0+cpu, is a matter of the machine unless the lock names one.
    if version in (found, found.partition("+")[0]):
        return Check(name, OK, found)
    return Check(name, MISSING, f"expected {version}, found {found}", f"{sys.executable} -m pip install {text}")


def server_library(*, needed: bool) -> Check:
    """Whether the library of the embedded server can be loaded; in a process of its own, since a wrong CPU would end this one."""
    done = subprocess.run([sys.executable, "-c", "import xllamacpp"], capture_output=True, text=True, check=False)
    if done.returncode == 0:
        return Check("xllamacpp", OK, "can be imported")
    said = (done.stderr.strip().splitlines() or [f"status {done.returncode}"])[-1]
    return Check("xllamacpp", MISSING if needed else WARN, said, f"{sys.executable} -m pip install -r {LOCK.name}")


def weights(entry: Weights, cache: Path, *, needed: bool) -> Check:
    """Whether the file of ``entry`` is in ``cache`` and is the pinned one."""
    from schemas.weights import is_pinned

    path = cache / entry.file
    if is_pinned(path, entry):
        return Check(f"weights {entry.name}", OK, str(path))
    found = f"{path} is not the pinned file" if path.exists() else f"no {path}"
    return Check(f"weights {entry.name}", MISSING if needed else WARN, found, f"{sys.executable} -m jobs.fetch {entry.name}")


def demo_corpus(pool: Path) -> Check:
    """Whether the demo pool has been built."""
    from jobs.demo_corpus import SHARDS

    if all((pool / shard).is_file() for shard in SHARDS):
        return Check("demo corpus", OK, str(pool))
    return Check("demo corpus", WARN, f"none at {pool}", f"{sys.executable} -m jobs.fetch museum && {sys.executable} -m jobs.demo_corpus")


def vocabulary(cache: Path) -> Check:
    """Whether the vocabulary of concepts has been built; its own module is not asked, since it loads the matcher."""
    path = cache / VOCABULARY
    if path.is_file():
        return Check("vocabulary", OK, str(path))
    mend = f"{sys.executable} -m jobs.fetch {' '.join(WORD_LISTS)} && {sys.executable} -m jobs.vocabulary"
    return Check("vocabulary", WARN, f"no {path}; caption curation balances concepts by it", mend)


def disk(folder: Path, needs: Needs) -> Check:
    """Whether the disk of ``folder``, which may not exist yet, has room."""
    there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
    free = shutil.disk_usage(there).free
    found = f"{free / GIB:.1f} GiB free at {there}, expected {needs.disk / GIB:.0f}"
    return Check("disk", OK, found) if free >= needs.disk else Check("disk", WARN, found, "export GLMV_CACHE=/a/larger/disk")


def machine(memory: int, cores: int, needs: Needs) -> Check:
    """Whether ``memory`` in bytes and ``cores`` will do for the embedded server beside the pipeline."""
    found = f"{memory / GIB:.1f} GiB and {cores} cores, expected {needs.memory / GIB:.0f} and {needs.cores}"
    if memory >= needs.memory and cores >= needs.cores:
        return Check("machine", OK, found)
    return Check("machine", WARN, found, "serve the model elsewhere: --set captioner.endpoint=http://HOST:8000/v1")


def memory_bytes() -> int:
    """Return the memory that this process may use: of the machine, or of its control group where that is less."""
    whole = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    limit = CGROUP_LIMIT.read_text().strip() if CGROUP_LIMIT.is_file() else "max"
    return whole if limit == "max" else min(whole, int(limit))


def chromium() -> Check:
    """Whether there is a browser for the tests of reports."""
    found = shutil.which("chromium", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/bin"]))
    if found:
        return Check("chromium", OK, found)
    return Check("chromium", WARN, "none; the browser tests need it", "apt-get install --no-install-recommends chromium")


def reachable(endpoint: str, needs: Needs) -> Check:
    """Whether an OpenAI-compatible server answers at ``endpoint``, such as ``http://127.0.0.1:8000/v1``."""
    import httpx

    address = f"{endpoint.rstrip('/')}/models"
    try:
        answer = httpx.get(address, timeout=needs.endpoint_seconds)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        return Check(
            "endpoint", MISSING, f"{address}: {type(error).__name__}: {error}", "start the server, or name the address at which it listens"
        )
    if answer.status_code in (401, 403):
        return Check(
            "endpoint",
            WARN,
            f"{address} answers, and asks for a key ({answer.status_code})",
            "export the key under the name that the job states",
        )
    if not answer.is_success:
        return Check("endpoint", MISSING, f"{address} answers {answer.status_code}", "name the address with its path, usually /v1")
    return Check("endpoint", OK, f"{address} answers")


def line_of(check: Check) -> str:
    """Return ``check`` as it is printed."""
    line = f"{check.state:8}{check.name:22}{check.detail}"
    return f"{line}\n{'':8}{'':22}mend: {check.mend}" if check.mend else line


def main(argv: Sequence[str] | None = None) -> int:
    """Print every check; exit status 1 if anything is missing."""
    parser = argparse.ArgumentParser(prog="python -m jobs.doctor", description="Say whether this machine can run the pipelines.")
    parser.add_argument("--endpoint", metavar="URL", help="address of a served captioner, such as http://127.0.0.1:8000/v1")
    found: list[Check] = []
    for check in checks(parser.parse_args(argv).endpoint, Needs()):
        print(line_of(check), flush=True)
        found.append(check)
    return int(any(check.state == MISSING for check in found))


if __name__ == "__main__":
    sys.exit(main())
