"""Neural collapse: how far features and classifier are from the frames that decay leads to."""

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from .._cite import cite


class NeuralCollapse(eqx.Module):
    """The four measures of neural collapse, each 0 (the last: 1) where it is complete. Made by `neural_collapse`.

    Args:
        variability: NC1, `within_class_variability`.
        frame: NC2, `frame_distance` of the class means' Gram matrix.
        duality: NC3, `frame_distance` of the classifier on the class means.
        agreement: NC4, `nearest_mean_agreement`.
    """

    variability: Float[Array, ""]
    frame: Float[Array, ""]
    duality: Float[Array, ""]
    agreement: Float[Array, ""]


def class_means(
    features: Float[Array, "num feature"], y: Float[Array, "examples class"], weight: Float[Array, " num"] | None = None
) -> Float[Array, "class feature"]:
    """The mean features of each class.

    Args:
        features: a row for each example.
        y: their classes, one-hot.
        weight: how much each example counts; by default the same.

    Raises:
        ValueError: if the numbers of examples differ.
    """
    rows = _rows(features, y, weight)
    counts = jnp.sum(rows, axis=0)
    return (rows.T @ features) / jnp.where(counts > 0, counts, 1)[:, None]


@cite("papyan2020prevalence")
def within_class_variability(
    features: Float[Array, "num feature"],
    y: Float[Array, "examples class"],
    weight: Float[Array, " num"] | None = None,
    *,
    tolerance: float = 1e-6,
) -> Float[Array, ""]:
    r"""NC1, the variability within classes against that between them,

    $$\frac{1}{K} \mathrm{tr}\bigl(\Sigma_W \Sigma_B^{+}\bigr) .$$

    Classes count by their sizes, so that the two are parts of the covariance of the features.

    Args:
        features: a row for each example.
        y: their classes, one-hot.
        weight: how much each example counts; by default the same.
        tolerance: directions in which class means differ less than this part of the most are left out of the inverse.

    Returns:
        The variability; 0 if all examples of a class are the same, infinite if all class means are.
    """
    rows = _rows(features, y, weight)
    total, shares = jnp.sum(rows), jnp.sum(rows, axis=0) / jnp.sum(rows)
    means = class_means(features, y, weight)
    between = jnp.sqrt(shares)[:, None] * (means - shares @ means)
    _, values, directions = jnp.linalg.svd(between, full_matrices=False)
    kept = values > tolerance * values[0]
    apart = (features - y @ means) @ directions.T
    variances = jnp.sum(rows, axis=1) @ apart**2 / total
    found = jnp.sum(jnp.where(kept, variances / jnp.where(kept, values, 1) ** 2, 0)) / y.shape[1]
    return jnp.where(values[0] > 0, found, jnp.inf)


@cite("dang2023neural", "papyan2020prevalence")
def frame_distance(matrix: Float[Array, "class other"], target: Float[Array, "row column"]) -> Float[Array, ""]:
    r"""NC2 and NC3, $\bigl\lVert M / \lVert M \rVert_F - T / \lVert T \rVert_F \bigr\rVert_F$.

    Of the class means' Gram matrix $\bar H \bar H^\top$ it is NC2, of the classifier on them, $\bar H W^\top$, NC3; of
    the later layers of a linear head on what they read, NC3 for each layer.

    Args:
        matrix: $M$.
        target: $T$, `orthogonal_frame`, `simplex_frame` or a predicted one.

    Returns:
        From 0 (the same up to scale) to 2; 1 if either is 0.
    """
    if matrix.shape != target.shape:
        raise ValueError(f"A matrix of shape {matrix.shape} has no distance from a frame of shape {target.shape}.")
    first, second = (part / jnp.where(jnp.any(part != 0), jnp.linalg.norm(part), 1) for part in (matrix, target))
    return jnp.linalg.norm(first - second)


