"""What a run over questions would ask of its models, how far it is, and what it came to."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from typing import Any

from pipelines.pairs.source import Source, first_splits
from pipelines.spine import fragments, funnel, progress, storage
from pipelines.spine.commit import FUNNEL_FILE, nested_funnel
from schemas import columns as c
from schemas import questions as q
from schemas.exits import KEPT
from synth.reasoner import ReasonerSpec


def table(run: str, source: Source, models: Mapping[str, tuple[ReasonerSpec | None, int]]) -> str:
    """Return the upper bounds of a run as text; ``models`` are the reasoners by section, each with its rollouts at a question."""
    splits = first_splits(source)
    questions = sum(split.taken for split in splits)
    lines = [
        f"run        {run}",
        f"input      {len(source.shards):,} shards, {len(splits):,} splits, {questions:,} questions, "
        f"{sum(split.bytes for split in splits) / 2**20:,.1f} MiB",
    ]
    for role, (spec, rollouts) in models.items():
        if spec is None:
            continue
        asked = questions * rollouts
        lines.append(
            f"{role:<10} {spec.name} at {spec.served.endpoint}: at most {asked:,} rollouts, "
            f"{asked * (spec.think_tokens + spec.answer_tokens):,} tokens out"
        )
    return "\n".join(lines)


def watched(annotations: str, answers: str, source: Source, digests: Collection[str]) -> Callable[[], progress.Done | None]:
    """Return a look at how many splits of questions are read and then, of the models with these ``digests``, how many answers are there."""
    splits = first_splits(source)
    keys, names = {split.key for split in splits}, {split.split_id for split in splits}

    def look() -> progress.Done | None:
        done = keys & {fragments.key_of(path) for path in storage.list_files(annotations)}
        if len(done) < len(keys):
            return progress.Done("splits of questions read", len(done), len(keys))
        found = [progress.answered(storage.join(answers, digest), names) for digest in digests]
        requests = sum(asked for _, asked in found)
        return progress.Done("answers", sum(stored for stored, _ in found), requests) if requests else None

    return look


def funnels(run: str, named: Mapping[str, str]) -> list[str]:
    """Return the funnel of the questions of a finished ``run``, and of each nested column that it has, under the titles ``named``."""
    lines = ["", "questions", funnel.table(funnel.loads(storage.read(storage.join(run, FUNNEL_FILE))))]
    for column, title in named.items():
        path = storage.join(run, nested_funnel(column))
        if storage.exists(path):
            lines += ["", title, funnel.table(funnel.loads(storage.read(path)))]
    return [*lines, ""]


def cost(manifest: Mapping[str, Any]) -> list[str]:
    """Return tokens and seconds of model time for each question that was kept."""
    kept, spent = manifest["exits"]["kept"], manifest["spent"]
    names = {"prompt_tokens": "prompt tokens", "completion_tokens": "completion tokens", "answer_seconds": "seconds of model time"}
    each = [f"{spent.get(name, 0) / kept:,.1f} {label}" for name, label in names.items()] if kept else ["nothing was kept"]
    return [f"kept {kept:,} questions; for each: {', '.join(each)}"]


def tiers(run: str) -> list[str]:
    """Return how many tasks of the finished ``run`` are of each tier."""
    found: Counter[str] = Counter()
    for path in storage.list_files(storage.join(run, "ledger")):
        with storage.parquet(path) as file:
            for batch in file.iter_batches(columns=[c.EXIT.name, q.TIER.name]):
                rows = zip(*(column.to_pylist() for column in batch.columns), strict=True)
                found.update(tier or "ungraded" for door, tier in rows if door == KEPT)
    return ["tiers      " + ", ".join(f"{tier} {found[tier]:,}" for tier in (*q.TIERS, "ungraded") if tier in found or tier in q.TIERS)]
