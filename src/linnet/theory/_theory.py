"""The contract of a theory: assumptions measured as numbers, and a pure solution."""

import abc
from typing import Any, ClassVar

import equinox as eqx
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from .._loss import AbstractLoss
from .._rule import AbstractRule
from .._trajectory import Trajectory


class Assumption(eqx.Module):
    """One measured assumption of a theory; it holds where `value <= threshold`.

    Args:
        name: a short name, such as "whitened inputs".
        value: the measured violation, 0 where the assumption holds exactly.
        threshold: the largest violation under which the theory is trusted.
        statement: what the number measures.
        remedy: what to do or use where it fails.
    """

    name: str = eqx.field(static=True)
    value: Float[Array, ""] = eqx.field(converter=jnp.asarray)
    threshold: float = eqx.field(static=True)
    statement: str = eqx.field(static=True)
    remedy: str = eqx.field(static=True)

    @property
    def holds(self) -> Bool[Array, ""]:
        """Whether the measured violation is small enough (NaN is not)."""
        return self.value <= self.threshold

    def __str__(self) -> str:
        number = np.asarray(self.value)
        verdict = "holds" if np.all(number <= self.threshold) else "fails"
        return f"{self.name} {verdict}: {self.statement} is {np.max(number):.3g} (at most {self.threshold:.3g})"


class AbstractTheory(eqx.Module):
    """A result that predicts the trajectory of a network on a task.

    `strength` orders theories: 0 closed form, 1 mode ODE, 2 matrix ODE, 3 kernel, 4 the fallback on moments.
    """

    strength: ClassVar[int]

    @abc.abstractmethod
    def applies(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> str | None:
        """`None` if the theory is about such networks and tasks at all; else a sentence that says what it needs."""

    @abc.abstractmethod
    def assumptions(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> tuple[Assumption, ...]:
        """The measured assumptions, for a network and task to which the theory applies."""

    def bind(self, network: Any, task: Any, rule: AbstractRule, loss: AbstractLoss) -> "AbstractTheory":
        """The theory with what it needs of the rule and the loss (most need nothing); `predict` solves with it."""
        return self

    def within(self, duration: Float[Array, ""]) -> "AbstractTheory":
        """The theory for learning up to a time (most hold at all times); `predict` asks for what it was asked."""
        return self

    @abc.abstractmethod
    def solve(self, network: Any, task: Any, ts: Float[Array, " time"]) -> Trajectory:
        """The predicted trajectory: pure, jittable and vmappable."""
