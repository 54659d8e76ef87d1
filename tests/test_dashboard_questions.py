"""The dashboard over a run of questions, and the queries of its documentation over both kinds of runs."""

import io
import json
import re
from pathlib import Path

import duckdb
import pytest
from PIL import Image
from prometheus_client.parser import text_string_to_metric_families

from tests import asked, finished, images, jobs, reasoning
from tests.asked import line
from tests.jobs import ROOT
from tests.scripted_server import ScriptedServer
from tests.serving_runs import come, serving, under_way

QUERIES = re.findall(r"```sql\n-- (.+?)\n(.*?)```", (ROOT / "docs" / "dashboard.md").read_text(encoding="utf-8"), re.DOTALL)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("queries")
    with ScriptedServer(asked.reply) as server:
        corpus = reasoning.write(folder / "cold", asked.COLD)
        reasoning.run("cold_start", *asked.cold_start(corpus, folder / "out", server.endpoint))
    with ScriptedServer(finished.reply) as server:
        jobs.run(*finished.flags(finished.write_pool(folder / "pool"), folder / "out", server.endpoint))
    return {"cold_start": reasoning.run_folder(folder / "out", "cold_start"), "recaption": jobs.run_folder(folder / "out")}


def test_the_documentation_has_queries_for_every_kind_of_run():
    kinds = [kind for kind, _ in QUERIES]
    assert len(kinds) >= 8
    assert set(kinds) == {"any run", "recaption", "cold_start"}


@pytest.mark.parametrize(("kind", "sql"), QUERIES, ids=range(len(QUERIES)))
def test_a_query_of_the_documentation_runs_as_it_stands_there(runs: dict[str, Path], kind: str, sql: str, monkeypatch: pytest.MonkeyPatch):
    for name in ("cold_start", "recaption") if kind == "any run" else (kind,):
        monkeypatch.chdir(runs[name])
        with duckdb.connect() as base:
            rows = base.execute(sql).fetchall()
        needs_scores = "clip_score" in sql or "names_lost" in sql  # this small job has neither an embedder nor taggers
        has_none = name == "cold_start" and "value is not null" in sql
        assert rows or needs_scores or has_none, (name, sql)


def test_the_query_that_holds_the_ledger_against_the_manifest_does(runs: dict[str, Path], monkeypatch: pytest.MonkeyPatch):
    (sql,) = [sql for _, sql in QUERIES if "manifest.json" in sql]
    for run in runs.values():
        monkeypatch.chdir(run)
        with duckdb.connect() as base:
            found = base.execute(sql).fetchall()
        assert len(found) >= 2
        assert all(told == in_ledger for _, told, in_ledger in found)


def test_a_run_of_questions_that_goes_on_counts_questions_and_rollouts_as_the_finished_one(runs: dict[str, Path], tmp_path: Path):
    run = runs["cold_start"]
    going, to_come = under_way(run, tmp_path / "out")
    for fragment in to_come:
        come(going, fragment)
    (tmp_path / "scratch").mkdir()
    with serving(going, scratch=tmp_path / "scratch") as served:
        told, expected = served.get("/api/runs/0/report"), json.loads((run / "report.json").read_text())
        assert expected["reasoning"]["verdicts"]
        for name in ("exits", "funnels", "serving", "bars", "distributions", "shares", "planes", "dead", "spent", "reasoning"):
            assert told[name] == expected[name], name


def test_questions_are_shown_with_their_truth_and_their_pictures_where_they_were_kept(runs: dict[str, Path], tmp_path: Path):
    run = runs["cold_start"]
    with serving(run, scratch=tmp_path) as served:
        rows = {f"{row['split_id']}:{row['row']}": row for row in finished.rows(run)}
        found = served.get("/api/runs/0/samples", limit=500)["samples"]
        assert {card["place"] for card in found} == rows.keys()
        for card in found:
            row = rows[card["place"]]
            texts = {text["name"]: text["text"] for text in card["texts"]}
            assert (texts.get("question"), texts.get("truth")) == (row["question"], row["truth"])
            assert (card["image"] is not None) == (row["exit"] == "kept" and row["image_count"] > 0)
        kept, left = line(run, "Bergen"), line(run, "Dresden")
        data = served.client.get(f"/api/runs/0/image/{kept['split_id']}:{kept['row']}").content
        shown, whole = Image.open(io.BytesIO(data)), Image.open(io.BytesIO(images.photo(asked.ALONE)))
        assert shown.size == (256, round(256 * whole.height / whole.width))
        assert "picture" in served.refused(f"/api/runs/0/image/{left['split_id']}:{left['row']}", 404)
        check_metrics(served.client.get("/metrics").text, run)


def check_metrics(text: str, run: Path) -> None:
    """Hold rows and answers of rollouts against their tables."""
    families = {family.name: family.samples for family in text_string_to_metric_families(text)}
    for name in ("rollouts", "graded"):
        counted = sum(sample.value for sample in families["glmv_rows"] if sample.labels["of"] == name)
        assert counted == len(finished.rows(run, name)) > 0
    answers = [row for name in ("rollouts", "graded") for row in finished.rows(run, name) if row["completion_tokens"] is not None]
    assert families["glmv_answers"][0].value == len(answers)
