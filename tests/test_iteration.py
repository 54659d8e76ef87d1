"""What a run teaches the next captioner: verdicts exported as training data, and two revisions compared on one pool."""

import io
import json
import re
import shutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median

import datasets
import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image

from jobs import compare, recaptioner_data
from schemas.records import LEDGER, RECAPTIONER_DATA
from tests import images, jobs
from tests.scripted_server import Call, Reply, ScriptedServer, completion

REFUSAL, PHONE = "I'm sorry, I cannot help with that picture.", "A market stall; to order, call (650) 253-0000."
FAULTS = {
    "a": {6: "refusal", 7: "refusal", 8: "copy", 9: "truncated", 10: "phone", 11: "phone"},
    "b": {5: "refusal", 8: "copy", 11: "phone"},
}
GOOD = {"a": "Stall {} of a busy market sells fruit.", "b": "At stall {} of a busy market, two women sell oranges under a red awning."}
CAPTIONED = 12
FILE_NAME, TWIN = 12, 13
"""A sample that never reaches the captioner, and a twin of sample 0: one of the two does."""


def planted(revision: str, number: int) -> str:
    told = {"refusal": REFUSAL, "copy": f"photo number {number} of a market", "phone": PHONE}
    return told.get(FAULTS[revision].get(number, ""), GOOD[revision].format(number))


@dataclass(frozen=True)
class Ran:
    pool: Path
    runs: dict[str, Path]
    asked: dict[str, Call]
    """What reached the server of run a, by alt text."""

    @property
    def both(self) -> list[str]:
        return [str(self.runs["a"]), str(self.runs["b"])]


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    folder = tmp_path_factory.mktemp("iteration")
    twin = {**images.sample(0), "__key__": f"{TWIN:09d}"}
    samples = [*map(images.sample, range(CAPTIONED)), images.sample(FILE_NAME, "IMG_0012.jpg"), twin]
    images.write_tar(folder / "pool" / "pool.tar", samples)
    asked: dict[str, Call] = {}

    def script(revision: str) -> Callable[[Call], Reply]:
        def reply(call: Call) -> Reply:
            if call.alt_text is None:
                return completion("Hello.")
            if revision == "a":
                asked[call.alt_text] = call
            number = int(re.findall(r"\d+", call.alt_text)[0])
            cut = FAULTS[revision].get(number) == "truncated"
            return completion(planted(revision, number), "length" if cut else "stop", prompt_tokens=100)

        return reply

    for revision in FAULTS:
        with ScriptedServer(script(revision)) as server:
            flags = jobs.flags_for(folder / "pool", folder / revision, server.endpoint, f"--set=captioner.model=rev-{revision}")
            jobs.run(*flags)
    return Ran(folder / "pool", {revision: jobs.run_folder(folder / revision) for revision in FAULTS}, asked)


def altered(run: Path, folder: Path, prompt: str = "recaption", **columns: object) -> Path:
    """Copy ``run`` to ``folder`` with other values in all rows of its ledger, and another prompt in its job."""
    shutil.copytree(run, folder)
    job = yaml.safe_load((folder / "job.yaml").read_text())
    job["captioner"]["prompt"] = prompt
    (folder / "job.yaml").write_text(yaml.safe_dump(job))
    for path in (folder / "ledger").glob("*.parquet"):
        rows = [{**row, **(columns if row["caption"] is not None else {})} for row in pq.read_table(path).to_pylist()]
        pq.write_table(pa.Table.from_pylist(rows, LEDGER), path)
    return folder


def export(run: Path, folder: Path, *flags: str) -> list[dict]:
    assert recaptioner_data.main([str(run), "--output", str(folder), *flags]) == 0
    return [row for path in sorted(folder.glob("*.parquet")) for row in pq.read_table(path).to_pylist()]


