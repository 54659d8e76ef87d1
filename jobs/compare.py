"""Two captioner revisions on one pool: ``python -m jobs.compare RUN_A RUN_B`` holds two finished runs side by side.

All numbers are over the samples that both runs read, so that neither gains by an easier pool.
"""

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import duckdb
import pyarrow as pa

from filters import facts
from filters.words import normalised, weights, words
from pipelines.recaption.caption import CAPTION
from pipelines.spine import storage
from pipelines.spine.commit import MANIFEST, read_manifest
from schemas import columns as c
from schemas.batches import draw, strings
from schemas.exits import EnvironmentFault

SHOWN = 10
"""Samples shown of those that the runs disagree on (issue)."""
FACTS = frozenset({*facts.REASONS, "name_added"})
"""Reasons that tell of a broken fact; every other one is a rule's."""
USED = [
    *(c.SAMPLE_ID, c.SPLIT_ID, c.ROW, c.SOURCE_PATH, c.SOURCE_MEMBER, c.SOURCE_OFFSET, c.ALT_TEXT, c.CAPTION, c.CAPTION_MODEL),
    *(c.PROMPT_VERSION, c.EXIT, c.STEP, c.REASON, c.CAPTION_FAULT, c.CLIP_MODEL, c.CAPTION_CLIP_SCORE, c.NAMES_ADDED, c.ENRICHED, c.ECHO),
    *(c.PROMPT_TOKENS, c.COMPLETION_TOKENS, c.ANSWER_SECONDS),
]
TABLE = pa.schema([*USED, pa.field("caption_words", pa.float64()), pa.field("drawn", pa.float64())])

PAIRS = """
create table pairs as
with numbered as (
    select *,
        caption is not null as captioned,
        exit = 'kept' and caption is not null and caption_fault is null as accepted,
        row_number() over (partition by run, sample_id, source_path, source_member, source_offset order by split_id, "row") as nth
    from ledger
)
select any_value(numbered) filter (where run = 'A') as a, any_value(numbered) filter (where run = 'B') as b
from numbered group by sample_id, source_path, source_member, source_offset, nth
"""
"""Rows of the two runs side by side; one that lists the same file twice has its first beside the other's first."""

SIDES = """
create view sides as
select unnest(a) from pairs where a is not null and b is not null
union all by name
select unnest(b) from pairs where a is not null and b is not null
"""

NUMBERS = """
select
    string_agg(distinct caption_model, ', ' order by caption_model) as caption_model,
    string_agg(distinct prompt_version, ', ' order by prompt_version) as prompt_version,
    count(*) filter (where captioned) as captioned,
    count(*) filter (where exit = 'dead' and step = $caption_step) as failed,
    count(*) filter (where accepted) as kept,
    count(*) filter (where accepted) / nullif(count(*) filter (where captioned), 0) as yield,
    avg(length(caption)) as chars_mean,
    median(length(caption)) as chars_median,
    avg(caption_words) as words_mean,
    median(caption_words) as words_median,
    count(echo) as facts_checked,
    sum(echo::int)::bigint as echoes,
    sum(enriched::int)::bigint as enriched,
    sum((len(names_added) > 0)::int)::bigint as with_new_names,
    sum(len(names_added))::bigint as new_names,
    sum(prompt_tokens) / nullif(count(*) filter (where accepted), 0) as prompt_tokens_for_each_kept,
    sum(completion_tokens) / nullif(count(*) filter (where accepted), 0) as completion_tokens_for_each_kept,
    sum(answer_seconds) / nullif(count(*) filter (where accepted), 0) as seconds_for_each_kept
from sides where run = $run
"""

REASONS = """
select coalesce(caption_fault, reason) as why, count(*) from sides
where run = $run and captioned and not accepted and exit <> 'dead' group by why order by why
"""

RELEVANCE = """
select count(*) as pairs_scored,
    avg(a.caption_clip_score) as mean_a, median(a.caption_clip_score) as median_a,
    avg(b.caption_clip_score) as mean_b, median(b.caption_clip_score) as median_b
from pairs where a.caption_clip_score is not null and b.caption_clip_score is not null and a.clip_model = b.clip_model
"""

POOL = """
select count(*) filter (where a is not null and b is not null) as both,
    count(*) filter (where b is null) as only_a, count(*) filter (where a is null) as only_b
from pairs
"""

KEPT = """
select count(*) filter (where a.accepted and b.accepted) as both, count(*) filter (where a.accepted and not b.accepted) as only_a,
    count(*) filter (where b.accepted and not a.accepted) as only_b, count(*) filter (where not a.accepted and not b.accepted) as neither
from pairs where a is not null and b is not null and (a.captioned or b.captioned)
"""

DISAGREE = """
select a.sample_id, a.alt_text,
    a.caption as caption_a, case when a.accepted then 'kept' else coalesce(a.caption_fault, a.reason) end as exit_a,
    b.caption as caption_b, case when b.accepted then 'kept' else coalesce(b.caption_fault, b.reason) end as exit_b
from pairs where a is not null and b is not null and a.accepted <> b.accepted
order by a.drawn, a.sample_id, a.split_id, a."row" limit $shown
"""


