"""The captioner from task to outcome against a real server, and the prompts it asks with."""

import logging
import pickle
import subprocess
import sys
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.caption_rules import CaptionRules
from schemas.exits import EnvironmentFault
from schemas.protocols import Answer, CaptionTask, Failure
from synth.answers import AnswerStore
from synth.captioner import CaptionerSpec, ServedCaptioner
from synth.chat import ChatSpec
from synth.prompt import Prompt, load_prompt
from tests.scripted_server import Call, Reply, Script, ScriptedServer, answer, die_after, error

SPLIT = "0123456789abcdef0123456789abcdef"
SPEC = CaptionerSpec(endpoint="http://x/v1", model="scripted", backoff_seconds=1e-4, max_in_flight=4)
PACKAGED = ["recaption", "recaption_described"]


def tasks(count: int) -> list[CaptionTask]:
    return [CaptionTask(b"image %d \x00\xff" % n, "JPEG", f"Boat number {n}, Ana Silva", f"labels: boat 0.{n}") for n in range(count)]


@contextmanager
def captioning(root: Path, script: Script = answer, **settings: Any) -> Generator[tuple[ScriptedServer, ServedCaptioner, CaptionerSpec]]:
    with ScriptedServer(script) as server:
        spec = replace(SPEC, endpoint=server.endpoint, **settings)
        captioner = spec.load(AnswerStore(str(root), spec.digest))
        try:
            yield server, captioner, spec
        finally:
            captioner.close()


def texts(outcomes: Sequence[Answer | Failure]) -> list[str | None]:
    return [outcome.text if isinstance(outcome, Answer) else None for outcome in outcomes]


# From task to outcome.


def test_outcomes_come_in_the_order_of_the_tasks_whatever_order_they_finish_in(tmp_path: Path):
    first = threading.Event()

    def answer_the_first_last(call: Call) -> Reply:
        if call.alt_text == "Boat number 0, Ana Silva":
            return replace(answer(call), hold=first)
        if call.alt_text == "Boat number 9, Ana Silva":
            first.set()
        return answer(call)

    with captioning(tmp_path, answer_the_first_last) as (_, captioner, _):
        outcomes = captioner.caption(SPLIT, tasks(10))
    assert all(f"Boat number {n}, Ana Silva" in (text or "") for n, text in enumerate(texts(outcomes)))


@pytest.mark.parametrize(
    ("image_format", "mime"),
    [("JPEG", "image/jpeg"), ("PNG", "image/png"), ("WEBP", "image/webp"), ("MPO", "image/jpeg"), ("GIF", "image/gif")],
)
def test_the_image_arrives_before_the_text_byte_for_byte_with_its_type(tmp_path: Path, image_format: str, mime: str):
    image = bytes(range(256)) * 3
    with captioning(tmp_path) as (server, captioner, spec):
        captioner.caption(SPLIT, [CaptionTask(image, image_format, "A red boat", "")])
    (call,) = server.calls
    assert call.images == [(mime, image)]
    assert [part["type"] for part in call.body["messages"][0]["content"]] == ["image_url", "text"]
    assert call.text == spec.template.fill("A red boat", "")


def test_a_captioner_that_works_from_descriptions_gets_the_evidence_and_no_image(tmp_path: Path):
    with captioning(tmp_path, prompt="recaption_described") as (server, captioner, _):
        captioner.caption(SPLIT, tasks(1))
    (call,) = server.calls
    assert call.images == []
    assert isinstance(call.body["messages"][0]["content"], str)
    assert "labels: boat 0.0" in call.text
    assert call.alt_text == "Boat number 0, Ana Silva"


def test_the_request_says_how_to_sample(tmp_path: Path):
    with captioning(tmp_path, temperature=0.5, seed=9, max_tokens=33, extra={"min_p": 0.1}) as (server, captioner, _):
        captioner.caption(SPLIT, tasks(1))
    asked = {name: server.calls[0].body[name] for name in ("model", "temperature", "seed", "max_tokens", "min_p")}
    assert asked == {"model": "scripted", "temperature": 0.5, "seed": 9, "max_tokens": 33, "min_p": 0.1}


