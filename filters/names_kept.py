"""What becomes of the names of one text in another: kept, altered, lost, or new. Pure: a ``NameFinder`` finds them."""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

from rapidfuzz.distance import OSA

from filters.facts_quoted import quoted_in
from filters.names import CODE, NOT_IN_NAME, Words, folded, is_cjk, listed, pieces, stem
from schemas.protocols import Name

GENERIC = frozenset(
    listed(
        "the a an of at in on and & de la le les du des el los las di da van von der den dem das die al bin ibn y e et und"
        " saint st mr mrs ms dr sir lord lady king queen prince princess president pope captain jr sr ii iii city town village"
        " county state province region district republic kingdom street avenue road square park national river lake mount"
        " mountain mountains mt island islands bay beach sea ocean coast valley castle palace tower bridge church cathedral"
        " temple museum gallery university college school airport station stadium hotel restaurant building house hall company"
        " inc ltd co corp group brand series new"
    )
)
"""Words, folded, that are part of many names and tell none apart (ours)."""
CJK_SUFFIX = re.compile(
    "(?:特别行政区|自治区|自治州|风景名胜区|风景区|国家公园|博物院|博物馆|有限公司|公司|集团|大学|[省市县区镇乡村州国岛山河江湖海寺庙塔桥路街城宫犬猫花树草鸟鱼队])$"
)
"""Endings that may be left off a Chinese or Japanese name, simplified (ours)."""
_YEAR = re.compile("1[789]\\d\\d|20\\d\\d")
_VERSION = re.compile(r"[a-z]{0,2}\d+$")
_PARTS = re.compile("[·・•‧]")
_CHAIN = re.compile(r"[\s,，、·・|(（/-]*(?:in|de|of|à|en|bei)?[\s,，、·・|]*")
_SIGHT = re.compile(
    r"[\s·・]*([\u3400-\u9fff]{1,5}[园園寺塔山宫宮殿湖河江海岛島桥橋楼樓城门門路街巷馆館院台峰谷窟祠陵墓村镇鎮寨湾灣港场場])"
)
"""A place of a Chinese or Japanese text whose name ends as names of sights do, behind the wider one."""
_MISSPELT = 4
"""Letters from which on a word with one other letter is the same name, misspelt (ours)."""


def sort_names(
    alt_text: str, names: Sequence[Name], caption: Words, caption_names: Sequence[Name], new: Sequence[Name]
) -> tuple[list[Name], list[Name], list[Name]]:
    """Return the ``names`` of an alt text that its caption keeps, loses and alters; ``new`` are the caption's own."""
    known = Words.of(alt_text)
    altered = [name for name in names if is_altered(name, known, caption, caption_names)]
    kept = [name for name in names if name not in altered and held_by(name, caption)]
    missing = [name for name in names if name not in altered and name not in kept and not may_go(name, alt_text, kept, caption, new)]
    replaced = [name for name in missing if partly_held_by(name, caption) or any(_replaces(other, name) for other in new)]
    return kept, [name for name in missing if name not in replaced], [*altered, *replaced]


def is_new(name: Name, known: Words, caption: str) -> bool:
    """Whether a name of a caption stands in none of its sources; what is quoted is judged as quotation."""
    if any(folded(name.text) in folded(quote) for quote in quoted_in(caption)):
        return False
    # The surname in the source does not vouch for another given name.
    whole = name if name.kind == "species" else Name(name.text, "name")
    return not held_by(whole, known)


def telling(name: Name) -> list[str]:
    """Return the folded words of a name that tell it from others; all of them where none does."""
    words = [p for p in pieces(name.text) if not p.isdigit()]
    return [w for w in words if w not in GENERIC and len(w) > 1] or words or pieces(name.text)


def held_by(name: Name, text: Words) -> bool:
    """Whether ``text`` has all that tells ``name`` from others; of a person the surname is enough."""
    whole = NOT_IN_NAME.sub("", folded(name.text))
    if is_cjk(name.text):
        short = CJK_SUFFIX.sub("", whole)
        last = _PARTS.split(folded(name.text))[-1]
        if whole[-1:].isdigit() and whole not in text.joined:
            # A number may be left out, but not be another one.
            return bool(re.search(rf"{re.escape(_VERSION.sub('', whole))}(?![a-z]{{0,2}}\d)", text.joined))
        return any(len(part) > 1 and part in text.joined for part in (whole, short, last))
    words = telling(name)
    needed = words[-1:] if name.kind == "person" else words
    return all(map(text.holds, needed)) or (len(whole) > 3 and whole in text.joined) or _abbreviated(name, text)


