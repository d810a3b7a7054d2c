"""Training and test error over time of linear students of noisy linear teachers, and when to stop."""

from collections.abc import Callable
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .. import nn, tasks
from .._cite import cite
from .._loss import AbstractLoss
from .._rule import AbstractRule
from .._trajectory import Trajectory
from ._assumptions import flow_assumptions, needs_deep_linear
from ._marchenko_pastur import Spectrum
from ._record import in_blocks
from ._theory import AbstractTheory, Assumption

#: How far the test inputs' moments may be from a multiple of the identity, in the mean square over the mean.
ISOTROPIC = 0.3


def _noise_part(eigenvalues: Float[Array, " node"], t: Float[Array, ""]) -> Float[Array, " node"]:
    r"""$(1 - e^{-\lambda t})^2 / \lambda$, with its limit 0 at $\lambda = 0$."""
    positive = eigenvalues > 0
    safe = jnp.where(positive, eigenvalues, 1)
    return jnp.where(positive, jnp.expm1(-safe * t) ** 2 / safe, 0)


@cite("advani2020high")
def generalization_curves(
    spectrum: Spectrum | Float[Array, " node"],
    ts: Float[Array, " time"],
    *,
    num_samples: float | Float[Array, ""],
    signal_variance: float | Float[Array, ""],
    noise_variance: float | Float[Array, ""],
    initial_variance: float | Float[Array, ""] = 0.0,
    input_variance: float | Float[Array, ""] | None = None,
    num_outputs: int = 1,
) -> tuple[Float[Array, " time"], Float[Array, " time"]]:
    r"""Expected training and test loss of one linear layer under gradient flow, over teachers, noise and initial
    weights.

    $$L_{test}(t) = \frac{K}{2}\Bigl[\sigma_x^2 \sum_i \Bigl( (\sigma_w^2 + \sigma_0^2) e^{-2 \lambda_i t}
        + \frac{\sigma_\epsilon^2}{P} \frac{(1 - e^{-\lambda_i t})^2}{\lambda_i} \Bigr) + \sigma_\epsilon^2 \Bigr]$$
    $$L_{train}(t) = \frac{K}{2}\Bigl[\sum_{\lambda_i > 0} \Bigl( \lambda_i (\sigma_w^2 + \sigma_0^2)
        + \frac{\sigma_\epsilon^2}{P} \Bigr) e^{-2 \lambda_i t} + \sigma_\epsilon^2 \Bigl(1 - \frac{r}{P}\Bigr) \Bigr]$$

    Directions without training inputs ($\lambda = 0$) are frozen: they keep $\sigma_w^2 + \sigma_0^2$ for ever. Departs
    from the paper by linnet's conventions: a factor 1/2, means over samples ($\lambda = l / P$, time
    $t / \tau \cdot P$), and the rank $r$ where the paper has $\min(N, P)$ only in words.

    Args:
        spectrum: the eigenvalues of the training inputs' mean $\mathbb E[x x^\top]$, zeros included; or a weighted
            `Spectrum`, as from `marchenko_pastur`.
        ts: learning times.
        num_samples: $P$.
        signal_variance: $\sigma_w^2$ of the teacher's weights.
        noise_variance: $\sigma_\epsilon^2$ of every target.
        initial_variance: $\sigma_0^2$ of the student's initial weights.
        input_variance: $\sigma_x^2$ of every input in the population; by default one over the number of inputs.
        num_outputs: $K$, outputs with teachers of their own.

    Returns:
        The training and the test loss over time. Traceable.
    """
    if not isinstance(spectrum, Spectrum):
        values = jnp.asarray(spectrum)
        spectrum = Spectrum(values, jnp.ones_like(values))
    variance = 1 / jnp.sum(spectrum.weights) if input_variance is None else input_variance
    start, per_sample = signal_variance + initial_variance, noise_variance / num_samples
    settings = num_samples, start, per_sample, noise_variance, variance
    train, test = _curves(spectrum, jnp.asarray(ts), tuple(jnp.asarray(v, spectrum.weights.dtype) for v in settings))
    return num_outputs * train, num_outputs * test


