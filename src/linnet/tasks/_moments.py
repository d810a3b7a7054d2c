"""Second moments: all that a linear network under squared error can see of its data."""

import abc
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from .._types import EndToEnd, ImpulseResponse
from ._linear_algebra import root_and_inverse
from ._modes import SingularModes, singular_modes, temporal_singular_modes
from ._whiten import Whitening, whiten


class ResidualForm(eqx.Module):
    r"""The loss on moments as a floor plus a square, $L = L_* + \tfrac12\lVert (M - M_*)\Sigma_{xx}^{1/2} \rVert_F^2$.

    The expanded form $\tfrac12\mathrm{tr}(\Sigma_{yy} - 2 M\Sigma_{xy} + M\Sigma_{xx}M^\top)$ cancels and goes negative
    in float32; this one cannot.

    Args:
        target: $M_*$, the least-squares map.
        root: $\Sigma_{xx}^{1/2}$; `None` where inputs are white.
        floor: $L_*$, the loss of the least-squares map.
    """

    target: Float[Array, "out feature"]
    root: Float[Array, "feature feature"] | None
    floor: Float[Array, ""]

    def excess(self, linear_map: Float[Array, "out feature"]) -> Float[Array, ""]:
        """The loss above the floor."""
        residual = linear_map - self.target
        residual = residual if self.root is None else residual @ self.root
        return 0.5 * jnp.sum(residual**2)

    def __call__(self, linear_map: Float[Array, "out feature"]) -> Float[Array, ""]:
        """The loss of a linear map."""
        return self.floor + self.excess(linear_map)


class AbstractMoments(eqx.Module):
    """Second moments of inputs and targets, a task on its own: training on them is exact and needs no samples."""

    @property
    @abc.abstractmethod
    def num_steps(self) -> int | None:
        """The length of a sequence; `None` for plain inputs."""

    @abc.abstractmethod
    def linear_map(self, network: Any) -> Float[Array, "out feature"]:
        """The map from all inputs of an example (flattened) to all its targets that a linear network is."""

    @abc.abstractmethod
    def flat(self) -> tuple[Float[Array, "feature feature"] | None, Float[Array, "out feature"], Float[Array, ""]]:
        """Input moments (`None`: white), input-output moments and the targets' total power, flattened over steps."""

    @abc.abstractmethod
    def singular_modes(self) -> SingularModes:
        """The singular basis in which modes are named, with canonical signs and degenerate subspaces."""

    def moments(self) -> "AbstractMoments":
        """Itself: these are its moments."""
        return self

    def residual_form(self) -> ResidualForm:
        """The loss in the form that cannot go negative; made once, before training."""
        xx, yx, power = self.flat()
        if xx is None:
            return ResidualForm(yx, None, _floor(power, jnp.sum(yx**2)))
        root, inverse = root_and_inverse(xx)
        target = yx @ inverse
        return ResidualForm(target, root, _floor(power, jnp.sum((target @ root) ** 2)))

    def loss(self, network: Any) -> Float[Array, ""]:
        r"""$L = \tfrac12\mathbb{E}\lVert y - f(x)\rVert^2$ of a linear network, the constant from `yy` included."""
        return self.residual_form()(self.linear_map(network))


