"""Observers of what a network represents, and of the curvature it sits in."""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .. import analyse, nn
from .._cite import cite
from .._loss import AbstractLoss
from .._types import PRNGKey
from ._observer import AbstractObserver


@cite("kornblith2019similarity")
class RepresentationAlignment(AbstractObserver):
    """How alike a representation is to what it was before training, `linnet.analyse.centred_kernel_alignment`.

    Args:
        inputs: the examples that are represented.
        represent: `represent(network, x)`, the representation of one example, an array of any shape; by default the
            outputs.
        reference: what to compare with, `"num feature"`, such as the targets; by default the representation before
            training.
    """

    inputs: Float[Array, "num ..."] = eqx.field(converter=jnp.asarray)
    represent: Callable = eqx.field(default=nn.apply, static=True)
    reference: Float[Array, "num feature"] | None = None

    @property
    def name(self) -> str:
        return "representation_alignment"

    @property
    def dims(self) -> tuple[str, ...]:
        return ()

    def bind(self, network: Any, task: Any, loss: AbstractLoss) -> "RepresentationAlignment":
        if self.reference is not None:
            return self
        return dataclasses.replace(self, reference=_rows(self, network))

    def measure(self, network: Any, *, initial: Any, task: Any, key: PRNGKey | None) -> Array:
        reference = _rows(self, initial) if self.reference is None else self.reference
        return analyse.centred_kernel_alignment(reference, _rows(self, network))


@cite("kriegeskorte2008representational")
class RepresentationSimilarity(AbstractObserver):
    """How alike the distances between examples are to what they were, `linnet.analyse.representational_similarity`.

    Args:
        inputs: the examples that are represented.
        represent: `represent(network, x)`, the representation of one example, an array of any shape; by default the
            outputs.
        reference: what to compare with, `"num feature"`, such as the inputs themselves; by default the representation
            before training.
    """

    inputs: Float[Array, "num ..."] = eqx.field(converter=jnp.asarray)
    represent: Callable = eqx.field(default=nn.apply, static=True)
    reference: Float[Array, "num feature"] | None = None

    @property
    def name(self) -> str:
        return "representation_similarity"

    @property
    def dims(self) -> tuple[str, ...]:
        return ()

    def bind(self, network: Any, task: Any, loss: AbstractLoss) -> "RepresentationSimilarity":
        if self.reference is not None:
            return self
        return dataclasses.replace(self, reference=_rows(self, network))

    def measure(self, network: Any, *, initial: Any, task: Any, key: PRNGKey | None) -> Array:
        reference = _rows(self, initial) if self.reference is None else self.reference
        return analyse.representational_similarity(reference, _rows(self, network))


def _rows(observer: RepresentationAlignment | RepresentationSimilarity, network: Any) -> Float[Array, "num feature"]:
    """What a network makes of an observer's inputs, a row for each."""
    found = jax.vmap(lambda x: observer.represent(network, x))(observer.inputs)
    return found.reshape(found.shape[0], -1)


@cite("roy2007effective")
class EffectiveRank(AbstractObserver):
    """The effective rank of each weight matrix, `linnet.analyse.effective_rank`."""

    names: tuple[str, ...] = eqx.field(default=(), static=True)

    @property
    def name(self) -> str:
        return "effective_rank"

    @property
    def dims(self) -> tuple[str, ...]:
        return ("matrix",)

    def coords(self) -> dict[str, Any]:
        return {"matrix": self.names}

    def bind(self, network: Any, task: Any, loss: AbstractLoss) -> "EffectiveRank":
        names = analyse.weight_names(network)
        arrays = jax.tree.leaves(eqx.filter(network, eqx.is_inexact_array))
        return EffectiveRank(tuple(name for name, array in zip(names, arrays, strict=True) if array.ndim == 2))

    def measure(self, network: Any, *, initial: Any, task: Any, key: PRNGKey | None) -> Array:
        return jnp.stack([analyse.effective_rank(matrix) for _, matrix, _ in nn.weight_matrices(network)])


@cite("cohen2021gradient")
class Sharpness(AbstractObserver):
    """The largest eigenvalue of the Hessian of the training loss, `linnet.analyse.sharpness`.

    Gradient descent at a rate of more than two over it is at the edge of stability.

    Args:
        num_iterations: Hessian-vector products at each recording.
        loss: of training; taken from it when the observer is bound.
    """

    num_iterations: int = eqx.field(default=32, static=True)
    loss: AbstractLoss | None = None

    @property
    def name(self) -> str:
        return "sharpness"

    @property
    def dims(self) -> tuple[str, ...]:
        return ()

    def bind(self, network: Any, task: Any, loss: AbstractLoss) -> "Sharpness":
        return Sharpness(self.num_iterations, loss)

    def measure(self, network: Any, *, initial: Any, task: Any, key: PRNGKey | None) -> Array:
        return analyse.sharpness(network, task, loss=self.loss, num_iterations=self.num_iterations)
