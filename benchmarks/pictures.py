"""A folder of pictures with planted copies to measure near-duplicate search on; the same arguments make the same pictures."""

import io
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFilter

from benchmarks.copies import FOUND, NOT_CLAIMED, copy_of

KINDS = (*FOUND, *NOT_CLAIMED)
WIDTH, HEIGHT = 640, 480


def build(folder: Path, originals: int, copies: int) -> dict[str, tuple[str, str]]:
    """Write pictures and copies of the first of them, their kinds in turn, below ``folder``.

    Returns the original and the kind of each file by name; an original is its own and of the kind ``original``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = {_name(number, "original"): (_name(number, "original"), "original") for number in range(originals)}
    planted = [(number, KINDS[number % len(KINDS)]) for number in range(copies)]
    files |= {_name(number, kind): (_name(number, "original"), kind) for number, kind in planted}
    for number in range(originals):
        _write(folder / _name(number, "original"), lambda number=number: picture(number))
    for number, kind in planted:
        original = folder / _name(number, "original")
        _write(folder / _name(number, kind), lambda original=original, kind=kind: copy_of(original.read_bytes(), kind))
    return files


def picture(seed: int) -> bytes:
    """Return a JPEG of 640 x 480 pixels: soft and sharp shapes before a cloudy ground, textured down to the pixel, some 70 KB."""
    rng = np.random.default_rng(seed)
    ground = np.sum([_cloud(rng, 2 + 2**octave) / 2 ** (0.9 * octave) for octave in range(7)], axis=0)
    image, texture = Image.fromarray(_stretched(ground)), _cloud(rng, 60)
    for _ in range(rng.integers(4, 12)):
        image = _with_shape(image, texture, rng)
    grain = rng.standard_normal((HEIGHT, WIDTH, 1), np.float32) * rng.uniform(3, 9)
    file = io.BytesIO()
    Image.fromarray(np.clip(np.asarray(image) + grain, 0, 255).astype(np.uint8)).save(file, "JPEG", quality=85)
    return file.getvalue()


def _cloud(rng: np.random.Generator, cells: int) -> npt.NDArray[np.float32]:
    """Return smooth noise of about ``cells`` spots in a row, shape (480, 640, 3)."""
    rows = cells * 3 // 4 + 1
    spots = rng.standard_normal((rows, cells, 1), np.float32) + 0.4 * rng.standard_normal((rows, cells, 3), np.float32)
    return np.asarray(cv2.resize(spots, (WIDTH, HEIGHT), interpolation=cv2.INTER_CUBIC), np.float32)


def _stretched(values: npt.NDArray[np.float32]) -> npt.NDArray[np.uint8]:
    low, high = np.percentile(values[::8, ::8], (1, 99))
    return np.clip((values - low) * (225 / (high - low)) + 10, 0, 255).astype(np.uint8)


def _with_shape(image: Image.Image, texture: npt.NDArray[np.float32], rng: np.random.Generator) -> Image.Image:
    """Return ``image`` with a textured ellipse or polygon in front, more or less transparent and blurred."""
    mask = Image.new("L", image.size)
    middle, reach = rng.uniform((0, 0), (WIDTH, HEIGHT)), rng.uniform(30, 180, size=2)
    angles = np.linspace(0, 2 * np.pi, 40) if rng.random() < 0.5 else np.sort(rng.uniform(0, 2 * np.pi, rng.integers(3, 9)))
    corners = middle + reach * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    ImageDraw.Draw(mask).polygon([(float(x), float(y)) for x, y in corners], fill=int(rng.integers(140, 256)))
    colour = rng.uniform(20, 235, size=3).astype(np.float32)
    front = Image.fromarray(np.clip(texture * np.float32(rng.uniform(5, 30)) + colour, 0, 255).astype(np.uint8))
    return Image.composite(front, image, mask.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.5, 4)))))


def _name(number: int, kind: str) -> str:
    return f"{number:06d}-{kind}.jpg"


def _write(path: Path, make: Callable[[], bytes]) -> None:
    if not path.exists():
        path.write_bytes(make())
