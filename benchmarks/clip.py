"""CLIP through the pipeline: ``python -m benchmarks.clip``.

A tar of JPEGs with their alt texts in; the annotate and embed passes as every graph lays them; Parquet fragments with vectors and
scores out. Against open_clip's bare loop over the same tar and the same random weights: Pillow, open_clip's own transform and
tokenizer, batches of 32, no pipeline. Vectors and scores have to agree to 1e-4 (0.01 in bf16) before the time counts. The bar: 0.9 of the
bare loop on a CPU; with ``--device cuda --model ViT-L-14 --precision bf16`` 0.85 of it, and 112 images a second (NeMo-Curator's figure).
"""

import argparse
import io
import os
import statistics
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import apache_beam as beam
import numpy as np
import numpy.typing as npt
from apache_beam.options.pipeline_options import PipelineOptions
from PIL import Image

from benchmarks import pool
from benchmarks.embedding import make_weights
from filters.models.clip import import_open_clip
from filters.models.embedder import EmbedderSpec
from pipelines.pairs import graph
from pipelines.pairs.rules import annotate_digest, embed_digest
from pipelines.pairs.source import Input, open_source
from pipelines.recaption.job import Job
from pipelines.spine import fragments
from schemas import columns as c
from synth.captioner import CaptionerSpec

BATCH = 32
PRECISIONS = {"cpu": "fp32", "cuda": "bf16"}
"""What the embedder computes in on each device."""
TOLERANCE = {"cpu": 1.0001e-4, "cuda": 0.01}
BARS = {"cpu": 0.9, "cuda": 0.85}


class Embedded(NamedTuple):
    """Unit vectors of n images, shape (n, d), and the scores of their alt texts, shape (n,), in the order of the tar."""

    vectors: npt.NDArray[np.float32]
    scores: npt.NDArray[np.float32]


def bare_loop(path: Path, weights: Path, options: argparse.Namespace) -> Callable[[Path], Embedded]:
    """Return open_clip's loop over batches of images and texts, one after the other."""
    open_clip, torch = import_open_clip()
    dtype = {"cpu": torch.float32, "cuda": torch.bfloat16}[options.device]
    model, prepare = open_clip.create_model_from_pretrained(options.model, str(weights), precision=options.precision, device=options.device)
    model.eval()
    tokenize = open_clip.get_tokenizer(options.model)

    def unit(features: Any) -> npt.NDArray[np.float32]:
        return torch.nn.functional.normalize(features.float(), dim=-1).cpu().numpy()

    def work(_: Path) -> Embedded:
        images: list[npt.NDArray[np.float32]] = []
        texts: list[npt.NDArray[np.float32]] = []
        with torch.inference_mode():
            for batch in _batches(path):
                pixels = torch.stack([prepare(Image.open(io.BytesIO(data)).convert("RGB")) for data, _ in batch])
                images.append(unit(model.encode_image(pixels.to(options.device, dtype))))
                texts.append(unit(model.encode_text(tokenize([text for _, text in batch]).to(options.device))))
        vectors = np.concatenate(images)
        return Embedded(vectors, (vectors * np.concatenate(texts)).sum(axis=1))

    return work


def pipeline(path: Path, weights: Path, options: argparse.Namespace) -> Callable[[Path], Embedded]:
    """Return the two passes; images are decoded as large as they are, or at ``--scale``."""
    embedder = EmbedderSpec(options.model, weights=str(weights), languages=(), micro_batch=BATCH, scale=options.scale)
    captioner = CaptionerSpec(prompt="recaption")  # one that sees: no evidence is gathered
    job = Job(input=Input(path=str(path)), lid=None, embedder=embedder, captioner=captioner)

    def work(scratch: Path) -> Embedded:
        annotations, scored = str(scratch / annotate_digest(job)), str(scratch / embed_digest(job))
        with beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner"])) as laid:
            splits = graph.cut(laid, open_source(job.input, str(scratch)))
            graph.embed_splits(graph.annotate_splits(splits, job, annotations), job, annotations, scored)
        return _read(annotations, scored)

    return work