@eqx.filter_jit
def _curves(spectrum: Spectrum, ts: Float[Array, " time"], settings: tuple) -> tuple[Array, Array]:
    num_samples, start, per_sample, noise_variance, variance = settings
    # Rounding around zero is zero.
    floor = 10 * jnp.finfo(spectrum.eigenvalues.dtype).eps * jnp.max(spectrum.eigenvalues)
    eigenvalues = jnp.where(spectrum.eigenvalues > floor, spectrum.eigenvalues, 0)
    seen = jnp.where(eigenvalues > 0, spectrum.weights, 0)
    rank = jnp.sum(seen)

    def at(t: Float[Array, ""]) -> tuple[Array, Array]:
        left = jnp.exp(-2 * eigenvalues * t)
        wrong = start * left + per_sample * _noise_part(eigenvalues, t)
        test = variance * jnp.sum(spectrum.weights * wrong) + noise_variance
        train = jnp.sum(seen * (eigenvalues * start + per_sample) * left)
        train = train + noise_variance * jnp.maximum(1 - rank / num_samples, 0)
        return train / 2, test / 2

    return in_blocks(at, ts.astype(eigenvalues.dtype))


@cite("advani2020high")
def mode_stopping_time(
    eigenvalues: Float[Array, "*mode"],
    *,
    num_samples: float,
    snr: float | Float[Array, ""],
    initial_ratio: float | Float[Array, ""] = 0.0,
) -> Float[Array, "*mode"]:
    r"""When a single mode should stop learning, $t^* = \lambda^{-1} \ln\bigl(1 + \mathrm{SNR}\, P \lambda (1 +
    \mathrm{INR})\bigr)$.

    At that time a mode without initial weights has the error of optimally regularised ridge regression.

    Args:
        eigenvalues: $\lambda$ of the training inputs' mean $\mathbb E[x x^\top]$.
        num_samples: $P$.
        snr: $\sigma_w^2 / \sigma_\epsilon^2$.
        initial_ratio: $\mathrm{INR} = \sigma_0^2 / \sigma_w^2$.

    Returns:
        The times; infinite for modes without inputs, where stopping makes no difference.
    """
    positive = eigenvalues > 0
    safe = jnp.where(positive, eigenvalues, 1)
    return jnp.where(positive, jnp.log1p(snr * num_samples * safe * (1 + initial_ratio)) / safe, jnp.inf)


def optimal_stopping_time(
    error: Callable[[Float[Array, " time"]], Float[Array, " time"]], longest: float, *, shortest: float | None = None
) -> float:
    """When an error curve is lowest, if it rises again afterwards.

    Args:
        error: the error at given times, such as the test loss of `generalization_curves`.
        longest: the time after which the curve is taken to be settled.
        shortest: the first time looked at; by default a millionth of `longest`.

    Returns:
        The time of the lowest error, to a relative 1e-6; NaN where the lowest is at the beginning or the end: then
        there is no reason to stop.
    """
    # All looks at the curve have one shape, so that a compiled curve is compiled once.
    ts = np.concatenate([[0.0], np.geomspace(longest * 1e-6 if shortest is None else shortest, longest, 400)])
    values = np.asarray(error(jnp.asarray(ts)))
    best = int(np.argmin(values))
    if best in (0, ts.size - 1) or values[-1] - values[best] <= 1e-9 * abs(values[best]):
        return float("nan")
    low, high = ts[best - 1], ts[best + 1]
    while high - low > 1e-6 * high:
        grid = np.linspace(low, high, ts.size)
        place = int(np.clip(np.argmin(np.asarray(error(jnp.asarray(grid)))), 1, ts.size - 2))
        low, high = grid[place - 1], grid[place + 1]
    return float((low + high) / 2)


