"""Questions: every form in which they come, every fault its own reason, no row lost, no file held whole."""

import base64
import io
import json
import tracemalloc
import unicodedata
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import xxhash
from apache_beam.testing import test_pipeline
from apache_beam.testing.util import assert_that
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from pipelines.pairs import annotate
from pipelines.pairs.graph import cut as cut_in_beam
from pipelines.pairs.source import first_splits, splits_of
from pipelines.questions.source import READ as SENTENCE
from pipelines.questions.source import QuestionInput, open_questions
from pipelines.readers import question_lines, questions
from pipelines.readers.question_columns import QuestionColumns
from pipelines.spine.config import ConfigError, build
from pipelines.spine.steps import counts
from schemas.exits import EnvironmentFault
from schemas.questions import BROUGHT, QUESTION
from tests.test_readers_remote import MemoryFiles, remote

__all__ = ["remote"]

CORPUS, LICENSE = "exam", "CC-BY-4.0"


def png(colour: str) -> bytes:
    data = io.BytesIO()
    Image.new("RGB", (8, 8), colour).save(data, "PNG")
    return data.getvalue()


RED, BLUE = png("red"), png("blue")
TURNS = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "And <image>?"},
    {"role": "assistant", "content": "Red."},
    {"role": "user", "content": "Sure?"},
]


def splits(path: Path | str, columns: QuestionColumns | None = None, samples: int = 512, size: int = 2**26) -> list[Any]:
    found = questions.list_questions(str(path))
    return [split for shard in found for split in questions.cut(shard, samples, size, columns or QuestionColumns())]


def rows_of(path: Path | str, columns: QuestionColumns | None = None, samples: int = 512, size: int = 2**26) -> list[dict[str, Any]]:
    cut = splits(path, columns, samples, size)
    batches = [questions.read(split, CORPUS, LICENSE) for split in cut]
    assert [len(batch) for batch in batches] == [split.rows for split in cut]
    assert all(batch.schema.names == [*QUESTION.names, *(field.name for field in BROUGHT), "reason", "error"] for batch in batches)
    return [row for batch in batches for row in batch.to_pylist()]


def jsonl(path: Path, *records: Any) -> Path:
    path.write_bytes(b"".join(record if isinstance(record, bytes) else json.dumps(record).encode() + b"\n" for record in records))
    return path


def parquet(path: Path, columns: dict[str, Any], **options: Any) -> Path:
    pq.write_table(pa.table(columns), path, **options)
    return path


def one(path: Path, **record: Any) -> dict[str, Any]:
    (row,) = rows_of(jsonl(path / "q.jsonl", record))
    return row


# What is read


def test_a_question_keeps_all_that_is_known_of_it_from_either_format(tmp_path: Path) -> None:
    known = {
        "question": "  How many <image> cafe\u0301s? ",
        "truth": "4",
        "domain": "counting",
        "choices": ["3", "4"],
        "language": "en",
        "human_tier": "Very-Easy",
        "seen": "image",
        "source_license": "CC0",
    }
    lines = jsonl(tmp_path / "q.jsonl", {**known, "images": [base64.b64encode(RED).decode()]})
    table = parquet(
        tmp_path / "q.parquet", {**{key: [value] for key, value in known.items()}, "images": [[{"bytes": RED, "path": "r.png"}]]}
    )
    read, other = rows_of(lines)[0], rows_of(table)[0]
    for row, member in ((read, "line 1"), (other, "row 0")):
        assert row["prompt"] == [{"role": "user", "content": "How many <image> caf\u00e9s?"}]
        assert row["images"] == [{"bytes": RED, "path": f"{xxhash.xxh3_128_hexdigest(RED)}.png"}]
        assert [row[name] for name in ("truth", "domain", "choices", "language", "human_tier", "seen", "source_license")] == [
            *("4", "counting", ["3", "4"], "en", "very_easy", "image", "CC0")
        ]
        assert (row["source_member"], row["source_bytes"], row["corpus"], row["reason"]) == (member, len(RED), CORPUS, None)
    assert read["sample_id"] == other["sample_id"]


