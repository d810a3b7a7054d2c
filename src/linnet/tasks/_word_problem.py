"""Word problems of finite groups: the product of everything read so far."""

from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
from jaxtyping import Array, Int

from .._cite import cite
from .._types import PRNGKey
from ._group import Group
from ._sequence_task import AbstractTokenTask, Example, single_answer

Generators = Literal["all", "swaps", "swaps_and_3_cycles"]
_MOVED = {"swaps": 2, "swaps_and_3_cycles": 3}


@cite("merrill2024illusion", "grazzi2025unlocking")
class WordProblem(AbstractTokenTask):
    r"""The product of group elements: $y_t = x_t\, x_{t-1} \cdots x_1$, each element acting after those before it.

    Tokens and classes are the group's elements, the neutral one 0. The order of the product is that of a state which
    actions change; products the other way round are the same task with inverse elements. Of solvable groups
    ($S_3$, $S_4$, $Z_{60}$, $A_4 \times Z_5$) products are in $TC^0$, of $A_5$ and $S_5$ they are complete for $NC^1$.

    Args:
        group: the group.
        length: of the sequences in training.
        generators: which elements occur as inputs: "all", or of a permutation group those that move at most two points
            ("swaps") or three ("swaps_and_3_cycles"), the neutral one included.
        every_step: the product of each prefix is a target, and not only that of the whole.
    """

    group: Group
    length: int = eqx.field(static=True, default=32)
    generators: Generators = eqx.field(static=True, default="all")
    every_step: bool = eqx.field(static=True, default=True)

    def __check_init__(self) -> None:
        if self.generators != "all" and (self.generators not in _MOVED or not self.group.moved):
            raise ValueError(
                'WordProblem needs generators "all", or of a permutation group "swaps" or "swaps_and_3_cycles", got '
                f"{self.generators!r} of {self.group.name}."
            )

    @property
    def name(self) -> str:
        return self.group.name

    @property
    def vocab_size(self) -> int:
        return self.group.order + 1

    @property
    def num_classes(self) -> int:
        return self.group.order

    @property
    def chance(self) -> float:
        return 1 / self.group.order

    @property
    def supervision(self) -> Literal["last", "every", "some"]:
        return "every" if self.every_step else "last"

    @property
    def inputs(self) -> np.ndarray:
        """The elements that occur as inputs."""
        if self.generators == "all":
            return np.arange(self.group.order)
        return np.flatnonzero(np.array(self.group.moved) <= _MOVED[self.generators])

    def example(self, key: PRNGKey, length: int, size: Int[Array, ""]) -> Example:
        inputs = jnp.asarray(self.inputs, jnp.int32)
        tokens = inputs[jr.randint(key, (length,), 0, inputs.shape[0])]

        def step(state: Array, token: Array) -> tuple[Array, Array]:
            state = self.group.table[token, state]
            return state, state

        _, products = jax.lax.scan(step, jnp.zeros((), self.group.table.dtype), tokens)
        return single_answer(tokens, products, size, self.pad_token, self.every_step)
