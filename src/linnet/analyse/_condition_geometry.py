"""How a representation lays out conditions that differ in binary variables: in parallel, and so that decoders carry."""

import jax.numpy as jnp
import jax.scipy.stats as jss
import numpy as np
from jaxtyping import Array, Float

from .._cite import cite


@cite("bernardi2020geometry", "alleman2024task")
def parallelism_score(
    representation: Float[Array, "condition feature"], variables: np.ndarray | Array
) -> Float[Array, " variable"]:
    r"""How parallel the directions are along which each variable is coded where the others differ.

    The mean over pairs of settings $s \ne s'$ of all other variables of $\cos(d_s, d_{s'})$, where $d_s$ leads from the
    condition with the variable at $-1$ to that with $+1$. It is 1 if the variable moves the representation by one
    vector, whatever the others are, and about 0 for directions at random.

    Args:
        representation: a row for each condition.
        variables: $\pm 1$ for each variable (two or more) of every condition, `"condition variable"`; all combinations
            are there, once. Not traceable.

    Returns:
        The score of each variable; directions of length 0 count as 0.
    """
    steps = _steps(representation, variables)
    norms = jnp.linalg.norm(steps, axis=-1, keepdims=True)
    unit = steps / jnp.where(norms > 0, norms, 1)
    cosines = jnp.einsum("vsf,vtf->vst", unit, unit)
    num = steps.shape[1]
    return (jnp.sum(cosines, axis=(1, 2)) - jnp.trace(cosines, axis1=1, axis2=2)) / (num * (num - 1))


@cite("bernardi2020geometry", "alleman2024task")
def cross_condition_generalization(
    representation: Float[Array, "condition feature"], variables: np.ndarray | Array, noise: float | Array = 1.0
) -> Float[Array, " variable"]:
    r"""How well a linear decoder of each variable does at a setting of the other variables that it was not trained on.

    The decoder is the difference of the two means of the conditions it was trained on, with the threshold half way, and
    the representation has white Gaussian noise, so that the share of correct answers is
    $\Phi\bigl(y\, w^\top (h - m) / (\lVert w \rVert \sigma)\bigr)$, without any sampling.

    Args:
        representation: a row for each condition.
        variables: as in `parallelism_score`.
        noise: $\sigma$, relative to the root mean square distance of conditions from their mean.

    Returns:
        The mean over left-out settings, for each variable: 1/2 is chance, and less than that is possible.
    """
    ordered = _ordered(representation, variables)  # variable, side (-1, +1), setting, feature
    num = ordered.shape[2]
    totals = jnp.sum(ordered, axis=2, keepdims=True)
    means = (totals - ordered) / (num - 1)  # without the setting that is tested
    low, high = means[:, 0], means[:, 1]
    direction, middle = high - low, (high + low) / 2
    length = jnp.linalg.norm(direction, axis=-1)
    spread = jnp.sqrt(jnp.mean(jnp.sum((representation - jnp.mean(representation, axis=0)) ** 2, axis=1)))
    scale = length * noise * spread
    margins = jnp.stack([jnp.sum(direction * (middle - ordered[:, 0]), axis=-1),
                         jnp.sum(direction * (ordered[:, 1] - middle), axis=-1)])  # fmt: skip
    return jnp.mean(jss.norm.cdf(margins / jnp.where(scale > 0, scale, 1)), axis=(0, 2))


def _ordered(representation: Array, variables: np.ndarray | Array) -> Array:
    """Representations by variable, its side and the setting of all others."""
    signs = np.asarray(variables)
    if signs.ndim != 2 or signs.shape[1] < 2 or not np.all(np.abs(signs) == 1):
        raise ValueError(
            "Conditions are needed as +1 or -1 for two or more variables, of shape (condition, variable); got an array "
            f"of shape {signs.shape}."
        )
    num = signs.shape[1]
    place = (signs > 0) @ (2 ** np.arange(num)[::-1])
    if signs.shape[0] != representation.shape[0] or sorted(place) != list(range(2**num)):
        raise ValueError(
            f"Each of the {2**num} combinations of {num} variables is needed once, as rows of the representation; got "
            f"{signs.shape[0]} conditions and {representation.shape[0]} rows."
        )
    cube = representation[np.argsort(place)].reshape(*(2,) * num, -1)
    sides = [jnp.moveaxis(cube, axis, 0).reshape(2, 2 ** (num - 1), -1) for axis in range(num)]
    return jnp.stack(sides)


def _steps(representation: Array, variables: np.ndarray | Array) -> Array:
    ordered = _ordered(representation, variables)
    return ordered[:, 1] - ordered[:, 0]
