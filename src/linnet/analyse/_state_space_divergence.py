"""How far a generated attractor is from the true one: a Kullback-Leibler divergence in state space."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._cite import cite
from .._types import PRNGKey
from ._binned_divergence import BINNINGS, binned_divergence
from ._mixture_divergence import mixture_divergence


class StateSpaceDivergence(eqx.Module):
    """A divergence in state space, and what one has to know to read it. `float` of it is its value.

    Args:
        value: the divergence, in nats.
        standard_error: of the Monte Carlo estimate (0 for bins).
        outside: the fraction of generated points outside the range of the bins or, of either method, not finite.
        smoothing: the fraction of the generated histogram that is smoothing alone (0 for mixtures). Where it is not
            small there are too many bins for so few points, and the value is far too low.
        method: "bins" or "mixture".
        binning: the convention of the bins' range ("" for mixtures).
    """

    value: Float[Array, ""]
    standard_error: Float[Array, ""]
    outside: Float[Array, ""]
    smoothing: Float[Array, ""]
    method: str = eqx.field(static=True)
    binning: str = eqx.field(static=True)

    def __float__(self) -> float:
        return float(self.value)


@cite("hess2023generalized", "brenner2022tractable", "hershey2007approximating")
def state_space_divergence(
    truth: Float[Array | np.ndarray, "time state"],
    generated: Float[Array | np.ndarray, "other_time other_state"],
    *,
    method: str = "bins",
    binning: str = "gtf",
    bins: int = 30,
    smoothing: float = 1e-5,
    outside: str = "cell",
    variance: float = 1.0,
    num_samples: int = 1000,
    key: PRNGKey | None = None,
) -> StateSpaceDivergence:
    r"""The divergence of where a generated orbit goes from where the true one does, $D_\mathrm{stsp}$.

    $$D_\mathrm{stsp} = \sum_i p_i \log \frac{p_i}{q_i}, \qquad p_i = \frac{c_i + \alpha}{\sum_j c_j + \alpha K^N}$$

    over the $K^N$ cells of a histogram, with the truth's counts in $p$ and the generated ones in $q$; or, between
    mixtures with a Gaussian of variance $\sigma^2$ at each point, $\frac1n \sum_k \log p(x_k) / q(x_k)$ at samples
    $x_k$ of the truth's mixture. Only occupied cells are counted, so that the number of cells does not matter for time
    or memory; but in more than about five dimensions the smoothing of empty cells outweighs the points (see `smoothing`
    of the result), and the mixtures are the better choice. A number means nothing without its scale: see
    `metric_scales`.

    Departures from the published codes: all bins count, also the first of each axis; points outside the range are a
    cell of their own rather than dropped (`outside="drop"` is the published form, which does not see that points left
    the range; it is infinite where all did); the bins of "std" lie around the mean, which is zero for the standardised
    data of that code; densities of mixtures are logarithms, so that no sample is left out because a density is rounded
    to 0; mixtures have all points rather than the first 10,000.

    Args:
        truth: the true orbit.
        generated: the generated one, of any length; give both after their transients.
        method: "bins" or "mixture".
        binning: what the bins of an axis span, from the truth: "gtf", 0.1 standard deviations more than its range at
            both ends; "range", its range; "std", two standard deviations to both sides of its mean.
        bins: $K$, for each axis.
        smoothing: $\alpha$, what is added to every cell.
        outside: "cell" or "drop": what becomes of points outside the range, and of those that are not finite.
        variance: $\sigma^2$ of the mixtures, in the units of the data squared; 1 is blind to all structure of
            standardised data in few dimensions.
        num_samples: $n$, how many Monte Carlo samples.
        key: the key of the samples; needed for mixtures.

    Returns:
        The divergence with its standard error and the fraction of points outside.

    Raises:
        ValueError: if an argument is not what it must be, or the truth has a constant coordinate or is not finite.

    !!! example
        ```python
        orbit = ln.systems.get("Lorenz").orbit(20_000, dt=0.01).states
        found = ln.analyse.state_space_divergence(orbit[:10_000], orbit[10_000:])
        float(found), found.outside
        ```
    """
    if method not in ("bins", "mixture"):
        raise ValueError(f'The method of a divergence is "bins" or "mixture", got {method!r}.')
    if binning not in BINNINGS:
        raise ValueError(f"The binning is one of {', '.join(BINNINGS)}, got {binning!r}.")
    if outside not in ("cell", "drop"):
        raise ValueError(f'Points outside the bins are a "cell" of their own, or are dropped, "drop"; got {outside!r}.')
    truth, generated = (jnp.asarray(points) for points in (truth, generated))
    dtype = jnp.promote_types(jnp.result_type(truth, generated), jnp.float32)
    if truth.ndim != 2 or generated.ndim != 2 or truth.shape[1] != generated.shape[1] or not len(generated):
        raise ValueError(
            "Two orbits are compared in one state space, both as (time, state), got the shapes"
            f" {truth.shape} and {generated.shape}."
        )
    truth, generated = truth.astype(dtype), generated.astype(dtype)
    _check_truth(truth)
    zero = jnp.zeros((), dtype)
    if method == "mixture":
        if key is None:
            raise ValueError(
                "The divergence of mixtures is a Monte Carlo estimate; give a key, such as jax.random.key(0)."
            )
        if not (variance > 0 and num_samples >= 2):
            raise ValueError(
                f"Mixtures need a positive `variance` and two or more `num_samples`, got {variance} and {num_samples}."
            )
        value, error, lost = mixture_divergence(
            truth, generated, jnp.asarray(variance, dtype), key, num_samples=num_samples
        )
        return StateSpaceDivergence(value, error, lost, zero, method, "")
    if bins < 1 or not smoothing > 0:
        raise ValueError(f"A histogram needs at least one bin and a positive `smoothing`, got {bins} and {smoothing}.")
    if bins * (len(truth) + len(generated)) >= 2**31:
        raise ValueError(f"{len(truth)} + {len(generated)} points are too many for {bins} bins; take every other one.")
    value, lost, smooth = binned_divergence(
        truth, generated, jnp.asarray(smoothing, dtype), bins=bins, binning=binning, outside=outside
    )
    return StateSpaceDivergence(value, zero, lost, smooth, method, binning)


def _check_truth(truth: Array) -> None:
    """Refuses a truth that is not finite or has a constant coordinate."""
    if len(truth) < 2:
        raise ValueError(f"The true orbit needs at least two points, got {len(truth)}.")
    if isinstance(truth, jax.core.Tracer):
        return
    values = np.asarray(truth)
    if not np.all(np.isfinite(values)):
        raise ValueError(f"The true orbit must be finite, got {int(np.sum(~np.isfinite(values)))} values that are not.")
    constant = np.flatnonzero(values.max(axis=0) == values.min(axis=0))
    if len(constant):
        raise ValueError(
            f"The true orbit must move in every coordinate, but {', '.join(map(str, constant))} (counted from 0) is"
            " constant; leave it out."
        )
