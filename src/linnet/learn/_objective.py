"""What is descended: the loss of a network as a function of its parameters, on moments or on samples."""

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .. import nn, tasks
from .._loss import AbstractLoss, SquaredError
from .._types import EndToEnd, ImpulseResponse, PRNGKey


class AbstractObjective(eqx.Module):
    """The loss that a learning rule descends."""

    @abc.abstractmethod
    def __call__(self, network: Any) -> Float[Array, ""]:
        """The loss of a network."""

    def at(self, batch_size: int | None, key: PRNGKey | None) -> "AbstractObjective":
        """The objective of one step: itself, or that of a random mini-batch where the objective has samples."""
        return self


class MomentObjective(AbstractObjective):
    """Squared error on moments in residual form: exact, and as cheap for a million samples as for ten."""

    moments: tasks.AbstractMoments
    residual: tasks.ResidualForm

    def __call__(self, network: Any) -> Float[Array, ""]:
        return self.residual(self.moments.linear_map(network))


class SampleObjective(AbstractObjective):
    """Any loss on samples, the mean over examples of the sum over outputs and steps."""

    batch: tasks.Batch
    loss: AbstractLoss

    def __call__(self, network: Any) -> Float[Array, ""]:
        return sample_loss(network, self.batch, self.loss)


def sample_loss(network: Any, batch: tasks.Batch, loss: AbstractLoss) -> Float[Array, ""]:
    """The mean loss of a network over the examples of a batch."""
    predictions = jax.vmap(lambda x: nn.apply(network, x))(batch.x)
    if predictions.ndim == 3 and batch.y.ndim == 2:
        predictions = predictions[:, -1]
    losses = loss(predictions, batch.y)
    if losses.ndim == 2:
        losses = jnp.sum(losses if batch.mask is None else jnp.where(batch.mask, losses, 0), axis=1)
    if batch.weight is None:
        return jnp.mean(losses)
    return jnp.sum(batch.weight * losses) / jnp.sum(batch.weight)


def is_linear(network: Any) -> bool:
    """Whether a network is linear in its inputs and knows its linear map."""
    return isinstance(network, (EndToEnd, ImpulseResponse))


def make_objective(network: Any, data: Any, loss: AbstractLoss) -> AbstractObjective:
    """The objective of training a network on moments, a batch, a split (its training part) or a task's population.

    Raises:
        ValueError: if the network or the loss sees more than moments, or the shapes do not fit.
    """
    if isinstance(data, tasks.Split):
        data = data.train
    if isinstance(data, tasks.Batch):
        return SampleObjective(data, loss)
    moments = tasks.as_moments(data)
    if not is_linear(network) or not isinstance(loss, SquaredError):
        raise ValueError(
            f"Moments are all that a linear network under squared error can see, but this is a {type(network).__name__} under "
            f"{type(loss).__name__}. Pass samples instead, for example `task.draw(num, key=key)`."
        )
    needed = EndToEnd if moments.num_steps is None else ImpulseResponse
    if not isinstance(network, needed):
        kind, other = (
            ("plain", "a LinearRNN needs TemporalMoments")
            if needed is EndToEnd
            else ("temporal", "a DeepLinear needs Moments")
        )
        raise ValueError(f"A {type(network).__name__} cannot be trained on {kind} moments; {other}.")
    form = moments.residual_form()
    shape = jax.eval_shape(moments.linear_map, network).shape
    if shape != form.target.shape:
        raise ValueError(
            f"The network maps inputs to outputs by a matrix of shape (out, in) = {shape}, the task's moments need {form.target.shape}. "
            "Change the sizes of the network's first and last weights."
        )
    return MomentObjective(moments, form)
