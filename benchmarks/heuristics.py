"""Image heuristics through the pipeline: ``python -m benchmarks.heuristics``.

A tar of JPEGs in; read, annotated and judged by the passes of a job; Parquet fragments with every row and its exit out. Once
from headers alone (size, shape, bytes) and once with pixels at the scale of the job (solid colours too). What is kept has to be what
a plain loop over the same tar keeps. The bars: 15,000 and 500 images a second. ``--data-juicer-python`` names the Python of a
virtual environment with ``py-data-juicer``, whose three filters on headers then run over the same images.
"""

import argparse
import io
import json
import resource
import statistics
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path

import apache_beam as beam
import numpy as np
import pyarrow as pa
import xxhash
from apache_beam.options.pipeline_options import PipelineOptions
from PIL import Image

from benchmarks import pool
from filters.decode import Decoder
from pipelines.pairs import annotate, embed, graph
from pipelines.pairs.rules import annotate_digest, decisions
from pipelines.pairs.source import Input, open_source
from pipelines.recaption.job import Job
from pipelines.spine import fragments
from pipelines.spine.reaper import reaping
from pipelines.spine.steps import run_step
from schemas import columns as c
from synth.captioner import CaptionerSpec

BARS = {False: 15_000, True: 500}
"""Images a second, from headers and with pixels."""
_MODES = {"headers": (False,), "pixels": (True,), None: (False, True)}
_DATA_JUICER = {
    "image_size_filter": {"min_size": "5KB", "max_size": "1TB"},
    "image_shape_filter": {"min_width": 200, "min_height": 200},
    "image_aspect_ratio_filter": {"min_ratio": 1 / 3, "max_ratio": 3.0},
}


def pipeline(path: Path, scratch: Path, workers: int, *, pixels: bool) -> set[str]:
    """Annotate the tar and judge its images by two passes, and return the names of those that stay."""
    captioner = CaptionerSpec(prompt="recaption")  # one that sees: no evidence is gathered
    job = Job(input=Input(path=str(path)), decode=Decoder(pixels=pixels), lid=None, captioner=captioner)
    annotations, judged = str(scratch / "annotate" / annotate_digest(job)), str(scratch / "judged")
    flags = [f"--direct_num_workers={workers}", "--direct_running_mode=multi_processing"] if workers > 1 else []
    with reaping() if workers > 1 else nullcontext(), beam.Pipeline(options=PipelineOptions(["--runner=FnApiRunner", *flags])) as laid:
        splits = graph.cut(laid, open_source(job.input, str(scratch)))
        keys = graph.annotate_splits(splits, job, annotations)
        rows = keys | beam.Map(embed.open_scored, annotations, None).with_output_types(pa.RecordBatch)
        for sentence, rule in decisions(job):
            if rule in (job.image_size, job.image_content):
                rows = rows | sentence >> beam.Map(run_step, sentence, rule).with_output_types(pa.RecordBatch)
        _ = rows | beam.Map(_write, judged).with_output_types(str)
    return {name for file in Path(judged).iterdir() for name in _kept(fragments.read(str(file)))}


def plain_loop(path: Path, *, pixels: bool) -> set[str]:
    """Return what the same rules keep, by ``tarfile`` and Pillow alone; hashes each image, as a pipeline has to that names it."""
    kept: set[str] = set()
    with tarfile.open(path) as tar:
        for member in tar:
            if member.name.endswith(".jpg") and (file := tar.extractfile(member)):
                data = file.read()
                _ = xxhash.xxh3_128_hexdigest(data)
                if _is_good(data, pixels=pixels):
                    kept.add(member.name)
    return kept


def _is_good(data: bytes, *, pixels: bool) -> bool:
    image = Image.open(io.BytesIO(data))
    shorter, longer = sorted(image.size)
    if pixels:
        image.draft("RGB", (64, 64))
        if np.asarray(image.convert("RGB")).std(axis=(0, 1)).max() < 5:
            return False
    return shorter >= 200 and longer <= 3 * shorter and len(data) >= 5120


