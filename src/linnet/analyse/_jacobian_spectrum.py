"""Jacobians along a trajectory, their eigenvalues and singular values."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from ..nn import AbstractRecurrent
from ..systems import Flow
from ._tangent_steps import one_step, recurrent_step


class JacobianSpectrum(eqx.Module):
    """Spectra of Jacobians along a trajectory.

    Args:
        eigenvalues: of each Jacobian; of a flow by descending real part, of a map or a network by descending modulus.
        singular_values: of each, descending: how much a step stretches and squeezes.
        jacobians: the Jacobians, derivatives by the state.
    """

    eigenvalues: Complex[np.ndarray, "time state"]
    singular_values: Float[Array, "time state"]
    jacobians: Float[Array, "time state state"]

    @property
    def spectral_radius(self) -> Float[np.ndarray, " time"]:
        """The largest modulus of an eigenvalue at each time."""
        return np.abs(self.eigenvalues).max(axis=1)


def jacobian_spectrum(
    model: Any,
    trajectory: Float[Array | np.ndarray, "time state"],
    *,
    inputs: Float[Array | np.ndarray, "*time in"] | None = None,
) -> JacobianSpectrum:
    r"""Eigenvalues and singular values of $\partial z_{t+1} / \partial z_t$ at every state of a trajectory.

    Of a flow, of the derivative of its right-hand side at time 0. Products of the Jacobians, not their eigenvalues one
    by one, decide whether trajectories part: see `lyapunov_spectrum`.

    Args:
        model: a flow or a map of `linnet.systems`, a recurrent network, or a function from a state to the next.
        trajectory: the states; of a network, with all its state in one vector as `jax.flatten_util.ravel_pytree` has
            it.
        inputs: the input of a recurrent network, constant or at each time; by default zero where the network tells its
            size.

    Returns:
        The spectra.

    Raises:
        ValueError: if shapes do not fit together, or there is no such model.

    !!! example
        ```python
        henon = ln.systems.get("Henon")
        found = ln.analyse.jacobian_spectrum(henon, henon.orbit(100).states)
        found.eigenvalues.prod(axis=1)  # -0.3 everywhere
        ```
    """
    states = jnp.asarray(trajectory)
    if states.ndim != 2 or not jnp.issubdtype(states.dtype, jnp.floating):
        raise ValueError(
            f"A trajectory is real numbers, (time, state), got the shape {states.shape} of {states.dtype}."
        )
    varying = inputs is not None and jnp.ndim(inputs) == 2
    if varying and (not isinstance(model, AbstractRecurrent) or len(jnp.asarray(inputs)) != len(states)):
        raise ValueError(
            "Inputs at each time are those of a recurrent network, one for each state of the trajectory, got the shape"
            f" {jnp.shape(inputs)} for {len(states)} states of a {type(model).__name__}."
        )
    if isinstance(model, Flow):
        jacobians = _jacobians_of_flow(model, states)
    elif varying:
        jacobians = _jacobians_under_inputs(model, states, jnp.asarray(inputs, states.dtype))
    else:
        jacobians = _jacobians(one_step(model, inputs), states)
    if jacobians.shape[1] != jacobians.shape[2]:
        raise ValueError(
            f"A step of this {type(model).__name__} must go from a state to a state of the same size, but went from"
            f" {jacobians.shape[2]} numbers to {jacobians.shape[1]}."
        )
    # By NumPy, for JAX has eigenvalues of general matrices on CPUs only.
    eigenvalues = np.linalg.eigvals(np.asarray(jacobians)).astype(np.result_type(states.dtype, np.complex64))
    order = np.argsort(-(eigenvalues.real if isinstance(model, Flow) else np.abs(eigenvalues)), axis=1, kind="stable")
    return JacobianSpectrum(
        eigenvalues=np.take_along_axis(eigenvalues, order, axis=1),
        singular_values=jnp.linalg.svd(jacobians, compute_uv=False),
        jacobians=jacobians,
    )


@eqx.filter_jit
def _jacobians(step: Any, states: Array) -> Array:
    return jax.vmap(jax.jacfwd(step))(states)


@eqx.filter_jit
def _jacobians_of_flow(flow: Flow, states: Array) -> Array:
    return jax.vmap(flow.jacobian)(states)


@eqx.filter_jit
def _jacobians_under_inputs(network: AbstractRecurrent, states: Array, inputs: Array) -> Array:
    return jax.vmap(lambda state, x: jax.jacfwd(recurrent_step(network, x))(state))(states, inputs)
