"""Whether a seed's reconstruction has failed: where its free run ends, and how far from the data it goes."""

from typing import Any

import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from .. import analyse

#: What each verdict on a seed means.
VERDICTS = {
    0: "It goes where the data go.",
    1: "Its training stopped: a gradient was not finite. Force more, or clip gradients.",
    2: "Its free run left every bound. Train longer, force more, or use a clipped network.",
    3: "Its free run ended in a fixed point. Train longer, or force less.",
    4: "Its free run ended in a cycle, while the data never repeat. Train longer, or force less.",
    5: "Its free run stays bounded and moves, but its divergence from the data in state space exceeds the threshold.",
    6: "Its free run stays bounded and moves, but its power spectrum is further from the data's than the threshold.",
}

#: A run that moves by less than this (in standard deviations of the data) over its last quarter is at a fixed point;
#: one that comes back to within this again and again is in a cycle.
STILL = 1e-3
#: In more dimensions than this nearly all bins of a histogram are empty, and mixtures are compared instead.
_MOST_DIMENSIONS = 5
_VARIANCE = 0.1


def repeats(values: Float[np.ndarray, "time out"], tolerance: float = STILL) -> int:
    """The period of the cycle in which an orbit ends, 0 if it does not end in one, 1 if it is still.

    An orbit ends in a cycle of the period p where its last quarter equals that of p steps before, within the tolerance
    times the standard deviation of the whole orbit.
    """
    tail = values[len(values) // 2 :]
    last = tail[len(tail) // 2 :]
    scale = max(float(np.max(values.std(axis=0))), 1e-12)
    if np.ptp(last, axis=0).max() <= tolerance:
        return 1
    for period in range(2, len(tail) - len(last) + 1):
        start = len(tail) - len(last) - period
        # Only candidates whose last point fits are compared in full.
        if np.abs(tail[-1] - tail[-1 - period]).max() > tolerance * scale:
            continue
        if np.abs(last - tail[start : start + len(last)]).max() <= tolerance * scale:
            return period
    return 0


def looks_periodic(values: Float[np.ndarray, "time out"]) -> bool:
    """Whether a series, which may be noisy, goes on repeating itself.

    A heuristic: its autocorrelation comes back to 0.6 at lags between a half and three quarters of its length. That of
    phase-coherent chaos such as the Roessler system does so too; only a longer series or the user can tell.
    """
    standard = (values - values.mean(axis=0)) / values.std(axis=0)
    num = len(standard)
    power = np.abs(np.fft.rfft(standard, 2 * num, axis=0)) ** 2
    correlation = np.fft.irfft(power, axis=0)[:num].mean(axis=1) / (num - np.arange(num))
    return bool(correlation[num // 2 : 3 * num // 4 + 1].max() > 0.6 * correlation[0])


def distance(truth: Any, generated: Any) -> Float[Array, ""]:
    """The divergence of one run from the data: by bins in up to five dimensions, by mixtures in more."""
    if np.shape(truth)[1] <= _MOST_DIMENSIONS:
        return analyse.state_space_divergence(truth, generated).value
    found = analyse.state_space_divergence(truth, generated, method="mixture", variance=_VARIANCE, key=jr.key(0))
    return found.value


def gaussian_distance(truth: Any) -> float:
    """The divergence of independent Gaussian points with the covariance of the data: what no dynamics can do worse."""
    values = np.asarray(truth, float)
    drawn = np.random.default_rng(0).multivariate_normal(
        values.mean(axis=0), np.cov(values.T).reshape(2 * (values.shape[1],)), len(values)
    )
    return float(distance(truth, jnp.asarray(drawn, jnp.asarray(truth).dtype)))


def judge(
    truth: Float[Array, "time out"],
    runs: Float[Array, "seed time out"],
    diverged: Bool[Array, " seed"],
    stopped: Bool[Array, " seed"],
    threshold: float,
    aperiodic: bool,
) -> tuple[Int[Array, " seed"], Float[Array, " seed"], Int[Array, " seed"]]:
    """Verdicts on all seeds, their divergences (infinite for runs that left every bound), and the periods in which
    they end."""
    verdicts, distances, periods = [], [], []
    for run, left, halted in zip(np.asarray(runs), np.asarray(diverged), np.asarray(stopped)):
        period = 0 if left else repeats(run)
        found = float("inf") if left else float(distance(truth, jnp.asarray(run)))
        if halted:
            verdict = 1
        elif left:
            verdict = 2
        elif period == 1:
            verdict = 3
        elif period > 1 and aperiodic:
            verdict = 4
        else:
            verdict = 5 if not found <= threshold else 0
        verdicts.append(verdict)
        distances.append(found)
        periods.append(period)
    return jnp.asarray(verdicts, jnp.int32), jnp.asarray(distances, truth.dtype), jnp.asarray(periods, jnp.int32)
