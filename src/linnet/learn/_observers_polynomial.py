"""Observers of quadratic networks: the exact test loss, its parts, and how the tangent kernel fits the labels."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .. import tasks
from .._cite import cite
from .._loss import AbstractLoss
from .._types import PRNGKey
from ._observer import AbstractObserver


@cite("kumar2024grokking")
class PolynomialTestLoss(AbstractObserver):
    """The test loss of a polynomial network on a `PolynomialRegression`, exactly: "test_loss" or "test_loss_parts".

    Args:
        by_part: record the parts `linnet.tasks.TEST_PARTS` under "test_loss_parts" instead of their sum.
    """

    by_part: bool = eqx.field(default=False, static=True)

    @property
    def name(self) -> str:
        return "test_loss_parts" if self.by_part else "test_loss"

    @property
    def dims(self) -> tuple[str, ...]:
        return ("part",) if self.by_part else ()

    def coords(self) -> dict[str, Any]:
        return {"part": tasks.TEST_PARTS} if self.by_part else {}

    def bind(self, network: Any, task: Any, loss: AbstractLoss) -> "PolynomialTestLoss":
        _check("PolynomialTestLoss", task)
        if not isinstance(network, tasks.HasPolynomial):
            raise ValueError(f"PolynomialTestLoss needs a QuadraticNetwork, got a {type(network).__name__}.")
        return self

    def measure(self, network: Any, *, initial: Any, task: Any, key: PRNGKey | None) -> Array:
        parts = task.test_parts(*network.polynomial())
        return parts if self.by_part else jnp.sum(parts)


@cite("kumar2024grokking", "jacot2018neural")
class LabelAlignment(AbstractObserver):
    r"""$y^\top K y / \lVert K \rVert_F \lVert y \rVert^2$ of the tangent kernel on the training inputs.

    $y$ is what there was to learn before training, the target without the network's first output. It needs the
    gradients at all samples at once: their number times that of the weights in memory.
    """

    @property
    def name(self) -> str:
        return "label_alignment"

    @property
    def dims(self) -> tuple[str, ...]:
        return ()

    def bind(self, network: Any, task: Any, loss: AbstractLoss) -> "LabelAlignment":
        _check("LabelAlignment", task)
        return self

    def measure(self, network: Any, *, initial: Any, task: Any, key: PRNGKey | None) -> Array:
        def slopes(x: Float[Array, " in"]) -> Float[Array, " weight"]:
            gradient = eqx.filter_grad(lambda net: net(x)[0])(network)
            leaves = jax.tree.leaves(eqx.filter(gradient, eqx.is_inexact_array))
            return jnp.concatenate([leaf.ravel() for leaf in leaves])

        jacobian = jax.vmap(slopes)(task.x)
        wanted = task.targets() - jax.vmap(initial)(task.x)[:, 0]
        size = jnp.linalg.norm(jacobian @ jacobian.T) * jnp.sum(wanted**2)
        return jnp.where(size > 0, jnp.sum((wanted @ jacobian) ** 2) / jnp.where(size > 0, size, 1), 0)


def _check(name: str, task: Any) -> None:
    if not isinstance(task, tasks.PolynomialRegression):
        raise ValueError(f"{name} needs a PolynomialRegression, got a {type(task).__name__}.")
