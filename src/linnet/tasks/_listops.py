"""ListOps: the value of nested lists with the operators minimum, maximum, median and sum modulo ten."""

from typing import Literal

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Int

from .._cite import cite
from .._types import PRNGKey
from ._listops_trees import CLOSE, NUM_DIGITS, OPERATORS, draw_list, evaluate_list
from ._sequence_task import AbstractTokenTask, Example, single_answer


@cite("nangia2018listops", "tay2021long")
class ListOps(AbstractTokenTask):
    r"""The value of nested lists such as `[MAX 4 3 [MIN 2 3] 1 0]`, a digit.

    Operators are `[MIN`, `[MAX`, `[MED` (the median, rounded down) and `[SM` (the sum modulo 10). Tokens are the ten
    digits, the four operators and `]`. Lists have two arguments or more and exactly as many tokens as were asked for:
    an argument is a digit with probability `value_share`, else a list whose length is uniform among those that fit.
    (The generator of the Long Range Arena draws trees until one is between 500 and 2000 tokens long; its trees have the
    same operators, depth and arguments, and another law at a given length.)

    Args:
        length: of the expressions in training, at least 4.
        max_depth: levels of lists.
        max_args: arguments of a list, at least 4.
        value_share: the probability that an argument is a digit where both would fit.
    """

    length: int = eqx.field(static=True, default=64)
    max_depth: int = eqx.field(static=True, default=10)
    max_args: int = eqx.field(static=True, default=10)
    value_share: float = eqx.field(static=True, default=0.25)

    def __check_init__(self) -> None:
        if self.max_depth < 1 or self.max_args < 4 or not 0 <= self.value_share <= 1:
            raise ValueError(
                "ListOps needs max_depth >= 1, max_args >= 4 and a value_share between 0 and 1, got "
                f"{self.max_depth}, {self.max_args} and {self.value_share}."
            )

    @property
    def name(self) -> str:
        return "listops"

    @property
    def vocab_size(self) -> int:
        return CLOSE + 2

    @property
    def num_classes(self) -> int:
        return NUM_DIGITS

    @property
    def chance(self) -> float:
        return 0.1

    @property
    def supervision(self) -> Literal["last", "every", "some"]:
        return "last"

    @property
    def symbols(self) -> tuple[str, ...]:
        return (*(str(digit) for digit in range(NUM_DIGITS)), *OPERATORS, "]", "")

    @property
    def shortest(self) -> int:
        return 4

    def check_lengths(self, length: int | None, min_length: int | None, shortest: int = 1) -> tuple[int, int]:
        longest = self.length if length is None else length
        limit = 1
        for _ in range(self.max_depth):
            limit = min(2 + self.max_args * limit, longest)
        if longest > limit:
            raise ValueError(
                f"A list of {self.max_depth} levels of {self.max_args} arguments has at most {limit} tokens, and "
                f"length={longest} was asked for. Allow a larger max_depth or max_args."
            )
        return AbstractTokenTask.check_lengths(self, length, min_length, shortest)

    def example(self, key: PRNGKey, length: int, size: Int[Array, ""]) -> Example:
        tokens = draw_list(key, length, size, self.max_depth, self.max_args, self.value_share)
        value = evaluate_list(tokens, size, self.max_depth)
        return single_answer(tokens, jnp.full(length, value), size, self.pad_token)
