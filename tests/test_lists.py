"""Lists of addresses: every row of every format arrives once, whatever the cut, and damage is told of."""

import csv
import datetime as dt
import io
import json
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipelines.ingest import lists
from pipelines.ingest.list_columns import ListColumns
from pipelines.ingest.lists import ListSplit, Stretch
from pipelines.ingest.rows import batch_of
from schemas.exits import EnvironmentFault

SHA, MD5 = "ab" * 32, "CD" * 16


def cut(path: Path, split_urls: int = 4, columns: ListColumns | None = None) -> list[Stretch]:
    asked = columns or ListColumns()
    found = lists.list_lists(str(path))
    return [stretch for shard in found for stretch in lists.cut(shard, asked, split_urls, str(path.parent / "plan"))]


def rows_of(stretches: list[Stretch], skip: int = 0) -> list[dict[str, Any]]:
    """Return the rows of every split but, in each stretch, the first ``skip``."""
    return [
        row
        for stretch in stretches
        for split, rows in lists.read(stretch, stretch.splits[skip:])
        for row in batch_of(split, rows, stretch.shard.path, stretch.columns, "web", "unknown").to_pylist()
    ]


def read(path: Path, split_urls: int = 4, **columns: Any) -> list[dict[str, Any]]:
    return rows_of(cut(path, split_urls, ListColumns(**columns)))


def parquet(path: Path, columns: dict[str, Any], rows_in_a_group: int = 3) -> Path:
    pq.write_table(pa.table(columns), path, row_group_size=rows_in_a_group)
    return path


@pytest.mark.parametrize(
    "names",
    [
        {"url": "URL", "alt_text": "TEXT", "license": "LICENSE", "md5": "MD5"},
        {"url": "url", "alt_text": "text", "license": "license", "sha256": "sha256"},
        {"url": "url", "alt_text": "caption"},
        {"url": "url", "alt_text": "alt_text"},
    ],
    ids=["LAION", "DataComp", "COYO", "ours"],
)
@pytest.mark.parametrize("kind", ["parquet", "csv", "tsv"])
def test_the_usual_columns_are_found(tmp_path: Path, names: dict[str, str], kind: str):
    values = {"url": " http://h/1.jpg ", "alt_text": "A cafe\u0301", "license": "CC0", "sha256": SHA, "md5": MD5}
    record = {name: values[role] for role, name in names.items()}
    path = tmp_path / f"list.{kind}"
    if kind == "parquet":
        parquet(path, {name: [value] for name, value in record.items()})
    else:
        mark = "," if kind == "csv" else "\t"
        path.write_text(f"{mark.join(record)}\n{mark.join(record.values())}\n", encoding="utf-8")
    (row,) = read(path)
    assert (row["url"], row["alt_text"]) == ("http://h/1.jpg", "A caf\u00e9")
    assert row["source_license"] == ("CC0" if "license" in names else "unknown")
    assert row["listed_hash"] == ({"sha256": f"sha256:{SHA}", "md5": f"md5:{MD5.lower()}"}.get(list(names)[-1]))
    assert (row["source_path"], row["source_member"], row["row"], row["reason"]) == (str(path), "row 0", 0, None)


def test_further_columns_travel_as_json(tmp_path: Path):
    columns = {
        "url": ["http://h/1", "http://h/2"],
        "similarity": pa.array([0.25, float("nan")], pa.float32()),
        "size": [640, None],
        "boxes": [[[0.0, 1.0]], []],
        "day": [dt.date(2021, 5, 28), None],
        "tag": pa.array([b"caf\xe9", "\u4e2d".encode()], pa.binary()),
    }
    path = parquet(tmp_path / "a.parquet", columns)
    found = [json.loads(row["metadata"]) for row in read(path, metadata=("similarity", "size", "boxes", "day", "tag"))]
    assert found == [
        {"similarity": 0.25, "size": 640, "boxes": [[0.0, 1.0]], "day": "2021-05-28", "tag": "caf\\xe9"},
        {"similarity": None, "size": None, "boxes": [], "day": None, "tag": "\u4e2d"},
    ]
    assert [row["metadata"] for row in read(path)] == [None, None]


