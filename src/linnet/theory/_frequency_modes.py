"""Smekal's linear state space models in the frequency domain: fixed poles in closed form, learned ones by slopes."""

from typing import Any, ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from .. import nn, tasks
from .._cite import cite
from .._loss import AbstractLoss, SquaredError
from .._ode import solve_ode
from .._rule import AbstractRule
from .._trajectory import Trajectory
from ._array_rates import array_rates
from ._assumptions import SMALL, flow_assumptions
from ._record import in_blocks
from ._theory import AbstractTheory, Assumption
from ._two_layer_mode import two_layer_mode

DIMS = {"loss": ("time",), "state_strengths": ("time", "state"), "poles": ("time", "state")}


@cite("smekal2024towards")
class FrequencyModes(AbstractTheory):
    r"""States with one fixed pole learn as a two-layer linear network of one input and one output, in closed form.

    With $h_k = 1 / (1 - a e^{-i\omega_k})$ the loss of $H = \sum_n c_n b_n\, h$ sees the sequences through two numbers
    alone, $\sigma$ and $\eta$ (`Spectrum.statistics`):

    $$\dot b_n = c_n (\sigma - \eta\, c^\top b), \qquad \dot c_n = b_n (\sigma - \eta\, c^\top b),$$

    which is a network of $N$ hidden units on inputs of variance $\eta$ with the covariance $\sigma$ with the target.
    Any initial weights are solved for (`two_layer_mode`); balanced ones give $u = \sum_n c_n b_n = \sigma / (\eta +
    (\sigma / u_0 - \eta)\, e^{-2 \sigma t})$, in which the number of states only enters through $u_0$. Input and output
    weights may have rates of their own.

    Args:
        rates: factors on the gradients of the weights, a prefix of the network's tree, 0 for the poles; `predict` takes
            them from the rule.
    """

    strength: ClassVar[int] = 0
    rates: Any = None

    def bind(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> "FrequencyModes":
        return FrequencyModes(getattr(rule, "rates", None))

    def applies(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> str | None:
        return _needs_states(network, task, loss)

    def assumptions(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> tuple[Assumption, ...]:
        (pole, *weights), spread = array_rates(network, getattr(rule, "rates", None))
        other = "use `PoleFlow()`, which needs none of this."
        apart = jnp.max(network.poles) - jnp.min(network.poles)
        distance = jnp.min(1 - jnp.abs(network.poles))
        frozen = jnp.abs(pole)
        return (
            Assumption(
                "one pole",
                apart / jnp.where(distance > 0, distance, 1),
                SMALL,
                "how far the poles differ, relative to their distance from the unit circle",
                other,
            ),
            Assumption(
                "fixed poles",
                frozen,
                0.0,
                "the rate of the poles (1 unless the rule has rates)",
                f"freeze them (`rates` of the rule, 0 for the poles), or {other}",
            ),
            Assumption(
                "one rate for each weight",
                jnp.where(jnp.min(jnp.stack(weights)) > 0, spread, jnp.inf),
                SMALL,
                "how far rates within an array differ (infinite: input or output weights are not trained)",
                other,
            ),
            *flow_assumptions(network, task, rule, rates=True),
        )

    def solve(self, network: Any, task: Any, ts: Float[Array, " time"]) -> Trajectory:
        pole = jnp.mean(network.poles)
        (sigma,), ((eta,),) = task.statistics(pole[None])
        _, first, last = array_rates(network, self.rates)[0]
        # In units of the roots of their rates, both weights have the rate sqrt(first last).
        rate = jnp.sqrt(first * last)
        b, c = network.input_weights[:, 0] / jnp.sqrt(first), network.output_weights[0] / jnp.sqrt(last)
        growing, decaying = (b + c) / 2, (b - c) / 2
        p, q = jnp.sum(growing**2), jnp.sum(decaying**2)
        ts = jnp.asarray(ts, sigma.dtype)
        total = two_layer_mode(ts[:, None], (rate * sigma)[None], p[None], q[None], (rate**2 * eta)[None])
        # P_t - Q_t = u and P_t Q_t = P Q; whichever is the difference of near numbers comes from the product.
        root = jnp.hypot(total, 2 * jnp.sqrt(p * q))
        larger = (root + jnp.abs(total)) / 2
        smaller = jnp.where(larger > 0, p * q / jnp.where(larger > 0, larger, 1), 0)
        grown, decayed = (jnp.where(total >= 0, *pair) for pair in ((larger, smaller), (smaller, larger)))
        share = [jnp.where(whole > 0, part**2 / jnp.where(whole > 0, whole, 1), 0) for part, whole in
                 ((growing, p), (decaying, q))]  # fmt: skip
        strengths = rate * (grown * share[0] - decayed * share[1])
        poles = jnp.broadcast_to(network.poles, strengths.shape)
        # The loss in residual form: floor and what the pole cannot learn are the loss at the best strength.
        best = jnp.where(eta > 0, sigma / jnp.where(eta > 0, eta, 1), 0)
        rest = task.loss(_one_state(pole, best))
        losses = rest + 0.5 * eta * (rate * total[:, 0] - best) ** 2
        values = {"loss": losses, "state_strengths": strengths, "poles": poles}
        return Trajectory(ts, values, DIMS)  # pyright: ignore[reportArgumentType]


@cite("smekal2024towards")
class PoleFlow(AbstractTheory):
    r"""States whose poles learn, too: the slopes written out in the frequency domain.

    With $G_k = X_k - P_k H_k$, what is left to learn at the frequency $\omega_k$,

    $$\dot b_n = c_n\, \mathrm{Re} \sum_k \bar h_{nk} G_k, \quad \dot c_n = b_n\, \mathrm{Re} \sum_k \bar h_{nk} G_k,
    \quad \dot a_n = c_n b_n\, \mathrm{Re} \sum_k \overline{e^{-i\omega_k} h_{nk}^2}\, G_k .$$

    Poles move as their states are used, $c_n b_n$: among many states that share the work they are slower. There is no
    closed form.

    Args:
        rates: factors on the gradients of the weights, a prefix of the network's tree; `predict` takes them from the
            rule.
    """

    strength: ClassVar[int] = 1
    rates: Any = None

    def bind(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> "PoleFlow":
        return PoleFlow(getattr(rule, "rates", None))

    def applies(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> str | None:
        return _needs_states(network, task, loss)

    def assumptions(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> tuple[Assumption, ...]:
        spread = array_rates(network, getattr(rule, "rates", None))[1]
        unstable = jnp.max(jnp.abs(network.poles)) - 1
        return (
            Assumption(
                "stable states",
                unstable,
                0.0,
                "the largest modulus of a pole less 1",
                "begin at poles within the unit circle; beyond it no steady state is reached.",
            ),
            Assumption(
                "one rate for each weight",
                spread,
                SMALL,
                "how far rates within an array differ",
                "give the states one rate for each kind of weight, or use `linnet.learn.simulate`.",
            ),
            *flow_assumptions(network, task, rule, rates=True),
        )

    def solve(self, network: Any, task: Any, ts: Float[Array, " time"]) -> Trajectory:
        rates = jnp.stack(array_rates(network, self.rates)[0])[:, None]

        def field(t: Array, states: Array, args: Any) -> Array:
            return rates * frequency_slopes(states, task)

        start = jnp.stack([network.poles, network.input_weights[:, 0], network.output_weights[0]])
        states, _, result = solve_ode(field, start, ts)

        def measure(state: Array) -> dict[str, Array]:
            poles, b, c = state
            loss = task.loss(nn.DiagonalSSM(poles, b[:, None], c[None]))
            return {"loss": loss, "state_strengths": c * b, "poles": poles}

        return Trajectory(ts, in_blocks(measure, states), DIMS, result=result)  # pyright: ignore[reportArgumentType]


def frequency_slopes(states: Float[Array, "3 state"], task: tasks.Spectrum) -> Float[Array, "3 state"]:
    """The descent directions of poles, input weights and output weights, the equations of `PoleFlow`."""
    poles, b, c = states
    single = task.states(poles)
    left = task.cross[:, 0] + 1j * task.cross[:, 1] - task.input_power * (single @ (c * b))
    turned = jnp.exp(-1j * task.frequencies())[:, None] * single**2
    slopes = (jnp.conj(single).T @ left).real
    return jnp.stack([c * b * (jnp.conj(turned).T @ left).real, c * slopes, b * slopes])


def _one_state(pole: Float[Array, ""], strength: Float[Array, ""]) -> nn.DiagonalSSM:
    return nn.DiagonalSSM(pole[None], jnp.ones((1, 1), pole.dtype), strength[None, None])


def _needs_states(network: Any, task: Any, loss: AbstractLoss) -> str | None:
    """Why a theory of state space models on spectra is not about these (`None` if it is)."""
    if not isinstance(task, tasks.Spectrum):
        return f"it is about the task `Spectrum`, got {type(task).__name__}; `Spectrum.of(batch)` makes one."
    if not isinstance(network, nn.DiagonalSSM):
        return f"it is about `DiagonalSSM` networks, got {type(network).__name__}."
    if not isinstance(loss, SquaredError):
        return f"it needs squared error, got {type(loss).__name__}."
    return task.applies(network, loss)
