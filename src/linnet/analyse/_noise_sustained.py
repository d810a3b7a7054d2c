"""Noise-sustained orbits: networks that rest without noise and go round with it."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Float

from .._cite import cite
from .._types import PRNGKey
from ..nn import AbstractRecurrent
from ._fixed_points import FixedPoints, fixed_points


class NoiseSustainedOrbits(eqx.Module):
    r"""How a network goes round at each strength of the noise.

    Args:
        strengths: of the noise; the first one is 0, the control.
        radius: the root mean square distance from the mean state.
        area_rate: the area that the state sweeps in each step in the plane of largest circulation, half the angular
            momentum: $\frac12 \langle u_t v_{t+1} - v_t u_{t+1} \rangle$; zero where detailed balance holds.
        area_error: its standard error, over trials.
        turns: how often the state goes round the mean in a step, in that plane.
        turns_error: its standard error.
        planes: orthonormal bases of the planes, `u` and `v`.
        rest: the fixed points to which the noise-free network goes from where the noise has left it.
    """

    strengths: Float[Array, " strength"]
    radius: Float[Array, " strength"]
    area_rate: Float[Array, " strength"]
    area_error: Float[Array, " strength"]
    turns: Float[Array, " strength"]
    turns_error: Float[Array, " strength"]
    planes: Float[Array, "strength 2 unit"]
    rest: FixedPoints

    @property
    def rests(self) -> bool:
        """Whether the network without noise goes to one stable fixed point, wherever noise has left it."""
        return self.rest.num == 1 and bool(self.rest.is_stable[0]) and self.rest.num_unconverged == 0

    @property
    def circulation(self) -> Float[Array, " strength"]:
        """The area swept in a step relative to the mean square distance; 0 at rest."""
        return jnp.where(self.radius > 0, self.area_rate / jnp.where(self.radius > 0, self.radius, 1.0) ** 2, 0.0)


@cite("torre2025mechanistic", "zia2007probability")
def noise_sustained_orbits(
    network: AbstractRecurrent,
    strengths: Sequence[float] | Float[Array, " strength"],
    *,
    inputs: Float[Array, " in"],
    key: PRNGKey,
    num_steps: int = 2_000,
    num_trials: int = 32,
    transient: int = 500,
) -> NoiseSustainedOrbits:
    r"""Whether noise makes a network go round that rests without it, and how fast.

    Inputs are $\bar x + \sigma \xi_t$ with white $\xi$. In equilibrium nothing goes round on average: the lagged
    covariance $C_1 = \langle z_{t+1} z_t^\top \rangle$ is symmetric. Its antisymmetric part is the probability current;
    the plane in which it is largest is found from some trials, and the area swept and the turns about the mean are
    measured in others, so that they are zero on average where nothing goes round. Torre et al. find such orbits in
    networks trained to emulate hidden Markov models. That such currents tell a steady state that is driven from one in
    equilibrium is Zia and Schmittmann's.

    Args:
        network: the network.
        strengths: $\sigma$; 0 is put before them where it is not there, as the control.
        inputs: $\bar x$, the mean input.
        key: of the noise.
        num_steps: of each trial.
        num_trials: how many trials measure, and how many find the plane.
        transient: how many steps come before.

    Returns:
        The measures at each strength, with standard errors, and where the network rests.

    Raises:
        ValueError: if an argument is not what it must be, or the activity leaves every bound.
    """
    sizes = [float(strength) for strength in strengths]
    if not sizes or not all(size >= 0 for size in sizes) or num_trials < 2 or num_steps < 2 or transient < 0:
        raise ValueError(
            "Noise-sustained orbits need strengths of at least 0, two trials and two steps, got"
            f" {sizes}, num_trials={num_trials} and num_steps={num_steps}."
        )
    sizes = sizes if sizes[0] == 0 else [0.0, *sizes]
    start = jax.flatten_util.ravel_pytree(network.init_state())[0]
    if start.size < 2:
        raise ValueError(f"Nothing goes round in a state of {start.size} number; a network of at least two is needed.")
    values, mean = jnp.asarray(sizes, start.dtype), jnp.asarray(inputs, start.dtype)
    found = _measure(network, mean, values, key, jnp.asarray(transient), num_trials, num_steps)
    radius, area, area_error, turns, turns_error, planes, left = found
    if not bool(jnp.all(jnp.isfinite(left))):
        raise ValueError(f"The activity leaves every bound under noise up to {max(sizes)}; take less of it.")
    rest = fixed_points(network, left.reshape(-1, start.size), inputs=inputs)
    return NoiseSustainedOrbits(values, radius, area, area_error, turns, turns_error, planes, rest)


@eqx.filter_jit
def _measure(network, mean, strengths, key, transient, num_trials, num_steps):
    like = network.init_state()
    start, unravel = jax.flatten_util.ravel_pytree(like)
    size = start.size

    def moved(carry: Any, strength: Array) -> Any:
        state, key = carry
        key, now = jr.split(key)
        x = mean + strength * jr.normal(now, mean.shape, start.dtype)
        return jax.flatten_util.ravel_pytree(network.step(unravel(state), x)[0])[0], key

    def settle(strength: Array, key: Array) -> Any:
        return jax.lax.fori_loop(0, transient, lambda _, carry: moved(carry, strength), (start, key))

    def moments(strength: Array, key: Array) -> Any:
        """Mean, mean square and lagged product about the first state, which keeps the digits."""
        first = settle(strength, key)

        def one(carry: Any, _: Any) -> Any:
            now, (total, product) = carry
            after = moved(now, strength)
            before, behind = now[0] - first[0], after[0] - first[0]
            return (after, (total + before, product + jnp.outer(behind, before))), None

        zeros = (jnp.zeros(size, start.dtype), jnp.zeros((size, size), start.dtype))
        (_, (total, product)), _ = jax.lax.scan(one, (first, zeros), length=num_steps)
        centre = total / num_steps
        return first[0] + centre, product / num_steps - jnp.outer(centre, centre)

    def orbit(strength: Array, key: Array, centre: Array, plane: Array) -> Any:
        def one(carry: Any, _: Any) -> Any:
            now, (area, angle, square) = carry
            after = moved(now, strength)
            (u, v), (w, z) = plane @ (now[0] - centre), plane @ (after[0] - centre)
            cross, dot = u * z - v * w, u * w + v * z
            sums = area + cross / 2, angle + jnp.arctan2(cross, dot), square + jnp.sum((now[0] - centre) ** 2)
            return (after, sums), None

        zero = jnp.zeros((), start.dtype)
        carry = (settle(strength, key), (zero, zero, zero))
        (last, (area, angle, square)), _ = jax.lax.scan(one, carry, length=num_steps)
        return area / num_steps, angle / (2 * jnp.pi * num_steps), square / num_steps, last[0]

    def level(strength: Array, keys: Array) -> Any:
        centres, lagged = jax.vmap(lambda key: moments(strength, key))(keys[0])
        centre, product = jnp.mean(centres, axis=0), jnp.mean(lagged, axis=0)
        # The rows of the plane are where the antisymmetric part has its largest singular value; u to v is forwards.
        _, _, rows = jnp.linalg.svd(product - product.T)
        plane = rows[:2]
        forwards = plane[1] @ (product - product.T) @ plane[0] >= 0
        plane = jnp.where(forwards, plane, plane[::-1])
        area, turns, square, last = jax.vmap(lambda key: orbit(strength, key, centre, plane))(keys[1])
        quiet = strength == 0
        error = lambda values: jnp.std(values, ddof=1) / num_trials**0.5  # noqa: E731
        angles = jnp.where(quiet & (jnp.mean(square) < 1e-10), 0.0, turns)  # angles of rounding errors are no turns
        return (
            jnp.sqrt(jnp.mean(square)), jnp.mean(area), error(area), jnp.mean(angles), error(angles), plane, last,
        )  # fmt: skip

    keys = jr.split(key, (strengths.size, 2, num_trials))
    return jax.vmap(level)(strengths, keys)
