"""The settings of the study `kleinman2024-critical`."""

import dataclasses
from typing import ClassVar

from ._check import at_least, positive


@dataclasses.dataclass(frozen=True)
class Kleinman2024Critical:
    """Critical periods: an early deficit decides which pathway learns, and what came before decides what is completed.

    Args:
        depths: numbers of weight matrices, two or more, rising from 1.
        hidden: hidden units of every pathway.
        start: initial strength of the modes in every pathway.
        spread: by how much initial strengths differ, as a part of them.
        length: how long a deficit lasts, as a part of the time to learn half of the strongest mode.
        onsets: when deficits begin, in units of that time, rising from 0.
        duration: learning time, in the same units.
        seeds: initialisations of the pathways.
        layers: numbers of weight matrices that complete matrices, as `depths`.
        size: rows and columns of the matrices to complete.
        rank: rank of the second matrix.
        first_rank: rank of the first matrix.
        observed: part of the entries that is seen.
        strength: initial singular values of the completed matrix.
        stages: learning times on the first matrix, rising from 0, in units of what an entry takes alone.
        later: learning time on the second matrix, in the same units.
        problems: random pairs of matrices.
        seed: the seed of everything random.
    """

    study: ClassVar[str] = "kleinman2024-critical"

    depths: tuple[int, ...] = (1, 2, 3, 4)
    hidden: int = 10
    start: float = 1e-3
    spread: float = 0.1
    length: float = 0.25
    onsets: tuple[float, ...] = (0.0, 0.25, 0.5, 0.75, 1.0, 2.0, 8.0)
    duration: float = 16.0
    seeds: int = 8
    layers: tuple[int, ...] = (1, 2, 3)
    size: int = 20
    rank: int = 2
    first_rank: int = 6
    observed: float = 0.5
    strength: float = 1e-3
    stages: tuple[float, ...] = (0.0, 30.0, 100.0, 300.0, 1000.0)
    later: float = 300.0
    problems: int = 6
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(self, hidden=8, seeds=1, size=6, rank=1, first_rank=2, problems=1, seed=0)
        positive(self, "start", "length", "duration", "observed", "strength", "later")
        for name in ("depths", "layers"):
            depths = getattr(self, name)
            if depths[:1] != (1,) or len(depths) < 2 or list(depths) != sorted(set(depths)):
                raise ValueError(f"--{name} needs rising numbers of weight matrices from 1 on, got {depths}.")
        for name in ("onsets", "stages"):
            times = getattr(self, name)
            if len(times) < 3 or times[0] != 0 or list(times) != sorted(set(times)):
                raise ValueError(f"--{name} needs three or more rising times from 0 on, got {times}.")
        if self.onsets[-1] + self.length > self.duration:
            raise ValueError(f"--duration must be above the end of the last deficit, got {self.duration}.")
        if not 0 <= self.spread < 1 or self.observed >= 1 or max(self.rank, self.first_rank) >= self.size:
            raise ValueError(
                "--spread and --observed are below 1 and both ranks below --size, got "
                f"{self.spread}, {self.observed} and {self.rank}, {self.first_rank} of {self.size}."
            )