def test_every_caption_is_exported_with_the_verdict_that_was_planted(ran: Ran, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    rows = export(ran.runs["a"], tmp_path / "data")
    captions = {row["messages"][1]["content"]: (row["verdict"], row["reason"]) for row in rows}
    faults = FAULTS["a"]
    verdicts = {n: ("rejected", faults[n]) if n in faults else ("accepted", None) for n in range(CAPTIONED)}
    assert captions == {planted("a", n): verdict for n, verdict in verdicts.items()}
    assert Counter(row["reason"] for row in rows) == {None: 6, "refusal": 2, "copy": 1, "truncated": 1, "phone": 2}
    (copy,) = [row for row in rows if row["reason"] == "copy"]
    assert (copy["value"], copy["threshold"]) == (1.0, 0.95)
    assert {(row["caption_model"], row["prompt_version"], row["seen"]) for row in rows} == {("rev-a", "recaption-1", "image")}
    assert "12 captions, 6 accepted and 6 rejected" in capsys.readouterr().out


def test_the_turns_and_images_are_those_that_the_captioner_was_sent(ran: Ran, tmp_path: Path):
    rows = export(ran.runs["a"], tmp_path / "data")
    sent = {("<image>" + call.text, call.images[0][1]) for call in ran.asked.values()}
    assert {(row["messages"][0]["content"], row["images"][0]["bytes"]) for row in rows} == sent
    assert {tuple(turn["role"] for turn in row["messages"]) for row in rows} == {("user", "assistant")}


def test_datasets_shows_images_and_messages(ran: Ran, tmp_path: Path):
    written = export(ran.runs["a"], tmp_path / "data")
    files = [str(path) for path in sorted((tmp_path / "data").glob("*.parquet"))]
    shown = datasets.load_dataset("parquet", data_files=files, split="train", cache_dir=str(tmp_path / "cache"))
    assert len(shown) == CAPTIONED
    first = shown[0]
    assert first["images"][0].convert("RGB").tobytes() == Image.open(io.BytesIO(written[0]["images"][0]["bytes"])).tobytes()
    assert [turn["role"] for turn in first["messages"]] == ["user", "assistant"]
    assert pq.read_schema(files[0]).names == RECAPTIONER_DATA.names


def test_two_exports_have_the_same_bytes_and_images_stay_as_they_are(ran: Ran, tmp_path: Path):
    for name in ("one", "two"):
        export(ran.runs["a"], tmp_path / name, "--samples=5")
    assert jobs.tree(tmp_path / "one") == jobs.tree(tmp_path / "two")
    (path,) = (tmp_path / "one").glob("*.parquet")
    groups = pq.read_metadata(path).to_dict()["row_groups"]
    codecs = {column["path_in_schema"]: column["compression"] for group in groups for column in group["columns"]}
    assert codecs["images.list.element.bytes"] == "UNCOMPRESSED"
    assert codecs["messages.list.element.content"] == "ZSTD"


def test_fewer_samples_are_part_of_more(ran: Ran, tmp_path: Path):
    few, more = (export(ran.runs["a"], tmp_path / str(n), f"--samples={n}") for n in (3, 7))
    assert (len(few), len(more)) == (3, 7)
    assert {row["sample_id"] for row in few} < {row["sample_id"] for row in more}


def test_groups_and_shards_are_of_bounded_size(ran: Ran, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    whole = export(ran.runs["a"], tmp_path / "whole")
    monkeypatch.setattr(recaptioner_data, "ROW_GROUP_BYTES", 2 * len(images.photo(0)))
    run = altered(ran.runs["a"], tmp_path / "run")
    job = yaml.safe_load((run / "job.yaml").read_text())
    job["output"]["shard_mb"] = 1
    (run / "job.yaml").write_text(yaml.safe_dump(job))
    monkeypatch.setattr(recaptioner_data, "_write", lambda groups, folder, _, write=recaptioner_data._write: write(groups, folder, 100_000))
    assert export(run, tmp_path / "cut") == whole
    files = sorted((tmp_path / "cut").glob("*.parquet"))
    assert len(files) > 2
    assert max(pq.read_metadata(path).row_group(0).num_rows for path in files) <= 3


def test_what_was_captioned_from_a_description_stays_out_until_asked_for(ran: Ran, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    seen = {"seen": "description", "prompt_version": "recaption-described-1", "labels": [{"label": "stall", "probability": 0.75}]}
    run = altered(ran.runs["a"], tmp_path / "run", "recaption_described", **seen, ocr_text=["FRUIT", "1 EUR"])
    assert export(run, tmp_path / "without") == []
    assert "12 left out: written from a description" in capsys.readouterr().out
    rows = export(run, tmp_path / "with", "--described")
    assert len(rows) == CAPTIONED
    asked = "Hints: labels: stall 0.75\ntext in the image: FRUIT / 1 EUR\nAlt text: photo number 3 of a market\nSentence:"
    assert sum(row["messages"][0]["content"].endswith(asked) for row in rows) == 1
    assert {row["seen"] for row in rows} == {"description"}


def test_a_kept_sample_whose_caption_was_set_aside_is_a_rejected_caption(ran: Ran, tmp_path: Path):
    spared = {"exit": "kept", "step": None, "reason": None, "value": None, "threshold": None, "caption_fault": "repetition"}
    rows = export(altered(ran.runs["a"], tmp_path / "run", **spared), tmp_path / "data")
    assert {(row["verdict"], row["reason"]) for row in rows} == {("rejected", "repetition")}


def test_a_text_that_holds_the_marker_of_an_image_stays_out(ran: Ran, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert export(altered(ran.runs["a"], tmp_path / "run", caption="An <image> of a market."), tmp_path / "data") == []
    assert "12 left out: holds <image> itself" in capsys.readouterr().out


@pytest.mark.parametrize(("change", "told"), [("another image", "changed"), ("cut", "changed"), ("gone", "gone")])
def test_a_source_that_is_gone_or_changed_is_told_and_leaves_nothing(
    change: str, told: str, ran: Ran, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    source = tmp_path / "copy.tar"
    data = bytearray((ran.pool / "pool.tar").read_bytes())
    at = bytes(data).index(images.photo(3)) + 2000
    data[at] ^= 255
    if change != "gone":
        source.write_bytes(data if change == "another image" else data[:at])
    run = altered(ran.runs["a"], tmp_path / "run", source_path=str(source))
    assert recaptioner_data.main([str(run), "--output", str(tmp_path / "data")]) == 1
    error = capsys.readouterr().err
    assert str(source) in error
    assert f"has {told} since it was captioned" in error
    assert not list((tmp_path / "data").glob("*"))


def test_what_is_no_finished_run_and_a_folder_in_use_are_refused(ran: Ran, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "notes.txt").write_text("mine")
    assert recaptioner_data.main([str(ran.runs["a"]), "--output", str(tmp_path / "full")]) == 1
    assert "holds files already" in capsys.readouterr().err
    assert recaptioner_data.main([str(ran.pool), "--output", str(tmp_path / "data")]) == 1
    assert compare.main([str(ran.runs["a"]), str(ran.pool)]) == 1
    assert capsys.readouterr().err.count("holds no manifest.json") == 2
    run = altered(ran.runs["a"], tmp_path / "run", prompt_version="recaption-0")
    assert recaptioner_data.main([str(run), "--output", str(tmp_path / "data")]) == 1
    assert "asked for with the prompt 'recaption-0', and its file now says 'recaption-1'" in capsys.readouterr().err


def compared(runs: list[str], capsys: pytest.CaptureFixture[str]) -> dict:
    assert compare.main([*runs, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_two_revisions_are_compared_by_what_was_planted(ran: Ran, capsys: pytest.CaptureFixture[str]):
    found = compared(ran.both, capsys)
    assert found["pool"] == {"both": 14, "only_a": 0, "only_b": 0}
    assert found["kept"] == {"both": 5, "only_a": 1, "only_b": 4, "neither": 2}
    for revision, side in zip("ab", (found["runs"]["A"], found["runs"]["B"]), strict=True):
        texts = [planted(revision, n) for n in range(CAPTIONED)]
        kept = CAPTIONED - len(FAULTS[revision])
        assert (side["caption_model"], side["prompt_version"]) == (f"rev-{revision}", "recaption-1")
        assert (side["captioned"], side["failed"], side["kept"], side["yield"]) == (CAPTIONED, 0, kept, kept / CAPTIONED)
        assert (side["rules_broken"], side["facts_broken"]) == (Counter(FAULTS[revision].values()), {})
        assert side["chars_mean"] == pytest.approx(mean(map(len, texts)))
        assert side["chars_median"] == median(map(len, texts))
        assert side["prompt_tokens_for_each_kept"] == pytest.approx(100 * CAPTIONED / kept)
        assert side["completion_tokens_for_each_kept"] == pytest.approx(sum(len(text.split()) for text in texts) / kept)
        assert side["seconds_for_each_kept"] >= 0
        assert (side["facts_checked"], side["echoes"], side["enriched"], side["new_names"]) == (0, None, None, None)
    assert found["runs"]["A"]["words_median"] == 8
    assert found["relevance"]["pairs_scored"] == 0
    exits = {sample["alt_text"].split()[2]: (sample["exit_a"], sample["exit_b"]) for sample in found["disagree"]}
    assert exits == {"5": ("kept", "refusal"), **{str(n): (FAULTS["a"][n], "kept") for n in (6, 7, 9, 10)}}
    assert {sample["caption_b"] for sample in found["disagree"]} == {planted("b", n) for n in (5, 6, 7, 9, 10)}


def test_the_table_says_the_same_in_plain_text(ran: Ran, capsys: pytest.CaptureFixture[str]):
    assert compare.main(ran.both) == 0
    printed = capsys.readouterr().out.splitlines()
    lines = [line.split() for line in printed]
    assert ["caption_model", "rev-a", "rev-b"] in lines
    assert ["yield", "50.0%", "75.0%"] in lines
    assert ["refusal", "2", "1"] in lines
    assert "kept in both 5, only in A 1, only in B 4, in neither 2" in printed


def ledger(run: Path, rows: list[dict]) -> str:
    """Write a finished run by hand: one captioned sample for each of ``rows``."""
    source = {"split_id": "s", "corpus": "c", "source_license": "l", "source_path": "/pool.tar", "source_bytes": 1}
    caption = {"caption": "市场上的水果", "caption_model": "m", "prompt_version": "p", "exit": "kept", "clip_model": "conse"}
    whole = [{**source, **caption, "source_offset": row["row"], "sample_id": f"{row['row']:032x}", **row} for row in rows]
    (run / "ledger").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(whole, LEDGER), run / "ledger" / "ledger-00000.parquet")
    (run / "manifest.json").write_text("{}")
    return str(run)


def test_facts_relevance_and_echoes_are_counted_over_the_samples_of_both(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    dropped = {"exit": "dropped", "step": "facts"}
    checked = {"echo": False, "enriched": False, "names_added": []}
    a = [
        {"row": 0, **checked, "caption_clip_score": 0.25, "enriched": True},
        {"row": 1, **checked, "caption_clip_score": 0.5, **dropped, "reason": "name_lost"},
        {"row": 2, **checked, **dropped, "reason": "name_lost", "names_added": ["Rome", "Nero"]},
        {"row": 3, **checked, "echo": True, "caption_clip_score": 0.125},
        {"row": 4, **checked, "caption_fault": "copy"},
        {"row": 5, "caption": None, **dropped, "reason": "name_lost"},
        {"row": 6, "caption": None, "exit": "dead", "step": "Rewrite the alt text with the captioner", "reason": "refused"},
        {"row": 7, **checked, **dropped, "reason": "number_invented"},
    ]
    b = [{"row": n, **checked, "caption_clip_score": 0.75 if n else 0.5, "clip_model": "other" if n > 1 else "conse"} for n in range(7)]
    found = compared([ledger(tmp_path / "a", a), ledger(tmp_path / "b", [*b, {"row": 8}])], capsys)
    side = found["runs"]["A"]
    assert found["pool"] == {"both": 7, "only_a": 1, "only_b": 1}
    assert (side["facts_broken"], side["rules_broken"], side["failed"]) == ({"name_lost": 2}, {"copy": 1}, 1)
    assert (side["captioned"], side["kept"], side["yield"]) == (5, 2, 0.4)
    assert found["runs"]["B"]["captioned"] == 7
    assert (side["facts_checked"], side["echoes"], side["enriched"]) == (5, 1, 1)
    assert (side["with_new_names"], side["new_names"]) == (1, 2)
    assert (side["words_mean"], side["chars_mean"]) == (3, 6)
    assert found["relevance"] == {"pairs_scored": 2, "mean_a": 0.375, "median_a": 0.375, "mean_b": 0.625, "median_b": 0.625}
    assert found["kept"] == {"both": 2, "only_a": 0, "only_b": 5, "neither": 0}


def test_a_sample_that_is_listed_twice_is_a_pair_twice(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    twice = [{"row": 1}, {"row": 1, "split_id": "t"}]
    runs = [ledger(tmp_path / "a", twice), ledger(tmp_path / "b", [*twice, {"row": 2}])]
    assert compared(runs, capsys)["pool"] == {"both": 2, "only_a": 0, "only_b": 1}


def test_two_pools_that_share_nothing_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert compare.main([ledger(tmp_path / "a", [{"row": 1}]), ledger(tmp_path / "b", [{"row": 2}])]) == 1
    assert "share no sample" in capsys.readouterr().err


def test_duckdb_reads_an_export(ran: Ran, tmp_path: Path):
    export(ran.runs["b"], tmp_path / "data")
    with duckdb.connect() as base:
        found = base.sql(f"select verdict, count(*) from '{tmp_path}/data/*.parquet' group by 1 order by 1").fetchall()
    assert found == [("accepted", 9), ("rejected", 3)]
