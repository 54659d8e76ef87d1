"""Decode an image once, small, and safely: a hostile file costs a failure by name, not a worker.

Pillow alone reads, and only the formats named here, whose readers are chosen by signature and called directly: through
``Image.open`` a file of 90 megapixels or a spoilt MPO header would warn. Nothing global is changed but the warning
filters, for the length of one decode of the few formats that may warn. ``ImageFile.LOAD_TRUNCATED_IMAGES`` is taken to
be False, as Pillow has it.
"""

import re
import threading
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import partial
from io import BytesIO
from typing import ClassVar, TypeVar

import numpy as np
from PIL import Image, features
from PIL.AvifImagePlugin import AvifImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.GifImagePlugin import GifImageFile
from PIL.ImageFile import ImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile
from PIL.WebPImagePlugin import WebPImageFile

from filters.headers import Encoded, Header, displayed, ordinary, orientation_of
from schemas.protocols import Failure, Pixels


class _Jpeg(JpegImageFile):
    """JPEG without Pillow's search of EXIF for a resolution, which warns for every camera that writes EXIF badly."""

    def getexif(self) -> Image.Exif:
        return Image.Exif()


_READERS: tuple[tuple[re.Pattern[bytes], type[ImageFile]], ...] = (
    (re.compile(rb"\xff\xd8\xff"), _Jpeg),
    (re.compile(rb"\x89PNG\r\n\x1a\n"), PngImageFile),
    (re.compile(rb"RIFF....WEBPVP8[ LX]", re.DOTALL), WebPImageFile),
    (re.compile(rb"GIF8[79]a"), GifImageFile),
    (re.compile(rb"BM"), BmpImageFile),
    (re.compile(rb"II[*+]\0|MM\0[*+]"), TiffImageFile),
    *(((re.compile(rb"....ftyp(?:avi[fs]|m[is]f1)", re.DOTALL), AvifImageFile),) if features.check("avif") else ()),
)
Shrink = Callable[[Image.Image], Image.Image]
"""Returns an image, whose mode can be scaled, smaller or as it is."""
_MARKUP = re.compile(rb"(?:\xef\xbb\xbf|\xff\xfe|\xfe\xff)?\s*<[!?a-zA-Z]")
_TILE_WIDTH, _TILE_LENGTH = 322, 323
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What turns an image of each EXIF orientation upright; from 5 on width and height change places."""
_SCALED_AS_THEY_ARE = frozenset(("L", "LA", "RGB", "RGBA", "CMYK", "YCbCr", "I", "F"))
_READ_WHOLE = (WebPImageFile, AvifImageFile)
"""Readers that take the whole file at once, so that where they stop tells nothing."""
_QUIET = threading.Lock()
_Found = TypeVar("_Found")


@dataclass(frozen=True, slots=True)
class Decoded:
    """One image as displayed: EXIF orientation applied, transparency on white, 8 bit, RGB."""

    pixels: Pixels
    """Shape (h, w, 3), uint8; scaled down so that the longer side has at most ``scale`` pixels."""
    width: int
    height: int
    image_format: str
    animated: bool
    """The file holds more than one frame; the pixels are those of the first."""


@dataclass(frozen=True, slots=True)
class Decoder:
    """How large an image may be, and how small it is decoded."""

    version: ClassVar[int] = 1

    max_pixels: int = 89_478_485
    """Width times height at most (Pillow's ``MAX_IMAGE_PIXELS``: a quarter of a GiB as RGB)."""
    scale: int = 64
    """Pixels of the longer side after decoding at most: enough for colours, and JPEG decodes fast that small (ours)."""
    pixels: bool = True
    """Whether pixels are decoded; without, only headers are read, no rule on pixels is judged and a damaged body goes unnoticed (ours)."""

    def __call__(self, data: bytes) -> Decoded | Failure:
        """Decode one encoded image; see ``decode``."""
        return decode(data, max_pixels=self.max_pixels, scale=self.scale)

    def look(self, data: Encoded) -> Decoded | Header | Failure:
        """Decode one encoded image, or read its header alone where no ``pixels`` are asked for."""
        return self(bytes(data)) if self.pixels else read_header(data, max_pixels=self.max_pixels)


def decode(data: bytes, *, max_pixels: int, scale: int) -> Decoded | Failure:
    """Decode ``data``, whatever its name said, so that the longer side has at most ``scale`` pixels.

    Failures: ``empty_file``, ``html`` (or any other markup), ``not_an_image``, ``too_many_pixels`` (from the header,
    before memory is taken), ``truncated``, ``undecodable``. Raises ``MemoryError`` and nothing else. Safe in threads.
    """
    return decode_shrunk(data, max_pixels, partial(_thumbnail, scale=scale))


def decode_shrunk(data: bytes, max_pixels: int, shrink: Shrink) -> Decoded | Failure:
    """Decode ``data`` as ``decode`` does, made smaller by ``shrink``, which may ask a JPEG for a draft."""
    return _opened(data, max_pixels, lambda image: _decoded(image, shrink))


def read_header(data: Encoded, *, max_pixels: int) -> Header | Failure:
    """Read what ``data`` says of itself, without its pixels: the values and failures of ``decode``, as far as a header tells them.

    Pillow is asked where ``filters.headers`` finds more than the ordinary, and a view is copied for it. Not found are a body that is cut
    or damaged, and an orientation that PNG writes behind its pixels. Raises ``MemoryError`` and nothing else. Safe in threads.
    """
    header = ordinary(data)
    if header and header.width * header.height <= max_pixels:
        return header
    return _opened(bytes(data), max_pixels, _header)


def _opened(data: bytes, max_pixels: int, work: Callable[[ImageFile], _Found]) -> _Found | Failure:
    """Return what ``work`` makes of the image in ``data``, once its header is read and allows that."""
    if not data:
        return Failure("empty_file", "expected an encoded image, found 0 bytes")
    reader = next((reader for signature, reader in _READERS if signature.match(data)), None)
    if reader is None:
        return _not_an_image(data)
    with _no_warnings() if _may_warn(reader, data) else nullcontext():
        return _guarded(data, reader, max_pixels, work)


def _not_an_image(data: bytes) -> Failure:
    if _MARKUP.match(data[:512].replace(b"\0", b"")):
        return Failure("html", f"expected an encoded image, found markup: {data[:64]!r}")
    known = ", ".join(str(reader.format) for _, reader in _READERS)
    return Failure("not_an_image", f"expected the signature of one of {known}, found {data[:16]!r}")


def _may_warn(reader: type[ImageFile], data: bytes) -> bool:
    return reader in (GifImageFile, TiffImageFile, AvifImageFile) or (reader is PngImageFile and b"acTL" in data)


@contextmanager
def _no_warnings() -> Generator[None]:
    """Keep Pillow's warnings in: filters belong to the whole process, so one thread at a time, and only what may warn."""
    with _QUIET, warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


def _guarded(data: bytes, reader: type[ImageFile], max_pixels: int, work: Callable[[ImageFile], _Found]) -> _Found | Failure:
    file, image = BytesIO(data), None
    try:
        pixels = _claimed_pixels(reader, data)
        if pixels <= max_pixels:
            image = reader(file)
            pixels = _header_pixels(image)
        if image is None or pixels > max_pixels:
            return Failure("too_many_pixels", f"expected at most {max_pixels} pixels, the header claims {pixels}")
        return work(image)
    except MemoryError:
        raise
    except Image.DecompressionBombError as error:
        return Failure("too_many_pixels", str(error))
    except Exception as error:  # noqa: BLE001  readers trip over a hostile file in any way; the row is dead with the error's text
        cut = _is_cut(reader, data, error) or (image is None and reader not in _READ_WHOLE and file.tell() >= len(data))
        return Failure("truncated" if cut else "undecodable", f"{reader.format}: {type(error).__name__}: {error}")


def _claimed_pixels(reader: type[ImageFile], data: bytes) -> int:
    """Return the pixels of formats whose readers take memory for a frame as soon as they open a file, 0 for others.

    A first frame of a GIF that reaches beyond the screen counts once it is opened; until then Pillow's own limit holds.
    """
    if reader is GifImageFile:
        return _little(data, 6, 2) * _little(data, 8, 2)
    if reader is not WebPImageFile:
        return 0
    if data[15:16] == b"X":
        return (1 + _little(data, 24, 3)) * (1 + _little(data, 27, 3))
    if data[15:16] == b"L":
        return (1 + (_little(data, 21, 4) & 0x3FFF)) * (1 + (_little(data, 21, 4) >> 14 & 0x3FFF))
    return (_little(data, 26, 2) & 0x3FFF) * (_little(data, 28, 2) & 0x3FFF)


def _little(data: bytes, start: int, length: int) -> int:
    return int.from_bytes(data[start : start + length], "little")


def _header_pixels(image: ImageFile) -> int:
    """Return the pixels of an opened image or, if that is more, of one tile of it, which is decoded whole."""
    if any(tile.codec_name == "bmp_rle" for tile in image.tile):
        raise ValueError("a run-length encoded BMP, whose decoder takes memory without bound")
    pixels = image.width * image.height
    if isinstance(image, TiffImageFile):
        tile = [image.tag_v2.get(tag, 0) for tag in (_TILE_WIDTH, _TILE_LENGTH)]
        pixels = max(pixels, tile[0] * tile[1] if all(isinstance(side, int) for side in tile) else 0)
    return pixels


def _decoded(image: ImageFile, shrink: Shrink) -> Decoded:
    width, height, animated = image.width, image.height, bool(getattr(image, "is_animated", False))
    small = _small(image, shrink)
    orientation = orientation_of(image.info.get("exif"))
    if orientation in _UPRIGHT:
        small = small.transpose(_UPRIGHT[orientation])
    width, height = displayed(width, height, orientation)
    return Decoded(np.array(small), width, height, str(image.format), animated)


def _header(image: ImageFile) -> Header:
    sides = displayed(image.width, image.height, orientation_of(image.info.get("exif")))
    return Header(*sides, str(image.format), bool(getattr(image, "is_animated", False)))


def _small(image: Image.Image, shrink: Shrink) -> Image.Image:
    """Return ``image`` as RGB, scaled where its values mix as they should: not as palette, key colour or 16 bit."""
    if image.mode.startswith("I;16"):
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    elif image.mode not in _SCALED_AS_THEY_ARE or "transparency" in image.info:
        image = image.convert("L" if image.mode == "1" and "transparency" not in image.info else "RGBA")
    image = shrink(image)
    if image.mode in ("I", "F"):
        image = _stretched(image)
    if image.mode in ("RGBA", "LA"):
        paper = Image.new("RGBA", image.size, "white")
        paper.alpha_composite(image.convert("RGBA"))
        image = paper
    return image.convert("RGB")


def _thumbnail(image: Image.Image, scale: int) -> Image.Image:
    image.thumbnail((scale, scale), Image.Resampling.BOX, reducing_gap=1.0)
    return image


def _stretched(image: Image.Image) -> Image.Image:
    """Return 32-bit or float greys in 8 bit, from the least to the greatest: no header tells their range (ours)."""
    values = np.nan_to_num(np.asarray(image)).astype(np.float64)
    span = values.max() - values.min()
    return Image.fromarray(((values - values.min()) * (255 / span if span else 0)).astype(np.uint8))


def _is_cut(reader: type[ImageFile], data: bytes, error: Exception) -> bool:
    """Tell whether bytes are missing: Pillow says so, or the lengths that WebP and AVIF give themselves."""
    if reader is WebPImageFile and 8 + _little(data, 4, 4) > len(data):
        return True
    return (reader is AvifImageFile and _boxes_end(data) > len(data)) or "truncat" in str(error).lower()


def _boxes_end(data: bytes) -> int:
    """Return the byte behind the last of the boxes that an AVIF consists of (ISO/IEC 14496-12)."""
    at = 0
    while at + 8 <= len(data) and (size := int.from_bytes(data[at : at + 4], "big")) >= 8:
        at += size
    return at
