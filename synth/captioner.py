"""The captioner: factual-centred recaptioning (paper 3.1) by a served model, every answer stored as it arrives."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from schemas.protocols import Answer, CaptionTask, Failure
from schemas.weights import entry_of
from synth.answers import AnswerStore
from synth.chat import EMBEDDED, ChatClient, ChatSpec
from synth.completion import Turn
from synth.prompt import Prompt, load_prompt
from synth.served import ask_stored, check_served, served_model


@dataclass(frozen=True)
class CaptionerSpec:
    """A served model, its prompt and how it is asked."""

    version: ClassVar[int] = 1

    endpoint: str = EMBEDDED
    """``http://HOST:8000/v1`` of an OpenAI-compatible server, or ``embedded``: this machine serves ``weights`` while the job runs."""
    weights: str = "qwen"
    """What the embedded server serves, by its name in ``schemas.weights``."""
    model: str = ""
    """Name that the server knows the model by; empty takes the one model that it lists."""
    revision: str = ""
    """Revision of the model: the server does not tell, and another one gives other captions."""
    prompt: str = ""
    """Name of a packaged prompt, or path of a file that ends in ``.md``; empty takes ``recaption``, which sends the image, or for
    the embedded model, which cannot see, ``recaption_described``."""
    max_tokens: int = 200
    """Tokens of a caption at most (ours: five sentences; the paper's examples are one)."""
    temperature: float = 0.0
    seed: int = 0
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any], hash=False)
    """Further fields of each request, such as ``chat_template_kwargs: {enable_thinking: false}``."""
    max_in_flight: int = 32
    """Requests in flight at most, over all workers (ours)."""
    timeout_seconds: float = 120.0
    """Seconds for one attempt (ours)."""
    retries: int = 4
    """Attempts after the first (ours)."""
    backoff_seconds: float = 0.5
    """Longest pause before the first retry; doubles with each further one (ours)."""
    api_key_env: str = ""
    """Name of the environment variable that holds the key; empty where the server asks for none."""
    api_key_secret: str = ""
    """Version of a Google secret that holds the key instead, ``projects/P/secrets/S/versions/V``: for workers elsewhere."""

    @property
    def name(self) -> str:
        """Return model and revision, as the column ``caption_model`` has them."""
        model = self.model or Path(entry_of(self.weights).file).stem
        return f"{model}@{self.revision}" if self.revision else model

    @property
    def seen(self) -> str:
        """Return what the captioner has before it: ``image`` or ``description``."""
        return self.template.seen

    @property
    def prompt_version(self) -> str:
        """Return the version in the prompt's header."""
        return self.template.version

    @property
    def instructions(self) -> str:
        """Return the prompt's own words, which no caption should repeat."""
        return self.template.instructions

    @property
    def digest(self) -> str:
        """Return 32 hex digits over what a caption depends on: model, sampling, prompt; not where and how fast it is asked."""
        weights = "" if self.model else entry_of(self.weights).sha256
        parts = [self.version, weights, self.revision, self.chat.identity, self.template.digest]
        return hashlib.blake2b(json.dumps(parts, sort_keys=True).encode(), digest_size=16).hexdigest()

    @cached_property
    def template(self) -> Prompt:
        """Return the prompt, read once; raises ``ValueError`` where there is none."""
        return load_prompt(self.prompt or ("recaption_described" if self.endpoint == EMBEDDED else "recaption"))

    def key(self, task: CaptionTask) -> str:
        """Return the key under which the answer to ``task`` is stored."""
        return _turn(self.template, task).key(self.chat.identity)

    def resolved(self) -> "CaptionerSpec":
        """Return the spec with the name of the one model that the endpoint serves, where it names none itself.

        Raises ``EnvironmentFault`` where the endpoint is no address or its key is missing, and where it does not answer within
        10 seconds, or serves several; ``ValueError`` for a model named where ``weights`` say it, for fields of ``extra`` that have
        settings of their own, and for two keys.
        """
        chat = self.chat
        if self.endpoint == EMBEDDED and self.model:
            raise ValueError("`model` names what an endpoint serves; what the embedded server serves is `weights`")
        if self.endpoint == EMBEDDED and (self.api_key_env or self.api_key_secret):
            raise ValueError("a key is for an endpoint; the embedded server asks for none")
        if self.endpoint == EMBEDDED:
            return self
        return replace(self, model=served_model(chat, self.model))

    def served_at(self, endpoint: str) -> "CaptionerSpec":
        """Return the spec of the embedded model at the address where it is served, one request at a time."""
        return replace(self, endpoint=endpoint, prompt=self.prompt or "recaption_described", max_in_flight=1)

    @property
    def chat(self) -> ChatSpec:
        """Return the served model without the prompt."""
        return ChatSpec(
            endpoint=self.endpoint,
            model=self.model or self.weights,
            temperature=self.temperature,
            max_tokens=self.max_tokens,
            seed=self.seed,
            extra=self.extra,
            timeout_seconds=self.timeout_seconds,
            max_in_flight=self.max_in_flight,
            retries=self.retries,
            backoff_seconds=self.backoff_seconds,
            api_key_env=self.api_key_env,
            api_key_secret=self.api_key_secret,
        )

    def check(self) -> None:
        """Raise ``EnvironmentFault`` unless the server answers within 10 seconds, with an image where the prompt sends one.

        So it does for ``max_tokens`` beyond the server's context, which would kill every sample by itself.
        """
        check_served(self.chat, image=self.seen == "image")

    def load(self, answers: AnswerStore, workers: int = 1) -> "ServedCaptioner":
        """Return the captioner, with its share of ``max_in_flight`` among so many workers."""
        return ServedCaptioner(self.chat.load(workers), self.template, answers)


class ServedCaptioner:
    """A ``schemas.protocols.Captioner``. Safe to share between threads."""

    def __init__(self, client: ChatClient, prompt: Prompt, answers: AnswerStore) -> None:
        self._client, self._prompt, self._answers = client, prompt, answers

    def caption(self, split_id: str, tasks: Sequence[CaptionTask]) -> Sequence[Answer | Failure]:
        """Return one outcome per task, in order. Equal tasks are asked once; a stored answer is not asked again.

        Raises ``EnvironmentFault`` when the server, and not a sample, is at fault; what it answered until then is stored.
        """
        turns = [_turn(self._prompt, task) for task in tasks]
        identity = self._client.spec.identity
        keys = [turn.key(identity) for turn in turns]
        distinct = dict(zip(keys, turns, strict=True))
        outcomes = ask_stored(self._client, self._answers, split_id, distinct)
        return [outcomes[key] if key not in keys[:row] else _free(outcomes[key]) for row, key in enumerate(keys)]

    def close(self) -> None:
        """End the client's thread; a worker that ends need not."""
        self._client.close()


def _turn(prompt: Prompt, task: CaptionTask) -> Turn:
    text = prompt.fill(task.alt_text, task.evidence)
    return Turn(text, ((mime_type(task.image_format), task.image),) if prompt.seen == "image" else ())


def _free(outcome: Answer | Failure) -> Answer | Failure:
    """Return an outcome that an equal request before it has paid for."""
    return replace(outcome, prompt_tokens=0, completion_tokens=0, seconds=0.0) if isinstance(outcome, Answer) else outcome


def mime_type(image_format: str) -> str:
    """Return the MIME type of a Pillow format name. MPO is JPEG with more pictures behind the first."""
    return {"MPO": "image/jpeg", "JPEG2000": "image/jp2"}.get(image_format, f"image/{image_format.lower()}")
