"""What small hidden units represent first: each learns for itself, from its own input region if it has kinks."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .. import analyse, nn, tasks
from .._cite import cite
from .._ode import solve_ode


class RepresentationalGeometry(eqx.Module):
    """Hidden units over the time before the output of a network is felt; made by `representational_geometry`.

    Args:
        hidden: the activity of hidden units for every example.
        inputs: the examples.
        targets: their targets.
    """

    hidden: Float[Array, "time num hidden"]
    inputs: Float[Array, "num in"]
    targets: Float[Array, "num out"]

    @property
    def target_alignment(self) -> Float[Array, " time"]:
        """The centred kernel alignment of the hidden units with the targets."""
        return jax.vmap(lambda each: analyse.centred_kernel_alignment(each, self.targets))(self.hidden)

    @property
    def input_alignment(self) -> Float[Array, " time"]:
        """The centred kernel alignment of the hidden units with the inputs."""
        return jax.vmap(lambda each: analyse.centred_kernel_alignment(each, self.inputs))(self.hidden)


@cite("alleman2024task")
def representational_geometry(
    network: nn.MLP, batch: tasks.Batch, ts: Float[Array, " time"]
) -> RepresentationalGeometry:
    r"""The hidden units of $f(x) = A\, \phi(W x)$ from small weights, to leading order in them.

    While $f \ll y$ every unit learns for itself, $\dot w = \sum_c p_c\, (a^\top y_c)\, \phi'(w^\top x_c)\, x_c$ and
    $\dot a = \sum_c p_c\, y_c\, \phi(w^\top x_c)$. Small units of a smooth $\phi$ with $\phi(0) = 0$, $\phi'(0) = 1$
    (tanh) are linear, so that all of them see the same $\Sigma_{yx} = U S V^\top$:

    $$W(t) v_m = \cosh(s_m t)\, W(0) v_m + \sinh(s_m t)\, A(0)^\top u_m ,$$

    and the kernel of the hidden units turns to $X V \cosh(2 S t) V^\top X^\top$, led by $X \Sigma_{xy} \Sigma_{yx}
    X^\top = K_X K_Y K_X / P^2$: the targets, as far as the inputs have them. A ReLU has no such limit. A unit is linear
    on the examples that it is active on, with $\sum_c p_c\, y_c x_c^\top$ over these alone, and turns towards that
    until its region changes: units end in different regions of the inputs.

    Args:
        network: one hidden layer without biases, of small weights; ReLU, or an activation with slope 1 at 0.
        batch: the examples.
        ts: learning times, ascending from 0, before the loss falls.

    Returns:
        The units over time.

    Raises:
        ValueError: if the network has another form.

    !!! example
        ```python
        predicted = ln.theory.representational_geometry(net, batch, ts)
        predicted.target_alignment, predicted.input_alignment
        ```
    """
    if not isinstance(network, nn.MLP) or network.depth != 2 or network.biases is not None:
        raise ValueError(
            "The early geometry is that of an MLP with one hidden layer and without biases "
            f"(`use_bias=False`), got {type(network).__name__}"
            + (f" with {network.depth - 1} hidden layers." if isinstance(network, nn.MLP) else ".")
        )
    needed = network.weights[1].shape[0], network.weights[0].shape[1]
    shape = batch.y.shape[1:] + batch.x.shape[1:]
    if shape != needed:
        raise ValueError(f"The network has (out, in) = {needed}, the samples need {shape}.")
    kinked = nn.has_kinks(network)
    probe = jnp.asarray(1.0, batch.x.dtype)
    if kinked:
        fits = jnp.allclose(network.activation(probe), probe) & jnp.allclose(network.activation(-probe), 0)
    else:
        slope = jax.grad(lambda z: jnp.sum(network.activation(z)))(0 * probe)
        fits = jnp.allclose(network.activation(0 * probe), 0) & jnp.allclose(slope, 1)
    if not bool(fits):
        raise ValueError(
            "The early geometry is known for ReLU and for smooth activations that are 0 and have slope 1 at 0, such as "
            "tanh; the network's activation is another one."
        )
    return _geometry(network.weights, batch, jnp.asarray(ts, batch.x.dtype), kinked)


@eqx.filter_jit
def _geometry(weights: Any, batch: tasks.Batch, ts: Array, kinked: bool) -> RepresentationalGeometry:
    first, last = weights
    weight = jnp.ones(batch.num, batch.x.dtype) if batch.weight is None else batch.weight
    share = weight / jnp.sum(weight)
    if kinked:

        def field(t: Array, state: tuple[Array, Array], args: Any) -> tuple[Array, Array]:
            w, a = state
            drive = batch.x @ w.T
            wanted = share[:, None] * batch.y
            return (jnp.where(drive > 0, wanted @ a, 0).T @ batch.x, wanted.T @ jnp.maximum(drive, 0))

        scale = jnp.maximum(jnp.max(jnp.abs(first)), jnp.max(jnp.abs(last)))
        (path, _), _, _ = solve_ode(field, (first, last), ts, rtol=1e-6, atol=1e-6 * scale)
        hidden = jnp.maximum(jnp.einsum("thi,ni->tnh", path, batch.x), 0)
    else:
        left, values, right_t = jnp.linalg.svd((batch.y * share[:, None]).T @ batch.x, full_matrices=False)
        grown = values * ts[:, None]
        kept, fed = first @ right_t.T, last.T @ left
        change = (jnp.cosh(grown) - 1)[:, None] * kept + jnp.sinh(grown)[:, None] * fed
        hidden = jnp.einsum("thi,ni->tnh", first + change @ right_t, batch.x)
    return RepresentationalGeometry(hidden, batch.x, batch.y)
