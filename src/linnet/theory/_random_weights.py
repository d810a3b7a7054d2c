"""When random weights learn what: half times to expect before any network is drawn."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .. import tasks
from .._cite import cite
from ._mode_curves import half_time

#: $(D - 2) \tau_D$ with the time $\tau_D$ in which one mode of random weights escapes: 1.19, 1.22, 1.18, 1.16 for
#: depths 3 to 6 (medians over 48 to 64 draws of 32 to 64 hidden units; it hardly depends on either).
ESCAPE = 1.19


@cite("saxe2014exact")
def expected_strengths(num_modes: int, *, std: float, hidden_size: int, depth: int = 2) -> Float[Array, " mode"]:
    r"""The strength at which a balanced mode would have to begin to learn when one of random Gaussian weights does.

    Two layers: half the weights' power is in the part that grows, $u_0 = \sigma^2 \chi^2_n / 2$ with its median over
    draws. The mode that is learned as number $k$ has $n = h - k + 1$ of the $h$ hidden dimensions, because the others
    are taken by then.

    More layers: nothing grows linearly. Without saturation the weights of a mode obey $\dot\theta = s \nabla u(\theta)$
    with $u$ of degree $D$, and escape at $\tau_D / (s (\sigma \sqrt n)^{D - 2})$ with a number $\tau_D$ that depends on
    neither; a balanced chain of strength $u_0 = (\sigma \sqrt n)^D / ((D - 2) \tau_D)^{D / (D - 2)}$ does so at the
    same time. One layer begins at 0.

    Args:
        num_modes: the number of modes, in the order in which they are learned.
        std: $\sigma$, the standard deviation of every weight.
        hidden_size: $h$, of all hidden layers.
        depth: $D$, the number of weight matrices.

    Returns:
        The strengths; 0 for modes beyond the hidden size, which are never learned.
    """
    if depth < 1 or hidden_size < 1:
        raise ValueError(f"A depth and a hidden size of at least 1 are needed, got {depth} and {hidden_size}.")
    if depth == 1:
        return jnp.zeros(num_modes)
    free = jnp.asarray(np.maximum(hidden_size - np.arange(num_modes), 0), float)
    if depth == 2:
        # Wilson and Hilferty's median of a chi-squared variable.
        return std**2 / 2 * free * (1 - 2 / (9 * jnp.maximum(free, 1))) ** 3
    return (std * jnp.sqrt(free)) ** depth * ESCAPE ** (-depth / (depth - 2))


@cite("saxe2014exact")
def expected_half_times(task: Any, *, std: float, hidden_size: int, depth: int = 2) -> Float[Array, " mode"]:
    r"""The median half time of every mode over networks of Gaussian weights, without drawing one.

    Measured against ensembles of 16 trained networks on nine modes of whitened digits ($h = 32$, $\sigma = 10^{-3}$):
    within 2 % for two layers, within 10 % for three, of which the ensembles' own medians are uncertain by 1 and 3 %.
    For one given network of two layers `SmallInitialization` is far more accurate, for a deeper one `MomentFlow` is
    exact.

    Args:
        task: moments, or what has them, with inputs diagonal in its modes.
        std: the standard deviation of every weight.
        hidden_size: of all hidden layers.
        depth: the number of weight matrices.

    Returns:
        The times, in the order of the task's modes; NaN for modes that are not learned.

    !!! example
        ```python
        ln.theory.expected_half_times(task, std=1e-3, hidden_size=32, depth=3)
        ```
    """
    modes = tasks.as_moments(task).singular_modes()
    order = jnp.argsort(-modes.singular_values, stable=True)
    sorted_strengths = expected_strengths(order.shape[0], std=std, hidden_size=hidden_size, depth=depth)
    initial = jnp.zeros(order.shape[0]).at[order].set(sorted_strengths).astype(modes.singular_values.dtype)
    time = half_time(modes.singular_values, initial, depth=depth, variance=modes.input_variances)
    limit = 10 * order.shape[0] * jnp.finfo(time.dtype).eps * jnp.max(modes.singular_values)
    return jnp.where(modes.singular_values > limit, time, jnp.nan)
