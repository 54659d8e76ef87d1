"""Read an input to its rows, as a pass would, and write tars member by member."""

import io
import itertools
import tarfile
from pathlib import Path

from pipelines.readers.splits import Split, cut, list_shards, read

CORPUS, LICENSE = "market", "CC-BY-4.0"


def splits_of(path: str | Path, max_samples: int = 512, max_bytes: int = 2**26) -> list[Split]:
    plan = str(Path(path).parent / "plan") if "://" not in str(path) else "memtest://plan"
    return [split for shard in list_shards(str(path)) for split in cut(shard, max_samples, max_bytes, plan)]


def rows_of(path: str | Path, max_samples: int = 512, max_bytes: int = 2**26) -> list[dict]:
    return [row for split in splits_of(path, max_samples, max_bytes) for row in read(split, CORPUS, LICENSE).to_pylist()]


def by_reason(rows: list[dict]) -> dict[str | None, list[dict]]:
    return {
        reason: list(found) for reason, found in itertools.groupby(sorted(rows, key=lambda r: r["reason"] or ""), lambda r: r["reason"])
    }


def raw_tar(path: Path, members: list[tuple[str, bytes]], pax: bool = False) -> str:
    """Write members as they are given, in this order."""
    with tarfile.open(path, "w", format=tarfile.PAX_FORMAT if pax else tarfile.GNU_FORMAT) as archive:
        for name, data in members:
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return str(path)
