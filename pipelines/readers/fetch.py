"""Read encoded images again, by the place that their rows record."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from operator import itemgetter

from pipelines.spine.storage import open_file


def fetch(source_path: Sequence[str], offsets: Sequence[int], lengths: Sequence[int]) -> Iterator[bytes]:
    """Yield ``lengths[i]`` bytes of ``source_path[i]`` from byte ``offsets[i]`` on, in the given order.

    A file is opened once for the rows that follow one another in it. Raises ``OSError`` where fewer bytes are left.
    """
    places = zip(source_path, offsets, lengths, strict=True)
    for path, rows in groupby(places, key=itemgetter(0)):
        with open_file(path) as file:
            for _, offset, length in rows:
                file.seek(offset)
                data = file.read(length)
                if len(data) != length:
                    raise OSError(f"{path}: expected {length} bytes from byte {offset}, found {len(data)}; the file was cut or replaced")
                yield data
