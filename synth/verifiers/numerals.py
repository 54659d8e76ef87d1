"""Numbers as people write them: grouped digits, powers of ten, fractions, and words in English and Chinese."""

import re
from dataclasses import dataclass, replace
from decimal import Decimal

from synth.verifiers.typography import flat

LONGEST = 120
"""Characters of a number with what stands around it; a longer text is none (ours)."""

_DIGITS = r"(?:[0-9]{1,3}(?:,[0-9]{3}){1,8}|[0-9]{1,3}(?: [0-9]{3}){1,8}(?![0-9])|[0-9]{1,40})(?:\.[0-9]{0,40})?|\.[0-9]{1,40}"
_POWER = r" ?(?:×|x|\*|·) ?10 ?\^ ?\(?([-+]?[0-9]{1,3})\)?"
_NUMBER = re.compile(rf"([-+]? ?)(?:(10)\^\(?([-+]?[0-9]{{1,3}})\)?|({_DIGITS})(?:[eE]([-+]?[0-9]{{1,3}})|{_POWER})?)")
_FRACTION = re.compile(r"([-+]?) ?\(?([0-9]{1,12})\)? ?/ ?\(?([1-9][0-9]{0,11})\)?(?![0-9./])")
_RUNS_ON = re.compile(r"[.,]?[0-9]|\^|[eE][-+]?[0-9]|[:/] ?[0-9]|\*\*")
"""What shows that a number goes on in a way that is not read here."""

_ONE_TO_NINE = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
_FROM_TEN = ("ten", "eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen")
_ONES = {word: number for number, word in enumerate(("zero", *_ONE_TO_NINE))}
_TEENS = dict(zip((*_FROM_TEN, "dozen"), [*range(10, 20), 12], strict=True))
_TENS = {word: 10 * number for number, word in enumerate(("twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"), 2)}
_SMALL = (
    rf"(?:(?:{'|'.join(_TENS)})(?:[- ](?:{'|'.join(_ONE_TO_NINE)}))?|{'|'.join(_TEENS)}|{'|'.join(_ONES)}"
    r"|an?(?= (?:hundred|thousand|million|dozen)))"
)
_HUNDREDS = rf"(?:a dozen|{_SMALL}(?: hundred(?:(?: and)? {_SMALL})?)?)"
_WORDS = re.compile(
    rf"(?:({_HUNDREDS}) million(?:,? (?:and )?|(?![a-z])))?(?:({_HUNDREDS}) thousand(?:,? (?:and )?|(?![a-z])))?({_HUNDREDS})?(?![a-z])",
    re.I,
)

_HAN = {"〇": 0, "零": 0, "一": 1, "二": 2, "两": 2, "三": 3, "四": 4, "五": 5, "六": 6, "七": 7, "八": 8, "九": 9}
_D = "[一二两三四五六七八九]"
_SECTION = rf"(?:{_D}千)?(?:零?{_D}百)?(?:零?{_D}?十)?(?:零?{_D})?|零|〇"
_HAN_NUMBER = re.compile(rf"(?:({_SECTION})亿)?(?:({_SECTION})万)?({_SECTION})(?![〇零一二两三四五六七八九十百千])")
_HAN_YEAR = re.compile(r"[〇零一二三四五六七八九]{4}(?![〇零一二两三四五六七八九十百千万亿])")
_VAGUE_NEXT = re.compile(r" ?[几多余来数]")

MAGNITUDES: dict[str, int] = {
    "万亿": 12, "十亿": 9, "亿": 8, "千万": 7, "百万": 6, "十万": 5, "万": 4, "千": 3,
    "trillion": 12, "billion": 9, "million": 6, "thousand": 3, "bn": 9, "mn": 6, "B": 9, "M": 6, "K": 3, "k": 3,
}  # fmt: skip
"""Words and letters behind a number, and the power of ten that they stand for."""
_ANY_WORD = re.compile(rf"\b(?:{'|'.join([*_ONES, *_TEENS, *_TENS])}|hundred|thousand|million|half)\b", re.I)
_MAGNITUDE = re.compile(rf" ?({'|'.join(MAGNITUDES)})s?(?![A-Za-z/^·])")
CURRENCIES: dict[str, str] = {
    "$": "$", "us$": "$", "usd": "$", "dollar": "$", "dollars": "$", "美元": "$",
    "€": "€", "eur": "€", "euro": "€", "euros": "€", "欧元": "€", "£": "£", "gbp": "£", "pounds": "£", "英镑": "£",
    "¥": "¥", "rmb": "¥", "cny": "¥", "yuan": "¥", "元": "¥", "人民币": "¥", "₹": "₹",
}  # fmt: skip
"""Names of currencies in lower case, and their signs."""
_BEFORE = re.compile(r"(?:(us\$|usd|eur|gbp|rmb|cny|[$€£¥₹]) ?)?", re.I)
_AFTER = re.compile(rf" ?({'|'.join(sorted(map(re.escape, CURRENCIES), key=len, reverse=True))})(?![A-Za-z])", re.I)
_PERCENT = re.compile(r" ?(?:%|percent\b|per cent\b|pct\b)", re.I)
_LABEL = re.compile(r"[A-Za-zα-ωΑ-Ω\\][A-Za-z0-9α-ω\\]{0,8} ?[=≈:] ?")
_ABOUT = re.compile(r"(?:≈|约为?|大约|about |approximately )\s*", re.I)


