"""What the pipeline costs beyond decoding: ``python -m benchmarks.overhead``.

The recaption graph with a null model against a bare loop that reads and decodes the same images at the same scale,
interleaved, in CPU-seconds of this process. The bar: 1 CPU-millisecond a sample.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from benchmarks import pool
from filters.decode import Decoded, Decoder
from pipelines.pairs.source import Input
from pipelines.readers.splits import cut, list_shards, read
from pipelines.recaption import graph
from pipelines.recaption.job import Job
from pipelines.recaption.plan import plan_run
from pipelines.spine.commit import Output, read_manifest
from schemas.protocols import Answer, CaptionTask
from synth.captioner import CaptionerSpec


@dataclass(frozen=True)
class NullCaptioner:
    """Answers at once, with a caption that no rule drops."""

    def load(self) -> "NullCaptioner":
        """Return itself."""
        return self

    def caption(self, split_id: str, tasks: Sequence[CaptionTask]) -> Sequence[Answer]:
        """Return one sentence for each task."""
        return [Answer(f"In split {split_id[:4]} small boats lie still: {number}.", "stop", 0, 0, 0.0) for number in range(len(tasks))]


def bare_loop(path: Path, scratch: Path) -> int:
    """Decode every image of the tar, one after the other, and return how many could be."""
    decoder = Decoder()
    images = 0
    for shard in list_shards(str(path)):
        for split in cut(shard, 512, 64 * 2**20, str(scratch / "plan")):
            rows = read(split, "bench", "none").column("image").field("bytes").to_pylist()
            images += sum(isinstance(decoder(image), Decoded) for image in rows)
    return images


def pipeline(path: Path, scratch: Path) -> int:
    """Run the whole graph over the tar and return how many samples were kept."""
    captioner = replace(CaptionerSpec(), prompt="recaption", endpoint="http://null/v1")
    plan = plan_run(Job(input=Input(path=str(path)), captioner=captioner, lid=None, facts=None, output=Output(folder=str(scratch))))
    graph_ = beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"]))
    graph.build(graph_, plan, NullCaptioner())
    graph_.run().wait_until_finish()
    manifest = read_manifest(plan.at.run)
    assert manifest is not None
    return int(manifest["exits"]["kept"])


def main() -> None:
    """Measure both in turns and print the median difference."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=4000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "glmv-bench")
    options = parser.parse_args()
    path = pool.build(options.folder, options.samples)
    differences: list[float] = []
    for number in range(options.rounds):
        seconds: list[float] = []
        for work in (bare_loop, pipeline):
            with tempfile.TemporaryDirectory(dir=options.folder) as scratch:
                began = time.process_time()
                done = work(path, Path(scratch))
                seconds.append(time.process_time() - began)
                assert done == options.samples, f"{work.__name__}: {done} of {options.samples}"
        differences.append((seconds[1] - seconds[0]) * 1000 / options.samples)
        print(
            f"round {number}: bare loop {seconds[0]:.2f} CPU-s, pipeline {seconds[1]:.2f} CPU-s, beyond: {differences[-1]:.3f} ms a sample"
        )
    print(f"median of {options.rounds}: {statistics.median(differences):.3f} CPU-ms a sample beyond reading and decoding (bar: 1)")


if __name__ == "__main__":
    main()
