"""Recurrent networks that are affine in every one of finitely many regions of their states."""

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Bool, Float

from .._types import PRNGKey
from ._network import AbstractRecurrent
from ._random import gaussian, glorot_gaussian


class AbstractPiecewiseLinear(AbstractRecurrent):
    r"""$z_t = A_\Omega z_{t-1} + c_\Omega + C s_t$, where $\Omega$ is the region in which $z_{t-1}$ lies.

    The output of a step is the new state; what is observed of it says an observation model. Fixed points, cycles and
    symbolic codes of these networks can be had exactly, region by region.
    """

    bias: eqx.AbstractVar[Float[Array, " state"]]
    input_weights: eqx.AbstractVar[Float[Array, "state in"] | None]

    @property
    @abc.abstractmethod
    def num_switches(self) -> int:
        """How many boundaries there are."""

    @abc.abstractmethod
    def advance(self, state: Float[Array, " state"]) -> Float[Array, " state"]:
        """The next state for no external input."""

    @abc.abstractmethod
    def region(self, state: Float[Array, " state"]) -> Bool[Array, " switch"]:
        """On which side of each boundary a state lies."""

    @abc.abstractmethod
    def affine(self, region: Bool[Array, " switch"]) -> tuple[Float[Array, "state state"], Float[Array, " state"]]:
        """Matrix and offset of the map within a region, for no external input."""

    @property
    def state_size(self) -> int:
        """The number of latent units."""
        return self.bias.shape[0]

    @property
    def in_size(self) -> int:
        """The number of external inputs, 0 where there are none."""
        return 0 if self.input_weights is None else self.input_weights.shape[1]

    def jacobian(self, state: Float[Array, " state"]) -> Float[Array, "state state"]:
        """The Jacobian of a step by the state, from the region's formula."""
        return self.affine(self.region(state))[0]

    def init_state(self) -> Float[Array, " state"]:
        return jnp.zeros_like(self.bias)

    def step(
        self, state: Float[Array, " state"], x: Float[Array, " in"]
    ) -> tuple[Float[Array, " state"], Float[Array, " state"]]:
        state = self.advance(state)
        state = state if self.input_weights is None else state + self.input_weights @ x
        return state, state

    @eqx.filter_jit
    def __call__(self, xs: Float[Array, "step in"], state: Any = None) -> tuple[Float[Array, "step state"], Any]:
        drives = None if self.input_weights is None else xs @ self.input_weights.T

        def one(state: Array, drive: Array | None) -> tuple[Array, Array]:
            state = self.advance(state)
            state = state if drive is None else state + drive
            return state, state

        start = self.init_state() if state is None else state
        final, states = jax.lax.scan(one, start, drives, length=xs.shape[0])
        return states, final


def check_size(name: str, what: str, size: int, least: int = 1) -> None:
    """Refuses a size that is no whole number or too small.

    Raises:
        ValueError: that says which size it is, what it must be and what was got.
    """
    if isinstance(size, bool) or not isinstance(size, int) or size < least:
        raise ValueError(f"{name} needs {what} to be a whole number of at least {least}, got {size!r}.")


def external_weights(key: PRNGKey, state_size: int, in_size: int, dtype: Any) -> Float[Array, "state in"] | None:
    """The weights of external inputs, from Glorot's Gaussian; `None` where there are none."""
    return glorot_gaussian(key, (state_size, in_size), dtype, 1.0) if in_size else None


def normalized_positive_definite(key: PRNGKey, size: int, dtype: Any) -> Float[Array, "state state"]:
    r"""$(R^\top R / M + 1) / \lambda_{\max}$ with Gaussian $R$: positive definite, its largest eigenvalue 1."""
    drawn = gaussian(key, (size, size), dtype, 1.0)
    matrix = drawn.T @ drawn / size + jnp.eye(size, dtype=dtype)
    return matrix / jnp.linalg.eigvalsh(matrix)[-1]


def diagonal_and_rest(
    key: PRNGKey, size: int, dtype: Any
) -> tuple[Float[Array, " state"], Float[Array, "state state"]]:
    """The diagonal of a `normalized_positive_definite` matrix, and that matrix without it."""
    matrix = normalized_positive_definite(key, size, dtype)
    return jnp.diagonal(matrix), without_diagonal(matrix)


def without_diagonal(matrix: Float[Array, "state state"]) -> Float[Array, "state state"]:
    """A matrix with zeros on its diagonal; nothing is learned there."""
    return matrix * (1 - jnp.eye(matrix.shape[0], dtype=matrix.dtype))


def uniform_fan_in(key: PRNGKey, shape: tuple[int, ...], dtype: Any) -> Float[Array, "..."]:
    r"""Uniform entries between $\pm 1 / \sqrt{n}$, where $n$ is the last axis."""
    bound = shape[-1] ** -0.5
    return jr.uniform(key, shape, dtype, -bound, bound)
