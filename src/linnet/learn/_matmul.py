"""Products of small matrices whose gradients are fast for many members at once."""

import functools as ft
from collections.abc import Sequence

import jax
from jaxtyping import Array, Float

from .._precision import unrounded


@jax.custom_vjp
def matmul(left: Float[Array, "row inner"], right: Float[Array, "inner column"]) -> Float[Array, "row column"]:
    """The product of two matrices.

    Its gradients are those of `@`, written so that XLA's fast kernels for batches of small matrices on CPUs apply: they
    want the summed axis last on the left. `@` itself would be differentiated into a product that is four times slower.
    """
    return left @ right


def _forward(left: Array, right: Array) -> tuple[Array, tuple[Array, Array]]:
    return left @ right, (left, right)


@unrounded
def _backward(kept: tuple[Array, Array], upstream: Array) -> tuple[Array, Array]:
    left, right = kept
    # The barrier keeps the transposition apart: XLA would fold it into the product and lose the fast kernel.
    return upstream @ right.T, jax.lax.optimization_barrier(left.T) @ upstream


matmul.defvjp(_forward, _backward)


def chain(weights: Sequence[Float[Array, "_ _"]]) -> Float[Array, "out in"]:
    """The product $W_D \\cdots W_1$, from the narrower end."""
    if weights[-1].shape[0] <= weights[0].shape[1]:
        return ft.reduce(matmul, weights[::-1])
    return ft.reduce(lambda product, weight: matmul(weight, product), weights[1:], weights[0])
