"""The empirical tangent kernel of any network, and how far two kernels are apart."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
import numpy as np
from jaxtyping import Array, Float

from .. import nn
from .._cite import cite

#: Bytes that one block of the Jacobian may take, where the block size is not given.
_BLOCK_BYTES = 2**27


@cite("jacot2018neural", "novak2022fast")
def tangent_kernel(
    network: Any,
    xs: Float[Array, "num ..."],
    others: Float[Array, "other ..."] | None = None,
    *,
    output: Callable[[Any, Array], Array] = nn.apply,
    block_size: int | None = None,
) -> Float[Array, "num ..."]:
    r"""The empirical tangent kernel $\Theta(x, x')_{ab} = \sum_\theta \partial_\theta f_a(x)\,\partial_\theta f_b(x')$.

    By contraction of Jacobians, a pair of blocks of examples at a time: the memory beyond the result is that of two
    blocks. Symmetric pairs are computed once.

    Args:
        network: any network; its parameters are its inexact arrays.
        xs: examples, the first axis over them.
        others: the second examples; by default the first.
        output: `output(network, x)`, the outputs of one example. By default all of them, of recurrent networks those
            of all steps; `linnet.nn.apply_last` is the last step's.
        block_size: examples in a block; by default an eighth of them, fewer where a block's Jacobian would exceed
            128 MiB.

    Returns:
        The kernel, `"num out num out"` (`"num step out num step out"` with the outputs of all steps). As a matrix,
        `kernel.reshape(num * out, -1)`, it is $J J^\top$ of outputs in row-major order.

    !!! example
        ```python
        kernel = ln.analyse.tangent_kernel(net, xs)
        ```
    """
    xs = jnp.asarray(xs)
    others = None if others is None else jnp.asarray(others)
    if others is not None and others.shape[1:] != xs.shape[1:]:
        raise ValueError(
            f"Both sets of examples need the same shape after the first axis, got {xs.shape} and {others.shape}."
        )
    if block_size is not None and block_size < 1:
        raise ValueError(f"tangent_kernel needs a block_size of at least 1, got {block_size}.")
    return _tangent_kernel(network, xs, others, output, block_size)


@eqx.filter_jit
def _tangent_kernel(
    network: Any, xs: Array, others: Array | None, output: Callable[[Any, Array], Array], block_size: int | None
) -> Array:
    params, static = eqx.partition(network, eqx.is_inexact_array)
    shape = jax.eval_shape(lambda x: output(network, x), xs[0]).shape
    num_outputs = int(np.prod(shape))

    def jacobian(block: Array) -> list[Array]:
        """For each leaf the derivatives of all outputs of a block, `"row parameter"`."""

        def flat(params: Any, x: Array) -> Array:
            return output(eqx.combine(params, static), x).reshape(-1)

        derivatives = jax.vmap(lambda x: jax.jacrev(flat)(params, x))(block)
        return [leaf.reshape(block.shape[0] * num_outputs, -1) for leaf in jtu.tree_leaves(derivatives)]

    def pair(blocks: tuple[Array, Array]) -> Array:
        first, *rest = (a @ b.T for a, b in zip(*map(jacobian, blocks), strict=True))
        return sum(rest, start=first)

    width = sum(leaf.size * leaf.dtype.itemsize for leaf in jtu.tree_leaves(params))
    size = block_size
    if size is None:
        # Eight blocks or more save nearly half of a symmetric kernel, if they are not too small for fast products.
        worthwhile = max(-(-xs.shape[0] // 8), -(-64 // num_outputs))
        size = max(1, min(_BLOCK_BYTES // max(1, width * num_outputs), worthwhile))
    rows = _blocks(xs, size)
    columns = rows if others is None else _blocks(others, size)
    if others is None:
        first, second = np.triu_indices(len(rows))
    else:
        first, second = (index.reshape(-1) for index in np.indices((len(rows), len(columns))))
    found = jax.lax.map(lambda index: pair((rows[index[0]], columns[index[1]])), (first, second))
    kernel = jnp.zeros((len(rows), len(columns), *found.shape[1:]), found.dtype).at[first, second].set(found)
    if others is None:
        kernel = kernel.at[second, first].set(jnp.swapaxes(found, 1, 2))
    kernel = jnp.swapaxes(kernel, 1, 2).reshape(len(rows) * found.shape[1], -1)
    num, other = xs.shape[0], (xs if others is None else others).shape[0]
    return kernel[: num * num_outputs, : other * num_outputs].reshape(num, *shape, other, *shape)


def _blocks(xs: Array, size: int) -> Array:
    """Examples in blocks of one size, about equally full; the last is filled up with the first examples."""
    num = xs.shape[0]
    count = -(-num // min(size, num))
    each = -(-num // count)
    missing = count * each - num
    return jnp.concatenate([xs, xs[:missing]]).reshape(count, each, *xs.shape[1:])


@cite("domine2025lazy")
def linear_tangent_kernel(
    network: nn.DeepLinear, xs: Float[Array, "num in"], others: Float[Array, "other in"] | None = None
) -> Float[Array, "num out other out"]:
    r"""The tangent kernel of a deep linear network in closed form.

    $$\Theta = \sum_l (X^\top A_l^\top A_l X) \otimes (B_l B_l^\top), \quad A_l = W_{l-1} \cdots W_1,\; B_l = W_D
    \cdots W_{l+1}$$

    With two layers $(X^\top X) \otimes W_2 W_2^\top + (X^\top W_1^\top W_1 X) \otimes I$.

    Args:
        network: the network.
        xs: examples.
        others: the second examples; by default the first. With white inputs and no samples, the identity will do.

    Returns:
        The kernel in the layout of `tangent_kernel`.
    """
    weights = network.weights
    others = xs if others is None else others
    backs = [jnp.eye(weights[-1].shape[0], dtype=weights[-1].dtype)]
    for weight in weights[:0:-1]:
        backs.insert(0, backs[0] @ weight)
    kernel = jnp.zeros((), weights[0].dtype)
    for weight, back in zip(weights, backs, strict=True):
        kernel += jnp.einsum("ih,jh,ab->iajb", xs, others, back @ back.T)
        xs, others = xs @ weight.T, others @ weight.T
    return kernel


@cite("fort2020deep")
def kernel_distance(first: Float[Array, "*kernel"], second: Float[Array, "*kernel"]) -> Float[Array, ""]:
    r"""$1 - \langle K_0, K_t \rangle_F / (\lVert K_0 \rVert_F \lVert K_t \rVert_F)$: 0 for kernels that differ by a
    factor only.

    Args:
        first: $K_0$.
        second: $K_t$.

    Returns:
        The distance; NaN if a kernel is zero.
    """
    # Scaled first, so that the squares of a small network's kernel do not underflow in float32.
    first, second = (kernel / jnp.max(jnp.abs(kernel)) for kernel in (first, second))
    norms = jnp.sqrt(jnp.sum(first**2)) * jnp.sqrt(jnp.sum(second**2))
    return 1 - jnp.sum(first * second) / norms
