"""Connected components of pairs, past one machine's memory: the two moves of a contraction, each on one partition of the nodes.

Large star and small star by turns (Kiveris et al., "Connected Components in MapReduce and Beyond", 2014): each round hangs
nodes nearer to the smallest of their component, until every component is a star around it. Nodes are places, dtype S20, as in
``filters.near``; edges are pairs of them, a node and one that is smaller.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from filters.near import Places


class Edges(NamedTuple):
    """Edges, shape (n,) each: what a partition is given (a node of its own and a neighbour), or what it answers."""

    node: Places
    neighbour: Places


def both_ways(edges: Edges) -> Edges:
    """Return each edge from both of its ends, as ``large_star`` wants to have it."""
    return Edges(np.concatenate([edges.node, edges.neighbour]), np.concatenate([edges.neighbour, edges.node]))


def downwards(edges: Edges) -> Edges:
    """Return each edge from its larger end, as ``small_star`` wants to have it."""
    is_up = edges.node < edges.neighbour
    return Edges(np.where(is_up, edges.neighbour, edges.node), np.where(is_up, edges.node, edges.neighbour))


def large_star(edges: Edges) -> Edges:
    """Hang the larger neighbours of each node on the smallest node that it knows, itself included.

    ``edges`` are all those of the nodes of one partition, both ways. Returned are edges from larger to smaller, each once.
    """
    node, neighbour, starts = _grouped(edges)
    smallest = neighbour[starts]
    smallest = np.where(smallest < node[starts], smallest, node[starts])
    repeated = np.repeat(smallest, np.diff(np.r_[starts, len(node)]))
    is_larger = neighbour > node
    return distinct(Edges(neighbour[is_larger], repeated[is_larger]))


def small_star(edges: Edges) -> Edges:
    """Hang each node and its smaller neighbours on the smallest of them.

    ``edges`` are all those of the nodes of one partition that lead downwards. Returned are edges from larger to smaller, each once.
    """
    node, neighbour, starts = _grouped(edges)
    repeated = np.repeat(neighbour[starts], np.diff(np.r_[starts, len(node)]))
    hung = neighbour != repeated
    return distinct(Edges(np.concatenate([neighbour[hung], node[starts]]), np.concatenate([repeated[hung], neighbour[starts]])))


def stray(stars: Edges, centres: Places) -> int:
    """Return how many nodes of one partition tell that the contraction has not ended: they hang on two nodes, or others hang on them.

    ``stars`` are the edges of the partition's nodes, ``centres`` those of its nodes on which some other hangs.
    """
    nodes, counts = np.unique(stars.node, return_counts=True)
    return int((counts > 1).sum() + np.isin(nodes, centres).sum())


def distinct(edges: Edges) -> Edges:
    """Return ``edges`` sorted, each once."""
    if not len(edges.node):
        return edges
    order = np.lexsort((edges.neighbour, edges.node))
    node, neighbour = edges.node[order], edges.neighbour[order]
    first = np.r_[True, (node[1:] != node[:-1]) | (neighbour[1:] != neighbour[:-1])]
    return Edges(node[first], neighbour[first])


def joined(parts: Iterable[Edges]) -> Edges:
    """Return the edges of all ``parts``."""
    found = list(parts)
    empty: Any = [np.empty(0, "S20")]
    return Edges(np.concatenate([*empty, *(part.node for part in found)]), np.concatenate([*empty, *(part.neighbour for part in found)]))


def _grouped(edges: Edges) -> tuple[Places, Places, npt.NDArray[np.int64]]:
    """Return nodes and neighbours ordered by both, and where each node begins."""
    node, neighbour = distinct(edges)
    starts = np.flatnonzero(np.r_[True, node[1:] != node[:-1]]) if len(node) else np.empty(0, np.int64)
    return node, neighbour, starts
