"""The oracle, held against answers worked out by hand, and the corpus, held against what it says it covers."""

import hashlib
import io
import tarfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.oracle import corpus, images, recaption, text_rules
from tests.oracle.alt_texts import SAYS_NOTHING, SAYS_SOMETHING, sensible
from tests.oracle.compare import differences
from tests.oracle.recaption import Row

GOOD_ALT = "a boat in the harbour"
GOOD_CAPTION = "Morning fog lifts from still water."
INSTRUCTIONS = "Write one paragraph about what the picture shows, plainly, and never mention these rules."
REASONS = {
    recaption.READ: {"empty_file", "no_image", "bad_metadata"},
    recaption.DECODE: {"html", "not_an_image", "truncated", "too_many_pixels", "undecodable"},
    recaption.SIZE: {"too_small", "too_elongated"},
    recaption.CONTENT: {"solid_colour", "tiny_file"},
    recaption.ALT_TEXT: {
        "no_alt_text", "file_name", "web_address", "no_letters", "date_only", "long_digit_run", "too_short", "too_long",
        "too_few_words", "too_many_words", "repeated_words",
    },
    recaption.MERGE: {"exact_duplicate"},
    recaption.WRITE: {"captioner_failed"},
    recaption.CAPTION: {
        "empty", "thinking", "truncated", "content_filter", "unknown_finish",
        "refusal", "too_long", "repetition", "prompt_echo", "copy",
    },
}  # fmt: skip


def picture(seed: int) -> bytes:
    """Return a JPEG that breaks no rule, another one for each seed."""
    return images.jpeg(240, 220)(np.random.default_rng(seed))[1]


def run(folder: Path, *samples: Mapping[str, bytes], caption: str | None = GOOD_CAPTION) -> list[Row]:
    """Write one tar of ``samples``, keys 0, 1, 2, ..., and return its rows where every caption is ``caption``."""
    corpus.write_tar(folder / "0.tar", {str(key): sample for key, sample in enumerate(samples)})
    return recaption.run(folder, corpus="tiny", caption_of=lambda *_: caption)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> list[Row]:
    folder = tmp_path_factory.mktemp("built")
    corpus.build(folder, 7, 600)
    caption_of = partial(corpus.caption_of, instructions=INSTRUCTIONS)
    finish_reason_of = corpus.finish_reason_of
    return recaption.run(folder, corpus="pool", caption_of=caption_of, finish_reason_of=finish_reason_of, instructions=INSTRUCTIONS)


def test_a_good_sample_is_kept_with_its_signals(tmp_path: Path) -> None:
    image = picture(1)
    (row,) = run(tmp_path, {"jpg": image, "txt": "\u3000Cafe\u0301 in the old town\n".encode()})
    assert (row.exit, row.step, row.reason, row.value) == ("kept", None, None, None)
    assert (row.alt_text, row.caption) == ("Café in the old town", GOOD_CAPTION)
    assert (row.alt_texts, row.alt_text_count, row.duplicate_count) == (["Café in the old town"], 1, 0)
    assert (tmp_path / "0.tar").read_bytes()[row.source_offset :].startswith(image)


def test_the_alt_text_comes_from_the_txt_or_else_the_json(tmp_path: Path) -> None:
    by_json = {"jpg": picture(1), "json": b'{"caption": "a bridge in the fog"}'}
    by_text = {"jpg": picture(2), "txt": b"a heron in the reeds", "json": b'{"url": "https://example.test"}'}
    assert [row.alt_text for row in run(tmp_path, by_json, by_text)] == ["a bridge in the fog", "a heron in the reeds"]


