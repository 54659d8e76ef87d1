"""The language of short texts: the script narrows it down, fastText's lid.176 decides among what is left.

The model alone takes Chinese without spaces for Japanese, capitals for another language, and a file name for Hebrew. Scripts
that one language is written in need no model, Han and kana are told apart by the national character sets, and for any other
script only the languages written in it are candidates.
"""

import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

from filters.language import HAN, KANA, script_of, script_weights
from filters.words import UNSPACED
from schemas.exits import EnvironmentFault
from schemas.protocols import UNDETERMINED, LanguageIdentifier
from schemas.weights import TABLE, path_of, sha256_of

LATIN = "LATIN"
LANGUAGES_OF_SCRIPT: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        script: frozenset(codes.split())
        for script, codes in {
            "CYRILLIC": "ru uk bg sr mk be kk ky tg mn tt ba cv os ce av kv sah tyv xal myv mhr mrj krc lez bxr rue",
            "ARABIC": "ar fa ur ps sd ug ckb azb mzn pnb lrc",
            "DEVANAGARI": "hi mr ne sa bh mai new gom",
            "BENGALI": "bn as bpy",
            "HEBREW": "he yi",
            "HANGUL": "ko", "THAI": "th", "GREEK": "el", "ARMENIAN": "hy", "GEORGIAN": "ka", "ETHIOPIC": "am", "GURMUKHI": "pa",
            "GUJARATI": "gu", "ORIYA": "or", "TAMIL": "ta", "TELUGU": "te", "KANNADA": "kn", "MALAYALAM": "ml", "SINHALA": "si",
            "LAO": "lo", "KHMER": "km", "MYANMAR": "my", "TIBETAN": "bo", "THAANA": "dv",
        }.items()
    }
)  # fmt: skip
"""Languages of lid.176 by the script that they are written in; the rest are written in Latin letters (Unicode CLDR)."""
VARIETIES: Mapping[str, str] = MappingProxyType({"arz": "ar"})
"""Labels of lid.176 that are counted for the ISO 639-1 code of their macrolanguage (ISO 639-3)."""

NOT_LATIN = frozenset().union(*LANGUAGES_OF_SCRIPT.values(), ("zh", "yue", "wuu", "ja"))
"""Labels that no text in Latin letters has."""

_NO_WORD = re.compile(rf"(?<!\S)(?=\S*\d)[^\s{UNSPACED}]+(?!\S)")
"""What holds a digit and no character of an unspaced script: dates, sizes, names of files, no matter of any language (ours)."""
_PREFIX = "__label__"


@dataclass(frozen=True)
class LidSpec:
    """fastText lid.176: quantised as ``jobs.fetch lid`` brings it, or the whole one from a file of one's own."""

    version: ClassVar[int] = 1

    name: str = "lid.176.ftz"
    path: str = ""
    """A model in fastText's format with the labels of lid.176, such as lid.176.bin; empty takes the one of the cache."""
    sha256: str = TABLE["lid"].sha256
    floor: float = 0.2
    """Confidence below which the language of a text is ``und``, 0-1 (ours: of 108 short texts, 4 then had a wrong language and 2 none)."""

    def load(self) -> LanguageIdentifier:
        """Return the model; raises ``EnvironmentFault`` where its file is absent or another one."""
        path = self._own(Path(self.path)) if self.path else path_of("lid", self.sha256)
        import fasttext

        return FastTextIdentifier(fasttext.load_model(str(path)), self.floor)

    def _own(self, path: Path) -> Path:
        found = sha256_of(path) if path.is_file() else "no file"
        if found != self.sha256:
            raise EnvironmentFault(f"expected {path} with SHA-256 {self.sha256}, found {found}; set `path` and `sha256` together")
        return path


class FastTextIdentifier:
    """A loaded identifier; see ``schemas.protocols.LanguageIdentifier``. Texts are read one by one."""

    def __init__(self, model: Any, floor: float) -> None:
        """Identify with ``model``, whose ``predict(text, k)`` returns labels and probabilities."""
        self._model, self._floor = model, floor

    def identify(self, texts: Sequence[str]) -> list[tuple[str, float]]:
        """Return for each text its language and how sure that is: the model's share for it, times that of its script."""
        return [self._one(text) for text in texts]

    def _one(self, text: str) -> tuple[str, float]:
        plain = " ".join(_NO_WORD.sub(" ", unicodedata.normalize("NFKC", text)).split())
        weights = script_weights(plain)
        if not weights:
            return UNDETERMINED, 0.0
        script = max(sorted(weights), key=lambda name: weights[name])
        code, sure = self._in_script(plain, script)
        confidence = round(sure * weights[script] / sum(weights.values()), 4)
        return (code if confidence >= self._floor else UNDETERMINED), confidence

    def _in_script(self, plain: str, script: str) -> tuple[str, float]:
        if script in (HAN, KANA):
            return chinese_or_japanese(plain)
        known = LANGUAGES_OF_SCRIPT.get(script, frozenset())
        if len(known) == 1:
            return next(iter(known)), 1.0
        if not known and script != LATIN:
            return UNDETERMINED, 0.0
        return self._best(_only(plain, script), known)

    def _best(self, text: str, known: frozenset[str]) -> tuple[str, float]:
        """Return the likeliest language of ``text`` among ``known``, or among those of Latin letters, and its share among them."""
        labels, probabilities = self._model.predict(text.lower(), k=-1)
        shares = dict[str, float]()
        for label, probability in zip(labels, probabilities, strict=True):
            code = VARIETIES.get(label.removeprefix(_PREFIX), label.removeprefix(_PREFIX))
            if code in known or (not known and code not in NOT_LATIN):
                shares[code] = shares.get(code, 0.0) + float(probability)
        if not any(shares.values()):  # the model leaves out what it is sure that it is not
            return UNDETERMINED, 0.0
        best = max(sorted(shares), key=lambda code: shares[code])
        return best, shares[best] / sum(shares.values())


def chinese_or_japanese(text: str) -> tuple[str, float]:
    """Return ``zh`` or ``ja`` for a text of ideographs and kana, and how sure that is, 0-1.

    Kana, and ideographs that JIS X 0208 has and neither GB 2312 nor Big5, speak for Japanese; ideographs of the latter two
    that JIS X 0208 lacks speak for Chinese. Without either it is Chinese, at 0.7 (ours: prior counts of 0.07 and 0.03).
    """
    chinese, japanese = 0.07, 0.03
    for character in text:
        script = script_of(character)
        if script == KANA:
            japanese += 1
        elif script == HAN:
            in_jis = _has("shift_jis", character)
            in_chinese = _has("gb2312", character) or _has("big5", character)
            chinese += in_chinese and not in_jis
            japanese += in_jis and not in_chinese
    total = chinese + japanese
    return ("zh", chinese / total) if chinese >= japanese else ("ja", japanese / total)


def _has(charset: str, character: str) -> bool:
    try:
        character.encode(charset)
    except UnicodeEncodeError:
        return False
    return True


def _only(text: str, script: str) -> str:
    """Return ``text`` without the letters of other scripts."""
    return " ".join("".join(ch if script_of(ch) in (script, None) else " " for ch in text).split())
