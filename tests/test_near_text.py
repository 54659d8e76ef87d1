"""Near-duplicate texts: every pair that plain sets of words find is found, no other one, whatever stands beside it."""

import pickle
import random
import re
from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filters.minhash import band_keys, banding, least_agreement
from filters.near_text import NearText, minhashes
from filters.shingles import spans
from filters.words import UNSPACED
from schemas import columns as c
from schemas.protocols import NearDuplicates

BUMP = "signatures changed: those on disk no longer match new ones. If that is meant, everything is annotated again"

TEXTS = st.one_of(
    st.none(),
    st.text(max_size=60),
    st.lists(
        st.sampled_from(
            ["A", "cat", "the", "CAT", "sat", "on", "a", "mat", "straße", "ÉTÉ", "雪山", "村", "ภาษา", "हिन्दी", ",", ".", "1890", "🎨"]
        ),
        max_size=30,
    ).map(" ".join),
)
DOCUMENT = "The harbour of Honfleur with fishing boats at low tide, painted in oil on canvas by a friend of Eugène Boudin in 1864"


def looked(texts: Sequence[str | None]) -> pa.RecordBatch:
    return pa.RecordBatch.from_pydict(minhashes(texts))


def pairs_sharing_a_key(finder: NearText, batch: pa.RecordBatch) -> set[tuple[int, int]]:
    members: dict[int, list[int]] = {}
    for row, key in zip(*(array.tolist() for array in finder.buckets(batch)[:2]), strict=True):
        members.setdefault(key, []).append(row)
    return {pair for rows in members.values() for pair in combinations(sorted(rows), 2)}


def found(finder: NearText, texts: Sequence[str | None]) -> dict[tuple[int, int], float]:
    """What a pipeline does, without its shuffle: keys, screen, truth."""
    batch = looked(texts)
    sought = finder.buckets(batch)
    sketch = dict(zip(sought.rows.tolist(), sought.sketches, strict=True))
    pairs = sorted(pairs_sharing_a_key(finder, batch))
    left, right = (pa.array([pair[side] for pair in pairs], pa.int64()) for side in (0, 1))
    passed = finder.screen(*(np.array([sketch[pair[side]] for pair in pairs], np.uint64) for side in (0, 1)))
    alike = finder.alike(batch.take(left), batch.take(right))
    return {pair: near for pair, kept, near in zip(pairs, passed, alike.tolist(), strict=True) if kept and near == near}


def triples(text: str) -> set[tuple[str, ...]]:
    """Shares nothing with the code but the ranges of unspaced scripts."""
    words = re.findall(rf"[{UNSPACED}]|[^\W_{UNSPACED}]+", text.casefold())
    return {tuple(words[place : place + 3]) for place in range(len(words) - 2)}


def true_jaccards(texts: Sequence[str]) -> dict[tuple[int, int], float]:
    """Jaccard similarity of every two texts, by sets of tuples."""
    sets = [triples(text) for text in texts]
    pairs = {pair: len(sets[pair[0]] & sets[pair[1]]) for pair in combinations(range(len(texts)), 2)}
    return {pair: shared / (len(sets[pair[0]]) + len(sets[pair[1]]) - shared) for pair, shared in pairs.items()}


def edited(words: Sequence[str], rate: float, vocabulary: Sequence[str], chance: random.Random) -> list[str]:
    result: list[str] = []
    for word in words:
        kind = chance.choice(("replace", "delete", "insert")) if chance.random() < rate else "keep"
        result += {"keep": [word], "delete": [], "replace": [chance.choice(vocabulary)], "insert": [word, chance.choice(vocabulary)]}[kind]
    return result


def corpus(seed: int, joint: str, vocabulary: Sequence[str], lengths: tuple[int, int]) -> list[str]:
    """Sixty texts, and of each a copy at every rate of edits."""
    chance = random.Random(seed)
    originals = [chance.choices(vocabulary, k=chance.randint(*lengths)) for _ in range(60)]
    copies = [edited(words, rate / 100, vocabulary, chance) for words in originals for rate in (0, 1, 2, 4, 8, 15)]
    texts = [joint.join(words) for words in [*originals, *copies]]
    chance.shuffle(texts)
    return texts


