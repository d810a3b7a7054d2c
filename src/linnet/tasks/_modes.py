"""The singular modes of a task: the only place where a singular basis is chosen."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from ._linear_algebra import canonical_svd


class SingularModes(eqx.Module):
    r"""The basis $\Sigma_{yx} = U S V^\top$ in which modes are named.

    Args:
        left: $U$, what a mode does to the outputs.
        right: $V$, what a mode reads from the inputs.
        singular_values: $s_\alpha$; over time $\sqrt{\sum_i s_{\alpha,i}^2}$.
        input_variances: $\lambda_\alpha = v_\alpha^\top \Sigma_{xx} v_\alpha$; 1 for white inputs.
        off_diagonal: the largest correlation of two modes,
            $|v_\alpha^\top\Sigma_{xx}v_\beta| / \sqrt{\lambda_\alpha\lambda_\beta}$: how far inputs are from diagonal
            in this basis; over time, the relative part of $\Sigma_{yx}$ outside constant singular vectors.
        step_singular_values: $s_{\alpha,i}$ over the steps of a sequence, with signs; `None` without steps.
    """

    left: Float[Array, "out mode"]
    right: Float[Array, "in mode"]
    singular_values: Float[Array, " mode"]
    input_variances: Float[Array, " mode"]
    off_diagonal: Float[Array, ""]
    step_singular_values: Float[Array, "step mode"] | None = None

    @property
    def strengths(self) -> Float[Array, " mode"]:
        r"""The strength of each mode when it is learned, $s_\alpha / \lambda_\alpha$ (0 without input variance)."""
        positive = self.input_variances > 0
        return jnp.where(positive, self.singular_values / jnp.where(positive, self.input_variances, 1), 0)

    def project(self, linear_map: Float[Array, "*step out in"]) -> Float[Array, "*step mode"]:
        r"""$u_\alpha^\top W v_\alpha$: the strength of each mode in a linear map (at each step)."""
        return jnp.einsum("om,...oi,im->...m", self.left, linear_map, self.right)

    def mode_strengths(self, linear_map: Float[Array, "*step out in"]) -> Float[Array, " mode"]:
        r"""The strength of each mode, $u_\alpha^\top W v_\alpha$.

        Over steps, the strength along the task's own profile $\hat s_\alpha = s_\alpha / |s_\alpha|$:
        $\sum_i \hat s_{\alpha,i}\, u_\alpha^\top M_i v_\alpha$, which is $|s_\alpha|$ when learned.
        """
        projections = self.project(linear_map)
        if self.step_singular_values is None:
            return projections
        positive = self.singular_values > 0
        profile = self.step_singular_values / jnp.where(positive, self.singular_values, 1)
        return jnp.sum(profile * projections, axis=0)


@eqx.filter_jit
def singular_modes(xx: Float[Array, "in in"], yx: Float[Array, "out in"]) -> SingularModes:
    """The modes of plain moments."""
    left, values, right = canonical_svd(yx)
    overlaps = right.T @ xx @ right
    variances = jnp.diagonal(overlaps)
    scale = jnp.sqrt(jnp.outer(variances, variances))
    correlation = jnp.where(scale > 0, overlaps / jnp.where(scale > 0, scale, 1), 0)
    off_diagonal = jnp.max(jnp.abs(correlation - jnp.diag(jnp.diagonal(correlation))), initial=0)
    return SingularModes(left, right, values, variances, off_diagonal)


@eqx.filter_jit
def temporal_singular_modes(yx: Float[Array, "step out in"]) -> SingularModes:
    r"""The modes of a sequence's moments, $\Sigma_{yx}[i] \approx U S_i V^\top$ with constant $U$, $V$.

    The basis is that of a fixed generic combination $\sum_i g_i \Sigma_{yx}[i]$ with $g_i \in [1, 2]$: exact where
    singular vectors are constant; `off_diagonal` says how far the task is from that. White inputs are assumed;
    modes are sorted by total strength.
    """
    steps = yx.shape[0]
    generic = 1 + np.modf(np.arange(1, steps + 1) * (np.sqrt(5) - 1) / 2)[0]
    left, _, right = canonical_svd(jnp.einsum("t,toi->oi", jnp.asarray(generic, yx.dtype), yx))
    by_step = jnp.einsum("om,toi,im->tm", left, yx, right)
    total = jnp.sqrt(jnp.sum(by_step**2, axis=0))
    order = jnp.argsort(-total, stable=True)
    left, right, by_step, total = left[:, order], right[:, order], by_step[:, order], total[order]
    # The sign of the last non-zero importance is the mode's: it goes into `left`, so that late steps count positively.
    significant = jnp.abs(by_step) > 1e-3 * jnp.max(jnp.abs(by_step), axis=0)
    last = steps - 1 - jnp.argmax(significant[::-1], axis=0)
    sign = jnp.sign(by_step[last, jnp.arange(by_step.shape[1])])
    sign = jnp.where(sign == 0, 1, sign)
    left, by_step = left * sign, by_step * sign
    rest = yx - jnp.einsum("om,tm,im->toi", left, by_step, right)
    norm = jnp.sqrt(jnp.sum(yx**2))
    off_diagonal = jnp.sqrt(jnp.sum(rest**2)) / jnp.where(norm > 0, norm, 1)
    return SingularModes(left, right, total, jnp.ones_like(total), off_diagonal, by_step)
