"""Which languages a short text may be in, by its scripts and function words: enough to see that a caption left its alt text's."""

import re
from collections import Counter
from functools import lru_cache

import simplemma

from filters.names import folded, is_japanese_writing, listed

_SCRIPTS = re.compile(
    "(?P<han>[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff])|(?P<kana>[\u3041-\u309f\u30a1-\u30fa\u30fc-\u30ff])|(?P<ko>[\uac00-\ud7af]+)"
    "|(?P<cyrillic>[\u0400-\u04ff]+)|(?P<el>[\u0370-\u03ff]+)|(?P<ar>[\u0600-\u06ff]+)|(?P<he>[\u0590-\u05ff]+)|(?P<th>[\u0e00-\u0e7f]+)"
    "|(?P<deva>[\u0900-\u097f]+)|(?P<latin>[^\\W\\d_]+)"
)
_CHINESE_ONLY = frozenset("的了们这那着在是与和为从让吗呢个只条张座辆")
_FUNCTION_WORDS = {
    "en": listed(
        "the a an of and with in on at by for from to is are was were its his her their this that over under near beside"
        " against behind during"
    ),
    "de": listed(
        "der die das und mit von im am auf ein eine einer einem einen ist sind vor aus bei zum zur des dem den nach uber unter neben"
    ),
    "fr": listed("le la les des du et avec dans sur une un est sont au aux pour par sous devant pres d l chez vers entre"),
    "es": listed("el la los las del y con en una un de es son al por para sobre desde junto bajo frente"),
    "it": listed("il lo la gli di del della dei delle e con nel nella una un su sul sulla al alla per da"),
    "pt": listed("o os as do da dos das e com em no na uma um ao para por sobre"),
    "nl": listed("de het een van met op in aan en voor bij uit naar is zijn"),
}
_LANGUAGES_OF_WORD: dict[str, frozenset[str]] = {
    word: frozenset(language for language, words in _FUNCTION_WORDS.items() if word in words)
    for words in _FUNCTION_WORDS.values()
    for word in words
}
_MARKS = (
    ("de", re.compile("[äöüß]")),
    ("es", re.compile("[ñ¿¡]|ción")),
    ("pt", re.compile("[ãõ]")),
    ("fr", re.compile("[êœçèù]|\\b[dl]['’]")),
)
LATIN = frozenset(_FUNCTION_WORDS)
_SMALL_WORD = re.compile(
    r"(?<![^\W\d_])[^\W\d_]{1,6}(?![^\W\d_])(?!\s+[A-ZÀ-Þ])|(?<![^\W\d_])(?:[Tt]he|with|and|of|in|on|at|und|mit|avec|con|y|et)(?![^\W\d_])"
)
_LOOKED_UP = 12
"""Words at most that are looked up, so that a long text costs no more (ours)."""
_UNSURE = 0.3
"""Share of the words by which a language may stay behind the best and still be the text's (ours)."""
CJK_WORD = 2
"""Han characters that weigh as one word of another script (ours)."""


def languages_of(text: str) -> frozenset[str]:
    """Return the languages that ``text`` may be in, as ISO 639-1 codes or names of scripts; empty where it has no letters.

    A text in several scripts is in that of CJK characters where those weigh a third or more: `iPhone 手机壳` is Chinese.
    """
    found = Counter(match.lastgroup or "" for match in _SCRIPTS.finditer(text))
    if not found:
        return frozenset()
    cjk, others = found["han"] + found["kana"] + found["ko"], found.total() - found["han"] - found["kana"] - found["ko"]
    if cjk and cjk / CJK_WORD >= others / 2:
        return _cjk(text, found)
    script = max((name for name in found if name not in ("han", "kana", "ko")), key=lambda name: found[name])
    if script == "latin":
        return _latin(text)
    return frozenset({"ru", "uk", "bg", "sr"}) if script == "cyrillic" else frozenset({script})


def _cjk(text: str, found: "Counter[str]") -> frozenset[str]:
    if found["ko"] * 2 >= found["han"] + found["kana"]:
        return frozenset({"ko"})
    chinese = any(c in _CHINESE_ONLY for c in text) or not is_japanese_writing(text)
    if found["kana"] >= 2 or (found["kana"] and not chinese):
        return frozenset({"ja"})
    if chinese or found["han"] >= 12:
        return frozenset({"zh"})
    return frozenset({"zh", "ja"})


def _latin(text: str) -> frozenset[str]:
    """Return the language with clearly the most function words, else those whose dictionaries know the words about equally well."""
    score: Counter[str] = Counter()
    # A small word before a capital may belong to a name: van Gogh, La Paz.
    for word in _SMALL_WORD.findall(text):
        score.update(_LANGUAGES_OF_WORD.get(folded(word), ()))
    score.update(language for language, mark in _MARKS if mark.search(text.lower()))
    best = score.most_common(2)
    if best and (len(best) == 1 or best[0][1] > best[1][1]) and (best[0][1] > 1 or len(text.split()) < 8):
        return frozenset({best[0][0]})
    return _by_dictionary(text)


def _by_dictionary(text: str) -> frozenset[str]:
    """Return every language that has a small word of the text, or whose dictionary knows its words, or those in small letters."""
    words = re.findall(r"[^\W\d_]+", text)
    if not any(word.islower() for word in words):
        return LATIN
    small = {language for word in words for language in _LANGUAGES_OF_WORD.get(folded(word), ())}
    return frozenset(small | _knowing(words) | _knowing([word for word in words if word.islower()])) or LATIN


def _knowing(words: list[str]) -> set[str]:
    longer = [word.lower() for word in words if len(word) > 2][:_LOOKED_UP]
    known = {language: sum(is_known(word, language) for word in longer) for language in sorted(LATIN)}
    best = max(known.values(), default=0)
    return {language for language, count in known.items() if best and best - count <= _UNSURE * len(longer)}


@lru_cache(maxsize=65536)
def is_known(word: str, language: str) -> bool:
    """Whether simplemma's dictionary of a language holds ``word``."""
    return simplemma.is_known(word, lang=language)


@lru_cache(maxsize=4096)
def language_of(text: str) -> str:
    """Return the likeliest language of ``text``; `en` among equals, `zh` for Han alone, `und` without letters."""
    languages = languages_of(text)
    if len(languages) > 1 and languages <= LATIN:
        return max(sorted(languages), key=lambda language: (_evidence(text, language), language == "en"))
    return next((language for language in ("zh", "ru") if language in languages), min(languages, default="und"))


def _evidence(text: str, language: str) -> float:
    """Return how much of a text is small words of the language, and words of its dictionary."""
    words = [folded(word) for word in re.findall(r"[^\W\d_]+", text)]
    small = sum(language in _LANGUAGES_OF_WORD.get(word, ()) for word in words)
    return small + sum(is_known(word.lower(), language) for word in re.findall(r"[^\W\d_]{3,}", text)) / len(words)


def is_function_word(word: str) -> bool:
    """Whether a folded word in Latin letters is an article, a preposition, or alike, of any language."""
    return word in _LANGUAGES_OF_WORD


def is_changed(alt_text: str, caption: str) -> bool:
    """Whether no language that the caption may be in is one that the alt text may be in; False where either has no letters."""
    before, after = languages_of(alt_text), languages_of(caption)
    return bool(before and after and before.isdisjoint(after))
