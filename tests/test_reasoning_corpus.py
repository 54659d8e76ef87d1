"""The demo corpus of questions: truths found again in the pixels, what is planted counted, and the same bytes each time."""

import filecmp
import io
import itertools
import json
import math
import random
import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from filters.decode import Decoder
from filters.signals import measure
from jobs import reasoning_corpus
from jobs.exam import charts, geometry, screens, shapes, written
from jobs.exam.item import Item
from jobs.fetch import fetch
from pipelines.readers import questions
from pipelines.readers.question_columns import QuestionColumns
from schemas.questions import TIERS
from schemas.weights import CACHE_VARIABLE, TABLE, cache_dir

PLANTED = {
    "exact duplicate": 3,
    "near duplicate": 4,
    "null question": 2,
    "marker mismatch": 4,
    "truncated picture": 2,
    "wrong truth": 6,
    "too easy": 3,
    "leaks exactly": 4,
    "leaks nearly": 2,
    "leaks the picture": 2,
}
SEEDS = range(24)
EACH = pytest.mark.parametrize(("seed", "language"), [(seed, ("en", "zh")[seed % 2]) for seed in SEEDS])
RED, BLUE, GREEN, ORANGE, PURPLE = (0xD6, 0x27, 0x28), (0x1F, 0x77, 0xB4), (0x2C, 0xA0, 0x2C), (0xFF, 0x7F, 0x0E), (0x94, 0x67, 0xBD)
WORDS = {"red": RED, "blue": BLUE, "green": GREEN, "orange": ORANGE, "purple": PURPLE}
WORDS |= {"红色": RED, "蓝色": BLUE, "绿色": GREEN, "橙色": ORANGE, "紫色": PURPLE}
FORMS = {"circle": "circle", "square": "square", "triangle": "triangle", "圆形": "circle", "正方形": "square", "三角形": "triangle"}


@pytest.fixture(scope="session", autouse=True)
def _fetched() -> None:
    for name in ("noto_sans_sc", "easy_vqa"):
        fetch(TABLE[name], cache_dir())


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("corpus") / "exam"
    assert reasoning_corpus.main([str(out)]) == 0
    return out


def rows_of(folder: Path) -> list[dict[str, Any]]:
    splits = [split for shard in questions.list_questions(str(folder)) for split in questions.cut(shard, 512, 2**19, QuestionColumns())]
    assert len(splits) >= len(questions.list_questions(str(folder)))
    return [row for split in splits for row in questions.read(split, "demo", "unknown").to_pylist()]


def labels_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder.parent / f"{folder.name}.labels.jsonl").read_text().splitlines()]


@pytest.fixture(scope="session")
def labelled(corpus: Path) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    read = {(Path(row["source_path"]).name, row["source_member"]): row for row in rows_of(corpus)}
    labels = labels_of(corpus)
    assert len(read) == len(labels)
    return [(read[label["shard"], f"row {label['row']}"], label) for label in labels]


def pixels(image: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(image)).convert("RGB"))


def components(image: np.ndarray, colour: tuple[int, int, int]) -> list[tuple[int, int, int, int, int]]:
    """Return left, top, width, height and area of each patch of ``colour`` that is more than a speck."""
    mask = np.all(image == colour, axis=2).astype(np.uint8)
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    return [tuple(map(int, row)) for row in stats[1:] if row[4] > 100]


def form_of(patch: tuple[int, int, int, int, int]) -> str:
    """Tell a form by the share of its box that it fills: a square all, a circle pi/4, a triangle half."""
    filled = patch[4] / (patch[2] * patch[3])
    return "square" if filled > 0.95 else "circle" if filled > 0.65 else "triangle"


def asked_of(item: Item) -> str:
    assert isinstance(item.question, str)
    return item.question


def made(generator: Callable[[random.Random, str], Item], seed: int, language: str) -> Item:
    return generator(random.Random(f"test:{seed}"), language)


def thing(text: str) -> tuple[tuple[int, int, int], str]:
    """Return colour and form of the first thing that ``text`` names."""
    colour = min((word for word in WORDS if word in text), key=text.index)
    rest = text[text.index(colour) :]
    return WORDS[colour], FORMS[min((word for word in FORMS if word in rest), key=rest.index)]


# Truths, found again in the pixels