def pairs_at_one_similarity(count: int) -> list[str]:
    """Texts of 38 words, each followed by a copy in which one word stands for two: 32 shared triples of 39."""
    chance, texts = random.Random(count), list[str]()
    for number in range(count):
        words = [f"w{number}x{place}" for place in range(38)]
        at = chance.randrange(2, 34)
        texts += [" ".join(words), " ".join([*words[:at], f"o{number}", *words[at + 2 :]])]
    return texts


LATIN = [
    f"{start}{end}" for start in ("mar", "SOL", "lun", "Pé", "tor", "wen", "kil", "dra") for end in ("a", "eth", "ion", "ux", "ß", "7")
]
HAN = [chr(0x4E00 + 37 * number) for number in range(300)]
CORPORA = [
    pytest.param(corpus(1, " ", LATIN, (12, 40)), id="alt texts"),
    pytest.param(corpus(2, ", ", LATIN, (200, 400)), id="documents"),
    pytest.param(corpus(3, "", HAN, (30, 90)), id="Chinese"),
    pytest.param(corpus(4, " ", [*LATIN, *HAN], (20, 60)), id="mixed"),
]


@pytest.mark.parametrize("texts", CORPORA)
def test_nearly_all_pairs_of_the_oracle_are_found_with_its_number_and_no_other_pair(texts: list[str]):
    truth = true_jaccards(texts)
    for least in (0.7, 0.8, 0.9):
        wanted = {pair: near for pair, near in truth.items() if near >= least}
        ours = found(NearText(min_jaccard=least), texts)
        assert ours == {pair: wanted.get(pair) for pair in ours}
        assert len(ours) >= 0.98 * len(wanted) > 98


def test_keys_find_the_promised_share_of_pairs_at_just_the_least_similarity():
    texts = pairs_at_one_similarity(2000)
    least = true_jaccards(texts[:2])[0, 1]
    assert least == pytest.approx(32 / 39)
    batch = looked(texts)
    finder = NearText(min_jaccard=least, recall=0.9)
    hits = pairs_sharing_a_key(finder, batch) & {(2 * number, 2 * number + 1) for number in range(2000)}
    assert len(hits) / 2000 == pytest.approx(_promised(finder), abs=0.02)


def _promised(finder: NearText) -> float:
    bands, places = banding(finder.min_jaccard, finder.recall)
    return 1 - (1 - finder.min_jaccard**places) ** bands


def test_signatures_agree_as_often_as_the_sets_are_alike():
    chance = random.Random(6)
    words = [f"w{number}" for number in range(4000)]
    for length, shift in ((60, 10), (300, 100), (3000, 700)):
        shares: list[float] = []
        for _ in range(40):
            chance.shuffle(words)
            one, other = looked([" ".join(words[:length]), " ".join(words[shift : length + shift])]).column(c.MINHASH.name).to_pylist()
            shares.append(float((np.frombuffer(one, "<u2") == np.frombuffer(other, "<u2")).mean()))
        assert np.mean(shares) == pytest.approx((length - 2 - shift) / (length - 2 + shift), abs=0.025)


