"""Balanced weights: those of two layers differ by a conserved multiple of the identity."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._cite import cite
from .._types import PRNGKey
from ._deep_linear import chain
from ._init import AbstractInitializer, glorot
from ._weights import chained_weights, is_recurrent_chain, with_chained_weights


class Balanced(AbstractInitializer):
    """Weights of another initialiser, balanced; made by `balanced` and `zero_balanced`.

    Args:
        balance: the balance of two layers; `None` for zero at any depth.
        of: the initialiser whose end-to-end map is kept.
    """

    balance: Any
    of: AbstractInitializer

    def draw(self, network: Any, key: PRNGKey) -> Any:
        return rebalance(self.of.draw(network, key), self.balance)


@cite("domine2025lazy")
def balanced(balance: Float[Array, ""] | float, of: AbstractInitializer | None = None) -> Balanced:
    r"""$\lambda$-balanced weights, $W_2^\top W_2 - W_1 W_1^\top = \lambda I$ to rounding.

    The end-to-end map (and the orientation of the hidden units) is that of another initialiser: `balanced(2.0,
    small(1e-3))`, `balanced(2.0, aligned(task, 1e-3))`. Of a `LinearRNN` input and output weights are balanced and
    the recurrent ones kept.

    A positive $\lambda$ needs a hidden layer no wider than the outputs, a negative one no wider than the inputs: a
    hidden unit on which one of the weights is zero can only get its $\lambda$ from the other, whose rank is no more
    than that width.

    Args:
        balance: $\lambda$; conserved by gradient flow. At $0$ learning is rich, at large $|\lambda|$ lazy.
        of: the initialiser whose end-to-end map is kept; by default `glorot()`.

    Returns:
        An initialiser for networks with two weights (or `LinearRNN`); `zero_balanced` is for any depth.

    !!! example
        ```python
        net = ln.nn.balanced(2.0, ln.nn.small(1e-3))(ln.nn.DeepLinear, (20, 5, 8), key=key)
        ```
    """
    return Balanced(balance, glorot() if of is None else of)


@cite("braun2022exact")
def zero_balanced(of: AbstractInitializer | None = None) -> Balanced:
    r"""Zero-balanced weights of any depth and shape, $W_{l+1}^\top W_{l+1} = W_l W_l^\top$ to rounding.

    Args:
        of: the initialiser whose end-to-end map is kept; by default `glorot()`.
    """
    return Balanced(None, glorot() if of is None else of)


@cite("domine2025lazy")
def rebalance(network: Any, balance: Float[Array, ""] | float | None = 0.0) -> Any:
    r"""The network with the same end-to-end map whose layers have a given balance.

    With $W_2 W_1 = B\,u A^\top$: $W_1 = R\,s_1 A^\top$, $W_2 = B\,s_2 R^\top$ and
    $s_{1,2}^2 = (\mp\lambda + \sqrt{\lambda^2 + 4 u^2}) / 2$; $R$ is the rotation nearest to where $W_1$ took $A$.

    Args:
        network: a `DeepLinear` or `LinearRNN` (the weights of an `MLP` or a `VanillaRNN` are balanced too, though
            their map is then another one). Recurrent weights are kept.
        balance: $\lambda$; for other than two weights it has to be zero (`None` or the number 0).

    Raises:
        ValueError: if the network's shape cannot have this balance (see `balanced`).
    """
    weights = chained_weights(network)
    if is_recurrent_chain(network):
        first, last = _two(weights[0], weights[2], 0.0 if balance is None else balance)
        return with_chained_weights(network, (first, weights[1], last))
    if len(weights) == 2 and balance is not None:
        return with_chained_weights(network, _two(*weights, balance))
    if balance is not None and not (isinstance(balance, (int, float)) and balance == 0):
        raise ValueError(
            f"A balance other than zero is defined for two weights, and this network has {len(weights)}. Use "
            f"`zero_balanced()`, or "
            "sizes (in, hidden, out)."
        )
    return with_chained_weights(network, _zero(weights))


def _two(
    first: Float[Array, "hidden in"], last: Float[Array, "out hidden"], balance: Any
) -> tuple[Float[Array, "hidden in"], Float[Array, "out hidden"]]:
    (hidden, num_in), num_out = first.shape, last.shape[0]
    balance = jnp.asarray(_possible(balance, hidden, num_in, num_out), first.dtype)
    rank = min(hidden, num_in, num_out)
    # Directions beyond the rank are needed only where the balance fills hidden units that the map does not use.
    left, strengths, right_t = jnp.linalg.svd(last @ first, full_matrices=hidden > min(num_in, num_out))
    right = right_t.T
    rotation = _rotation(first @ right[:, :rank])
    num_first, num_last = min(hidden, num_in), min(hidden, num_out)
    strengths = jnp.zeros(hidden, first.dtype).at[:rank].set(strengths[:rank])
    # The larger of the two first: the difference that gives the smaller one would cancel.
    large = jnp.sqrt((jnp.abs(balance) + jnp.hypot(balance, 2 * strengths)) / 2)
    little = jnp.where(large > 0, strengths / jnp.where(large > 0, large, 1), 0)
    of_first, of_last = jnp.where(balance > 0, little, large), jnp.where(balance > 0, large, little)
    first = (rotation[:, :num_first] * of_first[:num_first]) @ right[:, :num_first].T
    last = (left[:, :num_last] * of_last[:num_last]) @ rotation[:, :num_last].T
    return first, last


def _zero(weights: tuple[Float[Array, "_ _"], ...]) -> list[Float[Array, "_ _"]]:
    depth = len(weights)
    left, strengths, right_t = jnp.linalg.svd(chain(weights), full_matrices=False)
    rank = min(strengths.shape[0], *(weight.shape[0] for weight in weights))
    each = strengths[:rank] ** (1 / depth)
    bases = [right_t[:rank].T]
    image = bases[0]
    for weight in weights[:-1]:
        image = _rotation(weight @ image)[:, :rank]
        bases.append(image)
    bases.append(left[:, :rank])
    return [(after * each) @ before.T for before, after in zip(bases[:-1], bases[1:], strict=True)]


def _rotation(image: Float[Array, "hidden rank"]) -> Float[Array, "hidden hidden"]:
    """An orthogonal matrix whose first columns are as near as possible to those given."""
    outer, _, inner_t = jnp.linalg.svd(image, full_matrices=True)
    rank = image.shape[1]
    return outer.at[:, :rank].set(outer[:, :rank] @ inner_t)


def _possible(balance: Any, hidden: int, num_in: int, num_out: int) -> Any:
    """The balance itself, if two weights of these sizes can have it."""
    message = (
        f"A positive balance needs no more hidden units than outputs, a negative one no more than inputs; here are "
        f"{hidden} hidden "
        f"units, {num_in} inputs and {num_out} outputs. Use a narrower hidden layer, the other sign or "
        f"`zero_balanced()`."
    )
    if hidden <= min(num_in, num_out):
        return balance
    impossible = ((balance > 0) & (hidden > num_out)) | ((balance < 0) & (hidden > num_in))
    if isinstance(balance, jax.core.Tracer):
        return eqx.error_if(balance, impossible, message)
    if bool(impossible):
        raise ValueError(message)
    return balance