def test_the_id_names_prompt_choices_images_and_corpus_and_nothing_else(tmp_path: Path) -> None:
    row = one(tmp_path, question="What?", images=[base64.b64encode(RED).decode()], truth="1")
    said = json.dumps([[["user", "<image>What?"]], [], [len(RED)]], ensure_ascii=False).encode()
    assert row["sample_id"] == xxhash.xxh3_128_hexdigest(said + RED + b"\0exam")
    assert one(tmp_path, question="What?", images=[base64.b64encode(RED).decode()], truth="2", domain="x")["sample_id"] == row["sample_id"]
    others = [
        one(tmp_path, question="Who?", images=[base64.b64encode(RED).decode()]),
        one(tmp_path, question="What?", images=[base64.b64encode(BLUE).decode()]),
        one(tmp_path, question="What?", images=[base64.b64encode(RED).decode()], choices=["a", "b"]),
        one(tmp_path, question="What?"),
    ]
    assert len({row["sample_id"], *(other["sample_id"] for other in others)}) == 5


def test_turns_stay_in_order_and_a_prompt_counts_where_there_is_a_question_as_well(tmp_path: Path) -> None:
    image = base64.b64encode(RED).decode()
    assert one(tmp_path, prompt=TURNS, question="no", images=[image])["prompt"] == TURNS
    assert one(tmp_path, messages=TURNS, images=image)["prompt"] == TURNS
    assert one(tmp_path, prompt=None, question="yes")["prompt"] == [{"role": "user", "content": "yes"}]
    assert one(tmp_path, prompt="as text")["prompt"] == [{"role": "user", "content": "as text"}]
    table = {"prompt": [[{**turn, "name": "x"} for turn in TURNS]], "images": [[{"bytes": RED, "path": None}]]}
    assert rows_of(parquet(tmp_path / "q.parquet", table))[0]["prompt"] == TURNS


def test_markers_are_put_in_front_of_the_users_first_turn_where_there_is_none_at_all(tmp_path: Path) -> None:
    images = [base64.b64encode(data).decode() for data in (RED, BLUE)]
    turns = [{**turn, "content": turn["content"].replace("<image>", "it")} for turn in TURNS]
    found = [turn["content"] for turn in one(tmp_path, prompt=turns, images=images)["prompt"]]
    assert found == ["Be brief.", "<image><image>And it?", "Red.", "Sure?"]


@pytest.mark.parametrize(
    "images",
    [
        pa.array([[{"bytes": RED, "path": None}]]),
        pa.array([{"bytes": RED, "path": "a.png"}]),
        pa.array([RED]),
        pa.array([[RED]]),
        pa.array([[RED]], pa.large_list(pa.large_binary())),
        pa.array([[{"bytes": RED}]]),
    ],
    ids=lambda array: str(array.type)[:30],
)
def test_images_are_read_unchanged_in_every_form(tmp_path: Path, images: pa.Array) -> None:
    (row,) = rows_of(parquet(tmp_path / "q.parquet", {"question": ["What?"], "image": images}))
    assert ([image["bytes"] for image in row["images"]], row["reason"], row["seen"]) == ([RED], None, "image")


def test_images_of_lines_are_paths_as_seen_from_the_file_or_base64(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "red.png").write_bytes(RED)
    encoded = base64.b64encode(BLUE).decode()
    entries = ["pictures/red.png", "./pictures/../pictures/red.png", encoded, f"data:image/png;base64,{encoded}"]
    row = one(tmp_path, question="?", images=[*entries, {"path": "pictures/red.png"}, {"bytes": encoded}])
    assert [image["bytes"] for image in row["images"]] == [RED, RED, BLUE, BLUE, RED, BLUE]