def heights(image: np.ndarray) -> list[float]:
    """Return the values of the bars from left to right: the axis runs from row 410 to row 70, 0 to 100."""
    bars = sorted(max(patches, key=lambda patch: patch[4]) for colour in WORDS.values() if (patches := components(image, colour)))
    assert len(set(bars)) == 5
    return [(410 - bar[1]) / 3.4 for bar in sorted(set(bars))]


@EACH
def test_bars_are_as_high_as_the_truth_needs(seed: int, language: str) -> None:
    item = made(charts.bar, seed, language)
    found = [round(value) for value in heights(pixels(item.images[0]))]
    listed = [int(value) for value in re.findall(r" (\d+)[;.。]", item.description)]
    assert found == listed
    names = re.findall(r"(\w+) \d+[;.。]", item.description)
    places = [
        place
        for place in sorted(range(5), key=lambda at: asked_of(item).lower().find(names[at].lower()))
        if names[place].lower() in asked_of(item).lower()
    ]
    values = [found[place] for place in places]
    assert item.truth == str(values[0] - values[1] if len(values) == 2 else values[0])


@EACH
def test_lines_go_where_the_truth_says(seed: int, language: str) -> None:
    item = made(charts.line, seed, language)
    markers = sorted(patch for patch in components(pixels(item.images[0]), RED))
    found = [round((410 - (top + (height - 1) / 2)) / 3.4 / 5) * 5 for _, top, _, height, _ in markers]
    years = [int(year) for year in re.findall(r"(\d{4}): ", item.description)]
    asked = [int(year) for year in re.findall(r"\d{4}", asked_of(item))]
    value = dict(zip(years, found, strict=True))
    if not asked:
        assert item.truth == str(max(years, key=value.__getitem__))
        assert sorted(found)[-1] > sorted(found)[-2]
    else:
        assert item.truth == str(value[asked[0]] if len(asked) == 1 else abs(value[asked[1]] - value[asked[0]]))


@EACH
def test_slices_are_as_large_as_they_say(seed: int, language: str) -> None:
    item = made(charts.pie, seed, language)
    image = pixels(item.images[0])[:, :480]
    shares = [int(share) for share in re.findall(r"(\d+)%", item.description)]
    areas = [np.all(image == colour, axis=2).sum() for colour in (RED, BLUE, GREEN, ORANGE)]
    assert sum(shares) == 100
    assert np.allclose(np.array(areas) / sum(areas) * 100, shares, atol=1.5)
    names = re.findall(r"(\w+) \d+%", item.description)
    assert item.truth == str(sum(share for name, share in zip(names, shares, strict=True) if name.lower() in asked_of(item).lower()))


@EACH
def test_tables_add_up(seed: int, language: str) -> None:
    item = made(charts.table, seed, language)
    head, *rows = [line.split(" | ") for line in item.description.split("\n")[1:]]
    row = next([int(cell) for cell in cells[1:]] for cells in rows if cells[0] in asked_of(item))
    people = [value for name, value in zip(head[1:], row, strict=True) if name in asked_of(item)]
    assert item.truth == str(abs(people[0] - people[1]) if people else sum(row))


@EACH
def test_as_many_shapes_are_drawn_as_the_truth_says(seed: int, language: str) -> None:
    item = made(shapes.counting, seed, language)
    colour, form = thing(asked_of(item))
    found = [form_of(patch) for patch in components(pixels(item.images[0]), colour)]
    assert item.truth == str(found.count(form))
    everything = sum(len(components(pixels(item.images[0]), value)) for value in set(WORDS.values()))
    assert everything == item.facts["things"]


@EACH
def test_a_thing_lies_where_the_truth_says(seed: int, language: str) -> None:
    item = made(shapes.spatial, seed, language)
    image, text = pixels(item.images[0]), asked_of(item)
    first = thing(text)
    others = [word for word in WORDS if word in text and WORDS[word] != first[0]]
    ((x, y), (at_x, at_y)) = (
        (patch[0] + patch[2] / 2, patch[1] + patch[3] / 2) for colour in (first[0], WORDS[others[0]]) for patch in components(image, colour)
    )
    across = abs(x - at_x) > abs(y - at_y)
    side = ("left" if x < at_x else "right") if across else ("above" if y < at_y else "below")
    assert item.truth == {"en": side, "zh": {"left": "左", "right": "右", "above": "上", "below": "下"}[side]}[language]
    assert min(abs(x - at_x), abs(y - at_y)) < 2


