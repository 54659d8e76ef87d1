"""What Prometheus scrapes: rows by step, door and reason, and what the answers cost, as text exposition format 0.0.4."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import pyarrow.parquet as pq

from jobs.dashboard.runs import LEDGER, SAMPLES, Opened, open_run
from jobs.dashboard.store import Store, parquet
from schemas import columns as c
from schemas.exits import DEAD, DROPPED, KEPT, MERGED

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
SPENT = ((c.PROMPT_TOKENS.name, "prompt"), (c.COMPLETION_TOKENS.name, "completion"))


@dataclass(frozen=True)
class Family:
    """A metric with its samples. All are gauges: a run that goes on grows, and a take-down takes away."""

    name: str
    help: str
    samples: tuple[tuple[Mapping[str, str], float], ...]


def exposition(store: Store) -> str:
    """Return the families of all runs of ``store`` as text."""
    return "".join(line + "\n" for family in families(store) for line in _lines(family))


def families(store: Store) -> list[Family]:
    """Return what is told of the runs of ``store``, as they lie there now."""
    runs = [(_named(index, run), run) for index, run in enumerate(map(open_run, store.runs))]
    complete = ((labels, float(run.is_complete)) for labels, run in runs)
    answers = ((labels, float(_answers(store, run))) for labels, run in runs)
    return [
        Family("glmv_run_complete", "1 where the run is finished, 0 while it goes on.", tuple(complete)),
        Family("glmv_rows", "Rows by the step and door they left by, and why; kept ones have no step.", tuple(_rows(runs))),
        Family("glmv_step_rows", "Rows that entered a step.", tuple(_entered(runs))),
        *_spent([(labels, _cost(store, run)) for labels, run in runs]),
        Family("glmv_answers", "Answers of models that rows hold.", tuple(answers)),
    ]


def _spent(costs: Sequence[tuple[Mapping[str, str], Mapping[str, float]]]) -> list[Family]:
    kinds = [({**labels, "kind": kind}, cost[name]) for labels, cost in costs for name, kind in SPENT if name in cost]
    seconds = [(labels, cost[c.ANSWER_SECONDS.name]) for labels, cost in costs if c.ANSWER_SECONDS.name in cost]
    return [
        Family("glmv_tokens", "Tokens of the models' answers, as the servers counted them.", tuple(kinds)),
        Family("glmv_answer_seconds", "Seconds that models took to answer.", tuple(seconds)),
    ]


def _named(index: int, run: Opened) -> dict[str, str]:
    return {"index": str(index), "pipeline": str(run.told["pipeline"]), "run": str(run.told["run_id"])}


def _rows(runs: Iterable[tuple[dict[str, str], Opened]]) -> Iterator[tuple[dict[str, str], float]]:
    for labels, run in runs:
        for name, counts in run.funnels.items():
            about = {**labels, "of": name}
            yield {**about, "step": "", "door": KEPT, "reason": ""}, counts[-1].kept if counts else 0
            for count in counts:
                for door in (DROPPED, MERGED, DEAD):
                    for reason, rows in getattr(count, door).items():
                        yield {**about, "step": count.step, "door": door, "reason": reason}, rows


def _entered(runs: Iterable[tuple[dict[str, str], Opened]]) -> Iterator[tuple[dict[str, str], float]]:
    for labels, run in runs:
        for name, counts in run.funnels.items():
            yield from (({**labels, "of": name, "step": count.step}, count.entered) for count in counts)


def _cost(store: Store, run: Opened) -> dict[str, float]:
    """Return tokens and seconds: of the manifest, or while the run goes on the sums over its rows; not of rows nested in them."""
    if run.is_complete:
        return {name: float(cost) for name, cost in run.told.get("spent", {}).items()}
    names = [name for name in (*(name for name, _ in SPENT), c.ANSWER_SECONDS.name) if name in run.schema.names]
    if not names:
        return {}
    rows = parquet(run.files())
    sums = ", ".join(f"coalesce(sum({name}), 0)::double as {name}" for name in names)
    return store.query(f"select {sums} from {rows.sql}", rows.values)[0]  # noqa: S608  three fixed names


def _answers(store: Store, run: Opened) -> int:
    """Return how many rows of the ledger, and of the tables of rollouts, hold an answer."""
    return sum(_answered(store, run.files(table)) for table in run.tables if table == LEDGER or table in run.funnels.keys() - {SAMPLES})


def _answered(store: Store, files: list[str]) -> int:
    if not files or c.COMPLETION_TOKENS.name not in pq.read_schema(files[0]).names:
        return 0
    rows = parquet(files)
    return store.query(f"select count({c.COMPLETION_TOKENS.name}) as n from {rows.sql}", rows.values)[0]["n"]  # noqa: S608  a fixed name


def _lines(family: Family) -> Iterator[str]:
    yield f"# HELP {family.name} {family.help}"
    yield f"# TYPE {family.name} gauge"
    for labels, value in family.samples:
        told = ",".join(f'{name}="{escaped(text)}"' for name, text in labels.items())
        yield f"{family.name}{{{told}}} {value:.17g}"


def escaped(text: str) -> str:
    """Return ``text`` as the value of a label: backslash, quote and line feed escaped (Prometheus, text-based format)."""
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
