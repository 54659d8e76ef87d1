"""What is read and measured of a fixed sample, literally: a change here is a new version, and the passes are done again."""

import base64
from pathlib import Path

from filters.decode import Decoder
from filters.models.labels import LabelSpec
from pipelines.pairs.annotate import Annotator, read_split
from pipelines.pairs.looks import Looks
from pipelines.readers import splits
from tests import images

PNG = base64.b64decode(
    "iVBORw0KGgoAAAANSUhEUgAAAAYAAAAECAIAAAAiZtkUAAAAHUlEQVR4nGPkirrDwMDAwMCw74gThMHEgAGIEwIA0GoDDKNIBtkAAAAASUVORK5CYII="
)
"""6 x 4 pixels, left half (10, 90, 220), right half (200, 30, 30)."""


def test_golden_annotation(tmp_path: Path):
    record = {"caption": "unused", "url": "https://images.example/1.png", "license": "CC0"}
    images.write_tar(tmp_path / "pool.tar", [{"__key__": "1", "png": PNG, "txt": " Cafe\u0301 at noon ", "json": record}])
    (shard,) = splits.list_shards(str(tmp_path))
    (split,) = splits.cut(shard, 10, 1000, str(tmp_path / "plan"))
    (row,) = Annotator(Decoder(), Looks(LabelSpec(), None, None, None, None, ()))(read_split(split, "corpus", "unknown")).to_pylist()
    found = {name: value for name, value in row.items() if value is not None and name not in {"split_id", "source_path", "image"}}
    assert (splits.VERSION, Decoder.version) == (2, 1)
    assert found == {
        "sample_id": "2c825ce6ba81ef5b01d6247aab23f1fe",
        "row": 0,
        "corpus": "corpus",
        "source_license": "CC0",
        "source_member": "1.png",
        "source_offset": 512,
        "source_bytes": 86,
        "url": "https://images.example/1.png",
        "alt_text": "Caf\u00e9 at noon",
        "image_hash": "a82f1fc1988bb17104218f197caed569",
        "image_format": "PNG",
        "width": 6,
        "height": 4,
        "animated": False,
        "colour_std": 95.0,
    }, "a result changed: raise splits.VERSION or Decoder.version, and write the new result down here"
