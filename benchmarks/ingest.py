"""Ingest against img2dataset: ``python -m benchmarks.ingest --img2dataset-python VENV/bin/python``.

3,000 JPEGs over a server on this machine: download, make the longer side 256 pixels, JPEG of quality 95, write. First the answers:
the same images in the same sizes, and whether two runs give the same bytes. Then images for each CPU-second of the client's whole
process tree, start included, in turns; the server's CPU is not counted. The bar: 150, and img2dataset.
"""

import argparse
import asyncio
import hashlib
import io
import math
import multiprocessing
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from multiprocessing.connection import Connection
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from benchmarks import pool

SIDE, QUALITY = 256, 95
LEAST_PSNR = 30.0
"""Decibels between the two sides' images at least: they scale by other kernels (ours)."""


def serve(folder: Path, port: "Connection") -> None:
    """Serve the files of ``folder`` over HTTP with connections that stay open, until this process is ended."""
    images = {path.name: path.read_bytes() for path in folder.glob("*.jpg")}

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                image = images[head.split(b" ", 2)[1].decode().lstrip("/")]
                stays = b"connection: close" not in head.lower()
                said = f"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: {len(image)}\r\n"
                writer.write((said + ("\r\n" if stays else "Connection: close\r\n\r\n")).encode() + image)
                await writer.drain()
                if not stays:
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client has hung up
        finally:
            writer.close()

    async def listen() -> None:
        server = await asyncio.start_server(answer, "127.0.0.1", 0, backlog=1024)
        port.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    asyncio.run(listen())


def write_list(folder: Path, count: int, port: int) -> Path:
    """Write ``count`` distinct JPEGs, if they are not there, and the list of their addresses; return the list."""
    if len(list(folder.glob("*.jpg"))) != count:
        with tarfile.open(pool.build(folder.parent, count)) as tar:
            for member in tar:
                data = tar.extractfile(member)
                if member.name.endswith(".jpg") and data is not None:
                    (folder / member.name).write_bytes(data.read())
    names = sorted(path.name for path in folder.glob("*.jpg"))
    path = folder / "list.parquet"
    pq.write_table(pa.table({"url": [f"http://127.0.0.1:{port}/{n}" for n in names], "caption": [f"A harbour, {n}" for n in names]}), path)
    return path


def ours(python: str, urls: Path, output: Path) -> list[str]:
    """Return our command."""
    settings = {
        "input.split_urls": 256,
        "resize.longer_side": SIDE,
        "resize.quality": QUALITY,
        "download.allow_networks": "[127.0.0.1/32]",
        "download.per_host": 64,
    }
    return [python, "-m", "pipelines.ingest", f"--input={urls}", f"--output={output}", *(f"--set={k}={v}" for k, v in settings.items())]


def theirs(python: str, urls: Path, output: Path) -> list[str]:
    """Return the command of img2dataset for the same work."""
    flags = {
        "url_list": str(urls),
        "input_format": "parquet",
        "url_col": "url",
        "caption_col": "caption",
        "output_format": "webdataset",
        "output_folder": str(output),
        "processes_count": 1,
        "thread_count": 64,
        "image_size": SIDE,
        "resize_mode": "keep_ratio_largest",
        "resize_only_if_bigger": True,
        "encode_quality": QUALITY,
        "number_sample_per_shard": 1000,
        "enable_wandb": False,
    }
    return [python, "-c", f"from img2dataset import download\nif __name__ == '__main__':\n    download(**{flags!r})"]


def images_of(output: Path) -> dict[str, bytes]:
    """Return the images that a run wrote, by their captions."""
    shards = sorted(output.glob("ingest/*/samples/*.parquet"))
    if shards:
        rows = pa.concat_tables([pq.read_table(shard, columns=["alt_text", "image"]) for shard in shards]).to_pylist()
        return {row["alt_text"]: row["image"]["bytes"] for row in rows}
    return dict(_of_tars(output))


