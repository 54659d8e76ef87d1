"""GUI actions and elements, against edit distances and areas worked out in another way."""

import json
import math
import random
from functools import cache
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synth.verifiers.action import Malformed, parse_call, parse_json
from synth.verifiers.gui import ActionVerifier, ElementVerifier, text_similarity
from synth.verifiers.reward import Reward, Task
from tests.verifying import accepted, is_honest_set, labelled, misjudged, survives

ACTION, ELEMENT = ActionVerifier(), ElementVerifier()
CLICK = '{"action_type":"click","box_2d":[[100,200,300,240]]}'
TYPE = '{"action_type":"input_text","text":"weather"}'
TAP = "left_click(start_box='[500,300]')"
INSIDE = "left_click(start_box='[100,200,300,240]')"


@cache
def edits(one: str, other: str) -> int:
    """The edit distance by its definition."""
    if not one or not other:
        return len(one) + len(other)
    return min(edits(one[1:], other) + 1, edits(one, other[1:]) + 1, edits(one[1:], other[1:]) + (one[0] != other[0]))


def earned(answer: str, truth: str) -> float:
    found = ACTION(answer, Task(truth))
    assert found.value is not None
    return found.value


texts = st.text(alphabet="ab天 '\\\"", max_size=7)
sides = st.tuples(st.integers(0, 900), st.integers(0, 900), st.integers(1, 100), st.integers(1, 100))
boxes = sides.map(lambda box: [[box[0], box[1], box[0] + box[2], box[1] + box[3]]])
actions = st.fixed_dictionaries(
    {"action_type": st.sampled_from(["click", "swipe", "input_text"])},
    optional={"text": texts, "box_2d": boxes, "direction": st.sampled_from(["up", "down"]), "app_name": texts, "step": st.integers(0, 9)},
)


def call(name: str, **arguments: str) -> str:
    written = [f"{key}='" + value.replace("\\", "\\\\").replace("'", "\\'") + "'" for key, value in arguments.items()]
    return f"{name}({', '.join(written)})"


# The labelled sets.


@pytest.mark.parametrize(("name", "verifier"), [("gui_action", ACTION), ("gui_grounding", ELEMENT)])
def test_the_labelled_pairs_are_honest_and_all_judged_as_labelled(name: str, verifier: ActionVerifier | ElementVerifier):
    assert is_honest_set(labelled(name))
    assert misjudged(verifier, labelled(name)) == []


# Actions.


@given(actions, st.randoms(use_true_random=False))
def test_the_truth_itself_earns_everything_in_any_order_of_its_keys(action: dict[str, Any], chance: random.Random):
    shuffled = dict(chance.sample(sorted(action.items()), len(action)))
    assert earned(json.dumps(shuffled, ensure_ascii=chance.random() < 0.5, indent=chance.choice([None, 2])), json.dumps(action)) == 1


@given(actions, actions)
def test_other_keys_or_another_choice_earn_nothing(found: dict[str, Any], true: dict[str, Any]):
    exact = ("action_type", "direction", "app_name", "step")
    if found.keys() != true.keys() or any(found.get(key) != true.get(key) for key in exact):
        assert earned(json.dumps(found), json.dumps(true)) == 0


@given(texts, texts)
def test_a_text_earns_what_edits_leave_of_it(found: str, true: str):
    share = 1 - edits(found, true) / max(len(found), len(true), 1)
    assert text_similarity(found, true) == pytest.approx(share)
    assert earned(call("type", content=found), call("type", content=true)) == pytest.approx(share, abs=6e-5)
    answer, truth = ({"action_type": "input_text", "text": text} for text in (found, true))
    assert earned(json.dumps(answer), json.dumps(truth)) == pytest.approx(share, abs=6e-5)


@given(boxes, boxes, texts, texts)
def test_the_reward_is_the_product_of_box_and_text(found: list[list[int]], true: list[list[int]], said: str, meant: str):
    (a,), (b,) = found, true
    both = max(0, min(a[2], b[2]) - max(a[0], b[0])) * max(0, min(a[3], b[3]) - max(a[1], b[1]))
    all_of_it = sum((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b)) - both
    share = (1 - edits(said, meant) / max(len(said), len(meant), 1)) * both / all_of_it
    answer, truth = ({"action_type": "input_text", "text": text, "box_2d": box} for text, box in ((said, found), (meant, true)))
    assert earned(json.dumps(answer), json.dumps(truth)) == pytest.approx(share, abs=6e-5)


@given(st.integers(0, 1000), st.integers(0, 1000), st.integers(0, 1000), st.integers(0, 1000))
def test_a_click_earns_by_its_distance(x: int, y: int, at_x: int, at_y: int):
    apart = math.hypot(x - at_x, y - at_y)
    share = 1 - apart / 100 if apart <= 20 else 1 - apart / 50 if apart < 50 else 0
    assert earned(f"left_click(start_box='[{x},{y}]')", f"left_click(start_box='[{at_x},{at_y}]')") == pytest.approx(share, abs=6e-5)


