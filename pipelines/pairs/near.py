"""Near-duplicates as a Beam graph: signals to buckets, buckets to pairs, pairs to clusters, clusters to decisions.

What crosses a shuffle is places, keys and signals, in batches: each batch is cut by the partition that its keys fall into, so
that the cost of a shuffle is that of a few elements and the work inside it is numpy's. No result depends on the number of
partitions; it bounds how much of the signals one worker holds.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.pvalue import PCollection

from filters.components import both_ways, downwards, large_star
from filters.duplicates import Decision, Member
from pipelines.pairs import duplicates
from pipelines.pairs import near_partitions as work
from pipelines.spine.commit import refuse_below_one
from schemas.protocols import NearDuplicates

Part = tuple[int, bytes]
"""A partition, and a batch of it as an Arrow IPC stream."""


@dataclass(frozen=True)
class Shuffle:
    """How the work on near-duplicates is spread. No result depends on it."""

    partitions: int = 8
    """Partitions of keys and places; a worker holds one at a time, about 1 KB for each sample in it: samples / 250,000 (ours)."""
    rounds: int = 10
    """Contraction rounds for clusters: enough for chains of 1,000 samples of which each is like the next alone (ours, measured)."""

    def __post_init__(self) -> None:
        """Refuse none of either."""
        refuse_below_one(partitions=self.partitions, rounds=self.rounds)

    @property
    def edge_partitions(self) -> int:
        """Partitions of the edges between near-duplicates: one for eight, since an edge is 40 bytes and each round shuffles them twice."""
        return -(-self.partitions // 8)


@dataclass(eq=False)
class MergeNear(beam.PTransform[Any, Any]):
    """Merges the rows under way that ``finder`` finds to be nearly the same: each cluster into its representative.

    Takes and gives the decisions on each split. Fails with ``EnvironmentFault`` where the clusters are not whole after the rounds.
    """

    sentence: str
    finder: NearDuplicates
    signals: work.Signals
    shuffle: Shuffle

    def expand(self, input_or_inputs: PCollection[pa.RecordBatch]) -> PCollection[pa.RecordBatch]:
        """Lay the graph behind the decisions."""
        decided, parts = input_or_inputs, self.shuffle.partitions
        rows: Any = decided | "Open their signals" >> beam.FlatMap(work.live, self.signals).with_output_types(pa.RecordBatch)
        spread: dict[str, Any] = {"finder": self.finder, "partitions": parts}
        stored = rows | "Spread the signals" >> beam.FlatMap(partial(work.by_place, **spread)).with_output_types(Part)
        edges = rows | "Find pairs" >> FindPairs(self.finder, parts) | "Tell the true ones" >> HoldAgainst(stored, self.finder, parts)
        for number in range(1, self.shuffle.rounds + 1):
            edges = edges | f"Contract them, round {number}" >> Contract(self.shuffle.edge_partitions)
        labels = edges | "Name the clusters" >> NameClusters(self.shuffle.edge_partitions, self.shuffle.rounds)
        verdicts = decided | "Keep the verdicts alone" >> beam.Map(work.verdicts).with_output_types(tuple[str, bytes])
        merges = (
            {duplicates.VERDICTS: verdicts, work.LABELS: labels}
            | "Bring clusters to their splits" >> beam.CoGroupByKey()
            | "Open the members" >> beam.FlatMap(work.members, self.signals).with_output_types(tuple[str, Member])
            | "Bring clusters together" >> beam.GroupByKey()
            | "Choose a representative" >> beam.FlatMap(duplicates.merges).with_output_types(tuple[str, Decision])
        )
        return (
            {duplicates.VERDICTS: verdicts, duplicates.MERGES: merges}
            | "Bring the decisions back" >> beam.CoGroupByKey()
            | "Merge" >> beam.Map(duplicates.join, self.sentence, self.finder.reason).with_output_types(pa.RecordBatch)
        )


@dataclass(eq=False)
class FindPairs(beam.PTransform[Any, Any]):
    """From signals to the pairs that share a bucket and pass the screen, under the partition of the left."""

    finder: NearDuplicates
    partitions: int

    def expand(self, input_or_inputs: PCollection[pa.RecordBatch]) -> PCollection[Part]:
        """Lay the graph behind the signals."""
        spread: dict[str, Any] = {"finder": self.finder, "partitions": self.partitions}
        pairs: Any = (
            input_or_inputs
            | "Name their buckets" >> beam.FlatMap(partial(work.by_key, **spread)).with_output_types(Part)
            | "Bring buckets together" >> beam.GroupByKey()
            | "Pair what shares a bucket" >> beam.FlatMap(partial(work.paired, **spread)).with_output_types(Part)
        )
        return pairs


@dataclass(eq=False)
class HoldAgainst(beam.PTransform[Any, Any]):
    """From pairs to those that are near-duplicates in truth, by the ``stored`` signals of both."""

    stored: Any
    finder: NearDuplicates
    partitions: int

    def expand(self, input_or_inputs: PCollection[Part]) -> PCollection[bytes]:
        """Lay the graph behind the pairs."""
        spread: dict[str, Any] = {"finder": self.finder, "partitions": self.partitions}
        left: Any = {work.PAIRS: input_or_inputs, work.SIGNALS: self.stored} | "Bring signals to the left" >> beam.CoGroupByKey()
        half = left | "Open the left" >> beam.FlatMap(partial(work.with_left, **spread)).with_output_types(Part)
        both: Any = {work.PAIRS: half, work.SIGNALS: self.stored} | "Bring signals to the right" >> beam.CoGroupByKey()
        return both | "Hold them against each other" >> beam.FlatMap(partial(work.alike, finder=self.finder)).with_output_types(bytes)


@dataclass(eq=False)
class Contract(beam.PTransform[Any, Any]):
    """One round of large star and small star."""

    partitions: int

    def expand(self, input_or_inputs: PCollection[bytes]) -> PCollection[bytes]:
        """Lay the graph behind the edges."""
        large = beam.FlatMap(work.contracted, large_star, downwards, self.partitions)
        contracted: Any = (
            input_or_inputs
            | "Both ways" >> beam.FlatMap(work.spread, both_ways, self.partitions).with_output_types(Part)
            | "Bring neighbours together" >> beam.GroupByKey()
            | "Large stars" >> large.with_output_types(Part)
            | "Bring smaller neighbours together" >> beam.GroupByKey()
            | "Small stars" >> beam.FlatMap(work.stars).with_output_types(bytes)
        )
        return contracted


@dataclass(eq=False)
class NameClusters(beam.PTransform[Any, Any]):
    """From contracted edges to the rows of each split with the smallest place of their cluster; fails where one is not whole."""

    partitions: int
    rounds: int

    def expand(self, input_or_inputs: PCollection[bytes]) -> PCollection[tuple[str, bytes]]:
        """Lay the graph behind the edges."""
        labels: Any = (
            input_or_inputs
            | "Both ways" >> beam.FlatMap(work.spread, both_ways, self.partitions).with_output_types(Part)
            | "Bring nodes together" >> beam.GroupByKey()
            | "Check that clusters are whole" >> beam.FlatMap(work.labels, self.rounds).with_output_types(tuple[str, bytes])
        )
        return labels
