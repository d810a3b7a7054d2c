"""Lyapunov exponents of flows, delay flows, maps and recurrent networks, with their standard errors."""

import functools as ft
from typing import Any

import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from .._cite import cite
from ..nn import AbstractRecurrent
from ..systems import DelayFlow, Flow, IteratedMap
from ._kaplan_yorke import kaplan_yorke_dimension
from ._lyapunov_step import stable_step
from ._tangent_steps import AbstractSteps, DelaySteps, FlowSteps, MapSteps, recurrent_step

#: Steps between two orthogonalisations of the tangent vectors.
_STEPS = 4
#: The time of each trajectory is cut in so many blocks, whose means show how the exponents vary.
_BLOCKS = 16


class LyapunovSpectrum(eqx.Module):
    """Lyapunov exponents with their uncertainty.

    Args:
        exponents: the exponents, descending, per unit of the system's time (per iteration for maps).
        standard_errors: their standard errors, from trajectories and from blocks of time.
        samples: the means over the blocks of time of each trajectory.
        time: the time over which the exponents were averaged, all trajectories together.
        step: the time step of a flow (of a delay flow: the delay over the number of steps; of a map: 1).
        num_failed: how many trajectories were left out because they left every bound.
        exact: whether the tangent flow is that of the system; false where its right-hand side jumps.
    """

    exponents: Float[Array, " exponent"]
    standard_errors: Float[Array, " exponent"]
    samples: Float[Array, "trajectory block exponent"]
    time: float
    step: float
    num_failed: Int[Array, ""]
    exact: bool = eqx.field(static=True)

    @property
    def kaplan_yorke_dimension(self) -> Float[Array, ""]:
        """The Kaplan-Yorke dimension; exponents within two standard errors of zero count as zero."""
        return kaplan_yorke_dimension(self.exponents, zero=2 * self.standard_errors)


