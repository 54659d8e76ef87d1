"""The reasoner: a served model that answers questions with a long chain of thought (paper 4), every answer stored as it arrives."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, ClassVar

from schemas.exits import EnvironmentFault
from schemas.protocols import Answer, ChatRequest, Failure
from schemas.response import ANSWER, BOX, END_ANSWER, END_BOX, END_THINK, STYLES, THINK, Style
from synth import rollouts
from synth.answers import AnswerStore, SplitAnswers
from synth.chat import ChatClient, ChatSpec
from synth.conversation import Conversation
from synth.endpoint import Served
from synth.prompt import REASONER, load_prompt
from synth.rollouts import Group, Rollout, RolloutTask
from synth.served import check_served

CHARACTERS_A_TOKEN = 4
"""Characters that a grammar allows a thought for each of its tokens (ours: English)."""


@dataclass(frozen=True)
class ReasonerSpec:
    """A served model and how it is asked to reason."""

    version: ClassVar[int] = 1

    served: Served = field(default_factory=Served)
    role: str = "solver"
    """Section of the job that this model stands in: what messages tell to set."""
    style: Style = "glm41v"
    """Tags of its responses: ``glm41v`` with ``<answer>``, ``glm45v`` without (paper 4)."""
    prompt: str = ""
    """Prompt that goes before a question whose answer can be verified: the name of a packaged one, or a path that ends in ``.md``.
    Empty sends none, which is right for a model that was trained to the tags."""
    open_prompt: str = ""
    """Likewise before a question without a truth."""
    temperature: float = 1.0
    """Sampling temperature (DeepSeek-R1 and DAPO sample at 0.6 to 1; ours)."""
    top_p: float = 1.0
    """Paper 5.3: a lower one made responses garbled."""
    seed: int = 0
    think_tokens: int = 8192
    """Tokens after which a thought is cut and the answer asked for (paper, inference/trans_infer_bench.py)."""
    answer_tokens: int = 2048
    """Tokens of an answer that is asked for by a second call (ours; the paper's script allows 8192)."""
    per_request: int = 4
    """Rollouts asked for by one request, which share the image and its prefill (ours: more wait for their slowest)."""
    force_answers: bool = True
    """Whether an overlong thought is cut and the answer asked for, and the rollout marked (paper 5.3)."""
    force_tags: bool = False
    """Whether a grammar on the server holds the model to the tags, and the rollout is marked: for models that were not trained to them."""

    def __post_init__(self) -> None:
        """Refuse a style that is none, and requests for nothing."""
        if self.style not in STYLES:
            raise ValueError(f"style: expected one of {', '.join(STYLES)}, found {self.style!r}")
        if min(self.per_request, self.think_tokens, self.answer_tokens) < 1:
            raise ValueError("per_request, think_tokens and answer_tokens: expected at least 1")

    @cached_property
    def instructions(self) -> Mapping[bool, str]:
        """Return what stands before a question, by whether its answer can be verified; raises ``ValueError`` where there is no prompt."""
        names = {True: self.prompt, False: self.open_prompt}
        return {verifiable: load_prompt(name, REASONER).text if name else "" for verifiable, name in names.items()}

    @property
    def name(self) -> str:
        """Return model and revision, as the column ``model`` has them."""
        return self.served.name

    @property
    def chat(self) -> ChatSpec:
        """Return the client's spec."""
        limits = {"max_tokens": self.think_tokens, "seed": self.seed}
        return self.served.chat(self.role, temperature=self.temperature, top_p=self.top_p, **limits)

    @property
    def digest(self) -> str:
        """Return 32 hex digits over what a rollout depends on: model, sampling, prompts, tags; not where and how fast it is asked."""
        texts = [self.instructions[True], self.instructions[False]]
        how = [self.style, self.answer_tokens, self.force_answers, self.force_tags]
        parts = [self.version, self.served.identity, self.chat.identity, texts, how]
        return hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=16).hexdigest()

    def resolved(self) -> "ReasonerSpec":
        """Return the spec with the name of the model that its endpoint serves.

        Raises ``EnvironmentFault`` where it does not answer, ``ValueError`` for a prompt that is none.
        """
        _ = self.instructions
        return replace(self, served=self.served.resolved(self.role))

    def check(self, *, image: bool) -> None:
        """Raise ``EnvironmentFault`` unless the server answers, an ``image`` too if there will be one, with all tags and choices."""
        check_served(self.chat, image=image, limit="think_tokens")
        with self.chat.load() as client:
            _check_tags(client, self)

    def load(self, answers: AnswerStore, workers: int = 1) -> "ServedReasoner":
        """Return the reasoner, with its share of ``max_in_flight`` among so many workers."""
        return ServedReasoner(self, self.chat.load(workers), answers)