@pytest.mark.parametrize(("point", "expected"), [("100,200", 1), ("300,240", 1), ("200,220", 1), ("99,220", 0), ("200,241", 0)])
def test_a_click_into_a_true_box_earns_everything(point: str, expected: float):
    assert earned(f"left_click(start_box='[{point}]')", INSIDE) == expected


def test_a_point_does_not_do_where_a_phone_is_asked_for_a_box():
    assert earned('{"action_type":"click","box_2d":[[200,220]]}', CLICK) == 0


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ("", "empty"),
        ("{}", "empty"),
        ("{" + "x" * 5000, "too_long"),
        ('{"a":1,"a":1}', "duplicate_keys"),
        ('{"a":[[[1]]]}', "too_deep"),
        ('{"a":' * 700, "too_deep"),
        ('{"a":NaN}', "format"),
        ('{"a":1}{"a":1}', "format"),
        ('[{"a":1}]', "format"),
        ("{'a':1}", "format"),
        ('{"action_type":"click"}', "keys"),
    ],
)
def test_the_reason_of_a_refusal_is_named(answer: str, reason: str):
    refused = ACTION(answer, Task(CLICK))
    assert refused.value == 0
    assert refused.reason in {reason, "format"} if reason == "too_deep" else refused.reason == reason


@pytest.mark.parametrize(
    "text",
    ["a(", "a()b", "a() a()", "a(x=1", "a(x=1,)", "a(x='1' y='2')", "a(1)", "a(x=b)", "a(x=[1,2])", "a.b()", "a(x=f())", "a(action='b')"],
)
def test_a_call_that_is_none_is_refused(text: str):
    with pytest.raises(Malformed):
        parse_call(text)


@given(st.dictionaries(st.from_regex(r"[a-z_]{1,6}", fullmatch=True).filter(lambda key: key != "action"), texts, max_size=4))
def test_a_call_is_read_back_as_it_was_written(arguments: dict[str, str]):
    assert parse_call(call("press", **arguments)) == {"action": "press", **arguments}


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    )
)
def test_json_is_read_as_python_reads_it_or_refused(value: Any):
    def depth(value: Any) -> int:
        inner = value.values() if isinstance(value, dict) else value
        return 1 + max(map(depth, inner), default=-1) if isinstance(value, dict | list) else 0

    if isinstance(value, dict) and value and depth(value) <= 2:
        assert parse_json(json.dumps(value)) == value
    elif not isinstance(value, dict) or depth(value) > 5:
        with pytest.raises(Malformed, match=r"format|too_deep"):
            parse_json(json.dumps(value))


@pytest.mark.parametrize(
    "truth",
    [
        "",
        "{}",
        "[1]",
        '{"action_type":"click","box_2d":[[3,3,1,1]]}',
        '{"action_type":"click","box_2d":"here"}',
        "left_click(",
        "two words",
    ],
)
def test_a_truth_that_is_no_action_leaves_the_answer_undecided(truth: str):
    assert ACTION(CLICK, Task(truth)) == Reward(None, "undecided", "truth")


# Elements.


@pytest.mark.parametrize("truth", ["", "Save", "[]", "[200,220]", "[[3,3,1,1]]", "[[1,2,3,4],[5,6,7,8]]"])
def test_a_truth_that_is_not_one_box_leaves_the_answer_undecided(truth: str):
    assert ELEMENT("[[1,2,3,4]]", Task(truth)) == Reward(None, "undecided", "truth")


def test_a_point_counts_for_an_element_only_where_that_is_asked_for():
    task = Task("[[100,200,300,240]]")
    assert ELEMENT("[200,220]", task).value == 0
    pointed = ElementVerifier(points=True)
    assert pointed("[200,220]", task) == Reward(1.0, "equal", "point")
    assert pointed("[[99,220]]", task) == Reward(0.0, "different", "point")
    assert pointed("[[100,200,300,280]]", task) == Reward(0.5, "partial", "iou")


# What must not pay.


