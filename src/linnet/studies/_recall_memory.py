"""What the study of recall needs besides layers: keys written twice, states cut down, memories of random codes."""

from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Int

from .. import nn, tasks
from .._types import PRNGKey


class Rewritten(tasks.AbstractTask):
    """Associative recall in which the second half of the pairs has the keys of the first half: the last value counts.

    Args:
        task: what the sequences are made from; an even number of pairs.
    """

    has_moments: ClassVar[bool] = False
    task: tasks.AssociativeRecall

    @property
    def length(self) -> int:
        """The length of the sequences."""
        return self.task.length

    def sample(self, num: int, *, key: PRNGKey, length: int | None = None) -> tasks.Batch:
        batch = self.task.sample(num, key=key, length=length)
        half, whole = self.task.num_pairs // 2, self.task.num_pairs
        keys, values = batch.x[:, 0 : 2 * whole : 2], batch.x[:, 1 : 2 * whole : 2]
        # A query for either key of two becomes one for the first, and is answered by the value of the second.
        which = jnp.argmax(batch.x[:, :, None] == keys[:, None, :], axis=-1)
        is_key = jnp.any(batch.x[:, :, None] == keys[:, None, :], axis=-1)
        first = jnp.take_along_axis(keys, which % half, axis=1)
        last = jnp.take_along_axis(values, which % half + half, axis=1)
        y = jnp.where(batch.mask, last, 0) if batch.mask is not None else last
        return tasks.Batch(jnp.where(is_key, first, batch.x), y.astype(batch.y.dtype), batch.mask)

    def moments(self) -> tasks.AbstractMoments:
        return self.task.moments()


def narrowed(layer: Any, size: Int[Array, ""]) -> Any:
    """A layer of one head of which only some keys are used, so that one program trains states of all sizes.

    The queries and keys of the others are 0. Neither is moved by a gradient, because each one's is a multiple of the
    other, and so they stay 0: the layer is one with a smaller state. Attention has no such state and is left as it is.
    """
    if isinstance(layer, nn.SoftmaxAttention):
        return layer
    if isinstance(layer, nn.Mamba2):
        rows = [layer.inputs.shape[0] - 2 * layer.state_size, layer.state_size, layer.state_size]
        kept = [rows[0], size, size]
        return eqx.tree_at(lambda layer: layer.inputs, layer, layer.inputs * _kept(rows, kept))
    inputs = layer.inputs
    if isinstance(layer, (nn.DeltaNet, nn.GatedDeltaNet)):
        rows = [inputs.key_size, inputs.key_size, inputs.value_size]
        mask = _kept(rows, [size, size, inputs.value_size])
        return eqx.tree_at(lambda layer: layer.inputs.weight, layer, inputs.weight * mask)
    mask = _kept([inputs.key.shape[0]], [size])
    return eqx.tree_at(lambda l: (l.inputs.query, l.inputs.key), layer, (inputs.query * mask, inputs.key * mask))


def _kept(rows: list[int], kept: list[Any]) -> Array:
    """1 for the first so many rows of each part, else 0."""
    return jnp.concatenate([jnp.arange(num) < first for num, first in zip(rows, kept, strict=True)])[:, None]


def random_codes(
    pairs: int, tokens: int, keys: int, values: int, *, delta: bool, num: int, rng: np.random.Generator
) -> float:
    """The share that a memory recalls whose keys and values are random unit vectors, one for each token; in NumPy.

    Args:
        pairs: written into the memory, one after the other.
        tokens: half of them keys, half of them values.
        keys: the size of keys.
        values: the size of values.
        delta: whether what is read at a key is taken away before it is written.
        num: memories.
        rng: of the randomness.
    """
    right = 0.0
    for _ in range(num):
        code, meaning = (rng.normal(size=(tokens // 2, size)) for size in (keys, values))
        code, meaning = (part / np.linalg.norm(part, axis=1, keepdims=True) for part in (code, meaning))
        which, what = (rng.permutation(tokens // 2)[:pairs] for _ in range(2))
        memory = np.zeros((keys, values))
        for k, v in zip(code[which], meaning[what], strict=True):
            memory += np.outer(k, v - memory.T @ k if delta else v)
        right += np.mean(np.argmax(code[which] @ memory @ meaning.T, axis=1) == what)
    return float(right / num)
