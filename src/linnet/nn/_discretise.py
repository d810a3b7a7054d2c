r"""From continuous time to steps: $\dot x = A x + B u$ as $x_t = \bar A x_{t-1} + \bar B u_t$."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Inexact

from .._cite import cite
from ._inverse import inverse

#: Names of the rules, and the weight of the new state in those that are generalised bilinear ones.
METHODS: dict[str, float | None] = {"zoh": None, "euler": 0.0, "bilinear": 0.5, "backward_euler": 1.0}

#: Below this modulus of $z$, $(e^z - 1) / z$ is a series: five terms then have an error of $10^{-18}$.
_SMALL = 1e-3


def find_method(method: str | float) -> float | None:
    r"""The weight $\alpha$ of the new state in a rule, `None` for the zero-order hold.

    Raises:
        ValueError: for an unknown name, or a weight outside of $[0, 1]$.
    """
    if isinstance(method, str):
        if method not in METHODS:
            raise ValueError(f"There is no discretisation {method!r}: choose from {', '.join(METHODS)}, or a weight.")
        return METHODS[method]
    if not 0 <= method <= 1:
        raise ValueError(f"A generalised bilinear rule needs a weight between 0 and 1, got {method}.")
    return float(method)


def exponential_mean(z: Inexact[Array, "..."]) -> Inexact[Array, "..."]:
    r"""$(e^z - 1) / z$, the mean of $e^{sz}$ over $s$ in $[0, 1]$; 1 at $z = 0$, with its derivatives."""
    small = jnp.abs(z) < _SMALL
    safe = jnp.where(small, 1, z)
    near = jnp.where(small, z, 0)
    series = 1 + near / 2 * (1 + near / 3 * (1 + near / 4 * (1 + near / 5)))
    return jnp.where(small, series, jnp.expm1(safe) / safe)


@cite("gu2022parameterization", "smith2023simplified")
def discretise_diagonal(
    eigenvalues: Inexact[Array, "*state"], dt: Float[Array, "..."], method: str | float = "zoh"
) -> tuple[Inexact[Array, "*state"], Inexact[Array, "*state"]]:
    r"""Steps of $\dot x_n = \lambda_n x_n + b_n$: $\bar\lambda$, and the factor $f$ of the drive, $\bar b = f b$.

    The zero-order hold is exact for inputs that stay the same within a step, $\bar\lambda = e^{\Delta\lambda}$ and
    $f = (e^{\Delta\lambda} - 1) / \lambda$ (which is $\Delta$ where $\lambda = 0$). The generalised bilinear rule is
    $\bar\lambda = (1 + (1 - \alpha) \Delta\lambda) / (1 - \alpha \Delta\lambda)$, $f = \Delta / (1 - \alpha
    \Delta\lambda)$.

    Args:
        eigenvalues: $\lambda$.
        dt: $\Delta$, broadcast against $\lambda$.
        method: "zoh", "bilinear" ($\alpha = 1/2$), "euler" (0), "backward_euler" (1), or $\alpha$.
    """
    alpha = find_method(method)
    z = dt * eigenvalues
    if alpha is None:
        return jnp.exp(z), dt * exponential_mean(z)
    inverse = 1 / (1 - alpha * z)
    return (1 + (1 - alpha) * z) * inverse, dt * inverse


@cite("gu2021combining")
def discretise_dense(
    matrix: Float[Array, "state state"],
    inputs: Float[Array, "state *input"],
    dt: Float[Array, ""],
    method: str | float = "bilinear",
) -> tuple[Float[Array, "state state"], Float[Array, "state *input"]]:
    r"""Steps of $\dot x = A x + B u$ for any matrix.

    The zero-order hold takes $\bar A = e^{\Delta A}$ and $\bar B = \int_0^\Delta e^{sA} ds\, B$ from one exponential of
    $\Delta\, (A, B; 0, 0)$, so that $A$ need not have an inverse. The generalised bilinear rule solves
    $(I - \alpha \Delta A)\, (\bar A, \bar B) = (I + (1 - \alpha) \Delta A, \Delta B)$.

    Args:
        matrix: $A$.
        inputs: $B$.
        dt: $\Delta$.
        method: "bilinear" ($\alpha = 1/2$), "euler" (0), "backward_euler" (1), $\alpha$, or "zoh".
    """
    alpha = find_method(method)
    size = matrix.shape[0]
    columns = inputs.reshape(size, -1)
    if alpha is None:
        zeros = jnp.zeros((columns.shape[1], size + columns.shape[1]), matrix.dtype)
        both = jax.scipy.linalg.expm(dt * jnp.concatenate([jnp.concatenate([matrix, columns], axis=1), zeros]))[:size]
    else:
        one: Any = jnp.eye(size, dtype=matrix.dtype)
        right = jnp.concatenate([one + (1 - alpha) * dt * matrix, dt * columns], axis=1)
        both = right if alpha == 0 else inverse(one - alpha * dt * matrix) @ right
    return both[:, :size], both[:, size:].reshape(inputs.shape)
