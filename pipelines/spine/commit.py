"""The last steps of every graph: list the fragments once, check that everything adds up, compact, write the manifest.

They are part of the graph, so the launcher may be gone by then. The manifest is written last: its presence means that
the run is complete.
"""

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any

import apache_beam as beam
from apache_beam.pvalue import AsList, AsSingleton, PCollection
from apache_beam.typehints import with_input_types, with_output_types

from pipelines.report.sketches import Sketch
from pipelines.spine import forgotten, fragments, funnel, identity, nested, storage
from pipelines.spine.finished import Finished
from pipelines.spine.layout import Layout
from pipelines.spine.shards import ShardPlan, WrittenShard, plan, write_shard
from pipelines.spine.steps import FUNNEL
from schemas.exits import EnvironmentFault

MANIFEST, FUNNEL_FILE, CARD = "manifest.json", "funnel.json", "README.md"
GOING = ".going"
"""Ending of a file beside the fragments that names those which a finished run no longer needs."""
KEPT_BYTES = b"kept_bytes"
"""Footer key: image bytes of the kept rows, from which shards are planned."""
ROW_BYTES = 1024
"""Weight of a row besides its image when shards are planned, so that a run that keeps little has no endless ledger (ours)."""


@dataclass(frozen=True)
class Limits:
    """When a run with dead letters is no longer a run."""

    max_dead_ratio: float = 0.3
    """Share of the input, and of what enters any one step, that may be dead (ours: raw web pools lose up to a fifth to broken files)."""
    dead_floor: int = 10
    """Dead letters that never fail a run, however small the input (ours)."""

    def __post_init__(self) -> None:
        """Refuse a share that is none."""
        if not 0 <= self.max_dead_ratio <= 1:
            raise ValueError(f"max_dead_ratio is a share, expected 0 to 1, found {self.max_dead_ratio}")


@dataclass(frozen=True)
class Output:
    """Where and how a run's shards are written."""

    shard_mb: int = 256
    """Size of a shard in MiB (design: 256-512)."""
    folder: str = "runs"
    """Where everything is written."""
    seed: int = 0
    """Orders the shards' splits."""
    described_as_samples: bool = False
    """Put captions that were written from a description, without the pixels, among the samples and not apart in ``described/``."""
    keep_fragments: bool = True
    """Fragments kept let a later run over more shards do only the new ones; false saves the disk once the manifest stands."""

    def __post_init__(self) -> None:
        """Refuse shards of nothing."""
        refuse_below_one(shard_mb=self.shard_mb)


def refuse_below_one(**sizes: int | None) -> None:
    """Raise ``ValueError`` for the first of ``sizes`` that is below 1; null is no size."""
    for name, size in sizes.items():
        if size is not None and size < 1:
            raise ValueError(f"{name}: expected at least 1, found {size}")


@dataclass(frozen=True)
class Commit:
    """Everything the last steps need to know."""

    pass_folder: str
    """Where the last pass left its fragments."""
    earlier: tuple[str, ...]
    """Where earlier passes left theirs: what killed writers left there goes too."""
    run: str
    layout: Layout
    limits: Limits
    output: Output
    identity: Mapping[str, Any]
    """What the manifest says of the run: its id, its pipeline, its passes, the commit of the code."""
    pages: Callable[[Finished], Mapping[str, bytes]]
    """Given what the run came to, its further files by name: the resolved job, the dataset card, the report."""
    started: float | None = None
    """When the launch began, in seconds since 1970, UTC."""


