"""How far two symbolic graphs are apart."""

import equinox as eqx
import numpy as np

from ._symbolic_dynamics import SymbolicDynamics


class SymbolComparison(eqx.Module):
    """Two symbolic graphs side by side; distances are between 0, the same, and 1, nothing in common.

    Args:
        shared: labels that are in both.
        only_first: labels of the first alone.
        only_second: labels of the second alone.
        visit_distance: the total variation of the shares of the symbols.
        transition_distance: the total variation of the shares of the transitions.
        edge_distance: one minus the edges that are in both over those that are in either (Jaccard's distance).
        entropy_difference: of the topological entropies, the second's minus the first's.
        information: how much one symbol tells of the other at the same step, in nats; NaN for other lengths.
        uncertainty: the part of the second one's entropy that the first one tells, between 0 and 1.
    """

    shared: tuple[str, ...] = eqx.field(static=True)
    only_first: tuple[str, ...] = eqx.field(static=True)
    only_second: tuple[str, ...] = eqx.field(static=True)
    visit_distance: float
    transition_distance: float
    edge_distance: float
    entropy_difference: float
    information: float
    uncertainty: float


def compare_symbols(first: SymbolicDynamics, second: SymbolicDynamics) -> SymbolComparison:
    """Compares two symbolic graphs: symbols with the same label are the same.

    Where the labels are of two kinds, such as the regions of a network and the lobes of the attractor it follows, the
    distances say nothing, but the information does: it needs both sequences at the same steps.

    Args:
        first: one.
        second: the other.

    Returns:
        Distances and what is in which.
    """
    labels = tuple(dict.fromkeys((*first.labels, *second.labels)))
    visits, transitions = zip(*(_spread(one, labels) for one in (first, second)))
    edges = [table > 0 for table in transitions]
    told, uncertainty = _information(first.symbols, second.symbols)
    return SymbolComparison(
        shared=tuple(label for label in labels if label in first.labels and label in second.labels),
        only_first=tuple(label for label in first.labels if label not in second.labels),
        only_second=tuple(label for label in second.labels if label not in first.labels),
        visit_distance=float(np.sum(np.abs(visits[0] - visits[1])) / 2),
        transition_distance=float(np.sum(np.abs(transitions[0] - transitions[1])) / 2),
        edge_distance=float(1 - np.sum(edges[0] & edges[1]) / max(np.sum(edges[0] | edges[1]), 1)),
        entropy_difference=second.topological_entropy() - first.topological_entropy(),
        information=told,
        uncertainty=uncertainty,
    )


def _spread(one: SymbolicDynamics, labels: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Shares of symbols and transitions on the labels of both."""
    at = [labels.index(label) for label in one.labels]
    visits, transitions = np.zeros(len(labels)), np.zeros((len(labels), len(labels)))
    visits[at] = one.visits / one.visits.sum()
    transitions[np.ix_(at, at)] = one.transitions / max(one.transitions.sum(), 1)
    return visits, transitions


def _information(first: np.ndarray, second: np.ndarray) -> tuple[float, float]:
    if first.shape != second.shape:
        return float("nan"), float("nan")
    joint = np.zeros((first.max() + 1, second.max() + 1))
    np.add.at(joint, (first.ravel(), second.ravel()), 1 / first.size)
    apart = joint.sum(axis=1, keepdims=True) * joint.sum(axis=0)
    told = float(np.sum(joint[joint > 0] * np.log(joint[joint > 0] / apart[joint > 0])))
    shares = joint.sum(axis=0)
    entropy = float(-np.sum(shares[shares > 0] * np.log(shares[shares > 0])))
    return told, told / entropy if entropy > 0 else 1.0
