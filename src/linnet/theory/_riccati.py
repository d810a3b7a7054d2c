r"""The matrix Riccati equation of two balanced layers, solved for any time, spectrum and rank without overflow."""

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._cite import cite


class RiccatiFlow(eqx.Module):
    r"""$\dot P = f P + P f - P^2$ for $P = A_t A_t^\top$ and diagonal $f$, prepared for evaluation at any time.

    $$P_t = e^{f t} A \bigl(B_t + A^\top M_t A\bigr)^{-1} A^\top e^{f t}, \; M_t = \int_0^t e^{2 f s} ds,\; B_t = I.$$

    $e^{ft}$ overflows, and the bracket mixes numbers of all sizes. But $A^\top = O R$ with triangular $R$ (rows in the
    order of descending $f$), so that $e^{f t} A = T D O^\top$ with the columns' sizes $D$ taken out and $T$ bounded;
    then $P_t = \tilde T (D^{-1} B_t D^{-1} + T^\top \hat M T)^{-1} \tilde T^\top$, where growing exponentials occur in
    $D^{-1}$ only. Zero rates (more inputs than outputs), long times and rank-deficient $A$ are no special cases.

    Args:
        rates: $f$, descending.
        triangular: $R^\top$, lower triangular.
        damping: $B_t = I + t\,K$ in the basis $O$: what directions at rate 0, left out of $A$, do to it to leading
            order; `None` for none.
    """

    rates: Float[Array, " rate"]
    triangular: Float[Array, "rate hidden"]
    damping: Float[Array, "hidden hidden"] | None = None

    def factor(self, t: Float[Array, ""]) -> Float[Array, "rate hidden"]:
        r"""$A_t$, up to a rotation of the hidden units."""
        growth, fading = jnp.maximum(self.rates, 0) * t, jnp.minimum(self.rates, 0) * t
        sizes = jnp.abs(self.triangular)
        logs = jnp.where(sizes > 0, jnp.log(jnp.where(sizes > 0, sizes, 1)) + growth[:, None], -jnp.inf)
        largest = jnp.max(logs, axis=0, initial=-jnp.inf)
        used = jnp.isfinite(largest)
        largest = jnp.where(used, largest, 0)
        scaled = jnp.sign(self.triangular) * jnp.exp(logs - largest)
        twice = 2 * jnp.abs(self.rates) * t
        # The integral of e^{2 f s} over e^{2 f t} where f > 0: bounded; t where f = 0.
        still = twice < 1e-8
        mass = t * jnp.where(still, 1 - twice / 2, -jnp.expm1(-twice) / jnp.where(still, 1, twice))
        inner = scaled.T @ (mass[:, None] * scaled)
        # Columns that compete for one direction leave the bracket singular to rounding; the floor decides nothing else.
        floor = 4 * jnp.finfo(self.rates.dtype).eps * jnp.diagonal(inner)
        start = jnp.where(used, jnp.exp(-largest), 1)
        inner = inner + jnp.diag(jnp.maximum(start**2, floor))
        if self.damping is not None:
            inner = inner + t * start[:, None] * self.damping * start
        # Scaled to a unit diagonal: the columns' sizes may lie far apart at early times.
        scale = 1 / jnp.sqrt(jnp.diagonal(inner))
        lower = jnp.linalg.cholesky(inner * scale[:, None] * scale)
        return _solve_lower(lower, (jnp.exp(fading)[:, None] * scaled * scale).T).T


def _solve_lower(lower: Float[Array, "n n"], right: Float[Array, "n k"]) -> Float[Array, "n k"]:
    """Forward substitution, one row at a time: under `vmap` far faster than XLA's batched triangular solve on a CPU."""

    def advance(index: Array, solution: Array) -> Array:
        row = (right[index] - lower[index] @ solution) / lower[index, index]
        return solution.at[index].set(row)

    return jax.lax.fori_loop(0, lower.shape[0], advance, jnp.zeros_like(right))


@cite("braun2022exact", "domine2025lazy")
def riccati_flow(
    rates: Float[Array, " rate"],
    initial: Float[Array, "rate hidden"],
    damping: Float[Array, "hidden hidden"] | None = None,
) -> tuple[RiccatiFlow, Array]:
    r"""Prepares the solution of $\dot P = f P + P f - P^2$, $P_0 = A A^\top$.

    Args:
        rates: $f$, in any order; a matrix $F$ is brought to this form by its eigenvectors.
        initial: $A$.
        damping: $K$ over the hidden units; see `RiccatiFlow`.

    Returns:
        The flow, whose rows are those of `initial` in the order of descending rates, and their places there.
    """
    order = jnp.argsort(-rates, stable=True)
    if damping is None:
        flow = RiccatiFlow(rates[order], jnp.linalg.qr(initial[order].T, mode="r").T)
    else:
        hidden, triangular = jnp.linalg.qr(initial[order].T)
        flow = RiccatiFlow(rates[order], triangular.T, hidden.T @ damping @ hidden)
    return flow, jnp.argsort(order)