@EACH
def test_the_true_box_is_that_of_the_only_such_thing(seed: int, language: str) -> None:
    item = made(shapes.grounding, seed, language)
    colour, form = thing(asked_of(item))
    ((left, top, width, height, _),) = [patch for patch in components(pixels(item.images[0]), colour) if form_of(patch) == form]
    (box,) = json.loads(item.truth or "")
    exact = (left / 0.64, top / 0.48, (left + width) / 0.64, (top + height) / 0.48)
    assert np.allclose(box, exact, atol=1.1)
    assert all(0 <= value <= 999 for value in box)


@EACH
def test_two_pictures_differ_by_what_the_truth_says(seed: int, language: str) -> None:
    item = made(shapes.compare, seed, language)
    text = asked_of(item)
    form = FORMS[next(word for word in FORMS if word in text)]
    counts = [
        sum(form_of(patch) == form for colour in set(WORDS.values()) for patch in components(pixels(image), colour))
        for image in item.images
    ]
    which = "Which" in text or "哪一幅" in text
    assert item.truth == str(1 + counts.index(max(counts)) if which else abs(counts[0] - counts[1]))
    assert text.count("<image>") == 2
    assert counts[0] != counts[1]


@EACH
def test_angles_are_drawn_as_they_are_written(seed: int, language: str) -> None:
    item = made(geometry.angles, seed, language)
    mask = np.all(pixels(item.images[0]) == BLUE, axis=2).astype(np.uint8)
    hull = cv2.convexHull(max(cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)[0], key=cv2.contourArea))
    _, triangle = cv2.minEnclosingTriangle(hull)
    a, b, c = sorted(triangle.reshape(3, 2).tolist(), key=lambda point: -point[1])
    a, b = sorted((a, b))
    drawn = [angle_at(*corners) for corners in ((a, b, c), (b, a, c), (c, a, b))]
    written_ = [int(value) for value in re.findall(r"(\d+)°", item.description)]
    assert np.allclose(drawn, [*written_, int(item.truth or "")], atol=2.5)


def angle_at(corner: list[float], one: list[float], other: list[float]) -> float:
    (ax, ay), (bx, by) = ((point[0] - corner[0], point[1] - corner[1]) for point in (one, other))
    return math.degrees(math.acos((ax * bx + ay * by) / math.hypot(ax, ay) / math.hypot(bx, by)))


@EACH
def test_lengths_give_the_truth(seed: int, language: str) -> None:
    item = made(geometry.hypotenuse, seed, language)
    one, other = (int(value) for value in re.findall(r"(\d+) ?(?:cm|厘米)", item.description))
    area = "area" in asked_of(item) or "面积" in asked_of(item)
    assert float(item.truth or "") == (one * other / 2 if area else math.hypot(one, other))
    item = made(geometry.circle, seed, language)
    (radius,) = (int(value) for value in re.findall(r"(\d+) ?(?:cm|厘米)", item.description))
    area = "area" in asked_of(item) or "面积" in asked_of(item)
    assert item.truth == f"{radius**2 if area else 2 * radius}π"


@EACH
def test_a_switch_is_where_the_action_taps(seed: int, language: str) -> None:
    item = made(screens.gui, seed, language)
    action, image = json.loads(item.truth or ""), pixels(item.images[0])
    (box,) = action["box_2d"]
    left, top, right, bottom = (round(value * side / 1000) for value, side in zip(box, (400, 720, 400, 720), strict=True))
    inside = image[top:bottom, left:right]
    task = asked_of(item).split("\n")[0]
    if action["action_type"] == "input_text":
        assert f"“{action['text']}”" in task
        assert (image[top + 4 : bottom - 4, left + 4 : right - 4] == 255).mean() > 0.8
        return
    is_on = np.all(inside == BLUE, axis=2).sum() > np.all(inside == (0xB8, 0xB8, 0xB8), axis=2).sum()
    assert is_on == (" off." in task or task.startswith("关闭"))
    colour = BLUE if is_on else (0xB8, 0xB8, 0xB8)
    patches = [patch for patch in components(image, colour) if abs(patch[1] - top) <= 2]
    assert any(np.allclose(patch[:4], (left, top, right - left, bottom - top), atol=2) for patch in patches)


