"""The settings of the study `lin2023-forgetting`."""

import dataclasses
from typing import ClassVar

from ._check import at_least, positive


@dataclasses.dataclass(frozen=True)
class Lin2023Forgetting:
    """What continual learning forgets: exactly for linear regression, and by sign for a small network on digits.

    Args:
        inputs: input dimensions of regression.
        samples: examples of each task, many and few: above and below 0.4 of the inputs.
        noise: standard deviation of the noise on the targets.
        geometries: random sets of four teachers.
        angles: angles between the two teachers of a pair, evenly from 0 to 90 degrees.
        draws: draws of all samples.
        images: digits of each task.
        hidden: hidden units of the network.
        rate: its learning rate.
        steps: its steps on each task.
        networks: draws of digits and of the network.
        seed: the seed of everything random.
    """

    study: ClassVar[str] = "lin2023-forgetting"

    inputs: int = 60
    samples: tuple[int, int] = (36, 12)
    noise: float = 0.3
    geometries: int = 6
    angles: int = 5
    draws: int = 4000
    images: int = 60
    hidden: int = 40
    rate: float = 0.05
    steps: int = 400
    networks: int = 48
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(self, inputs=8, geometries=2, angles=2, draws=10, images=2, hidden=1, steps=1, networks=2, seed=0)
        positive(self, "rate")
        if self.noise < 0:
            raise ValueError(f"--noise must not be below 0, got {self.noise}.")
        many, few = self.samples
        if not 0 < few < 0.38 * self.inputs < many < self.inputs - 1:
            raise ValueError(
                "--samples needs two numbers: one between 0.38 times --inputs and two less than them, and one below, "
                f"got {self.samples} of {self.inputs} inputs."
            )
        if 4 * self.images > 1000:
            raise ValueError(f"--images is at most 250 (there are four tasks), got {self.images}.")
