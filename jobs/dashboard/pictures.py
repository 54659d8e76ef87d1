"""Pictures of rows, made small: from the tables of the run where the row was kept, else from the source that the row names."""

import io
import re
import threading
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import pyarrow.parquet as pq
from PIL import Image

from filters.decode import Decoder, decode
from jobs.dashboard.refusals import Missing
from jobs.dashboard.runs import LEDGER, Opened
from jobs.dashboard.store import Store, parquet
from pipelines.readers.fetch import fetch
from pipelines.spine import funnel
from pipelines.spine.tables import place_of
from schemas import columns as c
from schemas import questions as q
from schemas.exits import DEAD, KEPT, EnvironmentFault
from schemas.protocols import Failure

SIDES = (16, 1024)
"""Longer side of a thumbnail in pixels, from and to (ours)."""
HELD = 64 * 2**20
"""Bytes of thumbnails that are held: about 5,000 at 256 pixels (ours)."""
_ROW_OF_LIST = re.compile(r"row \d+")
NAMES = tuple(
    field.name
    for field in (
        c.SAMPLE_ID,
        c.SPLIT_ID,
        c.ROW,
        c.EXIT,
        c.STEP,
        c.SOURCE_PATH,
        c.SOURCE_MEMBER,
        c.SOURCE_OFFSET,
        c.SOURCE_BYTES,
        q.IMAGE_COUNT,
    )
)
"""Columns that tell where the picture of a row is, as far as the ledger has them."""
Row = Mapping[str, Any]


class Held:
    """Thumbnails by key, together at most ``most`` bytes; the one that was asked for longest ago goes first."""

    def __init__(self, most: int = HELD) -> None:
        self._most, self._bytes = most, 0
        self._held: OrderedDict[object, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: object) -> bytes | None:
        """Return what is held under ``key``, None where nothing is."""
        with self._lock:
            if key in self._held:
                self._held.move_to_end(key)
            return self._held.get(key)

    def put(self, key: object, data: bytes) -> None:
        """Hold ``data`` under ``key`` and let go of the oldest until all fits; what is larger than all is not held."""
        with self._lock:
            self._bytes += len(data) - len(self._held.pop(key, b""))
            self._held[key] = data
            while self._bytes > self._most:
                self._bytes -= len(self._held.popitem(last=False)[1])


def address(index: int, row: Row) -> str | None:
    """Return where the picture of ``row`` of the run ``index`` is served, None where there is none to serve."""
    is_there = row.get(q.IMAGE_COUNT.name) != 0 if row[c.EXIT.name] == KEPT else _is_at_source(row)
    return f"/api/runs/{index}/image/{place_of(row)}" if is_there else None


def thumbnail(store: Store, held: Held, index: int, run: Opened, row: Row, side: int) -> bytes:
    """Return the picture of ``row`` as WebP, its longer side at most ``side`` pixels; raises ``Missing`` where there is none.

    ``row`` is read anew for every request: what has been taken down since is no longer shown, held or not.
    """
    if address(index, row) is None:
        raise Missing(f"row {place_of(row)} has no picture: it is dead, was taken down, or a question whose pictures only kept rows keep")
    key = (index, place_of(row), row[c.SAMPLE_ID.name], side)
    data = held.get(key)
    if data is None:
        data = small(_encoded(store, run, row), side)
        held.put(key, data)
    return data


def small(data: bytes, side: int) -> bytes:
    """Return the encoded image ``data`` as a WebP whose longer side has at most ``side`` pixels; raises ``Missing`` if it is none."""
    decoded = decode(data, max_pixels=Decoder().max_pixels, scale=side)
    if isinstance(decoded, Failure):
        raise Missing(f"no picture can be made of it: {decoded.reason}: {decoded.error}")
    file = io.BytesIO()
    Image.fromarray(decoded.pixels).save(file, "WEBP", quality=75)
    return file.getvalue()


def _encoded(store: Store, run: Opened, row: Row) -> bytes:
    data = _stored(store, run, row) if row[c.EXIT.name] == KEPT else None
    return _from_source(row) if data is None else data


def _stored(store: Store, run: Opened, row: Row) -> bytes | None:
    """Return the (first) picture of a kept row from whichever table of the run has it."""
    for table in run.tables:
        files = [] if table == LEDGER else run.files(table)
        names = pq.read_schema(files[0]).names if files else []
        columns = {c.IMAGE.name: '"image"."bytes"', q.IMAGES.name: '"images"[1]."bytes"'}
        for picture in [sql for name, sql in columns.items() if name in names]:
            sql = f'select {picture} as data from {parquet(files).sql} where split_id = $split_id and "row" = $row limit 1'  # noqa: S608
            found = store.query(sql, {"files": files, "split_id": row["split_id"], "row": row["row"]})
            if found and found[0]["data"]:
                return found[0]["data"]
    return None


def _from_source(row: Row) -> bytes:
    if not _is_at_source(row):
        raise Missing(f"row {place_of(row)} has no picture in the tables of the run")
    names = (c.SOURCE_PATH.name, c.SOURCE_MEMBER.name, c.SOURCE_OFFSET.name, c.SOURCE_BYTES.name)
    try:
        return next(fetch(*([row[name]] for name in names)))
    except (OSError, EnvironmentFault) as error:
        raise Missing(f"the source of row {place_of(row)} is not there as it was: {error}") from error


def _is_at_source(row: Row) -> bool:
    """Tell whether the source that ``row`` names is an encoded image: a list of addresses or a file of questions holds none by itself."""
    is_listed = _ROW_OF_LIST.fullmatch(row[c.SOURCE_MEMBER.name] or "") is not None or q.IMAGE_COUNT.name in row
    return not is_listed and row[c.EXIT.name] != DEAD and row[c.STEP.name] != funnel.TAKE_DOWN and row[c.SOURCE_BYTES.name] > 0
