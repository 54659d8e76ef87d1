"""Matching a vocabulary, against plain substring search, and the files that vocabularies come from."""

import hashlib
import json
import pickle
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from filters.vocabulary import BUILT, Vocabulary, VocabularySpec
from jobs import vocabulary as job
from schemas.exits import EnvironmentFault
from schemas.weights import CACHE_VARIABLE, path_of

CHARACTERS = "aAbé ,.;:?!`'-\t\n\u3000手机ｂßไทはハ한１"
TEXTS = st.text(CHARACTERS, max_size=14)
ENTRIES = st.lists(st.text(CHARACTERS, min_size=1, max_size=5).filter(str.strip), min_size=1, max_size=8)


unhurried = settings(deadline=None)


def unspaced(character: str) -> bool:
    """Whether the character belongs to a script without spaces, by its Unicode name."""
    return unicodedata.name(character, "").split()[0:1] in (["CJK"], ["THAI"], ["HIRAGANA"], ["KATAKANA"])


def padded(text: str) -> str:
    """The text as MetaCLIP pads it, character by character, after folding, with spaces where scripts meet."""
    plain = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    out, before = "", ""
    for character in plain:
        meets = before and not before.isspace() and not character.isspace() and unspaced(before) != unspaced(character)
        out += (" " if meets else "") + (f" {character} " if character in ",.;:?!`" else " " if character in "\t\n\r" else character)
        before = character
    return " " + re.sub("  +", " ", out).strip() + " "


def stands_in(entry: str, text: str) -> bool:
    """By definition: the padded entry, less the spaces beside scripts without spaces, is a substring of the padded text."""
    wanted = padded(entry)
    start, end = int(unspaced(wanted[1])), len(wanted) - int(unspaced(wanted[-2]))
    return wanted[start:end] in padded(text)


def found(entries: list[str], text: str | None) -> list[str]:
    vocabulary = Vocabulary(entries)
    return [vocabulary.entries[position] for position in vocabulary.match([text])[0]]


@unhurried
@given(entries=ENTRIES, texts=st.lists(st.none() | TEXTS, max_size=4), data=st.data())
@example(entries=["a"], texts=["a手", "手a机", "b.a"], data=None)
def test_an_entry_is_found_where_its_padded_form_is_a_substring(entries: list[str], texts: list[str | None], data: st.DataObject | None):
    if data is not None:
        texts = [*texts, " ".join(data.draw(st.lists(st.sampled_from(entries), max_size=4)))]
    vocabulary = Vocabulary(entries)
    expected = [[i for i, entry in enumerate(vocabulary.entries) if text and stands_in(entry, text)] for text in texts]
    assert vocabulary.match(texts) == expected


@unhurried
@given(entries=ENTRIES)
def test_of_entries_that_match_alike_the_first_stands_for_all(entries: list[str]):
    kept: list[str] = []
    for entry in entries:
        if all(padded(entry) != padded(other) for other in kept):
            kept.append(entry)
    assert list(Vocabulary(entries).entries) == kept


@unhurried
@given(first=st.lists(st.none() | TEXTS, max_size=4), second=st.lists(st.none() | TEXTS, max_size=4))
def test_texts_are_matched_each_by_itself(first: list[str | None], second: list[str | None]):
    vocabulary = Vocabulary(["a", "手", "b a"])
    assert vocabulary.match(first + second) == vocabulary.match(first) + vocabulary.match(second)


@pytest.mark.parametrize(
    ("entry", "text", "stands"),
    [
        ("york", "York, a city", True),
        ("york", "yorkshire", False),
        ("york", "new-york", False),
        ("york", '"york"', False),
        ("new york", "NEW\n york!", True),
        ("york", "a`york?", True),
        ("york", "b:york;c", True),
        ("st. louis", "St.Louis at night", True),
        ("café", "CAFE\u0301 in Paris", True),
        ("cafe", "café", False),
        ("iphone", "新款iPhone手机壳", True),
        ("phone", "新款iPhone手机壳", False),
        ("手机", "新款iPhone手机壳", True),
        ("t恤", "白色T恤", True),
        ("t恤", "shirt恤", False),
        ("ナイキ", "ﾅｲｷの靴", True),
        ("ไทย", "ประเทศไทยสวย", True),
        ("서울", "서울 야경", True),
        ("서울", "서울에서", False),
        ("strasse", "Straße", True),
    ],
)
def test_words_are_whole_where_scripts_have_spaces(entry: str, text: str, stands: bool):
    assert (found([entry], text) == [entry]) is stands


def test_overlapping_entries_all_count_and_each_once():
    entries = ["york", "new york", "new york city", "city", "york new"]
    assert found(entries, "New York City, New York") == ["york", "new york", "new york city", "city"]
    assert Vocabulary(entries).match(["york york york"]) == [[0]]


