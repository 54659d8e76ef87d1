"""Folders: images by themselves, with words beside them, or under a metadata file."""

import json
import os
from pathlib import Path

import pytest

from pipelines.readers.splits import read
from tests.images import html, photo, sample, write_file, write_folder
from tests.reading import CORPUS, LICENSE, by_reason, rows_of, splits_of


def test_a_plain_folder_is_read_by_name_and_in_its_subfolders(tmp_path: Path) -> None:
    write_file(tmp_path / "in" / "b.JPG", photo(2))
    write_file(tmp_path / "in" / "a" / "z.png", b"any bytes")
    write_file(tmp_path / "in" / "a" / "z.txt", "words of z")
    write_file(tmp_path / "in" / "notes.txt", "no image of this name")
    write_file(tmp_path / "in" / ".cache" / "c.jpg", photo(3))
    write_file(tmp_path / "in" / "._b.JPG", b"resource fork")
    rows = rows_of(tmp_path / "in")
    assert [(row["image"]["path"], row["alt_text"]) for row in rows] == [("a/z.png", "words of z"), ("b.JPG", None)]
    assert rows[1]["source_path"] == str(tmp_path / "in" / "b.JPG")
    assert (rows[1]["source_member"], rows[1]["source_offset"], rows[1]["source_bytes"]) == (None, 0, len(photo(2)))


def test_a_text_longer_than_any_alt_text_costs_its_own_sample(tmp_path: Path) -> None:
    long = "x" * (2**20 + 1)
    for name, words in (("a.txt", long), ("b.json", json.dumps({"caption": long})), ("c.txt", long[:-1])):
        write_file(tmp_path / "in" / name, words)
        write_file(tmp_path / "in" / f"{name[0]}.jpg", photo(1))
    write_file(tmp_path / "in" / "sub" / "metadata.jsonl", json.dumps({"file_name": "d.jpg", "text": long}))
    write_file(tmp_path / "in" / "sub" / "d.jpg", photo(2))
    assert [row["reason"] for row in rows_of(tmp_path / "in")] == ["bad_metadata", "bad_metadata", None, None, "bad_metadata"]


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_the_lines_of_a_metadata_file_are_the_rows(tmp_path: Path, kind: str) -> None:
    for name in ("b.jpg", "a.jpg", "unnamed.jpg"):
        write_file(tmp_path / "in" / name, photo(len(name)))
    lines = [("b.jpg", "second"), ("gone.jpg", "lost"), ("./a.jpg", 'first, with "quotes"'), ("b.jpg", "second again")]
    if kind == "jsonl":
        text = "\n".join(json.dumps({"file_name": name, "text": words}) for name, words in lines) + "\n\n"
    else:
        text = 'image,text\nb.jpg,second\ngone.jpg,lost\n./a.jpg,"first, with ""quotes"""\nb.jpg,second again\n'
    write_file(tmp_path / "in" / f"metadata.{kind}", text)
    rows = rows_of(tmp_path / "in")
    assert [(Path(row["source_path"]).name, row["alt_text"], row["reason"]) for row in rows] == [
        ("a.jpg", 'first, with "quotes"', None),
        ("b.jpg", "second", None),
        ("b.jpg", "second again", None),
        ("gone.jpg", "lost", "missing_file"),
        ("unnamed.jpg", None, None),
    ]


def test_metadata_of_a_subfolder_names_files_beside_itself(tmp_path: Path) -> None:
    write_file(tmp_path / "in" / "train" / "a.jpg", photo(1))
    write_file(tmp_path / "in" / "train" / "metadata.jsonl", '{"file_name": "a.jpg", "caption": "words"}')
    (row,) = rows_of(tmp_path / "in")
    assert (row["image"]["path"], row["alt_text"]) == ("train/a.jpg", "words")


def test_a_bad_line_of_metadata_is_a_row_that_names_the_line(tmp_path: Path) -> None:
    write_file(tmp_path / "in" / "a.jpg", photo(1))
    lines = [
        '{"file_name": "a.jpg", "text": "fine"}',
        "{broken",
        '{"text": "no file"}',
        '{"file_name": "../secret.jpg"}',
        '{"file_name": "a.jpg", "text": "\\ud83d"}',
    ]
    write_file(tmp_path / "in" / "metadata.jsonl", "\n".join(lines))
    found = by_reason(rows_of(tmp_path / "in"))
    assert [row["alt_text"] for row in found[None]] == ["fine"]
    bad = found["bad_metadata"]
    assert {row["source_path"] for row in bad} == {str(tmp_path / "in" / "metadata.jsonl")}
    assert [f"line {n}:" in row["error"] for n, row in zip((2, 3, 4, 5), bad, strict=True)] == [True] * 4


