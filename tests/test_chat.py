"""The chat client against servers that answer, refuse, stumble, hang and die. No test waits longer than a short timeout."""

import asyncio
import logging
import queue
import random
import socket
import threading
import time
import traceback
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.exits import EnvironmentFault
from schemas.protocols import Answer, ChatRequest, Failure
from synth.chat import CHECK_SECONDS, ChatClient, ChatSpec
from synth.completion import Turn
from synth.in_flight import InFlight
from tests.scripted_server import Call, Reply, Script, ScriptedServer, answer, caption, completion, die_after, error, throttle

SECRET = "sk-test-4f1b9e0c77"
PNG = b"\x89PNG any bytes \x00\xff"


def requests(count: int) -> list[ChatRequest]:
    return [ChatRequest(Turn(f"Alt text: boat number {n}").messages(), f"key-{n}") for n in range(count)]


@contextmanager
def serving(script: Script = answer, **settings: Any) -> Generator[tuple[ScriptedServer, ChatClient]]:
    """Yield a server with ``script`` and a client of it that hardly pauses between attempts."""
    with ScriptedServer(script) as server, ChatSpec(server.endpoint, "scripted", **{"backoff_seconds": 1e-4, **settings}).load() as client:
        yield server, client


@contextmanager
def impatient(script: Script, **settings: Any) -> Generator[tuple[ScriptedServer, ChatClient, list[float]]]:
    """Yield server, client and the list of pauses that the client would have made."""
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    with ScriptedServer(script) as server:
        spec = ChatSpec(server.endpoint, "scripted", **settings)
        with ChatClient(spec, spec.max_in_flight, sleep) as client:
            yield server, client, pauses


def outcomes(client: ChatClient, asked: Sequence[ChatRequest]) -> list[Answer | Failure]:
    found = dict(client.ask(asked))
    assert len(found) == len(asked)
    return [found[index] for index in range(len(asked))]


def once(first: Reply) -> Script:
    """Reply with ``first`` to the first call and answer all others."""
    return lambda call: first if call.number == 0 else answer(call)


def crowd(count: int, first: int = 0) -> Script:
    """Answer, but hold ``count`` calls from number ``first`` on until all are there, and then until one more comes or is overdue."""
    barrier, more = threading.Barrier(count, timeout=5), threading.Event()

    def held(call: Call) -> Reply:
        if first <= call.number < first + count:
            barrier.wait()
            more.wait(0.2)
        elif call.number >= first + count:
            more.set()
        return answer(call)

    return held


def fault_of(work: Callable[[], object]) -> str:
    with pytest.raises(EnvironmentFault) as caught:
        work()
    return str(caught.value)


# What is sent, and what comes back.


def test_an_answer_carries_text_finish_reason_tokens_and_seconds():
    with serving(lambda _: completion("Two red boats.", "length", prompt_tokens=41)) as (_, client):
        (found,) = outcomes(client, requests(1))
    assert isinstance(found, Answer)
    assert (found.text, found.finish_reason, found.prompt_tokens, found.completion_tokens) == ("Two red boats.", "length", 41, 3)
    assert 0 <= found.seconds < 5


def test_a_finish_reason_that_is_not_stated_is_empty():
    with serving(lambda _: completion("Two red boats.", None)) as (_, client):
        assert outcomes(client, requests(1)) == [Answer("Two red boats.", "", 7, 3, pytest.approx(0, abs=5))]


def test_an_answer_without_content_is_an_empty_text():
    with serving(lambda call: completion(None, "content_filter") if call.alt_text else answer(call)) as (_, client):
        (found,) = outcomes(client, requests(1))
    assert isinstance(found, Answer)
    assert (found.text, found.finish_reason) == ("", "content_filter")


def test_every_request_gets_its_own_outcome():
    with serving(max_in_flight=4) as (server, client):
        found = outcomes(client, requests(30))
    texts = {call.alt_text: caption(call) for call in server.calls}
    assert [f.text for f in found if isinstance(f, Answer)] == [texts[f"boat number {n}"] for n in range(30)]


def test_no_requests_ask_nothing():
    with serving() as (server, client):
        assert list(client.ask([])) == []
    assert server.calls == []


