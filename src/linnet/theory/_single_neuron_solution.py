r"""One hidden linear neuron, $f = a\, w^\top x$, over learning time and at its end, in closed form."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .. import nn, tasks
from .._cite import cite
from ._record import in_blocks
from ._two_layer_mode import decay


class SingleNeuron(eqx.Module):
    r"""One hidden linear neuron over time.

    Args:
        weights: $w$.
        readout: $a$.
        rates: $(\eta_w, \eta_a)$.
    """

    weights: Float[Array, "time in"]
    readout: Float[Array, " time"]
    rates: tuple[Float[Array, ""], Float[Array, ""]]

    @property
    def maps(self) -> Float[Array, "time in"]:
        r"""$\beta = a w$."""
        return self.readout[:, None] * self.weights

    @property
    def balance(self) -> Float[Array, " time"]:
        r"""$\delta = \eta_w a^2 - \eta_a |w|^2$, which the flow conserves."""
        return self.rates[0] * self.readout**2 - self.rates[1] * jnp.sum(self.weights**2, axis=1)

    @property
    def signed_norm(self) -> Float[Array, " time"]:
        r"""$\mu = a |w|$."""
        return self.readout * jnp.linalg.norm(self.weights, axis=1)

    def alignment(self, target: Float[Array, " in"]) -> Float[Array, " time"]:
        r"""$\phi$, the cosine between $w$ and a map (the task's, in the paper)."""
        norms = jnp.linalg.norm(self.weights, axis=1) * jnp.linalg.norm(target)
        return self.weights @ target / jnp.where(norms > 0, norms, 1)

    def tangent_kernel(self, xs: Float[Array, "num in"]) -> Float[Array, "time num num"]:
        r"""$X M X^\top$ with $M = \eta_w a^2 I + \eta_a w w^\top$, all of it at time $t$."""
        read = self.weights @ xs.T
        last = self.rates[1] * read[:, :, None] * read[:, None, :]
        return self.rates[0] * (self.readout**2)[:, None, None] * (xs @ xs.T) + last

    def kernel_distance(self, xs: Float[Array, "num in"]) -> Float[Array, " time"]:
        r"""How far the tangent kernel has turned away from its beginning, $1 - \cos(\Theta_0, \Theta_t)$.

        Args:
            xs: examples; for white inputs the identity matrix stands for all of them.
        """
        kernels = self.tangent_kernel(xs)
        # Scaled first, so that small weights do not underflow.
        size = jnp.max(jnp.abs(kernels), axis=(1, 2), keepdims=True)
        kernels = kernels / jnp.where(size > 0, size, 1)
        norms = jnp.sqrt(jnp.sum(kernels**2, axis=(1, 2)))
        return 1 - jnp.sum(kernels[0] * kernels, axis=(1, 2)) / (norms[0] * norms)


class NeuronFlow(eqx.Module):
    r"""The exact flow of one hidden neuron on inputs that are white on their span.

    In units of its rates the neuron $q = (w; a)$ obeys $\dot q = F q - \frac{\sigma^2}{2} |q|^2 q$, so that

    $$q(t) = e^{F t} q_0 \Big/ \sqrt{1 + \sigma^2 \textstyle\int_0^t |e^{F s} q_0|^2 ds},$$

    and $F$ has the eigenvalues $\pm\sqrt{|b|^2 + \sigma^4 \lambda^2 / 4}$ between $b = \Sigma_{yx}^\top$ and $a$, and
    $-\sigma^2 \lambda / 2$ on all other inputs.

    Args:
        growth: the three eigenvalues.
        start: the sizes of $q_0$ along them.
        angle: (cosine, sine) of the growing direction between $b$ and $a$.
        towards: $b / |b|$.
        aside: the unit vector of what else of $w$ is on the span of the inputs.
        outside: what of $w$ is not, and never moves.
        variance: $\sigma^2$, in units of the rates.
        rates: $(\eta_w, \eta_a)$.
    """

    growth: Float[Array, "3"]
    start: Float[Array, "3"]
    angle: tuple[Float[Array, ""], Float[Array, ""]]
    towards: Float[Array, " in"]
    aside: Float[Array, " in"]
    outside: Float[Array, " in"]
    variance: Float[Array, ""]
    rates: tuple[Float[Array, ""], Float[Array, ""]]

    def at(self, t: Float[Array, ""]) -> tuple[Float[Array, " in"], Float[Array, ""]]:
        """$w$ and $a$ at a time."""
        there = self.start != 0
        # The fastest growth is taken out of numerator and denominator, so that nothing overflows.
        fastest = jnp.max(jnp.where(there, self.growth, 0), initial=0)
        lag = jnp.where(there, fastest - self.growth, 0)
        rising = self.growth > 0
        behind = jnp.exp(-2 * jnp.where(rising, lag, fastest) * t)
        grown = self.start**2 * behind * decay(2 * jnp.abs(self.growth), t)
        square = jnp.exp(-2 * fastest * t) + self.variance * jnp.sum(grown)
        parts = self.start * jnp.exp(-lag * t) / jnp.sqrt(square)
        cosine, sine = self.angle
        along, readout = cosine * parts[0] - sine * parts[1], sine * parts[0] + cosine * parts[1]
        weights = jnp.sqrt(self.rates[0]) * (along * self.towards + parts[2] * self.aside) + self.outside
        return weights, jnp.sqrt(self.rates[1]) * readout


class InputSpan(eqx.Module):
    """Where inputs vary: their second moments as eigenvectors, with those that are only rounding left out."""

    variances: Float[Array, " in"]
    vectors: Float[Array, "in in"]
    kept: Array

    @property
    def variance(self) -> Float[Array, ""]:
        """The mean variance over the span."""
        return jnp.sum(self.variances) / jnp.maximum(jnp.sum(self.kept), 1)

    @property
    def departure(self) -> Float[Array, ""]:
        """The largest departure of a variance on the span from their mean, relative to it."""
        mean = self.variance
        apart = jnp.max(jnp.where(self.kept, jnp.abs(self.variances - mean), 0))
        return apart / jnp.where(mean > 0, mean, 1)

    def project(self, vector: Float[Array, " in"]) -> Float[Array, " in"]:
        """The part of a vector on the span."""
        return self.vectors @ jnp.where(self.kept, self.vectors.T @ vector, 0)

    def solve(self, vector: Float[Array, " in"]) -> Float[Array, " in"]:
        """The pseudo-inverse of the second moments on a vector."""
        scaled = (self.vectors.T @ vector) / jnp.where(self.kept, self.variances, 1)
        return self.vectors @ jnp.where(self.kept, scaled, 0)


def input_span(moments: tasks.Moments) -> InputSpan:
    """The span of the inputs of a task."""
    variances, vectors = jnp.linalg.eigh((moments.xx + moments.xx.T) / 2)
    limit = 10 * variances.shape[0] * jnp.finfo(variances.dtype).eps * jnp.max(jnp.abs(variances))
    kept = variances > limit
    return InputSpan(jnp.where(kept, variances, 0), vectors, kept)


def neuron_flow(
    network: nn.DeepLinear, moments: tasks.Moments, rates: tuple[Float[Array, ""], Float[Array, ""]]
) -> NeuronFlow:
    r"""The flow of a single neuron, the inputs taken to be white on their span.

    Args:
        network: one hidden unit and one output.
        moments: the task.
        rates: $(\eta_w, \eta_a)$, both positive.
    """
    span = input_span(moments)
    both = jnp.sqrt(rates[0]) * jnp.sqrt(rates[1])
    variance, driven = both**2 * span.variance, both * span.project(moments.yx[0])
    inside = span.project(network.weights[0][0])
    outside, weights = network.weights[0][0] - inside, inside / jnp.sqrt(rates[0])
    readout = network.weights[1][0, 0] / jnp.sqrt(rates[1])
    shift = variance * (readout**2 - jnp.sum(weights**2)) / 2
    strength = jnp.linalg.norm(driven)
    towards = driven / jnp.where(strength > 0, strength, 1)
    speed = jnp.hypot(strength, shift)
    # The direction (s, speed + shift) or, the same, (speed - shift, s): the one that does not cancel.
    cosine = jnp.where(shift > 0, strength, speed - jnp.minimum(shift, 0))
    sine = jnp.where(shift > 0, speed + jnp.maximum(shift, 0), strength)
    norm = jnp.hypot(cosine, sine)
    cosine, sine = (jnp.where(norm > 0, part / jnp.where(norm > 0, norm, 1), jnp.sqrt(0.5)) for part in (cosine, sine))
    along = towards @ weights
    rest = weights - along * towards
    size = jnp.linalg.norm(rest)
    start = jnp.stack([cosine * along + sine * readout, cosine * readout - sine * along, size])
    aside = rest / jnp.where(size > 0, size, 1)
    growth = jnp.stack([speed, -speed, -shift])
    return NeuronFlow(growth, start, (cosine, sine), towards, aside, outside, variance, rates)


@eqx.filter_jit
def _single_neuron(network: nn.DeepLinear, moments: tasks.Moments, ts: Array, rates: tuple[Array, Array]) -> Any:
    solved = neuron_flow(network, moments, rates)
    return SingleNeuron(*in_blocks(solved.at, ts.astype(moments.yx.dtype)), rates)


@cite("kunin2024get")
def single_neuron(
    network: nn.DeepLinear,
    task: Any,
    ts: Float[Array | np.ndarray, " time"],
    *,
    rates: tuple[Any, Any] = (1.0, 1.0),
) -> SingleNeuron:
    r"""One hidden linear neuron over learning time, exactly, with $\delta$, $\mu$, $\phi$ and its tangent kernel.

    Args:
        network: $f = a\, w^\top x$, as `DeepLinear` of the weights `"1 in"` and `"1 1"`.
        task: moments, or what has them, with inputs of one variance on their span.
        ts: learning times.
        rates: $(\eta_w, \eta_a)$, the factors on the gradients of the layers.

    Returns:
        The neuron over time; `SingleNeuronFlow` says whether it is exact for this network and task.

    Raises:
        ValueError: if the network has more than one hidden unit or output.

    !!! example
        ```python
        neuron = ln.theory.single_neuron(net, task, ts)
        neuron.signed_norm, neuron.alignment(target), neuron.kernel_distance(jnp.eye(task.xx.shape[0]))
        ```
    """
    moments: Any = tasks.as_moments(task)
    return _single_neuron(_checked(network), moments, jnp.asarray(ts), _pair(rates, moments.yx.dtype))


@cite("kunin2024get")
def implicit_bias(network: nn.DeepLinear, task: Any, *, rates: tuple[Any, Any] = (1.0, 1.0)) -> Float[Array, " in"]:
    r"""Which of the least-squares maps a single neuron learns, in closed form, for inputs of any spectrum.

    $w$ moves within the span of the inputs only, so $\beta_\infty = \hat\beta + a_\infty w_\perp$ with the
    least-squares map of smallest norm $\hat\beta$ and what of $w_0$ is outside the span, $w_\perp$; the conserved
    $\delta$ gives

    $$a_\infty^2 = h + \sqrt{h^2 + \tfrac{\eta_a}{\eta_w} |\hat\beta|^2}, \qquad
    2 h = a_0^2 - \tfrac{\eta_a}{\eta_w} |w_0 - w_\perp|^2 .$$

    The paper has this as the smallest $q_\delta(|\beta|) + z^\top \beta$ among the maps that fit, and solves it in two
    dimensions; its $\kappa'$ is $h$, and its $k$ the $w_\perp$ of a unit vector.

    The sign of $a_\infty$ is that of $a_0$ where $h \ge 0$, or where the loss begins below that of the zero map. Else
    it is the sign that grows on inputs of the variance along $\hat\beta$: exact for inputs that are white on their
    span.

    Args:
        network: $f = a\, w^\top x$.
        task: moments, or what has them.
        rates: $(\eta_w, \eta_a)$, the factors on the gradients of the layers.

    Returns:
        $\beta$ at the end of learning.

    Raises:
        ValueError: if the network has more than one hidden unit or output.
    """
    moments: Any = tasks.as_moments(task)
    return _implicit_bias(_checked(network), moments, _pair(rates, moments.yx.dtype))


@eqx.filter_jit
def _implicit_bias(network: nn.DeepLinear, moments: tasks.Moments, rates: tuple[Array, Array]) -> Array:
    span = input_span(moments)
    weights, readout = network.weights[0][0], network.weights[1][0, 0]
    smallest = span.solve(moments.yx[0])
    inside = span.project(weights)
    ratio = rates[1] / rates[0]
    half = (readout**2 - ratio * jnp.sum(inside**2)) / 2
    root = jnp.hypot(half, jnp.sqrt(ratio) * jnp.linalg.norm(smallest))
    # h + root, without the cancellation where h is negative.
    below = ratio * jnp.sum(smallest**2) / jnp.where(half < 0, root - half, 1)
    size = jnp.sqrt(jnp.where(half < 0, below, half + root))
    form = moments.residual_form()
    fits = form.excess(network.end_to_end()) < form.excess(jnp.zeros_like(moments.yx))
    norm2 = jnp.sum(smallest**2)
    variance = smallest @ moments.yx[0] / jnp.where(norm2 > 0, norm2, 1)
    white = tasks.Moments(variance * jnp.eye(weights.size, dtype=weights.dtype), moments.yx, moments.yy)
    inner = nn.DeepLinear((inside[None], network.weights[1]))
    growing = neuron_flow(inner, white, rates).start[0]
    return smallest + size * jnp.sign(jnp.where((half >= 0) | fits, readout, growing)) * (weights - inside)


def _checked(network: Any) -> nn.DeepLinear:
    reason = needs_one_neuron(network)
    if reason is not None:
        raise ValueError(f"A single neuron is asked for: {reason}")
    return network


def needs_one_neuron(network: Any) -> str | None:
    """Why a network is not one hidden linear neuron with one output (`None` if it is)."""
    if not isinstance(network, nn.DeepLinear):
        return f"it is about `DeepLinear` networks, got {type(network).__name__}."
    if network.depth != 2:
        return f"it is about depth 2 (the number of weight matrices), got depth {network.depth}."
    hidden, outputs = network.weights[0].shape[0], network.weights[1].shape[0]
    if (hidden, outputs) != (1, 1):
        return (
            f"it is about one hidden unit and one output, got {hidden} and {outputs}; `BalancedRiccati()` and "
            "`DeepLinearModes()` take more."
        )
    return None


def _pair(rates: tuple[Any, Any], dtype: Any) -> tuple[Array, Array]:
    first, last = rates
    return jnp.asarray(first, dtype), jnp.asarray(last, dtype)