def data_juicer(path: Path, scratch: Path, python: Path) -> set[str]:
    """Run Data-Juicer's filters on size, shape and aspect over the images of the tar, unpacked before; return the names that it keeps."""
    config = {"dataset_path": str(_unpacked(path)), "export_path": str(scratch / "out.jsonl"), "np": 2, "work_dir": str(scratch)}
    config |= {"process": [{name: values} for name, values in _DATA_JUICER.items()], "use_cache": False, "skip_op_error": False}
    (scratch / "recipe.yaml").write_text(json.dumps(config))  # JSON is YAML
    command = [str(python.with_name("dj-process")), "--config", str(scratch / "recipe.yaml")]
    done = subprocess.run(command, cwd=scratch, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{command} failed:\n{done.stderr[-2000:]}")
    return {Path(json.loads(line)["images"][0]).name for line in (scratch / "out.jsonl").open()}


def _unpacked(path: Path) -> Path:
    """Return the list of the images of ``path`` as Data-Juicer reads it, unpacking them at the first call."""
    folder, listed = path.with_suffix(""), path.with_suffix(".jsonl")
    if not listed.exists():
        with tarfile.open(path) as tar:
            tar.extractall(folder, filter="data")
        listed.write_text("".join(json.dumps({"text": "", "images": [str(file)]}) + "\n" for file in sorted(folder.glob("*.jpg"))))
    return listed


def _write(batch: pa.RecordBatch, folder: str) -> str:
    return fragments.write(folder, batch.schema.metadata[annotate.KEY].decode(), batch)


def _kept(batch: pa.RecordBatch) -> Iterator[str]:
    names, exits = (batch.column(field.name).to_pylist() for field in (c.SOURCE_MEMBER, c.EXIT))
    return (name for name, door in zip(names, exits, strict=True) if door is None)


def main() -> None:
    """Measure the plain loop and the pipeline in turns, headers first, and print medians."""
    options = _parser().parse_args()
    path, one = pool.build_mixed(options.folder, options.samples), pool.build_mixed(options.folder, 1)
    for pixels in _MODES[options.only]:
        works: dict[str, Callable[[Path], set[str]]] = {
            "plain loop": lambda _, pixels=pixels: plain_loop(path, pixels=pixels),
            "pipeline": lambda scratch, pixels=pixels: pipeline(path, scratch, options.workers, pixels=pixels),
            "its start": lambda scratch, pixels=pixels: pipeline(one, scratch, options.workers, pixels=pixels),
        }
        if options.data_juicer_python and not pixels:
            works["Data-Juicer"] = lambda scratch: data_juicer(path, scratch, options.data_juicer_python)
        print(f"{'with pixels' if pixels else 'headers alone'}, {options.samples} images, {options.workers} workers:")
        _race(works, options)
        print(f"  bar: {BARS[pixels]:,} images/s")


def _race(works: dict[str, Callable[[Path], set[str]]], options: argparse.Namespace) -> None:
    wall: dict[str, list[float]] = {name: [] for name in works}
    cpu: dict[str, list[float]] = {name: [] for name in works}
    for number in range(-1, options.rounds):
        found = {name: _timed(works[name], options.folder) for name in (list(works) if number % 2 else list(works)[::-1])}
        answers = {name: kept for name, (_, _, kept) in found.items() if name != "its start"}
        assert all(kept == answers["plain loop"] for kept in answers.values()), {name: len(kept) for name, kept in answers.items()}
        for name, (seconds, cpu_seconds, _) in found.items() if number >= 0 else ():  # the round before is for caches
            wall[name].append(seconds)
            cpu[name].append(cpu_seconds)
    for name in works:
        seconds, cpu_seconds = statistics.median(wall[name]), statistics.median(cpu[name])
        print(f"  {name}: {seconds:.2f} s, {cpu_seconds:.2f} CPU-s" + _speed(options.samples, seconds, cpu_seconds, name != "its start"))
    seconds, cpu_seconds = (statistics.median(t["pipeline"]) - statistics.median(t["its start"]) for t in (wall, cpu))
    print("  pipeline beyond its start:" + _speed(options.samples, seconds, cpu_seconds, True))


def _speed(samples: int, seconds: float, cpu_seconds: float, is_told: bool) -> str:
    return f", {samples / seconds:,.0f} images/s, {cpu_seconds / samples * 1e6:.0f} CPU-us an image" if is_told else ""


def _timed(work: Callable[[Path], set[str]], folder: Path) -> tuple[float, float, set[str]]:
    """Return wall seconds, CPU-seconds of this process and the children that it waited for, and the answer."""
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        wall, cpu = time.perf_counter(), _cpu_seconds()
        kept = work(Path(scratch))
        return time.perf_counter() - wall, _cpu_seconds() - cpu, kept


def _cpu_seconds() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(u.ru_utime + u.ru_stime for u in used)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1, help="processes of Beam's local runner")
    parser.add_argument("--only", choices=["headers", "pixels"], default=None)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "glmv-bench")
    parser.add_argument("--data-juicer-python", type=Path, default=None)
    return parser


if __name__ == "__main__":
    main()