def test_the_body_says_model_sampling_and_extra_fields_and_the_header_the_key(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CHAT_TEST_KEY", f"{SECRET}\n")
    sampling = {"temperature": 0.25, "top_p": 0.5, "max_tokens": 17, "seed": 3}
    extra = {"chat_template_kwargs": {"enable_thinking": False}}
    with serving(**sampling, extra=extra, api_key_env="CHAT_TEST_KEY") as (server, client):
        outcomes(client, requests(1))
    (call,) = server.calls
    assert call.body == {"model": "scripted", **sampling, **extra, "messages": [{"role": "user", "content": "Alt text: boat number 0"}]}
    assert call.headers["Authorization"] == f"Bearer {SECRET}"


def test_no_key_sends_no_authorization():
    with serving() as (server, client):
        outcomes(client, requests(1))
    assert "Authorization" not in server.calls[0].headers


def test_extra_fields_cannot_replace_what_the_spec_says():
    with pytest.raises(ValueError, match="stream"):
        ChatSpec("http://x/v1", "m", extra={"stream": True})


# The key of a request.


@pytest.mark.parametrize(
    "changed", [{"model": "n"}, {"temperature": 0.1}, {"top_p": 0.9}, {"max_tokens": 9}, {"seed": 1}, {"extra": {"min_p": 0.1}}]
)
def test_whatever_changes_an_answer_changes_the_key(changed: dict[str, Any]):
    spec = ChatSpec("http://x/v1", "m")
    assert Turn("hello").key(spec.identity) != Turn("hello").key(replace(spec, **changed).identity)


@pytest.mark.parametrize(
    "changed",
    [
        {"endpoint": "http://y/v1"}, {"timeout_seconds": 1.0}, {"max_in_flight": 1}, {"retries": 0},
        {"backoff_seconds": 9.0}, {"api_key_env": "K"}, {"api_key_secret": "projects/p/secrets/s/versions/1"}, {"role": "judge"},
    ],
)  # fmt: skip
def test_where_and_how_fast_a_model_is_asked_leaves_the_key(changed: dict[str, Any]):
    spec = ChatSpec("http://x/v1", "m")
    assert Turn("hello").key(spec.identity) == Turn("hello").key(replace(spec, **changed).identity)


IMAGES = st.lists(st.tuples(st.sampled_from(["image/png", "image/jpeg"]), st.binary(max_size=2)), max_size=2)
TURNS = st.builds(Turn, st.text(max_size=3), IMAGES.map(tuple))


@given(TURNS, TURNS)
def test_two_turns_share_a_key_only_if_they_are_equal(one: Turn, other: Turn):
    identity = ChatSpec("http://x/v1", "m").identity
    assert (one.key(identity) == other.key(identity)) == (one == other)


# The bound.


@pytest.mark.parametrize(("workers", "bound"), [(1, 6), (2, 3), (4, 1), (100, 1)])
def test_the_bound_is_divided_among_workers_and_is_reached_and_never_exceeded(workers: int, bound: int):
    with (
        ScriptedServer(crowd(bound)) as server,
        ChatSpec(server.endpoint, "scripted", max_in_flight=6).load(workers) as client,
    ):
        outcomes(client, requests(4 * bound))
    assert server.most_in_flight == bound


def test_threads_that_share_a_client_share_its_bound():
    with serving(crowd(3), max_in_flight=3) as (server, client):
        threads = [threading.Thread(target=lambda: outcomes(client, requests(9))) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert (len(server.calls), server.most_in_flight) == (27, 3)


@pytest.mark.parametrize("status", [429, 503])
def test_overload_halves_the_bound_and_nothing_is_lost(status: int):
    eight, crowded = threading.Barrier(8, timeout=5), crowd(4, first=8)

    def refuse_the_first_eight(call: Call) -> Reply:
        if call.number >= 8:
            return crowded(call)
        eight.wait()
        return error(status, "slow down")

    with serving(refuse_the_first_eight, max_in_flight=8) as (server, client):
        found = outcomes(client, requests(40))
    assert all(isinstance(f, Answer) for f in found)
    assert server.calls[12].in_flight <= 4, "the fifth call after the refusals waits until one of the first four is answered"
    assert len(server.calls) == 48


def test_requests_that_time_out_together_halve_the_bound_once_and_nothing_is_lost():
    four, never, more = threading.Barrier(4, timeout=5), threading.Event(), threading.Event()
    overtaken: list[bool] = []

    def late_for_the_first_eight(call: Call) -> Reply:
        if call.number < 8:
            return Reply(hold=never)
        if call.number < 12:
            four.wait()
            overtaken.append(more.wait(0.2))
        else:
            more.set()
        return answer(call)

    with serving(late_for_the_first_eight, max_in_flight=8, timeout_seconds=1.0) as (server, client):
        found = outcomes(client, requests(24))
        never.set()
    assert all(isinstance(f, Answer) for f in found)
    assert len(server.calls) == 32
    assert overtaken == [False] * 4, "no fifth request is sent while four are under way"


def test_a_server_that_bears_two_at_a_time_answers_everything_asked_of_sixteen():
    with serving(throttle(2), max_in_flight=16, retries=0) as (_, client):
        assert all(isinstance(found, Answer) for found in outcomes(client, requests(60)))


async def limit_of(bound: InFlight, asked: int) -> int:
    """Return how many of ``asked`` entries are let in at once."""
    entered = 0

    async def enter() -> None:
        nonlocal entered
        async with bound:
            entered += 1
            await asyncio.Event().wait()

    tasks = [asyncio.create_task(enter()) for _ in range(asked)]
    for _ in range(3 * asked):
        await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    return entered


def test_the_bound_halves_once_for_requests_that_were_in_flight_together_and_never_below_one():
    async def story() -> list[int]:
        bound = InFlight(9)
        seen = [await limit_of(bound, 20)]
        for cut in (0, 0, 1, 2, 3, 4):
            bound.halve(cut)
            seen.append(await limit_of(bound, 20))
        return seen

    assert asyncio.run(story()) == [9, 4, 4, 2, 1, 1, 1]


def test_answers_win_the_bound_back_slowly_and_not_beyond_where_it_began():
    async def story() -> list[int]:
        bound = InFlight(4)
        bound.halve(0)
        seen = []
        for _ in range(12):
            seen.append(await limit_of(bound, 9))
            bound.grow()
        return seen

    seen = asyncio.run(story())
    assert seen[0] == 2
    assert seen == sorted(seen)
    assert seen.count(2) >= 2
    assert seen.count(3) >= 3
    assert seen[-1] == 4


@given(st.integers(1, 9), st.lists(st.booleans(), max_size=60), st.randoms())
def test_whoever_is_let_in_is_within_the_bound_of_that_moment(most: int, overloads: list[bool], chance: random.Random):
    async def story() -> None:
        bound, busy, halvings, limit = InFlight(most), 0, 0, float(most)

        async def work(overload: bool) -> None:
            nonlocal busy, halvings, limit
            async with bound as cuts:
                busy += 1
                assert busy <= int(limit)
                for _ in range(chance.randrange(4)):
                    await asyncio.sleep(0)
                busy -= 1
                if not overload:
                    bound.grow()
                    limit = min(most, limit + 1 / limit)
                else:
                    bound.halve(cuts)
                    limit, halvings = (max(1, limit / 2), halvings + 1) if cuts == halvings else (limit, halvings)

        await asyncio.gather(*(work(overload) for overload in overloads))
        assert await limit_of(bound, 2 * most) == int(limit)

    asyncio.run(story())


# Retries.

TROUBLES = {
    "a server error": error(500, "CUDA error"),
    "an unavailable server": error(503),
    "a connection that is dropped": Reply(drop=True),
    "a body cut short": replace(completion("Two red boats in the harbour."), withheld=9),
    "half a JSON": Reply(body=b'{"choices": [{"mess'),
    "JSON of another kind": Reply(body=b'{"object": "list", "data": []}'),
    "no choice": Reply(body=b'{"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}'),
    "no usage": Reply(body=b'{"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}]}'),
    "half of a surrogate pair": Reply(body=completion("x").body.replace(b'"x"', b'"\\ud83d"')),
    "bytes that are no text": Reply(body=b"\xff\xfe\x00"),
    "a login page": Reply(body=b"<html>sign in</html>", headers={"Content-Type": "text/html"}),
    "a body that is not what its encoding says": Reply(body=b"plain", headers={"Content-Encoding": "gzip"}),
}


@pytest.mark.parametrize("trouble", TROUBLES.values(), ids=TROUBLES.keys())
def test_trouble_is_asked_again_and_the_answer_counts(trouble: Reply):
    with serving(once(trouble)) as (server, client):
        (found,) = outcomes(client, requests(1))
    assert isinstance(found, Answer)
    assert len(server.calls) == 2


def test_a_request_that_takes_too_long_is_asked_again():
    never = threading.Event()
    with serving(once(Reply(hold=never)), timeout_seconds=0.2) as (server, client):
        (found,) = outcomes(client, requests(1))
        never.set()
    assert isinstance(found, Answer)
    assert len(server.calls) == 2


def test_pauses_grow_twofold_with_full_jitter():
    with impatient(lambda call: error(500) if call.alt_text else answer(call), backoff_seconds=0.5, retries=4) as (server, client, pauses):
        found = outcomes(client, requests(40))
    assert all(isinstance(f, Failure) for f in found)
    assert len(server.alt_texts) == 40 * 5
    limits = sorted([0.5, 1.0, 2.0, 4.0] * 40)
    assert all(0 <= pause <= limit for pause, limit in zip(sorted(pauses), limits, strict=True))
    assert min(pauses) < 0.1
    assert max(pauses) > 3.0


@pytest.mark.parametrize("status", [429, 500, 503])
def test_retry_after_is_waited_for(status: int):
    with impatient(once(error(status, Retry_After="7")), backoff_seconds=0.01) as (_, client, pauses):
        outcomes(client, requests(1))
    assert pauses == [7.0]


def test_retry_after_as_a_date_is_waited_for():
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=20), usegmt=True)
    with impatient(once(error(429, Retry_After=later)), backoff_seconds=0.01) as (_, client, pauses):
        outcomes(client, requests(1))
    assert 15 < pauses[0] <= 20


