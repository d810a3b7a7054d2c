"""The observer of neural collapse."""

import dataclasses
from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .. import analyse, nn, tasks
from .._cite import cite
from .._loss import AbstractLoss
from .._types import PRNGKey
from ._observer import AbstractObserver, training_batch


@cite("papyan2020prevalence", "dang2023neural")
class NeuralCollapse(AbstractObserver):
    """The measures NC1 to NC4 of neural collapse on the training data, `linnet.analyse.neural_collapse`.

    Works on any data with one-hot targets: a `Batch`, the training part of a `Split`, or `DecayedClasses`.

    Args:
        centre: whether class means are compared to a simplex frame about their mean (as a bias makes them), else to an
            orthogonal frame.
        gram: another Gram matrix to compare them to.
        product: to which the classifier on the class means is compared; by default the same.
        represent: `represent(network, x)`, the features of one example; by default `linnet.nn.last_features`.
        classifier: `classifier(network)`, the map from features to outputs; by default `linnet.nn.classifier`.
    """

    centre: bool = eqx.field(default=False, static=True)
    gram: Float[Array, "class class"] | None = None
    product: Float[Array, "class class"] | None = None
    represent: Callable = eqx.field(default=nn.last_features, static=True)
    classifier: Callable = eqx.field(default=nn.classifier, static=True)
    inputs: Float[Array, "num in"] | None = None
    y: Float[Array, "num class"] | None = None
    weight: Float[Array, " num"] | None = None
    mean: Float[Array, " class"] | None = None

    @property
    def name(self) -> str:
        return "neural_collapse"

    @property
    def dims(self) -> tuple[str, ...]:
        return ("measure",)

    def coords(self) -> dict[str, Any]:
        return {"measure": ("NC1", "NC2", "NC3", "NC4")}

    def bind(self, network: Any, task: Any, loss: AbstractLoss) -> "NeuralCollapse":
        if isinstance(task, tasks.DecayedClasses):
            return dataclasses.replace(self, inputs=task.inputs, y=task.y, weight=task.weight)
        batch = training_batch(task)
        if batch is None or batch.y.ndim != 2 or batch.y.shape[1] < 2:
            raise ValueError(
                "NeuralCollapse needs samples with one-hot targets of two classes or more; pass a Batch, a Split of "
                f"them or DecayedClasses, got {type(task).__name__}."
            )
        mean = task.y_mean if isinstance(task, tasks.Split) else None
        classes = jnp.argmax(batch.y if mean is None else batch.y + mean, axis=1)
        y = jax.nn.one_hot(classes, batch.y.shape[1], dtype=batch.y.dtype)
        return dataclasses.replace(self, inputs=batch.x, y=y, weight=batch.weight, mean=mean)

    def measure(self, network: Any, *, initial: Any, task: Any, key: PRNGKey | None) -> Array:
        if self.y is None:
            raise ValueError("NeuralCollapse has to be bound to a task first; `simulate` does it.")
        weights = self.classifier(network)
        if self.inputs is None:
            features, outputs = network.features, network.features @ weights.T
            outputs = outputs if network.bias is None else outputs + network.bias
        else:
            features = jax.vmap(lambda x: self.represent(network, x))(self.inputs)
            outputs = jax.vmap(lambda x: nn.apply(network, x))(self.inputs)
            outputs = outputs if self.mean is None else outputs + self.mean
        found = analyse.neural_collapse(
            features,
            self.y,
            weights,
            outputs=outputs,
            weight=self.weight,
            gram=self.gram,
            product=self.product,
            centre=self.centre,
        )
        return jnp.stack([found.variability, found.frame, found.duality, found.agreement])
