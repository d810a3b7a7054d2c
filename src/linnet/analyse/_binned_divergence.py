"""Histograms of points in any dimension by their occupied bins alone, and the divergence between two of them."""

import functools as ft

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

#: What the bins of an axis span, by the name of the convention.
BINNINGS = {
    "gtf": "from a tenth of a standard deviation below the least value to as much above the largest",
    "range": "from the least value to the largest",
    "std": "two standard deviations around the mean",
}


def bin_edges(truth: Float[Array, "time state"], binning: str) -> tuple[Float[Array, " state"], Float[Array, " state"]]:
    """Where the bins of each axis begin and end."""
    mean, spread = jnp.mean(truth, axis=0), jnp.std(truth, axis=0)
    if binning == "std":
        return mean - 2 * spread, mean + 2 * spread
    margin = {"gtf": 0.1, "range": 0.0}[binning] * spread
    return jnp.min(truth, axis=0) - margin, jnp.max(truth, axis=0) + margin


def occupied_cells(
    points: Float[Array, "point state"], low: Float[Array, " state"], high: Float[Array, " state"], bins: int
) -> tuple[Int[Array, " point"], Bool[Array, " point"]]:
    """A number for the cell of each point, the same for two points of one cell, and whether it lies in the range.

    Numbers go from 1 to the number of points at most, however many cells there are; 0 is all that is outside.
    """
    inside = jnp.all((points >= low) & (points <= high), axis=1)
    scaled = jnp.where(inside[:, None], (points - low) / (high - low), 0)
    # A value at the upper end belongs to the last bin, as in NumPy.
    places = jnp.clip(jnp.floor(bins * scaled), 0, bins - 1).astype(jnp.int32)

    def next_axis(cells, place):
        # Ranks stay below the number of points, so that rank times bins never overflows, as the index of a cell would.
        return _dense_rank(cells * bins + place), None

    cells, _ = jax.lax.scan(next_axis, jnp.zeros(len(points), jnp.int32), places.T)
    return jnp.where(inside, cells + 1, 0), inside


def _dense_rank(values: Int[Array, " point"]) -> Int[Array, " point"]:
    order = jnp.argsort(values)
    rank = jnp.cumsum(jnp.diff(values[order], prepend=values[order[:1]]) != 0, dtype=jnp.int32)
    return jnp.zeros_like(values).at[order].set(rank)


@ft.partial(jax.jit, static_argnames=("bins", "binning", "outside"))
def binned_divergence(
    truth: Float[Array, "time state"],
    generated: Float[Array, "other_time state"],
    smoothing: Float[Array, ""],
    *,
    bins: int,
    binning: str,
    outside: str,
) -> tuple[Float[Array, ""], Float[Array, ""], Float[Array, ""]]:
    """The divergence, the fraction of generated points outside, and what fraction of their histogram is smoothing."""
    num, size = len(truth), truth.shape[1]
    cells, inside = occupied_cells(jnp.concatenate([truth, generated]), *bin_edges(truth, binning), bins)
    weights = jnp.ones(len(cells), truth.dtype) if outside == "cell" else inside.astype(truth.dtype)
    count = ft.partial(jax.ops.segment_sum, num_segments=len(cells) + 1)
    p, q = count(weights[:num], cells[:num]), count(weights[num:], cells[num:])
    occupied = p + q > 0
    # The number of all cells overflows even a float in high dimensions; its logarithm does not.
    log_alpha = jnp.log(smoothing)
    log_cells = jnp.asarray(size * jnp.log(float(bins)), truth.dtype)
    if outside == "cell":
        log_cells = jnp.logaddexp(log_cells, 0.0)
    log_p, log_q = (jnp.logaddexp(jnp.log(jnp.sum(counts)), log_alpha + log_cells) for counts in (p, q))
    own = jnp.exp(jnp.log(p + smoothing) - log_p)
    ratio = jnp.log(p + smoothing) - log_p - jnp.log(q + smoothing) + log_q
    full = jnp.sum(jnp.where(occupied, own * ratio, 0))
    # Cells that are empty in both hold nothing but smoothing, and all the same.
    empty = jnp.maximum(1 - jnp.sum(occupied) * jnp.exp(-log_cells), 0) * jnp.exp(log_alpha + log_cells - log_p)
    divergence = full + empty * (log_q - log_p)
    # A histogram of nothing is smoothing alone, which is flat: close to many truths, and yet no orbit at all.
    divergence = jnp.where(jnp.sum(q) > 0, divergence, jnp.inf)
    return divergence, 1 - jnp.mean(inside[num:].astype(truth.dtype)), jnp.exp(log_alpha + log_cells - log_q)
