"""Languages of short texts: how many are right, what the script decides, and who leaves by the rule."""

import pickle
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.language import Language, label, other_script_share
from filters.models.lid import FastTextIdentifier, LidSpec
from jobs.fetch import fetch, wanted
from schemas import columns as c
from schemas.exits import EnvironmentFault
from schemas.protocols import LanguageIdentifier
from schemas.weights import CACHE_VARIABLE, cache_dir, path_of
from tests.labelled import rows


@pytest.fixture(scope="module", autouse=True)
def cache() -> None:
    for entry in wanted(["lid"]):
        fetch(entry, cache_dir())


@pytest.fixture(scope="module")
def model() -> LanguageIdentifier:
    return LidSpec().load()


def accuracy(found: Sequence[str], labels: Sequence[str]) -> float:
    return sum(code in label.split("|") for code, label in zip(found, labels, strict=True)) / len(labels)


@pytest.mark.parametrize(("split", "ours", "bare"), [("dev", 0.94, 0.84), ("test", 0.97, 0.81)])
def test_more_short_texts_are_right_than_with_the_bare_model(model: LanguageIdentifier, split: str, ours: float, bare: float):
    import fasttext

    labels, texts = zip(*rows("languages.tsv", split), strict=True)
    raw = fasttext.load_model(str(path_of("lid")))
    assert accuracy([code for code, _ in model.identify(texts)], labels) >= ours
    assert accuracy([raw.predict(text)[0][0].removeprefix("__label__") for text in texts], labels) < bare


def test_the_texts_were_enough_and_of_every_language():
    found = {label for split in ("dev", "test") for label, _ in rows("languages.tsv", split)}
    assert {"zh", "en", "de", "fr", "es", "ru", "ja", "ko", "ar", "hi", "zh|en", "und"} <= found
    assert sum(len(rows("languages.tsv", split)) for split in ("dev", "test")) >= 120


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("西湖日落", "zh"),  # every ideograph is one that Japanese has too
        ("香港中文大學", "zh"),
        ("渋谷駅", "ja"),
        ("ラーメン", "ja"),
        ("日本京都の红叶季节旅游攻略", "zh"),  # a kana in a Chinese text
        ("金閣寺の庭", "ja"),
        ("책", "ko"),
        ("ภูเขา", "th"),
        ("Ελλάδα", "el"),
        ("WEISSE HOLZKOMMODE MIT SCHUBLADEN", "de"),
    ],
)
def test_what_the_script_settles_is_settled(model: LanguageIdentifier, text: str, code: str):
    assert model.identify([text])[0][0] == code


@pytest.mark.parametrize("text", ["", " \n ", "12345", "DSC01234.JPG", "2019-07-30 18:22", "★★★", "1920x1080", "𝟙𝟚𝟛"])
def test_a_text_without_words_is_of_no_language(model: LanguageIdentifier, text: str):
    assert model.identify([text]) == [("und", 0.0)]


def test_below_the_floor_no_language_is_named():
    sure, unsure = (LidSpec(floor=floor).load().identify(["Samsung Galaxy чехол"])[0] for floor in (0.0, 1.0))
    assert sure[0] != "und"
    assert unsure == ("und", sure[1])


def test_a_second_script_makes_a_text_mixed_and_its_language_less_sure(model: LanguageIdentifier):
    pure, mixed = "新款运动鞋", "新款 Nike Air Max 运动鞋"
    assert other_script_share(pure) == 0.0
    assert other_script_share(mixed) == 0.4  # 10 Latin letters beside 5 ideographs, each worth 3
    ((_, before), (code, after)) = model.identify([pure, mixed])
    assert code == "zh"
    assert after == pytest.approx(0.6 * before, abs=1e-4)


@pytest.mark.parametrize(("text", "share"), [("", 0.0), ("42", 0.0), ("東京タワーの夜景", 0.0), ("ab вг", 0.5), ("ａｂ вг", 0.5)])
def test_ideographs_beside_kana_are_one_script_and_width_is_none(text: str, share: float):
    assert other_script_share(text) == share


