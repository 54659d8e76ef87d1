"""Stored answers: nothing that reached a segment is lost, and every reader makes the same of it."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.exits import EnvironmentFault
from schemas.protocols import Answer
from synth.answers import GROUP, AnswerStore, Segment, glance, keys_of, without

SPLIT = "0123456789abcdef0123456789abcdef"
ONE = Answer("A boat on a lake.", "stop", 40, 6, 0.5)
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
ANSWERS = st.builds(Answer, TEXTS, st.sampled_from(["stop", "length", ""]), st.integers(0, 9999), st.integers(0, 9999), st.floats(0, 999))


class Objects:
    """An object store: a file appears whole, and is never changed."""

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}

    def list(self, folder: str) -> Sequence[str]:
        return [path for path in self.files if path.rpartition("/")[0] == folder]

    def read(self, path: str) -> bytes:
        return self.files[path]

    def append(self, path: str, data: bytes) -> None:
        assert path not in self.files
        self.files[path] = data


def stored(store: AnswerStore, keys: Sequence[str]) -> dict[str, Answer]:
    with store.open(SPLIT) as answers:
        return dict(answers.expect(keys))


def fill(store: AnswerStore, answers: dict[str, Answer], requests: Sequence[str] = ()) -> None:
    with store.open(SPLIT) as split:
        split.expect(requests or list(answers))
        for key, answer in answers.items():
            split.put(key, answer)


def segments(root: Path) -> list[Path]:
    return sorted(root.rglob("*.jsonl"))


def line(key: str, answer: Answer) -> str:
    values = {"text": answer.text, "finish_reason": answer.finish_reason, "prompt_tokens": answer.prompt_tokens}
    rest = {"completion_tokens": answer.completion_tokens, "seconds": answer.seconds, "reasoning": answer.reasoning}
    return json.dumps({"key": key, **values, **rest}) + "\n"


def header(requests: int = 1, done: int = 0) -> str:
    return json.dumps({"split_id": SPLIT, "requests": requests, "stored": done}) + "\n"


def write(root: Path, name: str, *lines: str) -> Path:
    path = root / "m" / SPLIT / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes("".join(lines).encode())
    return path


@given(st.dictionaries(st.text("abc", min_size=1), ANSWERS, max_size=8))
def test_what_is_put_comes_back(tmp_path_factory: pytest.TempPathFactory, answers: dict[str, Answer]):
    store = AnswerStore(str(tmp_path_factory.mktemp("answers")), "m")
    fill(store, answers)
    assert stored(store, list(answers)) == answers


@given(st.dictionaries(st.text("abc", min_size=1), ANSWERS, max_size=50))
def test_what_is_put_comes_back_from_an_object_store(answers: dict[str, Answer]):
    store = AnswerStore("gs://bucket/answers", "m", Objects())
    fill(store, answers)
    assert stored(store, list(answers)) == answers


def test_answers_lie_below_the_digest_of_the_model_and_the_split(tmp_path: Path):
    fill(AnswerStore(str(tmp_path), "m"), {"k": ONE})
    (segment,) = segments(tmp_path)
    assert segment.parent == tmp_path / "m" / SPLIT
    assert stored(AnswerStore(str(tmp_path), "another"), ["k"]) == {}


def test_only_the_answers_that_are_asked_for_come_back(tmp_path: Path):
    store = AnswerStore(str(tmp_path), "m")
    fill(store, {"a": ONE, "b": ONE})
    assert stored(store, ["b", "c"]) == {"b": ONE}


def test_an_answer_can_be_read_by_others_as_soon_as_it_is_put(tmp_path: Path):
    store = AnswerStore(str(tmp_path), "m")
    with store.open(SPLIT) as answers:
        answers.expect(["a", "b"])
        answers.put("a", ONE)
        assert stored(store, ["a", "b"]) == {"a": ONE}


def test_a_split_with_nothing_to_ask_writes_no_file(tmp_path: Path):
    store = AnswerStore(str(tmp_path), "m")
    fill(store, {"a": ONE})
    before = segments(tmp_path)
    assert stored(store, ["a"]) == {"a": ONE}
    fill(AnswerStore(str(tmp_path), "empty"), {})
    assert segments(tmp_path) == before


def test_each_attempt_has_a_segment_of_its_own_and_its_header_counts_what_was_there(tmp_path: Path):
    store = AnswerStore(str(tmp_path), "m")
    fill(store, {"a": ONE, "b": ONE}, ["a", "b", "c"])
    (first,) = segments(tmp_path)
    before = first.read_bytes()
    fill(store, {"c": ONE}, ["a", "b", "c"])
    (second,) = set(segments(tmp_path)) - {first}
    assert first.read_bytes() == before
    heads = [json.loads(path.read_text().splitlines()[0]) for path in (first, second)]
    assert heads == [{"split_id": SPLIT, "requests": 3, "stored": 0}, {"split_id": SPLIT, "requests": 3, "stored": 2}]
    assert [len(path.read_text().splitlines()) for path in (first, second)] == [3, 2]


def test_the_lines_hold_the_fields_of_an_answer(tmp_path: Path):
    fill(AnswerStore(str(tmp_path), "m"), {"k": ONE})
    (segment,) = segments(tmp_path)
    assert json.loads(segment.read_text().splitlines()[1]) == json.loads(line("k", ONE))


def test_answers_say_which_samples_they_were_asked_for_and_are_found_by_them(tmp_path: Path):
    store = AnswerStore(str(tmp_path), "m")
    with store.open(SPLIT) as split:
        split.expect(["a", "b", "c"])
        split.put("a", ONE, {"two", "one"})
        split.put("b", ONE, ["three"])
    (segment,) = segments(tmp_path)
    assert [json.loads(text).get("of") for text in segment.read_text().splitlines()] == [None, ["one", "two"], ["three"]]
    assert stored(store, ["a", "b"]) == {"a": ONE, "b": ONE}
    data = segment.read_bytes()
    assert keys_of(data, SPLIT, {"two"}) == {"a"}
    assert keys_of(data, SPLIT, {"three", "four"}) == {"b"}
    assert keys_of(data, SPLIT, ["four"]) == frozenset()
    left, answers = without(data, str(segment), SPLIT, {"a"})
    assert (keys_of(left, SPLIT, {"one", "three"}), answers) == ({"b"}, 1)
    assert keys_of(data + line("c", ONE).encode(), SPLIT, {"two"}) is None, "one that does not say leaves it open"


@given(st.integers(0, 400))
def test_a_segment_cut_short_anywhere_yields_the_answers_that_are_whole(tmp_path_factory: pytest.TempPathFactory, length: int):
    root = tmp_path_factory.mktemp("answers")
    answers = {key: replace(ONE, text=f"Ein Boot auf dem See {key} – 湖上的船") for key in ("a", "b", "c")}
    lines = [header(3), *(line(key, answer) for key, answer in answers.items())]
    whole = "".join(lines).encode()
    write(root, "s.jsonl").write_bytes(whole[:length])
    ends = [len("".join(lines[: n + 2]).encode()) - 1 for n in range(3)]
    expected = {key: answer for (key, answer), end in zip(answers.items(), ends, strict=True) if length >= end}
    assert stored(AnswerStore(str(root), "m"), list(answers)) == expected
    requests = 3 if length >= len(header(3)) - 1 else 0
    assert glance(whole[:length], SPLIT) == Segment(requests, frozenset(expected))


@pytest.mark.parametrize(
    "damage",
    [
        "\n",
        "garbage\n",
        "[1]\n",
        '{"key": "b"}\n',
        line("b", ONE).replace('"stop"', "7"),
        line("b", ONE).replace('"key"', '"kye"'),
        line("b", ONE).replace('"key"', '"of": 7, "key"'),
        "\0" * 20 + "\n",
    ],
)
def test_a_damaged_line_stops_the_run_with_path_and_line_number(tmp_path: Path, damage: str):
    path = write(tmp_path, "s.jsonl", header(3), line("a", ONE), damage, line("c", ONE))
    with pytest.raises(EnvironmentFault) as caught:
        AnswerStore(str(tmp_path), "m").open(SPLIT)
    assert str(path) in str(caught.value)
    assert "line 3" in str(caught.value)


@pytest.mark.parametrize("first", [line("a", ONE), header().replace(SPLIT, "f" * 32), header().replace("1,", '"1",'), '{"requests": 1}\n'])
def test_a_segment_without_the_header_of_its_split_stops_the_run(tmp_path: Path, first: str):
    write(tmp_path, "s.jsonl", first, line("b", ONE))
    with pytest.raises(EnvironmentFault, match="line 1"):
        AnswerStore(str(tmp_path), "m").open(SPLIT)


@given(st.lists(st.lists(st.tuples(st.sampled_from("ab"), ANSWERS), max_size=3), min_size=2, max_size=4), st.randoms())
def test_of_several_answers_to_a_request_all_readers_choose_the_same(tmp_path_factory: pytest.TempPathFactory, found, chance):
    roots = [tmp_path_factory.mktemp("answers") for _ in range(2)]
    one, other = (AnswerStore(str(root), "m") for root in roots)
    shuffled = [chance.sample(segment, len(segment)) for segment in found]
    for root, contents in zip(roots, (found, chance.sample(shuffled, len(shuffled))), strict=True):
        for number, segment in enumerate(contents):
            write(root, f"{number}.jsonl", header(), *(line(key, answer) for key, answer in segment))
    assert stored(one, ["a", "b"]) == stored(other, ["a", "b"])
    assert set(stored(one, ["a", "b"])) == {key for segment in found for key, _ in segment}


def test_other_files_beside_the_segments_are_left_alone(tmp_path: Path):
    write(tmp_path, "s.jsonl", header(), line("a", ONE))
    write(tmp_path, "s.jsonl.part", "garbage")
    assert stored(AnswerStore(str(tmp_path), "m"), ["a"]) == {"a": ONE}


def test_an_object_store_gets_groups_each_with_its_header_and_the_rest_at_the_end():
    objects = Objects()
    keys = [str(n) for n in range(2 * GROUP + 3)]
    with AnswerStore("gs://b/answers", "m", objects).open(SPLIT) as answers:
        answers.expect([*keys, "failed"])
        for key in keys:
            answers.put(key, ONE)
        assert len(objects.files) == 2
    contents = [data.decode().splitlines() for data in objects.files.values()]
    assert [json.loads(lines[0])["stored"] for lines in contents] == [0, GROUP, 2 * GROUP]
    assert {json.loads(lines[0])["requests"] for lines in contents} == {len(keys) + 1}
    assert [len(lines) - 1 for lines in contents] == [GROUP, GROUP, 3]
    assert all(path.startswith(f"gs://b/answers/m/{SPLIT}/") for path in objects.files)


def test_what_a_group_holds_back_is_stored_when_the_run_stops():
    objects = Objects()
    store = AnswerStore("gs://b/answers", "m", objects)

    def stop() -> None:
        with store.open(SPLIT) as answers:
            answers.put("a", ONE)
            raise EnvironmentFault("the server is down")

    with pytest.raises(EnvironmentFault, match="the server is down"):
        stop()
    assert stored(store, ["a"]) == {"a": ONE}


def test_an_object_store_without_a_storage_is_refused():
    with pytest.raises(ValueError, match="gs://b/answers"):
        AnswerStore("gs://b/answers", "m")


def test_a_disk_that_does_not_take_an_answer_stops_the_run_with_the_path(tmp_path: Path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(EnvironmentFault) as caught:
        fill(AnswerStore(str(tmp_path / "file"), "m"), {"a": ONE})
    assert str(tmp_path / "file") in str(caught.value)


def test_after_half_a_line_nothing_more_is_written_to_that_segment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def write_half(_self: object, path: str, data: bytes) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with open(path, "ab") as file:
            file.write(data[:-5])
        raise EnvironmentFault("no space left")

    store = AnswerStore(str(tmp_path), "m")
    monkeypatch.setattr("synth.answers.LocalStorage.append", write_half)
    with pytest.raises(EnvironmentFault, match="no space left"):
        fill(store, {"a": ONE})
    (segment,) = segments(tmp_path)
    assert segment.read_text().count("split_id") == 1
    monkeypatch.undo()
    assert stored(store, ["a"]) == {}
