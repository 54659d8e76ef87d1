"""What holds for every filter: rows are judged alone, in any batch, and each gets a whole verdict.

A new filter is one more line in ``FILTERS``; a column of a new type is one more in ``VALUES``.
"""

import dataclasses
import pickle
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from filters.alt_text import AltText
from filters.blocklist import Blocklist
from filters.caption_rules import CaptionRules
from filters.concepts import ConceptBalance
from filters.enrichment import DISTRACTORS, PROMPT, Enrichment
from filters.facts import FactsKept
from filters.image_rules import ImageContent, ImageSize
from filters.language import Language
from filters.relevance import Relevance
from filters.safety import Faces, NotSafe, PersonalData
from filters.vocabulary import Vocabulary
from schemas import columns as c
from schemas.exits import Verdict
from schemas.protocols import Name

Filter = Callable[[pa.RecordBatch], Verdict]

LISTED = "0123456789abcdef0123456789abcdef"
"""A hash on a blocklist."""


class CapitalisedWords:
    """A finder of names that is as simple as it gets."""

    def find(self, texts: Sequence[str]) -> list[list[Name]]:
        return [[Name(word, "name") for word in text.split() if word[:1].isupper()] for text in texts]


def embed_by_length(texts: Sequence[str]) -> np.ndarray:
    """Turn a text by as many degrees as it is long, but for the distractors, which all lie at 30."""
    usual = {PROMPT.format(word) for word in DISTRACTORS}
    angles = np.radians([30 if text in usual else len(text) % 90 for text in texts])
    return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


INSTRUCTIONS = "Rewrite the alt text below into one precise caption. Keep names and places."

CONCEPTS = Vocabulary(["beach", "word", "港", "oil on canvas", "very"])
COUNTS = np.array([40, 900, 3, 2, 60])
"""In how many texts of a pool each of them stands."""

FILTERS: list[Any] = [
    pytest.param(ImageSize(), id="ImageSize"),
    pytest.param(ImageContent(), id="ImageContent"),
    pytest.param(AltText(), id="AltText"),
    pytest.param(partial(CaptionRules(), instructions=INSTRUCTIONS), id="CaptionRules"),
    pytest.param(Language(keep=("en", "zh"), min_confidence=0.5), id="Language"),
    pytest.param(PersonalData(), id="PersonalData"),
    pytest.param(PersonalData(text="caption"), id="PersonalData of the caption"),
    pytest.param(NotSafe(), id="NotSafe"),
    pytest.param(Faces(max_faces=1), id="Faces"),
    pytest.param(partial(Blocklist(), hashes=frozenset([LISTED])), id="Blocklist"),
    pytest.param(Relevance("conse", 0.3), id="Relevance"),
    pytest.param(Relevance("conse", score=c.CAPTION_CLIP_SCORE.name), id="Relevance of captions"),
    pytest.param(partial(FactsKept(drop_new_names=True), names=CapitalisedWords()), id="FactsKept"),
    pytest.param(partial(ConceptBalance(), vocabulary=CONCEPTS, counts=COUNTS), id="ConceptBalance"),
    pytest.param(
        partial(ConceptBalance(t=10, tail_share=None, unmatched="keep"), vocabulary=CONCEPTS, counts=COUNTS), id="ConceptBalance by t"
    ),
    pytest.param(partial(Enrichment(), embed=embed_by_length), id="Enrichment"),
]

TEXTS = st.sampled_from(
    [
        "", "stop", "length", "IMG_2041.jpg", "at www.shop today", "2019-07-30", "July 30, 2019", "order 123456789 in blue", "Sunset beach",
        "Joan of Arc, Jules Bastien-Lepage, 1879, Oil on canvas", "2019.07.30 梅斯蒂亚 乌树故里,雪山脚下的绝美山村", "港の夕暮れ",
        "very " * 5, "word " * 300, "x" * 1200, "I’m sorry, I cannot see it.", "Zu\u0308rich by night, from above", INSTRUCTIONS,
        "en", "de", LISTED, LISTED[::-1], "ask jane@doe.org", "call (650) 253-0000", "4111 1111 1111 1111",
    ]
) | st.text(max_size=30)  # fmt: skip

VALUES: dict[pa.DataType, st.SearchStrategy[Any]] = {
    pa.string(): TEXTS,
    pa.int32(): st.sampled_from([0, 1, 199, 200, 600, 601, 4000]) | st.integers(0, 2**31 - 1),
    pa.int64(): st.sampled_from([0, 5119, 5120, 5121]) | st.integers(0, 2**50),
    pa.float32(): st.sampled_from([0.0, 0.25, 0.5, 0.75, 4.75, 5.0, 5.25, 80.0]) | st.floats(0, 255, width=32),
    pa.bool_(): st.booleans(),
    c.IMAGE_EMBEDDING.type: st.sampled_from([[1.0, 0.0], [0.0, 1.0], [0.6, 0.8]]),
    c.OCR_TEXT.type: st.lists(st.none() | TEXTS, max_size=2),
    c.LABELS.type: st.lists(st.none() | st.fixed_dictionaries({"label": st.none() | TEXTS, "probability": st.just(0.5)}), max_size=2),
}

NAMED: dict[str, st.SearchStrategy[Any]] = {c.CLIP_MODEL.name: st.just("conse")}
"""Columns in which other values stop the run."""

DECLARED = {field.name: field for field in vars(c).values() if isinstance(field, pa.Field)}

READ = [field for field in DECLARED.values() if field.type in VALUES]
"""Every scalar column of a sample, so that a filter may read what it likes."""


