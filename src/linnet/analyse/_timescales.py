"""Timescales of recurrent networks: of single units, of their activity in the network, of modes of the Jacobian."""

from typing import Any

import equinox as eqx
import jax
import jax.flatten_util
import jax.numpy as jnp
import jax.random as jr
import jax.tree_util as jtu
import numpy as np
from jaxtyping import Array, Complex, Float

from .._cite import cite
from .._types import PRNGKey
from ..nn import AbstractRecurrent
from ._autocorrelation import autocorrelation
from ._fit_autocorrelation import AutocorrelationFit, fit_autocorrelation
from ._tangent_steps import RecurrentStep


class Timescales(eqx.Module):
    r"""Timescales of each unit and of the modes of a network, in units of time.

    Args:
        single_neuron: what each unit has by itself, $\tau_i$.
        network_mediated: what the activity of each unit has in the network, from its autocorrelation under input noise;
            NaN for units that are constant.
        fit: the fits of autocorrelations behind these; `None` if all units are constant.
        correlations: the autocorrelations.
        rest: the state, without noise, at which the Jacobian is taken.
        eigenvalues: of the Jacobian there, of largest modulus first.
        modes: the timescale of each eigenvalue; negative for one that grows.
    """

    single_neuron: Float[Array, " unit"]
    network_mediated: Float[np.ndarray, " unit"]
    fit: AutocorrelationFit | None
    correlations: Float[Array, "unit lag"]
    rest: Float[Array, " unit"]
    eigenvalues: Complex[np.ndarray, " unit"]
    modes: Float[np.ndarray, " unit"]


@cite("khajehabdollahi2024emergent")
def timescales(
    network: AbstractRecurrent,
    *,
    inputs: Float[Array, " in"],
    key: PRNGKey,
    noise: float = 1.0,
    num_steps: int = 20_000,
    num_trials: int = 4,
    transient: int = 1_000,
    max_lag: int = 100,
    min_weight: float = 0.1,
    dt: float = 1.0,
) -> Timescales:
    r"""The timescales of a network's units and modes.

    The timescale of a unit by itself is its `unit_timescales` where the network has that property, such as $\tau_i$ in
    $h \leftarrow \phi((1 - 1/\tau) h + \dots / \tau)$; else that of the diagonal of its Jacobian, $-\Delta t / \log
    |J_{ii}|$. The timescale that the network gives it is the slow one of the exponentials fitted to the autocorrelation
    of its activity while the inputs are white noise (`fit_autocorrelation`). Where the second is much longer than the
    first, memory is in the connections. The paper's inputs are binary; here they are Gaussian. Units are the numbers of
    the state, of an LSTM the hidden ones and then the cells.

    Args:
        network: the network.
        inputs: the mean input.
        key: of the noise.
        noise: the standard deviation of the inputs; of the order of those of the task.
        num_steps: of each trial.
        num_trials: how many run side by side.
        transient: how many steps come before.
        max_lag: the largest lag of the autocorrelations, several times the longest timescale that is expected.
        min_weight: the weight that the slower of two exponentials must have to count; else the timescale is that of the
            fit by one.
        dt: the time of a step.

    Raises:
        ValueError: if an argument is not what it must be, or the activity leaves every bound.
    """
    if not (noise > 0 and dt > 0 and num_trials >= 1 and transient >= 0 and 5 <= max_lag < num_steps):
        raise ValueError(
            "`noise` and `dt` must be positive, there must be a trial, and 5 <= max_lag < num_steps, got"
            f" {noise}, {dt}, {num_trials} trials, max_lag={max_lag} and num_steps={num_steps}."
        )
    start = jax.flatten_util.ravel_pytree(network.init_state())[0]
    step = RecurrentStep(network, jnp.asarray(inputs, start.dtype))
    rest, jacobian = _at_rest(step, start, jnp.asarray(transient))
    own = getattr(network, "unit_timescales", None)
    if own is None:
        own = mode_timescales(np.diagonal(np.asarray(jacobian)), dt=dt)
    states = _under_noise(
        step, rest, key, jnp.asarray(noise, start.dtype), jnp.asarray(transient), num_trials, num_steps
    )
    if not bool(jnp.all(jnp.isfinite(states))):
        raise ValueError(f"The activity leaves every bound under noise {noise}; take less of it.")
    found, fit, correlations = activity_timescales(states, max_lag=max_lag, min_weight=min_weight, dt=dt)
    eigenvalues = np.linalg.eigvals(np.asarray(jacobian, float)).astype(complex)
    eigenvalues = eigenvalues[np.argsort(-np.abs(eigenvalues), kind="stable")]
    return Timescales(
        single_neuron=jnp.broadcast_to(jnp.asarray(own, start.dtype), start.shape),
        network_mediated=found,
        fit=fit,
        correlations=correlations,
        rest=rest,
        eigenvalues=eigenvalues,
        modes=mode_timescales(eigenvalues, dt=dt),
    )


