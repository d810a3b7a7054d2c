"""Two balanced layers over learning time: their map, their representations, and their tangent kernel."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .. import nn, tasks
from .._cite import cite
from ._record import in_blocks
from ._riccati import RiccatiFlow, riccati_flow


class Representations(eqx.Module):
    r"""What is known of two balanced layers without their hidden basis: $Q Q^\top$ for $Q = [W_1^\top; W_2]$.

    Args:
        maps: $W_2 W_1$ over time.
        inputs: $W_1^\top W_1$, how similarly the hidden layer represents two inputs.
        outputs: $W_2 W_2^\top$, the same for outputs.
    """

    maps: Float[Array, "time out in"]
    inputs: Float[Array, "time in in"]
    outputs: Float[Array, "time out out"]

    def tangent_kernel(
        self, xs: Float[Array, "num in"], others: Float[Array, "other in"] | None = None
    ) -> Float[Array, "time num out other out"]:
        r"""The tangent kernel over time, $(X^\top X) \otimes W_2 W_2^\top + (X^\top W_1^\top W_1 X) \otimes I$.

        Args:
            xs: examples.
            others: the second examples; by default the first.

        Returns:
            The kernel in the layout of `linnet.analyse.tangent_kernel`, with time as first axis.
        """
        others = xs if others is None else others
        identity = jnp.eye(self.outputs.shape[1], dtype=self.outputs.dtype)
        last = jnp.einsum("xi,yi,tab->txayb", xs, others, self.outputs)
        return last + jnp.einsum("xi,tij,yj,ab->txayb", xs, self.inputs, others, identity)

    def kernel_distance(self, xs: Float[Array, "num in"]) -> Float[Array, " time"]:
        r"""How far the tangent kernel has turned away from its beginning.

        $$1 - \frac{\langle \Theta_0, \Theta_t \rangle}{|\Theta_0| |\Theta_t|}$$

        From traces, without the kernel itself: its cost does not grow with the square of the number of examples.

        Args:
            xs: examples; for white inputs the identity matrix stands for all of them.
        """
        second = xs.T @ xs

        def product(a: tuple[Array, Array], b: tuple[Array, Array]) -> Array:
            (first, last), (first_b, last_b) = a, b
            weighted, weighted_b = second @ first, second @ first_b
            return (
                jnp.sum(second**2) * jnp.sum(last * last_b)
                + jnp.trace(second @ weighted) * jnp.trace(last_b)
                + jnp.trace(second @ weighted_b) * jnp.trace(last)
                + last.shape[0] * jnp.sum(weighted * weighted_b.T)
            )

        start = self.inputs[0], self.outputs[0]

        def distance(now: tuple[Array, Array]) -> Array:
            # Scaled to norm 1 first, so that small weights do not underflow.
            return 1 - product(start, now) / jnp.sqrt(product(start, start)) / jnp.sqrt(product(now, now))

        return in_blocks(distance, (self.inputs, self.outputs))


class BalancedFlow(eqx.Module):
    r"""The exact flow of two balanced layers on white inputs, in the basis of the task.

    Every mode has the rates $\pm\sqrt{s^2 + \lambda^2 / 4}$; all inputs outside the modes have $-\lambda / 2$ and need
    no more than as many directions as there are hidden units, all such outputs $+\lambda / 2$. Inputs of variance
    $\sigma^2$ become white by $Q \to \sigma Q$.

    Args:
        flow: the Riccati equation.
        places: where the rows of each kind (growing and decaying modes, inputs, outputs) are in it.
        angle: (cosine, sine) of each mode's growing direction between its input and its output.
        inputs: an orthonormal basis of the inputs that matter, the modes first.
        outputs: the same of the outputs.
        singular_values: of the modes.
        variance: $\sigma^2$.
    """

    flow: RiccatiFlow
    places: Array
    angle: tuple[Float[Array, " mode"], Float[Array, " mode"]]
    inputs: Float[Array, "in direction"]
    outputs: Float[Array, "out direction_out"]
    singular_values: Float[Array, " mode"]
    variance: Float[Array, ""]

    def factor(self, t: Float[Array, ""]) -> tuple[Array, Array]:
        r"""$W_1^\top$ and $W_2$ in the bases `inputs` and `outputs`, up to a common rotation of the hidden units."""
        rows = self.flow.factor(t)[self.places] / jnp.sqrt(self.variance)
        num = self.singular_values.shape[0]
        growing, decaying, outside = rows[:num], rows[num : 2 * num], rows[2 * num :]
        cosine, sine = (part[:, None] for part in self.angle)
        split = self.inputs.shape[1] - num
        first = jnp.concatenate([cosine * growing - sine * decaying, outside[:split]])
        last = jnp.concatenate([sine * growing + cosine * decaying, outside[split:]])
        return first, last

    def residual(self, t: Float[Array, ""]) -> tuple[Array, Array]:
        """The map less the least-squares map in the bases `outputs` and `inputs`, and the mode strengths."""
        first, last = self.factor(t)
        linear_map = last @ first.T
        modes = jnp.arange(self.singular_values.shape[0])
        strengths = linear_map[modes, modes]
        return linear_map.at[modes, modes].add(-self.singular_values / self.variance), strengths


def balanced_flow(network: nn.DeepLinear, moments: tasks.Moments, balance: Float[Array, ""]) -> BalancedFlow:
    """The flow of a two-layer network whose layers are taken to be balanced.

    Args:
        network: the network.
        moments: the task, with white inputs of any one variance.
        balance: $\\lambda$ of $W_2^\\top W_2 - W_1 W_1^\\top = \\lambda I$.
    """
    modes = moments.singular_modes()
    variance = jnp.trace(moments.xx) / moments.xx.shape[0]
    variance = jnp.where(variance > 0, variance, 1)
    s, shift = modes.singular_values, variance * balance / 2
    speed = jnp.hypot(s, shift)
    # The direction (s, speed + shift) or, the same, (speed - shift, s): the one that does not cancel.
    cosine = jnp.where(shift > 0, s, speed - jnp.minimum(shift, 0))
    sine = jnp.where(shift > 0, speed + jnp.maximum(shift, 0), s)
    norm = jnp.hypot(cosine, sine)
    cosine, sine = (jnp.where(norm > 0, part / jnp.where(norm > 0, norm, 1), jnp.sqrt(0.5)) for part in (cosine, sine))
    first, last = (jnp.sqrt(variance) * weight for weight in network.weights)
    read, written = (first @ modes.right).T, last.T @ modes.left
    written = written.T
    inputs, rows_in = _outside(first.T, modes.right)
    outputs, rows_out = _outside(last, modes.left)
    initial = [
        cosine[:, None] * read + sine[:, None] * written,
        cosine[:, None] * written - sine[:, None] * read,
        rows_in,
        rows_out,
    ]
    rates = [speed, -speed, jnp.full(rows_in.shape[0], -shift), jnp.full(rows_out.shape[0], shift)]
    flow, places = riccati_flow(jnp.concatenate(rates), jnp.concatenate(initial))
    return BalancedFlow(flow, places, (cosine, sine), inputs, outputs, s, variance)


def _outside(rows: Float[Array, "unit hidden"], basis: Float[Array, "unit mode"]) -> tuple[Array, Array]:
    """A basis of the modes and of what else the rows reach, and the rows in the latter (at most `hidden`)."""
    num, count = basis.shape
    if num == count:
        return basis, jnp.zeros((0, rows.shape[1]), rows.dtype)
    rest = jnp.linalg.qr(basis, mode="complete")[0][:, count:]
    rows = rest.T @ rows
    if rows.shape[0] > rows.shape[1]:
        directions, rows = jnp.linalg.qr(rows)
        rest = rest @ directions
    return jnp.concatenate([basis, rest], axis=1), rows


def measured_balance(network: nn.DeepLinear) -> tuple[Float[Array, ""], Float[Array, "hidden hidden"]]:
    r"""The mean diagonal $\lambda$ of $W_2^\top W_2 - W_1 W_1^\top$, and what is left beyond $\lambda I$."""
    first, last = network.weights
    matrix = last.T @ last - first @ first.T
    balance = jnp.mean(jnp.diagonal(matrix))
    return balance, matrix - balance * jnp.eye(matrix.shape[0], dtype=matrix.dtype)


@eqx.filter_jit
def _representations(network: nn.DeepLinear, moments: tasks.Moments, ts: Array) -> Representations:
    solved = balanced_flow(network, moments, measured_balance(network)[0])

    def at(t: Array) -> tuple[Array, Array, Array]:
        first, last = solved.factor(t)
        first, last = solved.inputs @ first, solved.outputs @ last
        return last @ first.T, first @ first.T, last @ last.T

    return Representations(*in_blocks(at, ts.astype(moments.yx.dtype)))


@cite("braun2022exact", "domine2025lazy")
def balanced_representations(
    network: nn.DeepLinear, task: Any, ts: Float[Array | np.ndarray, " time"]
) -> Representations:
    r"""The map, representations and tangent kernel of two $\lambda$-balanced layers over learning time, exactly.

    Args:
        network: two layers with $W_2^\top W_2 - W_1 W_1^\top = \lambda I$; $\lambda$ is measured.
        task: moments, or what has them, with inputs of one variance.
        ts: learning times.

    Returns:
        The representations; `BalancedRiccati` says whether they are exact for this network and task.

    !!! example
        ```python
        representations = ln.theory.balanced_representations(net, task, ts)
        representations.kernel_distance(jnp.eye(task.xx.shape[0]))
        ```
    """
    return _representations(network, tasks.as_moments(task), jnp.asarray(ts))
