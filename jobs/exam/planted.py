"""What is planted among the good questions: faults, copies, truths that are wrong, and what leaks from a benchmark."""

import base64
import json
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from jobs.exam import charts, geometry, shapes, written
from jobs.exam.item import EN, ZH, Generator, Item
from jobs.exam.row import Row
from schemas.questions import MARKER

EASY = (("What is 1+1?", "2", EN), ("1+1等于几？", "2", ZH), ("What is 2+2? Answer with the number.", "4", EN))
BENCHMARK = "demo-bench"
Draw = Callable[[str], random.Random]
"""Returns a generator of numbers by a name; the same one for the same name."""


@dataclass(frozen=True, slots=True)
class Asked:
    """One question of the benchmark."""

    id: str
    item: Item
    language: str

    def line(self) -> str:
        """Return it as a line of JSON that the reader of questions reads."""
        images = [base64.b64encode(image).decode() for image in self.item.images]
        said: dict[str, Any] = {"id": self.id, "benchmark": BENCHMARK, "question": self.item.question, "images": images}
        said |= {"truth": self.item.truth, "domain": self.item.domain, "language": self.language}
        return json.dumps(said, ensure_ascii=False) + "\n"


def benchmark(draw: Draw) -> list[Asked]:
    """Return the questions of the benchmark: the first eight leak into the corpus, the others do not."""
    leaking: Sequence[Generator] = (written.arithmetic, written.physics, charts.bar, geometry.circle)
    leaking = (*leaking, written.arithmetic, written.physics, charts.bar, charts.bar)
    others: Sequence[Generator] = (written.equation, written.chemistry, charts.line, shapes.counting, shapes.spatial, charts.table)
    items = [(generator(draw(f"bench:{place}"), EN), EN) for place, generator in enumerate((*leaking, *others))]
    return [Asked(f"{BENCHMARK}-{place}", item, language) for place, (item, language) in enumerate(items)]


def leaks(asked: Sequence[Asked]) -> Iterator[Row]:
    """Yield rows that hold a question of the benchmark: four as they are, two in almost the same words, two with its picture alone."""
    for one in asked[:4]:
        yield Row(one.item, one.language, "leak", one.id, "leaks exactly", benchmark=one.id)
    for one in asked[4:6]:
        yield Row(_reworded(one.item), one.language, "leak", one.id, "leaks nearly", benchmark=one.id)
    for one in asked[6:8]:
        item = replace(one.item, question="How many bars does the chart have?", truth="5", facts={"bars": 5})
        yield Row(item, one.language, "leak", one.id, "leaks the picture", benchmark=one.id)


def faults(draw: Draw) -> Iterator[Row]:
    """Yield rows that no reader or decoder can take, truths that are wrong, and questions that are too easy."""
    for place, language in enumerate((EN, ZH)):
        name = f"fault-{place}"
        sum_, bars = written.arithmetic(draw(f"{name}:sum"), language), charts.bar(draw(f"{name}:bar"), language)
        yield Row(replace(sum_, question=None), language, "arithmetic", f"{name}-null", "null question", "no_question")
        markers = replace(bars, question=f"{MARKER}{MARKER}{bars.question}")
        yield Row(markers, language, "bar", f"{name}-markers", "marker mismatch", "marker_count")
        yield Row(
            replace(sum_, question=f"{MARKER}{sum_.question}"), language, "arithmetic", f"{name}-marker", "marker mismatch", "marker_count"
        )
        cut = charts.line(draw(f"{name}:line"), language)
        cut = replace(cut, images=tuple(image[: len(image) * 2 // 5] for image in cut.images))
        yield Row(cut, language, "line", f"{name}-cut", "truncated picture", "truncated")
        for kind, generator in (("arithmetic", written.arithmetic), ("equation", written.equation), ("bar", charts.bar)):
            item = generator(draw(f"{name}:wrong:{kind}"), language)
            wrong = ", ".join(str(int(number) + 7) for number in (item.truth or "").split(", "))
            yield Row(replace(item, truth=wrong), language, kind, f"{name}-{kind}", "wrong truth", right=item.truth)
    for place, (question, truth, language) in enumerate(EASY):
        yield Row(Item("math", question, truth, human_tier="very_easy"), language, "arithmetic", f"easy-{place}", "too easy")


def copies(rows: Sequence[Row]) -> Iterator[Row]:
    """Yield exact and near copies of good rows; the ``cluster`` of a copy is the ``twin`` of its original."""
    sums = [row for row in rows if row.kind in ("arithmetic", "physics")]
    for row in (*sums[:2], next(row for row in rows if row.kind == "bar" and row.item.images)):
        yield replace(row, planted="exact duplicate", cluster=row.twin)
    for row in sums[2:6]:
        yield replace(row, item=_reworded(row.item), planted="near duplicate", cluster=row.twin)


def _reworded(item: Item) -> Item:
    """Return ``item`` with a word more at each end, which changes nothing of what is asked."""
    question = item.question if isinstance(item.question, str) else ""
    chinese = any("\u4e00" <= letter <= "\u9fff" for letter in question)
    return replace(item, question=f"请问：{question}谢谢。" if chinese else f"Please solve this. {question} Show your steps.")
