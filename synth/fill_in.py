"""Multiple choice rewritten to fill-in-the-blank by a served model, so that nothing is won by guessing (paper 5.1)."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import ClassVar

from schemas.protocols import Failure
from synth.answers import AnswerStore
from synth.chat import ChatClient, ChatSpec
from synth.completion import Turn
from synth.endpoint import Served
from synth.prompt import REWRITER, Prompt, load_prompt
from synth.served import ask_stored, check_served

LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


@dataclass(frozen=True, slots=True)
class Choice:
    """A multiple choice whose truth is one of its options."""

    question: str
    options: tuple[str, ...]
    right: int
    """Which of the options is the truth."""


def choice_of(question: str, options: Sequence[str], truth: str) -> Choice | None:
    """Return the choice, by the letter or the text of its truth; None where that names none of the options, or several."""
    texts = [option.strip() for option in options]
    named = [number for number, text in enumerate(texts) if text.casefold() == truth.strip().casefold()]
    letter = truth.strip().strip("().").upper()
    if not named and len(letter) == 1 and letter in LETTERS[: len(texts)]:
        named = [LETTERS.index(letter)]
    return Choice(question, tuple(texts), named[0]) if len(named) == 1 else None


@dataclass(frozen=True)
class RewriterSpec:
    """A served model that asks a multiple choice without its options."""

    version: ClassVar[int] = 1

    served: Served = field(default_factory=Served)
    role: str = "rewriter"
    """Section of the job that this model stands in: what messages tell to set."""
    prompt: str = "fill_in"
    """Name of a packaged prompt, or path of a file that ends in ``.md``, with the slots question, options and answer."""
    max_tokens: int = 400
    """Tokens of a question at most (ours)."""
    seed: int = 0

    @cached_property
    def template(self) -> Prompt:
        """Return the prompt, read once; raises ``ValueError`` where there is none."""
        return load_prompt(self.prompt, REWRITER)

    @property
    def name(self) -> str:
        """Return model and revision."""
        return self.served.name

    @property
    def chat(self) -> ChatSpec:
        """Return the client's spec; the model answers as it thinks best, at temperature 0."""
        return self.served.chat(self.role, temperature=0.0, top_p=1.0, max_tokens=self.max_tokens, seed=self.seed)

    @property
    def digest(self) -> str:
        """Return 32 hex digits over what a rewritten question depends on."""
        parts = [self.version, self.served.identity, self.chat.identity, self.template.digest]
        return hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=16).hexdigest()

    def resolved(self) -> "RewriterSpec":
        """Return the spec with the name of the model that its endpoint serves.

        Raises ``EnvironmentFault`` where it does not answer, ``ValueError`` for a prompt that is none.
        """
        _ = self.template
        return replace(self, served=self.served.resolved(self.role))

    def check(self, *, image: bool = False) -> None:  # noqa: ARG002  a rewriter is shown words alone
        """Raise ``EnvironmentFault`` unless the server answers within 10 seconds and has room for a question."""
        check_served(self.chat)

    def load(self, answers: AnswerStore, workers: int = 1) -> "ServedRewriter":
        """Return the rewriter, with its share of ``max_in_flight`` among so many workers."""
        return ServedRewriter(self.chat.load(workers), self.template, answers)


class ServedRewriter:
    """Asks questions without their options. Safe to share between threads."""

    def __init__(self, client: ChatClient, prompt: Prompt, answers: AnswerStore) -> None:
        self._client, self._prompt, self._answers = client, prompt, answers

    def rewrite(self, split_id: str, choices: Sequence[Choice]) -> list[str | Failure]:
        """Return the rewritten question of each choice, or why there is none. Stored answers are not asked again."""
        turns = [Turn(self._filled(choice)) for choice in choices]
        keys = [turn.key(self._client.spec.identity) for turn in turns]
        found = ask_stored(self._client, self._answers, split_id, dict(zip(keys, turns, strict=True)))
        return [outcome if isinstance(outcome := found[key], Failure) else bare(outcome.text) for key in keys]

    def close(self) -> None:
        """End the client's thread; a worker that ends need not."""
        self._client.close()

    def _filled(self, choice: Choice) -> str:
        options = "; ".join(choice.options)
        return self._prompt.filled({"question": choice.question, "options": options, "answer": choice.options[choice.right]})


def bare(text: str) -> str:
    """Return a rewritten question without a closed thought before it, a label, or quotation marks around it."""
    said = text.rpartition("</think>")[2].strip()
    label, colon, rest = said.partition(":")
    said = rest.strip() if colon and label.strip().casefold() in ("question", "rewritten question", "问题") else said
    return said[1:-1].strip() if len(said) > 1 and (said[0], said[-1]) in (('"', '"'), ("“", "”"), ("「", "」")) else said