@settings(max_examples=60, deadline=None)
@given(texts=st.lists(st.text(max_size=40), max_size=5))
def test_any_text_has_a_language_and_a_rounded_confidence_whatever_its_neighbours(model: LanguageIdentifier, texts: list[str]):
    found = list(model.identify(texts))
    assert found == [model.identify([text])[0] for text in texts]
    assert all(0 <= sure <= 1 and sure == round(sure, 4) and code for code, sure in found)


def test_a_null_text_has_null_labels(model: LanguageIdentifier):
    added = label([None, "two dogs playing in the snow"], model)
    assert [added[name].to_pylist()[0] for name in ("language", "language_confidence", "other_script_share")] == [None] * 3
    assert added["language"].to_pylist()[1] == "en"
    assert {name: array.type for name, array in added.items()} == {
        f.name: f.type for f in (c.LANGUAGE, c.LANGUAGE_CONFIDENCE, c.OTHER_SCRIPT_SHARE)
    }


def labelled(*rows: tuple[str | None, float | None]) -> pa.RecordBatch:
    codes, confidences = zip(*rows, strict=True)
    return pa.record_batch({"language": pa.array(codes, pa.string()), "language_confidence": pa.array(confidences, pa.float32())})


LABELLED = labelled(("en", 0.9), ("de", 0.6), ("und", 0.1), (None, None))


@pytest.mark.parametrize(
    ("rule", "reasons"),
    [
        (Language(), [None, None, None, None]),
        (Language(keep=("en", "zh")), [None, "language", "language", None]),
        (Language(keep=("de", "und")), ["language", None, None, None]),
        (Language(min_confidence=0.6), [None, None, "language_unsure", None]),
        (Language(keep=("de", "und"), min_confidence=0.7), ["language", "language_unsure", "language_unsure", None]),
    ],
)
def test_only_what_is_configured_leaves(rule: Language, reasons: list[str | None]):
    verdict = rule(LABELLED)
    assert verdict.reason.to_pylist() == reasons


@pytest.mark.parametrize("floor", [0.3, 0.7])
def test_a_confidence_at_the_threshold_stays_whatever_its_type_makes_of_it(floor: float):
    assert Language(min_confidence=floor)(labelled(("en", floor), ("en", floor - 0.0001))).reason.to_pylist() == [None, "language_unsure"]


class Silent:
    """A model that leaves out every language that could be meant."""

    def predict(self, text: str, k: int) -> tuple[list[str], list[float]]:
        return ["__label__en"], [1.0]


def test_a_text_whose_languages_the_model_leaves_out_is_of_none():
    assert FastTextIdentifier(Silent(), floor=0.2).identify(["Осенний лес", "two dogs"]) == [("und", 0.0), ("en", 1.0)]


def test_an_unsure_row_says_how_unsure_it_is():
    verdict = Language(min_confidence=0.6)(LABELLED)
    assert verdict.value.to_pylist() == [None, None, pytest.approx(0.1), None]
    assert verdict.threshold.to_pylist() == [None, None, 0.6, None]


def test_another_model_comes_from_a_file_that_is_pinned(tmp_path: Path):
    own = tmp_path / "own.ftz"
    own.write_bytes(path_of("lid").read_bytes())
    assert LidSpec(path=str(own)).load().identify(["two dogs playing in the snow"])[0][0] == "en"
    own.write_bytes(b"another")
    with pytest.raises(EnvironmentFault, match=r"expected .*own\.ftz with SHA-256 8f3472"):
        LidSpec(path=str(own)).load()
    with pytest.raises(EnvironmentFault, match="found no file"):
        LidSpec(path=str(tmp_path / "absent")).load()


def test_absent_weights_are_named_with_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv(CACHE_VARIABLE, str(tmp_path))
    with pytest.raises(EnvironmentFault, match=r"run: python -m jobs\.fetch lid"):
        LidSpec().load()


def test_a_spec_travels_and_its_fields_are_its_identity():
    spec: Any = LidSpec()
    assert pickle.loads(pickle.dumps(spec)) == spec
    assert hash(replace(spec)) == hash(spec)
    assert replace(spec, floor=0.1) != spec
