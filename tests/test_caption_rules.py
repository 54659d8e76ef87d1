"""Caption rules: what a captioner may have written, and how near it may come to the alt text."""

import math
import unicodedata
from collections.abc import Mapping

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.caption_rules import CaptionRules
from schemas import columns as c
from schemas.batches import from_rows
from schemas.exits import Verdict
from tests.oracle import text_rules

BUMP = "the result of this filter changed: if that is meant, raise its `version` and the literals here together"
INSTRUCTIONS = (
    "Rewrite the alt text below into one precise caption. Keep names and places, and drop what nobody can see in the image. "
    "保留图片中的专有名词和地名，去掉看不见的内容。"
)
GOOD = "A Northern Cardinal perched on a tree branch, set against a clear blue sky."


def judged(*rows: Mapping[str, str | None], rules: CaptionRules | None = None) -> Verdict:
    batch = from_rows([{"finish_reason": "stop", **row} for row in rows], pa.schema([c.CAPTION, c.ALT_TEXT, c.FINISH_REASON]))
    return (rules or CaptionRules())(batch, instructions=INSTRUCTIONS)


def rows_of(verdict: Verdict) -> list[tuple[str | None, float | None, float | None]]:
    return list(zip(verdict.reason.to_pylist(), verdict.value.to_pylist(), verdict.threshold.to_pylist(), strict=True))


def the_row(caption: str | None, alt_text: str | None = "A Northern Cardinal Singing.", finish: str | None = "stop"):
    return rows_of(judged({"caption": caption, "alt_text": alt_text, "finish_reason": finish}))[0]


def similarity(caption: str | None, alt_text: str | None) -> float | None:
    return judged({"caption": caption, "alt_text": alt_text}).added["copy_similarity"].to_pylist()[0]


@pytest.mark.parametrize(
    ("caption", "alt_text"),
    [
        (GOOD, "A Northern Cardinal Singing."),
        ("梅斯蒂亚山间村庄, 绿意环绕的乡村风光", "2019.07.30 梅斯蒂亚 乌树故里,雪山脚下的绝美山村"),
        ("夕暮れの港に並ぶ漁船と、遠くに見える灯台。", "港の夕暮れ"),
        ("A man who looks sorry, I cannot say why, holds an old map.", "man with a map"),
        ("The artwork “Sorry” hangs above a fireplace.", "Sorry, 1990"),
        ("A painting of Joan of Arc in a garden.", None),
        ("No no no! reads the sign above the door.", "sign"),
    ],
)
def test_a_caption_that_describes_stays(caption: str, alt_text: str | None):
    assert the_row(caption, alt_text) == (None, None, None)


@pytest.mark.parametrize("caption", [None, "", "  \n", "...", "12345", "★★★ 2019"])
def test_a_caption_without_a_letter_is_empty(caption: str | None):
    assert the_row(caption) == ("empty", None, None)


@pytest.mark.parametrize(
    "caption",
    [
        f"<think>The user wants a caption.</think><answer>{GOOD}</answer>",
        "<think>\nLet me look at the bird",
        f"The bird is red.\n</think>\n{GOOD}",
        f"<answer>{GOOD}",
        f"{GOOD}</answer>",
        f"<|begin_of_box|>{GOOD}<|end_of_box|>",
        f"{GOOD}<|end_of_box|>",
        f"{GOOD}<|im_end|>",
        f"{GOOD} <|endoftext|>",
        f"<|reserved_special_token_0|>{GOOD}",
        "一只红色的鸟<|end▁of▁turn|>",
    ],
)
def test_a_caption_with_a_control_token_is_thinking(caption: str):
    assert the_row(caption) == ("thinking", None, None)


@pytest.mark.parametrize(
    "caption",
    [
        "A cat that seems to think <about> the answer.",
        "A poster that reads <thinking> and <answers>.",
        "A board with the sums 2 <| 3 and 4 |> 1 in chalk.",
        "A neon sign that reads <||> above a door.",
        "A label <b>oak</b> on a table.",
    ],
)
def test_angle_brackets_alone_are_no_control_token(caption: str):
    assert the_row(caption) == (None, None, None)


@pytest.mark.parametrize(
    ("finish", "reason"),
    [
        ("stop", None),
        (None, None),
        ("length", "truncated"),
        ("max_tokens", "truncated"),
        ("MAX_TOKENS", "truncated"),
        ("content_filter", "content_filter"),
        ("", None),
        ("eos", None),
        ("eos_token", None),
        ("end_turn", None),
        ("stop_sequence", None),
        ("STOP", None),
        ("tool_calls", "unknown_finish"),
        ("abort", "unknown_finish"),
    ],
)
def test_a_caption_is_whole_where_the_server_says_so_or_nothing_and_an_unknown_word_does_not_pass(finish: str | None, reason: str | None):
    assert the_row(GOOD, finish=finish) == (reason, None, None)