def test_the_sketch_loses_next_to_no_pair_at_the_least_similarity_and_stops_nearly_all_strangers():
    texts = pairs_at_one_similarity(3000)
    finder = NearText(min_jaccard=32 / 39)
    sought = finder.buckets(looked(texts))
    sketches = sought.sketches[:: len(sought.rows) // len(texts)]
    assert finder.screen(sketches[::2], sketches[1::2]).mean() >= 0.997
    assert finder.screen(sketches[::2], np.roll(sketches[1::2], 1)).mean() < 0.01
    assert finder.screen(sketches, sketches).all()


@settings(deadline=None)
@given(st.lists(TEXTS, max_size=12), st.randoms(use_true_random=False))
def test_what_is_said_of_a_text_depends_on_that_text_alone(texts: list[str | None], chance: random.Random):
    whole = looked(texts).to_pylist()
    assert whole == [looked([text]).to_pylist()[0] for text in texts]
    order = chance.sample(range(len(texts)), len(texts))
    assert looked([texts[row] for row in order]).to_pylist() == [whole[row] for row in order]


@settings(deadline=None)
@given(st.lists(TEXTS, max_size=12), st.data())
def test_a_row_has_the_same_keys_in_every_batch_and_none_without_a_signature(texts: list[str | None], data: st.DataObject):
    finder = NearText(min_words=data.draw(st.sampled_from([1, 3, 10])))
    batch = looked(texts)
    start = data.draw(st.integers(0, len(texts)))
    whole, rest = finder.buckets(batch), finder.buckets(batch.slice(start))
    beyond = whole.rows >= start
    assert (whole.rows[beyond] - start).tolist() == rest.rows.tolist()
    assert whole.keys[beyond].tolist() == rest.keys.tolist()
    assert whole.sketches[beyond].tolist() == rest.sketches.tolist()
    with_keys = set(whole.rows.tolist())
    for row, said in enumerate(batch.to_pylist()):
        assert (row in with_keys) == (said["minhash"] is not None and said["alt_text_words"] >= finder.min_words)
        assert (said["minhash"] is None) == (said["shingles"] is None)


@settings(deadline=None)
@given(st.lists(TEXTS, max_size=8), st.data())
def test_equal_texts_share_every_key_and_their_sketch_and_are_wholly_alike(texts: list[str | None], data: st.DataObject):
    twin = data.draw(st.text(min_size=1, max_size=40).filter(lambda text: looked([text]).column("minhash").null_count == 0))
    batch = looked([*texts, twin, f"  {twin.upper() if twin.upper().casefold() == twin.casefold() else twin}. "])
    finder = NearText(min_words=1)
    sought = finder.buckets(batch)
    one, other = (sought.rows == row for row in (len(texts), len(texts) + 1))
    assert one.any()
    assert sought.keys[one].tolist() == sought.keys[other].tolist()
    assert sought.sketches[one].tolist() == sought.sketches[other].tolist()
    assert finder.alike(batch.slice(len(texts), 1), batch.slice(len(texts) + 1, 1)).tolist() == [1.0]


@settings(deadline=None)
@given(st.lists(TEXTS, max_size=10), st.data())
def test_alike_is_symmetric_and_each_pair_is_judged_alone(texts: list[str | None], data: st.DataObject):
    finder, batch = NearText(min_jaccard=0.3), looked(texts)
    rows = st.lists(st.integers(0, len(texts) - 1), min_size=1, max_size=20) if texts else st.just([])
    left = data.draw(rows)
    right = data.draw(st.permutations(left))
    ours, theirs = batch.take(pa.array(left, pa.int64())), batch.take(pa.array(right, pa.int64()))
    near = finder.alike(ours, theirs)
    np.testing.assert_array_equal(near, finder.alike(theirs, ours))
    each = [finder.alike(ours.slice(place, 1), theirs.slice(place, 1))[0] for place in range(len(left))]
    np.testing.assert_array_equal(near, each)


def test_words_are_told_apart_where_they_are_and_case_punctuation_and_composition_do_not_count():
    texts = ["Un été à Zürich, 1890", "un e\u0301te\u0301 a\u0300 zu\u0308rich (1890)", "un étéà zürich 1890"]
    said = looked(texts).to_pylist()
    assert said[0] == said[1] != said[2]
    assert [row["alt_text_words"] for row in said] == [5, 5, 4]
    assert [len(row["shingles"]) for row in said] == [3, 3, 2]


def test_characters_of_scripts_without_spaces_are_half_words_and_marks_belong_to_their_letters():
    said = looked(["雪山下的村庄", "雪山 village 村", "ประเทศไทย", "हिन्दी भाषा में"]).to_pylist()
    assert [row["alt_text_words"] for row in said] == [3.0, 2.5, 4.5, 3.0]
    assert [len(row["shingles"]) for row in said] == [4, 2, 7, 1]


def test_repeated_runs_of_words_count_once():
    (row,) = looked(["tick tock tick tock tick tock tick tock"]).to_pylist()
    assert len(row["shingles"]) == 2
    assert row["shingles"] == sorted(row["shingles"])


def test_texts_too_short_to_tell_samples_apart_are_not_sought_even_where_they_are_equal():
    short, long = "oil on canvas, 1890", DOCUMENT
    assert found(NearText(), [short, short, long, long]) == {(2, 3): 1.0}
    assert found(NearText(min_words=3), [short, short, long, long]) == {(0, 1): 1.0, (2, 3): 1.0}


def test_null_and_empty_texts_and_an_empty_batch_have_no_key():
    for texts in ([], [None], ["", None, "...", "\U0001f3a8 \U0001f3a8", "two words"]):
        batch = looked(texts)
        assert batch.num_rows == len(texts)
        assert {name: batch.schema.field(name).type for name in batch.schema.names} == {
            field.name: field.type for field in (c.ALT_TEXT_WORDS, c.SHINGLES, c.MINHASH)
        }
        assert [len(array) for array in NearText(min_words=1).buckets(batch)] == [0, 0, 0]
        assert np.isnan(NearText().alike(batch, batch)).all()


def test_a_pair_of_long_texts_among_short_ones_is_judged_as_by_itself():
    long = " ".join(f"w{number}" for number in range(200_000))
    longer = f"{long} and {DOCUMENT}"
    batch = looked([DOCUMENT, long, "three short words"])
    other = looked([DOCUMENT, longer, "three other words"])
    near = NearText().alike(batch, other)
    assert near[0] == 1.0
    assert near[1] == pytest.approx(199_998 / 200_022)
    assert np.isnan(near[2])


def test_signatures_are_the_same_in_every_version():
    (row,) = looked([DOCUMENT]).to_pylist()
    assert row["shingles"][:4] == GOLDEN_SHINGLES, BUMP
    assert row["minhash"][:16].hex() == GOLDEN_MINHASH, BUMP
    sought = NearText().buckets(looked([DOCUMENT]))
    assert (len(sought.keys), int(sought.keys[0]), int(sought.keys[15]), int(sought.sketches[0])) == GOLDEN_KEYS, BUMP


GOLDEN_SHINGLES = [409147898, 413046935, 537312889, 1531359559]
GOLDEN_MINHASH = "376b5cc57d39c90df7dcd36e6fb4a89d"
GOLDEN_KEYS = (16, 3271332618055417268, 17961895080118550438, 1903467451953180230)


def test_the_longest_bands_are_taken_that_find_enough():
    assert banding(0.8, 0.99) == (16, 6)
    assert banding(0.7, 0.99) == (17, 4)
    assert banding(1.0, 0.99) == (1, 128)


def test_equal_places_in_different_bands_make_no_candidates():
    assert len(np.unique(band_keys(np.zeros((1, 128), np.uint16), 32, 4))) == 32


@pytest.mark.parametrize("similarity", [0.5, 0.7, 0.8, 0.95])
def test_the_screen_is_as_strict_as_one_lost_pair_in_a_thousand_allows(similarity: float):
    shares = np.random.default_rng(8).binomial(64, (1 + similarity) / 2, 2_000_000)
    assert (shares < least_agreement(similarity)).mean() < 0.0011
    assert (shares < least_agreement(similarity) + 1).mean() > 0.0009


@pytest.mark.parametrize(
    ("settings_", "said"),
    [
        ({"min_jaccard": 0.0}, "min_jaccard"),
        ({"min_jaccard": 1.1}, "min_jaccard"),
        ({"min_jaccard": float("nan")}, "min_jaccard"),
        ({"recall": 1.0}, "recall"),
        ({"recall": 0.0}, "recall"),
        ({"min_words": 0}, "min_words"),
        ({"min_jaccard": 0.01}, "128 hashes find no 99%"),
    ],
)
def test_settings_that_cannot_be_are_refused(settings_: dict[str, float], said: str):
    with pytest.raises(ValueError, match=said):
        NearText(**settings_)


def test_it_is_a_finder_of_near_duplicates_that_travels_to_workers():
    finder: NearDuplicates = NearText(min_jaccard=0.85)
    assert pickle.loads(pickle.dumps(finder)) == finder
    assert (finder.reason, finder.columns) == ("near_duplicate_text", ("shingles",))


@given(st.lists(st.integers(0, 20), max_size=20), st.integers(1, 30))
def test_spans_cover_everything_in_order_and_hold_the_limit_or_one_item(sizes: list[int], limit: int):
    parts = [sizes[span] for span in spans(sizes, limit)]
    assert [size for part in parts for size in part] == sizes
    assert all(len(part) == 1 or (part and sum(part) <= limit) for part in parts)
