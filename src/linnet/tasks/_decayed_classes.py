"""Classification with decay on features and head: what makes deep classifiers collapse."""

from typing import Any, Protocol, runtime_checkable

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._cite import cite
from .._loss import AbstractLoss, SquaredError
from ._setting import AbstractSetting


@runtime_checkable
class HasLinearHead(Protocol):
    """A network that represents examples by features and reads them by a chain of matrices."""

    head: Any
    bias: Any

    def represent(self, x: Float[Array, " in"]) -> Float[Array, " feature"]: ...


@cite("dang2023neural")
class DecayedClasses(AbstractSetting):
    r"""Squared error to one-hot classes, with decay on the features and on every matrix of the head.

    $$\frac{1}{2N} \sum_i c_i \lVert W_M \cdots W_1 h_i + b - y_i \rVert^2
    + \sum_j \frac{\lambda_j}{2} \lVert W_j \rVert_F^2 + \frac{\lambda_H}{2} \sum_i c_i \lVert h_i \rVert^2,
    \qquad N = \sum_i c_i .$$

    The features are parameters (`linnet.nn.UnconstrainedFeatures`), or what a backbone makes of `inputs`
    (`linnet.nn.LinearHead`); neither the backbone nor the bias decays.

    Args:
        y: $y_i$, one-hot classes.
        weight_decay: $\lambda_j$ of each matrix of the head, or one for all.
        feature_decay: $\lambda_H$.
        inputs: the examples; `None` where features are parameters.
        weight: $c_i$, how many examples a row stands for (need not be whole); by default 1. Class sizes are then an
            array, and may be an axis of an ensemble.

    Raises:
        ValueError: if the shapes do not fit.

    !!! example
        ```python
        y = jnp.repeat(jnp.eye(3), 10, axis=0)  # three classes of ten examples
        task = ln.tasks.DecayedClasses(y, weight_decay=5e-3, feature_decay=5e-4)
        ```
    """

    y: Float[Array, "num class"] = eqx.field(converter=jnp.asarray)
    weight_decay: Float[Array, "*layer"] = eqx.field(converter=lambda decay: jnp.asarray(decay, float))
    feature_decay: Float[Array, ""] = eqx.field(converter=lambda decay: jnp.asarray(decay, float))
    inputs: Float[Array, "examples in"] | None = None
    weight: Float[Array, " examples"] | None = None

    def __check_init__(self) -> None:
        if self.y.ndim != 2 or self.y.shape[1] < 2:
            raise ValueError(f"DecayedClasses needs one-hot y (num, class) of two classes or more, got {self.y.shape}.")
        for name, part in (("inputs", self.inputs), ("weight", self.weight)):
            if part is not None and part.shape[0] != self.y.shape[0]:
                raise ValueError(f"DecayedClasses has {self.y.shape[0]} rows of y, but {part.shape[0]} of {name}.")

    @property
    def counts(self) -> Float[Array, " class"]:
        """How many examples each class has."""
        return self.row_weights @ self.y

    @property
    def row_weights(self) -> Float[Array, " num"]:
        """How many examples each row stands for."""
        return jnp.ones(self.y.shape[0], self.y.dtype) if self.weight is None else self.weight

    def decays(self, depth: int) -> Float[Array, " layer"]:
        """The decay of each matrix of a head of that depth.

        Raises:
            ValueError: if there are more or fewer.
        """
        if self.weight_decay.ndim and self.weight_decay.shape != (depth,):
            raise ValueError(
                f"The weight decay is one number or one for each of the {depth} matrices of the head, got "
                f"{self.weight_decay.shape[0]}."
            )
        return jnp.broadcast_to(self.weight_decay, (depth,)).astype(self.y.dtype)

    def applies(self, network: Any, loss: AbstractLoss) -> str | None:
        if not isinstance(loss, SquaredError):
            return f"it holds squared error, got {type(loss).__name__}."
        if not isinstance(network, HasLinearHead):
            return f"it needs an UnconstrainedFeatures or a LinearHead network, got a {type(network).__name__}."
        num_out = network.head.weights[-1].shape[0]
        if num_out != self.y.shape[1]:
            return f"the network has {num_out} outputs, the task {self.y.shape[1]} classes."
        if self.inputs is None:
            features = getattr(network, "features", None)
            if features is None:
                return f"a {type(network).__name__} represents inputs, of which it holds none; pass `inputs`."
            if features.shape[0] != self.y.shape[0]:
                return f"the network has features of {features.shape[0]} examples, the task {self.y.shape[0]} rows."
        return None

    def loss(self, network: Any) -> Float[Array, ""]:
        features = network.features if self.inputs is None else jax.vmap(network.represent)(self.inputs)
        weights, rows = network.head.weights, self.row_weights
        outputs = features
        for weight in weights:
            outputs = outputs @ weight.T
        outputs = outputs if network.bias is None else outputs + network.bias
        error = rows @ jnp.sum((outputs - self.y) ** 2, axis=1) / jnp.sum(rows)
        sizes = jnp.stack([jnp.sum(weight**2) for weight in weights])
        decay = self.decays(len(weights)) @ sizes + self.feature_decay * (rows @ jnp.sum(features**2, axis=1))
        return 0.5 * (error + decay)
