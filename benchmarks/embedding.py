"""CLIP ViT-B/32 through our embedder: ``python -m benchmarks.embedding``.

JPEGs in, unit vectors out, against the bare batched loop of open_clip on the same random weights and images, interleaved.
The bar: 0.9 of its images a second, with the same scores.
"""

import argparse
import io
import statistics
import tarfile
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from benchmarks import pool
from filters.decode import Decoded, decode
from filters.models.clip import Clip, ClipSpec, import_open_clip
from filters.relevance import cosines
from schemas.protocols import Failure, Pixels

TEXT = "boats on a lake"
Work = Callable[[Sequence[bytes]], npt.NDArray[np.float32]]


def make_weights(folder: Path, model: str) -> Path:
    """Write random weights of ``model`` below ``folder`` unless they are there, and return their path."""
    path = folder / f"{model.lower()}.pt"
    if not path.exists():
        open_clip, torch = import_open_clip()
        torch.manual_seed(0)
        torch.save(open_clip.create_model(model).state_dict(), path)
    return path


def bare_loop(weights: Path, batch: int, device: str) -> Work:
    """Return open_clip's loop over batches of images, decoded and prepared one after the other."""
    open_clip, torch = import_open_clip()
    precision, dtype = ("fp32", torch.float32) if device == "cpu" else ("bf16", torch.bfloat16)
    model, prepare = open_clip.create_model_from_pretrained("ViT-B-32", str(weights), precision=precision, device=device)
    model.eval()

    def work(images: Sequence[bytes]) -> npt.NDArray[np.float32]:
        found: list[npt.NDArray[np.float32]] = []
        with torch.inference_mode():
            for start in range(0, len(images), batch):
                part = [prepare(Image.open(io.BytesIO(data)).convert("RGB")) for data in images[start : start + batch]]
                features = model.encode_image(torch.stack(part).to(device, dtype)).float()
                found.append((features / features.norm(dim=-1, keepdim=True)).cpu().numpy())
        return np.concatenate(found)

    return work


def ours(clip: Clip) -> Work:
    """Return our path: the next micro-batch is decoded and prepared while the model runs."""

    def pixels_of(data: bytes) -> Pixels | Failure:
        decoded = decode(data, max_pixels=10**8, scale=10**4)
        return decoded.pixels if isinstance(decoded, Decoded) else decoded

    def work(images: Sequence[bytes]) -> npt.NDArray[np.float32]:
        found = list(clip.embed_encoded(images, pixels_of))
        return np.stack([vector for vector in found if not isinstance(vector, Failure)])

    return work


def main() -> None:
    """Measure both in turns and print the median ratio of images a second."""
    options = _parser().parse_args()
    with tarfile.open(pool.build(options.folder, options.samples)) as tar:
        images = [file.read() for member in tar if member.name.endswith(".jpg") and (file := tar.extractfile(member))]
    weights = make_weights(options.folder, "ViT-B-32")
    clip = ClipSpec(weights=str(weights), micro_batch=options.batch, device=options.device).load()
    works: dict[str, Work] = {"bare loop": bare_loop(weights, options.batch, options.device), "ours": ours(clip)}
    text = np.repeat(clip.embed_texts([TEXT]), len(images), axis=0)
    wall: list[float] = []
    cpu: list[float] = []
    for number in range(-1, options.rounds):
        taken = {name: _timed(works[name], images) for name in (list(works) if number % 2 else list(works)[::-1])}
        apart = np.abs(cosines(taken["ours"][2], text) - cosines(taken["bare loop"][2], text)).max()
        assert apart <= (1.0001e-4 if options.device == "cpu" else 0.01), f"scores differ by {apart}"
        if number >= 0:  # the round before is for caches
            wall.append(taken["bare loop"][0] / taken["ours"][0])
            cpu.append(taken["bare loop"][1] / taken["ours"][1])
            each = ", ".join(
                f"{name} {len(images) / t[0]:.1f} images/s ({t[1] / len(images) * 1000:.0f} CPU-ms each)" for name, t in taken.items()
            )
            print(f"round {number}: {each}, ratio {wall[-1]:.2f} (CPU {cpu[-1]:.2f})")
    print(f"median of {options.rounds}: {statistics.median(wall):.2f} of the bare loop (CPU {statistics.median(cpu):.2f}; bar: 0.9)")


def _timed(work: Work, images: Sequence[bytes]) -> tuple[float, float, npt.NDArray[np.float32]]:
    """Return wall seconds, CPU-seconds of this process, and the vectors."""
    wall, cpu = time.perf_counter(), time.process_time()
    vectors = work(images)
    return time.perf_counter() - wall, time.process_time() - cpu, vectors


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "glmv-bench")
    return parser


if __name__ == "__main__":
    main()
