"""The adding problem: two numbers among many are marked, and their sum is the answer."""

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr

from .._cite import cite
from .._types import PRNGKey
from ._batch import Batch
from ._sequence_task import AbstractSequenceTask


@cite("hochreiter1997long", "arjovsky2016unitary")
class Adding(AbstractSequenceTask):
    r"""The sum $u_i + u_j$ of two marked numbers: inputs are $u_t \sim U(0, 1)$ and a marker, 1 at $i$ and $j$, else 0.

    $i$ is uniform in the first half of the sequence, $j$ in the second, as Arjovsky et al. have it. To answer always 1
    has a squared error of 1/6, which is `chance` (twice linnet's loss).

    Args:
        length: of the sequences in training, at least 2.
    """

    length: int = eqx.field(static=True, default=100)

    @property
    def name(self) -> str:
        return "adding"

    @property
    def chance(self) -> float:
        return 1 / 6

    def sample(self, num: int, *, key: PRNGKey, length: int | None = None, min_length: int | None = None) -> Batch:
        length, least = self.check_lengths(length, min_length, 2)
        size_key, number_key, first_key, second_key = jr.split(key, 4)
        size = jr.randint(size_key, (num,), least, length + 1) if least < length else jnp.full(num, length)
        half = size // 2
        first = jr.randint(first_key, (num,), 0, half)
        second = jr.randint(second_key, (num,), half, size)
        place = jnp.arange(length)
        marked = (place == first[:, None]) | (place == second[:, None])
        numbers = jr.uniform(number_key, (num, length)) * (place < size[:, None])
        total = jnp.sum(numbers * marked, axis=1)
        x = jnp.stack([numbers, marked.astype(numbers.dtype)], axis=2)
        if min_length is None:
            return Batch(x, total[:, None])
        last = place == size[:, None] - 1
        return Batch(x, (total[:, None] * last)[..., None], last)
