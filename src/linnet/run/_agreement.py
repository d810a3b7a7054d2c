"""How well measured times follow predicted ones: ties, order, stopping. Plain NumPy on stored numbers."""

import warnings

import numpy as np
from jaxtyping import Float, Int

#: Neighbouring modes whose strengths differ by less than this part are one group: no network tells them apart in time.
TIE = 0.02

#: A rise of the held-out loss after its minimum counts if it is at least this part of what was gained before.
RISE = 1e-3


def tie_groups(strengths: Float[np.ndarray, " mode"], tolerance: float = TIE) -> Int[np.ndarray, " mode"]:
    """Numbers the groups of near-equal modes.

    Args:
        strengths: what decides when modes are learned, in descending order.
        tolerance: two neighbours belong together if they differ by at most this part of the larger.

    Returns:
        0 for the first group, 1 for the next, ...
    """
    strengths = np.asarray(strengths)
    gaps = strengths[:-1] - strengths[1:] > tolerance * strengths[:-1]
    return np.concatenate([[0], np.cumsum(gaps)]).astype(int)[: len(strengths)]


def order_agreement(
    predicted: Float[np.ndarray, " mode"], measured: Float[np.ndarray, " mode"], groups: Int[np.ndarray, " mode"]
) -> float | None:
    """Spearman's rank correlation of predicted and measured times, near-equal modes as ties.

    Args:
        predicted: times; NaN for modes that are not predicted to be learned.
        measured: times; NaN for modes that were not learned.
        groups: the tie group of each mode; each group counts with its mean time.

    Returns:
        The correlation; `None` if fewer than two groups have both times, or all predicted or measured times are equal.
    """
    from scipy.stats import spearmanr

    known = np.isfinite(predicted) & np.isfinite(measured)
    groups, predicted, measured = groups[known], predicted[known], measured[known]
    if len(np.unique(groups)) < 2:
        return None
    ranks = [
        _merged(np.array([np.mean(times[groups == group]) for group in groups])) for times in (predicted, measured)
    ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        correlation = float(spearmanr(ranks[0], ranks[1])[0])  # pyright: ignore
    return correlation if np.isfinite(correlation) else None


def stopping_time(ts: Float[np.ndarray, " time"], losses: Float[np.ndarray, " time"]) -> float | None:
    """When to stop: the minimum of a held-out loss, refined by a parabola through its neighbours.

    Args:
        ts: learning times.
        losses: the held-out loss.

    Returns:
        The time; `None` where the minimum is not inside, or the loss hardly rises after it (see `RISE`).
    """
    losses = np.asarray(losses)
    finite = np.isfinite(losses)
    if finite.sum() < 3:
        return None
    ts, losses = np.asarray(ts)[finite], losses[finite]
    best = int(np.argmin(losses))
    gained, risen = losses[0] - losses[best], np.max(losses[best:]) - losses[best]
    if best in (0, len(losses) - 1) or risen <= RISE * gained:
        return None
    (t0, t1, t2), (a, b, c) = ts[best - 1 : best + 2], losses[best - 1 : best + 2]
    left, right = (t1 - t0) * (b - c), (t1 - t2) * (b - a)
    if left == right:
        return float(t1)
    return float(t1 - 0.5 * ((t1 - t0) * left - (t1 - t2) * right) / (left - right))


def relative_error(predicted: float, measured: float) -> float | None:
    """How far a prediction is from what was measured, as a part of it; `None` where one is missing."""
    if not (np.isfinite(predicted) and np.isfinite(measured)) or measured == 0:
        return None
    return float(predicted / measured - 1)


def _merged(times: np.ndarray) -> np.ndarray:
    """Ranks, where times that differ in the last digits only (every mode of a single layer) are equal."""
    order = np.argsort(-times, kind="stable")
    ranks = np.empty(len(times), int)
    ranks[order] = tie_groups(times[order], 1e-3)
    return -ranks
