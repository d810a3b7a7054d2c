"""Periodic sequences by their spectra: all that a linear network in a steady state can see of them."""

from typing import Any, Protocol, runtime_checkable

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float

from .._cite import cite
from .._loss import AbstractLoss, SquaredError
from ._batch import Batch
from ._setting import AbstractSetting


@runtime_checkable
class TransferFunction(Protocol):
    """A linear network over time by its transfer function."""

    def transfer(self, frequencies: Float[Array, " frequency"]) -> Complex[Array, "frequency out in"]:
        r"""$H(\omega)$ at frequencies in radians per step."""
        ...


@cite("smekal2024towards")
class Spectrum(AbstractSetting):
    r"""Learn a filter from spectra: squared error on periodic sequences of $L$ steps, summed over steps.

    The discrete Fourier transform turns the recurrence into a product, $Y_k = H(\omega_k)\, U_k$ with $\omega_k = 2 \pi
    k / L$, so that the loss is exact in the spectra alone, whatever the number of sequences:

    $$L = \tfrac12 \sum_k P_k\, |H(\omega_k) - X_k / P_k|^2 + \text{floor}, \qquad P_k = \tfrac1L E |U_k|^2, \qquad
    X_k = \tfrac1L E\, Y_k \bar U_k .$$

    Of states with fixed poles $h_k = 1 / (1 - a e^{-i\omega_k})$ all that is seen of it is `statistics`: the overlaps
    $\sigma = \sum_k \mathrm{Re}\, \bar h_k X_k$ of input and output and $\eta = \sum_k |h_k|^2 P_k$ of the input with
    itself, both through the state.

    Args:
        input_power: $P_k$, at all $L$ frequencies.
        cross: $X_k$, real and imaginary parts, `"frequency part"`.
        output_power: $E \sum_t y_t^2$.

    !!! example
        ```python
        task = ln.tasks.Spectrum.of(ln.tasks.Batch(x, y))  # x and y: (num, step, 1), one period each
        net = ln.nn.DiagonalSSM(0.9 * jnp.ones(4), 0.1 * jnp.ones((4, 1)), 0.1 * jnp.ones((1, 4)))
        ln.learn.simulate(net, task, jnp.linspace(0.0, 1.0, 50))
        ```
    """

    input_power: Float[Array, " frequency"] = eqx.field(converter=jnp.asarray)
    cross: Float[Array, "frequency part"] = eqx.field(converter=jnp.asarray)
    output_power: Float[Array, ""] = eqx.field(converter=jnp.asarray)

    def __check_init__(self) -> None:
        num = np.shape(self.input_power)[:1]
        if np.ndim(self.input_power) != 1 or np.shape(self.cross) != (*num, 2) or np.ndim(self.output_power) != 0:
            raise ValueError(
                "Spectrum needs input_power (frequency,), cross (frequency, 2) and one output_power, got shapes "
                f"{np.shape(self.input_power)}, {np.shape(self.cross)} and {np.shape(self.output_power)}."
            )

    @staticmethod
    def of(batch: Batch) -> "Spectrum":
        """The spectra of samples: sequences of one period each, one input and one output at every step.

        Args:
            batch: x and y of shape (num, step, 1), without a mask.

        Raises:
            ValueError: for other shapes.
        """
        _check_periodic(batch)
        steps = batch.x.shape[1]
        inputs, outputs = jnp.fft.fft(batch.x[..., 0], axis=1), jnp.fft.fft(batch.y[..., 0], axis=1)
        weight = jnp.full(batch.num, 1 / batch.num) if batch.weight is None else batch.weight / jnp.sum(batch.weight)
        weight = weight.astype(batch.x.dtype)
        cross = weight @ (outputs * jnp.conj(inputs)) / steps
        power = jnp.sum(weight @ batch.y[..., 0] ** 2)
        return Spectrum(weight @ jnp.abs(inputs) ** 2 / steps, jnp.stack([cross.real, cross.imag], axis=1), power)

    def frequencies(self) -> Float[Array, " frequency"]:
        r"""$\omega_k = 2 \pi k / L$, in radians per step."""
        num = self.input_power.shape[0]
        return jnp.asarray(2 * np.pi * np.arange(num) / num, self.input_power.dtype)

    def states(self, poles: Float[Array, " state"]) -> Complex[Array, "frequency state"]:
        r"""The transfer functions $1 / (1 - a e^{-i \omega_k})$ of single states."""
        return 1 / (1 - poles * jnp.exp(-1j * self.frequencies())[:, None])

    def statistics(self, poles: Float[Array, " state"]) -> tuple[Float[Array, " state"], Float[Array, "state state"]]:
        r"""What states with these poles see: $\sigma_n = \sum_k \mathrm{Re}\, \bar h_{nk} X_k$ and $\eta_{nm} = \sum_k
        P_k\, \mathrm{Re}\, \bar h_{nk} h_{mk}$."""
        states = self.states(poles)
        cross = self.cross[:, 0] + 1j * self.cross[:, 1]
        return (jnp.conj(states).T @ cross).real, ((jnp.conj(states).T * self.input_power) @ states).real

    def floor(self) -> Float[Array, ""]:
        """The loss of the best filter, which may be acausal."""
        learned = jnp.sum(jnp.where(self.input_power > 0, self._filter()[1], 0))
        return 0.5 * jnp.maximum(self.output_power - learned, 0)

    def applies(self, network: Any, loss: AbstractLoss) -> str | None:
        if not isinstance(network, TransferFunction):
            return "it needs a linear network with a transfer function, such as `DiagonalSSM`."
        if not isinstance(loss, SquaredError):
            return f"its loss is squared error, got {type(loss).__name__}."
        shape = eqx.filter_eval_shape(network.transfer, self.frequencies()).shape[1:]
        if shape != (1, 1):
            return f"it has one input and one output, and the network's transfer function is (out, in) = {shape}."
        return None

    def loss(self, network: Any) -> Float[Array, ""]:
        gap = network.transfer(self.frequencies())[:, 0, 0] - self._filter()[0]
        return 0.5 * jnp.sum(self.input_power * (gap.real**2 + gap.imag**2)) + self.floor()

    def _filter(self) -> tuple[Complex[Array, " frequency"], Float[Array, " frequency"]]:
        """The best filter $X_k / P_k$ and the output power that it explains at every frequency."""
        seen = self.input_power > 0
        power = jnp.where(seen, self.input_power, 1)
        cross = jnp.where(seen, self.cross[:, 0] + 1j * self.cross[:, 1], 0)
        return cross / power, jnp.abs(cross) ** 2 / power


