"""The judge: a served model that says whether an answer means what the truth means, where rules cannot tell (paper 5.2).

It is shown the question and the two short texts, never the response around them, and is not told which text is the truth.
"""

import hashlib
import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import ClassVar

from schemas.protocols import Answer, Failure
from synth.answers import AnswerStore
from synth.chat import ChatClient, ChatSpec
from synth.completion import Turn
from synth.endpoint import Served
from synth.prompt import JUDGE, Prompt, load_prompt
from synth.served import ask_stored, check_served
from synth.verifiers.gate import gate
from synth.verifiers.judge import QUESTION_CHARACTERS, RESPONSE_FORMAT, Tally, canaries, quoted, read_verdict, settled
from synth.verifiers.reward import Reward, Task


@dataclass(frozen=True)
class JudgeSpec:
    """A served model, its prompts and how it is asked."""

    version: ClassVar[int] = 1

    served: Served = field(default_factory=Served)
    role: str = "judge"
    """Section of the job that this model stands in: what messages tell to set."""
    prompt: str = "judge_en"
    """Name of a packaged prompt, or path of a file that ends in ``.md``."""
    prompt_zh: str = "judge_zh"
    """The same for tasks with Chinese characters in question or truth."""
    orders: int = 1
    """1 asks with the truth first; 2 asks again with the answer first, and where the two verdicts differ there is none."""
    canaries: int = 20
    """Answers that are wrong for certain, in each batch (ours: at 5 % one of them may pass)."""
    most_canaries: float = 0.05
    """Share of the canaries that may pass before the judge is refused (ours)."""
    max_tokens: int = 200
    """Tokens of a verdict at most (ours: a few words of reason)."""
    seed: int = 0
    """Seed of the server's sampling, and of the draw of canaries."""

    def __post_init__(self) -> None:
        if self.orders not in (1, 2):
            raise ValueError(f"judge.orders is 1 or 2, found {self.orders}")
        if self.canaries < 1 or not 0 <= self.most_canaries < 1:
            found = f"{self.canaries} and {self.most_canaries}"
            raise ValueError(f"expected judge.canaries of 1 or more and judge.most_canaries from 0 to below 1, found {found}")
        if "response_format" in self.served.extra:
            raise ValueError("judge.served.extra must not set response_format: the form of a verdict is fixed")

    @property
    def name(self) -> str:
        """Return model and revision."""
        return self.served.name

    @property
    def digest(self) -> str:
        """Return 32 hex digits over what a verdict depends on: model, sampling, prompts, orders; not where and how fast it is asked."""
        prompts = [prompt.digest for prompt in self.templates]
        parts = [self.version, self.served.identity, self.chat.identity, prompts, self.orders]
        return hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=16).hexdigest()

    @cached_property
    def templates(self) -> tuple[Prompt, Prompt]:
        """Return the prompts, the Chinese one second, read once; raises ``ValueError`` where one is missing or is no judge's."""
        return load_prompt(self.prompt, JUDGE), load_prompt(self.prompt_zh, JUDGE)

    def resolved(self) -> "JudgeSpec":
        """Return the spec with the name of the model that its endpoint serves.

        Raises ``EnvironmentFault`` where it does not answer, ``ValueError`` for a prompt that is none.
        """
        _ = self.templates
        return replace(self, served=self.served.resolved(self.role))

    @property
    def chat(self) -> ChatSpec:
        """Return the client's spec; a verdict is what the model thinks best, at temperature 0."""
        formed = replace(self.served, extra={"response_format": dict(RESPONSE_FORMAT), **self.served.extra})
        return formed.chat(self.role, temperature=0.0, top_p=1.0, max_tokens=self.max_tokens, seed=self.seed)

    def check(self, *, image: bool = False) -> None:  # noqa: ARG002  a judge is shown words alone
        """Raise ``EnvironmentFault`` unless the server answers within 10 seconds and has room for a verdict."""
        check_served(self.chat)

    def load(self, answers: AnswerStore, workers: int = 1) -> "ServedJudge":
        """Return the judge, with its share of ``max_in_flight`` among so many workers."""
        return ServedJudge(self, self.chat.load(workers), answers)