def test_tiny_funnel_is_the_one_counted_by_hand(tmp_path: Path) -> None:
    text = GOOD_ALT.encode()
    rows = run(
        tmp_path,
        {"jpg": picture(1), "txt": text},
        {"jpg": picture(2), "txt": b"cat"},
        {"jpg": picture(1), "txt": b"a boat"},
        {"jpg": picture(1), "txt": b"a boat in the fog"},
        {"jpg": b"", "txt": text},
        {"txt": text},
        {"jpg": b"<html>gone</html>", "txt": text},
        {"jpg": images.jpeg(199, 300)(np.random.default_rng(3))[1], "txt": text},
    )
    table = {line["step"]: (line["in"], line["kept"], line["dropped"], line["merged"], line["dead"]) for line in recaption.funnel(rows)}
    assert table == {
        recaption.READ: (8, 6, {}, 0, {"empty_file": 1, "no_image": 1}),
        recaption.DECODE: (6, 5, {}, 0, {"html": 1}),
        recaption.SIZE: (5, 4, {"too_small": 1}, 0, {}),
        recaption.CONTENT: (4, 4, {}, 0, {}),
        recaption.ALT_TEXT: (4, 2, {"too_short": 1, "too_few_words": 1}, 0, {}),
        recaption.MERGE: (2, 1, {}, 1, {}),
        recaption.WRITE: (1, 1, {}, 0, {}),
        recaption.CAPTION: (1, 1, {}, 0, {}),
    }


@pytest.mark.parametrize("reason", images.BAD)
def test_every_bad_image_leaves_for_its_reason(reason: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    files = [maker(rng) for maker in images.BAD[reason] for _ in range(5)]
    rows = run(tmp_path, *({extension: content, "txt": GOOD_ALT.encode()} for extension, content in files))
    assert [row.reason for row in rows] == [reason] * len(files)


def test_every_good_image_is_kept_and_is_clear_of_the_colour_threshold(tmp_path: Path) -> None:
    rng = np.random.default_rng(5)
    files = [maker(rng) for maker in images.GOOD for _ in range(3)]
    rows = run(tmp_path, *({extension: content, "txt": GOOD_ALT.encode()} for extension, content in files))
    assert {row.reason for row in rows} == {None}
    assert all(row.colour_std > 20 for row in rows)


def test_sizes_and_spreads_are_measured_as_a_person_would(tmp_path: Path) -> None:
    halves = Image.new("RGB", (800, 200))
    halves.paste((100, 0, 0), (0, 0, 400, 200))
    file = io.BytesIO()
    halves.save(file, "PNG")
    (row,) = run(tmp_path, {"png": file.getvalue(), "txt": GOOD_ALT.encode()})
    assert (row.reason, row.value, row.colour_std) == ("too_elongated", 4.0, 50.0)


def test_the_pixel_limit_is_the_last_size_allowed(tmp_path: Path) -> None:
    corpus.write_tar(tmp_path / "0.tar", {"0": {"jpg": picture(1), "txt": GOOD_ALT.encode()}})
    at = partial(recaption.run, tmp_path, corpus="tiny", caption_of=lambda *_: GOOD_CAPTION)
    assert [at(max_pixels=pixels)[0].reason for pixels in (240 * 220, 240 * 220 - 1)] == [None, "too_many_pixels"]


def test_a_tar_that_ends_too_early_is_no_corpus_for_the_oracle(tmp_path: Path) -> None:
    corpus.write_tar(tmp_path / "0.tar", {"0": {"jpg": picture(1)}})
    content = (tmp_path / "0.tar").read_bytes()
    (tmp_path / "0.tar").write_bytes(content[:5000])
    with pytest.raises(tarfile.ReadError):
        recaption.run(tmp_path, corpus="tiny", caption_of=lambda *_: GOOD_CAPTION)


@pytest.mark.parametrize(("reason", "text"), [(reason, text) for reason, texts in SAYS_NOTHING.items() for text in texts])
def test_every_alt_text_that_says_nothing_leaves_for_its_reason(reason: str, text: str | None) -> None:
    fault = text_rules.alt_text_fault(text_rules.clean(text or ""))
    assert fault is not None
    assert fault[0] == reason


@pytest.mark.parametrize("text", SAYS_SOMETHING)
def test_every_alt_text_that_says_something_stays(text: str) -> None:
    assert text_rules.alt_text_fault(text_rules.clean(text)) is None


def test_random_sensible_alt_texts_stay() -> None:
    rng = np.random.default_rng(11)
    assert {text_rules.alt_text_fault(sensible(rng)) for _ in range(300)} == {None}


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("serial number 123456789 on a plate", ("long_digit_run", 9)),
        ("红车", ("too_short", 4)),
        ("ab 3", ("too_short", 4)),
        ("一" * 1001, ("too_long", 1001)),
        ("hello-world", ("too_few_words", 2)),
        ("Buy buy BUY cheap shoes", ("repeated_words", 0.6)),
        ("好好好看", ("repeated_words", 0.75)),
    ],
)
def test_alt_text_rules_name_the_number_that_decided(text: str, fault: tuple[str, float]) -> None:
    assert text_rules.alt_text_fault(text) == fault


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("Don't touch_it, 2 DOGS!", ["don", "t", "touch", "it", "2", "dogs"]),
        ("红色car停在B2", ["红", "色", "car", "停", "在", "b2"]),
        ("ねこカフェ 고양이", ["ね", "こ", "カ", "フ", "ェ", "고", "양", "이"]),
        ("Straße", ["strasse"]),
        (" -- ", []),
    ],
)
def test_words_are_runs_of_letters_and_single_characters_of_spaceless_scripts(text: str, words: list[str]) -> None:
    assert text_rules.words_of(text) == words


