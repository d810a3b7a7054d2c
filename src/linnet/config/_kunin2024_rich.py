"""The settings of the study `kunin2024-rich`."""

import dataclasses
from typing import ClassVar

from ._check import at_least, positive


@dataclasses.dataclass(frozen=True)
class Kunin2024Rich:
    """A first layer that is faster than the last makes a piecewise-linear network learn features rapidly.

    Args:
        balances: the conserved delta of single neurons, rising, with 0 among them.
        inputs: input dimensions of single neurons.
        seeds: tasks and initialisations of single neurons.
        times: recorded times of single neurons.
        duration: learning time of single neurons.
        dimension: input dimensions of the ReLU teacher and its students.
        hidden: hidden units of the students, in pairs of opposite sign.
        teachers: hidden units of the teacher.
        samples: examples.
        scale: initial size of the students' neurons, the square root of that of their maps.
        large: the same of the lazy control.
        students: seeds of teacher, examples and students.
        rate: learning rate of the students.
        steps: steps of the students.
        seed: the seed of everything random.
    """

    study: ClassVar[str] = "kunin2024-rich"

    balances: tuple[float, ...] = (-4.0, -3.0, -2.0, -1.0, 0.0, 1.0, 2.0, 3.0, 4.0)
    inputs: int = 6
    seeds: int = 4
    times: int = 41
    duration: float = 200.0
    dimension: int = 20
    hidden: int = 40
    teachers: int = 3
    samples: int = 400
    scale: float = 0.1
    large: float = 1.0
    students: int = 8
    rate: float = 0.02
    steps: int = 3000
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(self, inputs=3, seeds=1, times=3, dimension=2, hidden=2, teachers=1, samples=2, students=1, steps=2)
        at_least(self, seed=0)
        positive(self, "duration", "scale", "large", "rate")
        if 0.0 not in self.balances or list(self.balances) != sorted(set(self.balances)):
            raise ValueError(f"--balances needs rising numbers with 0 among them, got {self.balances}.")
        if self.balances[0] >= 0 or self.balances[-1] <= 0:
            raise ValueError(f"--balances needs numbers below and above 0, got {self.balances}.")
        if self.hidden % 2:
            raise ValueError(f"--hidden must be even (units come in pairs of opposite sign), got {self.hidden}.")
