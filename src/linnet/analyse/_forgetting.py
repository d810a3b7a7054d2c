"""What a learner of one task after the other has lost."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from .._cite import cite


@cite("lin2023theory")
def forgetting(errors: Float[Array, "*batch time task"]) -> Float[Array, "*batch"]:
    r"""Forgetting $\frac{1}{T-1} \sum_{i<T} (L_i(w_T) - L_i(w_i))$ of errors after $0, 1, \dots, T$ tasks.

    Args:
        errors: $L_i(w_t)$ of every task at every time, of any network.
    """
    num = errors.shape[-1]
    if errors.shape[-2] != num + 1 or num < 2:
        raise ValueError(
            f"Forgetting needs the errors of two or more tasks after 0, 1, ... of them, shape (task + 1, task), got "
            f"{errors.shape[-2:]}."
        )
    earlier = jnp.arange(num - 1)
    return jnp.mean(errors[..., -1, :-1] - errors[..., earlier + 1, earlier], axis=-1)