def test_numbers_are_truths_as_they_are_written_and_nothing_else(tmp_path: Path) -> None:
    rows = rows_of(
        jsonl(tmp_path / "q.jsonl", *(b'{"question": "?", "truth": %s}\n' % text for text in (b"1.50", b"1e3", b"-7", b"10" * 3000)))
    )
    assert [row["truth"] for row in rows] == ["1.50", "1e3", "-7", "10" * 3000]
    assert one(tmp_path, question="?", choices=[1, 2.5])["choices"] == ["1", "2.5"]
    for kind, truths in ((pa.int64(), [7]), (pa.float32(), [0.1]), (pa.decimal128(5, 2), [Decimal("1.50")])):
        (row,) = rows_of(parquet(tmp_path / "q.parquet", {"question": ["?"], "truth": pa.array(truths, kind)}))
        assert row["truth"] == str(truths[0])
    assert one(tmp_path, question=5)["reason"] == "wrong_type"


def test_columns_that_are_named_win_over_usual_ones(tmp_path: Path) -> None:
    columns = QuestionColumns(question="stem", truth="key", license="terms")
    record = {"stem": "a?", "question": "b?", "key": "1", "truth": "2", "terms": "MIT", "license": "CC0"}
    for path in (jsonl(tmp_path / "q.jsonl", record), parquet(tmp_path / "q.parquet", {key: [value] for key, value in record.items()})):
        (row,) = rows_of(path, columns)
        assert (row["prompt"][0]["content"], row["truth"], row["source_license"]) == ("a?", "1", "MIT")


# What is wrong, each by its own name

IMAGE = base64.b64encode(RED).decode()
FAULTS: list[tuple[str, dict[str, Any]]] = [
    ("no_question", {"question": None}),
    ("no_question", {"question": " \n"}),
    ("no_question", {"prompt": []}),
    ("no_question", {"prompt": [{"role": "user", "content": None}]}),
    ("wrong_type", {"question": ["a", "b"]}),
    ("wrong_type", {"question": "?", "truth": True}),
    ("wrong_type", {"question": "?", "truth": ["1"]}),
    ("wrong_type", {"question": "?", "choices": "ab"}),
    ("wrong_type", {"question": "?", "choices": ["a", None]}),
    ("wrong_type", {"question": "?", "images": [7]}),
    ("wrong_type", {"question": "?", "domain": 3}),
    ("wrong_type", {"prompt": ["a"]}),
    ("wrong_type", {"prompt": [{"role": "user", "content": ["a"]}]}),
    ("bad_text", {"question": "\ud800"}),
    ("bad_text", {"question": "a" * (2**20 + 1)}),
    ("unknown_role", {"prompt": [{"role": "tool", "content": "x"}, {"role": "user", "content": "?"}]}),
    ("unknown_role", {"prompt": [{"content": "?"}]}),
    ("last_turn_not_user", {"prompt": TURNS[:3], "images": [IMAGE]}),
    ("marker_count", {"question": "<image>?"}),
    ("marker_count", {"question": "<image><image>?", "images": [IMAGE]}),
    ("marker_count", {"question": "<image>?", "images": [IMAGE, IMAGE]}),
    ("unknown_tier", {"question": "?", "human_tier": "brutal"}),
    ("unknown_seen", {"question": "?", "seen": "video"}),
    ("seen_mismatch", {"question": "?", "seen": "image"}),
    ("seen_mismatch", {"question": "?", "seen": "description", "images": [IMAGE]}),
    ("no_image", {"question": "?", "images": [None]}),
    ("missing_file", {"question": "?", "images": ["gone.png"]}),
    ("missing_file", {"question": "?", "images": ["\ud800.png"]}),
    ("unreadable_file", {"question": "?", "images": ["a" * 300 + ".png"]}),
    ("unreadable_file", {"question": "?", "images": ["empty.png/red.png"]}),
    ("empty_file", {"question": "?", "images": ["empty.png"]}),
    ("path_outside", {"question": "?", "images": ["../secret.png"]}),
    ("path_outside", {"question": "?", "images": ["/etc/host.conf"]}),
    ("path_outside", {"question": "?", "images": ["a\0.png"]}),
    ("external_file", {"question": "?", "images": ["https://images.example/a.png"]}),
    ("bad_base64", {"question": "?", "images": ["no-base64"]}),
]


