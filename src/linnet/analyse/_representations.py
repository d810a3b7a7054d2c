"""How alike two representations of the same examples are, and over how many directions one spreads."""

import jax.numpy as jnp
from jaxtyping import Array, Float

from .._cite import cite


@cite("kornblith2019similarity", "cortes2012algorithms")
def centred_kernel_alignment(
    first: Float[Array, "num feature"], second: Float[Array, "other_num other"]
) -> Float[Array, ""]:
    r"""The linear centred kernel alignment (CKA) of two representations,

    $$\frac{\lVert Y^\top H X \rVert_F^2}{\lVert X^\top H X \rVert_F\, \lVert Y^\top H Y \rVert_F}, \qquad
    H = I - \tfrac{1}{P} \mathbf{1} \mathbf{1}^\top.$$

    1 for representations that are equal up to rotation, scale and shift, 0 for uncorrelated ones. Of few examples in
    many dimensions it is biased upwards.

    Args:
        first: $X$, a row for each of $P$ examples.
        second: $Y$, of the same examples.

    Returns:
        The alignment; 0 if a representation is the same for all examples.

    Raises:
        ValueError: if the numbers of examples differ.
    """
    _check(first, second)
    x, y = (part - jnp.mean(part, axis=0) for part in (first, second))
    together = jnp.sum((y.T @ x) ** 2)
    alone = jnp.sqrt(jnp.sum((x.T @ x) ** 2)) * jnp.sqrt(jnp.sum((y.T @ y) ** 2))
    return jnp.where(alone > 0, together / jnp.where(alone > 0, alone, 1), 0)


@cite("kriegeskorte2008representational")
def dissimilarity(representation: Float[Array, "num feature"]) -> Float[Array, " pair"]:
    """The Euclidean distances between the representations of all pairs of examples, the first example's first.

    Args:
        representation: a row for each example.
    """
    first, second = jnp.triu_indices(representation.shape[0], 1)
    return jnp.linalg.norm(representation[first] - representation[second], axis=1)


@cite("kriegeskorte2008representational")
def representational_similarity(
    first: Float[Array, "num feature"], second: Float[Array, "other_num other"]
) -> Float[Array, ""]:
    """The correlation (Pearson's) of two representations' dissimilarities over all pairs of examples.

    Args:
        first: a row for each example.
        second: the same examples represented otherwise.

    Returns:
        The correlation; 0 if all pairs of one representation are equally far apart.

    Raises:
        ValueError: if the numbers of examples differ.
    """
    _check(first, second)
    a, b = (pairs - jnp.mean(pairs) for pairs in (dissimilarity(first), dissimilarity(second)))
    scale = jnp.linalg.norm(a) * jnp.linalg.norm(b)
    return jnp.where(scale > 0, a @ b / jnp.where(scale > 0, scale, 1), 0)


@cite("roy2007effective")
def effective_rank(matrix: Float[Array, "*batch row column"]) -> Float[Array, "*batch"]:
    r"""The effective rank $\exp(-\sum_i p_i \ln p_i)$ with $p_i = \sigma_i / \sum_j \sigma_j$.

    Between 1 and the rank; $k$ for $k$ equal singular values.

    Args:
        matrix: weights, an end-to-end map, or a representation; or many of one shape.

    Returns:
        The rank; 0 of a matrix of zeros.
    """
    values = jnp.linalg.svd(matrix, compute_uv=False)
    total = jnp.sum(values, axis=-1)
    parts = values / jnp.where(total > 0, total, 1)[..., None]
    entropy = -jnp.sum(jnp.where(parts > 0, parts * jnp.log(jnp.where(parts > 0, parts, 1)), 0), axis=-1)
    return jnp.where(total > 0, jnp.exp(entropy), 0)


def _check(first: Array, second: Array) -> None:
    if first.shape[0] != second.shape[0]:
        raise ValueError(
            "Two representations of the same examples are compared row by row, but the first has "
            f"{first.shape[0]} rows and the second {second.shape[0]}."
        )