@pytest.mark.parametrize("value", ["999999999", "9" * 400])
def test_retry_after_is_not_waited_for_beyond_half_a_minute(value: str):
    with impatient(once(error(429, Retry_After=value))) as (_, client, pauses):
        outcomes(client, requests(1))
    assert pauses == [30.0]


@pytest.mark.parametrize("value", ["", "soon", "-5", "nan", "Wed, 21 Oct 2015 07:28:00 GMT"])
def test_a_retry_after_that_says_nothing_is_a_pause_like_any_other(value: str):
    with impatient(once(error(429, Retry_After=value)), backoff_seconds=0.01) as (_, client, pauses):
        (found,) = outcomes(client, requests(1))
    assert isinstance(found, Answer)
    assert 0 <= pauses[0] <= 0.01


# Whose fault it is.


def test_a_request_that_is_refused_fails_alone_and_at_once():
    def refuse_seven(call: Call) -> Reply:
        return error(400, "cannot identify image " + "x" * 500) if call.alt_text == "boat number 7" else answer(call)

    with serving(refuse_seven) as (server, client):
        found = outcomes(client, requests(12))
    (failure,) = [f for f in found if isinstance(f, Failure)]
    assert found[7] is failure
    assert failure.reason == "captioner_failed"
    assert "HTTP 400" in failure.error
    assert "cannot identify image" in failure.error
    assert len(failure.error) < 300
    assert server.alt_texts.count("boat number 7") == 1
    assert server.canaries == 1