@pytest.mark.parametrize(
    "caption",
    [
        "I'm sorry, but I can't help with that.",
        "I’m sorry, but no.",
        " “I am SORRY about this image",
        "\"Sorry, there is nothing",
        "'I cannot see the image",
        "I can’t describe this.",
        "I can not tell",
        "I'm unable to look",
        "I am unable to look",
        "I'm not able to look",
        "As an AI, there is little to say.",
        "As a language model, there is little to say.",
        "Unfortunately, I see nothing here.",
        "Unable to process the image.",
        "「抱歉，图片没有内容",
        "对不起，没有图片",
        "很抱歉，没有图片",
        "我无法看到这张图片",
        "我不能描述这张图片",
        "作为一个语言模型，这里没有图片",
        "作为AI，这里没有图片",
        "作为AI助手，这里没有图片",
    ],
)  # fmt: skip
def test_a_refusal_leaves_whatever_its_quotes_case_and_apostrophes(caption: str):
    assert the_row(caption) == ("refusal", None, None)


@pytest.mark.parametrize(
    "caption",
    ["As an airliner lands, a crowd waves from the hill.", "Unfortunately, it rains on the parade in Lisbon.", "I cannoneri march past."],
)
def test_a_caption_that_begins_with_the_letters_of_a_refusal_stays(caption: str):
    assert the_row(caption) == (None, None, None)


def test_a_word_of_another_server_can_be_declared_to_mean_a_whole_answer():
    rules = CaptionRules(whole=("done",))
    captions = [{"caption": GOOD, "alt_text": "x", "finish_reason": end} for end in ("Done", "stop", None)]
    assert judged(*captions, rules=rules).reason.to_pylist() == [None, "unknown_finish", None]


def test_quotes_inside_a_caption_are_not_stripped():
    assert the_row("A card that says 'I cannot' in red.")[0] is None


def test_eight_hundred_characters_are_allowed():
    text = " ".join(f"word{number}" for number in range(200))
    assert the_row((text + "x" * 800)[:800])[0] is None
    assert the_row((text + "x" * 801)[:801]) == ("too_long", 801, 800)


def test_a_sequence_of_four_words_may_occur_twice_but_not_three_times():
    twice = "A cat on a mat, a dog under a tree, and again A CAT ON A rug."
    assert the_row(twice)[0] is None
    assert the_row(twice + " Then a cat on a roof.") == ("repetition", 3, 3)
    assert the_row(twice + " Then a cat on a roof; a cat on a car.") == ("repetition", 4, 3)


def test_the_same_word_may_stand_three_times_in_a_row_but_not_four_times():
    assert the_row("A very very very old house")[0] is None
    assert the_row("A very Very, VERY very old house") == ("repetition", 4, 4)
    assert the_row("A very very very very very old house") == ("repetition", 5, 4)


def test_a_long_run_of_one_word_is_a_sequence_that_repeats_before_it_is_a_run():
    assert the_row("A very very very very very very old house") == ("repetition", 3, 3)


def test_a_run_and_a_sequence_are_each_held_against_their_own_threshold():
    rules = CaptionRules(repeat_ngram=3, repeat_times=9)
    captions = ["so so old", "so so so old", "so so so so old", "a b c " * 9]
    assert rows_of(judged(*({"caption": caption} for caption in captions), rules=rules)) == [
        (None, None, None),
        ("repetition", 3, 3),
        ("repetition", 4, 3),
        ("repetition", 9, 9),
    ]


@pytest.mark.parametrize(
    "caption",
    [
        "绿色的山坡，绿色的山谷，绿色的山顶",
        "雪山小屋，雪山小屋，红色的雪山小屋",
        "山下有小木屋，山下有小木屋，山下有小木屋旁",
        "哈哈哈哈哈哈哈，一块写着笑声的招牌",
        "赤い屋根の家、赤い屋根の塔、赤い屋根の店",
        "red手机壳case, red手机壳case, new red手机壳case",
    ],
)
def test_a_few_characters_of_an_unspaced_script_may_repeat(caption: str):
    assert the_row(caption)[0] is None


