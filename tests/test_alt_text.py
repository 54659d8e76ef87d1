"""Alt text rules: which texts say something of their image, in any script."""

import unicodedata

import pyarrow as pa
import pytest

from filters.alt_text import AltText
from filters.words import words
from schemas import columns as c
from schemas.batches import from_rows
from schemas.exits import Verdict

BUMP = "the result of this filter changed: if that is meant, raise its `version` and the literals here together"

SPEAKING = [
    "Joan of Arc, Jules Bastien-Lepage, 1879, Oil on canvas",
    "A Northern Cardinal Singing.",
    "2019.07.30 梅斯蒂亚 乌树故里,雪山脚下的绝美山村",
    "富士山と桜",
    "猫图片",
    "서울의 야경",
    "Photo 51 by Rosalind Franklin",
    "Image of a cat",
    "Concert in May 2019",
    "Concerts of 2019.07.30",
    "Boeing 737-800 at Zürich, 12.05.2011",
    "Die Straße nach Köln",
    "Портрет неизвестной, Крамской",
    "The wwwhale.community poster",
    "A page on example.commerce and node.networks",
    "Logo of the .NET Foundation",
    "My holiday.jpg file of the beach",
    "no no no",
]


def judged(*texts: str | None, rules: AltText | None = None) -> Verdict:
    return (rules or AltText())(from_rows([{"alt_text": text} for text in texts], pa.schema([c.ALT_TEXT])))


def rows(verdict: Verdict) -> list[tuple[str | None, float | None, float | None]]:
    return list(zip(verdict.reason.to_pylist(), verdict.value.to_pylist(), verdict.threshold.to_pylist(), strict=True))


def the_row(text: str | None) -> tuple[str | None, float | None, float | None]:
    return rows(judged(text))[0]


@pytest.mark.parametrize("text", SPEAKING)
def test_a_text_that_speaks_of_its_image_stays(text: str):
    assert the_row(text) == (None, None, None)


@pytest.mark.parametrize(
    ("reason", "texts"),
    [
        ("no_alt_text", [None, "", "   ", "\n\t\u3000"]),
        ("file_name", ["sunset-over-sea.JPG", "a.jpeg", "雪山.png", "x.tif", "x.TIFF", "x.heic"]),
        ("file_name", ["x.avif", "x.svg", "x.bmp", "x.gif", "x.webp"]),
        ("file_name", ["IMG_2041", "img 2041 2", "DSC-0003", "DSCN0003", "dscf4", "PXL_20230401_101010", "MVIMG_2"]),
        ("file_name", ["Screenshot 2020-01-02", "image1", "Photo 3", "picture_12", "untitled 4", "P1010036", "  IMG_2041  "]),
        ("web_address", ["see http://a.example for more", "HTTPS://A.EXAMPLE", "from www.photos", "buy it at Example.COM"]),
        ("web_address", ["example.net/a/b c", "the site example.org, of course", "(example.com)"]),
        ("web_address", ["photo: example.com.", "图片来自 example.com/图"]),
        ("no_letters", ["12345", "2019-07-30 10:00", "★★★★★ !!!", "½ + ¼ = ¾", "① ② ③"]),
        ("date_only", ["July 30, 2019", "30 Jul 2019", "2019年7月30日", "1st May", "May 2nd, 1990", "3rd - 4TH", "SEPTEMBER"]),
        ("date_only", ["Jan. Feb. Mar. Apr. May Jun. Jul. Aug. Sep. Oct. Nov. Dec. 2020", "March/April/June/October 1999"]),
        ("too_few_words", ["Sunset", "Sunset beach", "snow_mountain", "猫 cat"]),
    ],
)  # fmt: skip
def test_a_text_that_says_nothing_leaves_with_its_reason(reason: str, texts: list[str | None]):
    assert {text: the_row(text)[0] for text in texts} == dict.fromkeys(texts, reason)


@pytest.mark.parametrize("text", ["30th of July 2019", "July 2 st", "Mayor 2019 7", "Sept 2019", "2019年冬", "May ★ 2019", "Maya 30 July"])
def test_a_date_with_anything_else_is_not_only_a_date(text: str):
    assert the_row(text)[0] != "date_only"


def test_the_longest_run_of_digits_is_reported_and_eight_are_allowed():
    assert the_row("product 12345678 in blue") == (None, None, None)
    assert the_row("model a12345678b in blue") == (None, None, None)
    assert the_row("product 12 and 1234567890 in blue 3") == ("long_digit_run", 10, 8)
    assert the_row("full width １２３４５６７８９ here") == ("long_digit_run", 9, 8)
    assert the_row("power of 2²²²²²²²² is large") == ("long_digit_run", 9, 8)
    assert the_row("model a123456789b in blue") == ("long_digit_run", 9, 8)


def test_separated_digits_are_no_run():
    assert the_row("call 1234-5678-9012_3456 or nobody") == (None, None, None)


