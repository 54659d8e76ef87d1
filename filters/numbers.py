"""Find numbers in texts, and tell which of a caption no source holds."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from filters.names import folded, listed, stem
from filters.numbers_words import COUNTERS, HAN_DIGITS, HAN_POWERS, MONTHS, SCALES, UNITS, WORDS
from filters.words import UNSPACED

_HAN_NUMBER = "[" + "".join({*HAN_DIGITS, *HAN_POWERS}) + "]"
_DIGITS = r"\d{1,3}(?:[.,]\d{3})+(?:[.,]\d{1,2})?(?!\d)|(?<![\d.])\d+[.,]\d+(?![.,]?\d)|\d+"
_TOKEN = re.compile(
    rf"(?P<money>[$€£¥])?\s?(?P<digits>{_DIGITS})(?P<scale>\s?[万亿千百]|\s(?:hundred|thousand|million|billion)\b)?"
    rf"|(?P<prefix>第)?(?P<han>{_HAN_NUMBER}{{1,12}})(?=[{COUNTERS}]|英寸|英尺|厘米|毫米|公里|公斤|世纪)"
    rf"|(?P<word>[^\W\d_{UNSPACED}]+)"
)
_HAN_WORDS = re.compile(
    "一起|一样|一般|一些|一切|一直|一定|一旦|一同|一致|一体|一带|一身|一流|一望无际|万里长城|万里|千里|百年|千年|万年|三亚|四川|九寨|百度|千岛|"
    "三峡|五台|九江|三星|百事|千纸鹤|七夕|八仙|三明治|三文鱼|四合院|万象|万圣|百合|三角|四周|四季|五彩|五颜六色|六角|八角|千层|二维码|十字|三里屯|双十一|五星|一线|二次元|一路|一片|一层|一排|一面|一边|一旁|百花|万家|千家|三国|双层"
)
_FOLLOWING = re.compile(r"\s*[-–]?\s*(°|%|[^\W\d_]+|)")
_COUNTED_HAN = re.compile("[\u3400-\u9fff](?:(?![的和与在及是有着了从到向被把于站坐趴躺])[\u3400-\u9fff]){0,6}")
_VAGUE_HAN = frozenset("小大老子儿头色白黑红黄蓝绿橘灰棕新旧高长")
_AFTER = re.compile(r"[\s-]*((?:[^\W\d_]+[\s-]*){0,4})")
SMALL = 3
"""Counts up to this are plain visual words (ours)."""
_DATE_BEFORE = re.compile(r"(?:\d(?:st|nd|rd|th)?\.?|\b(?:of|in|im|en|de|since|until|early|late))\s*\Z")
_DATE_AFTER = re.compile(r"\.?,?\s*(?:of\s+|de\s+)?\d")
_INSIDE_WORD = re.compile(r"-(?:posters?|quarters?|folds?|lea(?:f|ves)|wheel(?:er)?s?|squares?|ply)\b")
"""What a number word is part of without counting: four-poster."""
_NEXT_WORD = re.compile(r"[\s-]+(?P<word>[^\W\d_]+)")
_NOT_COUNTED = frozenset(listed("the a an of on in at with and or to from by is are for de la le du des der die das und et y en"))


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it stands in a text."""

    readings: frozenset[float]
    """What it may mean: `1.234` is 1.234 and 1234."""
    unit: str
    """Canonical unit, empty if none."""
    counted: tuple[str, ...]
    """Folded words, or characters, of what is counted; empty where it counts nothing."""

    @property
    def is_small_count(self) -> bool:
        """Whether it counts few visible things."""
        return not self.unit and bool(self.counted) and all(0 < value <= SMALL for value in self.readings)


def numbers_in(text: str, language: str = "en") -> list[Number]:
    """Return the numbers of ``text`` in reading order; number words are those of ``language`` or else English."""
    plain = folded(text)
    hidden = _HAN_WORDS.sub(lambda found: "＿" * len(found[0]), plain)
    words = WORDS.get(language, WORDS["en"])
    found: list[Number] = []
    position = 0
    while token := _TOKEN.search(hidden, position):
        position = token.end()
        if token["digits"]:
            found.append(_of_digits(token, plain))
        elif token["han"]:
            found.append(_number({float(_han_value(token["han"]))}, plain, position, bare=bool(token["prefix"])))
        elif (month := MONTHS.get(token["word"])) and _is_dated(plain, token):
            found.append(Number(frozenset({float(month)}), "month", ()))
        elif _INSIDE_WORD.match(plain, token.end()):
            continue
        elif token["word"] in words or token["word"] in SCALES:
            value, position = _word_value(hidden, token, words)
            if value:
                found.append(_number({value}, plain, position, bare=False))
    return found