@dataclass(frozen=True, slots=True)
class Numeral:
    """A number and what stands around it."""

    mantissa: Decimal
    """The number without its magnitude: 1.2 of ``1.2亿``."""
    power: int = 0
    """The magnitude as a power of ten: 8 of ``1.2亿``."""
    percent: bool = False
    """A percent sign follows; the value is the one before it."""
    currency: str = ""
    """``$``, ``€``, ``£``, ``¥`` or ``₹``."""
    rest: str = ""
    """What follows: a unit, a noun."""

    @property
    def value(self) -> Decimal:
        """The number with its magnitude."""
        return self.mantissa.scaleb(self.power)


def close(found: Decimal, true: Decimal, tolerance: float) -> bool:
    """Tell whether ``found`` is within ``tolerance`` times ``true`` of it; a truth of 0 allows 0 alone."""
    return abs(found - true) <= Decimal(str(tolerance)) * abs(true)


def leading(text: str) -> tuple[Decimal, str] | None:
    """Return the number at the start of ``flat`` text and what follows it; None where there is none or it runs on."""
    if fraction := _FRACTION.match(text):
        sign, above, below = fraction.groups()
        return Decimal(sign + above) / Decimal(below), text[fraction.end() :].strip()
    found = _NUMBER.match(text)
    if found is None or _RUNS_ON.match(text, found.end()):
        return None
    sign, ten, alone, digits, exponent, power = found.groups()
    value = Decimal((digits or ten).replace(",", "").replace(" ", ""))
    value = value.scaleb(int(exponent or power or (int(alone) - 1 if alone else 0)))
    return value if sign.strip() != "-" else -value, text[found.end() :].strip()


def in_words(text: str) -> tuple[Decimal, str] | None:
    """Return the number that ``text`` starts with in English or Chinese words, and what follows it."""
    for read in (_english, _chinese):
        if (found := read(text)) is not None:
            return found
    return None


def numeral(text: str) -> Numeral | None:
    """Return the number that ``text`` is, with percent sign, magnitude, currency and a rest without digits; None for anything else."""
    if len(text) > LONGEST:
        return None
    text = _ABOUT.sub("", _LABEL.sub("", flat(text).lstrip(" \"'").rstrip(" .。!\"'"), count=1), count=1)
    percent = text.startswith("百分之")
    text = text.removeprefix("百分之")
    sign = "-" if text.startswith("-") else ""
    before = _BEFORE.match(text.lstrip("-+#"))
    currency = before.group(1) if before else None
    body = text.lstrip("-+#")[before.end() :] if currency and before else text.lstrip("#")
    found = leading(body) or in_words(body)
    if found is None:
        return None
    value, rest = found
    number = _with_rest(
        Numeral(-value if sign and currency else value, percent=percent, currency=CURRENCIES[currency.lower()] if currency else ""), rest
    )
    return None if has_number(number.rest) or _VAGUE_NEXT.match(number.rest) else number


def has_number(text: str) -> bool:
    """Tell whether ``text`` holds a digit or a number in English words; Han numerals are part of too many words."""
    return any(map(str.isdigit, text)) or bool(_ANY_WORD.search(text))


def _with_rest(number: Numeral, rest: str) -> Numeral:
    """Return ``number`` with the magnitude, percent sign and currency that ``rest`` starts with."""
    if magnitude := _MAGNITUDE.match(rest):
        number, rest = replace(number, power=MAGNITUDES[magnitude.group(1)]), rest[magnitude.end() :]
    elif number.currency and re.match(r" ?m\b", rest):
        number, rest = replace(number, power=6), rest.strip()[1:]
    if percent := _PERCENT.match(rest):
        number, rest = replace(number, percent=True), rest[percent.end() :]
    if currency := _AFTER.match(rest):
        number, rest = replace(number, currency=CURRENCIES[currency.group(1).lower()]), rest[currency.end() :]
    return replace(number, rest=rest.strip())


def _english(text: str) -> tuple[Decimal, str] | None:
    found = _WORDS.match(text)
    if found is None or not found.group().strip():
        return None
    millions, thousands, rest = (_hundreds(part) for part in found.groups())
    return Decimal(millions * 10**6 + thousands * 10**3 + rest), text[found.end() :].strip(" ,")


def _hundreds(words: str | None) -> int:
    total = 0
    for word in re.split(r"[- ]", (words or "").lower()):
        if word == "hundred":
            total = max(total, 1) * 100
        elif word in ("a", "an"):
            total = 1
        else:
            total = (0 if word == "dozen" else total) + ({**_ONES, **_TEENS, **_TENS}.get(word, 0))
    return total


def _chinese(text: str) -> tuple[Decimal, str] | None:
    if year := _HAN_YEAR.match(text):
        return Decimal("".join(str(_HAN[character]) for character in year.group())), text[year.end() :].strip()
    found = _HAN_NUMBER.match(text)
    if found is None or not found.group():
        return None
    sections = [_section(part) for part in found.groups()]
    if None in sections:
        return None
    hundred_millions, ten_thousands, rest = (section or 0 for section in sections)
    return Decimal(hundred_millions * 10**8 + ten_thousands * 10**4 + rest), text[found.end() :].strip()


def _section(text: str | None) -> int | None:
    """Return the number below 10,000 that ``text`` writes; None for 一百二, which may be 120."""
    total, digit = 0, None
    if re.search(rf"[千百]{_D}$", text or ""):
        return None
    for character in text or "":
        if character in "十百千":
            total, digit = total + (1 if digit is None else digit) * 10 ** ("十百千".index(character) + 1), None
        elif character not in "零〇":
            digit = _HAN[character]
    return total + (digit or 0)
