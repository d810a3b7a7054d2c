"""Two-layer linear convolutional networks in the Fourier domain, where frequencies race for the same residual."""

import math
from typing import Any, ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Complex, Float

from .. import nn, tasks
from .._cite import cite
from .._loss import AbstractLoss
from .._ode import solve_ode
from .._rule import AbstractRule
from .._trajectory import Trajectory
from ._assumptions import flow_assumptions, needs_moments
from ._record import DIMS, held_out_forms
from ._theory import AbstractTheory, Assumption


@cite("pinson2023linear")
class FourierRace(AbstractTheory):
    r"""A linear network of circular convolutions with filters as large as the image, then a dense layer, exactly.

    In the unitary Fourier transforms $\hat k_{c,f}$ of the filters and $\hat W_{o,c,f}$ of the output weights a
    convolution is a product, and the map is $\hat M_{o,f} = \sqrt n \sum_c \hat W_{o,c,f} \hat k_{c,f}$ for $n$
    pixels.

    $$\dot{\hat W}_{o,c,f} = \sqrt n\, \hat E_{o,f}\, \overline{\hat k_{c,f}}, \qquad
    \dot{\hat k}_{c,f} = \sqrt n \sum_o \hat E_{o,f}\, \overline{\hat W_{o,c,f}}, \qquad
    \hat E = \hat\Sigma_{yx} - \hat M \hat\Sigma_{xx}$$

    Every frequency has weights of its own, and $|\hat k_f|^2 - |\hat W_f|^2$ (over channels a matrix) is conserved; but
    all share the residual $\hat E$. From small weights frequency $f$ grows at the rate
    $\sqrt n\, \lvert \hat\Sigma_{yx,f} \rvert$ (`frequency_rates`), and the fastest takes the residual away from the
    others. Any data, any weights, any number of dimensions and channels. Departs from the paper in its notation
    (filters are not mirrored, transforms are unitary, moments are means).

    It predicts "frequency_strengths" too, what each frequency contributes to the strength of each mode
    (`linnet.learn.FrequencyStrengths` records the same).
    """

    strength: ClassVar[int] = 2

    def applies(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> str | None:
        if not isinstance(network, nn.LinearCNN):
            return f"it is about `LinearCNN` networks, got {type(network).__name__}."
        return needs_full_size(network) or needs_moments(network, task, loss)

    def assumptions(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> tuple[Assumption, ...]:
        return flow_assumptions(network, task, rule)

    def solve(self, network: Any, task: Any, ts: Float[Array, " time"]) -> Trajectory:
        moments: Any = tasks.as_moments(task)
        space, num = network.space, math.prod(network.space)
        modes, form, forms = moments.singular_modes(), moments.residual_form(), held_out_forms(task)
        # Rows of a map are transformed as they are, inputs by the conjugate: M x is then a sum over frequencies.
        yx = fourier(moments.yx, space)
        xx = fourier(jnp.conj(fourier(moments.xx, space)).T, space)
        scale = math.sqrt(num)

        def parts(state: Any) -> tuple[Complex[Array, "channel frequency"], Complex[Array, "out channel frequency"]]:
            return jnp.asarray(state[0] + 1j * state[1]), jnp.asarray(state[2] + 1j * state[3])

        def response(filters: Array, readout: Array) -> Complex[Array, "out frequency"]:
            return scale * jnp.einsum("ocf,cf->of", readout, filters)

        def field(t: Array, state: Any, args: Any) -> Any:
            filters, readout = parts(state)
            error = scale * (yx - response(filters, readout) @ xx)
            grown = jnp.einsum("of,ocf->cf", error, jnp.conj(readout)), error[:, None] * jnp.conj(filters)[None]
            return tuple(part for leaf in grown for part in (leaf.real, leaf.imag))

        def save(t: Array, state: Any, args: Any) -> dict[str, Array]:
            spectrum = response(*parts(state))
            linear_map = inverse_fourier(spectrum, space)
            values = {"loss": form(linear_map), "mode_strengths": modes.mode_strengths(linear_map)}
            values |= {name: held_out(linear_map) for name, held_out in forms.items()}
            return values | {"frequency_strengths": _by_frequency(modes, spectrum, space)}

        start = (
            fourier(network.filters.reshape(-1, num), space),
            fourier(network.output_weights.reshape(*network.output_weights.shape[:2], num), space),
        )
        initial = tuple(part for leaf in start for part in (leaf.real, leaf.imag))
        values, _, result = solve_ode(field, initial, ts, save=save)
        dims = {name: DIMS.get(name, ("time", "mode", "frequency")) for name in values}
        return Trajectory(ts, values, dims, result=result)  # pyright: ignore[reportArgumentType]


@cite("pinson2023linear")
def frequency_rates(task: Any, space: tuple[int, ...]) -> Float[Array, " frequency"]:
    r"""The rate at which each frequency grows from small weights, $\gamma_f = \sqrt n\,|\hat\Sigma_{yx,f}|$.

    Weights grow as $e^{\gamma_f t}$, what they do to the map as $e^{2 \gamma_f t}$. For one mode with the right
    singular vector $v$ it is $s \sqrt n\, |\hat v_f|$: between $s$, the rate of a dense network, for a point and
    $s \sqrt{n / 2}$ for a wave. The largest $\gamma_f$ is the dominant frequency.

    Args:
        task: whatever has moments.
        space: the shape of the images.

    Returns:
        The rates of all frequencies in the order of `jnp.fft.fftn`, flattened.
    """
    moments: Any = tasks.as_moments(task)
    if moments.num_steps is not None or moments.yx.shape[1] != math.prod(space):
        raise ValueError(
            f"Images of shape {space} have {math.prod(space)} pixels, but the task's input-output moments have shape "
            f"{moments.yx.shape}; pass the shape of its images."
        )
    return math.sqrt(math.prod(space)) * jnp.linalg.norm(fourier(moments.yx, space), axis=0)


def fourier(rows: Any, space: tuple[int, ...]) -> Complex[Array, "*row frequency"]:
    """The unitary Fourier transform of images given as flat rows."""
    images = jnp.reshape(rows, (*rows.shape[:-1], *space))
    return jnp.fft.fftn(images, axes=tuple(range(-len(space), 0)), norm="ortho").reshape(rows.shape)


def inverse_fourier(rows: Complex[Array, "*row frequency"], space: tuple[int, ...]) -> Float[Array, "*row pixel"]:
    """The real images whose transforms these are."""
    spectra = rows.reshape(*rows.shape[:-1], *space)
    return jnp.fft.ifftn(spectra, axes=tuple(range(-len(space), 0)), norm="ortho").real.reshape(rows.shape)


def _by_frequency(
    modes: tasks.SingularModes, spectrum: Complex[Array, "out frequency"], space: tuple[int, ...]
) -> Float[Array, "mode frequency"]:
    r"""$\mathrm{Re}\,(u_\alpha^\top \hat M_f)\,\overline{\hat v_{\alpha,f}}$; the sum is $u_\alpha^\top M v_\alpha$."""
    return jnp.real((modes.left.T @ spectrum) * jnp.conj(fourier(modes.right.T, space)))


def needs_full_size(network: nn.LinearCNN) -> str | None:
    if network.circular and network.filters.shape[1:] == network.space:
        return None
    kind = "circular" if network.circular else "not circular"
    return (
        f"it needs circular convolutions by filters as large as the image, got {kind} ones by filters of "
        f"{network.filters.shape[1:]} on images of {network.space}; use `MomentFlow()`."
    )