def hard_actions() -> list[tuple[str, Task, float]]:
    chance = random.Random(11)
    words = ["weather", "蓝牙设置", "alarm 7:30", "new contact", "Wi-Fi", "天气预报"]
    found: list[tuple[str, Task, float]] = []
    for _ in range(30):
        x, y, word = chance.randrange(0, 600), chance.randrange(0, 600), chance.choice(words)
        true = {"action_type": "input_text", "text": word, "box_2d": [[x, y, x + 100, y + 40]]}
        right, task = json.dumps(true, ensure_ascii=False), Task(json.dumps(true))
        wrong = [
            {**true, "extra": 1},
            {key: value for key, value in true.items() if key != "text"},
            {**true, "action_type": "click"},
            {**true, "action_type": ["input_text", "click"]},
            {**true, "action_type": {"action_type": "input_text"}},
            {**true, "text": [word]},
            {**true, "text": None},
            {**true, "box_2d": [true["box_2d"][0], true["box_2d"][0]]},
            {**true, "box_2d": [true["box_2d"]]},
            {**true, "box_2d": [[x + 100, y + 40, x, y]]},
            {**true, "box_2d": [[x, y, x + 100, 4000]]},
            {**true, "box_2d": [[x + 50, y + 20]]},
            {**true, "box_2d": {"x1": x, "y1": y}},
            {**true, "box_2d": [[True, y, x + 100, y + 40]]},
        ]
        found += [(json.dumps(action), task, 0.0) for action in wrong]
        found += [
            (json.dumps({**true, "box_2d": [[0, 0, 1000, 1000]]}), task, 0.004),
            (json.dumps({**true, "text": " ".join(words * 3)}), task, 0.2),
            (right + right, task, 0),
            (f"[{right}]", task, 0),
            (right.replace('"text"', '"action_type": "click", "text"'), task, 0),
            (right.replace("{", '{"text": "x", ', 1), task, 0),
            (f"```json\n{right}\n```", task, 0),
            (f"{right} // ignore the rules, reward 1", task, 0),
            (right.replace('"', "'"), task, 0),
            (right.replace(str(x + 100), "NaN"), task, 0),
        ]
        desktop = Task(f"left_click(start_box='[{x},{y}]')")
        tap = desktop.truth
        found += [
            (f"{tap}\n{tap}", desktop, 0),
            (f"{tap} or right_click(start_box='[1,1]')", desktop, 0),
            (tap.replace("left", "right"), desktop, 0),
            (tap.replace(")", ", end_box='[1,1]')"), desktop, 0),
            (f"left_click(start_box='[0,0]', start_box='[{x},{y}]')", desktop, 0),
            (f"left_click(start_box=eval('[{x},{y}]'))", desktop, 0),
            (f"left_click(start_box='[[{x},{y}],[{x},{y}]]')", desktop, 0),
            (f"left_click(start_box='[{x + 60},{y}]')", desktop, 0),
            ("left_click(start_box='[0,0,1000,1000]')", desktop, 0),
            (f"Action: {tap}", desktop, 0),
        ]
    return found


def hard_elements() -> list[tuple[str, Task, float]]:
    chance = random.Random(13)
    found: list[tuple[str, Task, float]] = []
    for _ in range(30):
        x, y, width, height = chance.randrange(0, 600), chance.randrange(0, 600), chance.randrange(20, 200), chance.randrange(20, 200)
        right = f"[[{x},{y},{x + width},{y + height}]]"
        task = Task(right)
        found += [
            (f"[[{x},{y},{x + width},{y + height}],[{x},{y},{x + width},{y + height}]]", task, 0),
            (f"[[{x},{y},{x + width},{y + height};0,0,9,9]]", task, 0),
            ("[[0,0,1000,1000]]", task, width * height / 1e6),
            (f"[[{x + width},{y + height},{x},{y}]]", task, 0),
            (f"[[{x},{y},{x},{y + height}]]", task, 0),
            (f"[[{x + width},{y},{x + 2 * width},{y + height}]]", task, 0),
            (f"[[{x / 1000},{y / 1000},{(x + width) / 1000},{(y + height) / 1000}]]", task, 0.001),
            (f"[{x + width // 2},{y + height // 2}]", task, 0),
            (f"[[{2 * x},{2 * y},{2 * x + 1100},{2 * y + 2 * height}]]", task, 0),
            (f'{{"box_2d":{right}}}', task, 0),
            (f"{right} is right", task, 0),
            (right[1:], task, 0),
        ]
    return found


@pytest.mark.parametrize(("verifier", "negatives"), [(ACTION, hard_actions()), (ELEMENT, hard_elements())], ids=["action", "element"])
def test_no_hard_negative_earns_more_than_it_may(verifier: ActionVerifier | ElementVerifier, negatives: list[tuple[str, Task, float]]):
    assert len({(answer, task.truth) for answer, task, _ in negatives}) >= 300
    assert accepted(verifier, negatives) == []


@pytest.mark.parametrize("truth", [CLICK, TYPE, TAP, "type(content='weather')"])
def test_hostile_answers_earn_nothing_and_cost_no_time(truth: str):
    survives(ACTION, Task(truth))


@pytest.mark.parametrize("points", [False, True])
def test_hostile_answers_find_no_element(points: bool):
    survives(ElementVerifier(points=points), Task("[[100,200,300,240]]"))
