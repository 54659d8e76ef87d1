"""The other contestants of ``benchmarks.near_text``, each run by the Python of an environment that has it.

``python benchmarks/near_text_peers.py NAME TEXTS.jsonl ANSWER.json BANDS ROWS`` writes the cluster of each text and the
CPU-seconds from the file to that, without imports. It imports nothing of this project.
"""

import json
import os
import sys
import tempfile
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any

RUN = 3
LEAST = 0.7
Edges = Iterable[tuple[int, int]]
Contestant = Callable[[Path, int, int], Edges]


def read(path: Path) -> list[str]:
    """Return the texts."""
    with path.open(encoding="utf-8") as file:
        return [json.loads(line)["text"] for line in file]


def shingled(text: str) -> list[str]:
    """Return the runs of three words, as a script around these libraries makes them."""
    words = text.split()
    return [" ".join(words[place : place + RUN]) for place in range(len(words) - RUN + 1)]


def rensa() -> Contestant:
    """Take all candidates of rensa's index for duplicates."""
    from rensa import RMinHash, RMinHashLSH  # pyright: ignore

    def work(path: Path, bands: int, rows: int) -> Edges:
        signed = RMinHash.from_token_sets((shingled(text) for text in read(path)), bands * rows, 42)
        index = RMinHashLSH(LEAST, bands * rows, bands)
        index.insert_many(signed)
        return ((row, other) for row, found in enumerate(index.query_all(signed)) for other in found if other > row)

    return work


def rensa_verified() -> Contestant:
    """Hold each candidate of rensa's index against the sets of its shingles."""
    bare = rensa()

    def work(path: Path, bands: int, rows: int) -> Edges:
        texts = read(path)
        edges = list(bare(path, bands, rows))
        sets = {row: set(shingled(texts[row])) for row in {row for edge in edges for row in edge}}
        return (edge for edge in edges if len(sets[edge[0]] & sets[edge[1]]) >= LEAST * len(sets[edge[0]] | sets[edge[1]]))

    return work


def datasketch() -> Contestant:
    """Take all candidates of datasketch's index for duplicates."""
    from datasketch import MinHash, MinHashLSH  # pyright: ignore

    def work(path: Path, bands: int, rows: int) -> Edges:
        tokens = ([shingle.encode() for shingle in shingled(text)] for text in read(path))
        index = MinHashLSH(num_perm=bands * rows, params=(bands, rows))
        edges: list[tuple[int, int]] = []
        for row, signed in enumerate(MinHash.generator(tokens, num_perm=bands * rows)):
            edges += [(row, other) for other in index.query(signed)]
            index.insert(row, signed, check_duplication=False)
        return edges

    return work


def text_dedup() -> Contestant:
    """Run the command ``text_dedup.minhash`` with one process."""
    from text_dedup import minhash  # pyright: ignore

    def work(path: Path, bands: int, rows: int) -> Edges:
        with tempfile.TemporaryDirectory() as scratch:
            files = ["--path", "json", "--data_files", str(path), "--split", "train", "--cache_dir", f"{scratch}/cache"]
            index = ["--num_perm", str(bands * rows), "--b", str(bands), "--r", str(rows), "--ngram", str(RUN), "--hash_func", "xxh3"]
            rest = ["--column", "text", "--idx_column", "id", "--batch_size", "10000", "--num_proc", "1", "--output", f"{scratch}/out"]
            minhash.main([*files, *index, *rest, "--hash_bits", "32"], standalone_mode=False)
        return list(minhash.uf.parent.items())

    return work


