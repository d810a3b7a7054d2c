"""The settings of the study `littwin2024-jepa`."""

import dataclasses
from typing import ClassVar

from ._check import at_least, positive


@dataclasses.dataclass(frozen=True)
class Littwin2024Jepa:
    """Self-distillation learns features by regression coefficient, reconstruction by covariance.

    Args:
        depths: numbers of the encoder's weights, rising, with 1 among them.
        modes: features, as many as inputs.
        strengths: initial strengths of the encoder, falling.
        least: the smallest regression coefficient; the largest is 1.
        samples: of the generative models.
        seeds: bases of the features, encoders and samples.
        times: recorded times.
        seed: the seed of everything random.
    """

    study: ClassVar[str] = "littwin2024-jepa"

    depths: tuple[int, ...] = (1, 2, 3)
    modes: int = 6
    strengths: tuple[float, ...] = (0.01, 0.004)
    least: float = 0.5
    samples: int = 100_000
    seeds: int = 3
    times: int = 400
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(self, depths=1, modes=3, samples=100, seeds=1, times=50, seed=0)
        positive(self, "strengths", "least")
        if list(self.depths) != sorted(set(self.depths)) or self.depths[:1] != (1,) or self.depths[-1] < 2:
            raise ValueError(f"--depths needs rising numbers that begin with 1, and more than that, got {self.depths}.")
        if len(self.strengths) < 2 or list(self.strengths) != sorted(set(self.strengths), reverse=True):
            raise ValueError(f"--strengths needs two or more falling numbers, got {self.strengths}.")
        if self.least >= 1 or self.strengths[0] >= 0.5 * self.least ** self.depths[-1]:
            raise ValueError(
                "--least is below 1, and its final strength least**depth / 2 above all of --strengths, got "
                f"{self.least} and {self.strengths}."
            )
