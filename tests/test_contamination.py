"""Questions of a benchmark are found by words, by runs, by pictures and by embeddings; what only looks alike is left alone."""

import numpy as np
import pyarrow as pa
import pytest

from filters.contamination import Contamination, Entry, index
from schemas import questions as q

LONG = "A train leaves the old station at noon and travels north at sixty miles an hour for three hours"
ENTRIES = [
    Entry("exam:0", "How many legs has a spider?"),
    Entry("exam:1", LONG + "; how far does it go?"),
    Entry("exam:2", "What is the colour of the roof?", ("aa" * 16,), (0b1111 << 20,)),
    Entry("exam:3", "小明有三个苹果, 又买了五个苹果, 一共有几个苹果?"),
]


def row(question: str, hashes: tuple[str, ...] = (), pictures: tuple[int, ...] = (), choices: list[str] | None = None) -> dict:
    return {"question": question, "choices": choices, "image_hashes": list(hashes), "picture_hashes": list(pictures)}


def found(*rows: dict, vectors=None, known=None) -> list[tuple[str | None, str | None]]:
    schema = pa.schema([q.QUESTION_TEXT, q.CHOICES, q.IMAGE_HASHES, q.PICTURE_HASHES])
    batch = pa.RecordBatch.from_pylist(list(rows), schema=schema)
    verdict = Contamination()(batch, benchmarks=known or index(ENTRIES, 13), vectors=vectors)
    return list(zip(verdict.reason.to_pylist(), verdict.added["benchmark"].to_pylist(), strict=True))


@pytest.mark.parametrize(
    ("one", "reason", "name"),
    [
        (row("how many LEGS has a spider"), "benchmark_text", "exam:0"),
        (row("How many legs has a spyder?"), "benchmark_text", "exam:0"),
        (row(f"Tell me: {LONG}. Where is it then?"), "benchmark_ngram", "exam:1"),
        (row("小明有三个苹果,又买了五个苹果。请问现在呢?"), "benchmark_ngram", "exam:3"),
        (row("Anything at all", ("aa" * 16,)), "benchmark_image", "exam:2"),
        (row("Anything at all", ("bb" * 16,), (0b1101 << 20,)), "benchmark_image", "exam:2"),
    ],
)
def test_each_kind_of_leak_is_found_and_named(one: dict, reason: str, name: str):
    assert found(one) == [(reason, name)]


@pytest.mark.parametrize(
    "one",
    [
        row("How many legs have two spiders and a bird?"),
        row("What is the colour of the roof?", ("cc" * 16,), (0xFFFF << 40,)),
        row("How many legs has a spider?", ("cc" * 16,), (0,)),
        row("A train leaves the new station at noon and travels south; how far does it go?"),
        row(""),
    ],
)
def test_what_only_looks_alike_stays(one: dict):
    assert found(one) == [(None, None)]


def test_options_count_as_words_of_the_question():
    options = LONG.split()[7:]
    assert found(row(" ".join(LONG.split()[:7]), choices=[" ".join(options)])) == [("benchmark_ngram", "exam:1")]


def test_pictures_that_show_nothing_are_nobodys():
    known = index([Entry("exam:9", "A question about an empty picture, to be sure?", ("dd" * 16,), (0,))], 13)
    assert found(row("Another one", ("ee" * 16,), (0,)), known=known) == [(None, None)]


def test_an_altered_picture_is_found_by_its_embedding():
    vectors = np.eye(3, dtype=np.float32)
    known = index(ENTRIES[2:3], 13, vectors[:1], [0])
    rows = [row("One", ("1" * 32,), (7,)), row("Two", ("2" * 32,), (0xFFFF << 30,)), row("Three")]
    near = np.array([[0.99, 0.141, 0.0]], np.float32)
    assert found(*rows, known=known, vectors=[near, vectors[1:2], vectors[:0]]) == [
        ("benchmark_embedding", "exam:2"),
        (None, None),
        (None, None),
    ]


def test_rows_are_judged_one_by_one():
    rows = [row("How many legs has a spider?"), row("Nothing of the kind"), row("Anything", ("aa" * 16,))]
    assert found(*rows) == [found(one)[0] for one in rows]
    assert found(*reversed(rows)) == found(*rows)[::-1]


def test_without_a_benchmark_nothing_leaves():
    assert found(row("How many legs has a spider?"), known=index([], 13)) == [(None, None)]