@pytest.mark.parametrize(
    ("caption", "value", "threshold"),
    [
        ("雪山脚下的小木屋，雪山脚下的小木屋，红色的雪山脚下的小木屋", 3, 3),
        ("哈哈哈哈哈哈哈哈，一块写着笑声的招牌", 4, 4),
        ("哈哈哈哈哈哈哈哈哈，一块写着笑声的招牌", 4.5, 4),
        ("red手机壳套case, red手机壳套case, new red手机壳套case", 3, 3),
        ("The sign says 谢谢您光临 A, 谢谢您光临 b, 谢谢您光临 c, says 谢谢您光临 A, says 谢谢您光临 A", 3, 3),
    ],
)
def test_two_characters_of_an_unspaced_script_make_a_word_that_repeats(caption: str, value: float, threshold: float):
    assert the_row(caption) == ("repetition", value, threshold)


def test_eight_words_of_the_instructions_are_an_echo_and_seven_are_not():
    assert the_row("Into one precise caption: keep names and trees")[0] is None
    assert the_row("Here: into ONE precise caption; keep names and places of birds") == ("prompt_echo", 8, 8)
    assert the_row("Below into one precise caption. Keep names and places, and drop it") == ("prompt_echo", 11, 8)


def test_words_of_the_instructions_in_another_order_are_no_echo():
    assert the_row("Places and names keep caption precise one into below text alt the")[0] is None


def test_the_longest_of_several_echoes_is_reported():
    caption = "rewrite the alt text below into one precise bird, and drop what nobody can see in the image"
    assert the_row(caption) == ("prompt_echo", 9, 8)


def test_sixteen_characters_of_chinese_instructions_are_an_echo_and_fifteen_are_not():
    assert the_row("图片中的专有名词和地名去掉看不")[0] is None
    assert the_row("图片中的专有名词和地名去掉看不见") == ("prompt_echo", 8, 8)
    assert the_row("油画，图片中的专有名词和地名，去掉看不见的内心") == ("prompt_echo", 9, 8)
    assert the_row("留图片中的专有名词和地名，去掉看不见") == ("prompt_echo", 8.5, 8)


def test_an_echo_may_run_across_scripts():
    assert the_row("A dog, see in the image: 保留图片中的专家")[0] is None
    assert the_row("A dog, see in the image: 保留图片中的专有") == ("prompt_echo", 8, 8)


MIXED = st.lists(st.sampled_from(["a", "B", "cat", "dog", "山", "水", "の", "가", " ", ", "]), max_size=24).map("".join)


@given(first=MIXED, shared=MIXED, last=MIXED)
@settings(max_examples=300, deadline=None)
def test_text_of_mixed_scripts_is_measured_as_the_oracle_measures_it(first: str, shared: str, last: str):
    caption, instructions = f"{first} {shared}", f"{shared} {last}"
    batch = from_rows([{"caption": caption, "finish_reason": "stop"}], pa.schema([c.CAPTION, c.ALT_TEXT, c.FINISH_REASON]))
    ((reason, value, _),) = rows_of(CaptionRules()(batch, instructions=instructions))
    assert (reason, value) == (text_rules.caption_fault(text_rules.clean(caption), "stop", instructions, 0.0) or (None, None))


def test_a_caption_that_is_the_alt_text_is_a_copy():
    assert the_row("a northern cardinal, singing!", "A  Northern Cardinal Singing.") == ("copy", 1, 0.95)
    assert the_row("雪山 脚下的山村", "雪山 脚下的山村。") == ("copy", 1, 0.95)


def test_a_similarity_of_exactly_the_threshold_stays():
    alt_text = "abcdefghijklmnopqrst"
    assert similarity(alt_text[:19] + "z", alt_text) == pytest.approx(0.95)
    assert the_row(alt_text[:19] + "z", alt_text)[0] is None
    assert the_row(alt_text[:19], alt_text) == ("copy", 0.9744, 0.95)


@pytest.mark.parametrize(
    ("caption", "alt_text", "expected"),
    [
        ("abcd", "abcd", 1.0),
        ("Don't_STOP — now", "dont stop now", 0.96),
        ("abc", "abd", 0.6667),
        ("abc", "xyz", 0.0),
        ("a b", "ab", 0.8),
        ("½ cup №2²", "cup 2²", 1.0),
        ("abc", None, 0.0),
        ("Straße", "STRASSE", 1.0),
        ("雪山山村", "雪山", 0.6667),
        (unicodedata.normalize("NFD", "Zürich"), "Zürich", 1.0),
        (None, "abc", None),
        ("  ", "abc", None),
    ],
)
def test_copy_similarity_compares_letters_digits_and_single_spaces(caption: str | None, alt_text: str | None, expected: float | None):
    found = similarity(caption, alt_text)
    assert (found is None) if expected is None else (found is not None and math.isclose(found, expected, abs_tol=1e-6))


