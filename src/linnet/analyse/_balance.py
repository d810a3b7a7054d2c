"""The balance of consecutive weights, conserved by gradient flow."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from .. import nn
from .._cite import cite


@cite("saxe2014exact", "domine2025lazy")
def balance_matrices(network: Any) -> tuple[Float[Array, "_ _"], ...]:
    r"""What gradient flow conserves: $W_{l+1}^\top W_{l+1} - W_l W_l^\top$ for every hidden layer of a deep linear
    network.

    Of a `LinearRNN` it is $W_y^\top W_y - W_x W_x^\top + W_h^\top W_h - W_h W_h^\top$, from the invariance of the
    loss under $W_x \to G W_x$, $W_h \to G W_h G^{-1}$, $W_y \to W_y G^{-1}$. The difference of the outer weights alone
    is conserved where the recurrent weights stay normal (as in aligned networks), its trace always.

    Args:
        network: a `DeepLinear` or `LinearRNN`. The same expressions of an `MLP` or a `VanillaRNN` are given too, but
            are not conserved (of a ReLU network without biases the diagonals are).

    Returns:
        One matrix for each hidden layer, over its units.
    """
    weights = nn.chained_weights(network)
    if isinstance(network, nn.AbstractRecurrent):
        first, recurrent, last = weights
        outer = last.T @ last - first @ first.T
        return (outer + recurrent.T @ recurrent - recurrent @ recurrent.T,)
    return tuple(after.T @ after - before @ before.T for before, after in zip(weights[:-1], weights[1:], strict=True))


def balancedness(network: Any) -> Float[Array, " layer"]:
    r"""How far the layers are from balanced: the Frobenius norm of each of the `balance_matrices`, 0 if balanced.

    Args:
        network: see `balance_matrices`.

    Returns:
        One number for each hidden layer, conserved by the gradient flow of a linear network.
    """
    norms = [jnp.sqrt(jnp.sum(matrix**2)) for matrix in balance_matrices(network)]
    return jnp.stack(norms) if norms else jnp.zeros(0, nn.chained_weights(network)[0].dtype)
