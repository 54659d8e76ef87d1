"""The data dictionary: ``python -m jobs.dictionary docs/data-dictionary.md`` writes it from ``schemas/``."""

import sys
from pathlib import Path

import pyarrow as pa

from schemas import questions, records

TABLES = {
    "samples": (
        records.RECAPTIONED,
        "`samples/*.parquet`, what the trainer reads, and `described/*.parquet`, captioned without the pixels.",
    ),
    "ledger": (records.LEDGER, "`ledger/*.parquet`: one line for each row of the input, by whichever door it left."),
    "dead": (records.DEAD_LETTER, "`dead/*.parquet`: the dead letters."),
    "curated samples": (records.CURATED, "`samples/*.parquet` of `python -m pipelines.captions`, which recaptioning reads."),
    "curated ledger": (records.CURATED_LEDGER, "`ledger/*.parquet` of it: one line for each row of the input."),
    "ingested samples": (records.INGESTED, "`samples/*.parquet` of `python -m pipelines.ingest`."),
    "ingested ledger": (records.INGESTED_LEDGER, "`ledger/*.parquet` of it: one line for each row of the lists."),
    "ingested dead": (records.INGESTED_DEAD, "`dead/*.parquet` of it."),
    "recaptioner data": (records.RECAPTIONER_DATA, "What `python -m jobs.recaptioner_data` writes: captions with their verdicts."),
    "image-text": (records.IMAGE_TEXT, "An image-text sample before recaptioning, as readers yield it."),
    "annotation": (records.ANNOTATION, "Fragments of the annotate pass."),
    "curation": (records.CURATION, "What is decided on a split by caption curation."),
    "sft": (questions.SFT, "`sft/*.parquet` and `sft_<style>/*.parquet` of `python -m pipelines.cold_start`, and `described/`."),
    "rollouts": (
        questions.ROLLOUTS,
        "`rollouts/*.parquet` and `graded/*.parquet` of both jobs over questions: every response, by its exit.",
    ),
    "question ledger": (questions.QUESTION_LEDGER, "`ledger/*.parquet` of the cold start: one line for each question of the input."),
    "rl": (questions.RL, "`rl/*.parquet` of `python -m pipelines.rl_tasks`, which verl reads, and `described/`."),
    "audit": (questions.AUDIT, "`audit/*.parquet` of it: labels that the rollouts contradict."),
    "task ledger": (questions.TASK_LEDGER, "`ledger/*.parquet` of it: one line for each question of the input."),
    "question": (questions.QUESTION, "A question as readers yield it (docs/questions.md)."),
    "decision": (records.DECISION, "What crosses the shuffle back to a split."),
}


def render() -> str:
    """Return the dictionary as Markdown, a table for each place where rows rest."""
    head = f"# Data dictionary\n\nSchema version {records.SCHEMA_VERSION}. Written by `make docs` from `schemas/`; do not edit.\n"
    return "\n".join([head, *(_table(name, schema, about) for name, (schema, about) in TABLES.items())])


def main() -> None:
    """Write the dictionary to the path given."""
    Path(sys.argv[1]).write_text(render(), encoding="utf-8")


def _table(name: str, schema: pa.Schema, about: str) -> str:
    lines = [f"## {name}", "", about, "", "| column | type | null | unit | what it holds | source |", "|---|---|---|---|---|---|"]
    return "\n".join([*lines, *(_row(field) for field in schema), ""])


def _row(field: pa.Field) -> str:
    said = {key.decode(): value.decode() for key, value in field.metadata.items()}
    return f"| `{field.name}` | `{field.type}` | {'yes' if field.nullable else 'no'} | {said['unit']} | {said['doc']} | {said['source']} |"


if __name__ == "__main__":
    main()
