"""Our client and captioner against a real vLLM: what it answers, what it refuses, and what we make of it."""

import base64
import json
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from schemas.exits import EnvironmentFault
from schemas.protocols import Answer, CaptionTask, ChatRequest, Failure
from synth.answers import AnswerStore
from synth.captioner import CaptionerSpec
from synth.chat import ChatSpec
from synth.completion import Turn
from tests import images, jobs
from tests.serving import vllm_server
from tests.serving.make_model import IDS

SPLIT = "0123456789abcdef0123456789abcdef"
NO_THINKING = {"chat_template_kwargs": {"enable_thinking": False}}
SIDE = 112
PATCHES = (SIDE // 28) ** 2
"""Tokens of an image of that side: one for 28 x 28 pixels."""
TEMPLATE_TOKENS = 9
"""Tokens that the chat template puts around one turn without thinking: four marks, two tags, three line feeds."""
MARK_TOKENS = 2
"""Tokens before and after the patches of an image."""
SCHEMA = {
    "type": "object",
    "properties": {"colour": {"enum": ["red", "green", "blue"]}, "things": {"type": "integer", "minimum": 0, "maximum": 9}},
    "required": ["colour", "things"],
    "additionalProperties": False,
}


def square(colour: str) -> tuple[str, bytes]:
    return "image/png", images.encoded(images.Image.new("RGB", (SIDE, SIDE), colour), "PNG")


def spec(server: vllm_server.Server, **settings: Any) -> ChatSpec:
    return ChatSpec(server.endpoint, vllm_server.MODEL, **{"max_tokens": 16, "extra": NO_THINKING, "backoff_seconds": 1e-3, **settings})


def ask(server: vllm_server.Server, *turns: Turn, **settings: Any) -> list[Answer | Failure]:
    with spec(server, **settings).load() as client:
        found = dict(client.ask([ChatRequest(turn.messages(), str(n)) for n, turn in enumerate(turns)]))
    return [found[index] for index in range(len(turns))]


def answers(server: vllm_server.Server, *turns: Turn, **settings: Any) -> list[Answer]:
    found = ask(server, *turns, **settings)
    assert all(isinstance(outcome, Answer) for outcome in found), found
    return [outcome for outcome in found if isinstance(outcome, Answer)]


def texts(server: vllm_server.Server, *turns: Turn, **settings: Any) -> list[str]:
    return [answer.text for answer in answers(server, *turns, **settings)]


def captions(server: vllm_server.Server, root: Path, tasks: Sequence[CaptionTask], **settings: Any) -> Sequence[Answer | Failure]:
    """Caption as the job does, from the name of the model to the stored answers."""
    settings = {"max_tokens": 16, "extra": NO_THINKING, "backoff_seconds": 1e-3, **settings}
    captioner = CaptionerSpec(endpoint=server.endpoint, **settings).resolved()
    captioner.check()
    with closing(captioner.load(AnswerStore(str(root), captioner.digest))) as model:
        return model.caption(SPLIT, tasks)


def stored(root: Path) -> int:
    return sum(len(path.read_text().splitlines()) - 1 for path in root.glob("*/*/*.jsonl"))


def test_the_script_writes_the_same_model_again(model: Path, tmp_path: Path):
    assert jobs.tree(vllm_server.make_model(tmp_path)) == jobs.tree(model)


# Images.


def test_each_image_is_captioned_with_its_own_pixels_and_its_tokens_are_counted(server: vllm_server.Server, tmp_path: Path):
    colours = ("red", "blue", "green")
    outcomes = captions(server, tmp_path, [CaptionTask(square(colour)[1], "PNG", "A flag", "") for colour in colours])
    found = [outcome for outcome in outcomes if isinstance(outcome, Answer)]
    assert len({answer.text for answer in found}) == len(colours), "the same words about another image are another answer"
    asked = CaptionerSpec(endpoint=server.endpoint).template.fill("A flag", "")
    tokens = TEMPLATE_TOKENS + MARK_TOKENS + PATCHES + len(asked.encode())  # one token for each byte
    assert [answer.prompt_tokens for answer in found] == [tokens] * len(colours)
    assert stored(tmp_path) == len(colours)


def test_several_images_go_in_one_request_in_their_order(server: vllm_server.Server):
    red, blue = square("red"), square("blue")
    one, other = answers(server, Turn("what", (red, blue)), Turn("what", (blue, red)))
    assert one.prompt_tokens == other.prompt_tokens == TEMPLATE_TOKENS + 2 * (MARK_TOKENS + PATCHES) + len("what")
    assert one.text == written_out(server, red[1], blue[1]) != other.text


def written_out(server: vllm_server.Server, *data: bytes) -> str:
    """Ask without our client what these images show."""
    urls = ["data:image/png;base64," + base64.b64encode(image).decode() for image in data]
    parts = [{"type": "image_url", "image_url": {"url": url}} for url in urls] + [{"type": "text", "text": "what"}]
    body = {"model": vllm_server.MODEL, "temperature": 0, "max_tokens": 16, "messages": [{"role": "user", "content": parts}], **NO_THINKING}
    return httpx.post(f"{server.endpoint}/chat/completions", json=body, timeout=60).json()["choices"][0]["message"]["content"]


def test_more_images_than_the_server_allows_are_one_failure(server: vllm_server.Server):
    crowded, fine = ask(server, Turn("what", (square("red"),) * (vllm_server.IMAGES_PER_PROMPT + 1)), Turn("what", (square("red"),)))
    assert isinstance(crowded, Failure)
    assert "At most 2 image(s)" in crowded.error
    assert isinstance(fine, Answer)


@pytest.mark.parametrize(
    "broken",
    [
        pytest.param(images.html(), id="no image"),
        pytest.param(b"", id="nothing"),
        pytest.param(images.truncated(), id="truncated"),
        pytest.param(images.solid((255, 0, 0), (6000, 20)), id="longer than 200 times its width, which GLM refuses"),
    ],
)
def test_an_image_that_the_server_cannot_take_is_one_failure_and_the_others_are_captioned(
    server: vllm_server.Server, tmp_path: Path, broken: bytes
):
    data = [square("red")[1], broken, square("blue")[1]]
    before, failed, after = captions(server, tmp_path, [CaptionTask(image, "PNG", "A flag", "") for image in data])
    assert isinstance(before, Answer)
    assert isinstance(after, Answer)
    assert isinstance(failed, Failure)
    assert failed.reason == "captioner_failed"
    assert "HTTP 400" in failed.error
    assert "Failed to" in failed.error
    assert stored(tmp_path) == 2


# Grammars.


def test_a_json_schema_in_the_request_shapes_the_answer(server: vllm_server.Server):
    schema = {"type": "json_schema", "json_schema": {"name": "seen", "schema": SCHEMA}}
    (found,) = answers(server, Turn("what", (square("red"),)), max_tokens=64, extra={**NO_THINKING, "response_format": schema})
    read = json.loads(found.text)
    assert read.keys() == {"colour", "things"}
    assert read["colour"] in ("red", "green", "blue")
    assert read["things"] in range(10)
    assert found.finish_reason == "stop"


def test_structured_outputs_confine_a_caption_to_a_choice(server: vllm_server.Server, tmp_path: Path):
    choice = ["A red flag.", "A blue flag."]
    extra = {**NO_THINKING, "structured_outputs": {"choice": choice}}
    (found,) = captions(server, tmp_path, [CaptionTask(square("red")[1], "PNG", "A flag", "")], extra=extra)
    assert isinstance(found, Answer)
    assert found.text in choice
    assert found.finish_reason == "stop"


def test_a_grammar_that_the_server_refuses_is_the_fault_of_no_sample(server: vllm_server.Server):
    broken = {"type": "json_schema", "json_schema": {"name": "seen", "schema": {"type": "nothing"}}}
    with pytest.raises(EnvironmentFault, match="HTTP 400"):
        ask(server, Turn("what"), extra={"response_format": broken})


# Length.


def test_an_answer_that_reaches_max_tokens_says_so(server: vllm_server.Server):
    (found,) = answers(server, Turn("what"), max_tokens=9, extra={**NO_THINKING, "ignore_eos": True})
    assert (found.finish_reason, found.completion_tokens) == ("length", 9)
    assert found.text


def test_a_model_that_is_cut_while_it_thinks_has_answered_nothing(server: vllm_server.Server):
    outside = {"logit_bias": {IDS["</think>"]: -100}, "ignore_eos": True}
    thinking, silent = (answers(server, Turn("what"), max_tokens=9, extra=extra)[0] for extra in (outside, {**NO_THINKING, **outside}))
    assert (thinking.text, thinking.finish_reason, thinking.completion_tokens) == ("", "length", 9)
    assert silent.text
    assert silent.prompt_tokens == thinking.prompt_tokens + 3, "an empty thought, which the template writes: two tags and a line feed"


def test_a_prompt_beyond_the_context_is_one_failure_and_the_others_are_answered(server: vllm_server.Server):
    short, long = Turn("what"), Turn("word " * vllm_server.CONTEXT)
    first, failed, last = ask(server, short, long, short)
    assert isinstance(first, Answer)
    assert isinstance(last, Answer)
    assert isinstance(failed, Failure)
    assert "maximum context length is 4096 tokens" in failed.error


def test_an_answer_that_the_context_has_no_room_for_is_cut_short_of_max_tokens(server: vllm_server.Server):
    (found,) = answers(
        server, Turn("a" * (vllm_server.CONTEXT - TEMPLATE_TOKENS - 5)), max_tokens=16, extra={**NO_THINKING, "ignore_eos": True}
    )
    assert (found.finish_reason, found.completion_tokens) == ("length", 5)


# Sampling.


def test_at_temperature_0_the_same_request_has_the_same_answer(server: vllm_server.Server):
    turn = Turn("what", (square("red"),))
    assert texts(server, turn) == texts(server, turn) == texts(server, turn, seed=1)


def test_a_seed_fixes_the_answer_at_a_higher_temperature(server: vllm_server.Server):
    one, again, other = (texts(server, Turn("what"), temperature=1.0, seed=seed) for seed in (1, 1, 2))
    assert one == again != other


# The server itself.


def test_the_name_of_the_one_model_is_asked_for(server: vllm_server.Server):
    assert CaptionerSpec(endpoint=server.endpoint).resolved().model == vllm_server.MODEL


def test_a_name_that_it_does_not_serve_is_told_with_where_the_names_are(server: vllm_server.Server):
    with pytest.raises(EnvironmentFault, match=rf"does not exist.*{server.endpoint}/models") as fault:
        replace(CaptionerSpec(endpoint=server.endpoint), model="glm-huge").check()
    assert "glm-huge" in str(fault.value)


def test_more_requests_than_it_runs_at_once_are_all_answered(server: vllm_server.Server):
    turns = [Turn(f"what is number {n}") for n in range(40)]
    assert len(answers(server, *turns, max_in_flight=32, max_tokens=8)) == 40
