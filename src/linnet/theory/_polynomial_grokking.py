"""Two-layer quadratic networks of any width on a quadratic target: the flow of two moments of the weights."""

from typing import Any, ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from .. import nn, tasks
from .._cite import cite
from .._loss import AbstractLoss
from .._ode import solve_ode
from .._rule import AbstractRule
from .._trajectory import Trajectory
from ._assumptions import flow_assumptions
from ._theory import AbstractTheory, Assumption


@cite("kumar2024grokking")
class PolynomialGrokking(AbstractTheory):
    r"""The moments $\bar w$ and $M$ of the weights of a `QuadraticNetwork` close, whatever its width.

    With the residuals $r_\mu = f(x_\mu) - y_\mu$, $g = \frac1P \sum_\mu r_\mu x_\mu$ and
    $G = \frac1P \sum_\mu r_\mu x_\mu x_\mu^\top$,

    $$\frac{N}{\alpha} \dot w_i = -(g + \epsilon G w_i) \quad\Rightarrow\quad
    \frac{N}{\alpha} \dot{\bar w} = -(g + \epsilon G \bar w), \qquad
    \frac{N}{\alpha} \dot M = -\bigl(g \bar w^\top + \bar w g^\top + \epsilon (G M + M G)\bigr),$$

    and $r_\mu$ depends on $\bar w$ and $M$ only: exact for any width $N$ and any sample, by $D (D + 1)$ equations
    instead of $N D$. It predicts "loss", "test_loss", "test_loss_parts" and "label_alignment" (of the tangent kernel
    on the training inputs).
    """

    strength: ClassVar[int] = 2

    def applies(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> str | None:
        if not isinstance(network, nn.QuadraticNetwork):
            return f"it is about a QuadraticNetwork, got a {type(network).__name__}."
        if not isinstance(task, tasks.PolynomialRegression):
            return f"it is about PolynomialRegression, got a {type(task).__name__}."
        if network.weights.shape[1] != task.x.shape[1]:
            return f"the network has {network.weights.shape[1]} inputs, the task {task.x.shape[1]}."
        return task.applies(network, loss)

    def assumptions(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> tuple[Assumption, ...]:
        return flow_assumptions(network, task, rule)

    def solve(self, network: Any, task: Any, ts: Float[Array, " time"]) -> Trajectory:
        x, targets = task.x, task.targets()
        scale, curvature = network.scale, network.curvature
        num, speed = x.shape[0], network.scale / network.weights.shape[0]

        def residuals(mean: Array, second: Array) -> Array:
            # The same polynomial in one product of matrices, and with no further array of all samples.
            return scale * jnp.sum(x * (mean + curvature / 2 * (x @ second)), axis=1) - targets

        def field(t: Array, moments: tuple[Array, Array], args: Any) -> tuple[Array, Array]:
            mean, second = moments
            weighted = residuals(mean, second)[:, None] * x / num
            slope, bend = jnp.sum(weighted, axis=0), weighted.T @ x
            half = jnp.outer(slope, mean) + curvature * bend @ second
            return -speed * (slope + curvature * bend @ mean), -speed * (half + half.T)

        def save(t: Array, moments: tuple[Array, Array], args: Any) -> dict[str, Array]:
            mean, second = moments
            parts = task.test_parts(scale * mean, scale * curvature * second)
            kernel = polynomial_kernel(mean, second, curvature, x)
            return {
                "loss": jnp.mean(residuals(mean, second) ** 2) / 2,
                "test_loss": jnp.sum(parts),
                "test_loss_parts": parts,
                "label_alignment": label_alignment(kernel, wanted),
            }

        # What there is to learn: of a task centred on this network, the target without the network's own output.
        wanted = -residuals(*network.moments())
        values, _, result = solve_ode(field, network.moments(), ts, save=save)
        dims = dict.fromkeys(values, ("time",)) | {"test_loss_parts": ("time", "part")}
        return Trajectory(ts, values, dims, {"part": tasks.TEST_PARTS}, result=result)


@cite("kumar2024grokking", "jacot2018neural")
def polynomial_kernel(
    mean: Float[Array, " in"],
    second: Float[Array, "in in"],
    curvature: Float[Array, ""] | float,
    x: Float[Array, "sample in"],
) -> Float[Array, "sample sample"]:
    r"""The tangent kernel of a `QuadraticNetwork` over $\alpha^2 / N$, from the moments of its weights.

    $$\frac{N}{\alpha^2} K(x, x') = (x \cdot x') \bigl[1 + \epsilon\, \bar w \cdot (x + x') +
    \epsilon^2\, x^\top M x'\bigr]$$

    Args:
        mean: $\bar w$.
        second: $M$.
        curvature: $\epsilon$.
        x: the inputs.
    """
    along = x @ mean
    return (x @ x.T) * (1 + curvature * (along[:, None] + along) + curvature**2 * (x @ second @ x.T))


@cite("kumar2024grokking")
def label_alignment(kernel: Float[Array, "sample sample"], y: Float[Array, " sample"]) -> Float[Array, ""]:
    r"""How much of a kernel points along the targets, $\dfrac{y^\top K y}{\lVert K \rVert_F \lVert y \rVert^2}$.

    Args:
        kernel: $K$, positive semidefinite.
        y: the targets.

    Returns:
        Between 0 and 1; 1 for $K \propto y y^\top$, and 0 where there is no kernel or no target.
    """
    size = jnp.linalg.norm(kernel) * jnp.sum(y**2)
    return jnp.where(size > 0, y @ kernel @ y / jnp.where(size > 0, size, 1), 0)