@cite("benettin1980lyapunov")
def lyapunov_spectrum(
    system: Any,
    *,
    num_exponents: int | None = None,
    time: float | None = None,
    transient: float | None = None,
    step: float | None = None,
    trajectories: int = 32,
    steps_per_delay: int = 64,
    initial: Float[Array, "*axes state"] | None = None,
    inputs: Float[Array, " in"] | None = None,
    spread: float | None = None,
) -> LyapunovSpectrum:
    r"""The Lyapunov exponents of a system or a model, by its tangent flow.

    Tangent vectors are carried along by forward-mode derivatives of the very steps that move the state, and are made
    orthogonal after every few of them: $D\Phi(x_n) Q_n = Q_{n+1} R_{n+1}$, $\lambda_i = \langle \log R_{ii} \rangle /
    \Delta t$. Flows are stepped by the fourth-order Runge-Kutta method with a fixed step, delay flows by the method of
    steps over one delay at a time. Several trajectories, which start close to each other and are apart after the
    transient, run as one program. The standard error is that of the means over trajectories or that of the means over
    blocks of time, whichever is larger.

    Args:
        system: a system of `linnet.systems`, a recurrent network, or a function from a state to the next.
        num_exponents: how many of the largest exponents; by default all, of a delay flow four.
        time: the time of each trajectory, by default 500 periods (of a delay flow 500 delays, of a map 10,000
            iterations).
        transient: the time to leave out first, by default a tenth of it.
        step: the time step of a flow; by default one that its Jacobian's eigenvalues along the orbit ask for.
        trajectories: how many trajectories; fewer than eight have their standard error from blocks of time alone.
        steps_per_delay: how many steps divide the delay.
        initial: the initial state, or one for each trajectory; needed for a function.
        inputs: the constant input of a recurrent network, by default zero where the network tells its size.
        spread: how far apart the trajectories start, relative to the initial state; by default a millionth, of a
            recurrent network (which may start at 0) a hundredth, of 1 where the state is smaller. More than that may
            start them on different attractors.

    Returns:
        The spectrum. Where the right-hand side jumps, the derivative misses what happens to a tangent vector at the
        jump: `exact` is false, and the exponents are those of the smooth pieces.

    Raises:
        ValueError: if an argument is not what it must be, or every trajectory left every bound.

    ```python
    lorenz = ln.systems.get("Lorenz")
    ln.analyse.lyapunov_spectrum(lorenz).exponents  # about 0.906, 0, -14.57
    ```
    """
    if trajectories < 1:
        raise ValueError(f"Lyapunov exponents need at least one trajectory, got trajectories={trajectories}.")
    steps, start, period, exact = _prepare(system, initial, inputs, step, steps_per_delay)
    network = isinstance(system, AbstractRecurrent)
    spread = (1e-2 if network else 1e-6) if spread is None else spread
    starts = start if start.ndim == 2 else _spread(start, trajectories, spread, 1.0 if network else 0.0)
    size = starts.shape[-1]
    num = (4 if isinstance(system, DelayFlow) else size) if num_exponents is None else num_exponents
    if not 1 <= num <= size:
        raise ValueError(f"This system has {size} exponents, got num_exponents={num}.")
    length = period if time is None else float(time)
    before = length / 10 if transient is None else float(transient)
    duration = float(steps.duration)
    if not (np.isfinite(length) and length > 0 and before >= 0):
        raise ValueError(f"`time` must be positive and `transient` not negative, got {length} and {before}.")
    rounds = max(1, round(length / duration / _BLOCKS))
    samples = _run(steps, starts, jnp.asarray(max(0, round(before / duration))), jnp.asarray(rounds), num)
    finite = jnp.all(jnp.isfinite(samples), axis=(1, 2))
    if not bool(jnp.any(finite)):
        raise ValueError(
            "Every trajectory left every bound before its exponents were known; start on the attractor (`initial`), or"
            f" use a smaller `step` than {float(duration / _STEPS):.3g}."
        )
    exponents, errors = _summary(np.asarray(samples)[np.asarray(finite)])
    order = np.argsort(-exponents)
    dtype = starts.dtype
    return LyapunovSpectrum(
        exponents=jnp.asarray(exponents[order], dtype),
        standard_errors=jnp.asarray(errors[order], dtype),
        samples=samples[:, :, order],
        time=duration * rounds * _BLOCKS * int(finite.sum()),
        step=duration / getattr(steps, "num", steps_per_delay),
        num_failed=jnp.sum(~finite),
        exact=exact,
    )


def _prepare(
    system: Any, initial: Any, inputs: Any, step: float | None, steps_per_delay: int
) -> tuple[AbstractSteps, Array, float, bool]:
    """How the system moves, where it starts, the time of a trajectory, and whether its tangent flow is exact."""
    if isinstance(system, Flow):
        start = system.initial if initial is None else jnp.asarray(initial, system.initial.dtype)
        h = stable_step(system, start) if step is None else step
        steps = FlowSteps(system, jnp.asarray(h, start.dtype), _STEPS)
        return steps, start, 500 * system.period, "discontinuous" not in system.flags
    if isinstance(system, DelayFlow):
        start = system.initial if initial is None else jnp.asarray(initial, system.initial.dtype)
        values = jnp.repeat(start[..., None, :], steps_per_delay + 1, axis=-2)
        history = jnp.stack([values, jnp.zeros_like(values)], axis=-3)
        flat = history.reshape((*start.shape[:-1], -1))
        return DelaySteps(system), flat, 500 * float(system.delay), "discontinuous" not in system.flags
    if isinstance(system, IteratedMap):
        start = system.initial if initial is None else jnp.asarray(initial, system.initial.dtype)
        return MapSteps(system, 1), start, 10_000.0, "discontinuous" not in system.flags
    if isinstance(system, AbstractRecurrent):
        step_of = recurrent_step(system, inputs)
        zero = jax.flatten_util.ravel_pytree(system.init_state())[0]
        start = zero if initial is None else jnp.asarray(initial, zero.dtype)
        return MapSteps(step_of, 1), start, 10_000.0, True
    if callable(system):
        if initial is None:
            raise ValueError("The exponents of a function need a state to start from; give it as `initial`.")
        start = jnp.asarray(initial)
        start = start if jnp.issubdtype(start.dtype, jnp.floating) else start.astype(jnp.result_type(float))
        return MapSteps(system, 1), start, 10_000.0, True
    raise ValueError(
        "Lyapunov exponents are those of a system of `linnet.systems`, a recurrent network or a function from a state"
        f" to the next, got {type(system).__name__}."
    )


