"""What a recurrent network between one input and one output is to its outputs, in numbers that no rotation changes."""

from typing import Any

import jax.numpy as jnp
from jaxtyping import Array, Float

from .. import nn
from .._cite import cite

#: The overlaps, in the order of `overlaps`: of the read-in u, the read-out v and the recurrent weights W.
OVERLAPS = ("u u", "v v", "u v", "v W u", "u W u", "v W v", "u W v")


@cite("bordelon2025dynamically")
def overlaps(network: Any) -> Float[Array, " overlap"]:
    r"""$u^\top u$, $v^\top v$, $u^\top v$, $v^\top W u$, $u^\top W u$, $v^\top W v$ and $u^\top W v$.

    The overlaps of the read-in $u$, the read-out $v$ and the recurrent weights $W$ do not depend on the basis of the
    hidden units. Where $W$ lies within $\mathrm{span}\{u, v\}$ they are all there is to know.

    Args:
        network: a `LeakyLinearRNN` or `LinearRNN` with one input and one output.

    Raises:
        ValueError: for another network.
    """
    if not isinstance(network, (nn.LeakyLinearRNN, nn.LinearRNN)):
        raise ValueError(f"Overlaps are those of a LeakyLinearRNN or LinearRNN, got a {type(network).__name__}.")
    shapes = network.input_weights.shape, network.output_weights.shape
    if shapes[0][1] != 1 or shapes[1][0] != 1:
        raise ValueError(
            f"Overlaps need one input and one output, got weights (hidden, in) = {shapes[0]} and (out, hidden) = "
            f"{shapes[1]}."
        )
    return overlaps_of(network.input_weights[:, 0], network.recurrent_weights, network.output_weights[0])


def overlaps_of(
    read_in: Float[Array, " hidden"], recurrent: Float[Array, "hidden hidden"], read_out: Float[Array, " hidden"]
) -> Float[Array, " overlap"]:
    """The same of arrays."""
    u, w, v = read_in, recurrent, read_out
    return jnp.stack([u @ u, v @ v, u @ v, v @ w @ u, u @ w @ u, v @ w @ v, u @ w @ v])
