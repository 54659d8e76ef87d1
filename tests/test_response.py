"""Reading and writing the tags of a response."""

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schemas.response import (
    ANSWER,
    BOX,
    END_ANSWER,
    END_BOX,
    END_THINK,
    NOTHINK,
    STYLES,
    THINK,
    Fault,
    Response,
    Style,
    boxed,
    parse,
    render,
    restyle,
    without_thinking,
)  # fmt: skip

TAGS = (THINK, END_THINK, ANSWER, END_ANSWER, BOX, END_BOX)
every_style = pytest.mark.parametrize("style", STYLES)
quick = settings(deadline=None, max_examples=150)

PLAIN = st.text(st.characters(codec="utf-8"), max_size=30).filter(lambda text: not any(tag in text for tag in TAGS))
SAYING = PLAIN.filter(str.strip)


@st.composite
def answers(draw: st.DrawFn) -> str:
    """An answer with up to three boxes."""
    pieces = draw(st.lists(PLAIN | PLAIN.map(lambda text: BOX + text + END_BOX), max_size=6))
    return "".join([draw(SAYING), " ", *(piece + " " for piece in pieces)])


def test_the_styles_are_written_as_their_model_writes_them():
    assert render("a thought", "It is 42.", "glm41v") == "<think>a thought</think>\n<answer>It is 42.</answer>"
    assert render("a thought", "It is 42.", "glm45v") == "<think>a thought</think>\nIt is 42."
    assert NOTHINK == "/nothink"


@every_style
@quick
@given(thinking=PLAIN, answer=answers())
def test_what_is_written_reads_as_it_was(style: Style, thinking: str, answer: str):
    boxes = tuple(box.strip() for box in re.findall(r"<\|begin_of_box\|>(.*?)<\|end_of_box\|>", answer, re.DOTALL))
    assert parse(render(thinking, answer, style), style) == Response(thinking.strip(), answer.strip(), boxes)


@every_style
@quick
@given(text=st.lists(st.sampled_from(TAGS) | st.text(max_size=3), max_size=12).map("".join))
def test_whatever_reads_is_written_so_that_it_reads_the_same(style: Style, text: str):
    found = parse(text, style)
    if isinstance(found, Response):
        assert parse(render(found.thinking, found.answer, style), style) == found
    else:
        assert 0 <= found.at <= len(text)


@quick
@given(thinking=PLAIN, answer=answers())
def test_one_style_turns_into_the_other_and_back(thinking: str, answer: str):
    old = render(thinking, answer, "glm41v")
    new = restyle(old, "glm41v", "glm45v")
    assert new == render(thinking, answer, "glm45v")
    assert restyle(str(new), "glm45v", "glm41v") == old


def test_a_response_that_cannot_be_read_keeps_its_fault_when_its_style_is_changed():
    assert restyle("<think>a</think>\nb", "glm41v", "glm45v") == Fault("wrong_style", 16)


@every_style
@quick
@given(thinking=PLAIN, answer=answers())
def test_the_twin_without_thinking_has_an_empty_thought_and_the_same_answer(style: Style, thinking: str, answer: str):
    whole = parse(render(thinking, answer, style), style)
    assert isinstance(whole, Response)
    assert parse(without_thinking(whole, style), style) == Response("", whole.answer, whole.boxes)


@every_style
@pytest.mark.parametrize(
    ("thinking", "answer"),
    [("a", ""), ("a", " \n"), ("<think>", "b"), ("a</think>", "b"), (BOX, "b"), ("a", f"{BOX}b"), ("a", "</answer>")],
)
def test_what_could_not_be_read_back_is_not_written(style: Style, thinking: str, answer: str):
    with pytest.raises(ValueError, match="a response is a thought without tags"):
        render(thinking, answer, style)


def test_a_style_that_is_none_is_refused():
    with pytest.raises(ValueError, match="glm46v"):
        parse("<think>a</think>b", "glm46v")  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        (f"It is {BOX} 42\n{END_BOX}.", "42"),
        (f"{BOX}{END_BOX}", ""),
        ("", Fault("no_box", 0)),
        ("$\\boxed{42}$", Fault("no_box", 0)),
        (f"{BOX}1{END_BOX} {BOX}2{END_BOX}", Fault("several_boxes", 32)),
        (f"{BOX}1", Fault("unclosed_tag", 17)),
        (f"1{END_BOX}", Fault("unclosed_tag", 1)),
        (f"{BOX}{BOX}1{END_BOX}{END_BOX}", Fault("nested_tags", 16)),
    ],
)
def test_the_text_of_the_one_box_or_what_is_wrong_with_it(answer: str, found: str | Fault):
    assert boxed(answer) == found


@pytest.mark.parametrize("piece", [*TAGS, THINK + END_THINK, BOX + END_BOX, "<", "<|", "</", "\x00"])
def test_reading_a_hundred_kilobytes_of_one_piece_takes_no_time(piece: str):
    text = piece * (100_000 // len(piece))
    began = time.process_time()
    for style in STYLES:
        for start in ("", THINK, f"{THINK}a{END_THINK}", f"{THINK}a{END_THINK}{ANSWER}"):
            parse(start + text, style)
    boxed(text)
    assert time.process_time() - began < 2
