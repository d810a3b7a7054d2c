"""Losses on one example: sums over outputs. The mean over samples and the sum over steps are taken outside."""

import abc
from typing import TypeAlias

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

Outputs: TypeAlias = Float[Array, "*step out"]


class AbstractLoss(eqx.Module):
    """A loss on one example: `loss(prediction, target) -> scalar`."""

    @abc.abstractmethod
    def __call__(
        self, prediction: Float[Array, "*step out"], target: Float[Array, "*step out"]
    ) -> Float[Array, "*step"]:
        """The loss of one example, summed over outputs, for each step (a scalar where there is none)."""


class SquaredError(AbstractLoss):
    r"""$\ell = \tfrac12 \lVert y - f(x) \rVert^2$, a sum over outputs (PyTorch's `MSELoss` is $2 / N_y$ times this)."""

    def __call__(
        self, prediction: Float[Array, "*step out"], target: Float[Array, "*step out"]
    ) -> Float[Array, "*step"]:
        return 0.5 * jnp.sum((target - prediction) ** 2, axis=-1)


class CrossEntropy(AbstractLoss):
    r"""$\ell = -\sum_k y_k \log \mathrm{softmax}(f(x))_k$ for targets $y$ that are probabilities (one-hot or soft).

    Integer targets are class indices $c$, and $\ell = -\log \mathrm{softmax}(f(x))_c$.
    """

    def __call__(
        self, prediction: Float[Array, "*step out"], target: Float[Array, "*step out"] | Int[Array, "*step"]
    ) -> Float[Array, "*step"]:
        logs = jax.nn.log_softmax(prediction, axis=-1)
        if jnp.issubdtype(target.dtype, jnp.integer):
            return -jnp.take_along_axis(logs, target[..., None], axis=-1)[..., 0]
        return -jnp.sum(target * logs, axis=-1)


class LpLoss(AbstractLoss):
    r"""$\ell = \tfrac1p \sum_k |y_k - f(x)_k|^p$; $p = 2$ is `SquaredError`.

    Args:
        p: the exponent, at least 1.
    """

    p: float = eqx.field(static=True)

    def __check_init__(self) -> None:
        if self.p < 1:
            raise ValueError(f"LpLoss needs p >= 1 for a convex loss, got {self.p}.")

    def __call__(
        self, prediction: Float[Array, "*step out"], target: Float[Array, "*step out"]
    ) -> Float[Array, "*step"]:
        return jnp.sum(jnp.abs(target - prediction) ** self.p, axis=-1) / self.p