class Moments(AbstractMoments):
    r"""Moments of centred inputs and targets, as means.

    $\Sigma_{xx} = \mathbb{E}[x x^\top]$, $\Sigma_{yx} = \mathbb{E}[y x^\top]$, $\Sigma_{yy} = \mathbb{E}[y y^\top]$.

    Args:
        xx: input moments.
        yx: input-output moments.
        yy: target moments.

    Raises:
        ValueError: if shapes or dtypes do not fit, or a value is not finite.
    """

    xx: Float[Array, "in in"] = eqx.field(converter=jnp.asarray)
    yx: Float[Array, "out in"] = eqx.field(converter=jnp.asarray)
    yy: Float[Array, "out out"] = eqx.field(converter=jnp.asarray)

    def __check_init__(self) -> None:
        if self.yx.ndim != 2 or self.xx.shape != self.yx.shape[1:] * 2 or self.yy.shape != self.yx.shape[:1] * 2:
            raise ValueError(
                "Moments needs xx of shape (in, in), yx of shape (out, in) and yy of shape (out, out), "
                f"got {self.xx.shape}, {self.yx.shape} and {self.yy.shape}."
            )
        _check("Moments", self)

    @property
    def num_steps(self) -> None:
        return None

    def linear_map(self, network: EndToEnd) -> Float[Array, "out in"]:
        return network.end_to_end()

    def flat(self) -> tuple[Float[Array, "in in"], Float[Array, "out in"], Float[Array, ""]]:
        return self.xx, self.yx, jnp.trace(self.yy)

    def singular_modes(self) -> SingularModes:
        return singular_modes(self.xx, self.yx)

    def whiten(self, tolerance: float | None = None) -> Whitening:
        """The same task with white inputs, and the linear map that makes them so."""
        return whiten(self, tolerance)


class TemporalMoments(AbstractMoments):
    r"""Moments of a sequence $x_1 \dots x_T$ and a target at its last step.

    $\Sigma_{xx}[i, j] = \mathbb{E}[x_i x_j^\top]$, $\Sigma_{yx}[i] = \mathbb{E}[y_T x_i^\top]$,
    $\Sigma_{yy} = \mathbb{E}[y_T y_T^\top]$.

    Args:
        xx: `"step step in in"`, or `None` for inputs that are white over steps and channels.
        yx: `"step out in"`.
        yy: `"out out"`.

    Raises:
        ValueError: if shapes or dtypes do not fit, or a value is not finite.
    """

    xx: Float[Array, "step step in in"] | None = eqx.field(converter=lambda x: None if x is None else jnp.asarray(x))
    yx: Float[Array, "step out in"] = eqx.field(converter=jnp.asarray)
    yy: Float[Array, "out out"] = eqx.field(converter=jnp.asarray)

    def __check_init__(self) -> None:
        shape = self.yx.shape
        fits = len(shape) == 3 and self.yy.shape == (shape[1],) * 2
        if not fits or (self.xx is not None and self.xx.shape != (shape[0], shape[0], shape[2], shape[2])):
            raise ValueError(
                "TemporalMoments needs xx of shape (step, step, in, in) or None, yx of shape (step, out, in) and yy of "
                f"shape (out, out), got {None if self.xx is None else self.xx.shape}, {shape} and {self.yy.shape}."
            )
        _check("TemporalMoments", self)

    @property
    def num_steps(self) -> int:
        return self.yx.shape[0]

    def linear_map(self, network: ImpulseResponse) -> Float[Array, "out feature"]:
        """The maps $W_y W_h^{T-i} W_x$ of all steps side by side."""
        lags = network.impulse_response(self.num_steps)
        return jnp.moveaxis(lags[::-1], 0, 1).reshape(lags.shape[1], -1)

    def flat(self) -> tuple[Float[Array, "feature feature"] | None, Float[Array, "out feature"], Float[Array, ""]]:
        yx = jnp.moveaxis(self.yx, 0, 1).reshape(self.yx.shape[1], -1)
        return _flatten_steps(self.xx), yx, jnp.trace(self.yy)

    def singular_modes(self) -> SingularModes:
        return temporal_singular_modes(self.yx)


