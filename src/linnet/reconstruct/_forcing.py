"""Teacher forcing: how much of a network's state the data replace, and when."""

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.tree_util as jtu
from jaxtyping import Array, Float, Int

from .._cite import cite
from ..nn import AbstractObservation, AbstractRecurrent, IdentityObservation, ObservedPart
from ._unroll import forced_orbits, input_size, latent_size


class AbstractForcing(eqx.Module):
    r"""Draws the states of a network to those that the data say, $\tilde z_t = (1 - \alpha_t) z_t + \alpha_t z^*_t$.

    The forcing signal $z^*_t$ is the observation model's inverse of $x_t$; units that it says nothing about are left
    alone. Forcing is for training; a network that is used runs freely. A call wraps any recurrent network, also one
    made of a cell by `linnet.nn.adapt`.
    """

    @abc.abstractmethod
    def strengths(self, num_steps: int, memory: Any) -> Float[Array, " step"]:
        r"""$\alpha_1, \dots, \alpha_T$.

        Args:
            num_steps: $T$.
            memory: what `init` and `adapt` returned.
        """

    def applies(self, observation: AbstractObservation) -> str | None:
        """`None`, or why this forcing does not go with an observation model."""
        return None

    def init(self) -> Float[Array, ""]:
        """What is remembered between training steps: the strength, where it changes."""
        return jnp.zeros(())

    def adapt(
        self,
        network: AbstractRecurrent,
        states: Float[Array, "step batch state"],
        inputs: Float[Array, "step batch in"],
        memory: Float[Array, ""],
    ) -> Float[Array, ""]:
        """What to remember after having seen the forced states of a batch."""
        return memory

    @property
    def every(self) -> int:
        """How many training steps lie between two calls of `adapt`; 0 for never."""
        return 0

    def __call__(
        self,
        network: AbstractRecurrent,
        xs: Float[Array, "time out"],
        *,
        observation: AbstractObservation,
        inputs: Float[Array, "step in"] | None = None,
        memory: Any = None,
    ) -> Float[Array, "step state"]:
        """The states of a network that is forced by a series, one for each observation but the first.

        Args:
            network: any recurrent network.
            xs: what was observed; the orbit starts where the first observation says.
            observation: what is observed of the vector of all states.
            inputs: the external inputs of the steps; by default zero.
            memory: what `init` or `adapt` returned; by default `init()`.

        Returns:
            The predicted states, before they are forced. Their gradient reaches the network and the start.
        """
        check_forcing(self, network, observation)
        num = xs.shape[0] - 1
        signals = jax.lax.stop_gradient(jax.vmap(observation.invert)(xs[1:]))
        memory = self.init() if memory is None else memory
        strengths = self.strengths(num, memory)[:, None] * observation.known()
        given = jnp.zeros((num, input_size(network)), xs.dtype) if inputs is None else inputs
        start = observation.start(xs[0])
        dtype = start.dtype
        orbit, _ = forced_orbits(network, start[None], signals[:, None], strengths.astype(dtype), given[:, None])
        return orbit[:, 0]


@cite("mikhaeil2022difficulty")
class SparseTeacherForcing(AbstractForcing):
    r"""The state is replaced by the forcing signal after every $\tau$ steps, and runs freely between.

    Args:
        interval: $\tau$, best the predictability time of the data; see `predictability_time`. An array has one for each
            seed.

    Raises:
        ValueError: if the interval is less than 1.
    """

    interval: Int[Array, "*seed"]

    def __init__(self, interval: Any) -> None:
        self.interval = _interval("SparseTeacherForcing", interval)

    def strengths(self, num_steps: int, memory: Any) -> Float[Array, " step"]:
        return _every(self.interval, num_steps)


@cite("brenner2022tractable")
class IdentityTeacherForcing(AbstractForcing):
    r"""The units that are seen by an `IdentityObservation` are replaced by what was seen, after every $\tau$ steps.

    The other units are never touched. With an `IdentityObservation` this is also what `SparseTeacherForcing` does; with
    another observation model, which says something about every unit, it is refused.

    Args:
        interval: $\tau$; 1 is plain teacher forcing. An array has one for each seed.

    Raises:
        ValueError: if the interval is less than 1.
    """

    interval: Int[Array, "*seed"]

    def __init__(self, interval: Any = 1) -> None:
        self.interval = _interval("IdentityTeacherForcing", interval)

    def applies(self, observation: AbstractObservation) -> str | None:
        seen = observation.observation if isinstance(observation, ObservedPart) else observation
        if isinstance(seen, IdentityObservation):
            return None
        return (
            "IdentityTeacherForcing replaces the units that are seen as they are, which needs an IdentityObservation,"
            f" got a {type(seen).__name__}; use SparseTeacherForcing."
        )

    def strengths(self, num_steps: int, memory: Any) -> Float[Array, " step"]:
        return _every(self.interval, num_steps)


@cite("hess2023generalized", "doya1992bifurcations")
class GeneralizedTeacherForcing(AbstractForcing):
    r"""At every step the state is drawn to the forcing signal by the fraction $\alpha$.

    Gradients over $T$ steps are products of $(1 - \alpha) J_t$ and stay bounded where
    $\alpha \ge 1 - 1 / \tilde\sigma_{\max}$, with the largest singular value of the Jacobians.

    Args:
        strength: $\alpha$, between 0 (none) and 1 (plain teacher forcing). An array has one for each seed.

    Raises:
        ValueError: if the strength is not between 0 and 1.
    """

    strength: Float[Array, "*seed"]

    def __init__(self, strength: Any) -> None:
        found = jnp.asarray(strength, jnp.result_type(float))
        if not isinstance(found, jax.core.Tracer) and not bool(jnp.all((found >= 0) & (found <= 1))):
            raise ValueError(f"The strength of GeneralizedTeacherForcing lies between 0 and 1, got {strength}.")
        self.strength = found

    def strengths(self, num_steps: int, memory: Any) -> Float[Array, " step"]:
        return jnp.broadcast_to(self.strength, (num_steps,))


def check_forcing(forcing: AbstractForcing, network: AbstractRecurrent, observation: AbstractObservation) -> None:
    """Refuses what does not fit together.

    Raises:
        ValueError: that says what was needed, what was got and what to do.
    """
    size = latent_size(network)
    if observation.state_size != size:
        parts = [leaf.size for leaf in jtu.tree_leaves(jax.eval_shape(network.init_state))]
        hint = f"; wrap it: linnet.nn.ObservedPart(observation, network, part=...) of {parts}" if len(parts) > 1 else ""
        raise ValueError(
            f"The state of this {type(network).__name__} has {size} numbers, but the observation model is one of"
            f" {observation.state_size} units{hint}."
        )
    reason = forcing.applies(observation)
    if reason is not None:
        raise ValueError(reason)


def _interval(name: str, interval: Any) -> Int[Array, "*seed"]:
    found = jnp.asarray(interval)
    whole = jnp.issubdtype(found.dtype, jnp.integer)
    if not whole or (not isinstance(found, jax.core.Tracer) and bool(jnp.any(found < 1))):
        raise ValueError(f"The interval of {name} is a whole number of steps, 1 or more, got {interval}.")
    return found.astype(jnp.int32)


def _every(interval: Array, num_steps: int) -> Float[Array, " step"]:
    return (jnp.arange(1, num_steps + 1) % interval == 0).astype(jnp.result_type(float))
