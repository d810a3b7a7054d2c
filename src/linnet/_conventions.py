r"""Conversions between the papers' and the libraries' conventions of loss and time, and linnet's.

linnet: $L = \tfrac12\, \mathbb E \lVert y - f(x) \rVert^2$ (a mean over samples, a sum over outputs and, for sequences,
over steps), $\dot\theta = -\nabla L$, and learning time is learning rate times steps. Another convention is two
numbers: what its loss is of linnet's, and how fast its clock runs. No JAX here: these are used to read a paper.
"""

import dataclasses
import typing

from ._cite import cite

#: A number or an array of numbers: a loss, a time, a learning rate.
Quantity = typing.TypeVar("Quantity")


@dataclasses.dataclass(frozen=True)
class Convention:
    """How a paper or a library measures loss and time, in linnet's units.

    Args:
        statement: the convention, as a sentence.
        loss_factor: their loss / linnet's loss.
        time_factor: linnet's learning time / their time. For gradient steps their time is learning rate x steps. It
            equals `loss_factor` where they descend the loss that they report; some papers do not.

    !!! example
        ```python
        their = linnet.conventions.torch_mse(num_outputs=10)
        their.to_time(0.1 * steps)  # what linnet calls the time after `steps` steps of torch.optim.SGD(lr=0.1)
        their.from_learning_rate(0.02)  # the lr that PyTorch needs for a linnet learning rate of 0.02
        ```
    """

    statement: str
    loss_factor: float
    time_factor: float

    def to_loss(self, theirs: Quantity) -> Quantity:
        """Their loss in linnet's units."""
        return theirs / self.loss_factor  # type: ignore[operator]

    def from_loss(self, linnets: Quantity) -> Quantity:
        """linnet's loss in their units."""
        return linnets * self.loss_factor  # type: ignore[operator]

    def to_time(self, theirs: Quantity) -> Quantity:
        """Their time in linnet's units."""
        return theirs * self.time_factor  # type: ignore[operator]

    def from_time(self, linnets: Quantity) -> Quantity:
        """linnet's learning time in their units."""
        return linnets / self.time_factor  # type: ignore[operator]

    def to_learning_rate(self, theirs: Quantity) -> Quantity:
        """The learning rate with which linnet's descent takes the same steps as theirs."""
        return theirs * self.time_factor  # type: ignore[operator]

    def from_learning_rate(self, linnets: Quantity) -> Quantity:
        """The learning rate with which their descent takes the same steps as linnet's."""
        return linnets / self.time_factor  # type: ignore[operator]


def torch_mse(num_outputs: int) -> Convention:
    r"""PyTorch's `MSELoss()`: $\frac{1}{P N_y} \sum (y - f)^2$, a mean over outputs too, without the half.

    Args:
        num_outputs: $N_y$, outputs of one example; for sequences outputs x steps, over which it averages as well.
    """
    factor = 2.0 / _positive(num_outputs, "num_outputs")
    return Convention("MSELoss(): a mean over samples and outputs, no factor 1/2.", factor, factor)


def torch_mse_sum(num_samples: int) -> Convention:
    r"""PyTorch's `MSELoss(reduction="sum")`: $\sum (y - f)^2$ over samples and outputs, without the half.

    Args:
        num_samples: $P$, the samples in a batch.
    """
    factor = 2.0 * _positive(num_samples, "num_samples")
    return Convention("MSELoss(reduction='sum'): a sum over samples and outputs, no factor 1/2.", factor, factor)


def sum_over_samples(num_samples: int) -> Convention:
    r"""$\frac12 \sum_p \lVert y_p - f(x_p) \rVert^2$, with $\Sigma_{yx} = \sum_p y_p x_p^\top$: most theory papers.

    Args:
        num_samples: $P$.
    """
    factor = float(_positive(num_samples, "num_samples"))
    return Convention("1/2 sum over samples and outputs; moments are sums.", factor, factor)


@cite("saxe2014exact")
def saxe(num_samples: int, tau: float) -> Convention:
    r"""Saxe et al.: $\tau \dot W = -\nabla L$ on sums over samples, with $\tau = 1 / \lambda$ and $t$ in epochs.

    "Whitened" there is $\sum_p x_p x_p^\top = I$: in linnet's means $\mathbb E\, x x^\top = I / P$, so that a mode is
    learned at $\tau / (2 s) \ln(s / u_0 - 1)$ for the singular value $s$ of the *sum*.

    Args:
        num_samples: $P$.
        tau: $\tau$, one over the learning rate of a step that sums over the samples.
    """
    num, tau = _positive(num_samples, "num_samples"), _positive(tau, "tau")
    return Convention("tau dW/dt = -dL/dW, L = 1/2 sum over samples; time in epochs.", float(num), num / tau)


