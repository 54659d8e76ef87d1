"""Measure a threshold of relevance on pairs of your own: ``python -m jobs.calibrate --input POOL [--model NAME/TAG --weights FILE]``.

Matched pairs are those of the pool; mismatched ones hold the same images against texts of others, dealt by a hash. What is
proposed is the lowest score that keeps no more than ``--mismatched`` of the mismatched (ours), or the highest that keeps
``--keep`` of the matched.
"""

import argparse
import hashlib
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import numpy.typing as npt

from filters.decode import Decoded, Decoder
from filters.models.clip import ClipSpec
from filters.models.conse import ConseSpec
from filters.relevance import DECIMALS, cosines
from pipelines.readers.splits import cut, limited, list_shards, read
from schemas.exits import EnvironmentFault
from schemas.protocols import Embedder, Pixels

SHARES = (0.5, 0.2, 0.1, 0.05, 0.02, 0.01)
"""Shares of mismatched pairs in the table."""
TURNS = 8
"""Other texts that each image is held against (ours)."""
MIN_PAIRS = 20
"""Below it the 5 % of mismatched pairs are one or two (ours)."""
SCALE = 640
"""Longer side of the decoded pixels (as `evidence.scale`)."""
MICRO_BATCH = 32

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Pairs:
    """Embedded pairs of a pool, n of them."""

    keys: Sequence[str]
    """Length n: a hash of image and text, by which texts are dealt."""
    names: Sequence[tuple[str, str]]
    """Length n: what the image is and what the text says, by which two pairs count as the same."""
    images: npt.NDArray[np.float32]
    """Shape (n, d), unit vectors."""
    texts: npt.NDArray[np.float32]
    """Shape (n, d), unit vectors."""


def collect(source: str, limit: int, embedder: Embedder) -> Pairs:
    """Return the embedded pairs of the folder or tars ``source``, ``limit`` at most; rows without image or text are passed over.

    Raises ``ValueError`` where fewer than ``MIN_PAIRS`` are left.
    """
    rows = islice(_pairs(source, limit), limit)
    names: list[tuple[str, str]] = []
    images: list[npt.NDArray[np.float32]] = []
    texts: list[npt.NDArray[np.float32]] = []
    while part := list(islice(rows, MICRO_BATCH)):
        names += [(sample_id, text) for sample_id, text, _ in part]
        images.append(embedder.embed_images([pixels for *_, pixels in part]))
        texts.append(embedder.embed_texts([text for _, text, _ in part]))
    if len(names) < MIN_PAIRS:
        raise ValueError(f"{source} holds {len(names)} pairs with an image that decodes and a text, expected at least {MIN_PAIRS}")
    keys = [hashlib.blake2b("\0".join(name).encode()).hexdigest() for name in names]
    return Pairs(keys, names, np.concatenate(images), np.concatenate(texts))


def _pairs(source: str, limit: int) -> Iterator[tuple[str, str, Pixels]]:
    """Yield sample_id, alt text and pixels of each row that has all three."""
    decoder = Decoder(scale=SCALE)
    with tempfile.TemporaryDirectory() as plan:
        splits = (split for shard in list_shards(source) for split in cut(shard, MICRO_BATCH, 2**26, plan))
        for split in limited(splits, limit):
            for row in read(split, "calibration", "unknown").to_pylist():
                decoded = decoder(row["image"]["bytes"]) if row["image"] and row["alt_text"] else None
                if isinstance(decoded, Decoded):
                    yield row["sample_id"], row["alt_text"], decoded.pixels


def matched_and_mismatched(pairs: Pairs, turns: int = TURNS) -> tuple[Scores, Scores]:
    """Return the scores of the pairs, shape (n,), and of images with texts of others, shape (m,), both rounded to 4 decimals.

    Pairs are put in a circle by their hash, and each image gets the texts of the next ``turns`` places but for those of the
    same image or of the same words.
    """
    order = np.argsort(np.array(pairs.keys), kind="stable")
    found: list[Scores] = []
    for turn in range(1, min(turns, len(order) - 1) + 1):
        other = np.roll(order, -turn)
        differ = [all(a != b for a, b in zip(pairs.names[i], pairs.names[j], strict=True)) for i, j in zip(order, other, strict=True)]
        found.append(cosines(pairs.images[order[differ]], pairs.texts[other[differ]]))
    mismatched = np.concatenate(found)
    if not len(mismatched):
        raise ValueError("all pairs hold the same image or the same text, so that none can be mismatched; take a pool with more of both")
    return cosines(pairs.images, pairs.texts), mismatched


