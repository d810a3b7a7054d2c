"""How inputs and targets of a file are scaled: fitted on the training part, applied to every part and its moments."""

import abc
import dataclasses

import equinox as eqx
import numpy as np
from jaxtyping import Array, Float

from ._running import RunningMoments


class Scaling(eqx.Module):
    r"""The affine map from columns to inputs, $x = R\,(c - \mu) \odot s$, and from target columns to targets.

    Args:
        x_mean: $\mu$, the mean of each input column over the training part.
        x_scale: $s$, one over the standard deviation, or 1.
        rotation: $R$, `"in column"`; `None` is the identity.
        loadings: `"in column"`, what each input is made of: its covariance with each column in units of $1/s$; `None`
            is the identity.
        y_mean: the mean of each target column over the training part.
        y_scale: one over the standard deviation of a target of numbers, or 1.
    """

    x_mean: Float[Array, " column"]
    x_scale: Float[Array, " column"]
    rotation: Float[Array, "in column"] | None
    loadings: Float[Array, "in column"] | None
    y_mean: Float[Array, " out"]
    y_scale: Float[Array, " out"]

    def inputs(self, columns: Float[Array, "*num column"]) -> Float[Array, "*num in"]:
        """Inputs of new rows, for a trained network."""
        scaled = (columns - self.x_mean) * self.x_scale
        return scaled if self.rotation is None else scaled @ self.rotation.T

    def predictions(self, targets: Float[Array, "*num out"]) -> Float[Array, "*num out"]:
        """Network outputs in the units of the file."""
        return targets / self.y_scale + self.y_mean

    def in_columns(self, directions: Float[Array, "in mode"]) -> Float[Array, "column mode"]:
        """Directions of inputs, such as `task.singular_modes().right`, in the user's columns: what a mode is made of.

        For whitened inputs the covariance of the mode with each (standardised) column, as its weights mean little
        there; otherwise the directions themselves.
        """
        return directions if self.loadings is None else self.loadings.T @ directions


@dataclasses.dataclass(frozen=True)
class FittedScale:
    """What a scale found in the training part: `Scaling` in NumPy, and the discarded directions in words."""

    x_mean: np.ndarray
    x_scale: np.ndarray
    rotation: np.ndarray | None = None
    loadings: np.ndarray | None = None
    discarded: tuple[str, ...] = ()

    def inputs(self, columns: np.ndarray) -> np.ndarray:
        """Scaled inputs of rows, `"*num column"`."""
        scaled = (columns - self.x_mean) * self.x_scale
        return scaled if self.rotation is None else scaled @ self.rotation.T

    def both_sides(self, covariance: np.ndarray) -> np.ndarray:
        """The covariance of inputs from that of columns, `"... column column"`."""
        covariance = covariance * self.x_scale[:, None] * self.x_scale
        return covariance if self.rotation is None else self.rotation @ covariance @ self.rotation.T

    def right_side(self, covariance: np.ndarray) -> np.ndarray:
        """The covariance of targets with inputs from that with columns, `"... out column"`."""
        covariance = covariance * self.x_scale
        return covariance if self.rotation is None else covariance @ self.rotation.T

    def names(self, columns: tuple[str, ...]) -> tuple[str, ...]:
        """What each input is called."""
        if self.rotation is None:
            return columns
        return tuple(f"component {number + 1}" for number in range(len(self.rotation)))


class AbstractScale(eqx.Module):
    """A choice of scale for `from_table` and `from_series`.

    Inputs and targets are centred by training means in any case.
    """

    @abc.abstractmethod
    def fit(self, moments: RunningMoments, names: tuple[str, ...]) -> FittedScale:
        """Scales inputs with these moments of the training part (no column is constant there)."""

    @abc.abstractmethod
    def fit_targets(self, deviations: np.ndarray, is_number: np.ndarray) -> np.ndarray:
        """The factor of each target."""


class Centre(AbstractScale):
    """Leaves columns in their own units."""

    def fit(self, moments: RunningMoments, names: tuple[str, ...]) -> FittedScale:
        return FittedScale(moments.mean, np.ones(len(names)))

    def fit_targets(self, deviations: np.ndarray, is_number: np.ndarray) -> np.ndarray:
        return np.ones(len(deviations))


class Standardise(AbstractScale):
    """Gives each input column and each target of numbers unit variance; classes stay 0 and 1 before centring."""

    def fit(self, moments: RunningMoments, names: tuple[str, ...]) -> FittedScale:
        return FittedScale(moments.mean, 1 / np.sqrt(np.diagonal(moments.scatter) / moments.num))

    def fit_targets(self, deviations: np.ndarray, is_number: np.ndarray) -> np.ndarray:
        return _unit_variance(deviations, is_number)


class Whiten(AbstractScale):
    r"""Gives inputs $\mathbb{E}[x x^\top] = I$ over the training part.

    Inputs are then the principal components of the standardised columns, each with unit variance.

    Args:
        tolerance: components with less variance than this part of the largest are discarded (and reported).
    """

    tolerance: float = 1e-6

    def fit(self, moments: RunningMoments, names: tuple[str, ...]) -> FittedScale:
        covariance = moments.scatter / moments.num
        scale = 1 / np.sqrt(np.diagonal(covariance))
        values, vectors = np.linalg.eigh(covariance * scale[:, None] * scale)
        values, vectors = values[::-1], vectors[:, ::-1]
        # A column-wise sign makes components reproducible: the largest entry is positive.
        vectors = vectors * np.where(vectors[np.argmax(np.abs(vectors), axis=0), np.arange(len(values))] < 0, -1, 1)
        kept = values > self.tolerance * values[0]
        root = np.sqrt(values[kept])
        loadings = (vectors[:, kept] * root).T
        discarded = tuple(_combination(vector, names) for vector in vectors[:, ~kept].T)
        return FittedScale(moments.mean, scale, (vectors[:, kept] / root).T, loadings, discarded)

    def fit_targets(self, deviations: np.ndarray, is_number: np.ndarray) -> np.ndarray:
        return _unit_variance(deviations, is_number)


def _unit_variance(deviations: np.ndarray, is_number: np.ndarray) -> np.ndarray:
    return np.where(is_number, 1 / np.where(is_number, deviations, 1), 1.0)


def _combination(vector: np.ndarray, names: tuple[str, ...]) -> str:
    """A direction in words: its largest entries with the columns' names."""
    order = [i for i in np.argsort(-np.abs(vector), kind="stable")[:4] if abs(vector[i]) > 0.1 * np.max(np.abs(vector))]
    terms = [f"{'-' if vector[i] < 0 else '+'} {abs(vector[i]):.2f} {names[i]}" for i in order]
    more = int(np.sum(np.abs(vector) > 0.1 * np.max(np.abs(vector)))) - len(terms)
    return " ".join(terms).removeprefix("+ ") + (f" + {more} more" if more else "")