@cite("advani2020high", "baik2005phase")
def noise_edge(num_inputs: int, num_outputs: int, num_samples: int, noise_variance: float | Array = 1.0) -> Array:
    r"""The largest singular value that $\Sigma_{yx}$ gets from noise alone,
    $\sigma_\epsilon (\sqrt{N} + \sqrt{K}) / \sqrt{P}$.

    For white inputs and independent targets: the edge of the Marchenko-Pastur law of an $N \times K$ matrix of noise of
    variance $\sigma_\epsilon^2 / P$. A mode below it cannot be told from noise by its strength.
    """
    return jnp.sqrt(noise_variance / num_samples) * (np.sqrt(num_inputs) + np.sqrt(num_outputs))


@cite("advani2020high")
class GeneralizationDynamics(AbstractTheory):
    """One linear layer on samples of a noisy linear teacher: the expected training and test loss over time.

    The expectation is over teachers, noise and Gaussian initial weights, for the very inputs of the training part (or
    for the Marchenko-Pastur spectrum, by `generalization_curves` with `marchenko_pastur`). It has to be asked for by
    `theory=`, because it predicts an average and not a given network; compare it with the mean over an ensemble of
    teachers.

    Args:
        signal_variance: of the teacher's weights.
        noise_variance: of the noise on every target.
        initial_variance: of the student's initial weights.
    """

    strength: ClassVar[int] = 0

    signal_variance: Float[Array, ""] = eqx.field(converter=jnp.asarray)
    noise_variance: Float[Array, ""] = eqx.field(converter=jnp.asarray)
    initial_variance: Float[Array, ""] = eqx.field(default=0.0, converter=jnp.asarray)

    def applies(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> str | None:
        if not isinstance(task, tasks.Split) or not isinstance(task.train, tasks.Batch):
            return f"it needs a Split with samples, such as `teacher.draw(num, key=key)`, got {_kind(task)}."
        return needs_deep_linear(network, task, loss, depth=1)

    def assumptions(self, network: nn.DeepLinear, task: Any, rule: AbstractRule, loss: AbstractLoss) -> tuple:
        xx = tasks.as_moments(task).flat()[0]
        size, samples = xx.shape[0], task.train.num
        mean = jnp.trace(xx) / size
        # What finite samples add to the spread of eigenvalues of isotropic inputs is N / P of their mean square.
        spread = jnp.maximum(jnp.sum(xx**2) / size / mean**2 - 1 - size / samples, 0)
        return (
            Assumption(
                "isotropic inputs",
                spread,
                ISOTROPIC,
                "the spread of the inputs' variances beyond that of a finite sample, over their mean squared",
                "whiten the inputs on the training part, or predict the given network by `SingleLayer()`",
            ),
            *flow_assumptions(network, task, rule),
        )

    def solve(self, network: nn.DeepLinear, task: Any, ts: Float[Array, " time"]) -> Trajectory:
        xx, yx, _ = tasks.as_moments(task).flat()
        variance = jnp.trace(xx) / xx.shape[0]
        train, test = generalization_curves(
            jnp.linalg.eigvalsh(xx),
            ts,
            num_samples=task.train.num,
            signal_variance=self.signal_variance,
            noise_variance=self.noise_variance,
            initial_variance=self.initial_variance,
            input_variance=variance,
            num_outputs=yx.shape[0],
        )
        names = ["test_loss"] * (task.test is not None) + ["validation_loss"] * (task.validation is not None)
        values = {"loss": train, **dict.fromkeys(names, test)}
        return Trajectory(ts, values, dict.fromkeys(values, ("time",)))  # pyright: ignore[reportArgumentType]


def _kind(task: Any) -> str:
    return f"a Split of {type(task.train).__name__}" if isinstance(task, tasks.Split) else type(task).__name__
