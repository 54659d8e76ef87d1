"""Names in texts with capital letters, of any language: the words that no dictionary has in small letters."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

import simplemma

from filters.facts_language import is_function_word, is_known
from filters.models.names_chinese import apart
from filters.names import folded, listed
from filters.names_kept import GENERIC
from schemas.protocols import Name

JOINTS = frozenset(listed("of the de la le du des van von der den di da del & bin al"))
"""Small words that may stand inside a name."""
NOT_NAMES = frozenset(
    listed(
        "diy hd uhd led lcd usb tv dvd cd png jpg jpeg svg pdf eps gif 3d 2d 4k 8k ok uk xl xxl rgb hdr dslr gps atm xmas"
        " selfie hashtag monday tuesday wednesday thursday friday saturday sunday january february march april may june july"
        " august september october november december christmas easter halloween thanksgiving christian english french german"
        " american european asian african happy new year merry valentine valentines birthday mothers fathers day sale free best"
        " top close-up t-shirt wi-fi x-ray army world cup north south east west northern southern eastern western i vintage"
        " modern unisex wallpaper clipart vector stock online etc vs"
    )
)
"""Capitalised words and abbreviations that name nobody."""
OF_A_PLACE = frozenset(
    listed("harbour harbor city skyline airport station cathedral castle bridge river bay beach town hall university marina port")
)
"""What follows the name of a place, in small letters."""
_WORD = re.compile(r"[^\W\d_]+(?:[’'.&-][^\W\d_]+)*|\d+[a-z]*|[^\w\s]", re.IGNORECASE)
_SENTENCE_END = frozenset('.!?:|/–—-•“”"')


@dataclass(frozen=True, slots=True)
class Token:
    """A word and its place."""

    text: str
    start: int
    end: int

    @property
    def capital(self) -> bool:
        """Whether it begins with a capital or has one inside."""
        return any(c.isupper() for c in self.text)


def tokens_of(text: str) -> list[Token]:
    """Return words, numbers and marks of ``text``; possessive endings are left off."""
    return [Token(t := re.sub(r"['’]s$", "", m[0]), m.start(), m.start() + len(t)) for m in _WORD.finditer(text)]


def is_headline(tokens: Sequence[Token], language: str, places: frozenset[int] = frozenset()) -> bool:
    """Whether the common words of a text, but for small ones, are capitalised as in English headlines, so that capitals say nothing.

    Words that begin at ``places`` are known to be names.
    """
    if language != "en" and not all(t.text.isupper() for t in tokens if t.text.isalpha()):
        return False
    inner = [t for i, t in enumerate(tokens) if len(t.text) > 2 and t.text.isalpha() and t.start not in places and not _begins(tokens, i)]
    common = [t for t in inner if not is_rare(t.text, language) and not is_function_word(folded(t.text))]
    return bool(common) and all(t.capital for t in common)


class CapitalNames:
    """Finds names by capital letters, in any language that has them."""

    def __init__(self, places: frozenset[str]) -> None:
        """Find with simplemma's dictionaries and the folded names of ``places``."""
        self._places = places

    def find(self, text: str, language: str) -> list[Name]:
        """Return the names of one text in reading order."""
        return [Name(text[start:end], kind) for start, end, kind in apart(self.spans(text, language))]

    def spans(self, text: str, language: str, places: frozenset[int] = frozenset()) -> list[tuple[int, int, str]]:
        """Return (start, end, kind) of runs of capitalised words of which one is in no dictionary in small letters.

        Words that begin at ``places`` are known to be names, and tell nothing of how the text uses capitals.
        """
        tokens = tokens_of(text)
        headline = is_headline(tokens, language, places)
        lower = not any(t.capital for t in tokens)
        telling = [self._tells(t, language, lower) for t in tokens]
        found: list[tuple[int, int, str]] = []
        for start, end in _runs(tokens):
            if not any(_may_name(t, language) for t in tokens[start : end + 1]):
                continue
            if language == "de":
                found += self._german(tokens[start : end + 1], telling[start : end + 1], at_start=_begins(tokens, start))
                continue
            if headline:
                found += [
                    (tokens[a].start, tokens[b].end, self._kind(tokens[a : b + 1], telling[a : b + 1], language))
                    for a, b in _subruns(telling, tokens, start, end)
                ]
                continue
            first = _after_opening(tokens, telling, start, end)
            if any(telling[first : end + 1]) or _words_in(tokens, first, end) > 1:
                found.append(
                    (tokens[first].start, tokens[end].end, self._kind(tokens[first : end + 1], telling[first : end + 1], language))
                )
        if lower:
            found += [(t.start, t.end, "name") for t, is_name in zip(tokens, telling, strict=True) if is_name]
        return found

    def _german(self, run: Sequence[Token], telling: Sequence[bool], *, at_start: bool) -> list[tuple[int, int, str]]:
        """Return the names in a run of capitalised words: nouns stand together in a name alone."""
        first = next((i for i, t in enumerate(run) if telling[i] or _is_noun(t.text)), len(run))
        nouns = [t for t in run[first:] if t.text[0].isalpha() and t.text not in JOINTS]
        if len(nouns) > 1 and not (at_start and first == 0 and len(nouns) > 3):
            return [(run[first].start, run[-1].end, self._kind(run[first:], [True] * (len(run) - first), "de"))]
        return [(t.start, t.end, self._kind([t], [True], "de")) for t, tells in zip(run, telling, strict=True) if tells]

    def knows_place(self, name: str) -> bool:
        """Whether a city bears the name."""
        return folded(name) in self._places

    def _kind(self, tokens: Sequence[Token], telling: Sequence[bool], language: str) -> str:
        if folded(" ".join(t.text for t in tokens)) in self._places:
            return "place"
        words = [t.text for t in tokens if t.text not in JOINTS]
        generic = any(folded(word) in GENERIC or not word[0].isalpha() or not word[0].isupper() for word in words)
        return "person" if 2 <= len(words) <= 3 and (language != "en" or (telling[0] and telling[-1])) and not generic else "name"

    def opening_place(self, tokens: Sequence[Token]) -> list[Token]:
        """Return the first word where it is a city's name before what a place has: `Cork harbour`."""
        named = len(tokens) > 1 and tokens[0].capital and tokens[1].text in OF_A_PLACE and folded(tokens[0].text) in self._places
        return [tokens[0]] if named else []

    def _tells(self, token: Token, language: str, lower: bool) -> bool:
        word = token.text
        if len(word) < 3 or not word[0].isalpha() or not (token.capital or lower):
            return False
        if folded(word) in NOT_NAMES or is_function_word(folded(word)):
            return False
        if any(c.isupper() for c in word[1:]) and not word.isupper():
            return True
        return is_rare(word, language) or (language != "en" and folded(word) in self._places)


