"""Near-duplicate texts against other libraries: ``python -m benchmarks.near_text --peer rensa=VENV --peer datasketch=VENV``.

20,000 texts of about 2 kB, one in five a copy of another with 0 to 15 % of its words edited. Answers come first: the share of
all pairs of Jaccard similarity 0.7 that end up in one cluster, the pairs that do though no chain of such pairs joins them, and
the planted clusters of which no row would be left. Then CPU-seconds from the file to the clusters, in turns, without imports.
"ours" is the pure pieces; "ours, through the pipeline" is the pipeline's own graph on Beam's runner. There the file is read and
looked at as in "ours", what that found is written as annotations outside of the time, and of the graph's seconds those of the same
graph over two texts are taken off: the start.
A peer is given by the folder of an environment that has it; ``PEERS`` says which bands each is run with. The bar: rensa.
"""

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from benchmarks import annotated
from benchmarks.near_text_corpus import Corpus, Ints, Truth, all_pairs, build, write
from benchmarks.near_text_peers import CONTESTANTS, LEAST, clusters, cpu_seconds, read
from filters.near_text import NearText, minhashes
from pipelines.pairs.near import MergeNear, Shuffle
from pipelines.pairs.near_partitions import Signals
from schemas import columns as c
from schemas.protocols import NearDuplicates

BANDS = (16, 4)
"""Bands and hashes of a band for each peer: the fewest hashes with which they find 99 % of the pairs."""
WHOLE = 64
"""Members up to which all pairs of a bucket are compared; of more, each with the first."""
BATCH = 512
PIPELINE = "ours, through the pipeline"


class Answer(NamedTuple):
    """What one contestant found, and what that cost."""

    cluster: Ints
    """Shape (n,): the first row of the cluster of each row."""
    seconds: float
    version: str = ""


def ours(texts: list[str]) -> list[int]:
    """Return the cluster of each text. This is the one place that says how ours is run."""
    batches = [pa.RecordBatch.from_pydict(minhashes(texts[row : row + BATCH])) for row in range(0, len(texts), BATCH)]
    (batch,) = pa.Table.from_batches(batches).combine_chunks().to_batches()
    return clusters(near_pairs(NearText(min_jaccard=LEAST), batch).tolist(), len(texts))


def run_pipeline(path: Path, scratch: Path) -> tuple[Answer, float]:
    """Run the pipeline's graph over the texts, and over two of them; returns the answer, and the CPU-seconds of the start."""
    began = cpu_seconds()
    texts = read(path)
    batches = [looked_at(texts[row : row + BATCH]) for row in range(0, len(texts), BATCH)]
    looked = cpu_seconds() - began
    start, _ = _merge([looked_at(texts[:2])], scratch / "start")
    seconds, decisions = _merge(batches, scratch / "whole")
    found = clusters(annotated.merged(decisions), len(texts))
    return Answer(np.array(found), looked + seconds - start), start


def looked_at(texts: list[str]) -> pa.RecordBatch:
    """Return the signals of ``texts``, beside them."""
    return pa.RecordBatch.from_pydict({c.ALT_TEXT.name: pa.array(texts), **minhashes(texts)})


def _merge(batches: list[pa.RecordBatch], scratch: Path) -> tuple[float, list[pa.RecordBatch]]:
    (rows,) = pa.Table.from_batches(batches).combine_chunks().to_batches()
    source = annotated.decided(str(scratch / "annotate"), annotated.write(str(scratch / "annotate"), rows))
    return annotated.run(
        lambda given: given | MergeNear("Merge", NearText(min_jaccard=LEAST), Signals(None), Shuffle()), source, scratch / "out"
    )


def near_pairs(finder: NearDuplicates, batch: pa.RecordBatch) -> Ints:
    """Return shape (p, 2): the rows of each pair that ``finder`` calls alike."""
    sought = finder.buckets(batch)
    order = np.argsort(sought.keys, kind="stable")
    found = np.concatenate([np.zeros((0, 2), np.int64), *_in_buckets(sought.keys[order])])
    places = order[found]
    places = places[finder.screen(sought.sketches[places[:, 0]], sought.sketches[places[:, 1]])]
    rows = np.unique(np.sort(sought.rows[places], axis=1), axis=0)
    left, right = (batch.select(finder.columns).take(pa.array(side)) for side in rows.T)
    return rows[~np.isnan(finder.alike(left, right))]


