"""To generate data of a covariance from white noise, under the Bures-Wasserstein distance."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._cite import cite
from .._loss import AbstractLoss, SquaredError
from .._types import EndToEnd
from ._linear_algebra import canonical_svd, root_and_inverse
from ._setting import AbstractSetting


@cite("brechet2023critical")
class CovarianceMatching(AbstractSetting):
    r"""A linear network $x = W z$ of white noise $z$ that learns to have a covariance $\Sigma_0$.

    The loss is the squared Wasserstein distance of two Gaussians, $\Sigma = W W^\top + \tau I$ and $\Sigma_0$:

    $$L = \mathrm{tr}\,\Sigma + \mathrm{tr}\,\Sigma_0
    - 2\, \mathrm{tr} \bigl(\Sigma_0^{1/2} \Sigma\, \Sigma_0^{1/2}\bigr)^{1/2}$$

    Its gradient by $W$ is $2 (I - T) W$ with the map $T$ that transports $\Sigma$ to $\Sigma_0$. Where $\Sigma$ loses
    rank it has none, and its curvature grows without bound nearby; $\tau > 0$ makes it smooth. Everything is computed
    from the singular values of $\Sigma_0^{1/2} [W, \sqrt\tau I]$, never from their squares, and the gradient at a rank
    that is lost is the smallest one.

    Args:
        covariance: $\Sigma_0$, symmetric and positive semi-definite.
        smoothing: $\tau$, in the unit of variances; with it the least loss is at $W W^\top = \Sigma_0 - \tau I$.

    Raises:
        ValueError: if the covariance is not a square matrix.

    !!! example
        ```python
        setting = ln.tasks.CovarianceMatching(jnp.diag(jnp.array([2.0, 1.0, 0.5])))
        net = ln.nn.zero_balanced()(ln.nn.DeepLinear, (4, 2, 3), key=key)  # rank 2: it keeps the two largest
        trajectory = ln.learn.simulate(net, setting, ts, observe=[ln.learn.GeneratedVariances()])
        ```
    """

    covariance: Float[Array, "out out"]
    smoothing: Float[Array, ""]
    root: Float[Array, "out out"]

    def __init__(self, covariance: Any, smoothing: Any = 0.0) -> None:
        covariance = jnp.asarray(covariance)
        if covariance.ndim != 2 or covariance.shape[0] != covariance.shape[1]:
            raise ValueError(f"CovarianceMatching needs a covariance of shape (out, out), got {covariance.shape}.")
        if isinstance(smoothing, (int, float)) and not 0 <= smoothing < float("inf"):
            raise ValueError(f"CovarianceMatching needs a finite smoothing of at least 0, got {smoothing}.")
        self.covariance = covariance
        self.smoothing = jnp.asarray(smoothing, covariance.dtype)
        self.root = root_and_inverse(covariance)[0]

    def modes(self) -> tuple[Float[Array, " mode"], Float[Array, "out mode"]]:
        r"""Eigenvalues of $\Sigma_0$, descending, and its eigenvectors."""
        _, values, basis = canonical_svd(self.covariance)
        return values, basis

    def applies(self, network: Any, loss: AbstractLoss) -> str | None:
        if not isinstance(loss, SquaredError):
            return f"it holds a distance of its own in place of squared error, got {type(loss).__name__}."
        if not isinstance(network, EndToEnd):
            return f"it needs a network that is one linear map, got {type(network).__name__}."
        outputs, needed = network.end_to_end().shape[0], self.covariance.shape[0]
        return None if outputs == needed else f"the network has {outputs} outputs and the covariance {needed}."

    def distance(self, linear_map: Float[Array, "out in"]) -> Float[Array, ""]:
        r"""The loss of $W$."""
        smooth = jnp.sqrt(self.smoothing) * jnp.eye(self.root.shape[0], dtype=linear_map.dtype)
        return _bures(jnp.concatenate([linear_map, smooth], axis=1), jax.lax.stop_gradient(self.root))

    def loss(self, network: Any) -> Float[Array, ""]:
        return self.distance(network.end_to_end())


@jax.custom_jvp
def _bures(factor: Float[Array, "out in"], root: Float[Array, "out out"]) -> Float[Array, ""]:
    """$|F - R Q|^2$ and what the target's root $R$ has beyond the rank of $F$; $Q$ is the nearest orthogonal map."""
    turned = polar(root @ factor)
    missed = root - root @ turned @ turned.T
    return jnp.sum((factor - root @ turned) ** 2) + jnp.maximum(jnp.sum(missed * root), 0)


@_bures.defjvp
def _bures_jvp(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    factor, root = primals
    # Q is the best of all orthogonal maps, so that its change does not count.
    return _bures(factor, root), 2 * jnp.sum((factor - root @ polar(root @ factor)) * tangents[0])


@jax.custom_jvp
def polar(matrix: Float[Array, "out in"]) -> Float[Array, "out in"]:
    r"""The orthogonal factor $U V^\top$ of $M = U S V^\top$, without the directions in which $M$ is zero."""
    left, kept, right_t = _kept_svd(matrix)
    return (left * (kept > 0)) @ right_t


@polar.defjvp
def _polar_jvp(primals: tuple, tangents: tuple) -> tuple[Array, Array]:
    (matrix,), (change,) = primals, tangents
    left, values, right_t = _kept_svd(matrix)
    alive = (values > 0).astype(values.dtype)
    left, right_t = left * alive, alive[:, None] * right_t
    # Written in the singular basis, where only sums of singular values are divided by, never their differences.
    sums = values[:, None] + values[None]
    inner = left.T @ change @ right_t.T
    inner = (inner - inner.T) / jnp.where(sums > 0, sums, 1)
    inverse = alive / jnp.where(values > 0, values, 1)
    beside = (left * inverse) @ (left.T @ change - (left.T @ change @ right_t.T) @ right_t)
    across = change @ right_t.T - left @ (left.T @ change @ right_t.T)
    return polar(matrix), left @ inner @ right_t + beside + (across * inverse) @ right_t


def _kept_svd(matrix: Float[Array, "out in"]) -> tuple[Array, Array, Array]:
    """The thin singular value decomposition with rounding taken for zero."""
    left, values, right_t = jnp.linalg.svd(matrix, full_matrices=False)
    return left, jnp.where(values > max(matrix.shape) * jnp.finfo(values.dtype).eps * values[0], values, 0), right_t
