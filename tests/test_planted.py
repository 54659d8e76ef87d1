"""``jobs.planted`` on a ledger laid by hand: its numbers are those of a count on paper, and every surprise is named."""

import json
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs import planted
from pipelines.spine import funnel
from schemas.batches import from_rows
from schemas.records import CURATED_LEDGER
from tests import finished
from tests.finished import EXACT, NEAR, RULE

KEPT = ("kept", None, None, None)
SMALL = ("dropped", RULE, "too_small", None)
FAR = ("dropped", RULE, "irrelevant", None)
DRAWN = ("dropped", "End", "over_represented", None)


def twin_of(row: int) -> tuple:
    return ("merged", EXACT, "exact_duplicate", row)


def near(row: int) -> tuple:
    return ("merged", NEAR, "near_duplicate_image", row)


STORY = [  # kind, reason, cluster, (exit, step, reason, row that it was merged into)
    ("good", None, 1, KEPT),
    ("copy", "near_duplicate_image", 1, near(0)),
    ("good", None, 2, near(3)),  # the copy is the representative: as planted
    ("copy", "near_duplicate_image", 2, KEPT),
    ("good", None, 3, KEPT),
    ("copy", "near_duplicate_image", 3, KEPT),  # missed
    ("good", None, None, near(4)),  # two pictures that are not the same
    ("good", None, 4, KEPT),
    ("twin", "exact_duplicate", 4, twin_of(7)),
    ("copy", "near_duplicate_image", 4, near(7)),  # three in one cluster
    ("thumbnail", "too_small", None, SMALL),
    ("thumbnail", "too_small", None, FAR),  # another door
    ("good", None, None, SMALL),  # wrongly
    ("swapped", "irrelevant", None, FAR),
    ("swapped", "irrelevant", None, KEPT),
    ("swapped", "irrelevant", None, DRAWN),  # missed, and then drawn
    ("common", None, None, DRAWN),
    ("good", None, None, DRAWN),
    ("copy", "near_duplicate_image", 9, near(7)),  # merged, and into a stranger
    ("thumbnail", "no_such_reason", None, KEPT),
]


def lay(folder: Path) -> tuple[Path, Path]:
    """Return the run and the labels of ``STORY``."""
    rows = [
        {
            "source_path": "/somewhere/pool.tar",
            "source_member": f"{n:03d}.jpg",
            "split_id": "s",
            "row": n,
            "image_hash": f"{n:032x}",
            "exit": door,
            "step": step,
            "reason": reason,
            "merged_into": None if into is None else {"split_id": "s", "row": into},
        }
        for n, (*_, (door, step, reason, into)) in enumerate(STORY)
    ]
    labels = folder / "labels.jsonl"
    told = [
        {"shard": "pool.tar", "key": f"{n:03d}", "image_hash": f"{n:032x}", "planted": kind, "reason": reason, "cluster": cluster}
        for n, (kind, reason, cluster, _) in enumerate(STORY)
    ]
    labels.write_text("".join(json.dumps(label) + "\n" for label in told))
    run = folder / "run"
    (run / "ledger").mkdir(parents=True)
    pq.write_table(pa.Table.from_batches([from_rows(rows, CURATED_LEDGER).select(list(rows[0]))]), run / "ledger" / "0.parquet")
    (run / "manifest.json").write_text(json.dumps({"files": [{"path": "ledger/0.parquet", "rows": len(rows)}], "passes": []}))
    (run / "funnel.json").write_bytes(funnel.dumps(finished.by_hand(rows)))
    return run, labels


def printed(capsys: pytest.CaptureFixture[str], *words: object) -> list[str]:
    assert planted.main([str(word) for word in words]) == 0
    return capsys.readouterr().out.splitlines()


def test_planted_found_and_right_are_those_of_a_count_by_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    lines = printed(capsys, *lay(tmp_path))
    table = [line.split(maxsplit=6)[:6] for line in lines[1 : lines.index("")]]
    assert table == [
        ["3", "2", "1", "0.50", "0.33", "irrelevant"],
        ["2", "2", "1", "0.50", "0.50", "too_small"],
        ["1", "1", "1", "1.00", "1.00", "exact_duplicate"],
        ["5", "5", "3", "0.60", "0.60", "near_duplicate_image"],
        ["1", "0", "0", "-", "0.00", "no_such_reason"],
    ]


def test_an_independent_count_over_the_story_agrees(tmp_path: Path):
    """Every pair of rows is looked at, and nothing of the module but its names is used."""
    run, labels = lay(tmp_path)
    told = planted.read(planted.open_run(str(run)), labels.read_text().splitlines())
    for score in planted.scores(told, [RULE, EXACT, NEAR, "End"]):
        right = 0
        for _, reason, cluster, (door, _, left, into) in STORY:
            if left != score.reason:
                continue
            if door == "merged":
                _, other_reason, other_cluster, _ = STORY[into]
                right += cluster is not None and cluster == other_cluster and score.reason in (reason, other_reason)
            else:
                right += reason == score.reason
        assert score.right == right
        assert score.planted == sum(reason == score.reason for _, reason, *_ in STORY)
        assert score.found == sum(row[3][2] == score.reason for row in STORY)


def test_every_sample_that_left_by_another_door_is_named_and_no_other(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    lines = printed(capsys, *lay(tmp_path))
    head = lines.index("by another door than planted: 8 of 20")
    assert sorted(lines[head + 1 :]) == [
        "  1 copy: kept, not near_duplicate_image: 005",
        "  1 copy: merged into a stranger as near_duplicate_image: 018",
        "  1 good: near_duplicate_image, not kept: 006",
        "  1 good: too_small, not kept: 012",
        "  1 swapped: kept, not irrelevant: 014",
        "  1 swapped: over_represented, not irrelevant: 015",
        "  1 thumbnail: irrelevant, not too_small: 011",
        "  1 thumbnail: kept, not no_such_reason: 019",
    ]


def test_what_is_drawn_is_told_by_kind_and_has_no_precision(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    lines = printed(capsys, *lay(tmp_path))
    assert "drawn by concept balance: 3 (1 common, 1 good, 1 swapped)" in lines
    assert not any("over_represented (" in line for line in lines)


@pytest.mark.parametrize("change", ["a line less", "another picture"])
def test_labels_of_another_pool_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str], change: str):
    run, labels = lay(tmp_path)
    lines = labels.read_text().splitlines(keepends=True)
    changed = lines[1:] if change == "a line less" else [lines[0].replace(f"{0:032x}", f"{99:032x}"), *lines[1:]]
    labels.write_text("".join(changed))
    assert planted.main([str(run), str(labels)]) == 1
    assert (
        "expected the labels of the pool that the run read, found 1 samples in one alone, such as pool.tar/000" in capsys.readouterr().err
    )


def test_a_folder_that_is_no_run_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert planted.main([str(tmp_path), str(tmp_path / "labels.jsonl")]) == 1
    assert "manifest.json" in capsys.readouterr().err


@pytest.mark.parametrize("line", ["input: {corpus: x}", "", "[1, 2]", '{"shard": "pool.tar", "key": "000"}'])
def test_a_file_that_holds_no_labels_is_told_by_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str], line: str):
    run, labels = lay(tmp_path)
    first, *_ = labels.read_text().splitlines()
    labels.write_text(f"{first}\n{line}\n\n")
    assert planted.main([str(run), str(labels)]) == 1
    assert capsys.readouterr().err.startswith("error: line 2 of the labels: expected a")