@pytest.mark.parametrize(("reason", "record"), FAULTS, ids=[f"{number}-{reason}" for number, (reason, _) in enumerate(FAULTS)])
def test_a_fault_of_a_line_has_its_own_reason_and_leaves_its_neighbours_alone(tmp_path: Path, reason: str, record: dict[str, Any]) -> None:
    (tmp_path / "empty.png").write_bytes(b"")
    path = jsonl(tmp_path / "q.jsonl", {"question": "before"}, record, {"question": "after"})
    before, bad, after = rows_of(path)
    assert (before["reason"], bad["reason"], after["reason"]) == (None, reason, None)
    assert bad["error"].startswith(f"{path}, line 2: ")
    assert (bad["sample_id"], bad["images"], bad["source_path"], bad["source_member"]) == (None, [], str(path), "line 2")


def test_lines_that_are_no_json_are_rows_too(tmp_path: Path) -> None:
    good = b'{"question": "?"}\n'
    bad = [b"{\n", b"[1]\n", b"\xff\xfe{}\n", b'{"question": NaN}\n', b"[" * 100_000 + b"\n", b"\x1f\x8b\x00binary\n"]
    rows = rows_of(jsonl(tmp_path / "q.jsonl", b"\xef\xbb\xbf" + good, b"\n  \n", *bad, good.rstrip()))
    assert Counter(row["reason"] for row in rows) == {None: 2, "unreadable_row": 5, "wrong_type": 1}
    assert [row["source_member"] for row in rows] == [f"line {number}" for number in (1, 4, 5, 6, 7, 8, 9, 10)]


def test_a_line_of_too_many_bytes_is_one_dead_row_and_is_never_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(question_lines, "MAX_LINE_BYTES", 2**10)
    path = jsonl(tmp_path / "q.jsonl", {"question": "a"}, {"question": "b" * 5000}, {"question": "c"})
    assert [(row["reason"], row["source_member"]) for row in rows_of(path)] == [
        *((None, "line 1"), ("too_many_bytes", "line 2"), (None, "line 3"))
    ]


PARQUET_FAULTS: list[tuple[str, dict[str, Any]]] = [
    ("no_question", {"question": pa.array([None], pa.string())}),
    ("bad_text", {"question": pa.array([b"\xff"])}),
    ("wrong_type", {"question": ["?"], "truth": [["1"]]}),
    ("wrong_type", {"question": ["?"], "human_tier": [3]}),
    ("wrong_type", {"question": [7]}),
    ("wrong_type", {"prompt": [[{"role": "user", "content": "?"}, None]]}),
    ("no_image", {"question": ["?"], "images": pa.array([[None]], pa.list_(pa.binary()))}),
    ("empty_file", {"question": ["?"], "images": [[b""]]}),
    ("external_file", {"question": ["?"], "images": [[{"bytes": None, "path": "a.png"}]]}),
    ("external_file", {"question": ["?"], "images": [["a.png"]]}),
    ("external_file", {"question": ["?"], "images": [[{"path": "a.png"}]]}),
    ("marker_count", {"question": ["<image>"], "images": [[RED, BLUE]]}),
]


@pytest.mark.parametrize(("reason", "columns"), PARQUET_FAULTS, ids=[f"{n}-{reason}" for n, (reason, _) in enumerate(PARQUET_FAULTS)])
def test_a_fault_of_a_parquet_row_has_its_own_reason(tmp_path: Path, reason: str, columns: dict[str, Any]) -> None:
    path = parquet(tmp_path / "q.parquet", columns)
    (row,) = rows_of(path)
    assert row["reason"] == reason
    assert row["error"].startswith(f"{path}, row 0: ")


