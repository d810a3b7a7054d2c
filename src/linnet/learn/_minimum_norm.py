"""Linear regression on one task after the other, each learned to its end."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .. import tasks
from .._cite import cite


@cite("lin2023theory")
def minimum_norm(
    sequence: tasks.TaskSequence, start: Float[Array, "out in"] | None = None
) -> Float[Array, "time out in"]:
    r"""The linear map after each task, where each is learned to its end under squared error.

    $$W_t = W_{t-1} + (Y_t - W_{t-1} X_t)\, X_t^+$$

    the map that fits the samples of task $t$ and is closest to the one before: where gradient flow and descent on one
    layer end.

    Args:
        sequence: samples of the tasks.
        start: $W_0$; by default 0.

    Returns:
        $W_0, W_1, \dots$, one more than there are tasks.
    """
    if start is None:
        start = jnp.zeros((sequence.y.shape[2], sequence.x.shape[2]), sequence.x.dtype)

    return _minimum_norm(sequence.x, sequence.y, start)


@eqx.filter_jit
def _minimum_norm(xs: Array, ys: Array, start: Array) -> Array:
    def learn(linear_map: Array, samples: tuple[Array, Array]) -> tuple[Array, Array]:
        x, y = samples
        residual = y - x @ linear_map.T
        # Through the smaller of the two products of the inputs with themselves, which is faster than their SVD.
        if x.shape[0] <= x.shape[1]:
            change = x.T @ (jnp.linalg.pinv(x @ x.T, hermitian=True) @ residual)
        else:
            change = jnp.linalg.pinv(x.T @ x, hermitian=True) @ (x.T @ residual)
        return linear_map + change.T, linear_map + change.T

    _, after = jax.lax.scan(learn, start, (xs, ys))
    return jnp.concatenate([start[None], after])