def test_copy_similarity_is_stored_for_dropped_captions_too_in_the_declared_type():
    verdict = judged({"caption": GOOD, "alt_text": GOOD, "finish_reason": "length"}, {"caption": None, "alt_text": "x"})
    assert verdict.added["copy_similarity"] == pa.array([1.0, None], pa.float32())
    assert verdict.added["copy_similarity"].type == c.COPY_SIMILARITY.type


@pytest.mark.parametrize(
    ("caption", "finish", "reason"),
    [
        ("...", "length", "empty"),
        ("<|1|>", "length", "empty"),
        ("<think>I'm sorry", "length", "thinking"),
        ("<answer>I'm sorry, I cannot", "stop", "thinking"),
        ("I'm sorry", "length", "truncated"),
        ("I'm sorry " + "x" * 800, "stop", "refusal"),
        ("go " * 300, "stop", "too_long"),
        ("go go go go. " + INSTRUCTIONS, "stop", "repetition"),
        (INSTRUCTIONS, "stop", "prompt_echo"),
    ],
)
def test_a_caption_that_breaks_several_rules_leaves_by_the_first(caption: str, finish: str, reason: str):
    assert the_row(caption, alt_text=caption, finish=finish)[0] == reason


def test_thresholds_are_those_of_the_instance():
    rules = CaptionRules(
        max_chars=30, repeat_ngram=2, repeat_times=2, echo_words=2, max_similarity=0.5, refusals=("nope",), unsure_refusals=("perhaps",)
    )
    captions = ["I'm sorry", "nope", "perhaps an image", "perhaps an oak", "x" * 31, "a b, a b", "the alt", "abcd"]
    assert rows_of(judged(*({"caption": caption, "alt_text": "abc"} for caption in captions), rules=rules)) == [
        (None, None, None),
        ("refusal", None, None),
        ("refusal", None, None),
        (None, None, None),
        ("too_long", 31, 30),
        ("repetition", 2, 2),
        ("prompt_echo", 2, 2),
        ("copy", 0.8571, 0.5),
    ]


def test_instructions_without_words_echo_nothing():
    batch = from_rows([{"caption": GOOD}], pa.schema([c.CAPTION, c.ALT_TEXT, c.FINISH_REASON]))
    assert CaptionRules()(batch, instructions="").reason.to_pylist() == [None]


def test_golden_caption_rules():
    singing = "A Northern Cardinal Singing."
    verdict = judged(
        {"caption": GOOD, "alt_text": singing},
        {"caption": "梅斯蒂亚山间村庄, 绿意环绕的乡村风光", "alt_text": "2019.07.30 梅斯蒂亚 乌树故里,雪山脚下的绝美山村"},
        {"caption": None, "alt_text": singing},
        {"caption": f"<think>A bird.</think>{GOOD}", "alt_text": singing, "finish_reason": "length"},
        {"caption": GOOD, "alt_text": singing, "finish_reason": "length"},
        {"caption": "I’m sorry, I cannot see it.", "alt_text": singing},
        {"caption": "A " + "long " * 2 + "x" * 800, "alt_text": singing},
        {"caption": "a red bird " * 5, "alt_text": singing},
        {"caption": "a very very very very red bird", "alt_text": singing},
        {"caption": "绿色的山坡，绿色的山谷，绿色的山顶", "alt_text": singing},
        {"caption": "Rewrite the alt text below into one precise bird", "alt_text": singing},
        {"caption": "a northern cardinal singing", "alt_text": singing},
    )
    golden = [
        (None, None, None),
        (None, None, None),
        ("empty", None, None),
        ("thinking", None, None),
        ("truncated", None, None),
        ("refusal", None, None),
        ("too_long", 812.0, 800.0),
        ("repetition", 4.0, 3.0),
        ("repetition", 4.0, 4.0),
        (None, None, None),
        ("prompt_echo", 8.0, 8.0),
        ("copy", 1.0, 0.95),
    ]
    stored = pa.array([0.48, 0.3111, None, 0.4138, 0.48, 0.4314, 0.0191, 0.3457, 0.3509, 0.0, 0.2933, 1.0], pa.float32())
    assert (CaptionRules.version, rows_of(verdict), verdict.added["copy_similarity"]) == (5, golden, stored), BUMP
