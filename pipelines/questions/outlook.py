"""What a run over questions would ask of its models, how far it is, and what it came to."""

from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

from pipelines.pairs.source import Source, first_splits
from pipelines.questions.models import places
from pipelines.spine import dataflow, flags, progress, storage
from schemas import columns as c
from schemas import questions as q
from schemas.exits import KEPT
from synth.fill_in import RewriterSpec
from synth.judge import JudgeSpec
from synth.reasoner import ReasonerSpec


def refuse_out_of_reach(
    files: Mapping[str, str], models: Mapping[str, ReasonerSpec | RewriterSpec | JudgeSpec], command: flags.Command
) -> None:
    """Raise ``ConfigError`` when workers on Dataflow could not do the job; a dry run needs no flags of a launch.

    ``files`` are the paths of the job, by their keys in it.
    """
    served = places(models)
    endpoints = {f"{key}.endpoint": place.endpoint for key, place in served.items()}
    keys = {f"{key}.api_key_env": place.api_key_env for key, place in served.items()}
    dataflow.refuse_unreachable(command.options, dataflow.Reach(files, endpoints, keys))
    if not command.dry_run:
        dataflow.make_ready(command.options, {f"{key}.max_in_flight": place.max_in_flight for key, place in served.items()}, "")


def table(run: str, source: Source, models: Mapping[str, ReasonerSpec], rollouts: Mapping[str, int]) -> str:
    """Return the upper bounds of a run as text: no question is taken to be dropped."""
    splits = first_splits(source)
    questions = sum(split.taken for split in splits)
    lines = [
        f"run        {run}",
        f"input      {len(source.shards):,} shards, {len(splits):,} splits, {questions:,} questions, "
        f"{sum(split.bytes for split in splits) / 2**20:,.1f} MiB",
    ]
    for role, spec in models.items():
        asked = questions * rollouts[role]
        lines.append(
            f"{role:<10} {spec.name} at {spec.served.endpoint}: at most {asked:,} rollouts, "
            f"{asked * (spec.think_tokens + spec.answer_tokens):,} tokens out"
        )
    return "\n".join(lines)


def answered(answers: str, models: Mapping[str, ReasonerSpec], splits: Collection[str]) -> progress.Done | None:
    """Return how many rollouts are stored, of those that were asked for so far."""
    done = requests = 0
    for spec in models.values():
        stored, asked = progress.answered(storage.join(answers, spec.digest), set(splits))
        done, requests = done + stored, requests + asked
    return progress.Done("rollouts", done, requests) if requests else None


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
