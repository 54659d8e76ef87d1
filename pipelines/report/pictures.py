"""Thumbnails of the rows that a report shows: read again from where they lie, as small as they are shown."""

import base64
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from PIL import Image

from filters.decode import decode
from pipelines.readers.fetch import fetch
from pipelines.spine import storage
from pipelines.spine.tables import PLACE, Within, place_of
from schemas import columns as c
from schemas.exits import DEAD
from schemas.protocols import Failure

SIDE = 192
"""Longer side of a thumbnail in pixels (ours)."""
QUALITY = 60
"""Of WebP: some 3 KB for a thumbnail (ours)."""

Row = Mapping[str, Any]
Picture = Callable[[Row], bytes | None]
"""Returns the encoded image of a row, None where there is none to be had."""


@dataclass(frozen=True)
class Thumbnail:
    """A small picture, and the size of the image that it shows."""

    url: str
    """``data:image/webp;base64,...``"""
    width: int
    height: int


def thumbnail(data: bytes, max_pixels: int, side: int = SIDE) -> Thumbnail | None:
    """Return the image ``data`` made small, None where it cannot be decoded or has more than ``max_pixels`` pixels."""
    found = decode(data, max_pixels=max_pixels, scale=side)
    if isinstance(found, Failure):
        return None
    image = Image.fromarray(found.pixels)
    image.thumbnail((side, side))
    file = io.BytesIO()
    image.save(file, "WEBP", quality=QUALITY)
    return Thumbnail(f"data:image/webp;base64,{base64.b64encode(file.getvalue()).decode()}", found.width, found.height)


def from_source(row: Row) -> bytes | None:
    """Return the image of ``row`` from its source; a report is not worth a run, so one that is gone by now is not shown."""
    try:
        place = ([row[name]] for name in ("source_path", "source_member", "source_offset", "source_bytes"))
        return None if row["exit"] == DEAD else next(fetch(*place))
    except OSError:
        return None


@dataclass(frozen=True)
class FromTables:
    """Reads the images of kept rows from the tables of a run: what was downloaded, or is a question's, lies nowhere else alone."""

    run: str
    tables: tuple[str, ...]

    def __call__(self, row: Row) -> bytes | None:
        """Return the first image of ``row``."""
        for table in self.tables:
            for path in storage.list_files(storage.join(self.run, table)):
                found = _image_at(path, place_of(row))
                if found is not None:
                    return found
        return None


def _image_at(path: str, place: str) -> bytes | None:
    split_id, row = place.split(":")
    within = Within(PLACE[0], (split_id,))
    with storage.parquet(path) as file:
        for group in (n for n in range(file.num_row_groups) if within.may_hold(file.metadata.row_group(n))):
            rows = file.read_row_group(group, columns=list(PLACE), use_threads=False).to_pylist()
            at = next((n for n, found in enumerate(rows) if found == {PLACE[0]: split_id, PLACE[1]: int(row)}), None)
            if at is not None:
                return _first_image(file.read_row_group(group, columns=[_column(file)], use_threads=False), at)
    return None


def _column(file: Any) -> str:
    return c.IMAGE.name if c.IMAGE.name in file.schema_arrow.names else c.IMAGES.name


def _first_image(table: Any, at: int) -> bytes | None:
    found = table.column(0)[at].as_py()
    image = found[0] if isinstance(found, list) and found else found
    return image["bytes"] if isinstance(image, dict) else None
