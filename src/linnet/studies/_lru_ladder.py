"""The rungs between a recurrent network with tanh and the linear recurrent unit, as networks of one shape each.

What differs between rungs is in arrays (integers, which do not learn), so that all rungs of a shape are members of one
compiled ensemble.
"""

from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Complex, Float, Int

from .. import nn, scan
from .._cite import cite
from .._types import PRNGKey

#: Rungs whose recurrent weights are a full matrix, and those whose recurrence is diagonal; each adds to the one before.
DENSE = ("tanh", "linear")
DIAGONAL = ("complex diagonal", "exponential", "stable", "ring", "normalised")


@cite("orvieto2023resurrecting")
class DenseUnit(nn.AbstractRecurrent):
    r"""$h_t = \phi(A h_{t-1} + B u_t)$, $y_t = C h_t + D \odot u_t$, with $\phi$ = tanh or nothing.

    Args:
        recurrent, read_in, read_out, skip: $A$, $B$, $C$, $D$.
        linear: whether $\phi$ is nothing.
    """

    recurrent: Float[Array, "state state"]
    read_in: Float[Array, "state in"]
    read_out: Float[Array, "in state"]
    skip: Float[Array, " in"]
    linear: Int[Array, ""]

    def init_state(self) -> Float[Array, " state"]:
        return jnp.zeros(self.recurrent.shape[0], self.recurrent.dtype)

    def step(self, state: Any, x: Float[Array, " in"]) -> tuple[Any, Float[Array, " in"]]:
        moved = self.recurrent @ state + self.read_in @ x
        state = jnp.where(self.linear, moved, jnp.tanh(moved))
        return state, self.read_out @ state + self.skip * x

    def __call__(self, xs: Float[Array, "step in"], state: Any = None) -> tuple[Float[Array, "step in"], Any]:
        return nn.run_steps(self, xs, state)


@cite("orvieto2023resurrecting")
class DiagonalUnit(nn.AbstractRecurrent):
    r"""$h_t = \lambda \odot h_{t-1} + g \odot B u_t$, $y_t = \mathrm{Re}(C h_t) + D \odot u_t$ with complex $\lambda$.

    Args:
        first, second: $p$ and $q$, of which $\lambda$ is made: $p + i q$ (kind 0), $e^{-p + i q}$ (1), or
            $\exp(-e^p + i e^q)$ (2), which is stable whatever is learned.
        gain_log: $\log g$, learned where `normalised`; otherwise $g = 1$.
        read_in, read_out, skip: $B$, $C$, $D$, complex ones as pairs.
        kind: of $\lambda$.
        normalised: whether there is $g$.
    """

    first: Float[Array, " state"]
    second: Float[Array, " state"]
    gain_log: Float[Array, " state"]
    read_in: Float[Array, "2 state in"]
    read_out: Float[Array, "2 in state"]
    skip: Float[Array, " in"]
    kind: Int[Array, ""]
    normalised: Int[Array, ""]

    def poles(self) -> Complex[Array, " state"]:
        r"""$\lambda$."""
        exponents = jnp.where(self.kind == 1, -self.first, -jnp.exp(self.first))
        angles = jnp.where(self.kind == 1, self.second, jnp.exp(self.second))
        turned = jnp.exp(jax.lax.complex(exponents, angles))
        return jnp.where(self.kind == 0, jax.lax.complex(self.first, self.second), turned)

    def init_state(self) -> Float[Array, "2 state"]:
        return jnp.zeros((2, *self.first.shape), self.first.dtype)

    def step(self, state: Any, x: Float[Array, " in"]) -> tuple[Any, Float[Array, " in"]]:
        ys, state = self(x[None], state)
        return state, ys[0]

    def __call__(self, xs: Float[Array, "step in"], state: Any = None) -> tuple[Float[Array, "step in"], Any]:
        start = self.init_state() if state is None else state
        read_in = jnp.exp(jnp.where(self.normalised, self.gain_log, 0))[:, None] * self.read_in
        drives = jax.lax.complex(xs @ read_in[0].T, xs @ read_in[1].T)
        states, last = scan.recur(
            scan.Diagonal(self.poles(), invariant=True), drives, jax.lax.complex(start[0], start[1])
        )
        ys = states.real @ self.read_out[0].T - states.imag @ self.read_out[1].T
        return ys + self.skip * xs, jnp.stack([last.real, last.imag])


def dense_unit(rung: Any, size: int, num_states: int, dtype: Any, key: PRNGKey) -> DenseUnit:
    """A dense rung by its number, Glorot-Gaussian weights: the spectral radius of the recurrent ones is about 1."""
    keys = jr.split(key, 4)
    return DenseUnit(
        jr.normal(keys[0], (num_states, num_states), dtype) / num_states**0.5,
        jr.normal(keys[1], (num_states, size), dtype) / size**0.5,
        jr.normal(keys[2], (size, num_states), dtype) / num_states**0.5,
        jr.normal(keys[3], (size,), dtype),
        jnp.asarray(rung, jnp.int32),
    )


def diagonal_unit(
    rung: Any, size: int, num_states: int, ring: tuple[float, float], max_phase: float, dtype: Any, key: PRNGKey
) -> DiagonalUnit:
    r"""A diagonal rung by its number.

    The poles of the first three are uniform on the unit disk, as are the eigenvalues of a dense Gaussian matrix; those
    of the last two uniform on a ring, with angles up to `max_phase`.
    """
    rung = jnp.asarray(rung, jnp.int32)
    keys = jr.split(key, 5)
    on_ring = rung >= 3
    low, high = (jnp.where(on_ring, edge, whole) for edge, whole in zip(ring, (0.0, 1.0), strict=True))
    area = jr.uniform(keys[0], (num_states,), dtype, 1e-6, 1 - 1e-6)
    modulus = jnp.sqrt(low**2 + area * (high**2 - low**2)).astype(dtype)
    angle = jr.uniform(keys[1], (num_states,), dtype, 1e-6, 1.0) * jnp.where(on_ring, max_phase, 2 * np.pi).astype(
        dtype
    )
    decay = -jnp.log(modulus)
    stable = rung >= 2
    exponents = jnp.where(stable, jnp.log(decay), decay), jnp.where(stable, jnp.log(angle), angle)
    first = jnp.where(rung == 0, modulus * jnp.cos(angle), exponents[0])
    second = jnp.where(rung == 0, modulus * jnp.sin(angle), exponents[1])
    return DiagonalUnit(
        first,
        second,
        0.5 * jnp.log(-jnp.expm1(-2 * decay)),
        jr.normal(keys[2], (2, num_states, size), dtype) / (2 * size) ** 0.5,
        jr.normal(keys[3], (2, size, num_states), dtype) / num_states**0.5,
        jr.normal(keys[4], (size,), dtype),
        jnp.minimum(rung, 2),
        (rung == 4).astype(jnp.int32),
    )