def test_a_csv_line_with_too_many_fields_or_none_is_a_row_that_names_the_line(tmp_path: Path) -> None:
    write_file(tmp_path / "in" / "a.jpg", photo(1))
    write_file(tmp_path / "in" / "metadata.csv", "file_name,text\na.jpg,fine\na.jpg,one,two\n,words\n")
    found = by_reason(rows_of(tmp_path / "in"))
    assert [row["alt_text"] for row in found[None]] == ["fine"]
    assert [row["error"].split("metadata.csv, ")[1].split(":")[0] for row in found["bad_metadata"]] == ["line 3", "line 4"]


def test_files_of_a_folder_that_cannot_be_read_are_rows(tmp_path: Path) -> None:
    write_file(tmp_path / "in" / "a.jpg", photo(1))
    write_file(tmp_path / "in" / "empty.jpg", b"")
    write_file(tmp_path / "in" / "page.jpg", html())
    write_file(tmp_path / "in" / "words.jpg", photo(2))
    write_file(tmp_path / "in" / "words.json", "{")
    write_file(tmp_path / "in" / "vanishes.jpg", photo(3))
    write_file(tmp_path / "in" / "grows.jpg", photo(4))
    (tmp_path / "in" / "dangling.jpg").symlink_to(tmp_path / "nowhere.jpg")
    splits = splits_of(tmp_path / "in")
    (tmp_path / "in" / "vanishes.jpg").unlink()
    write_file(tmp_path / "in" / "grows.jpg", photo(4) + b"more")
    rows = [row for split in splits for row in read(split, CORPUS, LICENSE).to_pylist()]
    assert {Path(row["source_path"]).name: row["reason"] for row in rows} == {
        "a.jpg": None, "dangling.jpg": "missing_file", "empty.jpg": "empty_file", "grows.jpg": "unreadable_file",
        "page.jpg": None, "vanishes.jpg": "missing_file", "words.jpg": "bad_metadata",
    }  # fmt: skip


def test_a_name_that_is_no_utf8_is_a_row(tmp_path: Path) -> None:
    folder = os.fsencode(tmp_path / "in")
    os.mkdir(folder)
    with open(folder + b"/caf\xe9.jpg", "wb") as file:
        file.write(photo(1))
    (row,) = rows_of(tmp_path / "in")
    assert row["reason"] == "unreadable_file"
    assert "caf\\xe9.jpg" in row["error"]


def test_a_file_without_permission_is_a_row_and_a_folder_without_it_stops_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_folder(tmp_path / "in", [sample(1), sample(2)])
    (split,) = splits_of(tmp_path / "in")
    forbidden, opened = str(tmp_path / "in" / "000000001.jpg"), open

    def guarded(path, *args):
        if str(path) == forbidden:
            raise PermissionError(13, "Permission denied", path)
        return opened(path, *args)

    monkeypatch.setattr("builtins.open", guarded)
    assert read(split, CORPUS, LICENSE).column("reason").to_pylist() == ["unreadable_file", None]
    monkeypatch.undo()
    os.rename(tmp_path / "in", tmp_path / "away")
    with pytest.raises(FileNotFoundError):
        read(split, CORPUS, LICENSE)


def test_a_subfolder_that_cannot_be_listed_stops_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_file(tmp_path / "in" / "a.jpg", photo(1))
    write_file(tmp_path / "in" / "locked" / "b.jpg", photo(2))
    scandir = os.scandir

    def guarded(path):
        if os.path.basename(path) == "locked":
            raise PermissionError(13, "Permission denied", path)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", guarded)
    with pytest.raises(PermissionError, match="locked"):
        splits_of(tmp_path / "in")


def test_a_fault_of_the_machine_is_no_dead_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (split,) = splits_of(write_folder(tmp_path / "in", [sample(1)]))

    def too_many(path, *_):
        raise OSError(24, "Too many open files", path)

    monkeypatch.setattr("builtins.open", too_many)
    with pytest.raises(OSError, match="Too many open files"):
        read(split, CORPUS, LICENSE)


def test_a_link_to_a_folder_above_is_refused_and_one_to_elsewhere_followed(tmp_path: Path) -> None:
    write_file(tmp_path / "i" / "a.jpg", photo(1))
    write_file(tmp_path / "in" / "b.jpg", photo(2))
    (tmp_path / "in" / "more").symlink_to(tmp_path / "i")
    assert [row["image"]["path"] for row in rows_of(tmp_path / "in")] == ["b.jpg", "more/a.jpg"]
    (tmp_path / "in" / "loop").symlink_to(tmp_path / "in")
    with pytest.raises(ValueError, match="remove the link"):
        splits_of(tmp_path / "in")
