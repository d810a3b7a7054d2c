"""Regularisers of latent models."""

import abc
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.tree_util as jtu
from jaxtyping import Array, Float

from .._cite import cite
from ..nn import AbstractPiecewiseLinear, AbstractRecurrent


class AbstractRegulariser(eqx.Module):
    """A number that is added to the loss, from the network's parameters."""

    @abc.abstractmethod
    def __call__(self, network: AbstractRecurrent) -> Float[Array, ""]:
        """The number."""


@cite("hess2023generalized")
class LatentRegulariser(AbstractRegulariser):
    r"""$\lambda (\|1 - A\|^2 + \|W\|^2 + \|h\|^2 + \dots)$: towards a network that keeps its state.

    The diagonal $A$ of a piecewise-linear network is drawn to 1 and its other parameters to 0, but for the thresholds
    of a `DendriticPLRNN`. Of another network all parameters are drawn to 0.

    Args:
        weight: $\lambda$.

    Raises:
        ValueError: if it is negative.
    """

    weight: Float[Array, ""]

    def __init__(self, weight: Any = 1e-5) -> None:
        self.weight = _weight("LatentRegulariser", weight)

    def __call__(self, network: AbstractRecurrent) -> Float[Array, ""]:
        if isinstance(network, AbstractPiecewiseLinear):
            parts = {name: leaf for name, leaf in vars(network).items() if name != "thresholds"}
            parts["diagonal"] = 1 - parts["diagonal"]
        else:
            parts = network
        leaves = jtu.tree_leaves(eqx.filter(parts, eqx.is_inexact_array))
        return self.weight * sum((jnp.sum(leaf**2) for leaf in leaves), start=jnp.zeros(()))


@cite("schmidt2021identifying")
class ManifoldAttractorRegulariser(AbstractRegulariser):
    r"""$\lambda (\|1 - A_r\|^2 + \|W_r\|^2 + \|h_r\|^2)$ for a fraction of the units, the last ones.

    These are drawn to a continuous set of fixed points, which keeps things in mind for as long as they are needed. Of
    $W$ these are the rows, what the units receive; of a `ShallowPLRNN` those of $W_1$. As in the paper the norms are
    squared; published code has them without.

    Args:
        weight: $\lambda$.
        fraction: of the units.

    Raises:
        ValueError: if a number is not what it must be.
    """

    weight: Float[Array, ""]
    fraction: float = eqx.field(static=True)

    def __init__(self, weight: Any = 1e-3, fraction: float = 0.5) -> None:
        if not 0 < fraction <= 1:
            raise ValueError(f"The fraction of regularised units is more than 0 and at most 1, got {fraction}.")
        self.weight, self.fraction = _weight("ManifoldAttractorRegulariser", weight), float(fraction)

    def __call__(self, network: AbstractRecurrent) -> Float[Array, ""]:
        if not isinstance(network, AbstractPiecewiseLinear):
            raise ValueError(
                "Manifold attractors are made of the diagonal, weights and biases of a piecewise-linear network of"
                f" linnet.nn, got a {type(network).__name__}."
            )
        parts = vars(network)
        weights = parts["outer_weights"] if "outer_weights" in parts else parts["weights"]
        first = network.state_size - int(self.fraction * network.state_size)
        own = [1 - parts["diagonal"][first:], weights[first:], network.bias[first:]]
        return self.weight * sum((jnp.sum(part**2) for part in own), start=jnp.zeros(()))


def _weight(name: str, weight: Any) -> Float[Array, ""]:
    if isinstance(weight, (int, float)) and not weight >= 0:
        raise ValueError(f"The weight of {name} is not negative, got {weight}.")
    return jnp.asarray(weight, jnp.result_type(float))