def commit_run(
    keys: PCollection[str], planned: PCollection[tuple[str, int]], how: Commit, pages: PCollection[tuple[str, bytes]] | None = None
) -> PCollection[str]:
    """Turn the committed splits ``keys`` into a finished run; the result is one element, the manifest's path.

    ``planned`` holds (split_id, rows) of every split that was cut: what the fragments come to is held against it. ``pages`` are
    further files by name that the graph has computed; a few.
    """
    plan_: Any = planned | "Gather what was cut" >> beam.combiners.ToList()
    shards: Any = (
        keys
        | "Gather the splits of the run" >> beam.combiners.ToList()
        | "List their fragments once" >> beam.FlatMap(_list, how).with_output_types(tuple[int, str, list[str]])
        | "Spread the footers" >> beam.Reshuffle()
        | "Read the footers" >> beam.Map(_footer)
        | "Gather the footers" >> beam.combiners.ToList()
        | "Check the sums and plan the shards" >> beam.FlatMap(_plan, how, planned=AsSingleton(plan_)).with_output_types(ShardPlan)
        | "Spread the shards" >> beam.Reshuffle()
        | "Write the shards" >> beam.Map(_write, how)
    )
    sketches = shards | "Take their sketches" >> beam.Map(_sketch).with_output_types(Sketch)
    sketch = sketches | "Add the sketches up" >> beam.CombineGlobally(AddSketches())
    shards = shards | "Leave the sketches" >> beam.Map(_bare) | "Gather the shards" >> beam.combiners.ToList()
    further = [] if pages is None else AsList(pages)
    manifest: Any = shards | "Write the funnel and the manifest" >> beam.Map(_finish, how, further, AsSingleton(sketch)).with_output_types(
        str
    )
    if not how.output.keep_fragments:
        _ = shards | "Name the shards" >> beam.FlatMap(_going_of, how) | "Let the fragments go" >> beam.Map(_let_go, AsSingleton(manifest))
    return manifest


def under_way(run: str) -> str:
    """Return the file that says of the folder ``run``, which need not be there yet, where its passes leave their fragments.

    It lies below the output folder, ``under-way/PIPELINE-ID.json``: what the manifest will say of the identity of the run, since when
    it has been ``started``, and what its report is ``declared`` to count. It is gone once the run is finished.
    """
    output, pipeline, run_id = run.rstrip("/").rsplit("/", 2)
    return storage.join(output, "under-way", f"{pipeline}-{run_id}.json")


def begin(how: Commit) -> None:
    """Say that a local run is under way; nobody looks for that on an object store."""
    if storage.is_local(how.run):
        declared = how.layout.tell and how.layout.tell.declared()
        told = {**how.identity, "started": datetime.now(UTC).isoformat(timespec="seconds"), "declared": declared}
        storage.write(under_way(how.run), json.dumps(told, sort_keys=True, ensure_ascii=False).encode() + b"\n")


def let_go(how: Commit) -> None:
    """Remove the fragments that a finished run was to remove and did not: it was killed behind its manifest."""
    if not how.output.keep_fragments:
        for path in storage.list_files(how.pass_folder, f"{_run_id(how)}-"):
            if path.endswith(GOING):
                _let_go(path, storage.join(how.run, MANIFEST))


def read_manifest(run: str) -> dict[str, Any] | None:
    """Return the manifest of ``run``, None if the run is not complete."""
    path = storage.join(run, MANIFEST)
    return json.loads(storage.read(path)) if storage.exists(path) else None


def write_manifest(run: str, manifest: Mapping[str, Any]) -> str:
    """Write the manifest of ``run`` and return its path."""
    path = storage.join(run, MANIFEST)
    storage.write(path, json.dumps(manifest, indent=1, sort_keys=True, ensure_ascii=False).encode() + b"\n")
    return path


def _list(keys: list[str], how: Commit) -> Iterator[tuple[int, str, list[str]]]:
    ordered = sorted(set(keys), key=lambda key: identity.order(how.output.seed, key))
    storage.remove(storage.temporaries(how.pass_folder, ordered))
    for folder in how.earlier:
        storage.remove(storage.temporaries(folder, [key.rsplit("-", 1)[0] for key in ordered]))
    found = fragments.attempts(storage.list_files(how.pass_folder), ordered)
    yield from zip(range(len(ordered)), ordered, found, strict=True)


def _run_id(how: Commit) -> str:
    return how.run.rstrip("/").rsplit("/", 1)[-1]