def _batches(path: Path) -> Iterator[list[tuple[bytes, str]]]:
    """Yield the (image, text) pairs of the tar, whose members come by turns, in batches."""
    batch: list[tuple[bytes, str]] = []
    with tarfile.open(path) as tar:
        files = (file.read() for member in tar if (file := tar.extractfile(member)))
        for image, text in zip(files, files, strict=True):
            batch.append((image, text.decode()))
            if len(batch) == BATCH:
                yield batch
                batch = []
    if batch:
        yield batch


def _read(annotations: str, scored: str) -> Embedded:
    """Return what the fragments hold, in the order of the tar."""
    rows: dict[str, tuple[list[float], float]] = {}
    for file in Path(scored).iterdir():
        said, (about,) = fragments.read(str(file)), Path(annotations).glob(f"{fragments.key_of(str(file))}.*")
        names = fragments.read(str(about)).column(c.SOURCE_MEMBER.name).to_pylist()
        values = (said.column(field.name).to_pylist() for field in (c.IMAGE_EMBEDDING, c.CLIP_SCORE))
        rows |= dict(zip(names, zip(*values, strict=True), strict=True))
    vectors, scores = zip(*(rows[name] for name in sorted(rows)), strict=True)
    return Embedded(np.array(vectors, np.float32), np.array(scores, np.float32))


def main() -> None:
    """Measure both in turns and print the median ratio of images a second."""
    options = _options()
    path, weights = pool.build(options.folder, options.samples), make_weights(options.folder, options.model)
    _, torch = import_open_clip()
    torch.set_num_threads(options.threads or torch.get_num_threads())
    works = {"bare loop": bare_loop(path, weights, options), "pipeline": pipeline(path, weights, options)}
    wall: list[float] = []
    cpu: list[float] = []
    speeds: list[float] = []
    print(f"{options.model} in {options.precision} on {options.device}, {options.samples} pairs, {torch.get_num_threads()} torch threads")
    for number in range(-1, options.rounds):
        taken = {name: _timed(works[name], options.folder) for name in (list(works) if number % 2 else list(works)[::-1])}
        bare, ours = taken["bare loop"], taken["pipeline"]
        apart = max(float(np.abs(a - b).max()) for a, b in zip(ours[2], bare[2], strict=True))
        if options.scale == _WHOLE:
            assert apart <= TOLERANCE[options.device], f"vectors or scores differ by {apart}"
        if number >= 0:  # the round before is for caches and the loading of weights
            wall.append(bare[0] / ours[0])
            cpu.append(bare[1] / ours[1])
            speeds.append(options.samples / ours[0])
            each = ", ".join(
                f"{n} {options.samples / t[0]:.1f} images/s ({t[1] / options.samples * 1000:.0f} CPU-ms)" for n, t in taken.items()
            )
            print(f"round {number}: {each}, ratio {wall[-1]:.2f} (CPU {cpu[-1]:.2f}), largest difference {apart:.1e}")
    told = f"{statistics.median(wall):.2f} of the bare loop (CPU {statistics.median(cpu):.2f}; bar: {BARS[options.device]})"
    print(f"median of {options.rounds}: {statistics.median(speeds):.1f} images/s, {told}")


def _timed(work: Callable[[Path], Embedded], folder: Path) -> tuple[float, float, Embedded]:
    """Return wall seconds, CPU-seconds of this process, and what was embedded."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        wall, cpu = time.perf_counter(), time.process_time()
        found = work(Path(scratch))
        return time.perf_counter() - wall, time.process_time() - cpu, found


_WHOLE = 10_000


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0, help="of torch, for both; 0 takes torch's default")
    parser.add_argument("--device", choices=PRECISIONS, default="cpu")
    parser.add_argument("--model", default="ViT-B-32")
    parser.add_argument("--precision", choices=sorted(PRECISIONS.values()), default=None, help="fp32 on the CPU, bf16 on a GPU")
    parser.add_argument("--scale", type=int, default=_WHOLE, help="longer side that images are decoded at; below theirs, scores may differ")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "glmv-bench")
    options = parser.parse_args()
    if options.precision not in (None, PRECISIONS[options.device]):
        parser.error(f"the embedder computes in {PRECISIONS[options.device]} on {options.device}, not in {options.precision}")
    options.precision = PRECISIONS[options.device]
    if options.device == "cpu":
        os.environ["CUDA_VISIBLE_DEVICES"] = ""  # the embedder takes a GPU where it sees one
    return options


if __name__ == "__main__":
    main()