def test_a_damaged_parquet_file_is_one_row_and_a_damaged_page_costs_the_rows_behind_it(tmp_path: Path) -> None:
    path = parquet(
        tmp_path / "q.parquet",
        {"question": [f"{n} {'x' * 50}?" for n in range(400)]},
        row_group_size=100,
        compression="none",
        use_dictionary=False,
    )
    whole = path.read_bytes()
    path.write_bytes(whole[:-20])
    assert [(row["reason"], row["source_member"]) for row in rows_of(path)] == [("truncated_shard", None)]
    at = pq.ParquetFile(io.BytesIO(whole)).metadata.row_group(1).column(0).data_page_offset
    path.write_bytes(whole[:at] + b"\xff" * 16 + whole[at + 16 :])
    rows = rows_of(path)
    assert Counter(row["reason"] for row in rows) == {None: 300, "unreadable_row": 100}
    assert {row["source_member"] for row in rows if row["reason"]} == {f"row {n}" for n in range(100, 200)}


def test_a_parquet_file_without_questions_or_without_a_named_column_is_refused(tmp_path: Path) -> None:
    path = parquet(tmp_path / "q.parquet", {"stem": ["?"]})
    with pytest.raises(ConfigError, match=r"expected a column question or problem .* found stem \(string\); .*input.columns.question=NAME"):
        open_questions(QuestionInput(str(path)), str(tmp_path / "out"))
    with pytest.raises(ConfigError, match="expected a column key"):
        open_questions(QuestionInput(str(path), columns=QuestionColumns(question="stem", truth="key")), str(tmp_path / "out"))
    with pytest.raises(ConfigError, match=r"missing key 'input\.path'"):
        open_questions(QuestionInput(), str(tmp_path / "out"))
    with pytest.raises(ConfigError, match="no file of questions"):
        open_questions(QuestionInput(str(tmp_path / "*.txt")), str(tmp_path / "out"))


# Splits


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    texts=st.lists(st.sampled_from(["a?", "b" * 200, "", "<image>", "{"]), min_size=0, max_size=30),
    samples=st.integers(1, 7),
    size=st.integers(1, 700),
)
def test_however_a_file_is_cut_it_has_the_same_rows(tmp_path: Path, texts: list[str], samples: int, size: int) -> None:
    path = jsonl(tmp_path / "q.jsonl", *(b"{\n" if text == "{" else {"question": text} for text in texts))
    cut = splits(path, samples=samples, size=size)
    assert all(split.rows <= samples for split in cut)
    assert all(split.bytes <= size or split.rows == 1 for split in cut)
    place = ("sample_id", "reason", "source_member", "source_offset")
    assert [[row[name] for name in place] for row in rows_of(path, samples=samples, size=size)] == [
        [row[name] for name in place] for row in rows_of(path)
    ]
    assert len({split.split_id for split in cut}) == len(cut)
    table = parquet(tmp_path / "q.parquet", {"question": pa.array(texts, pa.string())}, row_group_size=5)
    assert [row["reason"] for row in rows_of(table, samples=samples, size=size)] == [row["reason"] for row in rows_of(table)]


def test_images_beside_the_lines_count_into_the_size_of_a_split_and_into_its_name(tmp_path: Path) -> None:
    for number in range(4):
        (tmp_path / f"{number}.png").write_bytes(bytes(1000))
    path = jsonl(tmp_path / "q.jsonl", *({"question": "?", "images": [f"{number}.png"]} for number in range(4)))
    before = splits(path, size=2200)
    assert [split.rows for split in before] == [2, 2]
    (tmp_path / "3.png").write_bytes(bytes(1001))
    after = splits(path, size=2200)
    assert [one.split_id == other.split_id for one, other in zip(before, after, strict=True)] == [True, False]