class SequenceMoments(AbstractMoments):
    r"""Moments of a sequence with a target at every step; the loss sums over steps.

    $\Sigma_{yx}[t, i] = \mathbb{E}[y_t x_i^\top]$ and $\Sigma_{yy} = \sum_t \mathbb{E}[y_t y_t^\top]$. A causal network
    sees $i \le t$ only.

    Args:
        xx: `"step step in in"`, or `None` for inputs that are white over steps and channels.
        yx: `"step step out in"`, first the target's step, then the input's.
        yy: `"out out"`.
    """

    xx: Float[Array, "step step in in"] | None = eqx.field(converter=lambda x: None if x is None else jnp.asarray(x))
    yx: Float[Array, "step step out in"] = eqx.field(converter=jnp.asarray)
    yy: Float[Array, "out out"] = eqx.field(converter=jnp.asarray)

    def __check_init__(self) -> None:
        shape = self.yx.shape
        fits = len(shape) == 4 and shape[0] == shape[1] and self.yy.shape == (shape[2],) * 2
        if not fits or (self.xx is not None and self.xx.shape != (*shape[:2], shape[3], shape[3])):
            raise ValueError(
                "SequenceMoments needs xx of shape (step, step, in, in) or None, yx of shape (step, step, out, in) and "
                f"yy of shape (out, out), got {None if self.xx is None else self.xx.shape}, {shape}, {self.yy.shape}."
            )
        _check("SequenceMoments", self)

    @property
    def num_steps(self) -> int:
        return self.yx.shape[0]

    def linear_map(self, network: ImpulseResponse) -> Float[Array, "out feature"]:
        """The block lower-triangular Toeplitz matrix of the maps $W_y W_h^{t-i} W_x$."""
        num = self.num_steps
        lags = network.impulse_response(num)
        lag = np.arange(num)[:, None] - np.arange(num)[None, :]
        blocks = jnp.where((lag >= 0)[:, :, None, None], lags[np.maximum(lag, 0)], 0)
        return jnp.swapaxes(blocks, 1, 2).reshape(num * lags.shape[1], -1)

    def flat(self) -> tuple[Float[Array, "feature feature"] | None, Float[Array, "out feature"], Float[Array, ""]]:
        steps, _, out, _ = self.yx.shape
        return _flatten_steps(self.xx), jnp.swapaxes(self.yx, 1, 2).reshape(steps * out, -1), jnp.trace(self.yy)

    def singular_modes(self) -> SingularModes:
        """The modes of the input-output moments averaged over pairs of steps of one lag, the oldest lag first."""
        num = self.num_steps
        index = np.arange(num)
        lag = index[:, None] - index[None, :]
        by_lag = jnp.stack([jnp.mean(self.yx[lag == k], axis=0) for k in range(num - 1, -1, -1)])
        return temporal_singular_modes(by_lag)


def _floor(power: Float[Array, ""], explained: Float[Array, ""]) -> Float[Array, ""]:
    """The loss that no linear map removes; below zero only for moments that no data have, never by rounding."""
    rest = power - explained
    return 0.5 * jnp.where(rest < -1e-3 * jnp.abs(power), rest, jnp.maximum(rest, 0))


def _flatten_steps(xx: Float[Array, "step step in in"] | None) -> Float[Array, "feature feature"] | None:
    return None if xx is None else jnp.swapaxes(xx, 1, 2).reshape(xx.shape[0] * xx.shape[2], -1)


def _check(name: str, moments: Any) -> None:
    """What moments of real data fulfil: one dtype, finite values, no negative power."""
    arrays = {field: value for field in ("xx", "yx", "yy") if (value := getattr(moments, field)) is not None}
    dtypes = {field: str(value.dtype) for field, value in arrays.items()}
    if len(set(dtypes.values())) > 1 or not all(jnp.issubdtype(a.dtype, jnp.floating) for a in arrays.values()):
        raise ValueError(f"{name} needs one floating dtype for all moments, got {dtypes}. Convert them with `.astype`.")
    if any(isinstance(a, jax.core.Tracer) for a in arrays.values()):
        return  # values are not known while tracing
    for field, value in arrays.items():
        bad = int(np.sum(~np.isfinite(np.asarray(value))))
        if bad:
            raise ValueError(
                f"{name} needs finite moments, but {field} has {bad} NaN or infinite entries. Remove missing data."
            )
    power = float(jnp.trace(moments.yy))
    if power < 0:
        raise ValueError(f"{name} needs yy = E[y y^T], which has a non-negative trace, got a trace of {power:.3g}.")