def nested_funnel(name: str) -> str:
    """Return the file that holds the funnel of the rows nested in the column ``name``."""
    return f"funnel-{name}.json"


def _going(number: int, how: Commit) -> str:
    """Return the file that names the fragments of a shard until they are gone."""
    return storage.join(how.pass_folder, f"{_run_id(how)}-{number:05d}{GOING}")


def _going_of(written: Sequence[tuple[int, WrittenShard]], how: Commit) -> list[str]:
    return [_going(number, how) for number, _ in written]


def _let_go(going: str, manifest: str) -> None:
    """Remove every attempt at the splits that ``going`` names, and then that file, once ``manifest`` stands."""
    if not storage.exists(manifest):
        raise EnvironmentFault(f"{manifest} is gone: the fragments that {going} names are kept; run the same command again")
    if not storage.exists(going):  # a retry of what was done
        return
    folder = going.rsplit("/", 1)[0]
    for key in json.loads(storage.read(going)):
        storage.remove(storage.list_files(folder, f"{key}."))
    storage.remove([going])


def _footer(numbered: tuple[int, str, list[str]]) -> tuple[int, str, bytes, int]:
    number, key, paths = numbered
    path = fragments.choose(key, paths)
    footer = fragments.footer(path)
    return number, path, footer[FUNNEL], int(footer[KEPT_BYTES])


def _plan(footers: Sequence[tuple[int, str, bytes, int]], how: Commit, planned: Sequence[tuple[str, int]]) -> list[ShardPlan]:
    ordered = sorted(footers)
    for _, path, counts, _ in ordered:
        funnel.check(funnel.loads(counts), path)
    whole = funnel.total(funnel.loads(counts) for _, _, counts, _ in ordered)
    funnel.check(whole, how.run)
    check_plan(planned, [fragments.key_of(path) for _, path, _, _ in ordered], whole)
    refuse_too_many_dead(whole, how.limits)
    weights = [(path, kept + ROW_BYTES * funnel.loads(counts)[0].entered) for _, path, counts, kept in ordered]
    return plan(weights, how.output.shard_mb * 2**20)


def check_plan(planned: Sequence[tuple[str, int]], keys: Sequence[str], whole: funnel.Funnel) -> None:
    """Raise ``SumsDoNotAddUp`` unless every split that was cut is committed once, and all rows that it held were read."""
    cut, committed = sorted(split_id for split_id, _ in planned), sorted(key.split("-")[0] for key in keys)
    if cut != committed:
        raise funnel.SumsDoNotAddUp(
            f"{len(cut)} splits were cut ({len(set(cut))} distinct), but {len(committed)} fragments are to be committed"
        )
    rows, entered = sum(rows for _, rows in planned), whole[0].entered if whole else 0
    if rows != entered:
        raise funnel.SumsDoNotAddUp(f"the splits that were cut hold {rows} rows, but the first step took in {entered}")


def refuse_too_many_dead(whole: funnel.Funnel, limits: Limits) -> None:
    """Raise ``EnvironmentFault`` when more rows are dead than ``limits`` allow, at any one step or in all."""
    every = sum((Counter(count.dead) for count in whole), Counter[str]())
    told = [(count.entered, count.dead) for count in whole] + [(whole[0].entered if whole else 0, every)]
    for entered, reasons in told:
        dead = sum(reasons.values())
        if dead <= max(limits.dead_floor, limits.max_dead_ratio * entered):
            continue
        raise EnvironmentFault(
            f"{dead} of {entered} samples are dead letters ({dict(reasons)}), more than "
            f"limits.max_dead_ratio={limits.max_dead_ratio} allows; look at the input, "
            "or raise it by --set limits.max_dead_ratio=1 (what was done is kept)"
        )


def _write(shard: ShardPlan, how: Commit) -> tuple[int, WrittenShard]:
    if not how.output.keep_fragments:
        keys = [fragments.key_of(path) for path in shard.fragments]
        storage.write(_going(shard.number, how), json.dumps(keys).encode())
    return shard.number, write_shard(shard, how.run, how.layout)


