"""Eigenvalues and singular values that stand out of the bulk that random entries would have."""

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Inexact

from .._cite import cite


class Outliers(eqx.Module):
    """A spectrum and what of it lies beyond the bulk.

    Args:
        values: eigenvalues or singular values, those of the largest modulus first.
        edge: where the bulk of a matrix with random entries would end.
        beyond: which values are outliers.
    """

    values: Inexact[Array, "*member value"]
    edge: Float[Array, "*member"]
    beyond: Bool[Array, "*member value"]

    @property
    def num(self) -> Array:
        """How many outliers there are."""
        return jnp.sum(self.beyond, axis=-1)


@cite("tao2013outliers", "benaych2011eigenvalues")
def spectral_outliers(
    matrix: Float[Array | np.ndarray, "row column"],
    bulk: str,
    *,
    std: Float[Array, ""] | float | None = None,
    margin: float = 0.1,
) -> Outliers:
    r"""The eigenvalues or singular values of a matrix beyond the edge of a random matrix's bulk.

    A matrix of independent entries of standard deviation $\sigma$ has, in the limit of large sizes, eigenvalues in a
    disc of radius $\sigma \sqrt n$ (the circular law); one with such entries that is symmetric has them within $\pm 2
    \sigma \sqrt n$ (the semicircle), and one of any shape has singular values of at most $\sigma (\sqrt n + \sqrt m)$
    (Marchenko and Pastur). A few strong directions of low rank on top are outliers if they are stronger than about
    $\sigma \sqrt n$, and invisible if not.

    Args:
        matrix: weights, a recurrent matrix, a Hessian, a covariance root.
        bulk: "circle" for eigenvalues of any square matrix, "semicircle" for those of a symmetric one, "singular" for
            singular values.
        std: $\sigma$; by default from the median modulus of the entries, which directions of low rank hardly change.
        margin: an outlier is further out than the edge by this part of it, because spectra of finite size fluctuate.

    Returns:
        The spectrum, the edge and the outliers; shapes are static, so it can be mapped and observed.

    Raises:
        ValueError: if eigenvalues are asked for and the matrix is not square.
    """
    matrix = jnp.asarray(matrix)
    rows, columns = matrix.shape
    if bulk != "singular" and rows != columns:
        raise ValueError(f"Eigenvalues need a square matrix, got the shape {matrix.shape}; take bulk='singular'.")
    # The median modulus of a normal variable is 0.6745 standard deviations.
    scale = jnp.median(jnp.abs(matrix)) / 0.674489750196 if std is None else jnp.asarray(std, matrix.dtype)
    if bulk == "circle":
        values, edge = jnp.linalg.eigvals(matrix), scale * rows**0.5
    elif bulk == "semicircle":
        values, edge = jnp.linalg.eigvalsh(matrix), 2 * scale * rows**0.5
    elif bulk == "singular":
        values, edge = jnp.linalg.svd(matrix, compute_uv=False), scale * (rows**0.5 + columns**0.5)
    else:
        raise ValueError(f"bulk is 'circle', 'semicircle' or 'singular', got {bulk!r}.")
    values = values[jnp.argsort(-jnp.abs(values))]
    return Outliers(values, edge, jnp.abs(values) > (1 + margin) * edge)
