"""Two views of one source: to predict the other's representation (JEPA), or the other view itself (MAE)."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._cite import cite
from .._loss import AbstractLoss, SquaredError
from .._types import Encodes
from ._linear_algebra import canonical_svd
from ._moments import Moments, ResidualForm
from ._setting import AbstractSetting
from ._task import as_moments


class ViewModes(eqx.Module):
    r"""The basis $Q$ in which the variance of a view and its covariance with the other one are diagonal.

    Args:
        basis: $Q$; the largest covariance first, among ones equal to a thousandth the smallest variance.
        covariances: $\lambda_i = q_i^\top \Sigma_{yx} q_i$.
        variances: $\sigma_i^2 = q_i^\top \Sigma_{xx} q_i$.
        mixing: the largest part of $\Sigma_{xx}$ or $\Sigma_{yx}$ between two modes, relative to those of both (each
            taken as at least a thousandth of the largest).
    """

    basis: Float[Array, "in mode"]
    covariances: Float[Array, " mode"]
    variances: Float[Array, " mode"]
    mixing: Float[Array, ""]

    @property
    def coefficients(self) -> Float[Array, " mode"]:
        r"""The regression coefficients $\rho_i = \lambda_i / \sigma_i^2$ (0 without variance)."""
        positive = self.variances > 0
        return jnp.where(positive, self.covariances / jnp.where(positive, self.variances, 1), 0)


@eqx.filter_jit
def view_modes(moments: Moments) -> ViewModes:
    """The modes of two views of one size."""
    symmetric = (moments.yx + moments.yx.T) / 2

    def unit(matrix: Array) -> Array:
        norm = jnp.linalg.norm(matrix, ord=2)
        return matrix / jnp.where(norm > 0, norm, 1)

    # Both at once: modes of one covariance may differ in variance, and the other way round. The weight is generic, and
    # all eigenvalues are positive, so that singular vectors are eigenvectors.
    weight = (jnp.sqrt(5.0) - 1) / 2
    generic = unit(moments.xx) + weight * unit(symmetric) + 2 * jnp.eye(symmetric.shape[0], dtype=symmetric.dtype)
    basis = canonical_svd(generic.astype(moments.xx.dtype))[2]
    variances, covariances = (basis.T @ matrix @ basis for matrix in (moments.xx, moments.yx))

    def mixed(matrix: Array) -> Array:
        own = jnp.abs(jnp.diagonal(matrix))
        largest = jnp.max(own)
        own = jnp.sqrt(jnp.maximum(own, 1e-3 * jnp.where(largest > 0, largest, 1)))
        return jnp.max(jnp.abs(matrix - jnp.diag(jnp.diagonal(matrix))) / own[:, None] / own)

    mixing = jnp.maximum(mixed(variances), mixed(covariances))
    variances, covariances = jnp.diagonal(variances), jnp.diagonal(covariances)
    largest = jnp.max(jnp.abs(covariances))
    # No ratio of plain numbers lies on a border of these bins, in whichever precision.
    rounded = jnp.round(1e3 * weight * covariances / jnp.where(largest > 0, largest, 1))
    order = jnp.lexsort((variances, -rounded))
    return ViewModes(basis[:, order], covariances[order], variances[order], mixing)


@cite("littwin2024jepa")
class SelfDistillation(AbstractSetting):
    r"""An encoder that predicts its own code of the other view, which is held still (JEPA).

    $$L = \tfrac12 \mathbb E \lVert V \bar W x - \mathrm{sg}[\bar W y] \rVert^2$$

    for the whole population of two views $x$ and $y$; the gradient stops at $\mathrm{sg}$.

    Args:
        moments: second moments of both views (`Moments`, or a batch or task that has them), $x$ the one that is
            encoded to predict.

    !!! example
        ```python
        setting = ln.tasks.SelfDistillation(ln.tasks.Moments(xx, yx, yy))
        net = ln.nn.aligned_encoder(setting, 0.01)(ln.nn.EncoderDecoder, (8, 8, 8, 8), key=key)
        trajectory = ln.learn.simulate(net, setting, ts, observe=[ln.learn.EncoderStrengths()])
        ```
    """

    moments: Moments
    form: ResidualForm
    unpredicted: Float[Array, "in in"]

    def __init__(self, moments: Any) -> None:
        self.moments = _two_views(moments)
        self.form = self.moments.residual_form()
        self.unpredicted = self.moments.yy - self.form.target @ self.moments.yx.T

    def modes(self) -> ViewModes:
        """The modes of the views."""
        return view_modes(self.moments)

    def applies(self, network: Any, loss: AbstractLoss) -> str | None:
        reason = _encodes(network, loss, self.moments)
        if reason is not None:
            return reason
        latent = network.encoding().shape[0]
        if network.decoder.shape != (latent, latent):
            return (
                f"the decoder has to predict codes, of shape (latent, latent) = {(latent, latent)}, got "
                f"{network.decoder.shape}."
            )
        return None

    def loss(self, network: Any) -> Float[Array, ""]:
        code = network.encoding()
        still = jax.lax.stop_gradient(code)
        # In residual form, which cannot be negative in float32.
        error = (network.decoder @ code - still @ self.form.target) @ self.form.root
        return 0.5 * jnp.sum(error**2) + 0.5 * jnp.sum((still @ self.unpredicted) * still)


@cite("littwin2024jepa")
class Reconstruction(AbstractSetting):
    r"""An encoder and a decoder that predict the other view itself (MAE).

    $$L = \tfrac12 \mathbb E \lVert V \bar W x - y \rVert^2$$

    Args:
        moments: second moments of both views, as for `SelfDistillation`.
    """

    moments: Moments
    form: ResidualForm

    def __init__(self, moments: Any) -> None:
        self.moments = _two_views(moments)
        self.form = self.moments.residual_form()

    def modes(self) -> ViewModes:
        """The modes of the views."""
        return view_modes(self.moments)

    def applies(self, network: Any, loss: AbstractLoss) -> str | None:
        reason = _encodes(network, loss, self.moments)
        if reason is not None:
            return reason
        outputs, inputs = network.decoder.shape[0], self.moments.xx.shape[0]
        return None if outputs == inputs else f"the decoder has to write views of {inputs} entries, got {outputs}."

    def loss(self, network: Any) -> Float[Array, ""]:
        return self.form(network.end_to_end())


def _two_views(task: Any) -> Moments:
    moments = as_moments(task)
    if not isinstance(moments, Moments) or moments.yx.shape[0] != moments.yx.shape[1]:
        shape = moments.yx.shape if isinstance(moments, Moments) else f"those of a {type(moments).__name__}"
        raise ValueError(f"Two views of one size are needed, with yx of shape (in, in), got {shape}.")
    return moments


def _encodes(network: Any, loss: AbstractLoss, moments: Moments) -> str | None:
    if not isinstance(loss, SquaredError):
        return f"it holds squared error, got {type(loss).__name__}."
    if not isinstance(network, Encodes):
        return f"it needs an encoder and a decoder (`EncoderDecoder`), got {type(network).__name__}."
    inputs, needed = network.encoding().shape[1], moments.xx.shape[0]
    return None if inputs == needed else f"the encoder reads {inputs} inputs and the views have {needed}."