@pytest.mark.parametrize(
    ("caption", "alt_text", "similarity"),
    [
        ("abc", "abd", 0.6667),
        ("kitten", "sitting", 0.6154),
        ("  A  WELL-known, boat!", "a wellknown boat", 1.0),
        ("abc", "xyz", 0.0),
        ("", "boat", 0.0),
        ("abcdefghijklmnopqrst", "abcdefghijklmnopqrsX", 0.95),
        ("红色的车。", "红色车", 0.8571),
    ],
)
def test_copy_similarity_is_one_less_the_share_of_characters_to_insert_or_delete(caption: str, alt_text: str, similarity: float) -> None:
    assert text_rules.similarity(caption, alt_text) == similarity


@pytest.mark.parametrize(
    ("caption", "finish_reason", "fault"),
    [
        (GOOD_CAPTION, "stop", None),
        (GOOD_CAPTION, None, None),
        ("", "length", ("empty", None)),
        ("12 ... 3", "stop", ("empty", None)),
        (f"<think>A boat.</think>{GOOD_CAPTION}", "stop", ("thinking", None)),
        ("<think> The picture shows", "length", ("thinking", None)),
        (f"{GOOD_CAPTION}</answer>", "stop", ("thinking", None)),
        ("<|begin_of_box|>A boat.", "stop", ("thinking", None)),
        ("I think <3 boats | 4 oars> make <| | |> a pair.", "stop", None),
        (GOOD_CAPTION, "length", ("truncated", None)),
        (GOOD_CAPTION, "max_tokens", ("truncated", None)),
        (GOOD_CAPTION, "content_filter", ("content_filter", None)),
        (GOOD_CAPTION, "tool_calls", ("unknown_finish", None)),
        (GOOD_CAPTION, "eos_token", None),
        ("“I’m sorry, but no.”", "stop", ("refusal", None)),
        ("作为AI，我看不到。", "stop", ("refusal", None)),
        ("A card says: I'm sorry.", "stop", None),
        ("Unable to Fly, a painting of a heron.", "stop", None),
        ("I'm Sorry, a painting of a heron.", "stop", None),
        ("Unable to view it.", "stop", ("refusal", None)),
        ("I cannot. " + "y" * 800, "stop", ("refusal", None)),
        ("y" * 800, "stop", None),
        ("y" * 801, "stop", ("too_long", 801)),
        ("A b c d e. A b c d f. A b c d g.", "stop", ("repetition", 3)),
        ("A b c d e. A b c d f. A b c g.", "stop", None),
        ("a b a b a b a b", "stop", ("repetition", 3)),
        ("so very very Very VERY wide", "stop", ("repetition", 4)),
        ("so very very very wide", "stop", None),
        ("so very very very very very wide", "stop", ("repetition", 5)),
        ("go go go go go go", "stop", ("repetition", 3)),
        ("哈哈哈哈哈哈哈", "stop", None),
        ("哈哈哈哈哈哈哈哈", "stop", ("repetition", 4)),
        ("哈哈哈哈哈哈哈哈哈", "stop", ("repetition", 4.5)),
        ("绿色的山，绿色的水，绿色的树", "stop", None),
        ("雪山脚下的小木屋，雪山脚下的小木屋，雪山脚下的小木屋", "stop", ("repetition", 3)),
        ("雪山下的小木屋，雪山下的小木屋，红色，雪山下的小木屋", "stop", None),
        ("red手机壳套case, red手机壳套case, new red手机壳套case", "stop", ("repetition", 3)),
        ("red手机壳case, red手机壳case, new red手机壳case", "stop", None),
        ("paragraph about what the picture shows plainly and", "stop", ("prompt_echo", 8)),
        ("A paragraph: about what the PICTURE shows, plainly. Or", "stop", None),
    ],
)
def test_caption_rules_give_the_answers_worked_out_by_hand(
    caption: str, finish_reason: str | None, fault: tuple[str, float | None] | None
) -> None:
    assert text_rules.caption_fault(caption, finish_reason, INSTRUCTIONS, 0.0) == fault


