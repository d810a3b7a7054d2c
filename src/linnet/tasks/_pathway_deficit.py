"""A task during which one of several pathways is without its input for a while."""

from typing import Any, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from .._cite import cite
from .._loss import AbstractLoss, SquaredError
from .._types import EndToEnd
from ._modes import SingularModes
from ._moments import Moments, ResidualForm
from ._setting import AbstractSetting
from ._task import as_moments


@runtime_checkable
class ParallelPathways(Protocol):
    """A network whose map is the sum of those of its pathways (`linnet.nn.Pathways`)."""

    pathways: tuple[EndToEnd, ...]


@cite("kleinman2024critical")
class PathwayDeficit(AbstractSetting):
    r"""Squared error on moments, with a window of learning time in which one pathway does not learn.

    $L = \frac12 E \lVert y - \sum_p W_p x \rVert^2$. From `start` to `end` the map of one pathway is held constant to
    the gradient, and what it does is still part of the output (the deficit of the paper's networks). A `silent`
    pathway is left out of the output as well, so that the others learn to do without it.

    Args:
        task: moments, or what has them.
        start: the learning time at which the deficit begins. Traceable.
        end: the learning time at which it ends; none where it is not above `start`. Traceable.
        pathway: which of the pathways it takes.
        modes: which of the task's singular modes it takes, true or false for each; by default all, and what is outside
            of them.
        silent: whether the pathway is left out of the output.
    """

    moments: Moments
    form: ResidualForm
    modes: SingularModes
    start: Float[Array, ""]
    end: Float[Array, ""]
    pathway: int = eqx.field(static=True)
    taken: Bool[Array, " mode"] | None
    silent: bool = eqx.field(static=True)

    def __init__(
        self, task: Any, start: Any, end: Any, *, pathway: int = 1, modes: Any = None, silent: bool = False
    ) -> None:
        found = as_moments(task)
        if not isinstance(found, Moments):
            raise ValueError(
                f"PathwayDeficit needs a task without steps, got {type(found).__name__}; pass plain moments."
            )
        self.moments, self.form, self.modes = found, found.residual_form(), found.singular_modes()
        self.start, self.end = (jnp.asarray(time, found.yx.dtype) for time in (start, end))
        self.pathway, self.silent = pathway, silent
        self.taken = None if modes is None else jnp.asarray(modes, bool)
        num = self.modes.singular_values.shape[0]
        if self.taken is not None and self.taken.shape != (num,):
            raise ValueError(
                f"PathwayDeficit needs true or false for each of the task's {num} modes, got an array of shape "
                f"{self.taken.shape}."
            )

    def applies(self, network: Any, loss: AbstractLoss) -> str | None:
        if not isinstance(loss, SquaredError):
            return f"it needs squared error, got {type(loss).__name__}."
        if not isinstance(network, ParallelPathways):
            return f"it needs a network of pathways (`linnet.nn.Pathways`), got {type(network).__name__}."
        if not 0 <= self.pathway < len(network.pathways):
            return f"the deficit is that of pathway {self.pathway}, and there are {len(network.pathways)} from 0 on."
        shape = jax.eval_shape(lambda: network.pathways[0].end_to_end()).shape
        if shape != self.moments.yx.shape:
            return f"the network's map has the shape (out, in) = {shape}, the task needs {self.moments.yx.shape}."
        return None

    def loss(self, network: Any) -> Float[Array, ""]:
        return self.form(network.end_to_end())

    def loss_at(self, network: Any, time: Float[Array, ""]) -> Float[Array, ""]:
        maps = [pathway.end_to_end() for pathway in network.pathways]
        own = maps[self.pathway]
        taken = own
        if self.taken is not None:
            strengths = jnp.einsum("om,oi,im->m", self.modes.left, own, self.modes.right)
            taken = (self.modes.left * jnp.where(self.taken, strengths, 0)) @ self.modes.right.T
        held = jnp.zeros_like(taken) if self.silent else jax.lax.stop_gradient(taken)
        maps[self.pathway] = jnp.where(self.during(time), own - taken + held, own)
        return self.form(sum(maps[1:], start=maps[0]))

    def jumps(self) -> Float[Array, " jump"]:
        return jnp.stack([self.start, jnp.maximum(self.start, self.end)])

    def during(self, time: Float[Array, ""]) -> Bool[Array, ""]:
        """Whether a time is within the deficit."""
        return (time >= self.start) & (time < self.end)
