"""What depth does to a gradient: the preconditioner of the end-to-end map of balanced layers."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._cite import cite


@cite("arora2018optimization")
def implicit_preconditioner(
    linear_map: Float[Array, "out in"], gradient: Float[Array, "out in"], depth: int
) -> Float[Array, "out in"]:
    r"""The gradient as $D$ balanced layers apply it to their product $W = W_D \cdots W_1$.

    $$P_W(G) = \sum_{j=1}^{D} \bigl[W W^\top\bigr]^{\frac{j-1}{D}}\, G\, \bigl[W^\top W\bigr]^{\frac{D-j}{D}},
    \qquad \dot W = -P_W\bigl(\nabla L(W)\bigr)$$

    Along $u_r v_c^\top$ it multiplies the gradient by $\sum_j \sigma_r^{2 (j-1)/D} \sigma_c^{2 (D-j)/D}$; for one
    output it is $|w|^{2-2/D} (g + (D-1) \Pr_w g)$. Zeroth powers are identities of the full size, also where $W$ loses
    rank. Powers are taken of the singular values, never of $W W^\top$, whose small eigenvalues are rounding errors.

    Args:
        linear_map: $W$, where the gradient is taken.
        gradient: $G$, any direction: the gradient of a loss by $W$.
        depth: $D$, the number of weight matrices; 1 returns the gradient itself.

    Returns:
        $P_W(G)$. One step of descent at a rate $\eta$ on all layers changes $W$ by $-\eta P_W(G)$ up to $\eta^2$.

    Raises:
        ValueError: if the depth is less than 1, or the shapes differ.

    !!! example
        ```python
        step = ln.theory.implicit_preconditioner(net.end_to_end(), gradient, net.depth)
        ```
    """
    if depth < 1 or linear_map.shape != gradient.shape:
        raise ValueError(
            "The implicit preconditioner needs a depth of at least 1 and a gradient of the shape of the map, got depth "
            f"{depth}, a gradient of shape {gradient.shape} and a map of shape {linear_map.shape}."
        )
    if depth == 1:
        return gradient
    left, values, right_t = jnp.linalg.svd(linear_map, full_matrices=False)
    return preconditioned((left, jnp.where(values > rounding(linear_map, values), values, 0), right_t), gradient, depth)


def rounding(linear_map: Float[Array, "out in"], values: Float[Array, " rank"]) -> Array:
    """The size below which singular values are rounding errors, whose fractional powers would not be small."""
    return max(linear_map.shape) * jnp.finfo(values.dtype).eps * values[0]


def preconditioned(svd: tuple[Array, Array, Array], gradient: Float[Array, "out in"], depth: int) -> Array:
    """The same for two and more layers, from the thin singular value decomposition of the map."""
    left, values, right_t = svd
    # The outermost terms have an identity on one side, which the thin bases do not span.
    outer = values ** (2 - 2 / depth)
    applied = (gradient @ right_t.T * outer) @ right_t + left @ (outer[:, None] * (left.T @ gradient))
    if depth == 2:
        return applied
    powers = values ** (2 * jnp.arange(1, depth - 1, dtype=values.dtype)[:, None] / depth)
    inner = jax.lax.dot(powers.T, powers[::-1], precision=jax.lax.Precision.HIGHEST)
    return applied + left @ (inner * (left.T @ gradient @ right_t.T)) @ right_t
