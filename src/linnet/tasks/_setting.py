"""The contract of a task that is no plain x -> y: it holds the loss that is descended."""

import abc
from typing import Any

import equinox as eqx
from jaxtyping import Array, Float

from .._loss import AbstractLoss


class AbstractSetting(eqx.Module):
    """What is learned where there are no pairs of inputs and targets: a covariance, two views, a schedule, a spectrum.

    A setting holds its own loss, exact for its population or its sample, and `linnet.learn.simulate`, `ensemble` and
    `linnet.analyse.sharpness` descend and measure that. Gradients are those of JAX, so `jax.lax.stop_gradient` within
    the loss is a stop-gradient of the training.

    !!! example
        ```python
        class Sphere(ln.tasks.AbstractSetting):
            radius: float

            def applies(self, network, loss):
                return None

            def loss(self, network):
                return (jnp.sum(network.end_to_end() ** 2) - self.radius**2) ** 2
        ```
    """

    @abc.abstractmethod
    def applies(self, network: Any, loss: AbstractLoss) -> str | None:
        """`None` if such networks can learn this under such a loss; else a sentence that says what is needed."""

    @abc.abstractmethod
    def loss(self, network: Any) -> Float[Array, ""]:
        """The loss that is recorded, and descended where `loss_at` says nothing else."""

    def loss_at(self, network: Any, time: Float[Array, ""]) -> Float[Array, ""]:
        """The loss that is descended at a learning time: what a schedule shows of the task then."""
        return self.loss(network)

    def jumps(self) -> Float[Array, " jump"] | None:
        """The learning times, ascending, at which `loss_at` jumps; `None` where it never does."""
        return None
