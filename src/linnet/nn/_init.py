"""The contract of an initialiser, and those that draw each weight matrix for itself."""

import abc
from collections.abc import Callable, Sequence
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu
from jaxtyping import Array, Float

from .._cite import cite
from .._types import PRNGKey
from ._deep_linear import DeepLinear
from ._encoder_decoder import EncoderDecoder
from ._gated import draw_gates
from ._leaky_linear_rnn import LeakyLinearRNN
from ._linear_rnn import LinearRNN
from ._network import check_sizes, float_dtype
from ._random import fan_in_gaussian, gaussian, glorot_gaussian, orthogonal_matrix
from ._weights import weight_matrices, with_weight_matrices

#: A number, an array, or a tuple with one of them for each weight in the order in which it acts.
PerWeight = Float[Array, "..."] | float | tuple[Float[Array, "..."] | float, ...]


class AbstractInitializer(eqx.Module):
    """Makes networks with random weights, from sizes or from another network.

    ```python
    init = ln.nn.small(1e-3)
    net = init(ln.nn.DeepLinear, (64, 32, 10), key=key)  # a kind of network and its sizes (in, hidden, ..., out)
    net = init(net, key=key)  # a network: the same with new weights
    ```

    It is traceable: under `jax.vmap` and in the `make` of `linnet.learn.ensemble` its numbers and the key may be
    traced.
    """

    def __call__(
        self, network: Any, sizes: Sequence[int] | None = None, *, key: PRNGKey, dtype: Any = None, **settings: Any
    ) -> Any:
        """Draws the weights of a network.

        Args:
            network: a class of networks such as `DeepLinear`, `LinearRNN`, `MLP`, `GRU` (any with the constructor
                `(sizes, *, dtype, key)`), or a network whose weights are replaced.
            sizes: `(in, hidden, ..., out)`, for a class.
            key: randomness of the weights.
            dtype: of the parameters, for a class; by default JAX's.
            settings: further arguments of the class, such as `activation`.

        Returns:
            The network with new weight matrices. All else (biases, activations) is as it was; biases begin at 0.
        """
        if not isinstance(network, type):
            if sizes is not None or dtype is not None or settings:
                raise ValueError(
                    "Sizes, dtype and settings belong to a class of networks; a network has its own. Leave them out, "
                    "or pass the "
                    f"class `{type(network).__name__}`."
                )
            return self.draw(network, key)
        if sizes is None:
            raise ValueError(
                f"An initialiser needs the sizes (in, hidden, ..., out) of the {network.__name__} that it makes."
            )
        return self.draw(_template(network, sizes, dtype, key, settings), key)

    @abc.abstractmethod
    def draw(self, network: Any, key: PRNGKey) -> Any:
        """The same network with new weights."""


def _template(kind: Any, sizes: Sequence[int], dtype: Any, key: PRNGKey, settings: dict[str, Any]) -> Any:
    """Some network of a class, for its shapes."""
    if kind is DeepLinear:
        sizes = check_sizes("DeepLinear", sizes)
        shapes = zip(sizes[1:], sizes[:-1], strict=True)
        return DeepLinear(tuple(jnp.zeros(shape, float_dtype(dtype)) for shape in shapes), **settings)
    if kind is EncoderDecoder:
        *encoder, last = check_sizes("EncoderDecoder", sizes)
        if len(encoder) < 2:
            raise ValueError(f"EncoderDecoder needs sizes (in, hidden, ..., latent, out), got {sizes}.")
        made = _template(DeepLinear, encoder, dtype, key, settings)
        return EncoderDecoder(made, jnp.zeros((last, encoder[-1]), float_dtype(dtype)))
    if kind in (LinearRNN, LeakyLinearRNN):
        num_in, hidden, num_out = check_sizes(kind.__name__, sizes, 3)
        shapes = (hidden, num_in), (hidden, hidden), (num_out, hidden)
        return kind(*(jnp.zeros(shape, float_dtype(dtype)) for shape in shapes), **settings)
    return kind(sizes, dtype=dtype, key=key, **settings)


def per_weight(value: Any, num: int, what: str) -> tuple[Any, ...]:
    """One value for each weight: a tuple as it is, anything else repeated.

    Raises:
        ValueError: if the tuple has another length.
    """
    if not isinstance(value, tuple):
        return (value,) * num
    if len(value) != num:
        raise ValueError(
            f"{what} is a tuple with one entry for each weight, and this network has {num} of them, got {len(value)}."
        )
    return value


class EachMatrix(AbstractInitializer):
    """Draws every weight matrix for itself; made by `small`, `glorot`, `fan_in` and `orthogonal`.

    Args:
        rule: draws one matrix, `rule(key, shape, dtype, scale)`.
        scale: of each matrix.
    """

    rule: Callable = eqx.field(static=True)
    scale: Any

    def draw(self, network: Any, key: PRNGKey) -> Any:
        found = weight_matrices(network)
        scales = per_weight(self.scale, len(found), "The scale of an initialiser")
        keys = jr.split(key, len(found))
        return with_weight_matrices(
            network,
            [
                draw_gates(self.rule, k, matrix.shape, gates, matrix.dtype, scale)
                for k, (_, matrix, gates), scale in zip(keys, found, scales, strict=True)
            ],
        )


def small(std: PerWeight) -> EachMatrix:
    r"""Gaussian weights of one standard deviation, $W_{ij} \sim \mathcal N(0, \sigma^2)$, whatever the shape.

    Args:
        std: $\sigma$; a tuple has one for each weight matrix.
    """
    return EachMatrix(gaussian, _checked("small", "std", std))


@cite("glorot2010understanding")
def glorot(gain: PerWeight = 1.0) -> EachMatrix:
    r"""Gaussian weights of variance $2 g^2 / (N_{in} + N_{out})$; of gated cells, for each gate.

    Args:
        gain: $g$; a tuple has one for each weight matrix.
    """
    return EachMatrix(glorot_gaussian, _checked("glorot", "gain", gain))


def fan_in(gain: PerWeight = 1.0) -> EachMatrix:
    r"""Gaussian weights of variance $g^2 / N_{in}$, which keeps the size of white activity at $g = 1$.

    Args:
        gain: $g$; a tuple has one for each weight matrix.
    """
    return EachMatrix(fan_in_gaussian, _checked("fan_in", "gain", gain))


@cite("saxe2014exact")
def orthogonal(gain: PerWeight = 1.0) -> EachMatrix:
    r"""Random orthogonal weights, $W W^\top = g^2 I$ or (where the output is wider) $W^\top W = g^2 I$.

    Args:
        gain: $g$; a tuple has one for each weight matrix.
    """
    return EachMatrix(orthogonal_matrix, _checked("orthogonal", "gain", gain))


def _checked(name: str, what: str, value: Any) -> Any:
    for number in jtu.tree_leaves(value):
        if isinstance(number, (int, float)) and not 0 <= number < float("inf"):
            raise ValueError(f"{name} needs a finite {what} of at least 0, got {number}.")
    return value
