"""A response of a reasoning model: its tags, read and written in one place (paper 4).

GLM-4.1V writes ``<think>..</think><answer>..</answer>``, GLM-4.5V the same without answer tags. The final result of a question that
a verifier can judge stands in one box within the answer. Outer whitespace of a part means nothing.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

THINK, END_THINK = "<think>", "</think>"
ANSWER, END_ANSWER = "<answer>", "</answer>"
BOX, END_BOX = "<|begin_of_box|>", "<|end_of_box|>"
"""The six tags; each is one token of the vocabulary, so case and spelling are exact (paper 4)."""
NOTHINK = "/nothink"
"""What stands at the end of a user's turn that asks for no thinking (paper 4, GLM-4.5V)."""

Style = Literal["glm41v", "glm45v"]
STYLES: tuple[Style, ...] = ("glm41v", "glm45v")
"""With answer tags, and without (paper 4)."""

_ENDS = {THINK: END_THINK, ANSWER: END_ANSWER, BOX: END_BOX}
_STARTS = {end: start for start, end in _ENDS.items()}
_TAG = re.compile("|".join(map(re.escape, (*_ENDS, *_STARTS))))
_BOX_TAG = re.compile("|".join(map(re.escape, (BOX, END_BOX))))


@dataclass(frozen=True, slots=True)
class Response:
    """A response without its tags."""

    thinking: str
    """The thought, without outer whitespace; empty in non-thinking mode."""
    answer: str
    """What follows it, without outer whitespace, boxes included."""
    boxes: tuple[str, ...]
    """The text of each box of the answer in order, without outer whitespace."""


@dataclass(frozen=True, slots=True)
class Fault:
    """Why a response is none."""

    reason: str
    """``missing_think``, ``duplicate_tags``, ``nested_tags``, ``unclosed_tag``, ``text_outside_tags``, ``box_in_thinking``,
    ``empty_answer`` or ``wrong_style``; from ``boxed``, ``no_box`` or ``several_boxes`` as well."""
    at: int
    """Where, as an offset in characters into the text."""


def parse(text: str, style: Style) -> Response | Fault:
    """Return the parts of ``text``, or the first fault that a reader from left to right meets; linear in its length.

    Raises ``ValueError`` for a style that is none.
    """
    _check(style)
    tags = list(_TAG.finditer(text))
    fault = _kinds_fault(tags, text, style) or _order_fault(tags, text, bare=style == "glm45v") or _text_fault(tags, text, style)
    return fault or _response(tags, text)


def render(thinking: str, answer: str, style: Style) -> str:
    """Return the response of the two parts, of which the outer whitespace goes: one line break between the blocks, none inside.

    So do the chat template of GLM-4.5 and, but for a line break behind ``<think>``, the example of GLM-4.1V in its README. What cannot be
    read back raises ``ValueError``: tags in the thought, tags but boxes in the answer, no answer.
    """
    body = answer.strip()
    text = f"{THINK}{thinking.strip()}{END_THINK}\n{_enclosed(body) if style == 'glm41v' else body}"
    match parse(text, style):
        case Fault(reason, at):
            raise ValueError(
                f"a response is a thought without tags and an answer with boxes alone, found {reason} at {at} of {text!r:.200}"
            )
        case Response():
            return text


def without_thinking(response: Response, style: Style) -> str:
    """Return the twin of ``response`` for a prompt with ``NOTHINK``: an empty thought, and its answer as it is (paper 4)."""
    return render("", response.answer, style)


def restyle(text: str, old: Style, new: Style) -> str | Fault:
    """Return the response ``text`` of style ``old`` in style ``new``, or its fault."""
    found = parse(text, old)
    return found if isinstance(found, Fault) else render(found.thinking, found.answer, new)


def boxed(answer: str) -> str | Fault:
    """Return the text of the one box of ``answer`` without outer whitespace, or what is wrong with its boxes; linear in its length."""
    tags = list(_BOX_TAG.finditer(answer))
    if fault := _order_fault(tags, answer, bare=True, closed=frozenset([THINK])):
        return fault
    if len(tags) != 2:
        return Fault("several_boxes", tags[2].start()) if tags else Fault("no_box", 0)
    return _boxes(tags, answer)[0]


