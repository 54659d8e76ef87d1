"""Two languages in one text, as far as their scripts tell: by paragraph, by sentence, and within sentences.

What may stand in another script is taken out first: maths, code, quotations, what the question says itself (ours).
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple

from filters.language import HAN, KANA, script_of
from filters.words import UNSPACED, words

LATIN = "LATIN"
_EXEMPT = re.compile(
    r"\$\$?[^$]{1,300}\$\$?|\\\([^)]{1,300}\\\)|`[^`\n]{1,200}`|<\|[a-z_]{1,40}\|>|</?(?:image|video)>"
    r"|“[^”\n]{1,200}”|\"[^\"\n]{1,200}\"|「[^」\n]{1,200}」|『[^』\n]{1,200}』|《[^》\n]{1,200}》|[(（][^()（）\n]{1,60}[)）]"
)
_SENTENCE = re.compile(r"[.!?。！？\n;；]+")
_RUN = re.compile(rf"[{UNSPACED}]+|[^\W\d_{UNSPACED}]+")
_UNSPACED = re.compile(rf"[{UNSPACED}]")
_HAN = re.compile(r"[\u4e00-\u9fff]")
_ENGLISH = re.compile(r"\b[a-zA-Z]+\b")
_ABOUT_LANGUAGE = re.compile(
    r"translat|翻译|译成|译为|英文|英语|中文|汉语|日文|日语|韩文|俄文|\b(?:chinese|english|japanese|korean|russian|french|german)\b|pronounce",
    re.I,
)
_CONNECTING = frozenset(
    words("""
    a about actually after again all also am an and another any are as at be because been before but by can cannot clear
    conclude consider could did do does easily equals even far first for from get gets gives gradually had has have he hence her
    here his how however i if in indeed into is it its just kind leads let likely look looks may maybe means mind more most must
    near need no not now obviously of off on one only or other our out over partially perhaps possible possibly probably quite
    really right same see seems she should similar simply since so some still sure than that the their them then there therefore
    these they think this those though through thus to too total two us verify very wait was we well were what when where which
    while who why will with would yes yet you your
    """)
)
"""English words that join a sentence together or lead it on; a term of the trade is none of them (ours)."""


@dataclass(frozen=True, slots=True)
class Mixing:
    """What scripts a text is in, beside that of its question."""

    paragraphs: bool
    """It has a long Chinese and a long English paragraph (GLM-V: 50 ideographs that are over 80 % of it, 200 words that are over 70 %)."""
    other: float
    """Share of its words in sentences whose main script is not that of the question, 0-1, 4 decimals; 0 with nothing to compare."""
    switches: int
    """How often it falls into another script within its main one, not counting names, terms, and words of the question."""
    density: float
    """The same for a hundred words, rounded to 4 decimals."""


def mixing(text: str, question: str) -> Mixing:
    """Return the measures of ``text``; where the question is about languages, only its paragraphs are looked at."""
    paragraphs = _has_both_paragraphs(text)
    if _ABOUT_LANGUAGE.search(question):
        return Mixing(paragraphs, 0.0, 0, 0.0)
    sentences = [_runs(sentence) for sentence in _SENTENCE.split(without_exempt(text))]
    runs = [run for sentence in sentences for run in sentence]
    main = _main(runs)
    switches = sum(_is_switch(group, main, question) for group in _foreign(runs, main))
    size = sum(run.size for run in runs)
    other = _other_share(sentences, _main(_runs(without_exempt(question))))
    return Mixing(paragraphs, other, switches, round(100 * switches / size, 4) if size else 0.0)


def without_exempt(text: str) -> str:
    """Return ``text`` without code, maths, quotations and short brackets."""
    return _EXEMPT.sub(" ", " ".join(text.split("```")[::2]))


class _Run(NamedTuple):
    """A word, or the characters of an unspaced script up to the next sign."""

    text: str
    script: str
    size: float
    """In words."""


def _runs(text: str) -> list[_Run]:
    return [_run(found) for found in _RUN.findall(text)]


@lru_cache(maxsize=65_536)
def _run(text: str) -> _Run:
    script = script_of(text[0]) or ""
    return _Run(text, "CJK" if script in (HAN, KANA) else script, len(text) / 2 if _UNSPACED.match(text) else 1.0)


def _main(runs: Sequence[_Run]) -> str | None:
    """Return the script that most words stand in, None where there are none."""
    sums = defaultdict[str, float](float)
    for run in runs:
        sums[run.script] += run.size
    return max(sums, key=lambda script: (sums[script], script), default=None)


def _other_share(sentences: Sequence[Sequence[_Run]], expected: str | None) -> float:
    """Return the share of words in sentences whose main script is not the ``expected`` one."""
    sums = defaultdict[bool, float](float)
    for runs in sentences:
        sums[_main(runs) != expected] += sum(run.size for run in runs)
    size = sum(sums.values())
    return round(sums[True] / size, 4) if expected and size else 0.0


def _foreign(runs: Sequence[_Run], main: str | None) -> Iterator[list[str]]:
    """Yield the words between two stretches of the main script."""
    for foreign, group in groupby(runs, key=lambda run: run.script != main):
        if foreign:
            yield [run.text for run in group]


def _is_switch(group: Sequence[str], main: str | None, question: str) -> bool:
    """Whether the words are no name, no term, and nothing that the question says."""
    if _run(group[0]).script == LATIN:
        return any(word in _CONNECTING for word in group) and " ".join(group) not in question
    return main == LATIN and "".join(group) not in question


def _has_both_paragraphs(text: str) -> bool:
    paragraphs = [p for p in text.split("\n\n") if len(p) >= 50]
    return len(paragraphs) > 1 and any(map(_is_english, paragraphs)) and any(map(_is_chinese, paragraphs))


def _is_chinese(paragraph: str) -> bool:
    found = len(_HAN.findall(paragraph))
    return found >= 50 and found > 0.8 * len(paragraph)


def _is_english(paragraph: str) -> bool:
    found = _ENGLISH.findall(paragraph)
    return len(found) >= 200 and sum(map(len, found)) > 0.7 * len(paragraph)