def unroll_periods(batch: Batch, periods: int = 2) -> Batch:
    """Periodic sequences as they are in time: each repeated, of which only the last period counts.

    A recurrent network that begins at rest has forgotten it by then, up to its poles to the power of the steps before.

    Args:
        batch: x and y of shape (num, step, 1), one period each, without a mask.
        periods: how many; the first ones only bring the network into its steady state.

    Raises:
        ValueError: for other shapes, or less than one period.
    """
    _check_periodic(batch)
    if periods < 1:
        raise ValueError(f"unroll_periods needs at least 1 period, got {periods}.")
    steps = batch.x.shape[1]
    mask = jnp.broadcast_to(jnp.arange(periods * steps) >= (periods - 1) * steps, (batch.num, periods * steps))
    return Batch(jnp.tile(batch.x, (1, periods, 1)), jnp.tile(batch.y, (1, periods, 1)), mask, batch.weight)


def _check_periodic(batch: Batch) -> None:
    shapes = batch.x.shape, batch.y.shape
    if batch.mask is not None or shapes[0] != shapes[1] or shapes[0][2:] != (1,):
        raise ValueError(
            "Periods of one input and one output are needed, x and y of shape (num, step, 1) without a mask, got "
            f"{shapes[0]} and {shapes[1]}{'' if batch.mask is None else ' with a mask'}."
        )
