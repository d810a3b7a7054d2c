"""The contract of generated sequence tasks: seeded, of any length, drawn within a compiled program."""

import abc
from typing import Any, ClassVar, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Bool, Int

from .._types import PRNGKey
from ._batch import Batch
from ._moments import AbstractMoments
from ._task import AbstractTask

#: One example: its tokens, its targets, and where they count, all over the steps of the batch.
Example = tuple[Int[Array, " step"], Int[Array, " step"], Bool[Array, " step"]]


class AbstractSequenceTask(AbstractTask):
    """A task of sequences that are generated, or cut from data, in any number."""

    length: eqx.AbstractVar[int]
    has_moments: ClassVar[bool] = False

    @property
    @abc.abstractmethod
    def name(self) -> str:
        """The name, as in `SEQUENCE_TASKS`."""

    @property
    @abc.abstractmethod
    def chance(self) -> float:
        """The accuracy of the best guess without looking, as the literature counts it (of a regression, its error)."""

    @abc.abstractmethod
    def sample(self, num: int, *, key: PRNGKey, length: int | None = None, min_length: int | None = None) -> Batch:
        """Fresh examples; pure JAX, with `num` and the lengths known when it is compiled.

        Args:
            num: how many.
            key: of the randomness.
            length: of the inputs; by default that of training.
            min_length: if given, each example has a length of its own, uniform between this and `length`; what is
                behind its end is padded and does not count.
        """

    def moments(self) -> AbstractMoments:
        raise ValueError(
            f"The moments of {self.name} are not known in closed form; take those of a sample, "
            "`task.sample(num, key=key).one_hot(vocab_size, num_classes).moments()`."
        )

    def check_lengths(self, length: int | None, min_length: int | None, shortest: int = 1) -> tuple[int, int]:
        """The longest and the shortest length that were asked for.

        Raises:
            ValueError: if they are not in order, or below the shortest that the task has.
        """
        longest = self.length if length is None else length
        least = longest if min_length is None else min_length
        if not shortest <= least <= longest:
            asked = f"length={longest}" + ("" if min_length is None else f" and min_length={min_length}")
            raise ValueError(f"{self.name} needs {shortest} <= min_length <= length, got {asked}. Choose longer ones.")
        return longest, least


class AbstractTokenTask(AbstractSequenceTask):
    """Tokens in, classes out.

    A subclass draws one example in `example`; lengths, padding and masks are the same for all. Tokens are `0` to
    `vocab_size - 1`, and the last one is the padding.
    """

    @property
    @abc.abstractmethod
    def vocab_size(self) -> int:
        """How many tokens there are, with those that ask for the answer and the padding."""

    @property
    @abc.abstractmethod
    def num_classes(self) -> int:
        """How many classes a target can have."""

    @property
    @abc.abstractmethod
    def supervision(self) -> Literal["last", "every", "some"]:
        """Which steps have a target: the last real one, every real one, or those that the mask says."""

    @abc.abstractmethod
    def example(self, key: PRNGKey, length: int, size: Int[Array, ""]) -> Example:
        """One example with `size` real input steps in the `num_steps(length)` steps of the batch."""

    @property
    def pad_token(self) -> int:
        """The token behind the end of a sequence."""
        return self.vocab_size - 1

    @property
    def symbols(self) -> tuple[str, ...]:
        """The tokens as text."""
        return (*(str(token) for token in range(self.vocab_size - 1)), "")

    @property
    def shortest(self) -> int:
        """The shortest length that there is."""
        return 1

    def fit(self, size: Any) -> Any:
        """The longest length up to `size` (a number or an array) that the task has."""
        return size

    def num_steps(self, length: int) -> int:
        """The steps of a batch: the inputs, and where the answer is a string those at which it is asked for."""
        return length

    def text(self, tokens: Int[Array, " step"] | Int[np.ndarray, " step"]) -> str:
        """One example's tokens as a string, without the padding; with blanks between where symbols are words."""
        symbols = self.symbols
        between = " " if max(len(symbol) for symbol in symbols) > 1 else ""
        return between.join(symbols[int(token)] for token in np.asarray(tokens) if symbols[int(token)])

    def sample(self, num: int, *, key: PRNGKey, length: int | None = None, min_length: int | None = None) -> Batch:
        if num < 1:
            raise ValueError(f"sample needs at least 1 example, got {num}.")
        length, least = self.check_lengths(length, min_length, self.shortest)
        size_key, key = jr.split(key)
        wanted = jr.randint(size_key, (num,), least, length + 1) if least < length else jnp.full(num, length)
        sizes = self.fit(wanted.astype(jnp.int32))
        x, y, counted = jax.vmap(lambda key, size: self.example(key, length, size))(jr.split(key, num), sizes)
        # A length that the task does not have, such as an even one of an odd expression, is padded.
        whole = min_length is None and self.fit(length) == length
        if self.supervision == "last" and whole:
            return Batch(x, y[:, -1])
        return Batch(x, y, None if self.supervision == "every" and whole else counted)


def single_answer(
    tokens: Int[Array, " step"], answers: Int[Array, " step"], size: Int[Array, ""], pad: int, every_step: bool = False
) -> Example:
    """An example with the answers to its prefixes, of which the last counts, or every one."""
    place = jnp.arange(tokens.shape[0])
    counted = place < size if every_step else place == size - 1
    return (
        jnp.where(place < size, tokens, pad).astype(jnp.int32),
        jnp.where(counted, answers, 0).astype(jnp.int32),
        counted,
    )


def string_answer(
    tokens: Int[Array, " input"],
    answers: Int[Array, " answer"],
    size: Int[Array, ""],
    num_queries: Int[Array, ""] | int,
    query: int,
    num_answers: Int[Array, ""] | None = None,
) -> Example:
    """An example whose answer is a string: the inputs, as many query tokens as it has characters, and the padding.

    Args:
        tokens: the inputs, of which the first `size` are real.
        answers: the string.
        size: how many inputs there are.
        num_queries: how many query tokens there are.
        query: the token that asks for a character; the next one is the padding.
        num_answers: how many characters count, if not as many as are asked for.
    """
    place = jnp.arange(tokens.shape[0] + answers.shape[0])
    counted = (place >= size) & (place < size + (num_queries if num_answers is None else num_answers))
    x = jnp.where(place < size + num_queries, query, query + 1)
    x = jnp.where(place < size, tokens[jnp.minimum(place, tokens.shape[0] - 1)], x)
    y = answers[jnp.clip(place - size, 0, answers.shape[0] - 1)]
    return x.astype(jnp.int32), jnp.where(counted, y, 0).astype(jnp.int32), counted
