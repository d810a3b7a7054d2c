"""The sharpness of a loss, and the largest learning rate that gradient descent stands."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree
from jaxtyping import Array, Float

from .. import nn, tasks
from .._cite import cite
from .._loss import AbstractLoss, SquaredError


def sharpness(
    network: Any, task: Any, *, loss: AbstractLoss | None = None, num_iterations: int = 64
) -> Float[Array, ""]:
    r"""The largest eigenvalue $\lambda_{\max}$ of the Hessian of the loss, by Lanczos on Hessian-vector products.

    Lanczos finds the largest eigenvalue where power iteration finds the largest modulus: near a saddle the most
    negative one is as large.

    Args:
        network: where the Hessian is taken.
        task: moments, a batch, a split (its training part), a task (its population moments), or any function of a
            network that returns a scalar.
        loss: the loss; by default squared error.
        num_iterations: Hessian-vector products, at most the number of parameters (then the result is exact).

    Returns:
        The largest eigenvalue, approached from below.
    """
    if num_iterations < 1:
        raise ValueError(f"sharpness needs num_iterations of at least 1, got {num_iterations}.")
    return _sharpness(network, task, SquaredError() if loss is None else loss, num_iterations)


def largest_stable_rate(
    network: Any, task: Any, *, loss: AbstractLoss | None = None, num_iterations: int = 64
) -> Float[Array, ""]:
    r"""$2 / \lambda_{\max}$: at a larger learning rate, gradient descent moves away from a minimum of this sharpness.

    It is about the network it is given: pass a trained one, or use `largest_stable_rate_at_minimum` before training.

    Args:
        network: where the Hessian is taken.
        task: see `sharpness`.
        loss: the loss; by default squared error.
        num_iterations: Hessian-vector products.

    Returns:
        The rate, infinite where no direction curves upwards.

    !!! example
        ```python
        rate = ln.analyse.largest_stable_rate(trajectory.network, task)
        ```
    """
    return _rate(sharpness(network, task, loss=loss, num_iterations=num_iterations))


@cite("saxe2014exact", "mulayoff2020unique")
def largest_stable_rate_at_minimum(task: Any, depth: int) -> Float[Array, ""]:
    r"""The largest stable learning rate of a deep linear network at the balanced minimum of a task, before any
    training.

    $$\frac{2}{\lambda_{\max}}, \qquad \lambda_{\max} = \frac{2}{\eta} = D\, s_1^{2 - 2/D} \text{ for white inputs,}$$

    and for any inputs the largest eigenvalue of $\Sigma^{1/2} \bigl[\sum_l w_1^{2 (D - l) / D} (W_*^\top W_*)^{(l -
    1) / D} \bigr] \Sigma^{1/2}$ with the least-squares map $W_*$ and its largest singular value $w_1$.

    With white inputs no minimum is flatter; with correlated ones and more than one layer another minimum may be, to
    which descent can escape.

    Args:
        task: whatever has plain moments.
        depth: $D$, the number of weight matrices; no layer is narrower than the rank of $W_*$.

    Returns:
        The rate.

    Raises:
        ValueError: if the depth is less than 1, or the task is one of sequences.
    """
    moments = tasks.as_moments(task)
    if depth < 1 or moments.num_steps is not None:
        raise ValueError(
            f"The sharpness at the minimum is known for depth 1 or more and plain moments, got depth {depth} and "
            f"{type(moments).__name__}. For a recurrent network use `largest_stable_rate` on the trained network."
        )
    form = moments.residual_form()
    target = form.target
    _, strengths, right_t = jnp.linalg.svd(target, full_matrices=False)
    features = jnp.eye(target.shape[1], dtype=target.dtype) * strengths[0] ** (2 - 2 / depth)
    for layer in range(2, depth + 1):
        power = strengths ** (2 * (layer - 1) / depth) * strengths[0] ** (2 * (depth - layer) / depth)
        features += (right_t.T * power) @ right_t
    if form.root is not None:
        features = form.root @ features @ form.root
    return _rate(jnp.linalg.eigvalsh(features)[-1])


def _rate(curvature: Float[Array, ""]) -> Float[Array, ""]:
    return jnp.where(curvature <= 0, jnp.inf, 2 / jnp.where(curvature <= 0, 1, curvature))


def _objective(network: Any, task: Any, loss: AbstractLoss) -> Callable[[Any], Float[Array, ""]]:
    if isinstance(task, tasks.Split):
        task = task.train
    if isinstance(task, tasks.Batch):
        return lambda net: nn.sample_loss(net, task, loss)
    if isinstance(task, (tasks.AbstractMoments, tasks.AbstractTask)):
        if not nn.is_linear(network) or not isinstance(loss, SquaredError):
            raise ValueError(
                f"Moments say nothing about a {type(network).__name__} under {type(loss).__name__}; pass samples "
                f"instead, "
                "for example `task.draw(num, key=key)`."
            )
        moments = tasks.as_moments(task)
        form = moments.residual_form()
        return lambda net: form(moments.linear_map(net))
    if isinstance(task, tasks.AbstractSetting):
        return task.loss
    if callable(task):
        return task
    raise ValueError(
        f"Moments, a Batch, a Split, a task, a setting or a function of a network is needed, got {type(task).__name__}."
    )


@eqx.filter_jit
def _sharpness(network: Any, task: Any, loss: AbstractLoss, num_iterations: int) -> Float[Array, ""]:
    objective = _objective(network, task, loss)
    params, static = eqx.partition(network, eqx.is_inexact_array)
    flat, unravel = ravel_pytree(params)
    gradient = jax.grad(lambda vector: objective(eqx.combine(unravel(vector), static)))
    return largest_eigenvalue(lambda v: jax.jvp(gradient, (flat,), (v,))[1], flat, num_iterations)


def largest_eigenvalue(
    product: Callable[[Array], Array], like: Float[Array, " n"], num_iterations: int
) -> Float[Array, ""]:
    """The largest eigenvalue of a symmetric matrix given by its products, by Lanczos with full reorthogonalisation.

    Args:
        product: the matrix times a vector.
        like: a vector of the right shape and dtype.
        num_iterations: products, at most the size of the matrix.
    """
    size, dtype = like.shape[0], like.dtype
    num = min(num_iterations, size)
    # A fixed vector without any symmetry: multiples of the golden ratio, exact in integers.
    fraction = (jnp.arange(1, size + 1, dtype=jnp.uint32) * jnp.uint32(2654435769)).astype(dtype) / 2.0**32 - 0.5
    start = fraction / jnp.linalg.norm(fraction)

    def advance(carry: tuple[Array, Array, Array], index: Array) -> tuple[tuple[Array, Array, Array], tuple]:
        basis, vector, first = carry
        basis = basis.at[index].set(vector)
        image = product(vector)
        diagonal = vector @ image
        first = jnp.where(index == 0, diagonal, first)
        size_of_image = jnp.linalg.norm(image)
        for _ in range(2):
            image = image - basis.T @ (basis @ image)
        beta = jnp.linalg.norm(image)
        alive = beta > 10 * jnp.finfo(dtype).eps * size_of_image
        dead = ~jnp.any(vector != 0)
        following = jnp.where(alive, image / jnp.where(alive, beta, 1), 0)
        # Once the Krylov space is exhausted, the rest of the tridiagonal matrix repeats a number that is no larger.
        return (basis, following, first), (jnp.where(dead, first, diagonal), jnp.where(alive, beta, 0))

    carry = jnp.zeros((num, size), dtype), start, jnp.zeros((), dtype)
    _, (diagonals, betas) = jax.lax.scan(advance, carry, jnp.arange(num))
    matrix = jnp.diag(diagonals) + jnp.diag(betas[:-1], 1) + jnp.diag(betas[:-1], -1)
    return jnp.linalg.eigvalsh(matrix)[-1]