def test_too_short_counts_a_character_that_is_a_word_as_two():
    assert the_row("a b") == ("too_short", 3, 5)
    assert the_row("ab c") == ("too_short", 4, 5)
    assert the_row("a b c") == (None, None, None)
    assert the_row("雪山") == ("too_short", 4, 5)
    assert the_row("ひ a") == ("too_short", 4, 5)
    assert the_row("한국말") == (None, None, None)
    assert the_row("雪山图") == (None, None, None)


def test_a_thousand_characters_are_allowed_however_wide():
    latin = "".join(f"{number:03d}abcdefg " for number in range(90))
    assert the_row((latin + "x" * 1000)[:1000]) == (None, None, None)
    assert the_row((latin + "x" * 1001)[:1001]) == ("too_long", 1001, 1000)
    assert the_row("".join(map(chr, range(0x4E00, 0x4E00 + 1001)))) == ("too_long", 1001, 1000)


def test_words_are_counted_and_both_limits_are_allowed():
    assert the_row("harbour wall") == ("too_few_words", 2, 3)
    assert the_row("old harbour wall") == (None, None, None)
    assert the_row("".join(map(chr, range(0x4E00, 0x4E00 + 256)))) == (None, None, None)
    assert the_row("".join(map(chr, range(0x4E00, 0x4E00 + 257)))) == ("too_many_words", 257, 256)


def test_the_share_of_the_most_frequent_word_decides_from_four_words_on():
    assert the_row("sale sale sale") == (None, None, None)
    assert the_row("sale now sale today") == (None, None, None)
    assert the_row("Sale sale now SALE") == ("repeated_words", 0.75, 0.5)
    assert the_row("Straße STRASSE straße blau") == ("repeated_words", 0.75, 0.5)
    assert the_row("哈哈哈哈") == ("repeated_words", 1.0, 0.5)
    assert the_row("妈妈爸爸") == (None, None, None)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("www.example.com/a.png", "file_name"),
        ("123 www.4.5", "web_address"),
        ("1234567890", "no_letters"),
        ("20190730101010 July", "date_only"),
        ("a1234567890", "long_digit_run"),
        ("a", "too_short"),
        ("x" * 1001, "too_long"),
        ("go " * 257, "too_many_words"),
    ],
)
def test_a_text_that_breaks_several_rules_leaves_by_the_first(text: str, reason: str):
    assert the_row(text)[0] == reason


def test_texts_are_measured_in_nfc_and_stripped():
    decomposed = unicodedata.normalize("NFD", "é ü")
    assert len(decomposed) == 5
    assert the_row(f"  {decomposed} \n") == ("too_short", 3, 5)


def test_a_very_long_text_is_judged():
    assert the_row("1st may " * 50_000 + "x")[0] == "too_long"


def test_thresholds_are_those_of_the_instance():
    rules = AltText(min_chars=2, max_chars=12, min_words=1, max_words=3, max_digit_run=2, max_word_share=0.9, min_words_for_share=1)
    assert rows(judged("a", "ab", "abc 123", "abc d e f", "abcdefghijklm", "no", rules=rules)) == [
        ("too_short", 1, 2),
        ("repeated_words", 1.0, 0.9),
        ("long_digit_run", 3, 2),
        ("too_many_words", 4, 3),
        ("too_long", 13, 12),
        ("repeated_words", 1.0, 0.9),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", []),
        ("Bastien-Lepage, 1879", ["Bastien", "Lepage", "1879"]),
        ("snow_mountain's", ["snow", "mountain", "s"]),
        ("2019年7月", ["2019", "年", "7", "月"]),
        ("東京タワーTower", ["東", "京", "タ", "ワ", "ー", "Tower"]),
        ("안녕 world", ["안", "녕", "world"]),
        ("Портрет à Köln", ["Портрет", "à", "Köln"]),
        ("雪,山", ["雪", "山"]),
    ],
)
def test_words_are_runs_of_letters_and_digits_and_single_characters_of_unspaced_scripts(text: str, expected: list[str]):
    assert words(text) == expected


def test_golden_alt_text():
    verdict = judged(
        "Joan of Arc, Jules Bastien-Lepage, 1879, Oil on canvas", None, "IMG_2041.jpg", "at www.shop today", "2019-07-30",
        "2019年7月30日", "order 123456789 in blue", "a b", "many words " + "x" * 1000, "Sunset beach", "12 ★ 34",
        "sale sale sale now", "2019.07.30 梅斯蒂亚 乌树故里,雪山脚下的绝美山村",
        "a b c d e f g h " * 33,
    )  # fmt: skip
    golden = [
        (None, None, None),
        ("no_alt_text", None, None),
        ("file_name", None, None),
        ("web_address", None, None),
        ("no_letters", None, None),
        ("date_only", None, None),
        ("long_digit_run", 9.0, 8.0),
        ("too_short", 3.0, 5.0),
        ("too_long", 1011.0, 1000.0),
        ("too_few_words", 2.0, 3.0),
        ("no_letters", None, None),
        ("repeated_words", 0.75, 0.5),
        (None, None, None),
        ("too_many_words", 264.0, 256.0),
    ]
    assert (AltText.version, rows(verdict)) == (1, golden), BUMP
