"""Small pieces of the jobs over questions: shares of languages, choices rewritten, near questions, grades, samples."""

import math
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from filters.fill_in import FillInRules
from filters.near_question import NearQuestion
from filters.near_text import minhashes
from filters.rewards import PassBand, RewardAtLeast
from filters.shares import LanguageShares
from schemas import questions as q
from schemas.response import parse
from synth import rollouts
from synth.conversation import Conversation
from synth.difficulty import columns_of, passes_of
from synth.fill_in import bare, choice_of
from synth.rollouts import Group
from synth.sft import ToMessages, messages_of


@given(st.dictionaries(st.sampled_from(["zh", "en", "fr", "de"]), st.integers(1, 10_000)), st.floats(0.05, 0.6), st.floats(0.05, 0.39))
def test_languages_stand_to_each_other_as_they_were_asked_to(counts, zh, en):
    shares = LanguageShares({"zh": zh, "en": en})
    chance = shares.probabilities(counts)
    stays = Counter({name: counts.get(name, 0) * chance[name] for name in ("zh", "en")})
    stays["other"] = sum(n for name, n in counts.items() if name not in shares.shares) * chance[""]
    assert all(0 <= p <= 1 for p in chance.values())
    assert any(math.isclose(p, 1.0, abs_tol=1e-6) for p in chance.values()) or not counts
    whole = sum(stays.values())
    wanted = {"zh": zh, "en": en, "other": 1 - zh - en}
    there = {name: share for name, share in wanted.items() if stays[name]}
    for name, share in there.items():
        assert stays[name] / whole == pytest.approx(share / sum(there.values()), abs=1e-3)


def test_shares_beyond_the_whole_are_refused():
    with pytest.raises(ValueError, match="sum to 1 at most"):
        LanguageShares({"zh": 0.7, "en": 0.5})


@pytest.mark.parametrize(
    ("options", "truth", "right"),
    [
        (["a cat", "a dog"], "B", 1),
        (["a cat", "a dog"], "(b)", 1),
        (["a cat", "a dog"], "A Dog", 1),
        (["b", "a"], "B", 0),
        (["a cat", "a cat"], "a cat", None),
        (["a cat", "a dog"], "C", None),
        (["a cat", "a dog"], "a cow", None),
    ],
)
def test_the_truth_of_a_choice_is_its_letter_or_its_text(options, truth, right):
    found = choice_of("Which?", options, truth)
    assert (found and found.right) == right


@pytest.mark.parametrize(
    ("said", "question"),
    [
        ("What barks?", "What barks?"),
        ("<think>hm</think> What barks?", "What barks?"),
        ('"What barks?"', "What barks?"),
        ("Question: What barks?", "What barks?"),
        ("问题: 什么在叫?", "什么在叫?"),
        ("At 3: what barks?", "At 3: what barks?"),
    ],
)
def test_a_rewritten_question_is_taken_out_of_what_the_model_says_around_it(said, question):
    assert bare(said) == question


@pytest.mark.parametrize(
    ("before", "now", "truth", "wrong", "reason"),
    [
        ("Which animal barks?", "What kind of animal barks?", "a dog", ["a cat"], None),
        ("Which barks?", "Is a dog what barks?", "a dog", ["a cat"], "answer_in_question"),
        ("Is the dog or the cat a dog?", "What is a dog?", "dog", ["cat"], None),
        ("Which barks?", "Which of the following barks?", "a dog", ["a cat"], "mentions_options"),
        ("哪一个会叫?", "下列哪个动物会叫?", "狗", ["猫"], "mentions_options"),
        ("Which fly?", "What is able to fly?", "all of these", ["a crow"], "open_option"),
        ("What is 3 + 4?", "What is the sum of both?", "7", ["8"], "lost_number"),
        ("Which barks?", "What?", "a dog", ["a cat"], "short_rewriting"),
    ],
)
def test_a_choice_that_cannot_be_asked_without_its_options_says_why(before, now, truth, wrong, reason):
    schema = pa.schema([q.REWRITTEN_FROM, q.QUESTION_TEXT, q.TRUTH, q.DISTRACTORS])
    values = [before, now, truth, wrong]
    batch = pa.RecordBatch.from_pylist([dict(zip(schema.names, values, strict=True))], schema=schema)
    assert FillInRules()(batch).reason.to_pylist() == [reason]
    plain = pa.RecordBatch.from_pylist([{**dict(zip(schema.names, values, strict=True)), "rewritten_from": None}], schema=schema)
    assert FillInRules()(plain).reason.to_pylist() == [None]


WORDS = "A merchant sells apples and pears on the market square and earns 12 coins every morning before the bell rings"


def questions(*rows: tuple[str, str, list[str], list[int]]) -> pa.RecordBatch:
    texts, truths, images, pictures = zip(*rows, strict=True)
    signals = minhashes(list(texts))
    own = {"question": pa.array(texts), "truth": pa.array(truths), "image_hashes": pa.array(images, pa.list_(pa.string()))}
    return pa.record_batch({**own, "picture_hashes": pa.array(pictures, pa.list_(pa.uint64())), **signals})


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ((WORDS, "12", [], []), (WORDS.replace("square", "place"), "12", [], []), True),
        ((WORDS, "12", [], []), (WORDS.replace("12", "13"), "12", [], []), False),
        ((WORDS, "12", [], []), (WORDS.replace("square", "place"), "24", [], []), False),
        ((WORDS, "12", ["a"], [5]), (WORDS, "12", ["b"], [0xFF << 40]), False),
        (("How many?", "3", ["a"], [0b111]), ("How many?", "3", ["b"], [0b110]), True),
        (("How many?", "3", ["a"], [0b111]), ("How many?", "3", ["b"], [0b1111 << 9]), False),
        (("How many?", "3", ["a", "c"], [7, 8]), ("How many?", "3", ["a"], [7]), False),
        (("How many?", "3", ["a"], [0]), ("How many?", "3", ["b"], [0]), False),
        (("Why?", "so", [], []), ("Why?", "so", [], []), True),
    ],
)
def test_one_of_two_questions_is_enough_only_where_words_numbers_pictures_and_truth_agree(one, other, alike):
    finder = NearQuestion()
    left, right = questions(one), questions(other)
    assert (not np.isnan(finder.alike(left, right)[0])) == alike
    assert np.isnan(finder.alike(left, right)[0]) == np.isnan(finder.alike(right, left)[0])
    if alike:
        keys = [set(finder.buckets(batch).keys.tolist()) for batch in (left, right)]
        assert keys[0] & keys[1]


