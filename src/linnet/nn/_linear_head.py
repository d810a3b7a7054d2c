"""Networks that end in a deep linear head: over a backbone, or over features that are free parameters."""

from collections.abc import Callable
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._cite import cite
from ._deep_linear import DeepLinear
from ._mlp import MLP


@cite("dang2023neural", "mixon2022neural")
class UnconstrainedFeatures(eqx.Module):
    r"""The unconstrained-features model, $f(e_i) = W_M \cdots W_1 h_i + b$: the features of examples are parameters.

    What a deep classifier would do if its backbone could represent anything. Its input is the one-hot number of an
    example.

    Args:
        features: $h_i$, a row for each example.
        head: $(W_1, \dots, W_M)$.
        bias: $b$ of the last layer, or `None`.

    Raises:
        ValueError: if the shapes do not fit.

    !!! example
        ```python
        head = ln.nn.fan_in()(ln.nn.DeepLinear, (8, 8, 3), key=key)
        net = ln.nn.UnconstrainedFeatures(jr.normal(key, (30, 8)), head)  # 30 examples, 8 features, 3 classes
        ```
    """

    features: Float[Array, "num feature"] = eqx.field(converter=jnp.asarray)
    head: DeepLinear
    bias: Float[Array, " out"] | None = None

    def __check_init__(self) -> None:
        if self.features.ndim != 2:
            raise ValueError(f"UnconstrainedFeatures needs features (num, feature), got shape {self.features.shape}.")
        _check_head("UnconstrainedFeatures", self.head, self.bias, self.features.shape[1])

    def represent(self, x: Float[Array, " num"]) -> Float[Array, " feature"]:
        """The features of one example."""
        return x @ self.features

    def __call__(self, x: Float[Array, " num"]) -> Float[Array, " out"]:
        y = self.head(self.represent(x))
        return y if self.bias is None else y + self.bias


@cite("dang2023neural")
class LinearHead(eqx.Module):
    r"""A deep linear head over a backbone, $f(x) = W_M \cdots W_1 h(x) + b$.

    Args:
        backbone: $h$, any network on one example, such as an `MLP` with ReLU.
        head: $(W_1, \dots, W_M)$.
        bias: $b$ of the last layer, or `None`.
        activation: applied to the backbone's output ($h = \phi \circ$ backbone), as an `MLP` has none there.

    Raises:
        ValueError: if the bias does not fit the head.
    """

    backbone: Callable
    head: DeepLinear
    bias: Float[Array, " out"] | None = None
    activation: Callable | None = None

    def __check_init__(self) -> None:
        _check_head("LinearHead", self.head, self.bias)

    def represent(self, x: Float[Array, " in"]) -> Float[Array, " feature"]:
        """The features of one example."""
        features = self.backbone(x)
        return features if self.activation is None else self.activation(features)

    def __call__(self, x: Float[Array, " in"]) -> Float[Array, " out"]:
        y = self.head(self.represent(x))
        return y if self.bias is None else y + self.bias


def last_features(network: Any, x: Float[Array, " in"]) -> Float[Array, " feature"]:
    """What the classifier of a network reads of one example: the input of the last layer, or of the linear head.

    Args:
        network: a `LinearHead`, `UnconstrainedFeatures`, `MLP` or `DeepLinear`.
        x: the example.

    Raises:
        ValueError: for another network.
    """
    if isinstance(network, (LinearHead, UnconstrainedFeatures)):
        return network.represent(x)
    if isinstance(network, DeepLinear):
        for weight in network.weights[:-1]:
            x = weight @ x
        return x
    if isinstance(network, MLP):
        for layer, weight in enumerate(network.weights[:-1]):
            x = weight @ x if network.biases is None else weight @ x + network.biases[layer]
            x = network.activation(x)
        return x
    raise _unknown(network)


def classifier(network: Any) -> Float[Array, "out feature"]:
    """The linear map from `last_features` to the outputs, without bias.

    Args:
        network: a `LinearHead`, `UnconstrainedFeatures`, `MLP` or `DeepLinear`.

    Raises:
        ValueError: for another network.
    """
    if isinstance(network, (LinearHead, UnconstrainedFeatures)):
        return network.head.end_to_end()
    if isinstance(network, (DeepLinear, MLP)):
        return network.weights[-1]
    raise _unknown(network)


def _unknown(network: Any) -> ValueError:
    return ValueError(
        "Features and a linear classifier are known of a LinearHead, UnconstrainedFeatures, MLP or DeepLinear, got a "
        f"{type(network).__name__}. Pass functions that read them."
    )


def _check_head(name: str, head: Any, bias: Any, num_features: int | None = None) -> None:
    if not isinstance(head, DeepLinear):
        raise ValueError(f"{name} needs a DeepLinear as its head, got a {type(head).__name__}.")
    read, num_out = head.weights[0].shape[1], head.weights[-1].shape[0]
    if num_features is not None and read != num_features:
        raise ValueError(f"{name} has {num_features} features, but its head reads {read}.")
    if bias is not None and bias.shape != (num_out,):
        raise ValueError(f"{name} has {num_out} outputs, but a bias of shape {bias.shape}.")
