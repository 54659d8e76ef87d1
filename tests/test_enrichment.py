"""Enrichment: which added words the evidence or the image supports, and which captions leave because none is."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.enrichment import DISTRACTORS, PROMPT, Enrichment, word_shares
from schemas import columns as c
from schemas.batches import from_rows
from schemas.exits import EnvironmentFault, Verdict

BUMP = "the result of this filter changed: if that is meant, raise its `version` and the literals here together"
READ = pa.schema([c.WORDS_ADDED, c.WORDS_UNSUPPORTED, c.IMAGE_EMBEDDING, c.LABELS, c.OCR_TEXT])
EAST = [1.0, 0.0]
STRICT = Enrichment()


class Compass:
    """Texts point at angles: the distractors are spread from 0 to 90 degrees, a word lies where it says, and images point east."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        self.asked.append(list(texts))
        spread = {PROMPT.format(word): place * 90 / (len(DISTRACTORS) - 1) for place, word in enumerate(DISTRACTORS)}
        angles = np.radians([spread[text] if text in spread else float(text.rsplit(" ", 1)[1].strip("d")) for text in texts])
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


def judged(*rows: Mapping[str, Any], rule: Enrichment | None = None, embed: Compass | None = None) -> Verdict:
    return (rule or STRICT)(from_rows(rows, READ), embed=embed)


def row(
    added: list[str] | None, unsupported: list[str] | None, image: list[float] | None = EAST, labels: list[str] | None = None
) -> dict[str, Any]:
    found = None if labels is None else [{"label": label, "probability": 0.9} for label in labels]
    return {"words_added": added, "words_unsupported": unsupported, "image_embedding": image, "labels": found}


def told(verdict: Verdict) -> list[tuple[str | None, list[str] | None, bool | None]]:
    columns = verdict.reason, verdict.added["words_seen"], verdict.added["enriched"]
    return list(zip(*(column.to_pylist() for column in columns), strict=True))


def test_a_word_that_fits_better_than_nine_of_ten_distractors_is_seen():
    assert told(judged(row([], ["2d", "5d", "20d", "80d"]), embed=Compass())) == [(None, ["2d", "5d"], True)]


def test_a_caption_that_adds_only_what_nothing_supports_leaves_with_the_best_share_that_a_word_reached():
    verdict = judged(row([], ["80d", "45d"]), embed=Compass())
    assert told(verdict) == [("unsupported", [], False)]
    assert (verdict.value.to_pylist(), verdict.threshold.to_pylist()) == ([0.5], [0.9])


def test_what_the_evidence_supports_needs_no_image():
    assert told(judged(row(["ball"], ["80d"], labels=["ball"]), embed=Compass())) == [(None, [], True)]
    assert told(judged(row(["ball"], ["80d"], labels=["ball"]))) == [(None, None, True)]


def test_without_an_embedder_the_evidence_says_what_is_enriched_and_nothing_leaves():
    verdict = judged(row([], ["wet"], labels=[]), row([], ["wet"], labels=["ball"]))
    assert told(verdict) == [(None, None, False)] * 2
    assert verdict.value.to_pylist() == verdict.threshold.to_pylist() == [None, None]


def test_lines_of_text_are_evidence_too():
    read = {**row([], ["wet"]), "ocr_text": []}
    assert told(judged(read)) == [(None, None, False)]


def test_where_neither_can_be_asked_nothing_is_judged():
    assert told(judged(row([], ["wet"]))) == [(None, None, None)]
    assert told(judged(row([], ["wet"], image=None), embed=Compass())) == [(None, None, None)]


def test_an_echo_stays():
    assert told(judged(row([], []), embed=Compass())) == [(None, [], False)]
    assert told(judged(row([], [], labels=[]))) == [(None, None, False)]


def test_a_row_without_a_caption_has_null_columns():
    assert told(judged(row(None, None, labels=["ball"]), embed=Compass())) == [(None, None, None)]


def test_where_it_is_switched_off_captions_are_measured_and_stay():
    assert told(judged(row([], ["80d"]), rule=Enrichment(drop_unsupported=False), embed=Compass())) == [(None, [], False)]


def test_each_distinct_word_of_a_batch_is_embedded_once_and_none_where_there_is_none():
    compass = Compass()
    judged(row([], ["80d", "45d"]), row([], ["45d", "2d"]), row([], ["2d"], image=None), embed=compass)
    assert compass.asked == [[PROMPT.format(word) for word in (*DISTRACTORS, "80d", "45d", "2d")]]
    judged(row([], []), row([], ["2d"], image=None), embed=compass)
    assert len(compass.asked) == 1


@given(st.lists(st.tuples(st.integers(0, 90), st.lists(st.integers(0, 90), max_size=4)), max_size=5))
@settings(max_examples=60, deadline=None)
def test_a_share_is_the_count_of_distractors_that_lie_farther_from_the_image(rows: list[tuple[int, list[int]]]):
    images = [[math.cos(math.radians(angle)), math.sin(math.radians(angle))] for angle, _ in rows]
    found = word_shares(images, [[f"{word}d" for word in words] for _, words in rows], Compass())
    spread = [place * 90 / (len(DISTRACTORS) - 1) for place in range(len(DISTRACTORS))]
    for (angle, words), shares in zip(rows, found, strict=True):
        assert shares is not None
        for word in words:
            own = math.cos(math.radians(angle - word))
            beaten = sum(math.cos(math.radians(angle - other)) < own - 2e-4 for other in spread)
            near = sum(abs(math.cos(math.radians(angle - other)) - own) <= 2e-4 for other in spread)
            assert beaten / len(spread) - 1e-4 <= shares[f"{word}d"] <= (beaten + near) / len(spread) + 1e-4


def test_a_cosine_that_is_no_number_stops_the_run():
    with pytest.raises(EnvironmentFault, match="not finite"):
        judged(row([], ["2d"], image=[float("nan"), 0.0]), embed=Compass())


@pytest.mark.parametrize("share", [0.0, 1.1, -0.5])
def test_a_share_that_is_none_is_refused(share: float):
    with pytest.raises(ValueError, match=f"enrichment.min_share.*{share}"):
        Enrichment(min_share=share)


def test_golden_enrichment():
    verdict = judged(row([], ["80d", "8d", "9d", "9.9d"]), row([], ["12d"]), embed=Compass())
    golden = [(None, ["8d"], True), ("unsupported", [], False)]
    assert (Enrichment.version, told(verdict), verdict.value.to_pylist()) == (2, golden, [None, 0.8649]), BUMP