@pytest.mark.parametrize("status", [302, 403, 404, 405, 413, 415, 422])
def test_one_request_that_a_server_or_the_gateway_before_it_refuses_fails_alone_and_is_not_asked_again(status: int):
    def dislike_two(call: Call) -> Reply:
        return error(status, "blocked by rule 949110") if call.alt_text == "boat number 2" else answer(call)

    with serving(dislike_two) as (server, client):
        found = outcomes(client, requests(5))
    (failure,) = [f for f in found if isinstance(f, Failure)]
    assert found[2] is failure
    assert failure.reason == "captioner_failed"
    assert f"HTTP {status}" in failure.error
    assert (server.alt_texts.count("boat number 2"), server.canaries) == (1, 1)


def test_a_request_that_breaks_the_server_each_time_fails_alone_after_the_last_retry():
    def broken_by_three(call: Call) -> Reply:
        return Reply(drop=True) if call.alt_text == "boat number 3" else answer(call)

    with serving(broken_by_three, retries=2) as (server, client):
        found = outcomes(client, requests(6))
    assert [isinstance(f, Failure) for f in found] == [False, False, False, True, False, False]
    assert server.alt_texts.count("boat number 3") == 3


def test_a_request_that_a_quota_never_admits_fails_alone():
    def too_large(call: Call) -> Reply:
        return error(429, "Request too large") if call.alt_text == "boat number 1" else answer(call)

    with impatient(too_large) as (_, client, pauses):
        found = outcomes(client, requests(4))
    assert [isinstance(f, Failure) for f in found] == [False, True, False, False]
    assert len(pauses) >= 10