def _abbreviated(name: Name, text: Words) -> bool:
    """Whether the text has the initials of the name, or words of which the name is the initials."""
    words = [p for p in pieces(name.text) if p not in ("of", "the", "and")]
    if len(words) != 1:
        return len(words) > 1 and "".join(word[0] for word in words) in text.pieces
    size = len(words[0])
    rest = [p for p in text.pieces if p not in ("of", "the", "and")]
    spelt = (rest[i : i + size] for i in range(len(rest) - size + 1))
    return name.text.isupper() and 1 < size < 6 and any("".join(w[0] for w in run) == words[0] for run in spelt)


def partly_held_by(name: Name, text: Words) -> bool:
    """Whether some, but not all, of what tells ``name`` from others stands in ``text``, or a word of it with one other letter."""
    if is_cjk(name.text):
        whole = NOT_IN_NAME.sub("", folded(name.text))
        return len(whole) > 2 and any(
            OSA.distance(whole, text.joined[i : i + len(whole)]) == 1 for i in range(len(text.joined) - len(whole) + 1)
        )
    words = telling(name)
    if any(map(text.holds, words)):
        return True
    return any(OSA.distance(word, piece) == 1 for word in words if len(word) >= _MISSPELT for piece in text.pieces)


def is_altered(name: Name, alt_text: Words, caption: Words, others: Iterable[Name]) -> bool:
    """Whether ``caption`` holds ``name`` with another number or letter, or inside a name that the alt text lacks."""
    if _renumbered(CODE.findall(folded(name.text)), caption.codes):
        return True
    words = set() if is_cjk(name.text) else set(map(stem, telling(name)))
    # One word alone may stand inside a longer name: Einstein is Albert Einstein.
    return len(words) > 1 and any(_takes_over(words, telling(other), alt_text) for other in others if not is_cjk(other.text))


def _takes_over(words: set[str], other: Sequence[str], alt_text: Words) -> bool:
    """Whether a name of the caption has a word of this one and beside it one that the alt text lacks."""
    return any(stem(w) in words for w in other) and any(not alt_text.holds(w) for w in other)


def _renumbered(name: Sequence[str], caption: Sequence[str]) -> bool:
    """Whether a word of the name stands beside another number, or single letter, in ``caption`` than in the name."""
    return any(
        _other_beside(anchor, mark, list(pairwise(caption)))
        for pair in pairwise(name)
        for anchor, mark in (pair, pair[::-1])
        if _is_mark(mark) and not _is_mark(anchor)
    )


def _other_beside(anchor: str, mark: str, caption: Sequence[tuple[str, str]]) -> bool:
    beside = {b for a, b in caption if a == anchor and _is_mark(b)}
    return bool(beside) and mark not in beside and not _YEAR.fullmatch(mark)


def _is_mark(piece: str) -> bool:
    return any(c.isdigit() for c in piece) or (len(piece) == 1 and not is_cjk(piece))


def _replaces(new: Name, lost: Name) -> bool:
    """Whether a new name may stand where another was: taggers tell species from the rest, and the rest apart not well enough."""
    return "name" in (new.kind, lost.kind) or (new.kind == "species") == (lost.kind == "species")


def may_go(name: Name, alt_text: str, kept: Sequence[Name], caption: Words, new: Sequence[Name]) -> bool:
    """Whether a name is the wider place of a chain, or the same name in another script, beside one that was kept."""
    if name.kind == "place" and any(other.kind == "place" for other in new):
        return False
    start = alt_text.find(name.text)
    end = start + len(name.text)
    if name.kind == "place" and (sight := _SIGHT.match(alt_text, end)) and folded(sight[1]) in caption.joined:
        return True
    for other in kept:
        there = alt_text.find(other.text)
        between = alt_text[there + len(other.text) : start] if there < start else alt_text[end:there]
        if not _CHAIN.fullmatch(between):
            continue
        if is_cjk(other.text) != is_cjk(name.text):
            return True
        wider_first = is_cjk(name.text) and start < there
        if name.kind == "place" and other.kind in ("place", "organisation") and (wider_first or there < start):
            return True
    return False
