"""Arithmetic modulo n with brackets: the value of an expression, and the unknown of an equation."""

from typing import Literal

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
from jaxtyping import Array, Int

from .._cite import cite
from .._types import PRNGKey
from ._bracket_expressions import CHARACTERS, draw_expression, evaluate_expression
from ._sequence_task import AbstractTokenTask, Example, single_answer


@cite("deletang2023neural")
class ModularArithmeticBrackets(AbstractTokenTask):
    r"""The value of an expression in brackets, such as `((1+2)--4)`, modulo $n$.

    Tokens are the digits $0, \dots, n - 1$ and then `+ - * ( )`.

    Args:
        length: of the expressions in training.
        modulus: $n$.
        multiply: whether `*` occurs beside `+` and `-`.
    """

    length: int = eqx.field(static=True, default=40)
    modulus: int = eqx.field(static=True, default=5)
    multiply: bool = eqx.field(static=True, default=False)

    def __check_init__(self) -> None:
        _check_modulus(self)

    @property
    def name(self) -> str:
        return "modular_arithmetic_brackets"

    @property
    def vocab_size(self) -> int:
        return len(self.symbols)

    @property
    def num_classes(self) -> int:
        return self.modulus

    @property
    def chance(self) -> float:
        return 1 / self.modulus

    @property
    def supervision(self) -> Literal["last", "every", "some"]:
        return "last"

    @property
    def symbols(self) -> tuple[str, ...]:
        return (*(str(digit) for digit in range(self.modulus)), *CHARACTERS, "")

    def example(self, key: PRNGKey, length: int, size: Int[Array, ""]) -> Example:
        tokens = draw_expression(key, length, size, self.modulus, 3 if self.multiply else 2)
        value = evaluate_expression(tokens, size, self.modulus)
        return single_answer(tokens, jnp.full(length, value), size, self.pad_token)


@cite("deletang2023neural")
class SolveEquation(AbstractTokenTask):
    r"""The digit `x` of an equation modulo $n$, such as `(x+(2-4))=3`, an expression of which one digit is hidden.

    The hidden one is the first digit behind a place drawn uniformly from the expression. Only `+` and `-` occur, so
    that there is one solution. Tokens are the digits $0, \dots, n - 1$ and then `+ - * ( ) x =`.

    Args:
        length: of the equations in training, at least 3.
        modulus: $n$.
    """

    length: int = eqx.field(static=True, default=40)
    modulus: int = eqx.field(static=True, default=5)

    def __check_init__(self) -> None:
        _check_modulus(self)

    @property
    def name(self) -> str:
        return "solve_equation"

    @property
    def vocab_size(self) -> int:
        return len(self.symbols)

    @property
    def num_classes(self) -> int:
        return self.modulus

    @property
    def chance(self) -> float:
        return 1 / self.modulus

    @property
    def supervision(self) -> Literal["last", "every", "some"]:
        return "last"

    @property
    def symbols(self) -> tuple[str, ...]:
        return (*(str(digit) for digit in range(self.modulus)), *CHARACTERS, "x", "=", "")

    @property
    def shortest(self) -> int:
        return 3

    def example(self, key: PRNGKey, length: int, size: Int[Array, ""]) -> Example:
        expression_key, place_key = jr.split(key)
        inner = size - 2
        tokens = draw_expression(expression_key, length, inner, self.modulus, 2)
        value = evaluate_expression(tokens, inner, self.modulus)
        place = jnp.arange(length)
        start = jr.randint(place_key, (), 0, inner)
        is_digit = (tokens < self.modulus) & (place < inner)
        hidden = jnp.argmin(jnp.where(is_digit, (place - start) % inner, length))
        unknown, equals = (self.symbols.index(symbol) for symbol in "x=")
        solution = tokens[hidden]
        tokens = jnp.where(place == hidden, unknown, tokens)
        tokens = jnp.where(place == inner, equals, jnp.where(place == inner + 1, value, tokens))
        return single_answer(tokens, jnp.full(length, solution), size, self.pad_token)


def _check_modulus(task: ModularArithmeticBrackets | SolveEquation) -> None:
    if task.modulus < 2:
        raise ValueError(f"{type(task).__name__} needs a modulus of at least 2, got {task.modulus}.")