@EACH
def test_a_sign_bears_as_many_lines_of_ink_as_the_truth_has(seed: int, language: str) -> None:
    item = made(screens.ocr, seed, language)
    dark = (pixels(item.images[0])[20:-20, 20:-20].max(axis=2) < 100).any(axis=1)
    lines = item.description.split("\n")[1:]
    middles = [65 + 70 * place - 20 for place in range(len(lines))]
    assert [bool(dark[middle - 20 : middle + 20].any()) for middle in middles] == [True] * len(lines)
    asked = re.search(r"line (\d)|第(\d)行", asked_of(item))
    assert item.truth == (lines[int(asked[1] or asked[2]) - 1] if asked else "\n".join(lines))


@EACH
def test_what_is_asked_in_words_has_its_truth_by_other_means(seed: int, language: str) -> None:
    item = made(written.arithmetic, seed, language)
    numbers = [int(value) for value in re.findall(r"\d+", asked_of(item))]
    sold, price = (numbers[0], numbers[1]) if language == "en" else (numbers[1], numbers[0])
    assert item.truth == str(sold * price - numbers[2])
    item = made(written.equation, seed, language)
    left = re.search(r"\$(.*) = 0\$", asked_of(item))
    assert left
    assert {number for number in range(-20, 21) if _at(left[1], number) == 0} == {int(root) for root in (item.truth or "").split(", ")}
    item = made(written.choice, seed, language)
    letters = dict(re.findall(r"^([A-D])\. (.*)$", asked_of(item), re.MULTILINE))
    assert list(letters.values()) == list(item.choices)
    assert letters[item.truth or ""] == item.facts["right"]
    item = made(written.physics, seed, language)
    value, unit = (item.truth or "").split()
    one, other = (int(number) for number in re.findall(r"\d+", asked_of(item).replace("m/s²", "").replace("m/s", ""))[:2])
    assert float(value) == {"m/s": one / other, "N": one * other, "J": one * other**2 / 2}[unit]


def _at(left: str, x: int) -> int:
    """Return the value of a polynomial of degree two, written as ``x^2 + 3x - 4``, term by term."""
    total = 0
    for sign, number, power in re.findall(r"([+-]?) ?(\d*)(x\^2|x|)(?= |$)", left):
        if number or power:
            total += (-1 if sign == "-" else 1) * int(number or 1) * x ** {"x^2": 2, "x": 1, "": 0}[power]
    return total


@pytest.mark.parametrize("formula", sorted(written.COMPOUNDS))
def test_molar_masses_are_those_of_the_formula(formula: str) -> None:
    masses = {"H": 1, "C": 12, "N": 14, "O": 16, "Na": 23, "S": 32, "Ca": 40}
    by_hand = sum(masses[element] * int(count or 1) for element, count in re.findall(r"([A-Z][a-z]?)(\d*)", formula))
    items = [made(written.chemistry, seed, "en") for seed in range(200)]
    assert {item.truth for item in items if item.facts and item.facts["formula"] == formula} == {f"{by_hand} g/mol"}


# The corpus as a whole


def test_what_is_planted_is_counted_and_refused_for_the_reason_that_the_labels_say(corpus: Path, labelled: Any) -> None:
    counted = Counter(label["planted"] for _, label in labelled)
    assert counted == {None: 7 * (2 * 11 + 8 + 1), **PLANTED}
    for row, label in labelled:
        assert row["reason"] == (label["reason"] if label["reason"] != "truncated" else None)
    broken = [row["images"][0]["bytes"] for row, label in labelled if label["planted"] == "truncated picture"]
    whole = [image["bytes"] for row, label in labelled if not label["reason"] for image in row["images"]]
    signals, _ = measure([*broken, *whole], Decoder())
    assert signals.reason.to_pylist() == ["truncated"] * len(broken) + [None] * len(whole)
    assert sum(pq.ParquetFile(path).metadata.num_rows for path in corpus.glob("*.parquet")) == sum(counted.values()) == len(labelled)


def test_truths_are_the_right_ones_but_where_a_wrong_one_is_planted(labelled: Any) -> None:
    for row, label in labelled:
        if label["planted"] == "wrong truth":
            assert row["truth"] not in (None, label["truth"])
        elif label["planted"] != "marker mismatch":
            assert row["truth"] == label["truth"]
    assert {row["domain"] for row, _ in labelled if row["truth"] is None} == {"planning", "writing"}