def _in_buckets(keys: npt.NDArray[np.uint64]) -> list[Ints]:
    """Return the pairs of places of equal ``keys``, which are sorted."""
    starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
    sizes = np.diff(np.append(starts, len(keys)))
    pairs: list[Ints] = []
    for size in np.unique(sizes[sizes > 1]):
        first, second = np.triu_indices(size, 1) if size <= WHOLE else (np.zeros(size - 1, np.int64), np.arange(1, size))
        begin = starts[sizes == size][:, None]
        pairs.append(np.stack([(begin + first).ravel(), (begin + second).ravel()], axis=1))
    return pairs


def run_ours(path: Path) -> Answer:
    """Run ours in this process, from the file."""
    began = cpu_seconds()
    found = ours(read(path))
    return Answer(np.array(found), cpu_seconds() - began)


def run_peer(name: str, environment: Path, path: Path) -> Answer:
    """Run a peer by the Python of its environment."""
    script = Path(__file__).with_name("near_text_peers.py")
    answer = path.with_name(f"{name}.json")
    command = [str(environment / "bin" / "python"), str(script), name, str(path), str(answer), *map(str, BANDS)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{name} ended with exit status {done.returncode}: {done.stderr[-2000:]}")
    found = json.loads(answer.read_text())
    return Answer(np.array(found["clusters"]), found["seconds"], found["version"])


def judged(answer: Answer, corpus: Corpus, truth: Truth) -> str:
    """Return recall in percent, false pairs and lost clusters, as cells of a table."""
    cluster, true = answer.cluster, np.array(clusters(zip(truth.left.tolist(), truth.right.tolist(), strict=True), len(corpus.texts)))
    recall = (cluster[truth.left] == cluster[truth.right]).mean()
    both = np.unique(np.stack([cluster, true]), axis=1, return_counts=True)[1]
    false = _pairs(np.unique(cluster, return_counts=True)[1]) - _pairs(both)
    lost = np.setdiff1d(corpus.planted, corpus.planted[np.unique(cluster)])
    return f"{100 * recall:.2f} % | {false} | {len(lost)}"


def _pairs(sizes: Ints) -> int:
    return int((sizes * (sizes - 1) // 2).sum())


def main() -> None:
    """Run everything in turns and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--texts", type=int, default=20_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--peer", action="append", default=[], help=f"NAME=FOLDER of its environment; NAME is one of {sorted(CONTESTANTS)}")
    options = parser.parse_args()
    peers = {name: Path(folder) for name, folder in (peer.split("=", 1) for peer in options.peer)}
    if unknown := set(peers) - set(CONTESTANTS):
        sys.exit(f"no peer is called {sorted(unknown)}: give one of {sorted(CONTESTANTS)}")
    corpus = build(options.texts)
    truth = all_pairs(corpus, LEAST)
    size = sum(map(len, corpus.texts)) / 1e6
    print(f"{len(corpus.texts)} texts, {size:.1f} MB, {len(truth.left)} pairs of Jaccard similarity {LEAST} or more")
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch) / "texts.jsonl"
        write(corpus, path)
        starts: list[float] = []

        def through() -> Answer:
            with tempfile.TemporaryDirectory(dir=scratch) as folder:
                answer, start = run_pipeline(path, Path(folder))
            starts.append(start)
            return answer

        runs: dict[str, Callable[[], Answer]] = {"ours": lambda: run_ours(path), PIPELINE: through}
        runs |= {name: lambda name=name: run_peer(name, peers[name], path) for name in CONTESTANTS if name in peers}
        rounds = [{name: run() for name, run in runs.items()} for _ in range(options.rounds)]
    print("| contestant | recall | false pairs | clusters lost | CPU-seconds, median | lowest to highest |\n|---|---|---|---|---|---|")
    for name in ("ours", PIPELINE, *CONTESTANTS):
        if name not in runs:
            print(f"| {name} | not given | | | | |")
            continue
        seconds = [answers[name].seconds for answers in rounds]
        spread = f"{statistics.median(seconds):.2f} | {min(seconds):.2f} to {max(seconds):.2f}"
        title = f"{name} {rounds[0][name].version}".strip()
        print(f"| {title} | {judged(rounds[0][name], corpus, truth)} | {spread} |")
    print(f"start of the pipeline, taken off: {statistics.median(starts):.2f} CPU-seconds, {min(starts):.2f} to {max(starts):.2f}")


if __name__ == "__main__":
    main()
