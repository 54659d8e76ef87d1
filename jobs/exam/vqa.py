"""Questions of easy-VQA 1.0 (Victor Zhou, MIT): pictures of 64 x 64 pixels with one shape each, fetched by ``jobs.fetch``."""

import json
import random
import zipfile
from pathlib import Path

from jobs.exam.item import EN, Item

LICENSE = "MIT (easy-VQA)"


def questions(archive: Path, seed: int, count: int) -> list[Item]:
    """Return ``count`` questions of the training part, each about a picture of its own."""
    with zipfile.ZipFile(archive) as package:
        rows = json.loads(package.read("easy_vqa/data/train/questions.json"))
        by_picture: dict[int, list[tuple[str, str]]] = {}
        for question, answer, picture in rows:
            by_picture.setdefault(picture, []).append((question, answer))
        rng = random.Random(f"{seed}:vqa")  # noqa: S311  a draw that is to be the same each time
        drawn = rng.sample(sorted(by_picture), count)
        return [_item(package, picture, *rng.choice(by_picture[picture])) for picture in drawn]


def _item(package: zipfile.ZipFile, picture: int, question: str, answer: str) -> Item:
    image = package.read(f"easy_vqa/data/train/images/{picture}.png")
    said = question[0].upper() + question[1:]
    return Item("vqa", said, answer, (image,), human_tier="very_easy", facts={"language": EN, "picture": picture})