TEXTS = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=12)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(st.tuples(TEXTS, TEXTS), max_size=40), split_urls=st.integers(1, 9), mac=st.booleans(), ends=st.booleans())
def test_a_csv_is_cut_and_read_as_one_parser_would_read_it(
    tmp_path: Path, rows: list[tuple[str, str]], split_urls: int, mac: bool, ends: bool
):
    """Quotes, commas and newlines in fields, a mark at the start, no newline at the end."""
    text = io.StringIO()
    writer = csv.writer(text, quoting=csv.QUOTE_ALL, lineterminator="\r\n" if mac else "\n")
    writer.writerows([("url", "text"), *rows])
    data = text.getvalue() if ends else text.getvalue().rstrip("\r\n")
    path = tmp_path / "list.csv"
    path.write_bytes(b"\xef\xbb\xbf" * mac + data.encode())
    os.utime(path, ns=(hash(data) % 2**40, hash(data) % 2**40))
    expected = list(csv.DictReader(io.StringIO(data, newline="")))
    found = read(path, split_urls)
    assert [row["source_member"] for row in found] == [f"row {n}" for n in range(len(expected))]
    assert [row["url"] for row in found if row["reason"] is None] == [r["url"].strip() for r in expected if r["url"].strip()]
    assert {row["reason"] for row in found} <= {None, "no_url"}


@pytest.mark.parametrize("kind", ["parquet", "csv"])
@pytest.mark.parametrize("split_urls", [1, 3, 7, 1000])
def test_every_row_is_in_one_split_and_reading_may_begin_at_any(tmp_path: Path, kind: str, split_urls: int):
    path = tmp_path / f"list.{kind}"
    urls = [f"http://h/{n}.jpg" for n in range(500)]
    if kind == "parquet":
        parquet(path, {"url": urls}, rows_in_a_group=90)
    else:
        path.write_text("url\n" + "".join(f'"{url}"\n\n' for url in urls))
    stretches = cut(path, split_urls)
    assert [row["url"] for row in rows_of(stretches)] == urls
    splits = [split for stretch in stretches for split in stretch.splits]
    assert len({split.split_id for split in splits}) == len(splits) == -(-500 // split_urls)
    assert len(stretches) >= min(lists.SPREAD, len(splits))
    assert max(len(stretch.splits) for stretch in stretches) <= lists.STRETCH
    later = [row["url"] for row in rows_of(stretches, skip=1)]
    assert later == [urls[row] for s in stretches for split in s.splits[1:] for row in range(split.first, split.first + split.rows)]


def test_two_splits_with_one_between_them_are_read_in_one_stream(tmp_path: Path):
    path = parquet(tmp_path / "a.parquet", {"url": [f"http://h/{n}" for n in range(300)]})
    stretch = max(cut(path), key=lambda s: len(s.splits))
    wanted = [stretch.splits[1], stretch.splits[4]]
    found = [(split, [number for number, _ in rows]) for split, rows in lists.read(stretch, wanted)]
    assert found == [(split, list(range(split.first, split.first + 4))) for split in wanted]


def test_the_plan_of_a_csv_is_kept_and_gives_the_same_splits(tmp_path: Path):
    path = tmp_path / "list.csv"
    path.write_text("url\n" + "".join(f"http://h/{n}\n" for n in range(50)))
    first = cut(path)
    (plan,) = (tmp_path / "plan").iterdir()
    assert cut(path) == first
    plan.write_text("{")
    assert cut(path) == first


def test_a_limit_stops_in_the_middle_of_a_split(tmp_path: Path):
    path = parquet(tmp_path / "a.parquet", {"url": [f"http://h/{n}" for n in range(100)]})
    found = list(lists.limited(cut(path, 4), 10))
    assert [row["url"] for row in rows_of(found)] == [f"http://h/{n}" for n in range(10)]
    splits = [split for stretch in found for split in stretch.splits]
    assert [split.taken for split in splits] == [4, 4, 2]
    assert splits[-1].key == f"{splits[-1].split_id}-2"


def test_bad_rows_are_dead_one_by_one(tmp_path: Path):
    path = tmp_path / "list.csv"
    lines = [
        b"url,text,sha256",
        b"http://h/0,fine,",
        b"http://h/1,too,many,fields",
        b"http://h/2",
        b",no address,",
        b"http://h/4,\xff\xfe,",
    ]
    lines += [
        b"http://h/5,short hash,abc",
        b"http://h/6,fine," + SHA.encode(),
        b'http://h/7,"' + b"x" * 140_000 + b'",',
        b"http://h/8,fine,",
    ]
    path.write_bytes(b"\n".join(lines))
    found = [(row["source_member"], row["reason"]) for row in read(path, 2)]
    assert found == [
        ("row 0", None), ("row 1", "unreadable_row"), ("row 2", "unreadable_row"), ("row 3", "no_url"), ("row 4", "bad_metadata"),
        ("row 5", "bad_metadata"), ("row 6", None), ("row 7", "unreadable_row"), ("row 8", None),
    ]  # fmt: skip
    assert [row["reason"] for row in read(path, 2, verify_hash=False)][5] is None


def test_quotes_mean_nothing_in_a_tsv(tmp_path: Path):
    path = tmp_path / "list.tsv"
    path.write_text('url\tcaption\nhttp://h/0\tThe 5" disk\nhttp://h/1\t"open, and never closed\nhttp://h/2\tfine\n')
    assert [row["alt_text"] for row in read(path)] == ['The 5" disk', '"open, and never closed', "fine"]


def test_a_parquet_without_its_footer_is_one_dead_row(tmp_path: Path):
    path = parquet(tmp_path / "a.parquet", {"url": [f"http://h/{n}" for n in range(9)]})
    path.write_bytes(path.read_bytes()[:-20])
    (row,) = read(path)
    assert row["reason"] == "truncated_shard"
    assert "a.parquet" in row["error"]


def test_a_spoilt_page_costs_the_rows_of_its_group(tmp_path: Path):
    path = parquet(tmp_path / "a.parquet", {"url": [f"http://h/{n}" for n in range(12)]}, rows_in_a_group=4)
    data = bytearray(path.read_bytes())
    at = pq.read_metadata(path).row_group(1).column(0).dictionary_page_offset
    data[at : at + 20] = b"\xff" * 20
    path.write_bytes(data)
    assert [row["reason"] for row in read(path, 5)] == [None] * 4 + ["unreadable_row"] * 4 + [None] * 4


@pytest.mark.parametrize("kind", ["parquet", "csv"])
def test_a_list_that_changes_after_the_cut_stops_the_run(tmp_path: Path, kind: str):
    path = tmp_path / f"a.{kind}"
    if kind == "parquet":
        parquet(path, {"url": ["http://h/0"] * 9})
    else:
        path.write_text("url\n" + "http://h/0\n" * 9)
    stretches = cut(path)
    with path.open("ab") as file:
        file.write(b"\n")
    with pytest.raises(EnvironmentFault, match="has changed since it was cut"):
        rows_of(stretches)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (ListColumns(), r"expected text in a column url or URL, found link \(string\), n \(int64\).*--set input\.columns\.url=NAME"),
        (ListColumns(url="n"), r"expected text in a column n"),
        (ListColumns(url="link", md5="hash"), r"expected text in a column hash.*input\.columns\.md5"),
        (ListColumns(url="link", metadata=("m",)), r"in a column m, found .*; correct input\.columns\.metadata"),
    ],
)
def test_a_list_without_the_columns_is_refused_with_those_that_are_there(tmp_path: Path, columns: ListColumns, message: str):
    path = parquet(tmp_path / "a.parquet", {"link": ["http://h/0"], "n": [1]})
    with pytest.raises(EnvironmentFault, match=message):
        lists.refuse_columns(lists.list_lists(str(path)), columns)
    with pytest.raises(EnvironmentFault, match=message):
        cut(path, columns=columns)