def _spread(start: Float[Array, " state"], num: int, spread: float, least: float) -> Float[Array, "trajectory state"]:
    """Starts around one, a fraction of its size away: near enough for the same attractor, and the same energy."""
    # Multiples of irrational numbers modulo one fill the cube evenly; nothing here is random.
    size = start.shape[-1]
    ratios = np.modf(np.sqrt(np.arange(2.0, size + 2)) * 1.618033988749895)[0]
    offsets = np.modf(np.arange(num)[:, None] * ratios)[0]
    scale = jnp.maximum(jnp.maximum(jnp.abs(start), 1e-3 * jnp.max(jnp.abs(start)) + 1e-12), least)
    return start + spread * scale * jnp.asarray(offsets, start.dtype)


def _summary(samples: Any) -> tuple[Any, Any]:
    """Means and standard errors: the larger one of what trajectories say and of what blocks of time say.

    Trajectories on one limit cycle stay together and agree too well; only blocks show what their average has not yet
    settled. Where there are few of them, trajectories say nothing.
    """
    ways = [samples.mean(axis=0)] + ([samples.mean(axis=1)] if len(samples) >= 8 else [])
    errors = [means.std(axis=0, ddof=1) / np.sqrt(len(means)) for means in ways]
    return samples.mean(axis=(0, 1)), np.max(errors, axis=0)


@eqx.filter_jit
def _run(steps, starts, before, rounds, num):
    """The mean growth of tangent vectors in each block of each trajectory."""
    duration = steps.duration.astype(starts.dtype)

    def one(start):
        def body(_, carry):
            t, x, frame, growth = carry
            moved, tangent = jax.linearize(ft.partial(steps, t), x)
            frame, sizes = _orthogonal(jax.vmap(tangent)(frame))
            return t + duration, moved, frame, growth + jnp.log(sizes)

        def block(carry, _):
            t, x, frame = carry
            *rest, growth = jax.lax.fori_loop(0, rounds, body, (t, x, frame, jnp.zeros(num, start.dtype)))
            return tuple(rest), growth / (rounds * duration)

        frame = jnp.eye(num, start.shape[0], dtype=start.dtype)
        first = (jnp.zeros((), start.dtype), start, frame, jnp.zeros(num, start.dtype))
        carry = jax.lax.fori_loop(0, before, body, first)[:3]
        return jax.lax.scan(block, carry, length=_BLOCKS)[1]

    return jax.vmap(one)(starts)


def _orthogonal(frame: Float[Array, "vector state"]) -> tuple[Float[Array, "vector state"], Float[Array, " vector"]]:
    """Orthonormal rows that span the same flag of subspaces, and what each row was longer than its new direction."""
    num = frame.shape[0]
    if num > 6:
        q, r = jnp.linalg.qr(frame.T)
        return q.T, jnp.abs(jnp.diagonal(r))
    rows, sizes = [], []
    for row in frame:
        # A few rows are orthogonalised one after the other: this fuses with the step, a call of LAPACK would not.
        for other in rows:
            row = row - jnp.dot(other, row) * other
        size = jnp.sqrt(jnp.sum(row**2))
        rows.append(row / size)
        sizes.append(size)
    return jnp.stack(rows), jnp.stack(sizes)
