"""What is left of an answer when closed thoughts and the tags around the whole are off."""

import pytest

from synth.spoken import spoken
from tests.oracle.text_rules import without_tags

CAPTION = "A red boat."


@pytest.mark.parametrize(
    "answer",
    [
        CAPTION,
        f"<think>The user wants a caption.</think><answer>{CAPTION}</answer>",
        f"<think>\nLook.\nAnd look.\n</think>\n\n{CAPTION}",
        f"Already opened by the template.</think>{CAPTION}",
        f"</think>{CAPTION}",
        f"<answer>\n{CAPTION}\n</answer>\n",
        f"<|begin_of_box|>{CAPTION}<|end_of_box|>",
        f"<think>x</think><answer><|begin_of_box|>{CAPTION}<|end_of_box|></answer>",
    ],
)
def test_an_answer_that_comes_whole_is_the_caption_alone(answer: str):
    assert spoken(answer).strip() == without_tags(answer).strip() == CAPTION


@pytest.mark.parametrize(
    "answer",
    [
        "<think>\nLet me look at the bird",
        f"{CAPTION}</answer>",
        f"<answer>{CAPTION}",
        f"It is <|begin_of_box|>{CAPTION}<|end_of_box|>.",
        "<|begin_of_box|>a<|end_of_box|> and <|begin_of_box|>b<|end_of_box|>",
        "<answer>a</answer> or <answer>b</answer>",
        f"{CAPTION}<|im_end|>",
        f"{CAPTION} <think>Is it red?</think> It is.",
        "A poster that reads <thinking> and <answers>.",
    ],
)
def test_what_is_not_closed_or_not_around_the_whole_stays_for_the_filter(answer: str):
    assert spoken(answer) == without_tags(answer) == answer


def test_a_thought_opened_again_behind_the_first_stays_and_an_answer_of_nothing_is_empty():
    assert spoken("<think>a</think><think>b") == "<think>b"
    assert spoken("<think>a</think>") == ""
