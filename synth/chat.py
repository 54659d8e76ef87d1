"""Chat completions over the OpenAI-compatible HTTP API, which is what vLLM, SGLang and llama.cpp serve.

All requests of a client run in one event loop on one thread, however many threads of the worker ask. What may happen:

- 429: the bound on requests in flight halves and the request waits its turn; 503 and a timeout halve it too, and are retried.
- any other 5xx, a connection error, a body that is no chat completion: retried, with backoff and full jitter.
- 400, 403, 404 and other refusals, and what is left after the last retry: the *canary* is sent, a request of a few words. If
  the server answers it, the request was at fault (``Failure``), such as a text that a gateway dislikes; otherwise the server
  is, or the key, or the address (``EnvironmentFault``).
- 401, which no request can mend: ``EnvironmentFault`` at once.
"""

import asyncio
import queue
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any, Self, TypeVar

import httpx
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception, stop_after_attempt, wait_random_exponential

from schemas.exits import EnvironmentFault
from schemas.protocols import Answer, ChatRequest, Failure
from synth.advice import ADVICE, BLIND, KEY, START
from synth.api_key import read_key
from synth.completion import NoAnswer, Turn, read, red_square
from synth.in_flight import InFlight

T = TypeVar("T")

EMBEDDED = "embedded"
"""Endpoint of a model that the launcher serves beside the pipeline; for local runners only."""

CHECK_SECONDS = 10.0
"""Seconds after which a server that does not answer counts as dead when a run starts (ours)."""
MAX_PAUSE = 30.0
"""Seconds between two attempts at most, also where Retry-After asks for more (ours)."""
PATIENCE = 20
"""429s in a row that one attempt waits out (ours: minutes of waiting; a request that is too large for a quota gets 429 for ever)."""


