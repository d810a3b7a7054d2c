"""Recurrences in which sums are maxima: running maxima and normalisers."""

import dataclasses
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from ._transition import AbstractTransition


class AbstractLogSpace(AbstractTransition):
    """A recurrence whose products are sums, because states and decays are logarithms."""

    modes: ClassVar[tuple[str, ...]] = ("step", "scan", "associative", "chunk")
    reasons: ClassVar[dict[str, str]] = {"fft": "maxima and sums of exponentials have no Fourier transform"}
    log: eqx.AbstractVar[Float[Array, "..."]]

    def apply(self, state: Array) -> Array:
        return self.log.reshape(self.log.shape + (1,) * (state.ndim - self.log.ndim)) + state

    def compose(self, earlier: "AbstractLogSpace") -> "AbstractLogSpace":  # pyright: ignore[reportIncompatibleMethodOverride]
        return eqx.tree_at(lambda t: t.log, earlier, self.log + earlier.log)

    def forget(self, resets: Bool[Array, " step"]) -> AbstractTransition:
        log = self.log[None] if self.invariant else self.log
        log = jnp.where(resets.reshape(-1, *[1] * (log.ndim - 1)), -jnp.inf, log)
        return dataclasses.replace(self, log=log, invariant=False)

    def zero(self, shape: tuple[int, ...], dtype: Any) -> Array:
        return jnp.full(shape, -jnp.inf, dtype)


class MaxPlus(AbstractLogSpace):
    r"""$m_t = \max(a_t + m_{t-1}, b_t)$: the stabiliser of exponential gates and of running softmaxes.

    Args:
        log: $a_t$, `"step"` or `"step state"`; without the axis over steps where it is the same at all of them.
        invariant: $a$ is the same at all steps.
    """

    log: Float[Array, "..."]
    invariant: bool = eqx.field(static=True, default=False)

    def add(self, state: Array, drive: Array) -> Array:
        return jnp.maximum(state, drive)


class LogSumExp(AbstractLogSpace):
    r"""$z_t = \log(e^{a_t + z_{t-1}} + e^{b_t})$: the normaliser of a running softmax.

    Args:
        log: $a_t$, `"step"` or `"step state"`; without the axis over steps where it is the same at all of them.
        invariant: $a$ is the same at all steps.
    """

    log: Float[Array, "..."]
    invariant: bool = eqx.field(static=True, default=False)

    def add(self, state: Array, drive: Array) -> Array:
        # Nothing has come yet where the larger is -inf: then the difference would be NaN.
        larger, smaller = jnp.maximum(state, drive), jnp.minimum(state, drive)
        empty = jnp.isneginf(larger)
        difference = jnp.where(jnp.isneginf(smaller), -jnp.inf, smaller - jnp.where(empty, 0, larger))
        finite = jnp.isfinite(difference)
        return larger + jnp.where(finite, jnp.log1p(jnp.exp(jnp.where(finite, difference, 0))), 0)