def test_failures_bear_the_name_of_their_role():
    with serving(lambda call: error(400) if call.alt_text else answer(call), role="judge") as (_, client):
        assert [f.reason for f in outcomes(client, requests(1)) if isinstance(f, Failure)] == ["judge_failed"]


@pytest.mark.parametrize("trouble", [error(500), error(503), error(429), Reply(drop=True), Reply(body=b"<html>")])
def test_a_server_that_refuses_the_canary_too_stops_the_run_and_the_message_says_what_to_do(trouble: Reply):
    with impatient(lambda _: trouble) as (server, client, _):
        message = fault_of(lambda: list(client.ask(requests(3))))
    assert server.canaries >= 1
    assert server.endpoint in message
    assert "python -m vllm.entrypoints.openai.api_server --model scripted" in message
    assert "--set captioner.endpoint=" in message


def test_what_was_answered_before_the_server_died_comes_before_the_fault():
    found: list[Answer | Failure] = []
    with serving(die_after(10), max_in_flight=2) as (_, client):
        message = fault_of(lambda: found.extend(outcome for _, outcome in client.ask(requests(25))))
    assert len(found) == 10
    assert all(isinstance(f, Answer) for f in found)
    assert "python -m vllm" in message


def test_a_wrong_key_stops_the_run_without_a_second_try():
    with serving(lambda _: error(401, "no such key"), max_in_flight=1) as (server, client):
        message = fault_of(lambda: list(client.ask(requests(9))))
    assert "HTTP 401" in message
    assert "no such key" in message
    assert "--set captioner.api_key_env=NAME" in message
    assert "--set captioner.api_key_secret=" in message
    assert len(server.calls) == 1


@pytest.mark.parametrize(
    ("status", "advice"), [(401, "--set captioner.api_key_env=NAME"), (403, "--set captioner.api_key_env=NAME"), (404, "/v1/models")]
)
def test_a_canary_that_is_refused_for_key_or_address_stops_the_run_and_the_message_says_what_to_do(status: int, advice: str):
    with serving(lambda call: error(403 if call.alt_text else status, "no such thing"), max_in_flight=1) as (server, client):
        message = fault_of(lambda: list(client.ask(requests(9))))
    assert f"HTTP {status}" in message
    assert "no such thing" in message
    assert advice in message
    assert server.canaries == 1
    assert len(server.alt_texts) == len(set(server.alt_texts)), "no request is tried a second time"


@pytest.mark.parametrize(("status", "advice"), [(401, "api_key_env=NAME"), (403, "api_key_env=NAME"), (404, "/v1/models")])
def test_a_wrong_key_or_address_is_found_before_the_run(status: int, advice: str):
    with serving(lambda _: error(status, "no such thing")) as (_, client):
        message = fault_of(lambda: client.check(image=True))
    assert "no such thing" in message
    assert advice in message


# Checks before a run.