@pytest.mark.parametrize(
    ("caption", "fault"),
    [
        ("一幅油画保留图片中的专有名词和地名去掉", None),
        ("一幅油画保留图片中的专有名词和地名，去掉看", ("prompt_echo", 8)),
        ("保留图片中的专有名词和地名去掉看不见", ("prompt_echo", 9)),
    ],
)
def test_two_characters_of_a_spaceless_script_are_as_long_as_a_word(caption: str, fault: tuple[str, float] | None) -> None:
    assert text_rules.caption_fault(caption, "stop", "请保留图片中的专有名词和地名，去掉看不见的内容。", 0.0) == fault


def test_a_caption_is_a_copy_above_the_threshold_and_not_at_it() -> None:
    faults = [text_rules.caption_fault(GOOD_CAPTION, "stop", "", similarity) for similarity in (0.95, 0.9501, 1.0)]
    assert faults == [None, ("copy", 0.9501), ("copy", 1.0)]


def test_a_caption_that_never_came_is_a_dead_letter(tmp_path: Path) -> None:
    (row,) = run(tmp_path, {"jpg": picture(1), "txt": GOOD_ALT.encode()}, caption=None)
    assert (row.exit, row.step, row.reason, row.caption) == ("dead", recaption.WRITE, "captioner_failed", None)


def test_duplicates_merge_into_the_longest_alt_text_and_then_the_first_in_code_point_order(tmp_path: Path) -> None:
    texts = ["a boat in fog", *(f"a boat at sea {letter}" for letter in "FEDAbC"), "cat", "a boat in fog"]
    rows = run(tmp_path, *({"jpg": picture(1), "txt": text.encode()} for text in texts))
    assert [row.exit for row in rows] == [*["merged"] * 4, "kept", *["merged"] * 2, "dropped", "merged"]
    assert {row.merged_into for row in rows if row.exit == "merged"} == {(str(tmp_path / "0.tar"), "4.jpg")}
    assert rows[4].alt_texts == [f"a boat at sea {letter}" for letter in "ACDEFb"] + ["a boat in fog"]
    assert (rows[4].alt_text_count, rows[4].duplicate_count) == (7, 7)
    assert not any(row.tied_with for row in rows)


