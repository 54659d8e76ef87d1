"""Short answers in words: one spelling, and the few words of which two different ones exclude each other."""

import re
import unicodedata
from itertools import pairwise

from synth.verifiers.numerals import numeral
from synth.verifiers.reward import DIFFERENT, EQUAL, Reward
from synth.verifiers.typography import flat, is_wide

PHRASE = "phrase"
SHORT = 200
"""Characters up to which an answer is held against the truth before the gate (ours): "Yes, it is." is one answer and no list."""
LONGEST_FLAT = 4096
"""Characters up to which LaTeX is read; longer texts are compared as they stand (ours)."""

_QUOTES = " \t\n\"'`´“”‘’「」『』《》*"
_ENDS = _QUOTES + ".。!！?？,，;；:："
_ARTICLE = re.compile(r"(?:the|an?) (?=\w)")
_NEGATED = re.compile(r"(?:not|no|isn't|neither|without|none of) |不|非|没|無|并非")
_DIGITS = re.compile(r"[0-9]+")
_DECIMALS = re.compile(r"[0-9][.,][0-9]")
_WORDY = re.compile(r"[^\W\d_]|:")
_PRONOUN = r"(?:it|he|she|they|there|this|that|we|you|i)"
_VERB = r"(?:is|are|was|were|does|do|did|has|have|had|can|could|will|would)"
_YES = re.compile(rf"yes(?:,? {_PRONOUN} {_VERB})?|true|correct|是|是的|对|对的|正确|有|有的|能|可以|会|在")
_NO = re.compile(
    rf"no(?:,? {_PRONOUN} {_VERB}(?: not|n't))?|false|incorrect|不是|否|不|不对|错|错误|不正确|没有|没有的|无|不能|不可以|不会|不在"
)

_MONTHS = ("january", "february", "march", "april", "may", "june", "july", "august", "september", "october", "november", "december")
_CLASSES: dict[str, tuple[str, ...]] = {
    "colour": (
        "red 红色 红", "orange 橙色 橘色 橙", "yellow 黄色 黄", "green 绿色 绿", "blue 蓝色 蓝", "purple 紫色 紫", "pink 粉色 粉红色 粉红",
        "brown 棕色 褐色 棕", "black 黑色 黑", "white 白色 白", "gray grey 灰色 灰",
    ),
    "day": (
        "monday 星期一 周一", "tuesday 星期二 周二", "wednesday 星期三 周三", "thursday 星期四 周四", "friday 星期五 周五",
        "saturday 星期六 周六", "sunday 星期日 星期天 周日",
    ),
    "month": tuple(
        f"{name} {number}月" for number, name in enumerate(_MONTHS, 1)
    ),
    "direction": ("left 左 左边 左侧", "right 右 右边 右侧", "up 上", "down 下"),
}  # fmt: skip
"""Classes of words, each word with its translations; a thing is only one of a class, as its basic colour or a day (ours)."""
_CLASS_OF = {word: (kind, words.split()[0]) for kind, members in _CLASSES.items() for words in members for word in words.split()}


def phrase(text: str) -> str:
    """Return ``text`` in lower case, without articles at its start, quotation marks and stops around it, and needless blanks."""
    plain = flat(text) if len(text) <= LONGEST_FLAT else text
    plain = without_blanks(unicodedata.normalize("NFKC", plain).casefold())
    bare = plain.lstrip(_QUOTES).rstrip(_ENDS)
    return _ARTICLE.sub("", bare, count=1) if _ARTICLE.match(bare) else bare or plain


def without_blanks(text: str) -> str:
    """Return ``text`` with each run of white space as one blank, and none at its ends or beside a character that needs none."""
    words = text.split()
    parts = [*words[:1]]
    for before, word in pairwise(words):
        parts += [word] if is_wide(before[-1]) or is_wide(word[0]) else [" ", word]
    return "".join(parts)


def compare_phrases(answer: str, truth: str) -> Reward | None:
    """Return the verdict that words alone allow, else None.

    The same phrase is equal. Yes against no, red against blue, "not red" and "page 3" against "page 4" are wrong.
    """
    said, true = phrase(answer), phrase(truth)
    if said == true:
        return Reward(1.0, EQUAL, PHRASE)
    if (yes := says_yes(said)) is not None and (meant := says_yes(true)) is not None:
        return Reward(float(yes is meant), EQUAL if yes is meant else DIFFERENT, PHRASE)
    one, other = _CLASS_OF.get(said), _CLASS_OF.get(true)
    if one and other and one[0] == other[0]:
        return Reward(float(one == other), EQUAL if one == other else DIFFERENT, PHRASE)
    if is_negation(said, true):
        return Reward(0.0, "negated", PHRASE)
    return Reward(0.0, DIFFERENT, PHRASE) if _other_numbers(said, true) else None


def is_negation(said: str, true: str) -> bool:
    """Tell whether a ``phrase`` is the other with a "not" before it."""
    negation = _NEGATED.match(said)
    return negation is not None and phrase(said[negation.end() :]) == true


def _other_numbers(said: str, true: str) -> bool:
    """Tell whether two phrases have the same words around other whole numbers: "March 2020" and "March 2021", ``10:30`` and ``10:31``."""
    if len(said) > LONGEST_FLAT or _DIGITS.sub("0", said) != _DIGITS.sub("0", true) or _DECIMALS.search(said + " " + true):
        return False
    if numeral(true) or not _WORDY.search(true):
        return False
    return [run.lstrip("0") for run in _DIGITS.findall(said)] != [run.lstrip("0") for run in _DIGITS.findall(true)]


def says_yes(said: str) -> bool | None:
    """Tell whether a ``phrase`` says yes or no; None where it says anything else, or both."""
    if _YES.fullmatch(said):
        return True
    return False if _NO.fullmatch(said) else None
