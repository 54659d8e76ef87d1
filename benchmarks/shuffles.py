"""What the shuffles of caption curation cost a sample: ``python -m benchmarks.shuffles --samples 1000 10000 100000``.

The decide part alone, each of its four moves by itself, on made signals: no image is read. 5 % of the samples have the file of another,
10 % its picture or its text but for a little, and 2 % all show the same placeholder under the same text. Each size runs in a process of
its own, in turns; of its CPU-seconds those of the same graph over one split of two samples are taken off, measured in the same process
after a first run that is not counted. The bar: a sample costs the same at each size, within 10 %.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from benchmarks import annotated
from filters.concepts import ConceptBalance
from filters.near_image import NearImage
from filters.near_text import NearText, minhashes
from filters.vocabulary import VocabularySpec
from pipelines.captions.balance import balance
from pipelines.pairs.graph import merge_exact
from pipelines.pairs.near import MergeNear, Shuffle
from pipelines.pairs.near_partitions import Signals
from schemas import columns as c
from schemas.records import CURATION

TWINS, COPIES, PLACEHOLDERS = 0.05, 0.10, 0.02
"""Shares of the samples (ours)."""
WORDS = 18
"""Words of an alt text."""
VOCABULARY = 5000
"""Words there are, of which every second is an entry of the vocabulary of concepts."""
EXACT = "exact duplicates"
MOVES = (EXACT, "near images", "near texts", "concept balance")
SMALL, REPEATS = 5000, 3
"""Below so many samples a run is a small part of its start: it, and every start, is the median of so many."""
Numbers = npt.NDArray[np.int64]


class Cost(NamedTuple):
    """What one move over all samples cost."""

    seconds: float
    """CPU-seconds after the start."""
    start: float
    """CPU-seconds of the same graph over two samples."""
    left: int
    """Rows that were merged or dropped."""
    peak: float
    """The most MiB that the process held."""


def pool(samples: int, seed: int = 0) -> pa.RecordBatch:
    """Return the signals of ``samples`` samples."""
    random = np.random.default_rng(seed)
    role = random.random(samples)
    source = np.where(role < TWINS + COPIES, random.integers(0, samples, samples), np.arange(samples))
    is_twin, is_placeholder = role < TWINS, role > 1 - PLACEHOLDERS
    source[is_placeholder] = 0
    texts = _texts(random, source, is_twin | is_placeholder)
    return pa.RecordBatch.from_pydict(
        {
            c.SAMPLE_ID.name: pa.array([f"{row:032x}" for row in range(samples)]),
            c.IMAGE_HASH.name: pa.array([f"{row:032x}" for row in np.where(is_twin, source, np.arange(samples))]),
            c.WIDTH.name: pa.array(random.integers(200, 2000, samples), c.WIDTH.type),
            c.HEIGHT.name: pa.array(random.integers(200, 2000, samples), c.HEIGHT.type),
            c.ALT_TEXT.name: pa.array(texts),
            c.PERCEPTUAL_HASHES.name: _hashes(random, source),
            **minhashes(texts),
        }
    )


def _texts(random: np.random.Generator, source: Numbers, is_equal: npt.NDArray[np.bool_]) -> list[str]:
    """Return the text of each sample: that of its source, with another last word where it is not ``is_equal``."""
    words = np.minimum(random.zipf(1.3, (len(source), WORDS)) - 1, VOCABULARY - 1)
    words = np.where(words == VOCABULARY - 1, random.integers(0, VOCABULARY, words.shape), words)
    taken = words[source]
    taken[:, -1] = np.where(is_equal, taken[:, -1], words[:, -1])
    return [" ".join(f"word{word}" for word in text) for text in taken.tolist()]


def _hashes(random: np.random.Generator, source: Numbers) -> pa.Array:
    """Return three hashes of 256 bits a sample, even in their bits; those of a copy differ in one bit of each word at most."""
    words = random.integers(0, 2**64, (len(source), 12), dtype=np.uint64)
    flips = np.uint64(1) << random.integers(0, 64, words.shape, dtype=np.uint64)
    words = np.where((source != np.arange(len(source)))[:, None], words[source] ^ flips, words)
    return pa.array(list(words), c.PERCEPTUAL_HASHES.type)


def graph_of(move: str, vocabulary: str) -> annotated.Graph:
    """Return one of ``MOVES``."""
    signals, concepts = Signals(None), VocabularySpec(file=vocabulary)
    graphs: dict[str, annotated.Graph] = {
        EXACT: lambda splits: merge_exact(splits, CURATION),
        "near images": lambda splits: splits | MergeNear("Merge images", NearImage(), signals, Shuffle()),
        "near texts": lambda splits: splits | MergeNear("Merge texts", NearText(), signals, Shuffle()),
        "concept balance": lambda splits: balance(splits, ConceptBalance(), concepts, signals)[0],
    }
    return graphs[move]


def measure(move: str, samples: int, scratch: Path) -> Cost:
    """Measure ``move`` over ``samples`` samples in this process, after one run that is not counted."""
    vocabulary = scratch / "vocabulary.txt"
    vocabulary.write_text("\n".join(f"word{number}" for number in range(0, VOCABULARY, 2)))
    rows, source = pool(samples), annotated.judged if move == EXACT else annotated.decided
    few, whole = (source(str(scratch / str(size)), annotated.write(str(scratch / str(size)), rows.slice(0, size))) for size in (2, samples))
    del rows

    def run(name: str, splits: annotated.Source) -> tuple[float, int]:
        seconds, decisions = annotated.run(graph_of(move, str(vocabulary)), splits, scratch / name)
        return seconds, sum(len(batch) - batch.column(c.EXIT.name).null_count for batch in decisions)

    _ = run("warm", few)
    start = statistics.median(run(f"start-{number}", few)[0] for number in range(REPEATS))
    found = [run(f"whole-{number}", whole) for number in range(REPEATS if samples < SMALL else 1)]
    peak = next(line.split()[1] for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return Cost(statistics.median(seconds for seconds, _ in found) - start, start, found[0][1], int(peak) / 1024)


def apart(move: str, samples: int) -> Cost:
    """Measure in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.shuffles", "--one", move, "--samples", str(samples)], check=False, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"{move} of {samples} samples ended with exit status {done.returncode}: {done.stderr[-2000:]}")
    return Cost(*json.loads(done.stdout.splitlines()[-1]))


def main() -> None:
    """Run all moves at all sizes in turns and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--one", choices=MOVES, help="measure this move alone, at the first size, in this process, and print it as JSON")
    options = parser.parse_args()
    if options.one:
        with tempfile.TemporaryDirectory() as scratch:
            print(json.dumps(measure(options.one, options.samples[0], Path(scratch))))
        return
    rounds = [{(move, size): apart(move, size) for move in MOVES for size in options.samples} for _ in range(options.rounds)]
    print(
        "| move | samples | CPU-ms a sample, median | lowest to highest | start, CPU-s | left | peak MiB |\n|---|---|---|---|---|---|---|"
    )
    for move in MOVES:
        for size in options.samples:
            found = [one[move, size] for one in rounds]
            cost = [1000 * one.seconds / size for one in found]
            spread = (
                f"{statistics.median(cost):.3f} | {min(cost):.3f} to {max(cost):.3f} | {statistics.median(one.start for one in found):.2f}"
            )
            print(f"| {move} | {size:,} | {spread} | {found[0].left:,} | {max(one.peak for one in found):,.0f} |")


if __name__ == "__main__":
    main()
