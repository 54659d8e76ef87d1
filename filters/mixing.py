"""Two languages in one text, as far as their scripts tell: by paragraph, by sentence, and within sentences.

What may stand in another script is taken out first: maths, code, quotations, what the question says itself (ours).
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby

from filters.language import script_of
from filters.words import weights, words

LATIN = "LATIN"
_EXEMPT = re.compile(
    r"\$\$?[^$]{1,300}\$\$?|\\\([^)]{1,300}\\\)|`[^`\n]{1,200}`|<\|[a-z_]{1,40}\|>|</?(?:image|video)>"
    r"|“[^”\n]{1,200}”|\"[^\"\n]{1,200}\"|「[^」\n]{1,200}」|『[^』\n]{1,200}』|《[^》\n]{1,200}》|[(（][^()（）\n]{1,60}[)）]"
)
_SENTENCE = re.compile(r"[.!?。！？\n;；]+")
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
    bare = without_exempt(text)
    items = [(word, _script(word)) for word in words(bare)]
    main = _main([script for _, script in items], [word for word, _ in items])
    switches = sum(_counts(run, main, question) for run in _foreign_runs(items, main))
    size = sum(weights([word for word, _ in items]))
    return Mixing(paragraphs, _other_share(bare, main_script(question)), switches, round(100 * switches / size, 4) if size else 0.0)


def without_exempt(text: str) -> str:
    """Return ``text`` without code, maths, quotations and short brackets."""
    return _EXEMPT.sub(" ", " ".join(text.split("```")[::2]))


def main_script(text: str) -> str | None:
    """Return the script that most words of ``text`` stand in, None where none of them has letters."""
    found = words(without_exempt(text))
    return _main([_script(word) for word in found], found)


@lru_cache(maxsize=65_536)
def _script(word: str) -> str | None:
    script = script_of(word[0])
    return "CJK" if script in ("HAN", "KANA") else script


def _main(scripts: list[str | None], found: list[str]) -> str | None:
    sums = defaultdict[str, float](float)
    for script, weight in zip(scripts, weights(found), strict=True):
        if script:
            sums[script] += weight
    return max(sums, key=lambda script: (sums[script], script), default=None)


def _other_share(text: str, expected: str | None) -> float:
    """Return the share of words in sentences whose main script is not the ``expected`` one."""
    sums = defaultdict[bool, float](float)
    for sentence in _SENTENCE.split(text):
        found = words(sentence)
        main = _main([_script(word) for word in found], found)
        if main:
            sums[main != expected] += sum(weights(found))
    return round(sums[True] / sum(sums.values()), 4) if expected and sums else 0.0


def _foreign_runs(items: list[tuple[str, str | None]], main: str | None) -> Iterator[list[str]]:
    """Yield the words of each run in another script than the main one."""
    letters = [item for item in items if item[1]]
    for foreign, run in groupby(letters, key=lambda item: item[1] != main):
        if foreign:
            yield [word for word, _ in run]


def _counts(run: list[str], main: str | None, question: str) -> bool:
    """Whether the run is a switch: no name, no term, nothing that the question says."""
    if _script(run[0]) == LATIN:
        return any(word in _CONNECTING for word in run) and " ".join(run) not in question
    return main == LATIN and "".join(run) not in question


def _has_both_paragraphs(text: str) -> bool:
    paragraphs = [p for p in text.split("\n\n") if len(p) >= 50]
    chinese = any((n := len(_HAN.findall(p))) >= 50 and n > 0.8 * len(p) for p in paragraphs)
    return chinese and any(_is_english(p) for p in paragraphs)


def _is_english(paragraph: str) -> bool:
    found = _ENGLISH.findall(paragraph)
    return len(found) >= 200 and sum(map(len, found)) > 0.7 * len(paragraph)