def test_equal_tasks_are_asked_once_and_all_get_the_answer(tmp_path: Path):
    one, other = tasks(2)
    with captioning(tmp_path) as (server, captioner, _):
        outcomes = captioner.caption(SPLIT, [one, other, one, one])
    assert len(server.calls) == 2
    answers = [outcome for outcome in outcomes if isinstance(outcome, Answer)]
    assert [answer.text for answer in answers] == [answers[0].text, answers[1].text, answers[0].text, answers[0].text]
    assert answers[0].text != answers[1].text
    assert [answer.prompt_tokens > 0 for answer in answers] == [True, True, False, False], "what was paid once is counted once"


def test_tasks_that_differ_in_the_image_alone_are_asked_apart(tmp_path: Path):
    (one,) = tasks(1)
    with captioning(tmp_path) as (server, captioner, _):
        captioner.caption(SPLIT, [one, replace(one, image=b"another")])
    assert len(server.calls) == 2


def test_no_tasks_ask_nothing(tmp_path: Path):
    with captioning(tmp_path) as (server, captioner, _):
        assert captioner.caption(SPLIT, []) == []
    assert server.calls == []


# State.


def test_stored_answers_are_not_asked_again_and_come_back_the_same(tmp_path: Path):
    with captioning(tmp_path) as (server, captioner, _):
        first = captioner.caption(SPLIT, tasks(12))
        assert captioner.caption(SPLIT, tasks(12)) == first
        assert len(server.calls) == 12
    with captioning(tmp_path) as (server, captioner, _):
        assert captioner.caption(SPLIT, tasks(12)) == first
    assert server.calls == []


def test_what_was_answered_before_the_server_died_is_not_asked_again(tmp_path: Path):
    with captioning(tmp_path, die_after(9)) as (first, captioner, _), pytest.raises(EnvironmentFault, match="python -m vllm"):
        captioner.caption(SPLIT, tasks(20))
    answered = {call.digest for call in first.calls if call.number < 9}
    with captioning(tmp_path) as (second, captioner, _):
        outcomes = captioner.caption(SPLIT, tasks(20))
    assert all(isinstance(outcome, Answer) for outcome in outcomes)
    asked_again = answered & {call.digest for call in second.calls}
    assert asked_again == set()
    assert len(second.calls) == 11


def test_a_segment_torn_by_a_kill_costs_the_torn_answer_alone(tmp_path: Path):
    with captioning(tmp_path) as (_, captioner, _):
        captioner.caption(SPLIT, tasks(6))
    (segment,) = tmp_path.rglob("*.jsonl")
    segment.write_bytes(segment.read_bytes()[:-20])
    with captioning(tmp_path) as (server, captioner, _):
        assert None not in texts(captioner.caption(SPLIT, tasks(6)))
    assert len(server.calls) == 1


def test_a_poisoned_image_is_one_failure_and_is_not_stored(tmp_path: Path):
    def choke(call: Call) -> Reply:
        return error(400, "cannot identify image") if call.images and call.images[0][1] == tasks(6)[4].image else answer(call)

    with captioning(tmp_path, choke) as (server, captioner, _):
        outcomes = captioner.caption(SPLIT, tasks(6))
        captioner.caption(SPLIT, tasks(6))
    failures = [n for n, outcome in enumerate(outcomes) if isinstance(outcome, Failure)]
    assert failures == [4]
    assert server.alt_texts.count("Boat number 4, Ana Silva") == 2
    assert b"cannot identify" not in b"".join(path.read_bytes() for path in tmp_path.rglob("*.jsonl"))


def test_answers_to_other_requests_are_never_taken_for_ones_own(tmp_path: Path):
    with captioning(tmp_path) as (_, captioner, _):
        captioner.caption(SPLIT, tasks(3))
        captioner.caption("f" * 32, tasks(3))
    with captioning(tmp_path, temperature=0.5) as (server, captioner, _):
        captioner.caption(SPLIT, tasks(3))
    assert len(server.calls) == 3