def _check(style: Style) -> None:
    if style not in STYLES:
        raise ValueError(f"a style is one of {STYLES}, found {style!r}")


def _enclosed(answer: str) -> str:
    return f"{ANSWER}{answer}{END_ANSWER}"


def _kinds_fault(tags: Sequence[re.Match[str]], text: str, style: Style) -> Fault | None:
    """Return what the mere presence of the tags tells: no thought, one without an end, the tags of the other style."""
    first = {tag[0]: tag for tag in reversed(tags)}
    if THINK not in first:
        return Fault("missing_think", 0)
    if END_THINK not in first:
        return Fault("unclosed_tag", len(text))
    answers = [first[word].start() for word in (ANSWER, END_ANSWER) if word in first]
    if style == "glm45v":
        return Fault("wrong_style", min(answers)) if answers else None
    behind = first[END_THINK].end()
    return Fault("wrong_style", behind) if not answers and BOX in text[behind:] else None


def _order_fault(tags: Sequence[re.Match[str]], text: str, *, bare: bool, closed: frozenset[str] = frozenset()) -> Fault | None:
    """Return the first tag that stands where it may not; ``bare`` allows boxes outside answer tags, ``closed`` is behind us."""
    opened, done = list[str](), set(closed)
    for tag in tags:
        word = tag[0]
        reason = _opening(word, opened, done, bare) if word in _ENDS else _closing(_STARTS[word], opened, done)
        if reason:
            return Fault(reason, tag.start())
        if word in _ENDS:
            opened.append(word)
        else:
            done.add(opened.pop())
    return Fault("unclosed_tag", len(text)) if opened else None


def _opening(word: str, opened: Sequence[str], closed: set[str], bare: bool) -> str | None:
    """Return what is wrong with the opening tag ``word`` behind the tags so far, None if nothing is."""
    if opened:
        return "nested_tags" if word != BOX or opened[-1] == BOX else "box_in_thinking" if opened[-1] == THINK else None
    if word == BOX:
        return None if bare and THINK in closed else "text_outside_tags"
    if word in closed:
        return "duplicate_tags"
    return "missing_think" if word == ANSWER and THINK not in closed else None


def _closing(start: str, opened: Sequence[str], closed: set[str]) -> str | None:
    """Return what is wrong with the tag that closes ``start``, None if nothing is."""
    if opened and opened[-1] == start:
        return None
    return "duplicate_tags" if start in closed and start not in opened and start != BOX else "unclosed_tag"


def _text_fault(tags: Sequence[re.Match[str]], text: str, style: Style) -> Fault | None:
    """Return where text stands outside the tags, or no answer does; the tags themselves are as they should be."""
    start, end = tags[0].start(), tags[1].end()
    if text[:start].strip():
        return Fault("text_outside_tags", 0)
    if style == "glm41v":
        if len(tags) < 4:
            return Fault("wrong_style" if text[end:].strip() else "empty_answer", end)
        for left, right in ((end, tags[2].start()), (tags[-1].end(), len(text))):
            if text[left:right].strip():
                return Fault("text_outside_tags", left)
    return None if _answer(tags, text) else Fault("empty_answer", end)


def _response(tags: Sequence[re.Match[str]], text: str) -> Response:
    return Response(text[tags[0].end() : tags[1].start()].strip(), _answer(tags, text), _boxes(tags, text))


def _answer(tags: Sequence[re.Match[str]], text: str) -> str:
    enclosed = len(tags) > 2 and tags[2][0] == ANSWER
    return (text[tags[2].end() : tags[-1].start()] if enclosed else text[tags[1].end() :]).strip()


def _boxes(tags: Sequence[re.Match[str]], text: str) -> tuple[str, ...]:
    starts = (i for i, tag in enumerate(tags) if tag[0] == BOX)
    return tuple(text[tags[i].end() : tags[i + 1].start()].strip() for i in starts)
