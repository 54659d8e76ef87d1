"""Running ``python -m pipelines.ingest`` as a user does, over lists of addresses of the hostile server."""

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from tests import images, jobs

COMMAND = [sys.executable, "-m", "pipelines.ingest"]


def flags_for(lists: Path, output: Path, *more: str, **settings: object) -> list[str]:
    """Return the flags of a small, impatient job that may ask this machine."""
    usual: dict[str, object] = {
        "input.corpus": "test",
        "input.split_urls": 10,
        "output.shard_mb": 1,
        "download.allow_networks": "[127.0.0.1/32]",
        "download.backoff_seconds": 0.001,
        "download.max_pause_seconds": 0.01,
        "download.retries": 1,
        "download.read_seconds": 2,
        "download.max_mb": 1,
    }
    chosen = {**usual, **{key.replace("__", "."): value for key, value in settings.items()}}
    return [f"--input={lists}", f"--output={output}", *(f"--set={key}={value}" for key, value in chosen.items()), *more]


def run(*flags: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*COMMAND, *flags], cwd=jobs.ROOT, capture_output=True, text=True, timeout=300)
    assert done.returncode == status, f"status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def start(*flags: str) -> subprocess.Popen[bytes]:
    """Start the job in a session of its own, so that whatever it leaves behind can be found."""
    return subprocess.Popen([*COMMAND, *flags], cwd=jobs.ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


def run_folder(output: Path) -> Path:
    """Return the one finished run below ``output``."""
    (manifest,) = output.glob("ingest/*/manifest.json")
    return manifest.parent


def write_list(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """Write a list of addresses, with the columns that the rows have, and return its path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist(list(rows)), path)
    os.utime(path, (images.WHEN, images.WHEN))
    return path
