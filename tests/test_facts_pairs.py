"""The labelled pairs for facts kept: as many, as varied and as well formed as an oracle has to be."""

import json
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

Pair = dict[str, Any]

PAIRS: list[Pair] = [json.loads(line) for line in (Path(__file__).parent / "facts" / "pairs.jsonl").read_text("utf-8").splitlines()]
REASONS = ["name_lost", "name_changed", "number_invented", "quoted_text_changed", "language_changed"]
LANGUAGES = ["en", "zh", "de", "fr", "es", "ru", "ja"]
FIELDS: dict[str, type | tuple[type, ...]] = {
    "id": str, "lang": str, "alt_text": str, "caption": str, "evidence": dict, "reason": (str, type(None)), "new_names": list, "adds": list,
    "echo": bool, "split": str, "note": str,
}  # fmt: skip
FIGURE_4 = {
    "A Northern Cardinal Singing.": "A Northern Cardinal perched on a tree branch, set against a clear blue sky.",
    "2019.07.30 梅斯蒂亚 乌树故里,雪山脚下的绝美山村": "梅斯蒂亚山间村庄, 绿意环绕的乡村风光",
}
UNSPACED = re.compile("[\u3040-\u30ff\u3400-\u9fff]")


def stands_in(word: str, text: str) -> bool:
    """Whether ``text`` holds ``word``: as whole words, in any case, or in scripts without spaces anywhere."""
    if UNSPACED.search(word):
        return word in text
    return re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text, re.IGNORECASE) is not None


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.casefold())


def texts(pair: Pair) -> list[str]:
    """Return every string that a filter or a reader of the pair may meet."""
    evidence = pair["evidence"]
    return [pair["alt_text"], pair["caption"], *evidence["labels"], *evidence["ocr"], *pair["new_names"], *pair["adds"], pair["note"]]


def dev_share(pairs: Iterable[Pair]) -> float:
    splits = Counter(pair["split"] for pair in pairs)
    return splits["dev"] / splits.total()


def test_there_are_enough_pairs_and_enough_of_each_language():
    languages = Counter(pair["lang"] for pair in PAIRS)
    assert len(PAIRS) >= 280
    assert languages["zh"] >= 90
    assert set(languages) == set(LANGUAGES)
    assert min(languages.values()) >= 15


def test_both_pairs_of_figure_4_stand_in_it_verbatim_as_facts_kept():
    kept = {pair["alt_text"]: pair["caption"] for pair in PAIRS if pair["reason"] is None and "figure 4" in pair["note"]}
    assert kept == FIGURE_4


@pytest.mark.parametrize("reason", REASONS)
def test_every_reason_has_pairs_in_every_language(reason: str):
    languages = Counter(pair["lang"] for pair in PAIRS if pair["reason"] == reason)
    assert languages.total() >= 20
    assert languages["zh"] >= 6
    assert set(languages) == set(LANGUAGES)


def test_a_little_less_than_half_keep_their_facts():
    assert 0.4 <= sum(pair["reason"] is None for pair in PAIRS) / len(PAIRS) <= 0.5


@pytest.mark.parametrize("pair", PAIRS, ids=lambda pair: pair["id"])
def test_a_pair_is_well_formed(pair: Pair):
    assert {field: isinstance(pair.get(field), kind) for field, kind in FIELDS.items()} == dict.fromkeys(FIELDS, True)
    assert set(pair) == set(FIELDS)
    assert set(pair["evidence"]) == {"labels", "ocr"}
    assert pair["reason"] in {None, *REASONS}
    assert pair["split"] in {"dev", "test"}
    assert pair["id"].startswith(pair["lang"] + "-")
    assert [text for text in texts(pair) if text != unicodedata.normalize("NFC", text).strip()] == []
    assert "" not in texts(pair)[:-1]


def test_no_pair_and_no_id_is_there_twice():
    assert [key for key, count in Counter(pair["id"] for pair in PAIRS).items() if count > 1] == []
    assert [key for key, count in Counter((pair["alt_text"], pair["caption"]) for pair in PAIRS).items() if count > 1] == []


def test_no_alt_text_is_in_both_splits():
    dev, test = ({pair["alt_text"] for pair in PAIRS if pair["split"] == split} for split in ("dev", "test"))
    assert dev & test == set()


@pytest.mark.parametrize("reason", [None, *REASONS])
def test_the_splits_are_balanced_by_reason_also_in_chinese(reason: str | None):
    assert 0.33 <= dev_share(pair for pair in PAIRS if pair["reason"] == reason) <= 0.47
    assert 0.33 <= dev_share(pair for pair in PAIRS if pair["reason"] == reason and pair["lang"] == "zh") <= 0.47


@pytest.mark.parametrize("lang", LANGUAGES)
def test_the_splits_are_balanced_by_language(lang: str):
    assert 0.33 <= dev_share(pair for pair in PAIRS if pair["lang"] == lang) <= 0.47


def test_every_added_word_stands_in_the_caption_and_not_in_the_alt_text():
    added = [(pair, word) for pair in PAIRS for word in pair["adds"]]
    assert [(p["id"], word) for p, word in added if not stands_in(word, p["caption"]) or stands_in(word, p["alt_text"])] == []


def test_every_new_name_stands_in_the_caption_and_in_no_source():
    new = [(pair, name) for pair in PAIRS for name in pair["new_names"]]
    sources = {pair["id"]: [pair["alt_text"], *pair["evidence"]["labels"], *pair["evidence"]["ocr"]] for pair in PAIRS}
    assert [(p["id"], name) for p, name in new if not stands_in(name, p["caption"])] == []
    assert [(p["id"], name) for p, name in new if any(stands_in(name, source) for source in sources[p["id"]])] == []


def test_no_added_word_is_part_of_a_new_name():
    assert [(p["id"], word) for p in PAIRS for word in p["adds"] if any(stands_in(word, name) for name in p["new_names"])] == []


def test_names_from_nowhere_come_with_kept_facts_too():
    assert sum(bool(pair["new_names"]) and pair["reason"] is None for pair in PAIRS) >= 10


def test_an_echo_is_marked_wherever_the_caption_is_the_alt_text_word_for_word():
    assert [pair["id"] for pair in PAIRS if pair["echo"] != (words(pair["alt_text"]) == words(pair["caption"]))] == []
    assert all(pair["reason"] is None for pair in PAIRS if pair["echo"])
    assert sum(pair["echo"] for pair in PAIRS) >= 5


def test_a_caption_in_another_language_has_no_words_to_compare():
    assert [pair["id"] for pair in PAIRS if pair["reason"] == "language_changed" and pair["adds"] + pair["new_names"]] == []