@dataclass(frozen=True, slots=True)
class Judged:
    """What a judge said of one batch."""

    outcomes: Sequence[Reward | Failure]
    """One for each answer, in order."""
    canaries: Tally
    """How the batch's canaries fared; the sum over a run shows how far the judge can be trusted."""


class ServedJudge:
    """Judges batches of answers. Safe to share between threads."""

    def __init__(self, spec: JudgeSpec, client: ChatClient, answers: AnswerStore) -> None:
        self._spec, self._client, self._answers = spec, client, answers
        self._tally, self._lock = Tally(), threading.Lock()

    @property
    def tally(self) -> Tally:
        """Return how all canaries fared so far."""
        return self._tally

    def judge(self, split_id: str, answers: Sequence[tuple[str, Task]]) -> Judged:
        """Return one outcome for each answer at its task, in order; what the gate rejects is not asked, nor is a stored request.

        Raises ``JudgeRefused`` where more canaries passed than the spec allows, in this batch and all before it, or where none
        was answered; ``EnvironmentFault`` when the server is at fault.
        """
        gated = [gate(answer, task) for answer, task in answers]
        open_ones = [pair for pair, refused in zip(answers, gated, strict=True) if refused is None]
        if not open_ones:
            return Judged([refused for refused in gated if refused], Tally())
        birds = canaries([task for _, task in open_ones], self._spec.canaries, self._spec.seed)
        outcomes = self._outcomes(split_id, [*open_ones, *((bird.answer, bird.task) for bird in birds)])
        tally = self._count(outcomes[len(open_ones) :])
        said = iter(outcomes)
        return Judged([refused or next(said) for refused in gated], tally)

    def close(self) -> None:
        """End the client's thread; a worker that ends need not."""
        self._client.close()

    def _outcomes(self, split_id: str, answers: Sequence[tuple[str, Task]]) -> list[Reward | Failure]:
        """Return one outcome for each answer; equal ones are asked once."""
        asked = [self._turns(answer, task) for answer, task in answers]
        identity = self._client.spec.identity
        keys = [[turn.key(identity) for turn in turns] for turns in asked]
        distinct = {key: turn for row, turns in zip(keys, asked, strict=True) for key, turn in zip(row, turns, strict=True)}
        found = ask_stored(self._client, self._answers, split_id, distinct)
        return [_outcome([found[key] for key in row]) for row in keys]

    def _turns(self, answer: str, task: Task) -> list[Turn]:
        """Return the request in each order."""
        english, chinese = self._spec.templates
        template = chinese if _is_chinese(task.question + task.truth) else english
        question, pair = quoted(task.question[:QUESTION_CHARACTERS]), (quoted(task.truth), quoted(answer))
        orders = (pair, pair[::-1])[: self._spec.orders]
        return [Turn(template.filled({"question": question, "first": first, "second": second})) for first, second in orders]

    def _count(self, outcomes: Sequence[Reward | Failure]) -> Tally:
        """Return the tally of the batch's canaries; raises ``JudgeRefused`` where too many have passed by now."""
        answered = [outcome for outcome in outcomes if isinstance(outcome, Reward)]
        batch = Tally(len(answered), sum(outcome.value == 1 for outcome in answered))
        with self._lock:
            self._tally += batch
            total = self._tally
        (total if batch.asked else batch).hold(self._spec.most_canaries, self._spec.name)
        return batch


def _outcome(found: Sequence[Answer | Failure]) -> Reward | Failure:
    """Return the reward of a pair of texts in each order, or the first failure; a verdict that was cut off is none."""
    failed = next((outcome for outcome in found if isinstance(outcome, Failure)), None)
    if failed:
        return failed
    return settled([read_verdict(one.text) if isinstance(one, Answer) and not one.is_cut else None for one in found])


def _is_chinese(text: str) -> bool:
    return any("\u4e00" <= character <= "\u9fff" for character in text)
