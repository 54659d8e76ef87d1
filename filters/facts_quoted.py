"""Text in quotation marks: what a caption quotes has to stand in its sources."""

import re
from collections.abc import Sequence

from filters.names import pieces

_QUOTED = re.compile(
    r"(?:[“”„‟«»「『《〈]|(?<!\w)[\"＂])(?P<text>[^“”„‟\"«»「」『』《》〈〉＂]{1,200})[“”‟\"»«」』》〉＂]"
    r"|(?<!\w)[‘‚'](?P<single>[^‘’'\n]{2,200})[’'](?!\w)"
)
"""A straight mark behind a digit or letter opens nothing: it means inches."""


def quoted_in(text: str) -> list[str]:
    """Return what stands in quotation marks or title marks of any kind; inch signs and apostrophes are none."""
    found = _QUOTED.finditer(text)
    return [quote for m in found if pieces(quote := (m["text"] or m["single"]))]


def misquoted(caption: str, alt_text: str, lines: Sequence[str]) -> list[str]:
    """Return the quotations of the caption that no source holds; none where there is no quotation and no line to compare with.

    The sources are the alt text and the lines read in the image, one or several in a row.
    """
    quotes = quoted_in(caption)
    if not quotes:
        return []
    sources = [pieces(alt_text), [piece for line in lines for piece in pieces(line)]]
    wrong = [quote for quote in quotes if not any(_contains(source, pieces(quote)) for source in sources)]
    return wrong if lines or quoted_in(alt_text) else []


def _contains(words: Sequence[str], run: Sequence[str]) -> bool:
    return f" {' '.join(run)} " in f" {' '.join(words)} "
