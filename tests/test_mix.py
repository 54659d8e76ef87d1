"""The mix: shares, draws that agree and are independent, and the rows whose caption alone was at fault."""

import pyarrow as pa
import pytest

from filters.caption_rules import CaptionRules
from schemas import columns as c
from schemas.batches import draw
from schemas.exits import Verdict
from synth.mix import FAULTS_OF_THE_CAPTION, Mix, stays_with_original


def samples(rows: int, **columns: list[str | None]) -> pa.RecordBatch:
    texts = {"alt_text": ["alt"] * rows, "caption": ["cap"] * rows, **columns}
    ids = pa.array([f"{row:032x}" for row in range(rows)])
    return pa.record_batch({"sample_id": ids, **{name: pa.array(values, pa.string()) for name, values in texts.items()}})


def sources(mix: Mix, batch: pa.RecordBatch) -> list[str]:
    return mix(batch).added["caption_source"].to_pylist()


@pytest.mark.parametrize(("share", "lowest", "highest"), [(0.0, 0, 0), (0.25, 0.23, 0.27), (0.8, 0.78, 0.82), (1.0, 1, 1)])
def test_the_share_is_the_one_that_was_asked_for(share: float, lowest: float, highest: float):
    found = sources(Mix(recaption_share=share), samples(10_000))
    assert lowest <= found.count("recaption") / 10_000 <= highest


def test_the_text_is_that_of_its_source():
    added = Mix()(samples(50)).added
    texts = {"original": "alt", "recaption": "cap"}
    assert set(added["caption_source"].to_pylist()) == set(texts)
    assert added["text"].to_pylist() == [texts[source] for source in added["caption_source"].to_pylist()]
    assert {name: array.type for name, array in added.items()} == {f.name: f.type for f in (c.TEXT, c.CAPTION_SOURCE)}


def test_a_sample_is_drawn_alike_in_any_batch_and_otherwise_with_another_seed():
    batch = samples(200)
    assert sources(Mix(), batch) == sources(Mix(), batch.slice(0, 70)) + sources(Mix(), batch.slice(70))
    assert sources(Mix(), batch) != sources(Mix(seed=1), batch)
    assert Mix()(batch.slice(0, 0)).added["text"].to_pylist() == []


def test_a_larger_share_keeps_the_recaptions_of_a_smaller_one():
    few, many = (sources(Mix(recaption_share=share), samples(500)) for share in (0.3, 0.6))
    assert all(later == "recaption" for earlier, later in zip(few, many, strict=True) if earlier == "recaption")


def test_samples_that_another_draw_of_the_same_seed_kept_are_mixed_like_all():
    batch = samples(20_000)
    kept = draw(0, batch.column("sample_id").to_pylist()) < 0.2
    found = sources(Mix(recaption_share=0.5, seed=0), batch.filter(pa.array(kept)))
    assert found.count("recaption") / len(found) == pytest.approx(0.5, abs=0.03)


def test_what_is_missing_is_never_chosen():
    batch = samples(3, alt_text=["alt", None, None], caption=[None, "cap", None])
    for share in (0.0, 1.0):
        added = Mix(recaption_share=share)(batch).added
        assert added["text"].to_pylist() == ["alt", "cap", None]
        assert added["caption_source"].to_pylist() == ["original", "recaption", "original"]


def test_a_caption_that_was_set_aside_is_never_chosen():
    batch = samples(2, caption_fault=["truncated", None])
    assert sources(Mix(recaption_share=1.0), batch) == ["original", "recaption"]


def verdict(*reasons: str | None) -> Verdict:
    numbers = pa.array([None if reason is None else 1.0 for reason in reasons], pa.float64())
    return Verdict(pa.array(reasons, pa.string()), numbers, numbers, {"signal": pa.array(range(len(reasons)))})


def test_rows_whose_caption_alone_was_at_fault_stay_if_they_may():
    spared = Mix(keep_original_of_dropped=True).spare(verdict("truncated", "not_safe", None, "copy"), pa.nulls(4, pa.string()))
    assert spared.reason.to_pylist() == [None, "not_safe", None, None]
    assert spared.value.to_pylist() == spared.threshold.to_pylist() == [None, 1.0, None, None]
    assert spared.added["caption_fault"].to_pylist() == ["truncated", None, None, "copy"]
    assert spared.added["signal"].to_pylist() == [0, 1, 2, 3]


def test_by_default_nothing_is_spared_and_the_columns_are_the_same():
    before = verdict("truncated", "not_safe", None)
    after = Mix().spare(before, pa.nulls(3, pa.string()))
    assert after.reason.to_pylist() == before.reason.to_pylist()
    assert after.value.to_pylist() == before.value.to_pylist()
    assert after.added["caption_fault"].to_pylist() == [None] * 3


def test_a_caption_that_was_set_aside_is_not_judged_again():
    spared = Mix(keep_original_of_dropped=True).spare(verdict("not_safe", None, "copy"), pa.array(["truncated", "empty", None]))
    assert spared.reason.to_pylist() == [None, None, None]
    assert spared.added["caption_fault"].to_pylist() == ["truncated", "empty", "copy"]


def test_which_rows_stay_is_said_by_the_reasons_alone():
    reasons = pa.array(["copy", "email", None, "refusal"], pa.string())
    assert stays_with_original(reasons, ("copy", "refusal")).tolist() == [True, False, False, True]
    assert stays_with_original(reasons.slice(0, 0), ()).tolist() == []


def test_the_faults_are_reasons_that_the_caption_rules_give():
    captions = ["", "<think>So", "cut", "I cannot see it", "word " * 300, "a b c d " * 3, " ".join("abcdefghij"), "the alt text", "cut"]
    finish = ["stop", "stop", "length", *["stop"] * 5, "abort"]
    batch = pa.record_batch({"caption": captions, "finish_reason": finish, "alt_text": ["the alt text"] * 9})
    said = CaptionRules()(batch, instructions=" ".join("abcdefghij")).reason.to_pylist()
    assert sorted([*said, "unsupported"]) == sorted(FAULTS_OF_THE_CAPTION), "the last is what filters.enrichment says"