@contextmanager
def listening(behave: Callable[[socket.socket, threading.Event], None]) -> Generator[str]:
    """Yield the endpoint of a server that accepts one connection and then does as ``behave`` says."""
    stop = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                behave(connection, stop)

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.getsockname()[1]}/v1"
        finally:
            stop.set()
            thread.join()


def say_nothing(connection: socket.socket, stop: threading.Event) -> None:
    stop.wait()


def trickle(connection: socket.socket, stop: threading.Event) -> None:
    """Send a header that never ends, a byte at a time: each read succeeds."""
    connection.send(b"HTTP/1.1 200 OK\r\nX-Wait: ")
    while not stop.wait(0.01):
        connection.send(b".")


@pytest.mark.parametrize("behave", [say_nothing, trickle])
def test_a_server_that_does_not_come_to_an_answer_is_given_up_in_time(behave: Callable[[socket.socket, threading.Event], None]):
    with listening(behave) as endpoint, ChatSpec(endpoint, "m").load() as client:
        began = time.monotonic()
        message = fault_of(lambda: client.check(seconds=0.3))
        assert time.monotonic() - began < 3
    assert endpoint in message
    assert "0.3 s" in message
    assert "python -m vllm.entrypoints.openai.api_server --model m" in message


def test_a_server_that_never_accepts_is_given_up_in_time():
    with (
        socket.create_server(("127.0.0.1", 0), backlog=1) as server,
        ChatSpec(f"http://127.0.0.1:{server.getsockname()[1]}/v1", "m").load() as client,
    ):
        began = time.monotonic()
        fault_of(lambda: client.check(seconds=0.3))
        assert time.monotonic() - began < 3


def test_a_check_takes_ten_seconds_at_most():
    assert CHECK_SECONDS <= 10


def test_a_server_that_throttles_for_ever_is_given_up_in_time():
    with serving(lambda _: error(429)) as (_, client):
        fault_of(lambda: client.check(seconds=0.3))


def test_a_port_where_nobody_listens_is_given_up_at_once():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with ChatSpec(f"http://127.0.0.1:{port}/v1", "m").load() as client:
        message = fault_of(client.check)
    assert f"http://127.0.0.1:{port}/v1" in message
    assert "connection" in message.lower()
    assert "--set captioner.endpoint=" in message


def test_a_check_of_a_server_that_answers_passes_and_is_cheap():
    with serving() as (server, client):
        client.check(image=True)
    assert [call.body["max_tokens"] for call in server.calls] == [1, 1]
    assert [len(call.images) for call in server.calls] == [0, 1]
    mime, data = server.calls[1].images[0]
    assert mime == "image/png"
    assert data.startswith(b"\x89PNG\r\n\x1a\n")


@pytest.mark.parametrize("status", [400, 403, 404, 500])
def test_a_model_without_eyes_is_found_before_the_run(status: int):
    with serving(lambda call: error(status, "image input is not supported") if call.images else answer(call), retries=0) as (_, client):
        client.check()
        message = fault_of(lambda: client.check(image=True))
    assert "not images" in message
    assert "image input is not supported" in message
    assert "--set captioner.prompt=recaption_described" in message


def test_fields_that_the_server_refuses_are_found_before_the_run():
    with serving(lambda call: error(400, "extra inputs") if "min_p" in call.body else answer(call), extra={"min_p": 0.1}) as (_, client):
        message = fault_of(client.check)
    assert "extra inputs" in message
    assert "look at captioner.extra" in message


@pytest.mark.parametrize("endpoint", ["", "embedded", "localhost:8000/v1", "ftp://x/v1", "http://", "http://x:y:z/v1"])
def test_an_endpoint_that_is_no_address_is_refused(endpoint: str):
    assert "--set captioner.endpoint=" in fault_of(ChatSpec(endpoint, "m").load)


# Ending.


def alive() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.is_alive()}


def test_closing_the_outcomes_early_cancels_what_is_pending():
    release = threading.Event()
    with serving(lambda call: answer(call) if call.number == 0 else replace(answer(call), hold=release), max_in_flight=2) as (
        server,
        client,
    ):
        with closing(client.ask(requests(50))) as found:
            next(found)
        release.set()
        outcomes(client, [ChatRequest(Turn("Alt text: the last").messages(), "last")])
    # The bound is first come, first served: whatever was still pending would have been asked before the last.
    assert len(server.calls) <= 5