def test_a_folder_has_its_images_beside_its_files_of_questions(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(RED)
    jsonl(tmp_path / "b.jsonl", {"question": "b?", "images": "a.png"})
    parquet(tmp_path / "a.parquet", {"question": ["a?"]})
    assert [row["prompt"][0]["content"] for row in rows_of(tmp_path)] == ["a?", "<image>b?"]


def test_a_file_that_changed_since_it_was_cut_is_no_longer_read(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "q.jsonl", {"question": "?"})
    (split,) = splits(path)
    jsonl(path, {"question": "??"})
    with pytest.raises(EnvironmentFault, match="has changed since it was cut"):
        questions.read(split, CORPUS, LICENSE)


def test_a_file_of_many_splits_is_never_held_whole(tmp_path: Path) -> None:
    with (tmp_path / "q.jsonl").open("w") as file:
        file.writelines(json.dumps({"question": f"{n} {'x' * 2**18}"}) + "\n" for n in range(200))
    tracemalloc.start()
    cut = splits(tmp_path / "q.jsonl", size=2**21)
    assert len(cut) > 20
    for split in cut[:3]:
        questions.read(split, CORPUS, LICENSE)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**24, f"{peak:,} bytes for a file of {(tmp_path / 'q.jsonl').stat().st_size:,}"


def test_questions_are_read_from_a_store_as_from_the_disk(tmp_path: Path, remote: type[MemoryFiles]) -> None:
    path = jsonl(tmp_path / "q.jsonl", *({"question": f"{n}?", "images": "a.png"} for n in range(5)), {"question": "?", "images": "b.png"})
    (tmp_path / "a.png").write_bytes(RED)
    for file in (path, tmp_path / "a.png"):
        remote.files[f"memtest://bucket/{file.name}"] = file.read_bytes()
    local, there = rows_of(path, samples=2), rows_of("memtest://bucket/q.jsonl", samples=2)
    names = ("sample_id", "reason", "source_member", "source_offset", "images")
    assert [[row[name] for name in names] for row in there] == [[row[name] for name in names] for row in local]
    assert [row["reason"] for row in there] == [None] * 5 + ["missing_file"]


# In a pipeline


def test_a_pipeline_reads_questions_with_the_steps_of_every_other(tmp_path: Path) -> None:
    path = jsonl(tmp_path / "q.jsonl", *({"question": f"{n}?"} for n in range(5)), {"question": None})
    source = open_questions(
        build(QuestionInput, {"path": str(path), "split_samples": 2, "columns": {"truth": "key"}}), str(tmp_path / "out")
    )
    assert [split.rows for shard in source.shards for split in splits_of(shard, source)] == [2, 2, 2]
    assert [split.taken for split in first_splits(open_questions(QuestionInput(str(path), limit=3), str(tmp_path)))] == [3]

    def check(batches: list[pa.RecordBatch]) -> None:
        assert sorted(len(batch) for batch in batches) == [2, 2, 2]
        steps = [count for batch in batches for count in counts(batch)]
        assert {count.step for count in steps} == {SENTENCE}
        assert sum(count.kept for count in steps) == 5
        assert [count.dead for count in steps if count.dead] == [{"no_question": 1}]

    with test_pipeline.TestPipeline(runner="DirectRunner") as pipeline:
        reader = annotate.ReadSplits(str(tmp_path / "out"), CORPUS, LICENSE, questions.read, SENTENCE)
        assert_that(cut_in_beam(pipeline, source) | beam.ParDo(reader), check)


def test_text_is_nfc(tmp_path: Path) -> None:
    row = one(tmp_path, question="e\u0301", truth="e\u0301", choices=["e\u0301"])
    assert {row["prompt"][0]["content"], row["truth"], row["choices"][0]} == {unicodedata.normalize("NFC", "e\u0301")}