@cite("advani2020high")
def advani(num_samples: int, tau: float = 1.0) -> Convention:
    r"""Advani, Saxe and Sompolinsky: errors are mean squares *without* the half, the flow is that of the sum *with* it.

    $E_t = \frac1P \sum_p (y_p - w x_p)^2$ is twice linnet's loss, yet $\tau \dot w = y X^\top - w X X^\top$. Their
    inputs have variance $1 / N$, so that the spectrum of $X X^\top$ is Marchenko and Pastur's with ratio $P / N$.

    Args:
        num_samples: $P$.
        tau: $\tau$.
    """
    num, tau = _positive(num_samples, "num_samples"), _positive(tau, "tau")
    return Convention("Errors without the factor 1/2; tau dw/dt = y X^T - w X X^T on sums.", 2.0, num / tau)


@cite("smekal2024towards")
def smekal(tau: float = 1.0) -> Convention:
    r"""Smekal et al.: $\frac1L \sum_k$ over the frequencies of the unnormalised DFT.

    By Parseval $\frac1L \sum_k |Y_k|^2 = \sum_t y_t^2$: their $1 / L$ *is* the sum over steps (for circular
    convolutions), of one sequence or of a mean over sequences.

    Args:
        tau: $\tau$, one over the learning rate.
    """
    return Convention("(1/L) sum over DFT frequencies = sum over steps.", 1.0, 1.0 / _positive(tau, "tau"))


def mean_over_steps(num_steps: int) -> Convention:
    r"""A mean over the steps of a sequence in place of linnet's sum (also: $\frac1L \sum_k$ of the orthonormal DFT).

    Args:
        num_steps: $L$.
    """
    factor = 1.0 / _positive(num_steps, "num_steps")
    return Convention("1/2 of a mean over steps; linnet sums over steps.", factor, factor)


@cite("kunin2024get")
def kunin(num_samples: int) -> Convention:
    r"""Kunin et al.: sums, $X^\top X = I$, and a learning rate for each layer: $\dot w = \eta_w a (\beta_* - a w)$.

    The layers' rates are `rates` of linnet's rules. At equal rates their
    $\delta = \eta_w a^2 - \eta_a \lVert w \rVert^2$ is the $\lambda$ of $W_2^\top W_2 - W_1 W_1^\top = \lambda I$.

    Args:
        num_samples: $P$, the rows of $X$.
    """
    factor = float(_positive(num_samples, "num_samples"))
    return Convention("1/2 sum over samples with X^T X = I; learning rates per layer.", factor, factor)


@cite("bordelon2025dynamically")
def bordelon(step: float) -> Convention:
    r"""Bordelon et al.: $\frac12 \int_0^\infty (f - f_*)^2 \,dt$ over the impulse response, in continuous time.

    With white inputs of unit variance, linnet's loss of the sampled response is $\frac12 \sum_k (f - f_*)^2(k \Delta)$:
    this integral divided by the step, to first order in the step. A continuous $\dot h = -h + W h + u x$ is the network
    with recurrent weights $I + \Delta (W - I)$; its flow in $W$ is linnet's with the rate $\Delta^2$ on those weights.

    Args:
        step: $\Delta$, the time between two steps of the network.
    """
    step = float(_positive(step, "step"))
    return Convention("1/2 integral over time of the squared difference of impulse responses.", step, step)


@cite("brechet2023critical")
def bures_wasserstein() -> Convention:
    r"""Bures and Wasserstein: $\operatorname{tr} \Sigma_0 + \operatorname{tr} W W^\top - 2 \operatorname{tr}
    (\Sigma_0^{1/2} W W^\top \Sigma_0^{1/2})^{1/2}$, without a half.

    It is the smallest $\mathbb E \lVert y - W z \rVert^2$ over couplings of $y \sim (0, \Sigma_0)$ with white $z$,
    twice linnet's loss on the task $\mathbb E\, y z^\top = \Sigma_0^{1/2} Q$ of the best coupling $Q$.
    """
    return Convention("tr(A + B - 2 (A^1/2 B A^1/2)^1/2), no factor 1/2.", 2.0, 2.0)


@cite("novak2020neural")
def neural_tangents(num_outputs: int) -> Convention:
    r"""neural-tangents: $\frac{1}{2 P N_y} \sum (y - f)^2$, so that time is divided by `y_train.size`.

    It predicts $f_0 - \Theta_* \Theta^{-1} (I - e^{-\eta \Theta t / (P N_y)}) (f_0 - y)$; linnet's mean has the $P$.

    Args:
        num_outputs: $N_y$.
    """
    factor = 1.0 / _positive(num_outputs, "num_outputs")
    return Convention("1/2 of a mean over samples and outputs.", factor, factor)


def _positive(value: float, name: str) -> float:
    if not value > 0:
        raise ValueError(f"The convention needs a positive {name}, got {value}.")
    return value
