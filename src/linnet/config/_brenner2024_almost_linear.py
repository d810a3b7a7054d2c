"""The settings of the study `brenner2024-almost-linear`."""

import dataclasses
from typing import ClassVar

from ._check import at_least, positive

#: The systems of the study, and how many rectified units the paper found to suffice.
PUBLISHED_RELUS = {"Lorenz": 2, "Rossler": 1}


@dataclasses.dataclass(frozen=True)
class Brenner2024AlmostLinear:
    """A linear network with one or two rectified units reconstructs chaos, and its regions are a symbolic code of it.

    Args:
        systems: whose orbits are learned, "Lorenz" and "Rossler" or one of them.
        relus: numbers of rectified units, rising from 0; the published numbers (2 for Lorenz, 1 for Roessler) among
            them.
        seeds: networks for each of them.
        units: of a network.
        interval: of sparse teacher forcing, in steps.
        steps: gradient steps.
        points: of the orbit that is learned, and of another that it is tested on.
        run_points: of the free runs whose codes are read.
        noise: of the observations, in standard deviations.
        first_rate: the learning rate at first.
        last_rate: the learning rate at last.
        seed: the seed of everything random.
    """

    study: ClassVar[str] = "brenner2024-almost-linear"

    systems: tuple[str, ...] = ("Lorenz", "Rossler")
    relus: tuple[int, ...] = (0, 1, 2, 4, 10)
    seeds: int = 4
    units: int = 20
    interval: int = 8
    steps: int = 12_000
    points: int = 10_000
    run_points: int = 50_000
    noise: float = 0.05
    first_rate: float = 5e-3
    last_rate: float = 1e-5
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(self, seeds=1, units=3, interval=1, steps=10, points=1000, run_points=10_000, relus=0, seed=0)
        positive(self, "noise", "first_rate", "last_rate")
        unknown = set(self.systems) - set(PUBLISHED_RELUS)
        if unknown or not self.systems or len(set(self.systems)) < len(self.systems):
            raise ValueError(f"--systems needs some of {', '.join(PUBLISHED_RELUS)}, each once, got {self.systems}.")
        needed = {0, *(PUBLISHED_RELUS[name] for name in self.systems)}
        if list(self.relus) != sorted(set(self.relus)) or needed - set(self.relus) or max(self.relus) > self.units:
            raise ValueError(
                f"--relus needs rising numbers up to the {self.units} units with "
                f"{', '.join(map(str, sorted(needed)))} among them, got {self.relus}."
            )