def test_threads_of_a_worker_share_a_captioner(tmp_path: Path):
    found: dict[str, Sequence[Answer | Failure]] = {}
    with captioning(tmp_path) as (server, captioner, _):
        threads = [threading.Thread(target=lambda s=s: found.update({s: captioner.caption(s, tasks(15))})) for s in ("a", "b", "c")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert [texts(found[s]) for s in "abc"] == [texts(found["a"])] * 3
    assert len(server.calls) == 45
    assert server.most_in_flight <= 4


def test_the_key_of_the_server_is_in_no_segment_and_no_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("CAPTIONER_TEST_KEY", "sk-secret-91")
    with captioning(tmp_path, api_key_env="CAPTIONER_TEST_KEY") as (server, captioner, spec):
        captioner.caption(SPLIT, tasks(3))
        assert "sk-secret" not in repr(spec) + repr(captioner) + spec.digest + caplog.text
    assert server.calls[0].headers["Authorization"] == "Bearer sk-secret-91"
    assert all(b"sk-secret" not in path.read_bytes() and "sk-secret" not in str(path) for path in tmp_path.rglob("*") if path.is_file())


# The spec.


@pytest.mark.parametrize(
    "changed",
    [
        {"model": "n"}, {"revision": "2"}, {"model": "", "weights": "smollm2"}, {"prompt": "recaption_described"}, {"max_tokens": 9},
        {"temperature": 0.1}, {"seed": 1}, {"extra": {"min_p": 0.1}},
    ],
)  # fmt: skip
def test_whatever_changes_a_caption_changes_the_digest(changed: dict[str, Any]):
    assert replace(SPEC, **changed).digest != SPEC.digest


@pytest.mark.parametrize(
    "changed",
    [
        {"endpoint": "http://y/v1"},
        {"max_in_flight": 1},
        {"timeout_seconds": 1.0},
        {"retries": 0},
        {"backoff_seconds": 2.0},
        {"api_key_env": "K"},
        {"api_key_secret": "projects/p/secrets/s/versions/1"},
    ],
)
def test_where_and_how_fast_the_model_is_asked_leaves_the_digest(changed: dict[str, Any]):
    assert replace(SPEC, **changed).digest == SPEC.digest


def test_whatever_is_set_of_how_the_model_is_asked_reaches_the_client():
    shared = [f.name for f in fields(ChatSpec) if f.name in {f.name for f in fields(CaptionerSpec)}]
    others = {"endpoint": "http://y/v1", "model": "n", "extra": {"min_p": 0.1}, "api_key_env": "K", "api_key_secret": "S"}
    for name in shared:
        value = others[name] if name in others else getattr(SPEC, name) + 1
        assert getattr(replace(SPEC, **{name: value}).chat, name) == value
    assert len(shared) >= 12


def test_editing_a_prompt_file_changes_the_digest(tmp_path: Path):
    path = tmp_path / "mine.md"
    digests = set()
    for wording in ("Describe", "Describe well"):
        path.write_text(f"version: mine-1\nseen: image\n\n{wording}: {{alt_text}}\n")
        digests.add(replace(SPEC, prompt=str(path)).digest)
    assert len(digests) == 2


def test_a_spec_can_be_pickled_and_hashed():
    spec = replace(SPEC, extra={"chat_template_kwargs": {"enable_thinking": False}})
    assert pickle.loads(pickle.dumps(spec)) == spec
    assert hash(spec) == hash(replace(spec))
    assert pickle.loads(pickle.dumps(spec)).digest == spec.digest


def test_the_model_is_named_with_its_revision():
    assert CaptionerSpec(model="glm-4.5v", revision="abc").name == "glm-4.5v@abc"
    assert CaptionerSpec(weights="qwen").name == "qwen2.5-coder-1.5b-instruct-q4_k_m"


def test_a_key_for_the_embedded_model_is_refused():
    with pytest.raises(ValueError, match="a key is for an endpoint"):
        CaptionerSpec(api_key_env="NAME").resolved()


@pytest.mark.parametrize(("endpoint", "seen"), [("embedded", "description"), ("http://x/v1", "image")])
def test_a_job_that_names_no_prompt_gets_the_one_for_what_its_model_can_see(endpoint: str, seen: str):
    assert CaptionerSpec(endpoint=endpoint).seen == seen


def test_the_embedded_model_is_the_same_model_wherever_it_is_served():
    spec = CaptionerSpec()
    served = spec.served_at("http://127.0.0.1:1/v1")
    assert (served.digest, served.seen, served.name) == (spec.digest, spec.seen, spec.name)
    assert served.endpoint == "http://127.0.0.1:1/v1"


def test_a_job_that_names_no_model_takes_the_only_one_that_is_served():
    with ScriptedServer(models=["glm-4.5v"]) as server:
        assert replace(SPEC, endpoint=server.endpoint, model="").resolved().name == "glm-4.5v"
        assert replace(SPEC, endpoint=server.endpoint, model="mine").resolved().name == "mine"


@pytest.mark.parametrize("models", [[], ["one", "two"]])
def test_a_job_that_names_no_model_must_choose_where_several_or_none_are_served(models: list[str]):
    with ScriptedServer(models=models) as server, pytest.raises(EnvironmentFault, match=r"--set captioner\.model=") as caught:
        replace(SPEC, endpoint=server.endpoint, model="").resolved()
    assert str(models) in str(caught.value)


@pytest.mark.parametrize(("context", "refused"), [(None, False), (200, False), (199, True)])
def test_an_answer_longer_than_the_context_of_the_server_is_refused_with_both_numbers(context: int | None, refused: bool):
    with ScriptedServer() as server:
        server.context = context
        spec = replace(SPEC, endpoint=server.endpoint, max_tokens=200)
        if not refused:
            return spec.check()
        with pytest.raises(EnvironmentFault, match=r"captioner\.max_tokens=200 is more than the 199 tokens .* captioner\.max_tokens=99"):
            spec.check()
    return None


def test_the_context_of_another_model_of_the_server_says_nothing():
    with ScriptedServer(models=["other"]) as server:
        server.context = 9
        replace(SPEC, endpoint=server.endpoint).check()


def test_the_model_of_a_server_that_does_not_list_any_cannot_be_found_out():
    with ScriptedServer() as server, pytest.raises(EnvironmentFault, match="HTTPStatusError") as caught:
        replace(SPEC, endpoint=server.endpoint + "/v2", model="").resolved()
    assert "ends in /v1" in str(caught.value)


def test_a_check_sends_an_image_only_where_the_prompt_does():
    with ScriptedServer() as server:
        replace(SPEC, endpoint=server.endpoint, prompt="recaption_described").check()
        assert [len(call.images) for call in server.calls] == [0]
        replace(SPEC, endpoint=server.endpoint).check()
    assert [len(call.images) for call in server.calls] == [0, 0, 1]


# Prompts.

MARKED = Prompt("p-1", "description", "Say it.\nHints: {evidence}\nAlt text: {alt_text}\nSentence:")


@given(st.text(), st.text())
def test_slots_are_filled_with_the_data_as_it_is(alt_text: str, evidence: str):
    assert MARKED.fill(alt_text, evidence) == "Say it.\nHints: " + evidence + "\nAlt text: " + alt_text + "\nSentence:"


@pytest.mark.parametrize("alt_text", ["{evidence}", "{alt_text}", "{0} {} {{x}} %s $x \\1 \\g<0>", "a {seen: image} set"])
def test_braces_and_slots_in_an_alt_text_are_text(alt_text: str):
    assert MARKED.fill(alt_text, "labels: {alt_text}") == f"Say it.\nHints: labels: {{alt_text}}\nAlt text: {alt_text}\nSentence:"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Describe {alt_text}",
        "version: x-1\nseen: image\nDescribe {alt_text}",
        "version: x-1\n\nDescribe {alt_text}",
        "seen: image\n\nDescribe {alt_text}",
        "version: x-1\nseen: image\nauthor: me\n\nDescribe {alt_text}",
        "version: x-1\nversion: x-2\n\nDescribe {alt_text}",
        "version:\nseen: image\n\nDescribe {alt_text}",
        "version: x-1\nseen: pixels\n\nDescribe {alt_text}",
        "version: x-1\nseen: image\n\n",
        "version: x-1\nseen: image\n\nDescribe it",
        "version: x-1\nseen: image\n\nDescribe {alt_text} {title}",
        "version: x-1\nseen: image\n\nDescribe {alt_text} {}",
        "version: x-1\nseen: image\n\nDescribe {alt_text} {evidence}",
        "version: x-1\nseen: description\n\nDescribe {alt_text}",
    ],
)
def test_a_file_that_is_no_prompt_is_refused_by_its_name(tmp_path: Path, text: str):
    path = tmp_path / "odd.md"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"odd\.md"):
        load_prompt(str(path))