def test_a_closed_client_leaves_no_thread():
    never = threading.Event()
    before = alive()
    with serving(lambda call: answer(call) if call.number == 0 else Reply(hold=never)) as (_, client):
        with closing(client.ask(requests(9))) as found:
            next(found)
        client.close()
        assert {thread for thread in alive() - before if thread.name == "chat"} == set()
        never.set()


def test_a_fault_ends_requests_that_hang():
    never = threading.Event()
    gone = queue.SimpleQueue[float]()
    with serving(lambda call: error(401) if call.number == 3 else Reply(hold=never), max_in_flight=4, timeout_seconds=60) as (_, client):
        began = time.monotonic()
        fault_of(lambda: list(client.ask(requests(8))))
        client.close()
        gone.put(time.monotonic() - began)
        never.set()
    assert gone.get() < 10


def test_a_client_asks_again_after_a_fault():
    with serving(once(error(401))) as (_, client):
        fault_of(lambda: list(client.ask(requests(1))))
        assert all(isinstance(found, Answer) for found in outcomes(client, requests(3)))


def test_closing_twice_is_closing_once():
    with serving() as (_, client):
        client.close()


# Secrets.


def echo_key(status: int) -> Script:
    return lambda call: error(status, f"{'x' * 150} you sent {call.headers['Authorization']}")


@pytest.mark.parametrize("status", [200, 400, 401, 404, 429, 500])
def test_the_key_is_in_no_message_log_or_repr(status: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture):
    monkeypatch.setenv("CHAT_TEST_KEY", SECRET)
    caplog.set_level(logging.DEBUG)
    with impatient(echo_key(status), api_key_env="CHAT_TEST_KEY") as (_, client, _):
        with pytest.raises(EnvironmentFault) as caught:
            list(client.ask(requests(2)))
        told = [repr(client), repr(client.spec), str(client.spec.identity), caplog.text, *traceback.format_exception(caught.value)]
    assert "you sent" in str(caught.value)
    assert SECRET[:8] not in "".join(told)


def test_the_key_is_not_in_a_failure(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CHAT_TEST_KEY", SECRET)
    with serving(lambda call: echo_key(400)(call) if call.alt_text else answer(call), api_key_env="CHAT_TEST_KEY") as (_, client):
        (failure,) = outcomes(client, requests(1))
    assert isinstance(failure, Failure)
    assert "you sent" in failure.error
    assert SECRET[:8] not in failure.error


@pytest.mark.parametrize("value", [None, "", "  \n", f"{SECRET}\nX-Other: 1", f"{SECRET}é"])
def test_a_key_that_is_missing_or_unfit_is_an_environment_fault_that_names_the_variable(value: str | None, monkeypatch: pytest.MonkeyPatch):
    if value is None:
        monkeypatch.delenv("CHAT_TEST_KEY", raising=False)
    else:
        monkeypatch.setenv("CHAT_TEST_KEY", value)
    message = fault_of(ChatSpec("http://x/v1", "m", api_key_env="CHAT_TEST_KEY").load)
    assert "CHAT_TEST_KEY" in message
    assert SECRET not in message


def test_a_key_in_capitals_in_the_place_of_its_name_is_not_quoted_either():
    message = fault_of(ChatSpec("http://x/v1", "m", api_key_env="AKIAIOSFODNN7EXAMPLE").load)
    assert "api_key_secret" in message
    assert "AKIA" not in message


def test_a_key_in_the_place_of_its_name_is_refused_without_being_quoted():
    message = fault_of(ChatSpec("http://x/v1", "m", api_key_env=SECRET).load)
    assert "captioner.api_key_env" in message
    assert SECRET not in message


@pytest.mark.parametrize("endpoint", [f"http://user:{SECRET}@host/v1", f"https://host/v1?key={SECRET}"])
def test_credentials_in_an_endpoint_are_refused_without_being_quoted(endpoint: str):
    assert SECRET not in fault_of(ChatSpec(endpoint, "m").load)
