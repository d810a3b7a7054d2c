"""The task that a file holds: its examples in three parts, their moments, its names, and the account of the reading."""

import dataclasses
from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np

from .._errors import InputError
from .._types import PRNGKey
from ._batch import Batch, Split
from ._moments import Moments, TemporalMoments
from ._parts import PARTS
from ._reading import Reading
from ._scale import FittedScale, Scaling
from ._task import AbstractTask


class FileTask(AbstractTask):
    """Data from a file (see `from_table`, `from_series`), centred by the means of its training part.

    All that is known of the population is the training part, so `moments()` are those of the training part, made of
    every row of it; the validation and test part are never looked at by scale or modes.

    Args:
        parts: samples of each part; fewer than in the file where all would not fit in memory.
        part_moments: moments of each part, of every row, about the training means.
        scaling: from the file's columns to inputs and back.
        input_names: of inputs; after whitening "component 1", ...
        output_names: of targets, for classes `species=setosa`.
        column_names: of the input columns before whitening, categories as `colour=red`; `scaling.in_columns` leads to
            them.
        report: what was read and decided.
    """

    parts: Split
    part_moments: Split
    scaling: Scaling
    input_names: tuple[str, ...] = eqx.field(static=True)
    output_names: tuple[str, ...] = eqx.field(static=True)
    column_names: tuple[str, ...] = eqx.field(static=True)
    report: Reading = eqx.field(static=True)

    def draw(self, num: int | None = None, *, key: PRNGKey | None = None) -> Split:
        """The file's own split, or one with a smaller training part.

        Args:
            num: training examples, drawn without replacement; `None`: all. The validation and test part stay whole.
            key: needed with `num`.

        Raises:
            InputError: if there are fewer than `num`.
        """
        if num is None:
            return self.parts
        held = self.parts.train.num
        if not 1 <= num <= held:
            raise InputError(
                f"draw needs between 1 and {held} training examples (what the file's training part holds), got {num}."
            )
        if key is None:
            raise InputError("draw(num) is random and needs key=jax.random.key(...).")
        return eqx.tree_at(
            lambda split: split.train, self.parts, _pick(self.parts.train, jr.permutation(key, held)[:num])
        )

    def sample(self, num: int, *, key: PRNGKey, length: int | None = None) -> Batch:
        """Training examples drawn with replacement: the population as far as it is known."""
        if length is not None and (self.parts.train.x.ndim < 3 or length != self.parts.train.x.shape[1]):
            raise InputError(
                f"The length of a file's examples is fixed, length={length} is not possible. Read the file with "
                f"window={length}."
            )
        if num < 1:
            raise InputError(f"sample needs at least 1 example, got {num}.")
        return _pick(self.parts.train, jr.randint(key, (num,), 0, self.parts.train.num))

    def moments(self) -> Moments | TemporalMoments:
        """The moments of the training part, made of every row of it."""
        return self.part_moments.train

    def split_moments(self) -> Split:
        """The moments of each part, of every row, all about the training means."""
        return self.part_moments


def _pick(batch: Batch, rows) -> Batch:
    return Batch(jnp.take(batch.x, rows, axis=0), jnp.take(batch.y, rows, axis=0))


def result_dtype(dtype: Any) -> Any:
    """The dtype of results: float64 if x64 is on, else float32, unless another one is asked for.

    Raises:
        InputError: if it is not floating, or float64 while x64 is off.
    """
    if dtype is None:
        return jnp.result_type(float)
    asked = jnp.dtype(dtype)
    if not jnp.issubdtype(asked, jnp.floating):
        raise InputError(f"dtype needs to be a floating one, such as float32, got {asked}.")
    if jax.dtypes.canonicalize_dtype(asked) != asked:
        raise InputError(f"dtype={asked} needs jax.config.update('jax_enable_x64', True) first, or ask for float32.")
    return asked


def finish(
    *,
    samples: Sequence[tuple[np.ndarray, np.ndarray] | None],
    moments: Sequence[tuple[np.ndarray, np.ndarray, np.ndarray] | None],
    fitted: FittedScale,
    y_mean: np.ndarray,
    y_scale: np.ndarray,
    dtype: Any,
    column_names: tuple[str, ...],
    output_names: tuple[str, ...],
    reading: Reading,
    shares: tuple[float, float, float],
) -> FileTask:
    """From NumPy's float64 to a task in JAX arrays of one dtype."""

    def cast(values: np.ndarray | None) -> Any:
        return None if values is None else jnp.asarray(values, dtype)

    form: Any = TemporalMoments if any(part is not None and part[1].ndim == 3 for part in moments) else Moments
    batches: list[Any] = [None if part is None else Batch(cast(part[0]), cast(part[1])) for part in samples]
    parts: list[Any] = [None if part is None else form(*(cast(values) for values in part)) for part in moments]
    if batches[0] is None:
        raise InputError("No training example fits into max_bytes. Give more memory by max_bytes=....")
    kept = [0 if batch is None else batch.num for batch in batches]
    empty = [name for name, part, share in zip(PARTS, parts, shares) if part is None and share > 0]
    notes = tuple(f"There is no {name} part: the file has too few rows for one." for name in empty)
    return FileTask(
        parts=Split(batches[0], batches[1], batches[2], cast(fitted.x_mean), cast(y_mean)),
        part_moments=Split(parts[0], parts[1], parts[2], cast(fitted.x_mean), cast(y_mean)),
        scaling=Scaling(
            cast(fitted.x_mean),
            cast(fitted.x_scale),
            cast(fitted.rotation),
            cast(fitted.loadings),
            cast(y_mean),
            cast(y_scale),
        ),
        input_names=fitted.names(column_names),
        output_names=output_names,
        column_names=column_names,
        report=dataclasses.replace(reading, kept=(kept[0], kept[1], kept[2]), notes=(*reading.notes, *notes)),
    )
