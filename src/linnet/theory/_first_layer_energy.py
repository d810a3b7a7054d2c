"""What the filters of a linear convolutional network become, from the second moments of what they read."""

import dataclasses
import math
from typing import Any, ClassVar

import jax.numpy as jnp
import jax.tree_util as jtu
from jaxtyping import Array, Float

from .. import analyse, nn, tasks
from .._cite import cite
from .._loss import AbstractLoss
from .._rule import AbstractRule
from .._trajectory import Trajectory
from ._assumptions import flow_assumptions, needs_moments
from ._record import DIMS, held_out_forms, in_blocks
from ._theory import AbstractTheory, Assumption

#: The energy of filters relative to that of the output weights, and how far these are from even, up to which profiles
#: are as good to within a few percent.
STILL, EVEN = 0.02, 0.05

_OTHER = "use `MomentFlow()`, which needs none of this, for maps and losses."


@cite("chowers2023what")
class FirstLayerEnergy(AbstractTheory):
    r"""The filters of a linear convolutional network with many channels, whose dense layer hardly moves.

    Let $P_j$ cut the patch at place $j$ out of an image, $S = \sum_j P_j^\top P_j$ (how many patches cover each pixel)
    and the output weights be even, $\sum_c W_{o,c,j} W_{o',c,j'} = a\, \delta_{oo'} \delta_{jj'}$: random ones are in
    the limit of many channels. Then the change of the filters is made of the patches of one image $R_o$ an output,

    $$\Delta k_c = \sum_{o,j} W_{o,c,j}\, P_j R_o, \qquad
    \Delta K^\top \Delta K = a \sum_{o,j} P_j R_o R_o^\top P_j^\top, \qquad
    R(t) = E_0 S^{\frac12} \frac{1 - e^{-a \tilde\Sigma t}}{a \tilde\Sigma} S^{-\frac12}$$

    with $E_0 = \Sigma_{yx} - M_0 \Sigma_{xx}$ and $\tilde\Sigma = S^{\frac12} \Sigma_{xx} S^{\frac12}$. It predicts
    "energy_profile", $e_i = p_i^\top \Delta K^\top \Delta K p_i$ along the principal components $p_i$ of the patches
    (`linnet.learn.EnergyProfile` records the same), besides losses and mode strengths; `energy_from_images` and
    `energy_from_patches` are its mean over random labels.

    Args:
        rate: the rate of the filters; `predict` takes it from the rule.
        still: whether the rule holds the output weights; `predict` takes it from the rule.
        duration: up to when output weights have to stay; `predict` takes it from the times.
    """

    strength: ClassVar[int] = 0
    rate: Any = 1.0
    duration: Any = 0.0

    def applies(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> str | None:
        if not isinstance(network, nn.LinearCNN):
            return f"it is about `LinearCNN` networks, got {type(network).__name__}."
        return needs_moments(network, task, loss)

    def assumptions(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> tuple[Assumption, ...]:
        moments: Any = tasks.as_moments(task)
        bound = self.bind(network, task, rule, loss)
        rates = _rates(network, rule)
        solution = _Solution(network, moments, bound.rate)
        largest = solution.readout_power * jnp.max(rates[1])
        moving = jnp.sum(solution.energy(jnp.asarray(self.duration))) + jnp.sum(network.filters**2)
        uneven = jnp.max(jnp.abs(rates[0] - bound.rate)) / jnp.where(bound.rate > 0, bound.rate, 1)
        return (
            Assumption(
                "still output weights",
                jnp.where(largest > 0, jnp.max(rates[1]) * moving / jnp.sum(network.output_weights**2), 0),
                STILL,
                "the energy that filters have at the end, relative to that of the output weights",
                "hold the output weights (`rates` of 0 for them), train for less long, or " + _OTHER,
            ),
            Assumption(
                "even output weights",
                solution.departure(),
                EVEN,
                "how far the first change of the map is from that under even output weights, relative to it",
                "use more channels, or output weights with orthogonal rows, or " + _OTHER,
            ),
            Assumption("one rate for the filters", uneven, 0.0, "how far the rates of filters differ", _OTHER),
            *flow_assumptions(network, task, rule, rates=True),
        )

    def bind(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> "FirstLayerEnergy":
        return FirstLayerEnergy(jnp.mean(_rates(network, rule)[0]), self.duration)

    def within(self, duration: Float[Array, ""]) -> "FirstLayerEnergy":
        return dataclasses.replace(self, duration=duration)

    def solve(self, network: Any, task: Any, ts: Float[Array, " time"]) -> Trajectory:
        moments: Any = tasks.as_moments(task)
        modes, form, forms = moments.singular_modes(), moments.residual_form(), held_out_forms(task)
        solution = _Solution(network, moments, self.rate)

        def at(t: Array) -> dict[str, Array]:
            linear_map = solution.linear_map(t)
            values = {"loss": form(linear_map), "mode_strengths": modes.mode_strengths(linear_map)}
            values |= {name: held_out(linear_map) for name, held_out in forms.items()}
            return values | {"energy_profile": solution.energy(t)}

        values = in_blocks(at, ts.astype(moments.yx.dtype))
        return Trajectory(ts, values, {name: DIMS.get(name, ("time", "component")) for name in values})


class _Solution:
    """The closed form, with what it is made of."""

    def __init__(self, network: nn.LinearCNN, moments: tasks.Moments, rate: Any) -> None:
        size, readout = network.filters.shape[1:], network.output_weights
        self.network, self.rate = network, jnp.asarray(rate, moments.xx.dtype)
        self.pixels = analyse.patch_pixels(network.space, size, network.circular)
        self.components = analyse.patch_components(moments.xx, network.space, size, network.circular)[1]
        self.covers = _covers(self.pixels, math.prod(network.space), moments.xx.dtype)
        self.readout_power = jnp.sum(readout**2) / (readout.shape[0] * self.pixels.shape[0])
        self.initial = network.end_to_end()
        self.error = moments.yx - self.initial @ moments.xx
        self.root = jnp.sqrt(self.covers)
        variances, self.vectors = jnp.linalg.eigh(self.root[:, None] * moments.xx * self.root)
        self.rates = self.rate * self.readout_power * jnp.maximum(variances, 0)
        self.driven = (self.error * self.root) @ self.vectors

    def images(self, t: Array) -> Float[Array, "out pixel"]:
        """$R$."""
        return (self.driven * _approach(self.rates, t)) @ self.vectors.T / self.root

    def linear_map(self, t: Array) -> Float[Array, "out pixel"]:
        return self.initial + self.rate * self.readout_power * self.images(t) * self.covers

    def energy(self, t: Array) -> Float[Array, " component"]:
        read = self.images(t)[:, self.pixels] @ self.components
        return self.rate**2 * self.readout_power * jnp.sum(read**2, axis=(0, 1))

    def departure(self) -> Float[Array, ""]:
        """How far the first change of the map is from what even output weights make of it."""
        readout = self.network.output_weights.reshape(*self.network.output_weights.shape[:2], -1)
        filters = jnp.einsum("ojt,ocj->ct", self.error[:, self.pixels], readout).reshape(self.network.filters.shape)
        change = nn.LinearCNN(filters, self.network.output_weights, self.network.circular).end_to_end()
        even = self.readout_power * self.error * self.covers
        size = jnp.linalg.norm(even)
        return jnp.linalg.norm(change - even) / jnp.where(size > 0, size, 1)


@cite("chowers2023what")
def energy_from_patches(variances: Float[Array, " component"], clock: Array | float) -> Float[Array, " component"]:
    r"""The energy profile of linear filters under random labels, from the variances of patches alone.

    $$e_i \propto \frac{(1 - e^{-\lambda_i \tau})^2}{\lambda_i}, \qquad
    e_i \to \tau^2 \lambda_i \text{ at first}, \qquad e_i \to \frac{1}{\lambda_i} \text{ at } \tau = \infty$$

    In the end filters *whiten*: what they pass on along each component, $e_i \lambda_i$, is the same for all. Exact
    where patches do not overlap and are uncorrelated from place to place; see `energy_from_images` for others.

    Args:
        variances: $\lambda_i$, of patches along their principal components (`linnet.analyse.patch_components`).
        clock: $\tau$, the learning time times the power of the output weights of a place; may be infinite.

    Returns:
        The energies up to a common factor; 0 for a component without variance.
    """
    clock = jnp.asarray(clock, variances.dtype)
    limit = 10 * variances.shape[0] * jnp.finfo(variances.dtype).eps * jnp.max(variances)
    alive = variances > limit
    safe = jnp.where(alive, variances, 1)
    risen = jnp.where(jnp.isinf(clock), 1, -jnp.expm1(-safe * jnp.where(jnp.isinf(clock), 0, clock)))
    return jnp.where(alive, risen**2 / safe, 0)


@cite("chowers2023what")
def energy_from_images(
    xx: Float[Array, "pixel pixel"],
    space: tuple[int, ...],
    size: tuple[int, ...],
    clock: Array | float,
    *,
    circular: bool = False,
) -> Float[Array, " component"]:
    r"""The energy profile of linear filters under random labels, exactly, for patches that overlap and correlate.

    $$e_i \propto p_i^\top \sum_j P_j S^{-\frac12} h(\tilde\Sigma) S^{-\frac12} P_j^\top p_i, \qquad h(\lambda) =
    \frac{(1 - e^{-\lambda \tau})^2}{\lambda}$$

    The filters are those of patches of images whose second moments were filtered by $h$, where `energy_from_patches`
    filters the moments of the patches: at the end the images are whitened, and the patches of those.

    Args:
        xx: second moments of images.
        space: the shape of the images.
        size: the shape of the filters.
        clock: $\tau$, the learning time times the power of the output weights of a place; may be infinite.
        circular: whether images go on periodically.

    Returns:
        The energies along the principal components of the patches, up to the factor $\sigma_y^2 / (a N)$ for each
        output, with labels of variance $\sigma_y^2$ for $N$ images.
    """
    pixels = analyse.patch_pixels(space, size, circular)
    components = analyse.patch_components(xx, space, size, circular)[1]
    root = jnp.sqrt(_covers(pixels, math.prod(space), xx.dtype))
    variances, vectors = jnp.linalg.eigh(root[:, None] * xx * root)
    filtered = (vectors * energy_from_patches(variances, clock)) @ vectors.T / jnp.outer(root, root)
    total = jnp.sum(filtered[pixels[:, :, None], pixels[:, None, :]], axis=0)
    return jnp.sum(components * (total @ components), axis=0)


def _covers(pixels: Any, num: int, dtype: Any) -> Float[Array, " pixel"]:
    """How many patches cover each pixel."""
    return jnp.zeros(num, dtype).at[pixels.ravel()].add(1)


def _approach(rates: Float[Array, " n"], t: Array) -> Float[Array, " n"]:
    r"""$(1 - e^{-r t}) / r$, with the limit $t$."""
    small = rates * t < 1e-6
    safe = jnp.where(small, 1, rates)
    return jnp.where(small, t * (1 - rates * t / 2), -jnp.expm1(-safe * t) / safe)


def _rates(network: nn.LinearCNN, rule: AbstractRule) -> tuple[Float[Array, "..."], Float[Array, "..."]]:
    """The rates of all filters and of all output weights."""
    dtype, rates = network.filters.dtype, getattr(rule, "rates", None)
    if rates is None:
        return jnp.ones((), dtype), jnp.ones((), dtype)
    spread = jtu.tree_map(
        lambda rate, branch: jtu.tree_map(lambda leaf: jnp.broadcast_to(rate, leaf.shape), branch), rates, network
    )
    return spread.filters.astype(dtype), spread.output_weights.astype(dtype)
