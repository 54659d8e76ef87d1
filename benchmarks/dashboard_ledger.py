"""A finished run of caption curation with as many rows as asked for: drawn, not curated. The same number makes the same rows."""

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from pipelines.spine import funnel
from pipelines.spine.fragments import parquet_options
from schemas import columns as c
from schemas.batches import conform
from schemas.records import CURATED_LEDGER

SPLIT = 1_000
"""Rows of a split (ours)."""
SHARD = 250_000
"""Rows of a ledger file: four files to a million rows (ours)."""
GROUP = 50_000
"""Rows of a row group; ``pipelines.spine.shards`` fills 32 MiB, which at the mean length of a row here is about as many."""
READ, SIZE, FIT = "Read the images and their alt texts", "Drop images that are too small or too elongated", "Drop alt texts that do not fit"
PLACES = ("Amsterdam", "Bergen", "Cordoba", "Dresden", "Edinburgh", "Florence", "Granada", "Hamburg")
LANGUAGES = ("en", "de", "zh", "fr", "und")

Floats = npt.NDArray[np.float64]


def write(run: Path, rows: int) -> None:
    """Write ledger, funnel and manifest of ``rows`` rows below ``run``; nothing where the manifest is there."""
    if (run / "manifest.json").exists():
        return
    (run / "ledger").mkdir(parents=True, exist_ok=True)
    files, doors = [], {"kept": 0, "small": 0, "unfit": 0}
    for number, first in enumerate(range(0, rows, SHARD)):
        table = _shard(first, min(SHARD, rows - first))
        path = f"ledger/ledger-{number:05d}.parquet"
        pq.write_table(table, run / path, row_group_size=GROUP, **parquet_options(table.schema))
        files.append({"path": path, "rows": len(table), "bytes": (run / path).stat().st_size, "xxh3_128": ""})
        for name, found in _doors(table).items():
            doors[name] += found
    (run / "funnel.json").write_bytes(funnel.dumps(_funnel(rows, doors)))
    exits = {"kept": doors["kept"], "dropped": rows - doors["kept"], "merged": 0, "dead": 0}
    told = {"run_id": "bench", "pipeline": "captions", "passes": [], "code": "bench", "exits": exits, "files": files, "spent": {}}
    (run / "manifest.json").write_text(json.dumps(told))


def _shard(first: int, rows: int) -> pa.Table:
    """Draw ``rows`` rows, the one numbered ``first`` in the run before all others."""
    rng = np.random.default_rng([7, first])
    width, height = (rng.integers(60, 2400, rows) for _ in range(2))
    score = np.round(rng.normal(0.24, 0.06, rows), 4)
    small, unfit = width < 200, score < 0.18
    drawn = {**_named(first, rows, rng), **_left(small, unfit, width, score)}
    drawn |= {
        c.WIDTH: width.astype(np.int32),
        c.HEIGHT: height.astype(np.int32),
        c.CLIP_SCORE: pa.array(score.astype(np.float32), mask=small),
    }
    drawn |= {c.COLOUR_STD: rng.gamma(4.0, 12.0, rows).astype(np.float32), c.SHARPNESS: rng.lognormal(5.0, 1.5, rows).astype(np.float32)}
    batch = pa.RecordBatch.from_arrays([pa.array(v, k.type, from_pandas=True) for k, v in drawn.items()], names=[k.name for k in drawn])
    return pa.Table.from_batches([conform(batch, CURATED_LEDGER)])


def _named(first: int, rows: int, rng: np.random.Generator) -> dict[pa.Field, object]:
    """Return what tells the rows apart: identity, source and texts."""
    numbers = range(first, first + rows)
    words = rng.integers(0, len(PLACES), (rows, 3))
    texts = [
        f"Fishing boats in the old harbour of {PLACES[a]}, {PLACES[b]} and {PLACES[d]}, number {n}"
        for n, (a, b, d) in zip(numbers, words, strict=True)
    ]
    fixed = {c.CORPUS: "bench", c.SOURCE_LICENSE: "none", c.SOURCE_PATH: "/nowhere/0.tar", c.IMAGE_FORMAT: "JPEG", c.CLIP_MODEL: "bench"}
    return {
        c.SAMPLE_ID: [f"{n * 0x9E3779B97F4A7C15 % 2**128:032x}" for n in numbers],
        c.SPLIT_ID: [f"{n // SPLIT * 0xD6E8FEB86659FD93A5A5A5A5 % 2**128:032x}" for n in numbers],
        c.ROW: np.arange(first, first + rows, dtype=np.int64) % SPLIT,
        c.SOURCE_MEMBER: [f"{n:09d}.jpg" for n in numbers],
        c.SOURCE_OFFSET: np.arange(first, first + rows, dtype=np.int64) * 4096,
        c.SOURCE_BYTES: rng.integers(1_000, 90_000, rows),
        c.ALT_TEXT: texts,
        c.LANGUAGE: [LANGUAGES[i] for i in rng.integers(0, len(LANGUAGES), rows)],
        **{field: [value] * rows for field, value in fixed.items()},
    }


def _left(
    small: npt.NDArray[np.bool_], unfit: npt.NDArray[np.bool_], width: npt.NDArray[np.int64], score: Floats
) -> dict[pa.Field, object]:
    """Return the exits of rows that are too small or, of the others, do not fit."""

    def said(of_small: str, of_unfit: str, of_kept: str) -> pa.Array:
        return pa.array(np.select([small, unfit], [of_small, of_unfit], of_kept).tolist())

    return {
        c.EXIT: said("dropped", "dropped", "kept"),
        c.STEP: pa.array(np.where(small, SIZE, FIT).tolist(), mask=~(small | unfit)),
        c.REASON: pa.array(np.where(small, "too_small", "irrelevant").tolist(), mask=~(small | unfit)),
        c.VALUE: pa.array(np.where(small, width, score), mask=~(small | unfit)),
        c.THRESHOLD: pa.array(np.where(small, 200.0, 0.18), mask=~(small | unfit)),
    }


def _doors(table: pa.Table) -> dict[str, int]:
    reasons = table.column(c.REASON.name).to_pylist()
    small, unfit = reasons.count("too_small"), reasons.count("irrelevant")
    return {"kept": len(reasons) - small - unfit, "small": small, "unfit": unfit}


def _funnel(rows: int, doors: dict[str, int]) -> list[funnel.StepCount]:
    left = rows - doors["small"]
    return [
        funnel.StepCount(READ, rows, rows),
        funnel.StepCount(SIZE, rows, left, {"too_small": doors["small"]}),
        funnel.StepCount(FIT, left, doors["kept"], {"irrelevant": doors["unfit"]}),
    ]
