"""Binary addition, multiplication and square roots of numbers of any size."""

import abc
from typing import Any

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Int

from .._cite import cite
from .._types import PRNGKey
from ._bits import carry_over, draw_positive, multiply, square_root
from ._sequence_task import Example, string_answer
from ._strings import AbstractStringTask

_BETWEEN, _END = 2, 2


class _AbstractTwoNumbers(AbstractStringTask):
    """Two positive numbers in binary, the lowest bit first, with a 2 between them."""

    @property
    def vocab_size(self) -> int:
        return 5

    @property
    def num_classes(self) -> int:
        return 3

    @property
    def chance(self) -> float:
        return 0.5

    @property
    def shortest(self) -> int:
        return 3

    @abc.abstractmethod
    def result(self, first: Int[Array, " bit"], second: Int[Array, " bit"]) -> Int[Array, " bit"]:
        """The bits of the result."""

    def example(self, key: PRNGKey, length: int, size: Int[Array, ""]) -> Example:
        first_key, second_key, split_key = jr.split(key, 3)
        split = jr.randint(split_key, (), 1, size - 1)
        first = draw_positive(first_key, length + 1, split)
        second = draw_positive(second_key, length + 1, size - 1 - split)
        place = jnp.arange(length)
        tokens = jnp.where(place < split, first[:length], second[jnp.maximum(place - split - 1, 0)])
        tokens = jnp.where(place == split, _BETWEEN, tokens)
        answer = self.result(first, second)
        # Without the zeros above the highest bit, and then the end.
        num_bits = jnp.max(jnp.where(answer == 1, jnp.arange(length + 1), -1)) + 1
        answer = jnp.where(jnp.arange(length + 1) == num_bits, _END, answer)[: self.output_length(length)]
        return string_answer(tokens, answer, size, self.output_length(size), self.query_token, num_bits + 1)


@cite("deletang2023neural")
class BinaryAddition(_AbstractTwoNumbers):
    """The sum of two binary numbers, the lowest bit first: `001 2 01101` (4 + 22) is `01011` and the end, class 2.

    The numbers of places are uniform among those that fill the input, each number is uniform from 1 on; behind the end
    nothing counts (the reference also trains on zeros there, and measures as here).

    Args:
        length: of the inputs in training, at least 3; the answer has one step more.
    """

    length: int = eqx.field(static=True, default=40)

    @property
    def name(self) -> str:
        return "binary_addition"

    def output_length(self, length: Any) -> Any:
        return length + 1

    def result(self, first: Int[Array, " bit"], second: Int[Array, " bit"]) -> Int[Array, " bit"]:
        return carry_over(first + second)


@cite("deletang2023neural")
class BinaryMultiplication(_AbstractTwoNumbers):
    """The product of two binary numbers, the lowest bit first: `001 2 01101` (4 * 22) is `0001101` and the end.

    Numbers are drawn, and targets count, as for `BinaryAddition`.

    Args:
        length: of the inputs in training, at least 3; the answer is as long.
    """

    length: int = eqx.field(static=True, default=40)

    @property
    def name(self) -> str:
        return "binary_multiplication"

    def output_length(self, length: Any) -> Any:
        return length

    def result(self, first: Int[Array, " bit"], second: Int[Array, " bit"]) -> Int[Array, " bit"]:
        return multiply(first, second)


@cite("deletang2023neural")
class ComputeSqrt(AbstractStringTask):
    r"""The integer square root $\lfloor \sqrt N \rfloor$ in binary, the *highest* bit first: `100101` (37) is `110`.

    $N$ is uniform between 1 and the largest number of so many bits; the root has half as many, rounded up.

    Args:
        length: of the inputs in training.
    """

    length: int = eqx.field(static=True, default=40)

    @property
    def name(self) -> str:
        return "compute_sqrt"

    @property
    def vocab_size(self) -> int:
        return 4

    @property
    def num_classes(self) -> int:
        return 2

    @property
    def chance(self) -> float:
        return 0.5

    def output_length(self, length: Any) -> Any:
        return (length + 1) // 2

    def example(self, key: PRNGKey, length: int, size: Int[Array, ""]) -> Example:
        bits, num_roots = draw_positive(key, length, size), self.output_length(size)
        tokens = bits[jnp.maximum(size - 1 - jnp.arange(length), 0)]
        answer = square_root(bits, self.output_length(length), num_roots)
        return string_answer(tokens, answer, size, num_roots, self.query_token)
