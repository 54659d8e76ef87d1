"""Rollouts: how a question is put to a served model k times, and what is done about a thought that does not end."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from schemas.protocols import Answer
from schemas.response import ANSWER, BOX, END_ANSWER, END_BOX, END_THINK, THINK, Style
from synth.conversation import Conversation

BY_ANSWER, BY_GRAMMAR = "answer", "grammar"
"""Why a rollout is ``forced``: the answer was asked for by a second call, or a grammar held the model to the tags."""


@dataclass(frozen=True, slots=True)
class RolloutTask:
    """A question to roll out, and whether it has an answer that can be verified, which then stands in a box."""

    conversation: Conversation
    verifiable: bool
    sample_id: str = ""
    """Whose it is: stored with each of its answers, so that they can be taken down with it."""


@dataclass(frozen=True, slots=True)
class Rollout:
    """One sampled response with what it cost."""

    number: int
    """Which one of its question and model it is, from 0; its seed is that of the model plus this number."""
    response: str
    finish_reason: str
    forced: str | None
    prompt_tokens: int
    completion_tokens: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Group:
    """The rollouts that one request asks for: ``size`` of them, from ``first`` on."""

    first: int
    size: int


def groups(first: int, last: int, most: int) -> Iterator[Group]:
    """Cut the rollouts ``first`` to ``last`` (not included) into requests of at most ``most``."""
    for start in range(first, last, most):
        yield Group(start, min(most, last - start))


def sampling(seed: int, group: Group) -> dict[str, Any]:
    """Return the fields that ask for ``group``.

    A server gives its i-th choice the seed of the request plus i (vLLM), so the seeds of two requests lie as far apart as the first
    has choices: nearer, and the second would repeat the first.
    """
    return {"seed": seed + group.first, "n": group.size}


def whole(answer: Answer) -> str:
    """Return the response with the thought where it belongs, also where the server put it apart."""
    return f"{THINK}{answer.reasoning}{END_THINK}{answer.text}" if answer.reasoning else answer.text


def is_overlong(answer: Answer) -> bool:
    """Tell whether the thought ran into the limit before there was an answer."""
    text = whole(answer)
    return answer.is_cut and (END_THINK not in text or not text.partition(END_THINK)[2].strip())


def opening(response: str, style: Style) -> str:
    """Return ``response``, an overlong thought, up to where the answer begins (paper 5.3; inference/trans_infer_bench.py)."""
    thought = response if response.lstrip().startswith(THINK) else f"{THINK}{response}"
    closed = thought if END_THINK in thought else f"{thought.rstrip()}{END_THINK}"
    return closed + (ANSWER if style == "glm41v" else "")


def continued(begun: str, answer: Answer) -> str:
    """Return the response that ``answer`` ends, whether the server sent what it was given back with it or not."""
    return answer.text if answer.text.startswith(begun) else begun + answer.text


def grammar(style: Style, verifiable: bool, thought: int, *, begun: bool = False) -> str:
    """Return the GBNF grammar of a response in ``style`` with at most ``thought`` characters of thinking; ``begun``: of its answer alone.

    llama.cpp and xgrammar, which vLLM uses, read it.
    """
    boxed = f'text "{BOX}" box "{END_BOX}" text' if verifiable else "prose"
    start, end = (f'"{ANSWER}"', f'"{END_ANSWER}"') if style == "glm41v" else ("", "")
    before = "" if begun else f'"{THINK}" thought "{END_THINK}" "\\n" {start} '
    lines = [
        f"root ::= {before}{boxed} {end}",
        f"thought ::= [^<]{{1,{thought}}}",
        "text ::= [^<]{0,120}",
        "prose ::= [^<]{1,400}",
        "box ::= [^<>|\\n]{1,80}",
    ]
    return "\n".join(lines) + "\n"


def held_to(rules: str) -> Mapping[str, Any]:
    """Return the fields by which llama.cpp and vLLM hold a response to a grammar."""
    return {"grammar": rules, "structured_outputs": {"grammar": rules}}


def rollouts_of(group: Group, answers: Sequence[Answer], forced: str | None) -> list[Rollout]:
    """Return the choices of one request as rollouts, those beyond what was asked for left out."""
    return [
        Rollout(group.first + i, whole(a), a.finish_reason, forced, a.prompt_tokens, a.completion_tokens, a.seconds)
        for i, a in enumerate(answers[: group.size])
    ]
