"""The whole pipeline, run as a user runs it, against plain loops that share no code with it."""

import json
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from pipelines.spine import funnel as funnel_module
from synth.prompt import load_prompt
from tests import jobs
from tests.oracle import compare, corpus
from tests.oracle import recaption as oracle
from tests.scripted_server import Call, Reply, ScriptedServer, completion, error

INSTRUCTIONS = load_prompt("recaption").instructions
caption_of = partial(corpus.caption_of, instructions=INSTRUCTIONS)


def reply(call: Call) -> Reply:
    """Play the model: the caption follows from what arrived, and None is a sample that the server refuses for ever."""
    if call.alt_text is None:
        return completion("A red square.")
    ((_, image),) = call.images
    text = caption_of(call.alt_text, image)
    return error(400, "cannot be captioned") if text is None else completion(text, corpus.finish_reason_of(call.alt_text, image))


@pytest.fixture(scope="module")
def pool(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pool")
    corpus.build(folder, 7, 600)
    return folder


@pytest.fixture(scope="module")
def run(pool: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("output")
    with ScriptedServer(reply) as server:
        jobs.run(*jobs.flags_for(pool, output, server.endpoint, "--set=limits.max_dead_ratio=1", "--set=input.split_samples=50"))
    return jobs.run_folder(output)


def test_every_row_comes_to_what_the_oracle_says(pool: Path, run: Path):
    expected = oracle.run(pool, corpus="test", caption_of=caption_of, finish_reason_of=corpus.finish_reason_of, instructions=INSTRUCTIONS)
    assert compare.differences([as_in_the_tables(row) for row in expected], found(run)) == []


def test_the_funnel_is_the_oracles(pool: Path, run: Path):
    rows = oracle.run(pool, corpus="test", caption_of=caption_of, finish_reason_of=corpus.finish_reason_of, instructions=INSTRUCTIONS)
    known = {count["step"] for count in oracle.funnel(rows)}
    told = [
        {"step": c.step, "in": c.entered, "kept": c.kept, "dropped": c.dropped, "merged": sum(c.merged.values()), "dead": c.dead}
        for c in funnel_module.loads((run / "funnel.json").read_bytes())
    ]
    assert [count for count in told if count["step"] in known] == oracle.funnel(rows)
    others = [count for count in told if count["step"] not in known]
    assert [count for count in others if count["in"] != count["kept"]] == [], "a step that the oracle does not know lets this corpus pass"


def test_nobody_is_merged_into_a_row_that_is_merged_itself(run: Path):
    chained = """select count(*) from ledger a join ledger b on a.merged_into.split_id = b.split_id and a.merged_into.row = b.row
                 where b.exit = 'merged'"""
    assert jobs.query(run, chained) == [(0,)]
    assert jobs.query(run, "select count(*) from ledger where exit = 'merged'")[0][0] > 20


def as_in_the_tables(row: oracle.Row) -> oracle.Row:
    """Return ``row`` as the tables show it: texts of twins lie in the samples alone, and an empty caption is like nothing."""
    row = replace(row, copy_similarity=None) if row.caption == "" else row
    return row if row.exit == "kept" else replace(row, alt_texts=None, alt_text_count=None, duplicate_count=None)


def found(run: Path) -> list[oracle.Row]:
    """Return the ledger of ``run`` in the oracle's terms."""
    lines = jobs.query(
        run,
        """select l.split_id, l.row, l.source_path, l.source_member, l.alt_text, l.image_hash,
                  l.exit, l.step, l.reason, l.value, l.merged_into, l.caption, l.copy_similarity,
                  s.alt_texts, s.alt_text_count, s.duplicate_count
           from ledger l left join samples s on l.split_id = s.split_id and l.row = s.row""",
    )
    names = {(line[0], line[1]): (line[2], line[3]) for line in lines}
    return [_row(line, names) for line in lines]


def _row(line: tuple, names: dict) -> oracle.Row:
    *_, alt_texts, alt_text_count, duplicate_count = line
    merged = line[10] and names[line[10]["split_id"], line[10]["row"]]
    member = None if line[8] == "no_image" else line[3]
    return oracle.Row(
        corpus="test", source_offset=None, image=b"", source_path=line[2], source_member=member, alt_text=line[4], image_hash=line[5],
        exit=line[6], step=line[7], reason=line[8], value=line[9], merged_into=merged, caption=line[11], copy_similarity=line[12],
        alt_texts=alt_texts, alt_text_count=alt_text_count, duplicate_count=duplicate_count,
    )  # fmt: skip


def test_the_manifest_lists_every_file_with_its_rows(run: Path):
    manifest = json.loads((run / "manifest.json").read_text())
    listed = {entry["path"]: entry["rows"] for entry in manifest["files"]}
    assert set(listed) == {str(path.relative_to(run)) for path in run.glob("*/*.parquet")}
    assert sum(rows for path, rows in listed.items() if path.startswith("ledger")) == 600