def test_nothing_stands_in_no_text():
    assert Vocabulary(["a"]).match([None, "", " \n"]) == [[], [], []]
    assert Vocabulary(["a"]).match([]) == []
    assert Vocabulary([]).match(["a"]) == [[]]


def test_an_entry_of_spaces_is_refused():
    with pytest.raises(ValueError, match="at least one character, found ' '"):
        Vocabulary(["a", " "])


@pytest.mark.parametrize(
    ("name", "content", "entries"),
    [
        ("metadata.json", '["new york", "York", "\\u624b\\u673a"]', ["new york", "York", "手机"]),
        ("list.txt", "new york\nYork\n手机\n", ["new york", "York", "手机"]),
        ("list.txt", "\ufeffnew york\r\nYork\r\n手机", ["new york", "York", "手机"]),
        ("list", '["york"]\n', ['["york"]']),
    ],
)
def test_a_vocabulary_is_json_or_one_entry_a_line(tmp_path: Path, name: str, content: str, entries: list[str]):
    (tmp_path / name).write_text(content, encoding="utf-8", newline="")
    assert list(VocabularySpec(str(tmp_path / name)).load().entries) == entries


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("m.json", b'{"a": 1}', "expected entries, found dict"),
        ("m.json", b"[]", "expected entries, found none"),
        ("m.json", b'["a", 7]', "not empty as entry 2, found 7"),
        ("m.json", b'["a", " "]', "not empty as entry 2, found ' '"),
        ("m.json", b'["a",', "expected a vocabulary in UTF-8, found JSONDecodeError"),
        ("m.txt", b"a\n\nb\n", "not empty as entry 2, found ''"),
        ("m.txt", b"", "expected entries, found none"),
        ("m.txt", b"\xff\xfe", "expected a vocabulary in UTF-8, found UnicodeDecodeError"),
    ],
)
def test_a_bad_file_is_refused_with_what_was_expected(tmp_path: Path, name: str, content: bytes, message: str):
    (tmp_path / name).write_bytes(content)
    spec = VocabularySpec(str(tmp_path / name))
    with pytest.raises(EnvironmentFault, match=message):
        spec.load()


def test_the_content_of_the_file_is_part_of_the_spec(tmp_path: Path):
    file = tmp_path / "list.txt"
    file.write_text("york\n")
    spec = VocabularySpec(str(file))
    assert spec.sha256 == hashlib.sha256(b"york\n").hexdigest()
    assert pickle.loads(pickle.dumps(spec)) == spec == replace(spec)
    file.write_text("paris\n")
    assert VocabularySpec(str(file)) != spec
    with pytest.raises(EnvironmentFault, match="the file has changed"):
        spec.load()
    with pytest.raises(EnvironmentFault, match="the file has changed"):
        replace(spec)


def test_without_a_file_the_one_that_was_built_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    with pytest.raises(EnvironmentFault, match=r"vocabulary\.txt, found FileNotFoundError.*python -m jobs\.vocabulary"):
        VocabularySpec()
    (tmp_path / BUILT).write_text("york\n")
    assert list(VocabularySpec().load().entries) == ["york"]


def test_entries_are_folded_sorted_and_without_stop_words_and_single_characters():
    lists: dict[str, Iterator[str]] = {
        "first": iter(["York", "the", "a", "new  york", "手", "手机", "…", "é"]),
        "second": iter(["york", "ＹＯＲＫ", "Zürich"]),
    }
    entries, sizes = job.build(lists, frozenset(["the"]))
    assert entries == ["new york", "york", "zürich", "手机"]
    assert sizes == {"first": (3, 3), "second": (2, 1)}


def test_the_built_vocabulary_holds_concepts_of_every_list(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    own = tmp_path / "own.json"
    own.write_text(json.dumps(["Girl with a Pearl Earring"]))
    assert job.main([str(tmp_path / "built.txt"), "--add", str(own)]) == 0
    entries = (tmp_path / "built.txt").read_text(encoding="utf-8").splitlines()
    assert entries == sorted(set(entries))
    assert {"golden retriever", "monet", "cats", "géricault", "münchen", "慕尼黑", "大熊猫", "girl with a pearl earring"} <= set(entries)
    assert not {"the", "very", "a", "in", "#define"} & set(entries)
    said = capsys.readouterr().out
    assert f"{len(entries):,} entries" in said
    assert re.search(r"147,\d{3} of wordnet", said)
    assert "1 of " in said.splitlines()[-1]


def test_a_missing_list_is_named_with_the_command_that_fetches_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    assert job.main([str(tmp_path / "v.txt")]) == 1
    assert "python -m jobs.fetch w" in capsys.readouterr().err
    assert not (tmp_path / "v.txt").exists()


def test_every_list_is_pinned():
    assert all(path_of(name).is_file() for name in job.LISTS)