def datatrove() -> Contestant:
    """Run the four stages of datatrove's MinHash, one task each, and read the clusters that the third one found."""
    from datatrove.executor import LocalPipelineExecutor  # pyright: ignore
    from datatrove.pipeline.dedup import MinhashDedupBuckets, MinhashDedupCluster, MinhashDedupSignature  # pyright: ignore
    from datatrove.pipeline.dedup.minhash import MinhashConfig  # pyright: ignore
    from datatrove.pipeline.readers import JsonlReader  # pyright: ignore
    from datatrove.utils.hashing import HashConfig  # pyright: ignore

    def work(path: Path, bands: int, rows: int) -> Edges:
        config: Any = MinhashConfig(hash_config=HashConfig(precision=64), n_grams=RUN, num_buckets=bands, hashes_per_bucket=rows)
        with tempfile.TemporaryDirectory() as scratch:
            stages: list[tuple[list[Any], int]] = [
                (
                    [
                        JsonlReader(str(path.parent), glob_pattern=path.name),
                        MinhashDedupSignature(f"{scratch}/signatures", config, language="en"),
                    ],
                    1,
                ),
                ([MinhashDedupBuckets(f"{scratch}/signatures", f"{scratch}/buckets", config=config)], bands),
                ([MinhashDedupCluster(f"{scratch}/buckets", f"{scratch}/removed", config=config, save_cluster_id=True)], 1),
            ]
            for number, (stage, tasks) in enumerate(stages):
                LocalPipelineExecutor(stage, tasks=tasks, workers=1, logging_dir=f"{scratch}/logs{number}").run()
            return list(_datatrove_clusters(Path(scratch) / "removed"))

    return work


def _datatrove_clusters(folder: Path) -> Edges:
    """Yield each text with the first of its cluster; a text in no cluster is in none of the pairs."""
    import struct

    first: dict[int, int] = {}
    for file in sorted(folder.glob("*.clusters")):
        for row, cluster in struct.iter_unpack("<II", file.read_bytes()):
            yield row, first.setdefault(cluster, row)


def data_juicer() -> Contestant:
    """Call the operator ``document_minhash_deduplicator`` on the data set, and ask it for all members of its clusters."""
    from data_juicer.ops.deduplicator.document_minhash_deduplicator import DocumentMinhashDeduplicator  # pyright: ignore
    from datasets import Dataset  # pyright: ignore

    def work(path: Path, bands: int, rows: int) -> Edges:
        operator = DocumentMinhashDeduplicator(
            tokenization="space", window_size=RUN, lowercase=True, num_permutations=bands * rows, num_bands=bands, num_rows_per_band=rows
        )
        texts = read(path)
        hashed = Dataset.from_dict({"text": texts, "id": list(range(len(texts)))}).map(operator.compute_hash)
        _, found = operator.process(hashed, show_num=len(texts))
        return [(row, sample["id"]) for row, samples in found.items() for sample in samples]

    return work


CONTESTANTS = {
    "rensa": (rensa, "rensa"),
    "rensa-verified": (rensa_verified, "rensa"),
    "datasketch": (datasketch, "datasketch"),
    "text-dedup": (text_dedup, "text-dedup"),
    "datatrove": (datatrove, "datatrove"),
    "data-juicer": (data_juicer, "py-data-juicer"),
}
"""How each is run, and the package whose version is reported."""


def clusters(edges: Edges, count: int) -> list[int]:
    """Return the smallest row that each row hangs together with."""
    parent = list(range(count))

    def root(row: int) -> int:
        while parent[row] != row:
            parent[row] = row = parent[parent[row]]
        return row

    for edge in edges:
        one, other = sorted(map(root, edge))
        parent[other] = one
    return [root(row) for row in range(count)]


def cpu_seconds() -> float:
    """Return user and system time of this process and of the children it has waited for."""
    return sum(os.times()[:4])


def main(name: str, texts: str, answer: str, bands: str, rows: str) -> None:
    """Run the contestant ``name``."""
    contestant, package = CONTESTANTS[name]
    work = contestant()
    began = cpu_seconds()
    edges = list(work(Path(texts), int(bands), int(rows)))
    seconds = cpu_seconds() - began
    found = clusters(edges, len(read(Path(texts))))
    Path(answer).write_text(json.dumps({"seconds": seconds, "clusters": found, "version": version(package)}))


if __name__ == "__main__":
    main(*sys.argv[1:])
