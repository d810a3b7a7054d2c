"""Spectra and norms of a network's weights."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.tree_util as jtu
from jaxtyping import Array, Float

from .. import nn
from .._types import EndToEnd, ImpulseResponse


def singular_values(network: Any) -> Float[Array, " mode"]:
    """The singular values of a linear network's end-to-end map, descending; of a `LinearRNN` those of $W_y W_x$ (lag
    0).

    Args:
        network: a linear network, or a matrix.
    """
    if isinstance(network, EndToEnd):
        network = network.end_to_end()
    elif isinstance(network, ImpulseResponse):
        network = network.impulse_response(1)[0]
    elif isinstance(network, eqx.Module):
        raise ValueError(
            f"A {type(network).__name__} has no linear map of its own; take that of `linnet.analyse.best_linear_map`, "
            "or `weight_singular_values`."
        )
    return jnp.linalg.svd(network, compute_uv=False)


def weight_names(network: Any) -> tuple[str, ...]:
    """A name for each array of parameters, such as "weights[0]" or "recurrent_weights"."""
    named = jtu.tree_leaves_with_path(eqx.filter(network, eqx.is_inexact_array))
    return tuple(jtu.keystr(path).lstrip(".") for path, _ in named)


def weight_norms(network: Any) -> Float[Array, " weight"]:
    """The Frobenius norm of each array of parameters, in the order of `weight_names`."""
    leaves = jtu.tree_leaves(eqx.filter(network, eqx.is_inexact_array))
    return jnp.stack([jnp.sqrt(jnp.sum(leaf**2)) for leaf in leaves])


def weight_singular_values(network: Any) -> tuple[Float[Array, " _"], ...]:
    """The singular values of each weight matrix, descending."""
    return tuple(jnp.linalg.svd(matrix, compute_uv=False) for _, matrix, _ in nn.weight_matrices(network))


def recurrent_eigenvalues(network: Any) -> Float[Array, "eigenvalue part"]:
    """The eigenvalues of the recurrent weights as real and imaginary parts, the largest modulus first.

    Of a conjugate pair the one with positive imaginary part comes first. The order of eigenvalues of equal modulus is
    by descending real part; where two moduli cross in time, the eigenvalues change places. Not differentiable.

    Args:
        network: a `LinearRNN`, `LeakyLinearRNN` or `VanillaRNN`, or a square matrix.
    """
    matrix = network
    if isinstance(network, eqx.Module):
        if not isinstance(network, (nn.LinearRNN, nn.LeakyLinearRNN, nn.VanillaRNN)):
            raise ValueError(
                f"The recurrent eigenvalues are those of one recurrent weight matrix, and a {type(network).__name__} "
                f"has none. "
                "Use a LinearRNN, LeakyLinearRNN or VanillaRNN, or pass the matrix."
            )
        matrix = network.recurrent_weights
    eigenvalues = jnp.linalg.eigvals(matrix)
    real, imaginary = eigenvalues.real, eigenvalues.imag
    order = jnp.lexsort((-imaginary, -real, -(real**2 + imaginary**2)))
    return jnp.stack([real[order], imaginary[order]], axis=1)