def _of_tars(output: Path) -> Iterator[tuple[str, bytes]]:
    for path in sorted(output.glob("*.tar")):
        with tarfile.open(path) as tar:
            files = {member.name: file.read() for member in tar if (file := tar.extractfile(member))}
        yield from ((data.decode(), files[name.replace(".txt", ".jpg")]) for name, data in files.items() if name.endswith(".txt"))


def tree(output: Path) -> dict[str, str]:
    """Return the hash of each shard that a run wrote."""
    shards = [*output.glob("ingest/*/*/*.parquet"), *output.glob("*.tar")]
    return {str(path.relative_to(output)): hashlib.sha256(path.read_bytes()).hexdigest() for path in shards}


def compare(mine: dict[str, bytes], other: dict[str, bytes]) -> str:
    """Return how alike the images of two runs are; raises ``AssertionError`` where one lacks an image or has it in another size."""
    assert mine.keys() == other.keys(), f"{len(mine)} and {len(other)} images"
    least = math.inf
    for name in sorted(mine)[:: max(1, len(mine) // 300)]:
        first, second = (np.asarray(Image.open(io.BytesIO(data))).astype(np.float64) for data in (mine[name], other[name]))
        assert first.shape == second.shape, f"{name}: {first.shape} and {second.shape}"
        least = min(least, 10 * math.log10(255**2 / max(1e-9, float(np.mean((first - second) ** 2)))))
    assert least >= LEAST_PSNR, f"the images differ by {least:.1f} dB"
    return f"the same {len(mine)} images in the same sizes, at least {least:.1f} dB alike"


def measure(command: list[str], output: Path) -> float:
    """Run ``command`` and return the CPU-seconds of its process tree."""
    shutil.rmtree(output, ignore_errors=True)
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, "NO_ALBUMENTATIONS_UPDATE": "1"})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(f"{command[:3]} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Compare the answers, then measure both in turns."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--img2dataset-python", help="interpreter of an environment with img2dataset 1.47; without it ours runs alone")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "glmv-bench")
    options = parser.parse_args()
    images = options.folder / f"images-{options.images}"
    images.mkdir(parents=True, exist_ok=True)
    write_list(images, options.images, 0)
    here, there = multiprocessing.Pipe()
    server = multiprocessing.Process(target=serve, args=(images, there), daemon=True)
    server.start()
    try:
        race(write_list(images, options.images, here.recv()), options)
    finally:
        server.terminate()
        server.join()


def race(urls: Path, options: argparse.Namespace) -> None:
    """Hold the sides against each other over the list ``urls``."""
    sides = {"ours": ours(sys.executable, urls, options.folder / "ours")}
    if options.img2dataset_python:
        sides["img2dataset"] = theirs(options.img2dataset_python, urls, options.folder / "img2dataset")
    found: dict[str, dict[str, bytes]] = {}
    for name, command in sides.items():
        trees: list[dict[str, str]] = []
        for _ in range(2):
            measure(command, options.folder / name)
            trees.append(tree(options.folder / name))
        found[name] = images_of(options.folder / name)
        print(f"{name}: {len(found[name])} images, two runs {'give the same bytes' if trees[0] == trees[1] else 'differ in their bytes'}")
    if len(found) > 1:
        print(compare(*found.values()))
    speeds: dict[str, list[float]] = {name: [] for name in sides}
    for number in range(options.rounds):
        for name, command in list(sides.items())[:: -1 if number % 2 else 1]:
            speeds[name].append(options.images / measure(command, options.folder / name))
        print(f"round {number}: " + ", ".join(f"{name} {speed[-1]:.0f}" for name, speed in speeds.items()) + " images for each CPU-second")
    for name, speed in speeds.items():
        print(f"{name}: median {statistics.median(speed):.0f} images for each CPU-second (bar: 150)")


if __name__ == "__main__":
    main()
