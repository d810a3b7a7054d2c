"""Arithmetic modulo n without brackets, multiplication before addition."""

from collections.abc import Sequence
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Int

from .._cite import cite
from .._types import PRNGKey
from ._sequence_task import AbstractTokenTask, Example, single_answer

OPERATORS = "+-*"


@cite("deletang2023neural")
class ModularArithmetic(AbstractTokenTask):
    r"""The value of an expression such as `1+2*3-4` modulo $n$, multiplication first.

    Digits $0, \dots, n - 1$ are the tokens at the first, third, ... step, operators (tokens $n$: `+`, $n + 1$: `-`,
    $n + 2$: `*`) those between. Expressions have odd lengths: one of an even length is padded by a step.

    Args:
        length: of the sequences in training.
        modulus: $n$.
        operators: those that occur, of `+`, `-` and `*`.
        every_step: the value up to each digit is a target, and not only that of the whole.
    """

    length: int = eqx.field(static=True)
    modulus: int = eqx.field(static=True)
    operators: tuple[str, ...] = eqx.field(static=True)
    every_step: bool = eqx.field(static=True)

    def __init__(
        self, length: int = 39, modulus: int = 5, operators: Sequence[str] = OPERATORS, every_step: bool = False
    ) -> None:
        if modulus < 2 or not operators or not set(operators) <= set(OPERATORS):
            raise ValueError(
                f"ModularArithmetic needs a modulus of at least 2 and operators of + - *, got {modulus} and "
                f"{operators!r}."
            )
        self.length, self.modulus, self.operators = length, modulus, tuple(operators)
        self.every_step = every_step

    @property
    def name(self) -> str:
        return "modular_arithmetic"

    @property
    def vocab_size(self) -> int:
        return self.modulus + len(OPERATORS) + 1

    @property
    def num_classes(self) -> int:
        return self.modulus

    @property
    def chance(self) -> float:
        return 1 / self.modulus

    @property
    def supervision(self) -> Literal["last", "every", "some"]:
        return "some" if self.every_step else "last"

    @property
    def symbols(self) -> tuple[str, ...]:
        return (*(str(digit) for digit in range(self.modulus)), *OPERATORS, "")

    def fit(self, size: Any) -> Any:
        return size - 1 + size % 2

    def example(self, key: PRNGKey, length: int, size: Int[Array, ""]) -> Example:
        digit_key, operator_key = jr.split(key)
        num = length // 2 + 1
        digits = jr.randint(digit_key, (num,), 0, self.modulus)
        codes = jnp.array([self.modulus + OPERATORS.index(operator) for operator in self.operators])
        operators = codes[jr.randint(operator_key, (num,), 0, len(self.operators))]
        values = _prefix_values(digits, operators, self.modulus)
        tokens = jnp.stack([digits, operators], axis=1).reshape(-1)[:length]
        x, y, counted = single_answer(tokens, jnp.repeat(values, 2)[:length], size, self.pad_token, self.every_step)
        # Behind an operator there is no value yet.
        return x, y, counted & (jnp.arange(length) % 2 == 0)


def _prefix_values(digits: Int[Array, " digit"], operators: Int[Array, " digit"], modulus: int) -> Int[Array, " digit"]:
    """The value up to each digit; `operators[i]` stands behind `digits[i]`."""
    plus, minus, times = (modulus + index for index in range(3))

    def step(carry: tuple[Array, Array], token: tuple[Array, Array]) -> tuple[tuple[Array, Array], Array]:
        # The sum of the terms before, and the product that is not finished yet.
        total, term = carry
        digit, operator = token
        product = operator == times
        total = jnp.where(product, total, total + term) % modulus
        term = jnp.where(product, term * digit, jnp.where(operator == minus, -digit, digit)) % modulus
        return (total, term), (total + term) % modulus

    before = jnp.concatenate([jnp.array([plus], operators.dtype), operators[:-1]])
    zero = jnp.zeros((), digits.dtype)
    return jax.lax.scan(step, (zero, zero), (digits, before))[1]
