"""Read encoded images again, by the place that their rows record."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter

from pipelines.readers.parquet import SUFFIX, images_at
from pipelines.spine.storage import open_file


def fetch(source_path: Sequence[str], members: Sequence[str | None], offsets: Sequence[int], lengths: Sequence[int]) -> Iterator[bytes]:
    """Yield the image of each row in the given order: ``lengths[i]`` bytes of ``source_path[i]`` from byte ``offsets[i]`` on.

    In a Parquet file it is the row that ``members[i]`` names. A file is opened once for the rows that follow one another in
    it. Raises ``OSError`` where fewer bytes are left or the row has no such image.
    """
    places = zip(source_path, members, offsets, lengths, strict=True)
    for path, rows in groupby(places, key=itemgetter(0)):
        here = list(rows)
        named = [member for _, member, _, _ in here if member is not None]
        in_rows = path.lower().endswith(SUFFIX) and len(named) == len(here)
        found = images_at(path, named) if in_rows else _ranges(path, [(offset, length) for _, _, offset, length in here])
        for (_, member, offset, length), data in zip(here, found, strict=True):
            if len(data) != length:
                where = member if in_rows else f"byte {offset}"
                raise OSError(f"{path}: expected {length} bytes from {where}, found {len(data)}; the file was cut or replaced")
            yield data


def _ranges(path: str, ranges: Sequence[tuple[int, int]]) -> Iterator[bytes]:
    with open_file(path) as file:
        for offset, length in ranges:
            file.seek(offset)
            yield file.read(length)
