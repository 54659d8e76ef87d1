"""What a trainer imports: batches by the curriculum from a folder of RL Parquet. Needs numpy and pyarrow, and no trainer.

reader = open_reader("out/rl", Curriculum(Mixture.of({"math": 3, "chart": 1}), groups=128))
while training:
    ids = reader.next_batch()                # what to roll out
    outcomes = roll_out(reader.rows(ids))    # [Outcome(sample_id, n, correct), ...]
    train_on(reader.choose(outcomes))        # the ids whose groups are trained on
    reader.record(outcomes)
    save(reader.state(), "checkpoint/curriculum.json")
"""

from collections.abc import Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds

from schemas.columns import SAMPLE_ID
from schemas.questions import DOMAIN, N_CORRECT, N_SAMPLES, TIER
from synth import curriculum
from synth.balanced import choose_balanced
from synth.curriculum import Curriculum, Outcome, State

COLUMNS = (SAMPLE_ID.name, DOMAIN.name, TIER.name, N_SAMPLES.name, N_CORRECT.name)
"""Columns that the curriculum itself reads."""


class Reader:
    """Draws batches and takes in their outcomes; all that it remembers is its state."""

    def __init__(self, folder: ds.Dataset, state: State) -> None:
        self._folder = folder
        self._state = state

    def state(self) -> State:
        """Return the state after the last ``record``: with it and the same folder, a run goes on as if it had not stopped."""
        return self._state

    def next_batch(self) -> list[str]:
        """Return the ids to roll out now: ``groups`` times the expansion ratio of them. The same ones until ``record`` is called."""
        return curriculum.draw_batch(self._state)

    def rows(self, ids: Sequence[str], columns: Sequence[str] | None = None) -> pa.Table:
        """Return the rows of ``ids`` in their order, with ``columns`` or all; raises ``ValueError`` for an id that the folder lacks."""
        wanted = None if columns is None else list(dict.fromkeys([SAMPLE_ID.name, *columns]))
        found = self._folder.to_table(columns=wanted, filter=pc.field(SAMPLE_ID.name).isin(list(ids)))
        places = {sample: place for place, sample in enumerate(found.column(SAMPLE_ID.name).to_pylist())}
        if strange := [sample for sample in ids if sample not in places]:
            raise ValueError(f"{len(strange)} of {len(ids)} ids are not in the folder: was it written anew since the state was?")
        table = found.take(pa.array([places[sample] for sample in ids], pa.int64()))
        return table if columns is None else table.select(list(columns))

    def choose(self, outcomes: Sequence[Outcome]) -> list[str]:
        """Return the ids to train on, by ``choose_groups``."""
        return choose_groups(self._state, outcomes)

    def record(self, outcomes: Sequence[Outcome]) -> None:
        """Take in the outcomes of an iteration, of all prompts that were rolled out, and go on to the next."""
        self._state = curriculum.record(self._state, outcomes)


def choose_groups(state: State, outcomes: Sequence[Outcome]) -> list[str]:
    """Return the ids to train on: for each domain its quota of groups, right and wrong balanced (``choose_balanced``).

    A domain with fewer groups than its quota gives what it has, and no other takes its place: the mixture is fixed. Raises ``ValueError``
    for prompts that the state lacks or that come twice.
    """
    places = curriculum.places_of(state.prompts, [outcome.sample_id for outcome in outcomes])
    domains = state.prompts.domain[places].tolist()
    chosen: list[str] = []
    for domain, quota in enumerate(curriculum.domain_quotas(state).tolist()):
        of_it = [outcome for outcome, at in zip(outcomes, domains, strict=True) if at == domain]
        ids, n, correct = [o.sample_id for o in of_it], [o.n for o in of_it], [o.correct for o in of_it]
        chosen += choose_balanced(ids, n, correct, quota, state.settings.seed)
    return chosen


def open_reader(folder: str, begin: Curriculum | State) -> Reader:
    """Return a reader of the Parquet files in ``folder``, from settings at the start of a run, or from the state of one that stopped.

    Raises ``ValueError`` for a null in one of ``COLUMNS``, and where the prompts of a state are not those of the folder.
    """
    dataset = ds.dataset(folder, format="parquet")
    table = dataset.to_table(columns=list(COLUMNS))
    if empty := [name for name in COLUMNS if table.column(name).null_count]:
        raise ValueError(f"{folder}: {', '.join(empty)} must not be null in RL data; grade all questions first")
    ids, domains, tiers, n, correct = (table.column(name).to_pylist() for name in COLUMNS)
    if isinstance(begin, Curriculum):
        return Reader(dataset, curriculum.start(begin, ids, domains, tiers, n, correct))
    if differing := {*ids} ^ {*begin.prompts.ids}:
        raise ValueError(f"{folder} and the state differ in {len(differing)} prompts: resume with the folder that the run began with")
    return Reader(dataset, begin)
