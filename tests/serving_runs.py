"""The dashboard as a user starts it: a process of its own over the folders of runs, and what is asked of it."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from pipelines.spine import commit
from tests.jobs import ROOT


@dataclass
class Served:
    """A server that runs, and a client of it."""

    process: subprocess.Popen[str]
    client: httpx.Client

    def get(self, path: str, status: int = 200, **params: Any) -> Any:
        """Return the JSON that is answered, with the status that is expected."""
        found = self.client.get(path, params=params)
        assert found.status_code == status, found.text[:500]
        assert found.headers["content-type"] == "application/json"
        return found.json()

    def refused(self, path: str, status: int = 400, **params: Any) -> str:
        """Return the error that is answered, and nothing besides it."""
        found = self.get(path, status, **params)
        assert found.keys() == {"error"}
        return found["error"]


def command(*words: str | Path) -> list[str]:
    return [sys.executable, "-m", "jobs.dashboard", *map(str, words)]


@contextmanager
def serving(*runs: Path, scratch: Path) -> Iterator[Served]:
    """Serve ``runs`` on a free port while the block runs; its temporary files go below ``scratch``."""
    env = {**os.environ, "TMPDIR": str(scratch)}
    process = subprocess.Popen(command(*runs, "--port=0"), cwd=ROOT, env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with process:
        try:
            assert process.stdout is not None
            said = process.stdout.readline()
            assert said.startswith("dashboard http://127.0.0.1:"), (said, process.stderr and process.stderr.read())
            with httpx.Client(base_url=said.split()[-1], timeout=60) as client:
                yield Served(process, client)
        finally:
            if process.poll() is None:
                process.kill()


def under_way(run: Path, output: Path) -> tuple[Path, list[Path]]:
    """Return a copy below ``output`` of the finished ``run`` as it was when nothing was committed, and the fragments that are to come.

    The copy's passes are its own, so that a fragment moved into them is seen by no other run.
    """
    manifest = json.loads((run / "manifest.json").read_text())
    folder = output / manifest["pipeline"] / manifest["run_id"]
    going = Path(commit.under_way(str(folder)))
    going.parent.mkdir(parents=True)
    told = {name: manifest[name] for name in ("pipeline", "run_id", "passes")}
    declared = json.loads((run / "report.json").read_text())["declared"]
    going.write_text(json.dumps({**told, "started": "2026-01-01T00:00:00+00:00", "declared": declared}))
    (output / manifest["passes"][-1]).mkdir(parents=True)
    return folder, sorted((run.parent.parent / manifest["passes"][-1]).glob("*.parquet"))


def come(run: Path, fragment: Path) -> Path:
    """Commit ``fragment`` to the last pass of ``run``, which is under way."""
    told = json.loads(Path(commit.under_way(str(run))).read_text())
    return Path(shutil.copy(fragment, run.parent.parent / told["passes"][-1]))
