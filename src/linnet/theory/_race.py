r"""One mode in several pathways, which race to explain it: the reduced equation and who wins."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._cite import cite
from .._ode import solve_ode

#: Halvings of the bracket of the outcome: enough for any double.
_HALVINGS = 200


@cite("shi2022learning", "kleinman2024critical")
def race(
    ts: Float[Array | np.ndarray, " time"],
    singular_value: Any,
    start: Float[Array | np.ndarray, " pathway"],
    depth: int,
    *,
    gap: Any = 0.0,
    deficit: tuple[Any, Any] = (0.0, 0.0),
    pathway: int = 1,
    silent: bool = False,
) -> Float[Array, "time pathway"]:
    r"""The strengths of one mode in pathways of one depth on white inputs, one of which has a deficit.

    With the smallest layer $p$ of a pathway and all its others at $q = \sqrt{p^2 + \delta}$ (conserved), its strength
    is $K = p\, q^{D-1}$ and

    $$\dot p_i = (p_i^2 + \delta)^{(D-1)/2}\, \Omega, \qquad \Omega = s - \textstyle\sum_j K_j .$$

    $\delta = 0$ are small balanced weights, $\delta = 1$ the paper's large ones. From the beginning to the end of the
    deficit its pathway has $\dot p = 0$; a `silent` one is also left out of the sum.

    Args:
        ts: learning times, ascending.
        singular_value: $s$.
        start: $p_i(0)$.
        depth: $D$, the number of weight matrices of every pathway.
        gap: $\delta$.
        deficit: when it begins and ends; none where the end is not above the beginning.
        pathway: which pathway it takes.
        silent: whether that pathway is left out of the output meanwhile.

    Returns:
        $K_i(t)$.

    !!! example
        ```python
        strengths = ln.theory.race(ts, 10.0, jnp.array([0.1, 0.11]), 3, deficit=(0.0, 0.02))
        ```
    """
    start = jnp.asarray(start)
    if depth < 1:
        raise ValueError(f"race needs a depth of at least 1, got {depth}.")
    # Numbers all of them, so that one program is enough for every depth.
    numbers = [jnp.asarray(number, start.dtype) for number in (depth - 1, singular_value, gap, *deficit)]
    return _race(jnp.asarray(ts), start, jnp.arange(start.shape[0]) == pathway, jnp.asarray(silent), *numbers)


@eqx.filter_jit
def _race(
    ts: Array, start: Array, own: Array, silent: Array, power: Array, value: Array, gap: Array, begin: Array, end: Array
) -> Array:
    def others(p: Array) -> Array:
        return jnp.sqrt(p**2 + gap) ** power

    def field(t: Array, p: Array, args: Any) -> Array:
        taken = own & (t >= begin) & (t < end)
        heard = ~(taken & silent)
        rest = value - jnp.sum(jnp.where(heard, p * others(p), 0))
        return jnp.where(taken, 0, others(p) * rest)

    jumps = jnp.stack([begin, jnp.maximum(begin, end)])
    path, _, result = solve_ode(field, start, ts, jumps=jumps)
    return jnp.where(result == 0, path * others(path), jnp.nan)


@cite("kleinman2024critical")
def race_outcome(
    singular_value: Any, strengths: Float[Array | np.ndarray, " pathway"], depth: int
) -> Float[Array, " pathway"]:
    r"""The strengths at which balanced pathways that all learn will end, in closed form up to one root.

    The time $\tau = \int \Omega\, dt$ is common to all pathways, so that $K_i - K_j$ is conserved at depth 1,
    $K_i / K_j$ at depth 2, and $K_j^{(2-D)/D} - K_i^{(2-D)/D}$ beyond; they end where $\sum_i K_i = s$. A head start is
    kept at depth 1 and amplified by the learning that is left beyond it, without bound beyond depth 2: the strength of
    who is behind stays below $(K_j^{(2-D)/D} - K_i^{(2-D)/D})^{-D/(D-2)}$, whatever $s$ is.

    Args:
        singular_value: $s$, above 0 (for inputs of variance $\lambda$: $s / \lambda$).
        strengths: $K_i$ at any time from which on all pathways learn, none below 0.
        depth: $D$, the number of weight matrices of every pathway.

    Returns:
        $K_i(\infty)$.

    !!! example
        ```python
        ln.theory.race_outcome(1.0, jnp.array([2e-3, 1e-3]), 3)
        ```
    """
    start = jnp.asarray(strengths)
    if depth < 1:
        raise ValueError(f"race_outcome needs a depth of at least 1, got {depth}.")
    return _outcome(jnp.asarray(singular_value, start.dtype), start, depth)


@eqx.filter_jit
def _outcome(value: Array, start: Array, depth: int) -> Array:
    if depth == 1:
        return start + (value - jnp.sum(start)) / start.shape[0]
    if depth == 2:
        total = jnp.sum(start)
        return start * jnp.where(total > 0, value / jnp.where(total > 0, total, 1), 0)
    power = (depth - 2) / depth
    alive = start > 0
    largest = jnp.max(start)
    # Relative to who is ahead, whose strength is the one unknown.
    behind = jnp.where(alive, start, 1) ** -power - jnp.where(largest > 0, largest, 1) ** -power

    def at(log_first: Array) -> Array:
        return jnp.where(alive, (jnp.exp(-power * log_first) + behind) ** (-1 / power), 0)

    def halve(_: Any, bracket: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bracket
        middle = (low + high) / 2
        above = jnp.sum(at(middle)) > value
        return jnp.where(above, low, middle), jnp.where(above, middle, high)

    # At least its share of s, at most all of it.
    bracket = jnp.log(value / start.shape[0]), jnp.log(value)
    low, high = jax.lax.fori_loop(0, _HALVINGS, halve, bracket)
    return jnp.where(largest > 0, at((low + high) / 2), 0)
