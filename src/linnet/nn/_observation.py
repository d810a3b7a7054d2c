"""Observation models: what is seen of a latent state, and which state is meant by what was seen."""

import abc
from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from .._types import PRNGKey
from ._network import float_dtype
from ._piecewise_linear import check_size
from ._random import fan_in_gaussian, glorot_gaussian


class AbstractObservation(eqx.Module):
    """What is observed of a state: `observe`, its (pseudo-)inverse `invert`, and a `penalty` on bad inverses."""

    @property
    @abc.abstractmethod
    def out_size(self) -> int:
        """The number of observed quantities."""

    @property
    @abc.abstractmethod
    def state_size(self) -> int:
        """The number of latent units."""

    @abc.abstractmethod
    def observe(self, state: Float[Array, " state"]) -> Float[Array, " out"]:
        """What is seen of a state."""

    @abc.abstractmethod
    def invert(self, x: Float[Array, " out"]) -> Float[Array, " state"]:
        """The smallest state of which `x` (or what is nearest to it) is seen."""

    @abc.abstractmethod
    def known(self) -> Bool[Array, " state"]:
        """Which units `invert` says something about; the others it sets to 0."""

    @abc.abstractmethod
    def start(self, x: Float[Array, " out"]) -> Float[Array, " state"]:
        """A state to start from, where `x` is all that was seen."""

    @abc.abstractmethod
    def penalty(self) -> Float[Array, ""]:
        """How far the inverse is from a good one; 0 for one that amplifies no direction more than another."""


class IdentityObservation(AbstractObservation):
    r"""$x = (z_1, \dots, z_N)$: the first units are seen, the others are not.

    Where there are others, they start from $L x$ with weights $L$ that can be learned.

    Args:
        out_size: the number of observed quantities, $N$.
        state_size: the number of latent units, $M$; by default $N$.
        dtype: of $L$; by default JAX's.
        key: randomness of $L$, from Glorot's Gaussian; without, $L = 0$.

    Raises:
        ValueError: if there are more observed quantities than units.
    """

    start_weights: Float[Array, "hidden out"] | None
    num_seen: int = eqx.field(static=True)
    num_units: int = eqx.field(static=True)

    def __init__(
        self, out_size: int, state_size: int | None = None, *, dtype: Any = None, key: PRNGKey | None = None
    ) -> None:
        state_size = out_size if state_size is None else state_size
        check_size("IdentityObservation", "`out_size`", out_size)
        check_size("IdentityObservation", "`state_size`", state_size, out_size)
        self.num_seen, self.num_units = out_size, state_size
        shape, dtype = (state_size - out_size, out_size), float_dtype(dtype)
        if shape[0] == 0:
            self.start_weights = None
        else:
            self.start_weights = jnp.zeros(shape, dtype) if key is None else glorot_gaussian(key, shape, dtype, 1.0)

    @property
    def out_size(self) -> int:
        return self.num_seen

    @property
    def state_size(self) -> int:
        return self.num_units

    def observe(self, state: Float[Array, " state"]) -> Float[Array, " out"]:
        return state[: self.out_size]

    def invert(self, x: Float[Array, " out"]) -> Float[Array, " state"]:
        return jnp.pad(x, (0, self.state_size - self.out_size))

    def known(self) -> Bool[Array, " state"]:
        return jnp.arange(self.state_size) < self.out_size

    def start(self, x: Float[Array, " out"]) -> Float[Array, " state"]:
        return x if self.start_weights is None else jnp.concatenate([x, self.start_weights @ x])

    def penalty(self) -> Float[Array, ""]:
        return jnp.zeros(()) if self.start_weights is None else jnp.zeros((), self.start_weights.dtype)


class AffineObservation(AbstractObservation):
    r"""$x = B z + b$, inverted by the pseudo-inverse, $z = B^+ (x - b)$.

    The penalty is $(1 - s_{\max} / s_{\min})^2$ of the singular values of $B$: forcing signals are only as good as the
    inverse.

    Args:
        out_size: the number of observed quantities, $N$.
        state_size: the number of latent units, $M$.
        use_bias: whether there is a bias $b$; it begins at 0.
        weights: $B$, in the place of a random one.
        bias: $b$, in the place of zeros.
        dtype: of the parameters; by default JAX's.
        key: randomness of $B$, Gaussian of variance $2 / M$; not needed with `weights`.

    Raises:
        ValueError: if there is neither a key nor weights, or sizes do not fit.
    """

    weights: Float[Array, "out state"]
    bias: Float[Array, " out"] | None

    def __init__(
        self,
        out_size: int,
        state_size: int,
        *,
        use_bias: bool = False,
        weights: Any = None,
        bias: Any = None,
        dtype: Any = None,
        key: PRNGKey | None = None,
    ) -> None:
        check_size("AffineObservation", "`out_size`", out_size)
        check_size("AffineObservation", "`state_size`", state_size)
        shape, dtype = (out_size, state_size), float_dtype(dtype)
        if weights is None and key is None:
            raise ValueError(
                "The weights of AffineObservation are random: it needs a key, or the `weights` themselves."
            )
        if weights is not None and jnp.shape(weights) != shape:
            raise ValueError(f"The weights of this AffineObservation have the shape {shape}, got {jnp.shape(weights)}.")
        if bias is not None and jnp.shape(bias) != (out_size,):
            raise ValueError(f"The bias of this AffineObservation has the shape {(out_size,)}, got {jnp.shape(bias)}.")
        if weights is not None:
            self.weights = jnp.asarray(weights)
        elif key is not None:
            self.weights = fan_in_gaussian(key, shape, dtype, 2**0.5)
        given = None if bias is None else jnp.asarray(bias, self.weights.dtype)
        self.bias = jnp.zeros(out_size, self.weights.dtype) if use_bias and given is None else given

    @property
    def out_size(self) -> int:
        return self.weights.shape[0]

    @property
    def state_size(self) -> int:
        return self.weights.shape[1]

    def observe(self, state: Float[Array, " state"]) -> Float[Array, " out"]:
        seen = self.weights @ state
        return seen if self.bias is None else seen + self.bias

    def invert(self, x: Float[Array, " out"]) -> Float[Array, " state"]:
        return jnp.linalg.pinv(self.weights) @ (x if self.bias is None else x - self.bias)

    def known(self) -> Bool[Array, " state"]:
        return jnp.ones(self.state_size, bool)

    def start(self, x: Float[Array, " out"]) -> Float[Array, " state"]:
        return self.invert(x)

    def penalty(self) -> Float[Array, ""]:
        values = jnp.linalg.svd(self.weights, compute_uv=False)
        tiny = jnp.finfo(values.dtype).tiny ** 0.5
        return (1 - values[0] / (values[-1] + tiny)) ** 2