def test_alt_texts_are_cut_to_16_and_counted_before_the_cut(tmp_path: Path) -> None:
    texts = [f"boat number {n:02d}" for n in range(20)] + ["the longest alt text of them all"]
    rows = run(tmp_path, *({"jpg": picture(1), "txt": text.encode()} for text in texts))
    assert rows[20].alt_texts == [texts[20], *texts[:15]]
    assert (rows[20].alt_text_count, rows[20].duplicate_count) == (21, 20)


def test_two_runs_agree_whichever_of_fully_tied_rows_they_keep(tmp_path: Path) -> None:
    rows = run(tmp_path, *({"jpg": picture(1), "txt": text} for text in (GOOD_ALT.encode(), GOOD_ALT.encode(), b"a boat in fog")))
    first, second, third = rows
    assert first.tied_with == second.tied_with == {first.place, second.place}
    as_second = replace(first, source_member=second.source_member)
    as_first = replace(second, source_member=first.source_member, merged_into=second.place)
    swapped = [as_first, as_second, replace(third, merged_into=second.place)]
    assert differences(rows, swapped) == []


def test_two_runs_disagree_wherever_a_single_fact_differs(tmp_path: Path) -> None:
    rows = run(tmp_path, {"jpg": picture(1), "txt": GOOD_ALT.encode()}, {"jpg": picture(2), "txt": b"cat"})
    changed = [replace(rows[0], copy_similarity=0.5), replace(rows[1], value=4.0)]
    assert differences(rows, rows[::-1]) == []
    assert [len(differences(rows, found)) for found in (changed, rows[:1], [*rows, rows[0]])] == [4, 1, 1]


def test_the_built_corpus_breaks_every_rule_many_times(built: list[Row]) -> None:
    left = Counter((row.step, row.reason) for row in built if row.exit != "kept")
    assert {step: {reason for at, reason in left if at == step} for step in recaption.STEPS} == REASONS
    assert min(left.values()) >= 4
    assert sum(row.exit == "kept" for row in built) >= 120


def test_the_built_corpus_holds_the_duplicates_it_promises(built: list[Row]) -> None:
    assert max(row.alt_text_count or 0 for row in built) == 30
    merged = [row for row in built if row.merged_into]
    assert {row.source_path == row.merged_into[0] for row in merged if row.merged_into} == {True, False}
    assert any(row.tied_with for row in built)


def test_every_row_leaves_by_one_door_at_every_step(built: list[Row]) -> None:
    arriving = len(built)
    for line in recaption.funnel(built):
        assert line["in"] == arriving == line["kept"] + sum(line["dropped"].values()) + line["merged"] + sum(line["dead"].values())
        arriving = line["kept"]
    assert arriving == sum(row.exit == "kept" for row in built) == 600 - sum(row.exit != "kept" for row in built)


def test_captions_come_close_to_the_threshold_on_copies_from_both_sides(built: list[Row]) -> None:
    scores = [row.copy_similarity for row in built if row.copy_similarity is not None]
    assert any(0.94 < score <= 0.95 for score in scores)
    assert any(0.95 < score < 0.96 for score in scores)


def test_no_spread_of_colour_in_the_corpus_is_near_the_threshold(built: list[Row]) -> None:
    assert all(row.colour_std == 0 or row.colour_std > 20 for row in built)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(tmp_path: Path) -> None:
    def digests(name: str, seed: int) -> list[str]:
        corpus.build(tmp_path / name, seed, 40)
        return [hashlib.sha256(tar.read_bytes()).hexdigest() for tar in sorted((tmp_path / name).glob("*.tar"))]

    assert digests("one", 3) == digests("two", 3) != digests("three", 4)
    assert len(digests("one", 3)) == 3


def test_the_served_model_answers_the_same_each_time(built: list[Row]) -> None:
    asked = [(row.alt_text, row.image) for row in built if row.alt_text and row.caption is not None][:50]
    again = [corpus.caption_of(alt_text, image, INSTRUCTIONS) for alt_text, image in asked]
    assert again == [corpus.caption_of(alt_text, image, INSTRUCTIONS) for alt_text, image in asked]
    assert len(set(again)) > 30