@cite("papyan2020prevalence")
def nearest_mean_agreement(
    features: Float[Array, "num feature"],
    outputs: Float[Array, "num class"],
    y: Float[Array, "examples class"],
    weight: Float[Array, " num"] | None = None,
) -> Float[Array, ""]:
    """NC4, the share of examples that the classifier puts into the class whose mean features are nearest.

    Args:
        features: a row for each example.
        outputs: of the network, for the same examples.
        y: their classes, one-hot.
        weight: how much each example counts; by default the same.
    """
    rows = jnp.sum(_rows(features, y, weight), axis=1)
    means = class_means(features, y, weight)
    # |h - m|^2 without what all classes share.
    nearest = jnp.argmin(jnp.sum(means**2, axis=1) - 2 * features @ means.T, axis=1)
    return rows @ (nearest == jnp.argmax(outputs, axis=1)).astype(features.dtype) / jnp.sum(rows)


def orthogonal_frame(num: int) -> Float[Array, "class class"]:
    r"""The Gram matrix $I$ of an orthogonal frame, to which squared error without bias leads.

    Args:
        num: how many classes.
    """
    return jnp.eye(num)


@cite("papyan2020prevalence")
def simplex_frame(num: int) -> Float[Array, "class class"]:
    r"""The Gram matrix $I - 11^\top / K$ of a simplex equiangular tight frame, to which a bias leads.

    Args:
        num: $K$, how many classes.
    """
    return jnp.eye(num) - 1 / num


@cite("papyan2020prevalence", "dang2023neural")
def neural_collapse(
    features: Float[Array, "num feature"],
    y: Float[Array, "examples class"],
    classifier: Float[Array, "out in"],
    *,
    outputs: Float[Array, "num class"] | None = None,
    weight: Float[Array, " num"] | None = None,
    gram: Float[Array, "class class"] | None = None,
    product: Float[Array, "class class"] | None = None,
    centre: bool = False,
) -> NeuralCollapse:
    r"""All four measures of neural collapse.

    Args:
        features: a row for each example.
        y: their classes, one-hot.
        classifier: the linear map from features to outputs.
        outputs: of the network, for the same examples; by default the classifier on the features (no bias).
        weight: how much each example counts; by default the same.
        gram: to which class means are compared, up to scale; by default `orthogonal_frame`, or `simplex_frame` if
            centred.
        product: to which the classifier on the class means (a row for each class) is compared; by default `gram`.
        centre: whether the mean over classes is taken from the means first.

    !!! example
        ```python
        found = ln.analyse.neural_collapse(features, y, weights)
        solution = ln.theory.collapse_solution(task, depth=3)  # unequal classes have a frame of their own
        found = ln.analyse.neural_collapse(
            features, y, weights, gram=solution.feature_gram, product=solution.outputs
        )
        ```
    """
    if classifier.shape != (y.shape[1], features.shape[1]):
        raise ValueError(
            f"The classifier maps {features.shape[1]} features to {y.shape[1]} classes, so its shape is "
            f"{(y.shape[1], features.shape[1])}, got {classifier.shape}."
        )
    num, dtype = y.shape[1], features.dtype
    means = class_means(features, y, weight)
    means = means - jnp.mean(means, axis=0) if centre else means
    gram = (simplex_frame(num) if centre else orthogonal_frame(num)).astype(dtype) if gram is None else gram
    outputs = features @ classifier.T if outputs is None else outputs
    return NeuralCollapse(
        within_class_variability(features, y, weight),
        frame_distance(means @ means.T, gram),
        frame_distance(means @ classifier.T, gram if product is None else product),
        nearest_mean_agreement(features, outputs, y, weight),
    )


def _rows(features: Array, y: Array, weight: Array | None) -> Array:
    """How much each example counts to each class."""
    if features.shape[0] != y.shape[0]:
        raise ValueError(
            f"Features and classes are those of the same examples, but there are {features.shape[0]} rows of features "
            f"and {y.shape[0]} of classes."
        )
    return y if weight is None else weight[:, None] * y
