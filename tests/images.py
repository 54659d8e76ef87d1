"""Makers of good and hostile images, and of the tars and folders that they come in. The same arguments make the same bytes."""

import io
import json
import os
import struct
import tarfile
import zlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

WHEN = 1_700_000_000
"""Modification time of every file that is made here."""

Colour = tuple[int, int, int]
Sample = Mapping[str, bytes | str | Mapping[str, object]]
"""The files of one sample by suffix (``jpg``, ``txt``, ``json``, ...) and, as WebDataset has it, its name as ``__key__``."""


def photo(seed: int, size: tuple[int, int] = (320, 240), quality: int = 85) -> bytes:
    """Return a JPEG of large patches of colour under noise: no solid colour, more than 5 KB."""
    rng = np.random.default_rng(seed)
    patches = Image.fromarray(rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize(size, Image.Resampling.BICUBIC)
    noise = rng.integers(-40, 41, (size[1], size[0], 3))
    return encoded(Image.fromarray(np.clip(np.asarray(patches) + noise, 0, 255).astype(np.uint8)), "JPEG", quality=quality)


def solid(colour: Colour, size: tuple[int, int] = (320, 240), image_format: str = "PNG") -> bytes:
    """Return an image of one colour."""
    return encoded(Image.new("RGB", size, colour), image_format)


def encoded(image: Image.Image, image_format: str, **options: object) -> bytes:
    """Return ``image`` as a file of ``image_format``."""
    file = io.BytesIO()
    image.save(file, image_format, **options)
    return file.getvalue()


def truncated(data: bytes | None = None, keep: float = 0.5) -> bytes:
    """Return the first part of an image file."""
    data = photo(0) if data is None else data
    return data[: int(len(data) * keep)]


def html() -> bytes:
    """Return what a host answers in the place of an image that is gone."""
    return b"\n<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head><body>" + b"<p>gone</p>" * 600 + b"</body></html>"


def bomb_png(side: int = 20_000) -> bytes:
    """Return a whole, valid PNG of a few KB whose one-bit pixels are ``side`` squared."""
    packer = zlib.compressobj(9)
    row = b"\0" * (1 + (side + 7) // 8)
    packed = b"".join(packer.compress(row) for _ in range(side)) + packer.flush()
    return png(side, side, packed, depth=1)


def png(width: int, height: int, packed: bytes, depth: int = 8, colour_type: int = 0) -> bytes:
    """Return a PNG with this header around these compressed rows, which need not match it."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", packed), (b"IEND", b""))
    parts = [struct.pack(">I", len(d)) + kind + d + struct.pack(">I", zlib.crc32(kind + d)) for kind, d in chunks]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def cmyk_jpeg(colour: Colour, size: tuple[int, int] = (320, 240)) -> bytes:
    """Return a CMYK JPEG with Adobe's marker and its inverted inks, which displays as ``colour``."""
    inks = (*(255 - channel for channel in colour), 0)
    return encoded(Image.new("CMYK", size, inks), "JPEG", quality=95)


def grey16_png(value: int, size: tuple[int, int] = (320, 240)) -> bytes:
    """Return a 16-bit grey PNG of one value, 0 to 65535."""
    return encoded(Image.fromarray(np.full((size[1], size[0]), value, np.uint16)), "PNG")


def palette_png_with_transparency(size: tuple[int, int] = (320, 240)) -> bytes:
    """Return a palette PNG: left half opaque blue, right half fully transparent over black."""
    image = Image.new("P", size, 0)
    image.putpalette([0, 0, 255, 0, 0, 0])
    image.paste(1, (size[0] // 2, 0, *size))
    return encoded(image, "PNG", transparency=bytes((255, 0)))


def animated_gif(frames: int = 3, size: tuple[int, int] = (320, 240)) -> bytes:
    """Return a GIF whose first frame is red."""
    colours = ("red", "lime", "blue")
    images = [Image.new("RGB", size, colours[n % 3]) for n in range(frames)]
    return encoded(images[0], "GIF", save_all=True, append_images=images[1:])


def exif_rotated_jpeg(orientation: int = 6, size: tuple[int, int] = (320, 240)) -> bytes:
    """Return a JPEG stored at ``size`` with a red patch in its upper left corner, to be displayed by ``orientation``."""
    image = Image.new("RGB", size, "white")
    image.paste("red", (0, 0, size[0] // 4, size[1] // 4))
    exif = Image.Exif()
    exif[0x0112] = orientation
    return encoded(image, "JPEG", quality=95, exif=exif)


def sample(seed: int, alt_text: str | None = None, **record: object) -> dict[str, bytes | str | Mapping[str, object]]:
    """Return one good sample as img2dataset writes it: a JPEG, a text, and a record with caption and url."""
    alt_text = f"photo number {seed} of a market" if alt_text is None else alt_text
    url = f"https://images.example/{seed}.jpg"
    return {"__key__": f"{seed:09d}", "jpg": photo(seed), "txt": alt_text, "json": {"caption": alt_text, "url": url, **record}}


def write_tar(path: str | Path, samples: Iterable[Sample]) -> str:
    """Write ``samples`` as a WebDataset tar, members in the order of their suffixes, and return its path."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w", format=tarfile.GNU_FORMAT) as archive:
        for number, files in enumerate(samples):
            for suffix, data in _members(files):
                member = tarfile.TarInfo(f"{files.get('__key__', f'{number:09d}')}.{suffix}")
                member.size, member.mtime = len(data), WHEN
                archive.addfile(member, io.BytesIO(data))
    os.utime(path, (WHEN, WHEN))
    return str(path)


def write_parquet(path: str | Path, samples: Iterable[Sample], rows_in_a_group: int = 4) -> str:
    """Write ``samples`` as ``datasets`` stores them, with the fields of their records as columns, and return the path."""
    rows = []
    for files in samples:
        record = files.get("json", {})
        assert isinstance(record, Mapping)
        picture = {"bytes": files.get("jpg"), "path": None}
        rows.append({**record, "image": picture, "alt_text": files.get("txt", record.get("caption"))})
    names = sorted({name for row in rows for name in row})
    table = pa.table({name: [row.get(name) for row in rows] for name in names})
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table, path, row_group_size=rows_in_a_group)
    os.utime(path, (WHEN, WHEN))
    return str(path)


def write_folder(path: str | Path, samples: Iterable[Sample]) -> str:
    """Write ``samples`` as files in the folder ``path`` and return it."""
    for number, files in enumerate(samples):
        for suffix, data in _members(files):
            write_file(Path(path, f"{files.get('__key__', f'{number:09d}')}.{suffix}"), data)
    return str(path)


def write_file(path: str | Path, data: bytes | str) -> str:
    """Write one file, its folder if need be, with the modification time of all others, and return its path."""
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    Path(path).write_bytes(data.encode() if isinstance(data, str) else data)
    os.utime(path, (WHEN, WHEN))
    return str(path)


def _members(files: Sample) -> Iterable[tuple[str, bytes]]:
    for suffix, data in files.items():
        if suffix == "__key__":
            continue
        if isinstance(data, bytes):
            yield suffix, data
        else:
            yield suffix, (data if isinstance(data, str) else json.dumps(data)).encode()