def auc(matched: Scores, mismatched: Scores) -> float:
    """Return the chance that a matched pair scores above a mismatched one, ties halved, 0-1."""
    ordered = np.sort(mismatched)
    below, up_to = np.searchsorted(ordered, matched, "left"), np.searchsorted(ordered, matched, "right")
    return float((below + up_to).mean() / 2 / len(ordered))


def for_mismatched(mismatched: Scores, share: float) -> float:
    """Return the least score, in steps of 0.0001, that at most ``share`` of ``mismatched`` reach."""
    ordered = np.sort(mismatched)[::-1]
    allowed = int(share * len(ordered))
    return round(float(ordered[allowed]) + 10**-DECIMALS, DECIMALS) if allowed < len(ordered) else float(ordered[-1])


def for_matched(matched: Scores, share: float) -> float:
    """Return the greatest score that at least ``share`` of ``matched`` reach."""
    return float(np.sort(matched)[::-1][max(int(np.ceil(share * len(matched))) - 1, 0)])


def report(model: str, matched: Scores, mismatched: Scores, proposed: float, rule: str) -> Iterator[str]:
    """Yield the lines that are printed."""
    yield f"{model}: {len(matched)} matched pairs, {len(mismatched)} mismatched, AUC {auc(matched, mismatched):.3f}"
    yield "min_score  kept matched  kept mismatched"
    rows = sorted({for_mismatched(mismatched, share) for share in SHARES} | {proposed})
    for least in rows:
        mark = "  <- proposed" if least == proposed else ""
        yield f"{least:9.4f}  {(matched >= least).mean():12.1%}  {(mismatched >= least).mean():15.1%}{mark}"
    yield f"proposed: {proposed:.4f}, {rule} (ours)"
    yield f"    --set clip.min_score={proposed:.4f}    # beside the embedder {model}"
    yield f"clip:\n  min_score: {proposed:.4f}"


def spec_of(model: str, weights: str | None) -> ConseSpec | ClipSpec:
    """Return the spec that ``model`` names: `conse`, `ARCHITECTURE/TAG`, `ARCHITECTURE` with ``weights``, or a schema of open_clip."""
    if model == ConseSpec().model:
        return ConseSpec()
    if ":" in model:
        return ClipSpec(name=model)
    name, _, tag = model.partition("/")
    is_file = weights is not None and Path(weights).name == tag
    return ClipSpec(name=name, pretrained=None if is_file else tag or None, weights=weights)


def main(argv: Sequence[str] | None = None) -> int:
    """Print what was measured; exit status 1 with the reason where nothing could be."""
    options = _parser().parse_args(argv)
    try:
        spec = spec_of(options.model, options.weights)
        matched, mismatched = matched_and_mismatched(collect(options.input, options.limit, spec.load()))
    except (EnvironmentFault, OSError, ValueError) as fault:
        print(f"error: {fault}", file=sys.stderr)
        return 1
    if options.keep is None:
        proposed, rule = for_mismatched(mismatched, options.mismatched), f"which keeps at most {options.mismatched:.1%} of mismatched pairs"
    else:
        proposed, rule = for_matched(matched, options.keep), f"which keeps at least {options.keep:.1%} of matched pairs"
    print("\n".join(report(spec.model, matched, mismatched, proposed, rule)))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m jobs.calibrate", description="Measure a threshold of relevance on pairs of your own.")
    parser.add_argument("--input", required=True, metavar="POOL", help="folder of images, tar, folder of tars or glob of tars")
    parser.add_argument("--model", default=ConseSpec().model, help="conse, NAME/TAG of open_clip, NAME with --weights, hf-hub:...")
    parser.add_argument("--weights", metavar="FILE", help="local file of weights in the place of a download")
    parser.add_argument("--limit", type=int, default=5000, metavar="N", help="rows that are read at most")
    rule = parser.add_mutually_exclusive_group()
    rule.add_argument("--mismatched", type=_share, default=0.05, metavar="SHARE", help="share of mismatched pairs kept at most (0.05)")
    rule.add_argument("--keep", type=_share, metavar="SHARE", help="share of matched pairs kept at least, in the place of --mismatched")
    return parser


def _share(text: str) -> float:
    if not 0 < float(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a share between 0 and 1, found {text}")
    return float(text)


if __name__ == "__main__":
    sys.exit(main())
