"""The settings of the study `easy-filter`."""

import dataclasses
from typing import ClassVar

from ._check import at_least, positive


@dataclasses.dataclass(frozen=True)
class EasyFilter:
    """A ReLU filter is recovered from random weights, the faster the closer its patches and the smoother its inputs.

    Args:
        size: entries of the filters on Gaussian patches.
        closeness: correlations of two patches, rising from -1 (opposed) over 0 to 1 (the same).
        seeds: teachers and initial filters on Gaussian patches.
        samples: inputs where Gaussian patches are sampled.
        widths: of the clusters of inputs, rising, as parts of the whole spread; inputs are the smoother the wider.
        starts: teachers and initial filters on clustered inputs.
        clustered: inputs in clusters.
        shift: the mean of inputs on which rates of two stages are tried.
        problems: problems on which they are tried.
        rates: learning rates of either stage.
        steps: the most steps.
        switch: steps of the first stage.
        seed: the seed of everything random.
    """

    study: ClassVar[str] = "easy-filter"

    size: int = 6
    closeness: tuple[float, ...] = (-1.0, 0.0, 0.25, 0.5, 0.75, 1.0)
    seeds: int = 64
    samples: int = 4000
    widths: tuple[float, ...] = (0.05, 0.1, 0.2, 0.4, 1.0)
    starts: int = 64
    clustered: int = 2000
    shift: float = 2.0
    problems: int = 9
    rates: int = 14
    steps: int = 250
    switch: int = 6
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(self, size=2, seeds=2, samples=10, starts=2, clustered=10, problems=1, rates=4, steps=20, switch=1)
        at_least(self, seed=0)
        positive(self, "shift")
        rising = list(self.closeness) == sorted(set(self.closeness))
        if not rising or self.closeness[0] != -1 or self.closeness[-1] > 1 or len(self.closeness) < 4:
            raise ValueError(
                f"--closeness needs -1 and three rising numbers from 0 to 1 or more, got {self.closeness}."
            )
        if self.closeness[1] < 0:
            raise ValueError(f"--closeness needs numbers from 0 to 1 after -1, got {self.closeness}.")
        if list(self.widths) != sorted(set(self.widths)) or not 0 < self.widths[0] < self.widths[-1] <= 1:
            raise ValueError(f"--widths needs rising numbers above 0 and up to 1, got {self.widths}.")