def test_lists_are_found_by_name_folder_and_pattern(tmp_path: Path):
    for name in ("b.csv", "a.parquet", "c.tsv", ".hidden.csv", "notes.txt", "sub/d.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("url\n")

    def names(pattern: str) -> list[str]:
        return [os.path.relpath(shard.path, tmp_path) for shard in lists.list_lists(f"{tmp_path}/{pattern}")]

    assert names("") == ["a.parquet", "b.csv", "c.tsv", "sub/d.csv"]
    assert names("b.csv") == ["b.csv"]
    assert names("*.[ct]sv") == ["b.csv", "c.tsv"]
    for pattern in ("*.txt", "nothing*", "absent.csv"):
        with pytest.raises(ValueError, match="name a list of addresses"):
            names(pattern)


def test_empty_lists_have_no_splits(tmp_path: Path):
    (tmp_path / "a.csv").write_text("url\n")
    parquet(tmp_path / "b.parquet", {"url": pa.array([], pa.string())})
    assert cut(tmp_path) == []


def test_a_split_is_named_by_its_list_its_range_and_the_columns(tmp_path: Path):
    def ids(path: Path, **columns: Any) -> set[str]:
        return {split.split_id for stretch in cut(path, columns=ListColumns(**columns)) for split in stretch.splits}

    path = parquet(tmp_path / "a.parquet", {"url": ["http://h/0"] * 9, "other": ["http://h/1"] * 9})
    assert ids(path) == ids(path)
    assert not ids(path) & ids(path, url="other")
    os.utime(path, (1, 1))
    before = ids(path)
    os.utime(path, (2, 2))
    assert not before & ids(path)


def test_a_split_that_is_stopped_short_has_a_key_of_its_own():
    assert ListSplit("ab", 0, 9).key == "ab"
    assert ListSplit("ab", 0, 9, 4).key == "ab-4"
