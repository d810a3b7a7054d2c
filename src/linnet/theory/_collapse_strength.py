"""The scalar problem to which neural collapse comes down, and where its minimum jumps to zero."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._cite import cite

#: Halvings of a bracket: enough for the last bit of float64.
_HALVINGS = 80


@cite("dang2023neural")
def collapse_strength(penalty: Float[Array, ""], depth: int) -> Float[Array, ""]:
    r"""The global minimiser of $1 / (1 + x^M) + b x$ over $x \ge 0$.

    0 for $b$ of `collapse_threshold` or more, else the larger root of $M x^{M-1} = b\, (1 + x^M)^2$. Differentiable in
    $b$ where it is not at the threshold.

    Args:
        penalty: $b > 0$.
        depth: $M$.
    """
    penalty = jnp.asarray(penalty)
    survives = penalty < collapse_threshold(depth)
    b = jnp.where(survives, penalty, collapse_threshold(depth))
    fixed = jax.lax.stop_gradient(b)
    # The slope falls beyond its largest value, which is at the lower end; above 1 it is at most M x^(-M-1).
    low = jnp.full_like(b, ((depth - 1) / (depth + 1)) ** (1 / depth))
    high = jnp.maximum(1, (depth / fixed) ** (1 / (depth + 1)))

    def halve(_: Array, bracket: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = bracket
        middle = (low + high) / 2
        beyond = depth * middle ** (depth - 1) < fixed * (1 + middle**depth) ** 2
        return jnp.where(beyond, low, middle), jnp.where(beyond, middle, high)

    low, high = jax.lax.fori_loop(0, _HALVINGS, halve, (low, high))
    x = (low + high) / 2
    # One step of Newton's method in which b is not held fixed has the derivative of the root.
    power = x**depth
    bend = depth * x ** (depth - 2) * ((depth + 1) * power - (depth - 1)) / (1 + power) ** 3
    residual = b - depth * x ** (depth - 1) / (1 + power) ** 2
    return jnp.where(survives, x - residual / bend, 0)


@cite("dang2023neural")
def collapse_threshold(depth: int) -> float:
    r"""The penalty $(M-1)^{(M-1)/M} / M$ from which on a class is given up (1 for $M = 1$).

    For $M \ge 2$ the surviving minimum is then still away from 0: the minimum jumps.

    Args:
        depth: $M$.
    """
    return (depth - 1) ** ((depth - 1) / depth) / depth


@cite("dang2023neural")
def collapse_spinodal(depth: int) -> float:
    r"""The penalty $\frac{(M+1)^2}{4M} \bigl(\frac{M-1}{M+1}\bigr)^{(M-1)/M}$ up to which a class that is there stays.

    Derived here from the largest slope of $1 / (1 + x^M)$. Between `collapse_threshold` and this a class is a local
    minimum only, which training from large weights does not leave; the two agree for $M = 1$.

    Args:
        depth: $M$.
    """
    return (depth + 1) ** 2 / (4 * depth) * ((depth - 1) / (depth + 1)) ** ((depth - 1) / depth)


@cite("dang2023neural")
def smallest_class(
    num: Float[Array, ""] | float,
    depth: int,
    *,
    weight_decay: Float[Array, "*layer"] | float,
    feature_decay: Float[Array, ""] | float,
) -> Float[Array, ""]:
    r"""The size $n_k$ below which a class is given up (minority collapse), of $N$ examples in all.

    $$n_k < \frac{M^2 N}{(M-1)^{(M-1)/M}} \Bigl( N \lambda_H \prod_j \lambda_j \Bigr)^{1/M}$$

    Args:
        num: $N$.
        depth: $M$, the number of matrices of the head.
        weight_decay: $\lambda_j$, one for all or for each.
        feature_decay: $\lambda_H$.
    """
    decays = jnp.broadcast_to(jnp.asarray(weight_decay, float), (depth,))
    common = jnp.exp((jnp.log(jnp.asarray(num) * feature_decay) + jnp.sum(jnp.log(decays))) / depth)
    return depth * num * common / collapse_threshold(depth)