def _may_name(token: Token, language: str) -> bool:
    word = folded(token.text)
    if word in NOT_NAMES or is_function_word(word) or len(word) < 2 or not word[0].isalpha():
        return False
    # SALE and NEW shout; USA and IBM are in no dictionary.
    return not (token.text.isupper() and len(word) > 1) or is_rare(token.text, language)


@lru_cache(maxsize=65536)
def _is_noun(word: str) -> bool:
    """Whether a German word is a noun or in no dictionary."""
    return not is_function_word(folded(word)) and (
        not is_known(word.lower(), "de") or simplemma.lemmatize(word.lower(), lang="de")[:1].isupper()
    )


@lru_cache(maxsize=65536)
def is_rare(word: str, language: str) -> bool:
    """Whether no dictionary of the language has ``word`` in small letters, or only as the start of a name's entry."""
    small = word.lower()
    if language == "de":
        return not is_known(word, "de") and not is_known(small, "de")
    parts = [p for p in re.split("[-'’.&]", small) if p]
    return any(not is_known(p, language) or simplemma.lemmatize(p, lang=language)[:1].isupper() for p in parts) and len(parts) < 3


def _runs(tokens: Sequence[Token]) -> list[tuple[int, int]]:
    """Return (first, last) of each run of capitalised words and numbers, joints between them included."""
    runs: list[tuple[int, int]] = []
    first = last = -1
    for place, token in enumerate([*tokens, Token(".", -1, -1)]):
        inside = token.capital or (first >= 0 and token.text[0].isdigit() and last == place - 1)
        if inside:
            first = place if first < 0 else first
            last = place
        elif first >= 0 and not (token.text.lower() in JOINTS and place - last <= 2):
            runs.append((first, last))
            first = -1
    return runs


def _subruns(telling: Sequence[bool], tokens: Sequence[Token], start: int, end: int) -> Iterable[tuple[int, int]]:
    """Return the runs of telling words inside a run of a headline, with joints and numbers between and numbers behind them."""
    place = start
    while place <= end:
        if telling[place]:
            last = ahead = place
            while ahead < end and (telling[ahead + 1] or tokens[ahead + 1].text in JOINTS or _is_version(tokens[ahead + 1].text)):
                ahead += 1
                last = last if tokens[ahead].text in JOINTS else ahead
            yield place, last
            place = last
        place += 1


def _is_version(text: str) -> bool:
    return text[0].isdigit() and not (len(text) == 4 and text[:2] in ("19", "20", "18", "17"))


def _words_in(tokens: Sequence[Token], first: int, last: int) -> int:
    return sum(t.text[0].isalpha() for t in tokens[first : last + 1])


def _after_opening(tokens: Sequence[Token], telling: Sequence[bool], start: int, end: int) -> int:
    """Return where the name of a run begins: behind a word that is only the first of its sentence (`Statue of X`, `Happy X`)."""
    if telling[start] or not _begins(tokens, start) or start == end:
        return start
    if tokens[start + 1].text in JOINTS:
        return min(start + 2, end)
    return start + 1 if all(telling[start + 1 : end + 1]) and tokens[start].text.istitle() else start


def _begins(tokens: Sequence[Token], place: int) -> bool:
    """Whether a word stands at the start of a sentence."""
    return place == 0 or tokens[place - 1].text in _SENTENCE_END
