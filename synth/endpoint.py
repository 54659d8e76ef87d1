"""Where a model is served, and how it is reached: what reasoners and judges have alike."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from schemas.weights import entry_of
from synth.chat import EMBEDDED, ChatSpec
from synth.served import served_model


@dataclass(frozen=True)
class Served:
    """A served model."""

    endpoint: str = EMBEDDED
    """``http://HOST:8000/v1`` of an OpenAI-compatible server, or ``embedded``: this machine serves ``weights`` while the job runs."""
    weights: str = "qwen"
    """What the embedded server serves, by its name in ``schemas.weights``."""
    model: str = ""
    """Name that the server knows the model by; empty takes the one model that it lists."""
    revision: str = ""
    """Revision of the model: the server does not tell, and another one gives other answers."""
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any], hash=False)
    """Further fields of each request, such as ``chat_template_kwargs``."""
    max_in_flight: int = 32
    """Requests in flight at most, over all workers (ours)."""
    timeout_seconds: float = 1800.0
    """Seconds for one attempt (ours: long thoughts take minutes)."""
    retries: int = 4
    """Attempts after the first (ours)."""
    backoff_seconds: float = 0.5
    """Longest pause before the first retry; doubles with each further one (ours)."""
    api_key_env: str = ""
    """Name of the environment variable that holds the key; empty where the server asks for none."""
    api_key_secret: str = ""
    """Version of a Google secret that holds the key instead, ``projects/P/secrets/S/versions/V``: for workers elsewhere."""

    def __post_init__(self) -> None:
        """Refuse a name for what needs none, and a key where nobody asks for one."""
        if self.endpoint == EMBEDDED and self.model:
            raise ValueError("`model` names what an endpoint serves; what the embedded server serves is `weights`")
        if self.endpoint == EMBEDDED and (self.api_key_env or self.api_key_secret):
            raise ValueError("a key is for an endpoint; the embedded server asks for none")

    @property
    def is_embedded(self) -> bool:
        """Tell whether the launcher serves the model itself."""
        return self.endpoint == EMBEDDED

    @property
    def name(self) -> str:
        """Return model and revision, as the column ``model`` has them."""
        model = self.model or Path(entry_of(self.weights).file).stem
        return f"{model}@{self.revision}" if self.revision else model

    @property
    def identity(self) -> tuple[str, str, str]:
        """Return what the answers depend on besides their requests: which model, of which revision, or which weights."""
        return self.model, self.revision, "" if self.model else entry_of(self.weights).sha256

    def chat(self, role: str, *, temperature: float, top_p: float, max_tokens: int, seed: int) -> ChatSpec:
        """Return the client's spec, for the model that stands in the section ``role`` of the job."""
        return ChatSpec(
            endpoint=self.endpoint,
            model=self.model or self.weights,
            temperature=temperature,
            top_p=top_p,
            max_tokens=max_tokens,
            seed=seed,
            extra=self.extra,
            timeout_seconds=self.timeout_seconds,
            max_in_flight=self.max_in_flight,
            retries=self.retries,
            backoff_seconds=self.backoff_seconds,
            api_key_env=self.api_key_env,
            api_key_secret=self.api_key_secret,
            role=role,
            has_section=True,
        )

    def resolved(self, role: str) -> "Served":
        """Return the model with the name that its endpoint lists it by, where the job names none.

        Raises ``EnvironmentFault`` as ``served_model`` does.
        """
        if self.is_embedded:
            return self
        return replace(self, model=served_model(self.chat(role, temperature=0.0, top_p=1.0, max_tokens=1, seed=0), self.model))

    def at(self, endpoint: str) -> "Served":
        """Return the embedded model at the address where it is served, one request at a time; its identity stays that of its weights."""
        return replace(self, endpoint=endpoint, max_in_flight=1)