@dataclass(frozen=True)
class ChatSpec:
    """A served model and how it is asked."""

    endpoint: str
    """``http://HOST:8000/v1``; without credentials."""
    model: str
    temperature: float = 0.0
    top_p: float = 1.0
    max_tokens: int = 200
    seed: int = 0
    extra: Mapping[str, Any] = field(default_factory=dict[str, Any], hash=False)
    """Further fields of the request, such as ``chat_template_kwargs``."""
    timeout_seconds: float = 120.0
    """Seconds for one attempt, from connecting to the last byte."""
    max_in_flight: int = 32
    """Requests in flight at most, over all workers."""
    retries: int = 4
    """Attempts after the first; waiting out a 429 is none."""
    backoff_seconds: float = 0.5
    """Longest pause before the first retry; doubles with each further one, up to ``MAX_PAUSE``."""
    api_key_env: str = ""
    """Name of the environment variable that holds the key; empty where the server asks for none."""
    api_key_secret: str = ""
    """Version of a Google secret that holds the key instead, ``projects/P/secrets/S/versions/V``: read by each worker."""
    role: str = "captioner"
    """Section of the job that this model stands in: names its failures."""
    has_section: bool = False
    """Whether where it is served stands in a section ``served`` of its own below the role's."""

    def __post_init__(self) -> None:
        reserved = self.extra.keys() & {"model", "messages", "temperature", "top_p", "max_tokens", "seed", "stream", "n"}
        if reserved:
            raise ValueError(f"{self.section}.extra must not set {sorted(reserved)}")
        if self.api_key_env and self.api_key_secret:
            raise ValueError(f"{self.section}.api_key_env and {self.section}.api_key_secret each name a key: set one of them")

    @property
    def section(self) -> str:
        """Return the section that messages tell to set."""
        return f"{self.role}.served" if self.has_section else self.role

    @property
    def identity(self) -> dict[str, Any]:
        """Return every field of a request but its messages: what an answer depends on."""
        sampling = {"temperature": self.temperature, "top_p": self.top_p, "max_tokens": self.max_tokens, "seed": self.seed}
        return {"model": self.model, **sampling, **self.extra}

    def load(self, workers: int = 1) -> "ChatClient":
        """Return a client with its share of ``max_in_flight`` among so many workers.

        Raises ``EnvironmentFault`` for an endpoint that is no URL and for a key that is missing.
        """
        return ChatClient(self, max(1, self.max_in_flight // workers))


class ChatClient:
    """A ``schemas.protocols.ChatModel``. Safe to share between threads; ``close`` it, or let it end with the process."""

    def __init__(self, spec: ChatSpec, most: int, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self.spec = spec
        address = _address(spec)
        self._secret = read_key(spec.section, variable=spec.api_key_env, secret=spec.api_key_secret)
        self._http = httpx.AsyncClient(
            base_url=address,
            headers={"Authorization": f"Bearer {self._secret}"} if self._secret else {},
            timeout=None,  # noqa: S113 - each attempt as a whole has its time
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=most),
        )
        self._in_flight = InFlight(most)
        self._sleep = sleep
        self._jitter = wait_random_exponential(multiplier=spec.backoff_seconds, max=MAX_PAUSE)
        self._verdict: asyncio.Task[EnvironmentFault | None] | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="chat", daemon=True)
        self._thread.start()

    def ask(self, requests: Sequence[ChatRequest]) -> Generator[tuple[int, Answer | Failure]]:
        """Yield (index, outcome) for every request, in the order in which they finish. Closing it cancels the others.

        Raises ``EnvironmentFault``, after the outcomes that came before it, when the server is at fault.
        """
        with closing(self.sample(requests)) as finished:
            for index, outcome in finished:
                yield index, outcome if isinstance(outcome, Failure) else outcome[0]

    def sample(self, requests: Sequence[ChatRequest]) -> Generator[tuple[int, tuple[Answer, ...] | Failure]]:
        """Yield likewise all choices of every request: as many as its ``n`` asks for, or as the server gives."""
        finished: queue.SimpleQueue[tuple[int, tuple[Answer, ...] | Failure] | None] = queue.SimpleQueue()
        asking = asyncio.run_coroutine_threadsafe(self._ask_all(requests, finished.put), self._loop)
        asking.add_done_callback(lambda _: finished.put(None))
        try:
            while (outcome := finished.get()) is not None:
                yield outcome
            asking.result()
        finally:
            asking.cancel()

    def check(self, *, image: bool = False, seconds: float = CHECK_SECONDS) -> None:
        """Raise ``EnvironmentFault`` unless the server answers a few words, and an ``image`` if wanted, in so many seconds."""
        self._run(self._check(image, seconds))

    def models(self, *, seconds: float = CHECK_SECONDS) -> list[str]:
        """Return the names of the models that the server lists; raises ``EnvironmentFault`` unless it does in so many seconds."""
        return [entry["id"] for entry in self._run(self._models(seconds))]

    def context(self, *, seconds: float = CHECK_SECONDS) -> int | None:
        """Return the most tokens that prompt and answer may have together, as vLLM lists it; None where the server does not tell."""
        try:
            listed = self._run(self._models(seconds))
        except EnvironmentFault:  # one that answers and lists nothing keeps the number to itself
            return None
        found = next((entry.get("max_model_len") for entry in listed if entry["id"] == self.spec.model), None)
        return found if isinstance(found, int) else None

    def close(self) -> None:
        """Cancel what is under way and end the thread."""
        if not self._loop.is_closed():
            self._run(self._shut())
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    async def _shut(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await self._http.aclose()

    async def _ask_all(self, requests: Sequence[ChatRequest], put: Callable[[tuple[int, tuple[Answer, ...] | Failure]], None]) -> None:
        async def ask(index: int, request: ChatRequest) -> None:
            put((index, await self._outcome(request)))

        tasks = [asyncio.create_task(ask(index, request)) for index, request in enumerate(requests)]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()

    async def _outcome(self, request: ChatRequest) -> tuple[Answer, ...] | Failure:
        try:
            return await self._answer({**self.spec.identity, **request.settings, "messages": request.messages})
        except NoAnswer as missing:
            if fault := await self._canary():
                raise fault from missing
            return Failure(f"{self.spec.role}_failed", f"expected a chat completion, found {missing}")

    async def _canary(self) -> EnvironmentFault | None:
        """Tell whether the server is at fault; requests that fail together share one canary."""
        if self._verdict is None or self._verdict.done():
            self._verdict = asyncio.create_task(self._ping(Turn("Say hello.")))
        return await asyncio.shield(self._verdict)

    async def _ping(self, turn: Turn, advice: str = "") -> EnvironmentFault | None:
        try:
            await self._patient({**self.spec.identity, "max_tokens": 1, "messages": turn.messages()})
        except NoAnswer as missing:
            return self._fault(str(missing), advice or ADVICE.get(missing.status, START))
        except EnvironmentFault as fault:
            return fault
        return None

    async def _check(self, image: bool, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                fault = await self._ping(Turn("Say hello."))
                if image and not fault:
                    fault = await self._ping(Turn("What colour is this?", (("image/png", red_square()),)), BLIND)
        except TimeoutError:
            fault = self._fault(f"no answer within {seconds:g} s")
        if fault:
            raise fault

    async def _answer(self, body: Mapping[str, Any]) -> tuple[Answer, ...]:
        return await self._retrying("broken", self.spec.retries)(self._patient, body)

    async def _patient(self, body: Mapping[str, Any]) -> tuple[Answer, ...]:
        return await self._retrying("throttled", PATIENCE)(self._attempt, body)

    def _retrying(self, kind: str, times: int) -> AsyncRetrying:
        return AsyncRetrying(
            retry=retry_if_exception(lambda error: isinstance(error, NoAnswer) and error.kind == kind),
            stop=stop_after_attempt(times + 1),
            wait=self._pause,
            sleep=self._sleep,
            reraise=True,
        )

    def _pause(self, state: RetryCallState) -> float:
        missing = state.outcome.exception() if state.outcome else None
        asked = missing.retry_after if isinstance(missing, NoAnswer) else 0.0
        return max(self._jitter(state), min(asked, MAX_PAUSE))

    async def _attempt(self, body: Mapping[str, Any]) -> tuple[Answer, ...]:
        async with self._in_flight as cuts:
            try:
                answer = await self._post(body)
            except NoAnswer as missing:
                if missing.overload:
                    self._in_flight.halve(cuts)
                if missing.status == 401:
                    raise self._fault(str(missing), KEY) from missing
                raise
            self._in_flight.grow()
            return answer

    async def _post(self, body: Mapping[str, Any]) -> tuple[Answer, ...]:
        began = time.monotonic()
        try:
            async with asyncio.timeout(self.spec.timeout_seconds):
                response = await self._http.post("chat/completions", json=body)
        except TimeoutError as error:
            raise NoAnswer("broken", f"no answer within {self.spec.timeout_seconds:g} s", overload=True) from error
        except httpx.RequestError as error:
            raise NoAnswer("broken", f"{type(error).__name__}: {error}") from error
        return read(response, time.monotonic() - began, self._secret)

    async def _models(self, seconds: float) -> list[dict[str, Any]]:
        try:
            async with asyncio.timeout(seconds):
                response = await self._http.get("models")
            return [{**entry, "id": entry["id"]} for entry in response.raise_for_status().json()["data"]]
        except (TimeoutError, httpx.HTTPError, ValueError, LookupError, TypeError) as error:
            advice = ADVICE.get(error.response.status_code, START) if isinstance(error, httpx.HTTPStatusError) else START
            raise self._fault(f"no list of models ({type(error).__name__}: {error})", advice) from error

    def _fault(self, found: str, advice: str = START) -> EnvironmentFault:
        names = {"model": self.spec.model, "section": self.spec.section, "endpoint": self.spec.endpoint}
        expected = f"expected {self.spec.model} to answer at {self.spec.endpoint}"
        return EnvironmentFault(f"{expected}, found {found}; {advice.format(**names)}")


def _address(spec: ChatSpec) -> httpx.URL:
    """Return the endpoint; the error for one that is none does not quote what may be a password."""
    try:
        url = httpx.URL(spec.endpoint)
    except httpx.InvalidURL:
        url = httpx.URL()
    if url.scheme in ("http", "https") and url.host and not url.userinfo and not url.query:
        return url
    found = f"{url.scheme}://{url.host}" if url.host else "none"
    raise EnvironmentFault(
        f"expected an address like http://HOST:8000/v1, without user, password or query, found {found}; "
        f"--set {spec.section}.endpoint=..., and for a key --set {spec.section}.api_key_env=NAME"
    )