def compare(runs: Mapping[str, str]) -> dict[str, Any]:
    """Return the numbers of the two finished ``runs``, by their letters A and B.

    Raises ``ValueError`` for a run without a manifest, and for two that read no sample in common.
    """
    for run in runs.values():
        if read_manifest(run) is None:
            raise ValueError(f"{run} holds no {MANIFEST}: expected the folder of a finished run, such as runs/recaption/ID")
    with tempfile.TemporaryDirectory() as folder, duckdb.connect(f"{folder}/compare.duckdb") as base:
        base.register("nothing", TABLE.empty_table())
        base.execute("create table ledger as select ''::varchar as run, * from nothing")
        for letter, run in runs.items():
            base.register("rows", pa.RecordBatchReader.from_batches(TABLE, _rows(run)))
            base.execute("insert into ledger select $letter, * from rows", {"letter": letter})
            base.unregister("rows")
        base.execute(PAIRS)
        base.execute(SIDES)
        pool = _row(base, POOL)
        if not pool["both"]:
            raise ValueError(
                f"{' and '.join(runs.values())} share no sample: expected two runs over one pool, under one `input.corpus`, "
                "whose files have not been moved between them"
            )
        return {
            "pool": pool,
            "runs": {letter: {"run": run, **_side(base, letter)} for letter, run in runs.items()},
            "relevance": _row(base, RELEVANCE),
            "kept": _row(base, KEPT),
            "disagree": _table(base, DISAGREE, {"shown": SHOWN}),
        }


def _rows(run: str) -> Iterator[pa.RecordBatch]:
    """Yield the ledger of ``run`` with the length of each caption in words and a draw for each sample."""
    for path in storage.list_files(storage.join(run, "ledger")):
        with storage.parquet(path) as file:
            for batch in file.iter_batches(columns=[f.name for f in USED]):
                lengths = [None if text is None else sum(weights(words(normalised(text)))) for text in batch.column("caption").to_pylist()]
                drawn = draw(0, (f"compare:{sample}" for sample in strings(batch.column("sample_id"))))
                columns = [*(batch.column(f.name) for f in USED), pa.array(lengths, pa.float64()), pa.array(drawn)]
                yield pa.RecordBatch.from_arrays(columns, schema=TABLE)


def _side(base: duckdb.DuckDBPyConnection, letter: str) -> dict[str, Any]:
    reasons: dict[str, int] = dict(base.execute(REASONS, {"run": letter}).fetchall())
    broken = {reason: n for reason, n in reasons.items() if reason in FACTS}
    rules = {reason: n for reason, n in reasons.items() if reason not in FACTS}
    numbers = _row(base, NUMBERS, {"run": letter, "caption_step": CAPTION})
    return {**numbers, "facts_broken": broken, "rules_broken": rules}


def _row(base: duckdb.DuckDBPyConnection, sql: str, values: Mapping[str, Any] | None = None) -> dict[str, Any]:
    return _table(base, sql, values)[0]


def _table(base: duckdb.DuckDBPyConnection, sql: str, values: Mapping[str, Any] | None = None) -> list[dict[str, Any]]:
    found = base.execute(sql, dict(values or {}))
    names = [column[0] for column in found.description or ()]
    return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def report(found: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines that are printed."""
    pool, a, b = found["pool"], found["runs"]["A"], found["runs"]["B"]
    yield f"A {a['run']}\nB {b['run']}"
    yield f"{pool['both']} samples in both, {pool['only_a']} only in A, {pool['only_b']} only in B; the numbers are over those in both\n"
    yield from (f"{name:34}{_cell(left):>40}{_cell(right):>40}" for name, left, right in _lines(found, a, b))
    kept = found["kept"]
    yield f"\nkept in both {kept['both']}, only in A {kept['only_a']}, only in B {kept['only_b']}, in neither {kept['neither']}"
    for sample in found["disagree"]:
        yield f"\n{sample['sample_id']}  {sample['alt_text'] or ''}"
        yield from (f"  {run.upper()} ({sample[f'exit_{run}']}): {sample[f'caption_{run}'] or ''}" for run in "ab")


def _lines(found: Mapping[str, Any], a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """Yield the name of each line of the table, and its cells."""
    yield "", "A", "B"
    for name in ("caption_model", "prompt_version", "captioned", "failed", "kept"):
        yield name, a[name], b[name]
    yield "yield", _percent(a["yield"]), _percent(b["yield"])
    for kind in ("facts_broken", "rules_broken"):
        yield kind.replace("_", " "), sum(a[kind].values()), sum(b[kind].values())
        yield from ((f"  {reason}", a[kind].get(reason, 0), b[kind].get(reason, 0)) for reason in sorted({*a[kind], *b[kind]}))
    scores = found["relevance"]
    yield "pairs scored in both", scores["pairs_scored"], scores["pairs_scored"]
    yield from ((f"relevance, {how}", scores[f"{how}_a"], scores[f"{how}_b"]) for how in ("mean", "median"))
    for name in ("words_mean", "words_median", "chars_mean", "chars_median", "facts_checked", "echoes", "enriched", "with_new_names"):
        yield name.replace("_", " "), a[name], b[name]
    for name in ("new_names", "prompt_tokens_for_each_kept", "completion_tokens_for_each_kept", "seconds_for_each_kept"):
        yield name.replace("_", " "), a[name], b[name]


def _percent(share: float | None) -> str | None:
    return None if share is None else f"{share:.1%}"


def _cell(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def main(argv: Sequence[str] | None = None) -> int:
    """Print the comparison; exit status 1 with the reason where there is none."""
    parser = argparse.ArgumentParser(prog="python -m jobs.compare", description="Hold two captioner revisions on one pool side by side.")
    parser.add_argument("runs", nargs=2, metavar="RUN", help="folder of a finished run, runs/recaption/ID")
    parser.add_argument("--json", action="store_true", help="the same numbers as JSON")
    options = parser.parse_args(argv)
    try:
        found = compare(dict(zip("AB", map(storage.absolute, options.runs), strict=True)))
    except (EnvironmentFault, OSError, ValueError) as fault:
        print(f"error: {fault}", file=sys.stderr)
        return 1
    print(json.dumps(found, indent=1, ensure_ascii=False) if options.json else "\n".join(report(found)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
