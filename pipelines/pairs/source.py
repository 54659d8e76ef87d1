"""The input of a run: what it names, what lies there, and how that is cut into splits."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any, Protocol

from pipelines.readers.parquet import refuse_columns
from pipelines.readers.parquet_columns import ParquetColumns, choose
from pipelines.readers.splits import FOLDER, PARQUET, Shard, Split, cut, limited, list_shards
from pipelines.spine import storage
from pipelines.spine.commit import refuse_below_one
from pipelines.spine.config import ConfigError
from pipelines.spine.identity import digest
from schemas.exits import EnvironmentFault


@dataclass(frozen=True)
class Input:
    """What is read, and what is said of it."""

    path: str = ""
    """Folder of images, or tars or Parquet files: one, a folder or a glob of them; local or `scheme://...`."""
    corpus: str = "corpus"
    """Name of the corpus; part of every sample_id."""
    license: str = "unknown"
    """Licence of samples whose source states none."""
    limit: int | None = None
    """Take only the first so many samples."""
    split_samples: int = 512
    """Samples in a split at most (design)."""
    split_mb: int = 64
    """MiB of images in a split at most (design)."""
    columns: ParquetColumns = field(default_factory=ParquetColumns)
    """Which columns of a Parquet input hold what."""

    def __post_init__(self) -> None:
        """Refuse sizes of nothing."""
        refuse_below_one(limit=self.limit, split_samples=self.split_samples, split_mb=self.split_mb)

    def cut(self, shard: Shard, plan: str) -> Iterable[Split]:
        """Cut ``shard``, which has images; the offsets of a tar are kept in the folder ``plan``."""
        return cut(shard, self.split_samples, self.split_mb * 2**20, plan, self.columns)


class Asked(Protocol):
    """What a job says of its input: that of pairs, or that of questions."""

    @property
    def path(self) -> str:
        """What is read."""
        ...

    @property
    def limit(self) -> int | None:
        """Take only the first so many samples."""
        ...

    def cut(self, shard: Shard, plan: str) -> Iterable[Split]:
        """Cut ``shard`` into splits; runs in workers."""
        ...


@dataclass(frozen=True)
class Source:
    """The shards behind what was ``Asked``, listed once."""

    input: Asked
    shards: tuple[Shard, ...]
    plan: str
    """Folder that keeps the offsets of tars."""
    cut: str = ""
    """Digest of the splits, where the launcher has cut them: those of a folder."""

    @property
    def identity(self) -> Any:
        """What the input is by its contents: size and etag of each file; a folder has none, its files have."""
        return self.cut or [asdict(shard) for shard in self.shards]

    @property
    def digest(self) -> str:
        """Name of the input as it is listed, whatever its files hold."""
        return digest([asdict(shard) for shard in self.shards])


def open_source(asked: Input, output: str) -> Source:
    """List what ``asked`` names, for a run that writes below the folder ``output``.

    Raises ``ConfigError`` without an input path, when nothing is found there, and when its Parquet lacks the columns.
    """
    refuse_places(asked.path, output, "FOLDER (images, tars, Parquet, or a glob of either)")
    asked = replace(asked, path=storage.absolute(asked.path))
    try:
        shards = tuple(list_shards(asked.path))
    except ValueError as error:
        raise ConfigError(f"'input.path': {error}") from error
    _refuse_columns(shards, asked)
    source = Source(asked, shards, storage.join(output, "plan"))
    return source if all(shard.kind != FOLDER for shard in shards) else replace(source, cut=_digest_of(_cut(source)))


def refuse_places(path: str, output: str, wanted: str) -> None:
    """Raise ``ConfigError`` without a ``path``, of which ``wanted`` says what it may be, or with an ``output`` that is a pattern."""
    if not path:
        raise ConfigError(f"missing key 'input.path': give --input {wanted}")
    if not storage.is_local(output) and any(char in output for char in "*?["):
        raise ConfigError(f"'output.folder': {output} holds one of *?[, which a store takes for a pattern; rename it")


def splits_of(shard: Shard, source: Source) -> Iterable[Split]:
    """Cut one shard; runs in workers. Raises ``EnvironmentFault`` where a folder is no longer what the run was named by."""
    if not source.cut:
        return _of_shard(shard, source)
    known = list(_of_shard(shard, source))
    if _digest_of(known) != source.cut:
        raise EnvironmentFault(f"{shard.path} changed after the run was named by its contents; run the same command again")
    return known


def first_splits(source: Source) -> list[Split]:
    """Cut only as much as ``input.limit`` asks for, here and not in workers."""
    splits = (split for shard in source.shards for split in splits_of(shard, source))
    return list(splits if source.input.limit is None else limited(splits, source.input.limit))


def _refuse_columns(shards: Sequence[Shard], asked: Input) -> None:
    try:
        refuse_columns((shard.path for shard in shards if shard.kind == PARQUET), partial(choose, columns=asked.columns))
    except EnvironmentFault as error:
        raise ConfigError(f"'input.columns': {error}") from error


def _cut(source: Source) -> Iterable[Split]:
    return (split for shard in source.shards for split in _of_shard(shard, source))


def _of_shard(shard: Shard, source: Source) -> Iterable[Split]:
    return source.input.cut(shard, source.plan)


def _digest_of(splits: Iterable[Split]) -> str:
    return digest(sorted(split.split_id for split in splits))