class ServedReasoner:
    """Rolls questions out. Safe to share between threads."""

    def __init__(self, spec: ReasonerSpec, client: ChatClient, answers: AnswerStore) -> None:
        self._spec, self._client, self._answers = spec, client, answers

    def roll_out(self, split_id: str, tasks: Sequence[RolloutTask], first: int, last: int) -> list[list[Rollout | Failure]]:
        """Return, for each task, its rollouts ``first`` to ``last``, not included; a failed request stands once for its rollouts.

        Stored answers are not asked again. Raises ``EnvironmentFault`` when the server, and not a question, is at fault.
        """
        asked = [(task, group) for task in tasks for group in rollouts.groups(first, last, self._spec.per_request)]
        requests = [self._request(task, group) for task, group in asked]
        with self._answers.open(split_id) as answers:
            found = self._sample(requests, answers, [group.size for _, group in asked], [task.sample_id for task, _ in asked])
            ends = self._end_thoughts(asked, found, answers)
        results = [self._rollouts(group, outcome, ends[at]) for at, ((_, group), outcome) in enumerate(zip(asked, found, strict=True))]
        each = len(asked) // len(tasks) if tasks else 0
        return [[r for part in results[at * each : (at + 1) * each] for r in part] for at in range(len(tasks))]

    def close(self) -> None:
        """End the client's thread; a worker that ends need not."""
        self._client.close()

    def _request(self, task: RolloutTask, group: Group) -> ChatRequest:
        conversation = task.conversation.after(self._spec.instructions[task.verifiable])
        settings = rollouts.sampling(self._spec.seed, group)
        if self._spec.force_tags:
            thought = self._spec.think_tokens * CHARACTERS_A_TOKEN // 2  # the other half is for the answer
            settings |= rollouts.held_to(rollouts.grammar(self._spec.style, task.verifiable, thought))
        return self._keyed(conversation, settings)

    def _ending(self, task: RolloutTask, seed: int, begun: str) -> ChatRequest:
        conversation = task.conversation.after(self._spec.instructions[task.verifiable]).then(begun)
        go_on = {"continue_final_message": True, "add_generation_prompt": False}
        settings = {"seed": seed, "n": 1, "max_tokens": self._spec.answer_tokens, **go_on}
        if self._spec.force_tags:
            settings |= rollouts.held_to(rollouts.grammar(self._spec.style, task.verifiable, 1, begun=True))
        return self._keyed(conversation, settings)

    def _keyed(self, conversation: Conversation, settings: Mapping[str, Any]) -> ChatRequest:
        return ChatRequest(conversation.messages(), conversation.key({**self._client.spec.identity, **settings}), settings)

    def _sample(
        self, requests: Sequence[ChatRequest], answers: SplitAnswers, sizes: Sequence[int], of: Sequence[str]
    ) -> list[tuple[Answer, ...] | Failure]:
        """Return the choices of each request, from the store where it has them all; fewer than were asked for are a failure.

        ``of`` says whose question each request is about.
        """
        keys = [[f"{request.key}-{choice}" for choice in range(size)] for request, size in zip(requests, sizes, strict=True)]
        stored = answers.expect([key for group in keys for key in group])
        found: dict[str, tuple[Answer, ...] | Failure] = {
            request.key: tuple(stored[key] for key in group)
            for request, group in zip(requests, keys, strict=True)
            if all(key in stored for key in group)
        }
        missing = list({request.key: request for request in requests if request.key not in found}.values())
        owners: dict[str, set[str]] = defaultdict(set)
        for request, sample_id in zip(requests, of, strict=True):
            owners[request.key] |= {sample_id} - {""}
        with closing(self._client.sample(missing)) as finished:
            for index, outcome in finished:
                key = missing[index].key
                found[key] = outcome
                for choice, answer in enumerate(() if isinstance(outcome, Failure) else outcome):
                    answers.put(f"{key}-{choice}", answer, owners[key])
        return [self._whole(found[request.key], size) for request, size in zip(requests, sizes, strict=True)]

    def _whole(self, outcome: tuple[Answer, ...] | Failure, size: int) -> tuple[Answer, ...] | Failure:
        if isinstance(outcome, Failure) or len(outcome) >= size:
            return outcome
        return Failure(f"{self._spec.role}_failed", f"expected {size} choices, found {len(outcome)}")

    def _end_thoughts(
        self, asked: Sequence[tuple[RolloutTask, Group]], found: Sequence[tuple[Answer, ...] | Failure], answers: SplitAnswers
    ) -> list[dict[int, tuple[str, Answer | Failure]]]:
        """Return, for each request, by the number of its choice: the cut thought, and what the model answered behind it."""
        overlong = [
            (at, choice, rollouts.opening(rollouts.whole(answer), self._spec.style))
            for at, outcome in enumerate(found)
            if not isinstance(outcome, Failure) and self._spec.force_answers
            for choice, answer in enumerate(outcome)
            if rollouts.is_overlong(answer)
        ]
        requests = [self._ending(asked[at][0], self._spec.seed + asked[at][1].first + choice, begun) for at, choice, begun in overlong]
        ends: list[dict[int, tuple[str, Answer | Failure]]] = [{} for _ in asked]
        of = [asked[at][0].sample_id for at, _, _ in overlong]
        for (at, choice, begun), outcome in zip(overlong, self._sample(requests, answers, [1] * len(requests), of), strict=True):
            ends[at][choice] = (begun, outcome if isinstance(outcome, Failure) else outcome[0])
        return ends

    def _rollouts(
        self, group: Group, outcome: tuple[Answer, ...] | Failure, ends: Mapping[int, tuple[str, Answer | Failure]]
    ) -> Iterator[Rollout | Failure]:
        if isinstance(outcome, Failure):
            yield outcome
            return
        for choice, rollout in enumerate(rollouts.rollouts_of(group, outcome, rollouts.BY_GRAMMAR if self._spec.force_tags else None)):
            begun, end = ends.get(choice, ("", None))
            yield end if isinstance(end, Failure) else rollout if end is None else _ended(rollout, begun, end)


