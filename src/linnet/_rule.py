"""How parameters move. Rules are plain descriptions; `linnet.learn` executes them, `linnet.theory` reads them."""

from typing import Any

import diffrax
import equinox as eqx
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float

from ._canonical import canonical

#: One object, so that two rules made with the default compare equal and share one compiled program.
IDENTITY = optax.identity()


class AbstractRule(eqx.Module):
    """A rule by which the parameters of a network move in learning time."""


class GradientFlow(AbstractRule):
    r"""Gradient flow $\dot\theta = -\nabla_\theta L$ in learning time, solved adaptively by diffrax.

    Refuses networks with kinks (ReLU), for which the flow is not an ODE with a unique smooth solution.

    Args:
        solver: a diffrax solver; `None` is `diffrax.Tsit5()`. Stiff problems (an integrator near its edge) want
            `diffrax.Kvaerno5()`.
        rtol: relative tolerance; `None` is 1e-8 in float64 and 1e-5 in float32.
        atol: absolute tolerance; `None` is 1e-12 in float64 and 1e-8 in float32, well below any useful initial weight.
        max_steps: the most steps the solver may take between two asked-for chunks.
        rates: a prefix of the network's tree with a factor on each leaf's gradient; `None` is 1 everywhere.
    """

    solver: diffrax.AbstractSolver | None = None
    rtol: float | None = eqx.field(default=None, static=True)
    atol: float | None = eqx.field(default=None, static=True)
    max_steps: int = eqx.field(default=200_000, static=True)
    rates: Any = None


class Descent(AbstractRule):
    r"""Gradient descent, preconditioned by any optax transformation, in steps of the learning rate.

    $$\theta_{k+1} = \theta_k - \eta_k\, r \odot \bigl(T(\nabla L)(\theta_k) + \lambda\, \theta_k\bigr)$$

    Learning time is $t_k = \sum_{j<k} \eta_j$. Each asked-for time is snapped to the nearest step.

    Args:
        learning_rate: $\eta$: a number, a 0-d array (then it may be an axis of an ensemble), or an optax schedule (a
            function of the step).
        transform: $T$, an optax transformation without sign and learning rate, such as `optax.scale_by_adam()` or
            `optax.trace(0.9)`.
        weight_decay: $\lambda$, decoupled from the transformation.
        batch_size: examples in a mini-batch; `None` is the full batch (on moments: exact).
        rates: $r$, a prefix of the network's tree with a factor for each leaf; `None` is 1 everywhere.
    """

    learning_rate: Any = eqx.field(converter=lambda rate: canonical(rate) if callable(rate) else rate)
    transform: optax.GradientTransformation = eqx.field(default=IDENTITY, static=True, converter=canonical)
    weight_decay: float | Float[Array, ""] = 0.0
    batch_size: int | None = eqx.field(default=None, static=True)
    rates: Any = None

    def __check_init__(self) -> None:
        if self.batch_size is not None and self.batch_size < 1:
            raise ValueError(
                f"Descent needs a batch_size of at least 1 (or None for the full batch), got {self.batch_size}."
            )
        rate = self.learning_rate
        if isinstance(rate, (int, float, np.ndarray, np.number)) and not np.all(np.asarray(rate) > 0):
            raise ValueError(f"Descent needs a positive learning_rate, got {rate}.")

    def rate(self, step: Array) -> Array:
        """The learning rate of a step."""
        return jnp.asarray(self.learning_rate(step) if callable(self.learning_rate) else self.learning_rate)
