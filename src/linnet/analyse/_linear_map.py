"""The linear map of a network: its own, or the one that fits it best."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .. import nn
from .._types import EndToEnd, ImpulseResponse


def linear_response(network: Any, num_steps: int | None = None) -> Float[Array, "*step out in"]:
    """The map of a linear network: from input to output, or from each of `num_steps` inputs to the last output.

    Args:
        network: a linear network.
        num_steps: the length of the sequence; `None` for plain inputs.

    Raises:
        ValueError: if the network is not linear, or of the other kind.
    """
    if num_steps is None and isinstance(network, EndToEnd):
        return network.end_to_end()
    if num_steps is not None and isinstance(network, ImpulseResponse):
        return network.impulse_response(num_steps)[::-1]
    kind = "plain inputs" if num_steps is None else "sequences"
    raise ValueError(
        f"A linear network of {kind} is needed here, got a {type(network).__name__}. Of a nonlinear network take "
        "`linnet.analyse.best_linear_map(network, xs)`."
    )


class BestLinearMap(eqx.Module):
    r"""The least-squares linear map of a network on given inputs, prepared for many networks.

    $$M = \mathbb E[f x^\top]\, \mathbb E[x x^\top]^+ = \sum_p f(x_p)\, r_p^\top$$

    Second moments about zero, as in `tasks.Moments`: inputs are centred by convention, and where those of a task are
    not (one-hot items), their mean direction is a mode like any other.

    Args:
        xs: the inputs.
        regressors: $r_p$, by which outputs are weighted; over sequences for each step.
    """

    xs: Float[Array, "num *step in"]
    regressors: Float[Array, "num *step in"]

    def __init__(self, xs: Float[Array, "num *step in"], weight: Float[Array, " num"] | None = None) -> None:
        flat = xs.reshape(xs.shape[0], -1)
        weight = jnp.full(xs.shape[0], 1, xs.dtype) if weight is None else weight
        weight = weight / jnp.sum(weight)
        eigenvalues, vectors = jnp.linalg.eigh((weight[:, None] * flat).T @ flat)
        kept = eigenvalues > 10 * eigenvalues.shape[0] * jnp.finfo(xs.dtype).eps * eigenvalues[-1]
        inverse = (vectors * jnp.where(kept, 1 / jnp.where(kept, eigenvalues, 1), 0)) @ vectors.T
        self.xs = xs
        self.regressors = (weight[:, None] * flat @ inverse).reshape(xs.shape)

    def __call__(self, network: Any) -> Float[Array, "*step out in"]:
        """The map of a network; over sequences, of its output at the last step from the input of each step."""
        outputs = jax.vmap(lambda x: nn.apply_last(network, x))(self.xs)
        return jnp.einsum("no,n...i->...oi", outputs, self.regressors)


def best_linear_map(
    network: Any, xs: Float[Array, "num *step in"], weight: Float[Array, " num"] | None = None
) -> Float[Array, "*step out in"]:
    r"""The linear map that fits a network best on given inputs, in the least-squares sense.

    $\min_M \mathbb E \lVert f(x) - M x \rVert^2$: exact for linear networks. Directions without inputs get 0.

    Args:
        network: any network; of recurrent ones the output at the last step.
        xs: inputs, `"num in"` or `"num step in"`.
        weight: of the inputs in the mean; by default equal.

    Returns:
        The map, `"out in"`, or `"step out in"` from the input of each step.
    """
    return BestLinearMap(jnp.asarray(xs), weight)(network)


def effective_map(network: Any, modes: Any, xs: Float[Array, "num *step in"] | None = None) -> Any:
    """The map in which modes are looked for: a matrix as it is, a linear network's own, or its best on `xs`."""
    if isinstance(network, (jax.Array, np.ndarray)):
        return jnp.asarray(network)
    if nn.is_linear(network):
        steps = modes.step_singular_values
        return linear_response(network, None if steps is None else steps.shape[0])
    if xs is None:
        raise ValueError(
            f"A {type(network).__name__} has no linear map of its own: pass inputs `xs`, on which the best one is "
            f"measured."
        )
    return best_linear_map(network, xs)
