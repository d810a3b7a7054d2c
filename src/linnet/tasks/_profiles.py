"""How strongly each mode of a sequence task weighs each step: the task dynamics."""

import abc

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

Strengths = Float[Array, " mode"]
Index = Int[np.ndarray, "..."]


class AbstractProfile(eqx.Module):
    r"""The importance $S_{t,i}$ of input $i$ for the target at step $t$.

    It is a small matrix over modes, diagonal but for rotations. Steps count from 1, as in the papers. A profile knows
    its form for sequences of any length.
    """

    @abc.abstractmethod
    def at(self, step: Index, length: Index | int) -> Array:
        """The importance of input `step` for the target of a sequence that ends at step `length`, `"... mode mode"`."""

    def last(self, num_steps: int) -> Float[Array, "step mode mode"]:
        """The importances of all steps for a target at the last one."""
        _check_steps(num_steps)
        return self.at(np.arange(1, num_steps + 1), num_steps)

    def every(self, num_steps: int) -> Float[Array, "step step mode mode"]:
        """The importances for targets at every step: first the target's step, then the input's; 0 for later inputs."""
        _check_steps(num_steps)
        index = np.arange(1, num_steps + 1)
        target, step = index[:, None], index[None, :]
        values = self.at(np.minimum(step, target), np.broadcast_to(target, (num_steps,) * 2))
        return jnp.where((step <= target)[..., None, None], values, 0)


class Constant(AbstractProfile):
    r"""$s_i = \delta$: a sum over time. A linear recurrent network learns it with $b = 1$.

    Args:
        strengths: $\delta$ of each mode.
    """

    strengths: Strengths = eqx.field(converter=jnp.atleast_1d)

    def at(self, step: Index, length: Index | int) -> Array:
        return _diagonal(jnp.broadcast_to(self.strengths, step.shape + self.strengths.shape))


class Exponential(AbstractProfile):
    r"""$s_i = \delta \lambda^i$, counted from the sequence's beginning.

    Learned with $b = 1 / \lambda$ and $ac = \delta \lambda^T$: it depends on the length $T$, so that no network
    extrapolates.

    Args:
        strengths: $\delta$ of each mode.
        rates: $\lambda$ of each mode.
    """

    strengths: Strengths = eqx.field(converter=jnp.atleast_1d)
    rates: Strengths = eqx.field(converter=jnp.atleast_1d)

    def at(self, step: Index, length: Index | int) -> Array:
        return _diagonal(self.strengths * self.rates ** jnp.asarray(step)[..., None])


class InverseExponential(AbstractProfile):
    r"""$s_i = \delta \lambda^{T - i}$, counted from the sequence's end.

    This is what a linear recurrent teacher makes, learned with $b = \lambda$ and $ac = \delta$.

    Args:
        strengths: $\delta$ of each mode.
        rates: $\lambda$ of each mode; below 1 late inputs matter more, above 1 early ones (and the learned network is
            unstable).
    """

    strengths: Strengths = eqx.field(converter=jnp.atleast_1d)
    rates: Strengths = eqx.field(converter=jnp.atleast_1d)

    def at(self, step: Index, length: Index | int) -> Array:
        return _diagonal(self.strengths * self.rates ** jnp.asarray(length - step)[..., None])


class Dirac(AbstractProfile):
    r"""$s_1 = \beta$, $s_T = \kappa$ and nothing between: remember the first input, and see the last.

    Args:
        first: $\beta$ of each mode.
        final: $\kappa$ of each mode; of a single step, where both are one, this counts.
    """

    first: Strengths = eqx.field(converter=jnp.atleast_1d)
    final: Strengths = eqx.field(converter=jnp.atleast_1d)

    def at(self, step: Index, length: Index | int) -> Array:
        begin = jnp.where(np.asarray(step == 1)[..., None], self.first, 0)
        return _diagonal(jnp.where(np.asarray(step == length)[..., None], self.final, begin))


class Rotational(AbstractProfile):
    r"""Pairs of modes that rotate.

    The blocks are $\delta R^{T - i} \begin{pmatrix} \cos\theta & -\sin\theta \\ \sin\theta & \cos\theta \end{pmatrix}$
    with $\theta = (T - i)\,\phi$.

    The learned recurrence has the complex pair of eigenvalues $R e^{\pm i\phi}$: a spiral into rest for $R < 1$, a
    cycle for $R = 1$.

    Args:
        strengths: $\delta$ of each pair.
        radii: $R$ of each pair.
        angles: $\phi$ of each pair.
    """

    strengths: Float[Array, " pair"] = eqx.field(converter=jnp.atleast_1d)
    radii: Float[Array, " pair"] = eqx.field(converter=jnp.atleast_1d)
    angles: Float[Array, " pair"] = eqx.field(converter=jnp.atleast_1d)

    def at(self, step: Index, length: Index | int) -> Array:
        lag = jnp.asarray(length - step)[..., None]
        size = self.strengths * self.radii**lag
        cosine, sine = size * jnp.cos(self.angles * lag), size * jnp.sin(self.angles * lag)
        rows = jnp.stack([jnp.stack([cosine, -sine], -1), jnp.stack([sine, cosine], -1)], -2)
        pairs = self.strengths.shape[0]
        blocks = jnp.einsum("...pij,pq->...piqj", rows, jnp.eye(pairs, dtype=rows.dtype))
        return blocks.reshape(*blocks.shape[:-4], 2 * pairs, 2 * pairs)


class Steps(AbstractProfile):
    """Any importances: an array over steps, of the modes or of matrices over modes.

    At another length than its own, and for targets at every step, it is read from the end (by lag), as a recurrent
    network would; it says nothing about lags beyond its own.

    Args:
        values: `"step mode"` or `"step mode mode"`.
    """

    values: Float[Array, "step ..."] = eqx.field(converter=jnp.asarray)

    def __check_init__(self) -> None:
        shape = self.values.shape
        if self.values.ndim not in (2, 3) or (self.values.ndim == 3 and shape[1] != shape[2]):
            raise ValueError(f"Steps needs values of shape (step, mode) or (step, mode, mode), got {shape}.")

    def at(self, step: Index, length: Index | int) -> Array:
        own = self.values.shape[0]
        if int(np.max(length)) > own:
            raise ValueError(
                f"These importances are for {own} steps and say nothing about sequences of {int(np.max(length))}. "
                "Use a profile with a form (Constant, InverseExponential, ...) to extrapolate."
            )
        values = self.values[own - 1 - (length - step)]
        return values if self.values.ndim == 3 else _diagonal(values)


class WithFinal(AbstractProfile):
    r"""Another profile with the importance of the last step replaced by $\kappa$.

    These are the tasks of the transition between recurrent and feedforward solutions.

    Args:
        profile: the profile of all other steps.
        final: $\kappa$ of each mode.
    """

    profile: AbstractProfile
    final: Strengths = eqx.field(converter=jnp.atleast_1d)

    def at(self, step: Index, length: Index | int) -> Array:
        values = self.profile.at(step, length)
        replace = np.asarray(step == length)[..., None, None]
        return jnp.where(replace, jnp.diag(jnp.broadcast_to(self.final, values.shape[-1:])), values)


def _diagonal(values: Float[Array, "... mode"]) -> Float[Array, "... mode mode"]:
    return values[..., None] * jnp.eye(values.shape[-1], dtype=values.dtype)


def _check_steps(num_steps: int) -> None:
    if num_steps < 1:
        raise ValueError(f"A sequence needs at least 1 step, got {num_steps}.")
