"""What a model says, without what it thinks: tags that stand around a whole answer are taken off.

GLM-4.1V answers ``<think>...</think><answer>...</answer>`` (paper 3), GLM-4.5V puts ``<|begin_of_box|>`` and ``<|end_of_box|>``
around an answer. A thought that is not closed, and a tag that has no partner, stay: ``filters.caption_rules`` drops them.
"""

import re

_THOUGHT = re.compile(r"\A\s*(?:<think>)?(?:(?!<think>).)*?</think>", re.DOTALL)
"""A closed thought; the template of some models has opened it already."""
_WRAPPED = (
    re.compile(r"\A\s*<answer>((?:(?!</?answer>).)*)</answer>\s*\Z", re.DOTALL),
    re.compile(r"\A\s*<\|begin_of_box\|>((?:(?!<\|(?:begin|end)_of_box\|>).)*)<\|end_of_box\|>\s*\Z", re.DOTALL),
)


def spoken(text: str) -> str:
    """Return ``text`` without a closed thought before the answer and without the tags around the whole of it."""
    said = _THOUGHT.sub("", text, count=1)
    for wrapped in _WRAPPED:
        said = wrapped.sub(lambda found: found[1], said)
    return said
