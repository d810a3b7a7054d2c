"""What encoders and decoders learn from two views, by predicting codes (JEPA) or views (MAE), one mode at a time."""

from typing import Any, ClassVar

import jax.numpy as jnp
from jaxtyping import Array, Float

from .. import nn, tasks
from .._cite import cite
from .._loss import AbstractLoss
from .._rule import AbstractRule, Descent
from .._trajectory import Trajectory
from ._assumptions import SMALL, SMALL_STEP, flow_assumptions
from ._chain_mode import chain_layers
from ._deep_linear_modes import chain_meeting, mode_layers
from ._self_distillation_solution import distilled_layers
from ._theory import AbstractTheory, Assumption

_DIMS = {"loss": ("time",), "encoder_strengths": ("time", "mode"), "decoder_strengths": ("time", "mode")}

_SIMULATE = "train with `linnet.learn.simulate`, which needs none of this."


@cite("littwin2024jepa")
class SelfDistillationModes(AbstractTheory):
    r"""Self-distillation (JEPA) of a deep linear encoder, mode by mode, with the stop-gradient and exactly.

    $$\dot v = w^2 (\lambda - \sigma^2 v), \qquad \dot a_l = \frac{w^2}{a_l} v (\lambda - \sigma^2 v), \qquad
    w = \prod_{l=1}^{L} a_l$$

    where the views' variance $\sigma^2$ and covariance $\lambda$ are diagonal in one basis and the weights aligned with
    it, of any strengths. All $a_l^2 - v^2$ are conserved. Balanced, $\dot w = L [\lambda w^{3 - 1/L} - \sigma^2 w^3]$
    ends at $\rho^L$ with $\rho = \lambda / \sigma^2$; see `self_distillation_time`. Where
    $v(0)^2 - a_l(0)^2 \ge \rho^2$ for a layer, the encoder collapses to zero instead.
    Departs from the paper in the unit of time, into which that puts the factor $L$.

    Aligned weights stay aligned exactly, but not stably: while mode $i$ is learned and mode $j$ is not, the code of $i$
    takes up the input of $j$ at the rate $(w_i / a_{1,i})^2 v_i (\lambda_j - \sigma_j^2 v_i)$, which is positive where
    $\rho_j > v_i$. What rounding grows to in this way is one of the assumptions.

    Args:
        duration: the last time; `predict` takes it from its own argument.
    """

    strength: ClassVar[int] = 0
    duration: Float[Array, ""] | None = None

    def within(self, duration: Float[Array, ""]) -> "SelfDistillationModes":
        return SelfDistillationModes(duration)

    def applies(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> str | None:
        return _needs(tasks.SelfDistillation, network, task, rule, loss)

    def assumptions(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> tuple[Assumption, ...]:
        modes = task.modes()
        layers, decoder, meeting = _distilled(network, modes)
        end = distilled_layers(_forever(modes), modes.covariances, modes.variances, layers, decoder)
        encoder, v = jnp.abs(end[0][:, 0]), end[1][0]
        squares = jnp.prod(encoder, axis=0) ** 2 * (1 + jnp.sum(v**2 / jnp.where(encoder > 0, encoder, 1) ** 2, axis=0))
        stable = () if self.duration is None else (_stable(modes, layers, decoder, meeting, self.duration),)
        return (
            *_assumed(modes, meeting),
            *stable,
            *flow_assumptions(network, task, rule),
            *_late(rule, modes, squares),
        )

    def solve(self, network: Any, task: Any, ts: Float[Array, " time"]) -> Trajectory:
        modes = task.modes()
        layers, decoder, _ = _distilled(network, modes)
        encoder, v = distilled_layers(ts, modes.covariances, modes.variances, layers, decoder)
        w = jnp.abs(jnp.prod(encoder, axis=0))
        powers = jnp.diagonal(modes.basis.T @ task.moments.yy @ modes.basis)
        # (v - rho)^2 sigma^2 and what is left at v = rho: no part of it is negative.
        excess = modes.variances * (v - modes.coefficients) ** 2
        rest = jnp.maximum(powers - modes.coefficients * modes.covariances, 0)
        values = {"loss": 0.5 * jnp.sum(w**2 * (excess + rest), axis=1), "encoder_strengths": w, "decoder_strengths": v}
        return Trajectory(ts, values, _DIMS)


@cite("littwin2024jepa", "saxe2014exact")
class ReconstructionModes(AbstractTheory):
    r"""Reconstruction of one view from another (MAE) by a deep linear encoder and a decoder, mode by mode.

    Encoder and decoder are a chain of $L + 1$ layers, $\dot a_l = (\lambda - \sigma^2 u) \prod_{k \ne l} a_k$ with
    $u = v \prod_l a_l$, exact under the conditions of `SelfDistillationModes`. Balanced, the encoder
    $\dot w = L [\lambda w^{2 - 1/L} - \sigma^2 w^3]$ ends at $\rho^{L / (L+1)}$; see `reconstruction_time`.
    """

    strength: ClassVar[int] = 0

    def applies(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> str | None:
        return _needs(tasks.Reconstruction, network, task, rule, loss)

    def assumptions(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> tuple[Assumption, ...]:
        modes = task.modes()
        layers, meeting = _chained(network, modes)
        end = chain_layers(_forever(modes), modes.covariances, layers, modes.variances)[:, 0]
        others = jnp.prod(end, axis=0) / jnp.where(end != 0, end, jnp.inf)
        squares = jnp.sum(others**2, axis=0)
        return (*_assumed(modes, meeting), *flow_assumptions(network, task, rule), *_late(rule, modes, squares))

    def solve(self, network: Any, task: Any, ts: Float[Array, " time"]) -> Trajectory:
        modes = task.modes()
        layers = chain_layers(ts, modes.covariances, _chained(network, modes)[0], modes.variances)
        w, v = jnp.prod(layers[:-1], axis=0), layers[-1]
        excess = 0.5 * jnp.sum(modes.variances * (v * w - modes.coefficients) ** 2, axis=1)
        values = {
            "loss": task.form.floor + excess,
            "encoder_strengths": jnp.abs(w),
            "decoder_strengths": jnp.where(w < 0, -v, v),
        }
        return Trajectory(ts, values, _DIMS)


def _needs(kind: type, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> str | None:
    if not isinstance(task, kind):
        return f"it is about a `{kind.__name__}` of two views, got {type(task).__name__}."
    if not isinstance(network, nn.EncoderDecoder):
        return f"it is about `EncoderDecoder` networks, got {type(network).__name__}."
    if getattr(rule, "rates", None) is not None:
        return f"it needs one rate for all weights; {_SIMULATE}"
    return task.applies(network, loss)


def _assumed(modes: tasks.ViewModes, meeting: Float[Array, ""]) -> tuple[Assumption, Assumption]:
    return (
        Assumption(
            "views diagonal in one basis",
            modes.mixing,
            SMALL,
            "the largest covariance of two modes, within a view or between both, relative to those of each",
            f"choose views whose covariances commute, or {_SIMULATE}",
        ),
        Assumption(
            "decoupled modes",
            meeting,
            SMALL,
            "the largest part of a layer's or the decoder's action on a mode that leaves the mode, relative to its "
            "strongest layer",
            f"initialise by `linnet.nn.aligned_encoder(setting, strengths)`, or {_SIMULATE}",
        ),
    )


def _stable(
    modes: tasks.ViewModes,
    layers: Float[Array, "layer mode"],
    decoder: Float[Array, " mode"],
    meeting: Float[Array, ""],
    duration: Float[Array, ""],
) -> Assumption:
    """What misalignment grows to until the end, by the linearised flow along the path."""
    ts = duration * jnp.linspace(0, 1, 401, dtype=modes.variances.dtype)
    encoder, v = distilled_layers(ts, modes.covariances, modes.variances, layers, decoder)
    w = jnp.abs(jnp.prod(encoder, axis=0))
    later = jnp.prod(encoder[1:], axis=0) ** 2 * v
    rates = later[:, :, None] * (modes.covariances - v[:, :, None] * modes.variances)
    # Once both modes are learned the decoder makes up for what their codes share.
    rates = jnp.where(w[:, :, None] > w[:, None], jnp.maximum(rates, 0), 0)
    grown = jnp.max(jnp.sum(rates, axis=0)) * (ts[1] - ts[0])
    return Assumption(
        "stable modes",
        jnp.exp(grown) * jnp.maximum(meeting, jnp.finfo(w.dtype).eps),
        SMALL,
        "what misalignment (that of rounding at least) grows to, between a mode that is learned and one of a larger "
        "regression coefficient that is not yet",
        f"predict shorter times, or {_SIMULATE}",
    )


def _late(rule: AbstractRule, modes: tasks.ViewModes, squares: Float[Array, " mode"]) -> tuple[Assumption, ...]:
    """That steps are small at the end of learning too, from the squared slopes of all layers there."""
    if not isinstance(rule, Descent):
        return ()
    return (
        Assumption(
            "small steps at the end",
            rule.rate(jnp.zeros((), jnp.int32)) * jnp.max(modes.variances * squares),
            SMALL_STEP,
            "learning rate x curvature at the end of learning",
            "use a smaller learning rate, or `strict=False` to take the flow as an approximation.",
        ),
    )


def _forever(modes: tasks.ViewModes) -> Float[Array, " time"]:
    return jnp.full(1, jnp.finfo(modes.variances.dtype).max)


def _distilled(
    network: nn.EncoderDecoder, modes: tasks.ViewModes
) -> tuple[Float[Array, "layer mode"], Float[Array, " mode"], Float[Array, ""]]:
    """The strength of every mode in every layer of the encoder and in the decoder, and how far modes are coupled."""
    before, layers, rests = modes.basis, [], []
    for weight in network.encoder.weights:
        after = weight @ before
        norms = jnp.linalg.norm(after, axis=0)
        # Rounding is no direction.
        alive = norms > 10 * jnp.finfo(weight.dtype).eps * jnp.linalg.norm(weight)
        after, norms = jnp.where(alive, after / jnp.where(alive, norms, 1), 0), jnp.where(alive, norms, 0)
        rests.append(jnp.linalg.norm(weight.T @ after - before * norms, axis=0))
        layers.append(norms)
        before = after
    decoder = jnp.sum(before * (network.decoder @ before), axis=0)
    rests += [
        jnp.linalg.norm(matrix @ before - before * decoder, axis=0) for matrix in (network.decoder, network.decoder.T)
    ]
    largest = jnp.maximum(jnp.max(jnp.stack(layers), axis=0), jnp.abs(decoder))
    floor = jnp.sqrt(jnp.finfo(largest.dtype).eps) * jnp.max(largest)
    scale = jnp.maximum(largest, jnp.where(floor > 0, floor, 1))
    return jnp.stack(layers), decoder, jnp.max(jnp.stack(rests) / scale)


def _chained(network: nn.EncoderDecoder, modes: tasks.ViewModes) -> tuple[Float[Array, "depth mode"], Float[Array, ""]]:
    """The same of a decoder that writes views."""
    chain = nn.DeepLinear((*network.encoder.weights, network.decoder))
    basis = tasks.SingularModes(modes.basis, modes.basis, modes.covariances, modes.variances, modes.mixing)
    return mode_layers(chain, basis)[0], chain_meeting(chain, basis)
