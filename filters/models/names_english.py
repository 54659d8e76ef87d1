"""Names in English: what spaCy's tagger says, held against the dictionary, and species and breeds."""

from collections.abc import Sequence
from types import MappingProxyType
from typing import Any

from filters.models.names_chinese import apart
from filters.models.names_latin import NOT_NAMES, CapitalNames, Token, is_headline, is_rare, tokens_of
from filters.models.names_species import BREEDS, EVERYDAY, KINDS, SPECIES
from filters.names import folded, listed, stem
from schemas.protocols import Name

KIND_OF_LABEL = MappingProxyType(
    {
        "PERSON": "person", "GPE": "place", "LOC": "place", "FAC": "place", "ORG": "organisation", "NORP": "", "PRODUCT": "product",
        "WORK_OF_ART": "work", "EVENT": "name",
    }
)  # fmt: skip
"""What spaCy's labels for names mean here (OntoNotes 5)."""
PLACE_HEADS = frozenset(
    listed(
        "lane street road avenue square park garden gardens market terminal station airport bridge tower castle palace"
        " cathedral church temple abbey museum gallery hall house hotel bay beach island islands lake river falls waterfall"
        " mountain mountains peak valley canyon desert forest coast pier harbour harbor city town village county district"
        " province university college stadium arena fort wall gate plaza"
    )
)
"""Last words of the names of places."""
PLACE_STARTS = frozenset(
    listed("mount lake fort cape united new north south east west san santa los las el sri saudi costa puerto hong saint st great")
)
"""First words of the names of places."""
COUNTRIES = frozenset(listed("Turkey China Chad Jordan Georgia Guinea"))
"""Countries whose names are common words too, in small letters."""


class EnglishNames:
    """Finds names in English: what spaCy's tagger says, held against the dictionary, and species."""

    def __init__(self, pipeline: Any, capitals: CapitalNames) -> None:
        """Find with a spaCy ``pipeline`` and by ``capitals``."""
        self._pipeline = pipeline
        self._capitals = capitals

    def find(self, texts: Sequence[str]) -> list[list[Name]]:
        """Return the names of each text in reading order."""
        # A text in capitals alone, or without any, tells the tagger nothing; one in title case does.
        shown = [title if (t.isupper() or t.islower()) and len(title := t.title()) == len(t) else t for t in texts]
        return [self._names(document, text) for document, text in zip(self._pipeline.pipe(shown, batch_size=128), texts, strict=True)]

    def _names(self, document: Any, text: str) -> list[Name]:
        tokens = tokens_of(text)
        places = frozenset(word.idx for entity in document.ents if entity.label_ in ("GPE", "LOC") for word in entity)
        headline = document.text != text or is_headline(tokens, "en", places)
        found = [span for entity in document.ents if (span := _entity(entity, headline))]
        found += self._capitals.spans(text, "en", places)
        found += _species(tokens)
        found += [(t.start, t.end, "place") for t in self._capitals.opening_place(tokens)]
        return [Name(text[start:end], self._kind(text[start:end], kind)) for start, end, kind in _joined(found)]

    def _kind(self, name: str, kind: str) -> str:
        """Return the kind of a name: of places in several words, spaCy's is believed only where the words say so too."""
        words = folded(name).split()
        if kind == "species" or len(words) < 2:
            return kind
        if words[-1] in PLACE_HEADS or words[0] in PLACE_STARTS or self._capitals.knows_place(name):
            return "place"
        return "name" if kind == "place" else kind


def _entity(entity: Any, headline: bool) -> tuple[int, int, str] | None:
    """Return the span of a spaCy entity without what does not belong to it, or None where it is none."""
    kind = KIND_OF_LABEL.get(entity.label_, "")
    words = _trimmed(entity, kind)
    if len(words) > 2 and words[0].i == 0 and words[1].lower_ == "of" and not is_rare(words[0].text, "en"):
        words = words[2:]
    rare = [is_rare(w.text, "en") for w in words if w.is_alpha and len(w) > 2]
    while headline and kind == "person" and len(rare) > 2 and not rare[-1]:
        words, rare = words[:-1], rare[:-1]
    if not kind or not words or all(folded(w.text) in NOT_NAMES for w in words):
        return None
    if not any(rare) and not _is_sure(words, kind, headline):
        return None
    return words[0].idx, words[-1].idx + len(words[-1]), kind


def _is_sure(words: Sequence[Any], kind: str, headline: bool) -> bool:
    """Whether an entity of common words is a name all the same."""
    if len(words) == 1:
        return not headline and (words[0].text in COUNTRIES or (words[0].i > 0 and words[0].text[0].isupper()))
    if words[-1].lower_ in PLACE_HEADS:
        return True
    return not headline and not words[0].text.islower() and kind in ("person", "place", "organisation", "work")


def _trimmed(entity: Any, kind: str) -> list[Any]:
    """Return the words of an entity behind its last comma, without article, possessive ending, or number around them."""
    words = list(entity)
    marks = [i for i, w in enumerate(words) if w.is_punct and (w.text != "-" or words[i - 1].whitespace_)]
    words = words[marks[-1] + 1 :] if marks and marks[-1] + 1 < len(words) else words
    while len(words) > 1 and (words[0].lower_ in ("the", "a", "an") or not words[0].is_alpha):
        words = words[1:]
    while len(words) > 1 and (words[-1].lower_ == "'s" or (not words[-1].is_alpha and kind != "product")):
        words = words[:-1]
    return words


def _species(tokens: Sequence[Token]) -> list[tuple[int, int, str]]:
    found: list[tuple[int, int, str]] = []
    for place, token in enumerate(tokens):
        if stem(folded(token.text)) in SPECIES:
            first = place
            while first > 0 and any(part in KINDS for part in folded(tokens[first - 1].text).split("-")):
                first -= 1
            found.append((tokens[first].start, token.end, "species"))
        elif stem(folded(token.text)) in EVERYDAY and place > 0 and folded(tokens[place - 1].text) in BREEDS:
            found.append((tokens[place - 1].start, token.end, "species"))
    return found


def _joined(found: Sequence[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """Return the spans in reading order, of those that overlap the longest, with the most telling kind among them."""
    spans = apart(found)
    kinds = [[k for s, e, k in found if s < end and start < e and k != "name"] for start, end, _ in spans]
    return [
        (start, end, kind if kind != "name" or not others else others[0]) for (start, end, kind), others in zip(spans, kinds, strict=True)
    ]
