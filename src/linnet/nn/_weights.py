"""The weight matrices of a network, read and replaced."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax.tree_util as jtu
from jaxtyping import Array, Float

from ._deep_linear import DeepLinear
from ._encoder_decoder import EncoderDecoder
from ._gated import gates_of
from ._linear_rnn import LinearRNN
from ._mlp import MLP
from ._vanilla_rnn import VanillaRNN


def chained_weights(network: Any) -> tuple[Float[Array, "_ _"], ...]:
    """The weights of a network in which they act one after the other, the recurrent one in the middle.

    `weights` of `DeepLinear` and `MLP`; input, recurrent and output weights of `LinearRNN` and `VanillaRNN`.

    Raises:
        ValueError: for another network.
    """
    return _find(network)


def with_chained_weights(network: Any, weights: Sequence[Float[Array, "_ _"]]) -> Any:
    """The same network with other `chained_weights`."""
    return eqx.tree_at(_find, network, tuple(weights))


def _find(network: Any) -> tuple[Any, ...]:
    if isinstance(network, (DeepLinear, MLP)):
        return network.weights
    if isinstance(network, (LinearRNN, VanillaRNN)):
        return network.input_weights, network.recurrent_weights, network.output_weights
    if isinstance(network, EncoderDecoder):
        return (*network.encoder.weights, network.decoder)
    raise ValueError(
        "This is about weights that act one after the other, those of a DeepLinear, MLP, LinearRNN or VanillaRNN, "
        f"got a {type(network).__name__}."
    )


def is_recurrent_chain(network: Any) -> bool:
    """Whether the middle one of three `chained_weights` is a recurrent one."""
    return isinstance(network, (LinearRNN, VanillaRNN))


def weight_matrices(network: Any) -> list[tuple[int, Float[Array, "_ _"], int]]:
    """Every real matrix among the leaves of any network: its place among them, itself, and how many gates it stacks."""
    leaves = jtu.tree_leaves(network)
    gates: list[int] = []
    for node in jtu.tree_leaves(network, is_leaf=lambda node: gates_of(node) > 1):
        gates += [gates_of(node)] * len(jtu.tree_leaves(node))
    return [
        (place, leaf, num)
        for place, (leaf, num) in enumerate(zip(leaves, gates, strict=True))
        if eqx.is_inexact_array(leaf) and leaf.ndim == 2
    ]


def with_weight_matrices(network: Any, matrices: Sequence[Float[Array, "_ _"]]) -> Any:
    """The same network with other `weight_matrices`."""
    leaves, structure = jtu.tree_flatten(network)
    for (place, _, _), matrix in zip(weight_matrices(network), matrices, strict=True):
        leaves[place] = matrix
    return jtu.tree_unflatten(structure, leaves)