def test_no_verdict_is_not_the_same_as_wrong():
    rows = {"reward": [1.0, 0.0, None, None, None], "reward_reason": ["equal", "different", "timeout", "undecided", "no_truth"]}
    batch = pa.record_batch({**rows, "truth": ["1", "1", "1", "1", None]})
    assert RewardAtLeast()(batch).reason.to_pylist() == [None, "wrong_answer", "verifier_timeout", "no_verdict", None]


def test_a_band_of_difficulty_lets_by_what_nobody_graded():
    batch = pa.record_batch({"pass_rate": pa.array([0.0, 0.1, 0.5, 0.9, 1.0, None], pa.float32())})
    assert PassBand(0.05, 0.95)(batch).reason.to_pylist() == ["too_hard", None, None, None, "too_easy", None]
    with pytest.raises(ValueError, match="min_rate"):
        PassBand(0.9, 0.1)


def rollout(model: str, reward: float | None, **more) -> dict:
    said = {"model": model, "reward": reward, "reward_reason": "different", "exit": None, "finish_reason": "stop"}
    return {**said, **more}


def test_a_broken_format_counts_as_wrong_and_a_cut_or_failed_rollout_as_nothing():
    rows = [
        rollout("m", 1.0),
        rollout("m", 0.0, exit="dropped"),
        rollout("m", None, reward_reason=None, exit="dropped"),
        rollout("m", None, reward_reason=None, exit="dropped", finish_reason="length"),
        rollout("m", None, reward_reason=None, exit="dead", finish_reason=None),
        rollout("m", None, reward_reason="timeout", exit="dropped"),
        rollout("other", 1.0),
    ]
    first, second = passes_of(rows, 1.0)
    assert (first.model, first.n, first.correct, first.truncated, first.failed) == ("m", 3, 1, 1, 2)
    assert (second.model, second.n, second.correct) == ("other", 1, 1)
    columns = columns_of([[first, second], []], [{"m": [10, 30]}, {}], [None, None])
    assert columns[q.PASS_RATE.name].to_pylist() == [0.5, None]
    assert columns[q.N_SAMPLES.name].to_pylist() == [4, None]


@given(st.integers(0, 20), st.integers(1, 20), st.integers(1, 8))
def test_requests_cover_the_rollouts_once_and_their_seeds_never_meet(first, more, most):
    found = list(rollouts.groups(first, first + more, most))
    asked = [rollouts.sampling(100, group) for group in found]
    seeds = [request["seed"] + choice for request in asked for choice in range(request["n"])]
    assert seeds == list(range(100 + first, 100 + first + more))


def test_a_marker_without_an_image_is_refused():
    with pytest.raises(ValueError, match="1 markers and 0 images"):
        Conversation((("user", "<image>What is this?"),))


@pytest.mark.parametrize("style", ["glm41v", "glm45v"])
def test_an_overlong_thought_is_closed_where_its_answer_begins(style):
    begun = rollouts.opening("<think>on and on", style)
    response = parse(begun + "it is <|begin_of_box|>4<|end_of_box|>" + ("</answer>" if style == "glm41v" else ""), style)
    assert (response.thinking, response.boxes) == ("on and on", ("4",))


def test_the_thought_of_an_earlier_answer_is_not_kept():
    prompt = [
        {"role": "user", "content": "One?"},
        {"role": "assistant", "content": "<think>hm</think>\n<answer>Yes.</answer>"},
        {"role": "user", "content": "Two?"},
    ]
    turns = messages_of(prompt, "<think>a</think>\nNo.", "glm41v")
    assert [turn["content"] for turn in turns] == ["One?", "Yes.", "Two?", "<think>a</think>\nNo."]


def test_twins_are_drawn_alike_in_every_run_and_at_the_share_that_is_asked_for():
    rows = [
        {
            **{field.name: None for field in q.SFT},
            "sample_id": f"id-{n}",
            "split_id": "s",
            "row": n,
            "corpus": "c",
            "source_license": "x",
            "model": "m",
            "rollout": 0,
            "response": "<think>a</think>\n<answer>b</answer>",
            "prompt": [{"role": "user", "content": "?"}],
        }
        for n in range(400)
    ]
    batch = pa.RecordBatch.from_pylist(rows)
    modes = ToMessages(nothink_share=0.25)(batch, "glm45v").column(q.MODE.name).to_pylist()
    assert modes == ToMessages(nothink_share=0.25)(batch, "glm45v").column(q.MODE.name).to_pylist()
    assert 70 <= modes.count("nothink") <= 130
    assert modes.count("thinking") == 400


def test_groups_of_choices_that_a_server_cut_short_are_what_it_gave():
    from schemas.protocols import Answer

    answers = [Answer("a", "stop", 3, 1, 0.1), Answer("b", "stop", 0, 1, 0.0)]
    assert [r.number for r in rollouts.rollouts_of(Group(4, 4), answers, None)] == [4, 5]