def _sketch(numbered: tuple[int, WrittenShard]) -> Sketch:
    return numbered[1].sketch


@with_input_types(Sketch)
@with_output_types(Sketch)
class AddSketches(beam.CombineFn):
    """Adds sketches up one by one where shards are written, so that no worker ever holds those of all."""

    def create_accumulator(self) -> Sketch:
        """Return the sketch of no rows."""
        return Sketch()

    def add_input(self, mutable_accumulator: Sketch, element: Sketch) -> Sketch:
        """Return the sum of both."""
        return mutable_accumulator + element

    def merge_accumulators(self, accumulators: Iterable[Sketch]) -> Sketch:
        """Return the sum of all."""
        return sum(accumulators, Sketch())

    def extract_output(self, accumulator: Sketch) -> Sketch:
        """Return the sum itself."""
        return accumulator


def _bare(numbered: tuple[int, WrittenShard]) -> tuple[int, WrittenShard]:
    number, written = numbered
    return number, replace(written, sketch=Sketch())


def _finish(numbered: Sequence[tuple[int, WrittenShard]], how: Commit, further: Sequence[tuple[str, bytes]], sketch: Sketch) -> str:
    """Check the rows against the footers, and write funnel, pages and manifest."""
    written = [shard for _, shard in sorted(numbered, key=lambda n: n[0])]
    whole = funnel.total(shard.funnel for shard in written)
    check_rows(whole, written)
    spent = {name: round(sum(shard.spent[name] for shard in written), 3) for name in (written[0].spent if written else ())}
    captions = {kind: sum(shard.captions[kind] for shard in written) for kind in (written[0].captions if written else ())}
    below = nested.total(shard.nested for shard in written)
    for name, found in below.items():
        nested.check(name, found)
    files = [asdict(file) for shard in written for file in shard.files]
    _remove_all_but({file["path"] for file in files}, how)
    funnels = {FUNNEL_FILE: whole, **{nested_funnel(name): found.funnel for name, found in below.items()}}
    told = {name: funnel.dumps(found) + b"\n" for name, found in funnels.items()}
    by_table = {"ledger": whole, **{name: found.funnel for name, found in below.items()}}
    finished = Finished(how.run, how.identity, by_table, sketch, captions, spent, how.started, dict(further))
    pages = {**told, **how.pages(finished), **finished.further}
    if CARD in pages:
        pages[CARD] = forgotten.stated(pages[CARD], funnel.taken_down(whole))
    for name, data in pages.items():
        storage.write(storage.join(how.run, name), data)
    storage.remove([*storage.temporaries(how.run), *([under_way(how.run)] if storage.is_local(how.run) else [])])
    manifest = {**how.identity, "exits": funnel.exits(whole), "spent": spent, "captions": captions, "files": files}
    return write_manifest(how.run, manifest)


def _remove_all_but(names: Collection[str], how: Commit) -> None:
    """Remove from the tables of the run what an earlier attempt wrote and this one did not."""
    for table in how.layout.tables:
        folder = storage.join(how.run, table)
        stale = [path for path in storage.list_files(folder) if path[len(how.run) :].lstrip("/") not in names]
        storage.remove([*stale, *storage.temporaries(folder)])


def check_rows(whole: funnel.Funnel, written: Sequence[WrittenShard]) -> None:
    """Raise ``SumsDoNotAddUp`` unless the rows in the shards are those that the footers promised, door by door."""
    promised = {door: n for door, n in funnel.exits(whole).items() if n}
    found: dict[str, int] = {}
    for shard in written:
        found = {door: found.get(door, 0) + shard.exits.get(door, 0) for door in {*found, *shard.exits}}
    if promised != found:
        raise funnel.SumsDoNotAddUp(f"the fragments' footers promise {promised}, their rows say {dict(sorted(found.items()))}")