def _is_dated(plain: str, token: re.Match[str]) -> bool:
    """Whether a word that may be a month stands in a date."""
    return bool(_DATE_BEFORE.search(plain, 0, token.start()) or _DATE_AFTER.match(plain, token.end()))


def _of_digits(token: re.Match[str], plain: str) -> Number:
    scale = SCALES.get((token["scale"] or "").strip(), 1)
    glued = token.start("digits") > 0 and plain[token.start("digits") - 1].isalnum()
    number = _number({round(value * scale, 6) for value in _readings(token["digits"])}, plain, token.end(), bare=glued)
    return Number(number.readings, token["money"], ()) if token["money"] else number


def _readings(digits: str) -> set[float]:
    if "." not in digits and "," not in digits:
        return {float(digits)}
    *whole, last = re.split("[.,]", digits)
    grouped = {float("".join((*whole, last)))} if len(last) == 3 else set[float]()
    return grouped | {float(f"{''.join(whole)}.{last}")} if len(last) != 3 or len(whole) == 1 else grouped


def _number(readings: set[float], plain: str, end: int, *, bare: bool) -> Number:
    """Return the number whose text ends at ``end``; ``bare`` says that it counts nothing, such as part of a model's name."""
    following = _FOLLOWING.match(plain, end)
    word = following[1] if following else ""
    unit = UNITS.get(word) or next((UNITS[plain[end : end + n]] for n in (2, 1) if plain[end : end + n] in UNITS), "")
    return Number(frozenset(readings), unit, () if bare or unit else _counted(plain, end))


def _counted(plain: str, end: int) -> tuple[str, ...]:
    if han := _COUNTED_HAN.match(plain, end):
        return tuple(c for c in han[0].lstrip(COUNTERS) if c not in _VAGUE_HAN) or (han[0][0],)
    after = _AFTER.match(plain, end)
    words = re.findall(r"[^\W\d_]+", after[1]) if after else []
    return tuple(stem(word) for word in words if word not in _NOT_COUNTED)


def _han_value(han: str) -> int:
    """Return the value of a number in Han digits: 二十三 is 23, 二〇一九 is 2019."""
    if not any(c in HAN_POWERS for c in han):
        return int("".join(str(HAN_DIGITS[c]) for c in han))
    total = section = digit = 0
    for c in han:
        if c in HAN_DIGITS:
            digit = HAN_DIGITS[c]
        elif HAN_POWERS[c] >= 10**4:
            total, section, digit = (total + section + digit) * HAN_POWERS[c] if total + section + digit else HAN_POWERS[c], 0, 0
        else:
            section, digit = section + (digit or 1) * HAN_POWERS[c], 0
    return total + section + digit


def _word_value(plain: str, token: re.Match[str], words: Mapping[str, int]) -> tuple[float, int]:
    """Return the value of number words from ``token`` on, and where they end: "twenty five thousand" is 25,000."""
    total, current, end = 0, 0, token.start()
    following: re.Match[str] | None = token
    while following:
        word = following["word"]
        if word in SCALES and (current or end == token.start()):
            current = max(current, 1) * SCALES[word]
            total, current = (total + current, 0) if SCALES[word] >= 1000 else (total, current)
        elif word in words and _goes_on(current, words[word]):
            current += words[word]
        else:
            break
        end = following.end()
        following = _NEXT_WORD.match(plain, end)
    return float(total + current), end


def _goes_on(current: int, value: int) -> bool:
    """Whether a number word may stand behind others: twenty five, two hundred twelve, but not one two."""
    return current == 0 or current % 100 == 0 or (current % 100 >= 20 and current % 10 == 0 and value < 10)


def invented(caption: Sequence[Number], alt_text: Sequence[Number], evidence: Sequence[Number]) -> list[Number]:
    """Return the numbers of the caption that no source holds; a small count only if the alt text counts the same things otherwise."""
    sources = [*alt_text, *evidence]
    return [n for n in caption if not _stated(n, sources) and (not n.is_small_count or _contradicted(n, alt_text))]


def _stated(number: Number, sources: Iterable[Number]) -> bool:
    return any(_same(number, source) for source in sources)


def _same(left: Number, right: Number) -> bool:
    same_unit = not left.unit or not right.unit or left.unit == right.unit
    return same_unit and not left.readings.isdisjoint(right.readings | {value % 100 for value in right.readings if value >= 1900})


def _contradicted(number: Number, alt_text: Iterable[Number]) -> bool:
    return any(not set(number.counted).isdisjoint(other.counted) for other in alt_text if other.counted)
