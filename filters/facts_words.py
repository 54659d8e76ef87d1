"""The plain words that a caption adds to its alt text: what enrichment is for."""

import re

from filters.facts_language import is_function_word
from filters.names import Words, folded, is_cjk, stem

_WORD = re.compile(r"[\u3041-\u30ff\u3400-\u9fff]+|[^\W\d_\u3041-\u30ff\u3400-\u9fff]{3,}")
_LITTLE = re.compile("[的了着在上下里中与和是有个只座条张片朵名位一这那被从向把边旁、・]|[\u3041-\u309f]")


def added_words(caption: str, alt_text: Words) -> list[str]:
    """Return the folded content words of ``caption`` that ``alt_text`` lacks, each once, in reading order.

    Of a text in Chinese or Japanese they are the runs of two characters and more between particles, or hiragana, and
    what the alt text holds too (ours).
    """
    found: dict[str, None] = {}
    for word in _WORD.findall(folded(caption)):
        if is_cjk(word):
            found.update(dict.fromkeys(run for part in _LITTLE.split(word) if part for run in _new_runs(part, alt_text.joined)))
        elif not is_function_word(word) and not alt_text.holds(word):
            found[stem(word)] = None
    return list(found)


def _new_runs(part: str, alt_text: str) -> list[str]:
    """Return the runs of characters of ``part`` of which no two in a row stand in ``alt_text``."""
    held = [part[i : i + 2] in alt_text for i in range(len(part) - 1)]
    fresh = [not (before or after) for before, after in zip([False, *held], [*held, False], strict=True)]
    runs = "".join(c if is_fresh else " " for c, is_fresh in zip(part, fresh, strict=True)).split()
    return [run for run in runs if len(run) > 1]
