"""Take the stored answers to some samples' requests away: a part of ``jobs.forget``."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import xxhash

from pipelines.readers.fetch import fetch
from pipelines.spine import storage
from pipelines.spine.config import ConfigError, build, read_yaml
from pipelines.spine.tables import Run, runs_below
from schemas import columns as c
from schemas.columns import SEEN_DESCRIPTION, SEEN_IMAGE
from schemas.exits import EnvironmentFault
from schemas.protocols import CaptionTask
from synth.answers import glance, keys_of, split_of, without
from synth.captioner import CaptionerSpec
from synth.evidence import in_words

SOURCE = tuple(about.name for about in (c.SOURCE_PATH, c.SOURCE_MEMBER, c.SOURCE_OFFSET, c.SOURCE_BYTES))
Row = Mapping[str, Any]


@dataclass
class Told:
    """What became of stored answers."""

    removed: int = 0
    """Answers that are gone, those of others among them where a split lost all of its."""
    whole: list[str] = field(default_factory=list[str])
    """A line for each split that lost all of its answers, and why."""


def erase(run: Run, rows: Collection[Row], images: Mapping[str, bytes]) -> Told:
    """Remove the answers to the requests of ``rows``, in whatever model's folder they lie; ``images`` are those at hand, by hash.

    A rollout says which question it is of. A request for a caption is told by its key, which is made again from the row, its image and the
    captioner of a run. Where neither helps, the answers of the row's whole split go: none may stay behind.
    """
    by_split: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        by_split[row[c.SPLIT_ID.name]].append(row)
    segments: dict[tuple[str, str], list[str]] = defaultdict(list)
    for path in storage.list_below(storage.join(run.output, "answers")):
        split = split_of(path)
        if split is not None and split in by_split:
            segments[path.rsplit("/", 3)[-3], split].append(path)
    captioners = {spec.digest: spec for spec in _captioners(run)} if segments else {}
    storage.remove(left for paths in segments.values() for left in storage.temporaries(paths[0].rpartition("/")[0]))
    told = Told()
    for (model, split), paths in sorted(segments.items()):
        keys = _owned(paths, split, by_split[split])
        _erase_in(paths, split, _keys(captioners.get(model), by_split[split], images) if keys is None else keys, told)
    return told


def _owned(paths: Collection[str], split: str, rows: Collection[Row]) -> set[str] | None:
    """Return the keys of the answers that say that they are of one of ``rows``; None where some do not say of what they are."""
    sample_ids = {row[c.SAMPLE_ID.name] for row in rows} - {None}
    found = [keys_of(storage.read(path), split, sample_ids) for path in paths]
    return None if None in found else {key for keys in found if keys for key in keys}


def _erase_in(paths: Collection[str], split: str, keys: set[str] | str, told: Told) -> None:
    """Remove the answers to ``keys`` from segments, or all of them for the reason that is in the place of keys."""
    before = sum(len(glance(storage.read(path), split).keys) for path in paths)
    if isinstance(keys, str):
        storage.remove(paths)
        told.whole.append(f"all {before} answers of split {split} were removed, since {keys}")
        told.removed += before
        return
    for path in paths:
        data = storage.read(path)
        kept, answers = without(data, path, split, keys)
        if not answers:
            storage.remove([path])
        elif kept != data:
            storage.write(path, kept)
        told.removed += len(glance(data, split).keys) - answers


def _keys(captioner: CaptionerSpec | None, rows: Collection[Row], images: Mapping[str, bytes]) -> set[str] | str:
    """Return the keys of the requests of ``rows``, or why they cannot be told."""
    if captioner is None:
        return "they do not say what they are of, and no run here names the captioner that gave them"
    keys: set[str] = set()
    for row in rows:
        if row.get(c.IMAGE_FORMAT.name) is None:  # never decoded, so never asked for
            continue
        image = b"" if captioner.seen == SEEN_DESCRIPTION else images.get(row[c.IMAGE_HASH.name]) or _fetched(row)
        if captioner.seen == SEEN_IMAGE and not image:
            return f"the image of row {row[c.ROW.name]} is gone from its source"
        words = in_words(row.get(c.LABELS.name), row.get(c.OCR_TEXT.name)) if captioner.seen == SEEN_DESCRIPTION else ""
        keys.add(captioner.key(CaptionTask(image, row[c.IMAGE_FORMAT.name], row[c.ALT_TEXT.name] or "", words)))
    return keys


def _fetched(row: Row) -> bytes:
    """Return the image of ``row`` from its source, nothing where that has gone or changed."""
    try:
        data = next(fetch(*([row[name]] for name in SOURCE)))
    except (OSError, EnvironmentFault, ValueError):
        return b""
    return data if xxhash.xxh3_128_hexdigest(data) == row[c.IMAGE_HASH.name] else b""


def _captioners(run: Run) -> Iterator[CaptionerSpec]:
    """Yield the captioner of each run below the output folder; one whose prompt has gone cannot be told any more."""
    for folder in runs_below(run.output):
        path = storage.join(folder, "job.yaml")
        section = read_yaml(storage.read(path).decode(), path).get("captioner") if storage.exists(path) else None
        if section:
            try:
                spec = build(CaptionerSpec, section, "captioner")
                _ = spec.digest
            except (ConfigError, ValueError):
                continue
            yield spec
