"""The memory of a run does not grow with its input: what flows is one split at a time, whatever the number of splits."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from tests import images, jobs
from tests.scripted_server import ScriptedServer

SPLIT_SAMPLES = 3
FEW, MANY = 10, 1000
IMAGE_BYTES = 120_000
ALLOWED = 40 * 2**20
"""Bytes by which the larger run may exceed the smaller. Beam's local runner holds what crosses a shuffle, which is no image: for
each split the verdicts on it and a few keys. 1,000 splits were measured at 18 MB above 10, and as much again is for noise. The images
are 356 MB."""

JOB = """
import atexit, pathlib, runpy, sys
report = pathlib.Path(sys.argv.pop(1))
atexit.register(lambda: report.write_text(pathlib.Path("/proc/self/status").read_text()))
runpy.run_module("pipelines.recaption", run_name="__main__")
"""
"""``python -m pipelines.recaption`` that tells at its end how much memory it held. The kernel's own count of a child that has ended
would begin with the memory of the process that it was forked from."""


def samples(splits: int) -> Iterator[images.Sample]:
    """Yield few distinct pictures, each a file unlike all others by the bytes behind its end."""
    pictures = [images.photo(seed) for seed in range(8)]
    for number in range(splits * SPLIT_SAMPLES):
        unlike = pictures[number % len(pictures)] + f"{number:09d}".encode()
        yield {"jpg": unlike.ljust(IMAGE_BYTES, b"\0"), "txt": f"A small harbour at dusk, print number {number}"}


def peak_bytes(folder: Path, splits: int) -> int:
    """Run the job over so many splits and return the most memory that it held."""
    images.write_tar(folder / "pool" / "pool.tar", samples(splits))
    report = folder / "status"
    with ScriptedServer() as server:
        flags = jobs.flags_for(folder / "pool", folder / "out", server.endpoint, f"--set=input.split_samples={SPLIT_SAMPLES}")
        done = subprocess.run([sys.executable, "-c", JOB, str(report), *flags], cwd=jobs.ROOT, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        assert len(server.alt_texts) == splits * SPLIT_SAMPLES
    assert len(list((folder / "out").glob("recaption-pass/*/*.parquet"))) == splits
    (peak,) = (line.split()[1] for line in report.read_text().splitlines() if line.startswith("VmHWM"))
    return int(peak) * 1024


def test_a_hundred_times_the_splits_take_the_same_memory(tmp_path: Path):
    few, many = peak_bytes(tmp_path / "few", FEW), peak_bytes(tmp_path / "many", MANY)
    corpus = (MANY - FEW) * SPLIT_SAMPLES * IMAGE_BYTES
    assert corpus > 8 * ALLOWED
    assert many - few < ALLOWED, f"{few / 2**20:.0f} MB for {FEW} splits, {many / 2**20:.0f} MB for {MANY}"