def test_an_unknown_prompt_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match="recaption, recaption_described"):
        load_prompt("recapton")


def test_a_prompt_is_read_from_a_file(tmp_path: Path):
    path = tmp_path / "mine.md"
    path.write_text("version: mine-1\nseen: image\n\nDescribe in one line.\n\nAlt text: {alt_text}\n")
    prompt = load_prompt(str(path))
    assert (prompt.version, prompt.seen) == ("mine-1", "image")
    assert prompt.fill("x", "") == "Describe in one line.\n\nAlt text: x"
    assert prompt.instructions.split() == ["Describe", "in", "one", "line.", "Alt", "text:"]


@pytest.mark.parametrize(("name", "seen"), [("recaption", "image"), ("recaption_described", "description")])
def test_a_packaged_prompt_says_what_it_sees_and_ends_with_the_data(name: str, seen: str):
    prompt = load_prompt(name)
    assert prompt.seen == seen
    ours, theirs = prompt.fill("A", "B"), prompt.fill("C", "D")
    shared = next(place for place, pair in enumerate(zip(ours, theirs, strict=True)) if pair[0] != pair[1])
    assert len(ours) - shared < 40, "what differs between requests stands last, so that a server's prefix cache serves the rest"


# The scripted server, on which other tests lean.


@pytest.mark.parametrize("prompt", PACKAGED)
def test_captions_of_the_scripted_server_depend_on_the_request_alone_and_pass_the_caption_rules(tmp_path: Path, prompt: str):
    alts = [
        "Joan of Arc, Jules Bastien-Lepage, 1879, Oil on canvas",
        "Old plum",
        "二匹の犬が公園で遊んでいる写真",
        " ".join(f"gull{n}" for n in range(150)),
    ]
    asked = [CaptionTask(b"x%d" % n, "PNG", alt, "labels: wig 0.31") for n, alt in enumerate(alts)]
    found = []
    for attempt in ("a", "b"):
        with captioning(tmp_path / attempt, prompt=prompt) as (_, captioner, spec):
            found.append([t or "" for t in texts(captioner.caption(SPLIT, asked))])
    assert found[0] == found[1]
    assert all(len(text) < 300 for text in found[0])
    columns = {"caption": found[0], "alt_text": alts, "finish_reason": ["stop"] * len(alts)}
    verdict = CaptionRules()(pa.record_batch({k: pa.array(v, pa.string()) for k, v in columns.items()}), instructions=spec.instructions)
    assert verdict.reason.to_pylist() == [None] * len(alts)


def test_as_a_process_the_scripted_server_logs_what_it_served_and_ends_with_its_input(tmp_path: Path):
    port, log = tmp_path / "port", tmp_path / "log"
    command = [sys.executable, "-m", "tests.scripted_server", f"--port-file={port}", f"--log={log}", "--mode=stumble=2"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, cwd=Path(__file__).parent.parent) as process:
        assert process.stdin is not None
        while not port.exists():
            assert process.poll() is None
        address = f"http://127.0.0.1:{port.read_text()}/v1/chat/completions"
        body = {"messages": [{"role": "user", "content": "Alt text: a boat"}]}
        found = [httpx.post(address, json=body).status_code for _ in range(3)]
        process.stdin.close()
        assert process.wait(10) == 0
    lines = [line.split() for line in log.read_text().splitlines()]
    assert found == [200, 500, 200]
    assert [status for _, status in lines] == ["200", "500", "200"]
    assert len({digest for digest, _ in lines}) == 1