@cite("khajehabdollahi2024emergent")
def activity_timescales(
    states: Float[Array, "unit trial time"], *, max_lag: int, min_weight: float = 0.1, dt: float = 1.0
) -> tuple[Float[np.ndarray, " unit"], AutocorrelationFit | None, Float[Array, "unit lag"]]:
    """The timescale of each unit's activity, from the autocorrelation over all trials.

    Args:
        states: the activity.
        max_lag: the largest lag.
        min_weight: the weight that the slower of two exponentials must have to count.
        dt: the time of a step.

    Returns:
        The timescales, NaN of units that do not move; the fits of those that do; the autocorrelations of all.
    """
    moving = np.asarray(jnp.max(states, axis=(1, 2)) > jnp.min(states, axis=(1, 2)))
    correlations = _correlations(states, max_lag)
    found, fit = np.full(len(moving), np.nan), None
    if moving.any():
        fit = fit_autocorrelation(correlations[np.flatnonzero(moving)], dt=dt, longest=5.0 * max_lag)
        # Criteria of fits take the errors of correlations for independent; a long exponential of little weight is
        # what the scatter of the tail looks like.
        weighty = (np.asarray(fit.num_exponentials) == 2) & (np.asarray(fit.weight) >= min_weight)
        found[moving] = np.where(weighty, np.asarray(fit.timescale), np.asarray(fit.single))
    return found, fit, correlations


def mode_timescales(eigenvalues: Any, *, dt: float = 1.0, method: str = "logarithm") -> Float[np.ndarray, "*mode"]:
    r"""The time in which each mode falls by the factor $e$, $-1 / \operatorname{Re} s$; negative for one that grows.

    Args:
        eigenvalues: of a Jacobian.
        dt: the time of a step of a map.
        method: how $s$ follows from the eigenvalue $\lambda$, see `continuous_eigenvalues`. With the logarithm the
            timescale of a map is $-\Delta t / \log |\lambda|$.
    """
    rates = continuous_eigenvalues(eigenvalues, dt=dt, method=method).real
    with np.errstate(divide="ignore"):
        return -1 / rates


def continuous_eigenvalues(
    eigenvalues: Any, *, dt: float = 1.0, method: str = "logarithm"
) -> Complex[np.ndarray, "*mode"]:
    r"""Eigenvalues of a map as those of a flow of which it is a step.

    Args:
        eigenvalues: $\lambda$.
        dt: $\Delta t$.
        method: "logarithm", $s = \log(\lambda) / \Delta t$, of a flow that is sampled; "moebius", $s = \frac{2}{\Delta
            t} \frac{\lambda - 1}{\lambda + 1}$, of one that is stepped by the trapezoidal rule: it maps the inside of
            the unit circle onto the left half of the plane, and negative eigenvalues have no aliases; "flow", $\lambda$
            as it is.

    Raises:
        ValueError: if there is no such method.
    """
    values = np.asarray(eigenvalues).astype(complex)
    with np.errstate(divide="ignore", invalid="ignore"):
        if method == "logarithm":
            # The real part by itself: a zero eigenvalue is gone at once, whatever its angle.
            return (np.log(np.abs(values)) + 1j * np.angle(values)) / dt
        if method == "moebius":
            return 2 / dt * (values - 1) / (values + 1)
    if method == "flow":
        return values
    raise ValueError(f"`method` is 'logarithm', 'moebius' or 'flow', got {method!r}.")


@eqx.filter_jit
def _at_rest(step, start, num):
    rest = jax.lax.fori_loop(0, num, lambda _, x: step(x), start)
    return rest, jax.jacfwd(step)(rest)


@eqx.filter_jit
def _under_noise(step, start, key, noise, transient, num_trials, num_steps):
    """The states of all trials, "unit trial time"."""
    network = step.network
    like = jtu.tree_map(lambda leaf: jnp.asarray(leaf, start.dtype), network.init_state())
    first = jax.flatten_util.ravel_pytree(like)[1](start)

    def trial(key):
        def one(carry, _):
            state, key = carry
            key, now = jr.split(key)
            x = step.inputs + noise * jr.normal(now, step.inputs.shape, start.dtype)
            state, _ = network.step(state, x)
            return (state, key), jax.flatten_util.ravel_pytree(state)[0]

        carry = jax.lax.fori_loop(0, transient, lambda _, carry: one(carry, None)[0], (first, key))
        return jax.lax.scan(one, carry, length=num_steps)[1]

    return jnp.moveaxis(jax.vmap(trial)(jr.split(key, num_trials)), 2, 0)


@eqx.filter_jit
def _correlations(states, max_lag):
    return jax.lax.map(lambda series: autocorrelation(series, max_lag), states, batch_size=16)