def test_every_question_with_pictures_has_a_twin_in_words(labelled: Any) -> None:
    good = [(row, label) for row, label in labelled if label["planted"] is None and label["kind"] in reasoning_corpus.PICTURED]
    twins = itertools.groupby(sorted(good, key=lambda pair: (pair[1]["twin"], pair[1]["seen"])), lambda pair: pair[1]["twin"])
    for _, found in twins:
        (described, _), (seen, _) = found
        assert [bool(row["images"]) for row in (described, seen)] == [False, True]
        assert (described["truth"], described["domain"], described["language"]) == (seen["truth"], seen["domain"], seen["language"])
        assert described["prompt"][0]["content"].endswith(seen["prompt"][0]["content"].rpartition("<image>")[2].strip())
        assert described["sample_id"] != seen["sample_id"]


def test_equal_rows_are_the_planted_ones_and_near_ones_share_their_cluster(labelled: Any) -> None:
    ids = Counter(row["sample_id"] for row, _ in labelled if row["sample_id"])
    again = {row["sample_id"] for row, label in labelled if label["planted"] == "exact duplicate"}
    assert {sample_id for sample_id, count in ids.items() if count > 1} == again
    assert set(ids.values()) == {1, 2}
    clusters = Counter(label["cluster"] for _, label in labelled if label["cluster"])
    assert sorted(clusters.values()) == [2] * 7
    for cluster in clusters:
        one, other = (row["prompt"][0]["content"] for row, label in labelled if label["cluster"] == cluster)
        assert one in other or other in one


def test_the_benchmark_leaks_as_the_labels_say_and_no_further(corpus: Path, labelled: Any) -> None:
    asked = rows_of(corpus.with_name(f"{corpus.name}-benchmark"))
    assert [row["reason"] for row in asked] == [None] * 14
    by_line = {f"demo-bench-{number}": row for number, row in enumerate(asked)}
    ids = {row["sample_id"] for row, _ in labelled}
    leaked = {kind: {label["benchmark"] for _, label in labelled if label["planted"] == kind} for kind in PLANTED if "leak" in kind}
    assert {name for name, row in by_line.items() if row["sample_id"] in ids} == leaked["leaks exactly"]
    pictures = {image["path"] for row, _ in labelled for image in row["images"]}
    shared = {name for name, row in by_line.items() if any(image["path"] in pictures for image in row["images"])}
    with_pictures = {name for name in leaked["leaks exactly"] if by_line[name]["images"]}
    assert shared == with_pictures | leaked["leaks the picture"]
    for row, label in labelled:
        if label["planted"] == "leaks nearly":
            assert by_line[label["benchmark"]]["prompt"][0]["content"] in row["prompt"][0]["content"]


def test_both_languages_and_several_tiers_and_turns_are_there(labelled: Any) -> None:
    good = [(row, label) for row, label in labelled if label["planted"] is None]
    assert Counter(row["language"] for row, _ in good)["zh"] >= 80
    assert {row["human_tier"] for row, _ in good} < {None, *TIERS}
    assert {len(row["prompt"]) for row, _ in good} == {1, 3}
    assert {row["source_license"] for row, _ in good} == {"CC0 (made for this demo)", "MIT (easy-VQA)"}
    for row, _ in good:
        chinese = any("\u4e00" <= letter <= "\u9fff" for letter in row["prompt"][-1]["content"])
        assert chinese == (row["language"] == "zh")


def test_the_same_seed_gives_the_same_bytes_and_another_one_other_questions(corpus: Path, tmp_path: Path) -> None:
    assert reasoning_corpus.main([str(tmp_path / "exam")]) == 0
    names = [str(path.relative_to(corpus.parent)) for path in sorted(corpus.parent.rglob("*")) if path.is_file()]
    assert len(names) == 4
    assert filecmp.cmpfiles(corpus.parent, tmp_path, names, shallow=False) == (names, [], [])
    before = (corpus / "questions-0.parquet").stat().st_mtime_ns
    reasoning_corpus.build(corpus)
    assert (corpus / "questions-0.parquet").stat().st_mtime_ns == before
    reasoning_corpus.build(tmp_path / "other", seed=1)
    here, there = ({row["sample_id"] for row in rows_of(folder)} for folder in (corpus, tmp_path / "other"))
    assert len(here & there) < 40


def test_a_folder_of_other_things_and_a_font_that_is_not_there_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    assert reasoning_corpus.main([str(tmp_path / "mine")]) == 1
    assert "expected nothing or a corpus of questions" in capsys.readouterr().err
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path / "empty"))
    assert reasoning_corpus.main([str(tmp_path / "exam")]) == 1
    assert "python -m jobs.fetch" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        reasoning_corpus.main(["--per-kind", "3"])
