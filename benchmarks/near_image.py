"""Near-duplicate images against imagededup: ``python -m benchmarks.near_image --imagededup-python VENV/bin/python``.

Pictures with planted copies, 2,400 and 600, are read, decoded, hashed and merged by both, interleaved. Answers come first: which
copies are found, and how many originals are lost to a false merge. imagededup 0.3.3 is not one of our packages; it needs an
environment of its own (``python -m venv VENV && VENV/bin/pip install imagededup==0.3.3``). The bar: 1,000 images a second on two cores,
every copy of the kinds that are claimed, no false merge.
"""

import argparse
import json
import resource
import statistics
import subprocess
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from benchmarks import pictures
from filters.decode import Decoder
from filters.near_image import NearImage
from filters.perceptual import SCALE, perceptual
from filters.signals import measure
from schemas import columns as c

Pairs = Sequence[tuple[str, str]]

PEER = """
import json, resource, sys, time
import torchvision.models as models
small = models.mobilenet_v3_small
models.mobilenet_v3_small = lambda weights=None: small()  # else the import downloads a network that hashes do not use
from imagededup.methods import PHash

def cpu():
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)

began, used = time.perf_counter(), cpu()
found = PHash(verbose=False).find_duplicates(
    image_dir=sys.argv[1], max_distance_threshold=10, num_enc_workers=int(sys.argv[2]), num_dist_workers=int(sys.argv[2])
)
wall, used = time.perf_counter() - began, cpu() - used
pairs = [(name, other) for name, others in found.items() for other in others]
print(json.dumps({"pairs": pairs, "wall": wall, "cpu": used}))
"""


@dataclass(frozen=True)
class Run:
    """What one run found and took."""

    pairs: Pairs
    wall: float
    cpu: float


def ours(folder: Path, workers: int) -> Run:
    """Read, decode, hash and compare every picture of ``folder``, with ``workers`` processes for all but the comparison."""
    paths = sorted(folder.iterdir())
    began, used = time.perf_counter(), _cpu()
    parts = [paths[start : start + 256] for start in range(0, len(paths), 256)]
    if workers == 1:
        batches = [hashed(part) for part in parts]
    else:
        with ProcessPoolExecutor(workers) as processes:
            batches = list(processes.map(hashed, parts))
    pairs = near_pairs(pa.Table.from_batches(batches).combine_chunks().to_batches()[0])
    return Run([(paths[i].name, paths[j].name) for i, j in pairs.tolist()], time.perf_counter() - began, _cpu() - used)


def hashed(paths: Sequence[Path]) -> pa.RecordBatch:
    """Return what the rule reads of the pictures at ``paths``, by the one decode that every signal comes from."""
    pixels = measure([path.read_bytes() for path in paths], Decoder(scale=SCALE))[1]
    embeddings = pa.nulls(len(paths), c.IMAGE_EMBEDDING.type)
    return pa.record_batch({**perceptual(pixels), c.IMAGE_EMBEDDING.name: embeddings})


def near_pairs(batch: pa.RecordBatch) -> npt.NDArray[np.int64]:
    """Return the rows of each near-duplicate pair of ``batch``, shape (p, 2)."""
    rule = NearImage()
    rows, keys, sketches = rule.buckets(batch)
    order = np.lexsort((rows, keys))
    rows, keys, sketches = rows[order], keys[order], sketches[order]
    found: list[npt.NDArray[np.int64]] = []
    here = np.arange(len(keys))
    for step in count(1):  # neighbours in a bucket, then neighbours but one, as far as the largest bucket reaches
        here = here[here < len(keys) - step]
        here = here[keys[here] == keys[here + step]]
        if not len(here):
            break
        near = here[(rows[here] != rows[here + step]) & rule.screen(sketches[here], sketches[here + step])]
        found.append(np.stack([rows[near], rows[near + step]], axis=1))
    pairs = np.unique(np.concatenate([np.empty((0, 2), np.int64), *found]), axis=0)
    left, right = (batch.take(pa.array(side)) for side in pairs.T)
    return pairs[~np.isnan(rule.alike(left, right))]


def imagededup(python: str, folder: Path, workers: int) -> Run:
    """Let imagededup do the same in a process of its own, whose start and imports are not counted."""
    command = [python, "-c", PEER, str(folder), str(workers)]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return Run(**json.loads(said.splitlines()[-1]))


def answers(pairs: Pairs, files: Mapping[str, tuple[str, str]]) -> str:
    """Say how many copies of each kind are in a cluster with their original, and how many originals are lost in the cluster of another."""
    cluster = clusters(pairs, files)
    planted = Counter(kind for _, kind in files.values())
    found = Counter(kind for name, (original, kind) in files.items() if cluster[name] == cluster[original])
    originals = {original for original, _ in files.values()}
    lost = len(originals) - len({cluster[original] for original in originals})
    kinds = ", ".join(f"{kind} {found[kind]}/{planted[kind]}" for kind in pictures.KINDS)
    return f"{kinds}; originals lost to a false merge: {lost}"


def clusters(pairs: Pairs, names: Iterable[str]) -> dict[str, str]:
    """Return for each name the first name of its connected component."""
    parent = {name: name for name in names}

    def root(name: str) -> str:
        while parent[name] != name:
            parent[name] = name = parent[parent[name]]
        return name

    for pair in pairs:
        first, second = sorted(map(root, pair))
        parent[second] = first
    return {name: root(name) for name in parent}


def _cpu() -> float:
    """Return the CPU-seconds of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def main() -> None:
    """Race both in turns and print answers, then medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--imagededup-python", help="interpreter of an environment with imagededup 0.3.3; without it, ours runs alone")
    parser.add_argument("--originals", type=int, default=2400)
    parser.add_argument("--copies", type=int, default=600)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "glmv-bench")
    options = parser.parse_args()
    folder = options.folder / f"near-image-{options.originals}-{options.copies}"
    files = pictures.build(folder, options.originals, options.copies)
    racers: dict[str, Callable[[], Run]] = {f"ours, {workers} process(es)": partial(ours, folder, workers) for workers in (1, 2)}
    if peer := options.imagededup_python:
        racers |= {f"imagededup, {workers} worker(s)": partial(imagededup, peer, folder, workers) for workers in (1, 2)}
    runs: dict[str, list[Run]] = {name: [] for name in racers}
    for number in range(options.rounds):
        for name, race in racers.items():
            runs[name].append(race())
            print(f"round {number}: {name}: {runs[name][-1].wall:.2f} s, {runs[name][-1].cpu:.2f} CPU-s", flush=True)
    for name, made in runs.items():
        print(f"{name}: {answers(made[0].pairs, files)}")
    for name, made in runs.items():
        wall, cpu = (statistics.median(values) for values in zip(*((run.wall, run.cpu) for run in made), strict=True))
        print(f"{name}: {len(files) / wall:.0f} images/s, {len(files) / cpu:.0f} images per CPU-second (medians of {options.rounds})")


if __name__ == "__main__":
    main()