def _ended(rollout: Rollout, begun: str, end: Answer) -> Rollout:
    """Return the rollout whose answer was asked for by a second call; what that cost is added."""
    return replace(
        rollout,
        response=rollouts.continued(begun, end),
        finish_reason=end.finish_reason,
        forced=rollouts.BY_ANSWER,
        prompt_tokens=rollout.prompt_tokens + end.prompt_tokens,
        completion_tokens=rollout.completion_tokens + end.completion_tokens,
        seconds=round(rollout.seconds + end.seconds, 3),
    )


def _check_tags(client: ChatClient, spec: ReasonerSpec) -> None:
    """Raise ``EnvironmentFault`` where a response does not arrive as it is written, or not as often as it is asked for.

    A server may strip the tags as special tokens, and some give one choice whatever ``n`` says.
    """
    line = _line(spec.style)
    asked = Conversation((("user", f"Repeat this line and write nothing else:\n{line}"),))
    settings: dict[str, Any] = {"temperature": 0.0, "max_tokens": 200, "n": spec.per_request, "seed": 0}
    if spec.force_tags:
        settings |= rollouts.held_to(rollouts.grammar(spec.style, True, 40))
    ((_, outcome),) = client.sample([ChatRequest(asked.messages(), "canary", settings)])
    said = outcome.error if isinstance(outcome, Failure) else rollouts.whole(outcome[0])
    tags = [tag for tag in (END_THINK, BOX, END_BOX) if tag not in said]
    if isinstance(outcome, Failure) or tags:
        raise EnvironmentFault(
            f"expected {spec.name} at {spec.served.endpoint} to repeat {line!r}, found {said[:200]!r}, without {tags}: serve it "
            f"so that special tokens stay in the text (`skip_special_tokens: false` in {spec.role}.served.extra), or, for a model "
            f"that was not trained to these tags, hold it to them: --set {spec.role}.force_tags=true"
        )
    if len(outcome) < spec.per_request:
        raise EnvironmentFault(
            f"expected {spec.per_request} choices of {spec.name} at {spec.served.endpoint}, found {len(outcome)}: it does not take `n`; "
            f"ask for one at a time, --set {spec.role}.per_request=1"
        )


def _line(style: Style) -> str:
    """Return a response with every tag of ``style``."""
    answer = f"{BOX}1{END_BOX}"
    return f"{THINK}one{END_THINK}" + (f"{ANSWER}{answer}{END_ANSWER}" if style == "glm41v" else answer)
