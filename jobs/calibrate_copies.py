"""Measure ``near_image.min_cosine`` for an embedder: ``python -m jobs.calibrate_copies --input POOL [--model NAME/TAG --weights FILE]``.

Of the images of the pool copies are made of each kind that is sought (another encoding, size, brightness, a light crop). What is
proposed is the highest cosine that keeps ``--keep`` of the copies. How many pairs of different pictures reach it all the same says what
the embedder adds to the hashes; pairs that the hashes take for one picture are left out of these.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from filters.decode import Decoded, Decoder
from filters.models.embedder import EmbedderSpec
from filters.near_image import NearImage
from filters.perceptual import SCALE, perceptual
from filters.relevance import DECIMALS, cosines
from filters.signals import measure
from jobs.calibrate import MICRO_BATCH, for_matched, spec_of
from jobs.image_edits import brighter, cropped, encoded_again, smaller
from pipelines.readers.splits import cut, list_shards, read
from schemas.exits import EnvironmentFault
from schemas.protocols import Embedder, Pixels

EDITS: Mapping[str, Callable[[bytes], bytes]] = {
    "quality 40": encoded_again,
    "two thirds of the size": smaller,
    "15 % brighter": brighter,
    "2 % off each side": cropped,
}
"""The kinds of copies that are claimed (docs/near-duplicates.md)."""
SHARES = (1.0, 0.99, 0.95, 0.9)
"""Shares of kept copies in the table."""
MIN_IMAGES = 20
"""Below it, 1 % of the copies is none (ours)."""
LIMIT = 300
"""Images at most: they make 45,000 pairs (ours)."""

Scores = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Measured:
    """Cosines between images."""

    copies: Mapping[str, Scores]
    """Of each image, n of them, with its copy of a kind, shape (n,)."""
    different: Scores
    """Of pairs of images that are not near-duplicates by their hashes, shape (p,)."""
    left_out: int
    """Pairs that are."""


def images_in(source: str, limit: int) -> list[bytes]:
    """Return the first ``limit`` distinct images of the folder or tars ``source`` that can be decoded.

    Raises ``ValueError`` for fewer than ``MIN_IMAGES``.
    """
    found = list(islice(dict.fromkeys(_images(source)), limit))
    if len(found) < MIN_IMAGES:
        raise ValueError(f"{source} holds {len(found)} different images that decode, expected at least {MIN_IMAGES}")
    return found


def _images(source: str) -> Iterator[bytes]:
    decoder = Decoder(scale=SCALE)
    with tempfile.TemporaryDirectory() as plan:
        for split in (split for shard in list_shards(source) for split in cut(shard, MICRO_BATCH, 2**26, plan)):
            for row in read(split, "calibration", "unknown").to_pylist():
                if row["image"] and isinstance(decoder(row["image"]["bytes"]), Decoded):
                    yield row["image"]["bytes"]


def measured(images: Sequence[bytes], embedder: Embedder) -> Measured:
    """Return the cosines of ``images`` with copies of theirs and with each other."""
    vectors = _embedded(images, embedder)
    copies = {kind: cosines(vectors, _embedded([edit(image) for image in images], embedder)) for kind, edit in EDITS.items()}
    left, right = np.triu_indices(len(images), 1)
    hashes = pa.record_batch(perceptual(measure(images, Decoder(scale=SCALE))[1]))
    near = ~np.isnan(NearImage().alike(hashes.take(pa.array(left)), hashes.take(pa.array(right))))
    return Measured(copies, cosines(vectors[left[~near]], vectors[right[~near]]), int(near.sum()))


def _embedded(images: Sequence[bytes], embedder: Embedder) -> npt.NDArray[np.float32]:
    """Return the unit vectors of ``images``, shape (n, d), decoded as the embed pass decodes them."""
    decoder = Decoder(scale=EmbedderSpec().scale)
    parts = (images[start : start + MICRO_BATCH] for start in range(0, len(images), MICRO_BATCH))
    return np.concatenate([embedder.embed_images([_pixels(decoder, image) for image in part]) for part in parts])


def _pixels(decoder: Decoder, image: bytes) -> Pixels:
    decoded = decoder(image)
    assert isinstance(decoded, Decoded)  # images that do not decode were passed over, and copies are our own
    return decoded.pixels


def report(model: str, found: Measured, keep: float) -> Iterator[str]:
    """Yield the lines that are printed."""
    every = np.concatenate(list(found.copies.values()))
    proposed = for_matched(every, keep)
    images = len(every) // len(found.copies)
    yield (
        f"{model}: {images:,} images, {len(every):,} copies, {len(found.different):,} pairs of different images "
        f"({found.left_out:,} pairs that the hashes take for one picture are left out)"
    )
    yield "min_cosine  copies kept  different pairs that reach it"
    for least in sorted({for_matched(every, share) for share in SHARES} | {proposed}):
        mark = "  <- proposed" if least == proposed else ""
        yield f"{least:10.4f}  {(every >= least).mean():11.1%}  {(found.different >= least).mean():29.1%}{mark}"
    yield from (f"  {kind}: lowest {scores.min():.4f}, median {np.median(scores):.4f}" for kind, scores in found.copies.items())
    yield f"proposed: {proposed:.{DECIMALS}f}, which keeps at least {keep:.1%} of the copies (ours)"
    yield f"    --set near_image.min_cosine={proposed:.{DECIMALS}f}    # beside the embedder {model}"


def main(argv: Sequence[str] | None = None) -> int:
    """Print what was measured; exit status 1 with the reason where nothing could be."""
    options = _parser().parse_args(argv)
    try:
        spec = spec_of(options.model, options.weights)
        found = measured(images_in(options.input, options.limit), spec.load())
    except (EnvironmentFault, OSError, ValueError) as fault:
        print(f"error: {fault}", file=sys.stderr)
        return 1
    print("\n".join(report(spec.model, found, options.keep)))
    return 0


def _parser() -> argparse.ArgumentParser:
    about = "Measure near_image.min_cosine for an embedder, on copies of your own images."
    parser = argparse.ArgumentParser(prog="python -m jobs.calibrate_copies", description=about, allow_abbrev=False)
    parser.add_argument("--input", required=True, metavar="POOL", help="folder of images, tar, folder of tars or glob of tars")
    parser.add_argument("--model", default=EmbedderSpec().model, help="conse, NAME/TAG of open_clip, NAME with --weights, hf-hub:...")
    parser.add_argument("--weights", metavar="FILE", help="local file of weights in the place of a download")
    parser.add_argument("--limit", type=int, default=LIMIT, metavar="N", help=f"images that are taken at most ({LIMIT})")
    parser.add_argument("--keep", type=_share, default=0.99, metavar="SHARE", help="share of copies kept at least (0.99)")
    return parser


def _share(text: str) -> float:
    if not 0 < float(text) <= 1:
        raise argparse.ArgumentTypeError(f"expected a share above 0 and up to 1, found {text}")
    return float(text)


if __name__ == "__main__":
    sys.exit(main())