@st.composite
def batches(draw: st.DrawFn, min_rows: int = 0, max_rows: int = 6) -> pa.RecordBatch:
    """A batch of samples in which every value may be null."""
    rows = draw(st.integers(min_rows, max_rows))
    columns = [pa.array(draw(st.lists(st.none() | NAMED.get(f.name, VALUES[f.type]), min_size=rows, max_size=rows)), f.type) for f in READ]
    return pa.RecordBatch.from_arrays(columns, names=[f.name for f in READ])


def nulls(rows: int) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays([pa.nulls(rows, f.type) for f in READ], names=[f.name for f in READ])


def joined(*batches: pa.RecordBatch) -> pa.RecordBatch:
    return pa.RecordBatch.from_arrays(
        [pa.concat_arrays(list(parts)) for parts in zip(*(b.columns for b in batches), strict=True)], names=batches[0].schema.names
    )


def rows_of(verdict: Verdict) -> list[tuple[Any, ...]]:
    """Each row's verdict as plain values: reason, value, threshold, then what was added, by name."""
    added = [verdict.added[name].to_pylist() for name in sorted(verdict.added)]
    return list(zip(verdict.reason.to_pylist(), verdict.value.to_pylist(), verdict.threshold.to_pylist(), *added, strict=True))


def spec_of(judge: Any) -> Any:
    """The filter itself, without the arguments that were bound to it."""
    return judge.func if isinstance(judge, partial) else judge


every_filter = pytest.mark.parametrize("judge", FILTERS)
few = settings(max_examples=40, deadline=None)
many = settings(max_examples=2000, deadline=None, phases=[Phase.generate])


@every_filter
@few
@given(first=batches(), second=batches())
def test_the_verdict_of_joined_batches_is_their_verdicts_joined(judge: Filter, first: pa.RecordBatch, second: pa.RecordBatch):
    assert rows_of(judge(joined(first, second))) == rows_of(judge(first)) + rows_of(judge(second))


@every_filter
@few
@given(batch=batches(), data=st.data())
def test_rows_in_another_order_get_the_same_verdicts(judge: Filter, batch: pa.RecordBatch, data: st.DataObject):
    order = data.draw(st.permutations(range(len(batch))))
    verdicts = rows_of(judge(batch))
    assert rows_of(judge(batch.take(pa.array(order, pa.int64())))) == [verdicts[row] for row in order]


@every_filter
@few
@given(batch=batches(), data=st.data())
def test_a_slice_of_a_batch_gets_the_slice_of_its_verdict(judge: Filter, batch: pa.RecordBatch, data: st.DataObject):
    start = data.draw(st.integers(0, len(batch)))
    length = data.draw(st.integers(0, len(batch) - start))
    assert rows_of(judge(batch.slice(start, length))) == rows_of(judge(batch))[start : start + length]


@every_filter
@few
@given(batch=batches(max_rows=4))
def test_a_verdict_is_as_long_as_its_batch_and_of_the_declared_types(judge: Filter, batch: pa.RecordBatch):
    verdict = judge(batch)
    found = {"reason": verdict.reason, "value": verdict.value, "threshold": verdict.threshold, **verdict.added}
    declared = {name: DECLARED[name].type for name in verdict.added}
    assert {name: len(array) for name, array in found.items()} == dict.fromkeys(found, len(batch))
    assert {name: array.type for name, array in found.items()} == {
        "reason": pa.string(),
        "value": pa.float64(),
        "threshold": pa.float64(),
        **declared,
    }


@every_filter
@few
@given(batch=batches())
def test_a_kept_row_has_no_number_and_a_number_has_its_threshold(judge: Filter, batch: pa.RecordBatch):
    for reason, value, threshold, *_ in rows_of(judge(batch)):
        assert reason is not None or (value, threshold) == (None, None)
        assert (value is None) == (threshold is None)


@every_filter
@few
@given(batch=batches())
def test_a_verdict_is_the_same_twice_and_leaves_its_batch_alone(judge: Filter, batch: pa.RecordBatch):
    before = batch.to_pydict()
    assert rows_of(judge(batch)) == rows_of(judge(batch))
    assert batch.to_pydict() == before


@every_filter
def test_an_empty_batch_gets_an_empty_verdict_of_the_same_columns(judge: Filter):
    empty, full = judge(nulls(0)), judge(nulls(1))
    assert rows_of(empty) == []
    assert (empty.reason.type, empty.value.type, empty.threshold.type) == (full.reason.type, full.value.type, full.threshold.type)
    assert {name: array.type for name, array in empty.added.items()} == {name: array.type for name, array in full.added.items()}


@every_filter
def test_rows_of_nothing_but_nulls_all_get_the_same_verdict(judge: Filter):
    verdicts = rows_of(judge(nulls(3)))
    assert verdicts == [verdicts[0]] * 3


@every_filter
def test_a_filter_is_a_frozen_picklable_value_with_an_integer_version(judge: Filter):
    spec = spec_of(judge)
    assert isinstance(type(spec).version, int)
    assert type(spec).version >= 1
    assert "version" not in {field.name for field in dataclasses.fields(spec)}
    assert pickle.loads(pickle.dumps(spec)) == spec
    assert hash(spec) == hash(dataclasses.replace(spec))
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(spec, dataclasses.fields(spec)[0].name, 0)


@every_filter
@pytest.mark.parametrize("kept", [True, False])
def test_the_samples_drawn_here_hold_some_that_stay_and_some_that_leave(judge: Filter, kept: bool):
    found = find(batches(min_rows=1, max_rows=1), lambda batch: (judge(batch).reason.null_count == 1) is kept, settings=many)
    assert len(found) == 1
