"""Handwritten digits read pixel by pixel."""

from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Float, Int

from .._cite import cite
from .._types import PRNGKey
from ._batch import Batch, Split
from ._sequence_task import AbstractSequenceTask

_NUM_TEST = 360


@cite("alpaydin1998optical")
class SequentialDigits(AbstractSequenceTask):
    """scikit-learn's 8 by 8 digits as sequences of 64 pixels between 0 and 1, row by row, in 10 classes.

    `sample` draws with replacement from the images of training, `held_out` is the same task on the last 360 of 1,797
    images (of other writers than the first), and `draw` trains on the former and looks at the latter.

    Args:
        images: `"image pixel"`.
        labels: the class of each image.
        test_images, test_labels: those held out.
    """

    images: Float[Array, "image pixel"]
    labels: Int[Array, " image"]
    test_images: Float[Array, "test pixel"]
    test_labels: Int[Array, " test"]
    length: int = eqx.field(static=True, default=64)

    @staticmethod
    def load(permuted: bool = False, seed: int = 0, dtype: Any = None) -> "SequentialDigits":
        """The task with scikit-learn's data.

        Args:
            permuted: read the pixels in one random order, the same for all images.
            seed: of that order.
            dtype: of the pixels; by default JAX's.
        """
        from sklearn.datasets import load_digits

        loaded: Any = load_digits()
        order = np.random.default_rng(seed).permutation(64) if permuted else np.arange(64)
        pixels = jnp.asarray(loaded.data[:, order] / 16, jnp.result_type(float) if dtype is None else dtype)
        labels = jnp.asarray(loaded.target, jnp.int32)
        return SequentialDigits(pixels[:-_NUM_TEST], labels[:-_NUM_TEST], pixels[-_NUM_TEST:], labels[-_NUM_TEST:])

    @property
    def name(self) -> str:
        return "sequential_digits"

    @property
    def num_classes(self) -> int:
        """The digits."""
        return 10

    @property
    def chance(self) -> float:
        return 0.1

    @property
    def held_out(self) -> "SequentialDigits":
        """The same task on the images that are held out."""
        return SequentialDigits(self.test_images, self.test_labels, self.test_images, self.test_labels)

    def sample(self, num: int, *, key: PRNGKey, length: int | None = None, min_length: int | None = None) -> Batch:
        if (length, min_length) not in ((None, None), (self.length, None)):
            raise ValueError(
                f"Images have {self.length} pixels and no other length, got length={length} and "
                f"min_length={min_length}. Leave them out."
            )
        index = jr.randint(key, (num,), 0, self.labels.shape[0])
        return Batch(self.images[index][:, :, None], self.labels[index])

    def draw(self, num: int, *, key: PRNGKey) -> Split:
        if num < 1:
            raise ValueError(f"draw needs at least 1 example, got {num}.")
        train, validation, test = jr.split(key, 3)
        held_out = self.held_out
        return Split(self.sample(num, key=train), held_out.sample(num, key=validation), held_out.sample(num, key=test))
