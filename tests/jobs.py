"""Running the job as a user does: as a process of its own, against a real server, with the tree it leaves hashed."""

import hashlib
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import duckdb

from pipelines.report.page import LIBRARY
from schemas.weights import entry_of, path_of

ROOT = Path(__file__).resolve().parent.parent

LAUNCHED = re.compile(rb'"seconds":[\d.]+,"started":"[^"]+",')


def command(*flags: str) -> list[str]:
    return [sys.executable, "-m", "pipelines.recaption", *flags]


def run(*flags: str, status: int = 0, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(command(*flags), cwd=ROOT, capture_output=True, text=True, timeout=timeout)
    assert done.returncode == status, f"status {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done


def start(*flags: str) -> subprocess.Popen[bytes]:
    """Start the job in a session of its own, so that whatever it leaves behind can be found."""
    return subprocess.Popen(command(*flags), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)


def flags_for(corpus: Path, output: Path, endpoint: str, *more: str) -> list[str]:
    """Return the flags of a small job that sees images and captions them at ``endpoint``, without the slow start of the taggers."""
    settings = {
        "captioner.endpoint": endpoint,
        "captioner.model": "scripted",
        "captioner.prompt": "recaption",
        "facts": "null",
        "captioner.backoff_seconds": 0.01,
        "input.corpus": "test",
        "input.split_samples": 20,
        "output.shard_mb": 2,
    }
    return [f"--input={corpus}", f"--output={output}", *(f"--set={key}={value}" for key, value in settings.items()), *more]


def run_folder(output: Path) -> Path:
    """Return the one finished run below ``output``."""
    (manifest,) = output.glob("recaption/*/manifest.json")
    return manifest.parent


def tree(folder: Path, but: Sequence[str] = ()) -> dict[str, str]:
    """Return the SHA-256 of every file below ``folder`` by its relative path, ``timeless``, without those below the folders ``but``."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    named = {str(path.relative_to(folder)): path for path in files if path.relative_to(folder).parts[0] not in but}
    return {name: hashlib.sha256(timeless(path.read_bytes())).hexdigest() for name, path in named.items()}


def query(run: Path, sql: str) -> list[tuple]:
    """Run ``sql`` over the tables samples, ledger and dead of a run, and described where it has one."""
    with duckdb.connect() as base:
        for table in ("samples", "ledger", "dead", *(["described"] if (run / "described").exists() else [])):
            base.sql(f"create view {table} as select * from read_parquet('{run}/{table}/*.parquet')")
        return base.sql(sql).fetchall()


def timeless(data: bytes) -> bytes:
    """Return the bytes of a file without when its run was launched and how long it took, which a report tells."""
    return LAUNCHED.sub(b"", data)


def charts_alone(folder: Path) -> str:
    """Return a cache folder in which no model can be found: a report needs its charts and nothing else."""
    folder.mkdir()
    (folder / entry_of(LIBRARY).file).symlink_to(path_of(LIBRARY))
    return str(folder)
