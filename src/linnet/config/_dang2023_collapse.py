"""The settings of the study `dang2023-collapse`."""

import dataclasses
from typing import ClassVar

from ._check import at_least, positive


@dataclasses.dataclass(frozen=True)
class Dang2023Collapse:
    """Classifiers with a linear head collapse to the frame that decay and class sizes predict, or give classes up.

    Args:
        depths: matrices of the head over free features, rising, from 1 on.
        width: features and hidden units over free features.
        seeds: initial weights of each setting of free features.
        sizes: sizes of the smallest class, from half to one and a half of the predicted one at which it is given up.
        duration: learning time over free features.
        images: digits of each class.
        hidden: units of the ReLU layers.
        features: units of the last ReLU layer and of the head.
        head: matrices of the head over the ReLU layers.
        head_decay: of every matrix of that head.
        feature_decay: of the features of a digit, times the number of all digits.
        rate: learning rate on digits.
        steps: steps on digits.
        seed: the seed of everything random.
    """

    study: ClassVar[str] = "dang2023-collapse"

    depths: tuple[int, ...] = (1, 2, 3)
    width: int = 6
    seeds: int = 3
    sizes: int = 16
    duration: float = 1000.0
    images: int = 30
    hidden: int = 96
    features: int = 64
    head: int = 3
    head_decay: float = 5e-3
    feature_decay: float = 1e-2
    rate: float = 3e-3
    steps: int = 5000
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(self, width=3, seeds=1, sizes=4, images=2, hidden=2, features=10, head=1, steps=10, seed=0)
        positive(self, "duration", "head_decay", "feature_decay", "rate")
        if list(self.depths) != sorted(set(self.depths)) or len(self.depths) < 2 or self.depths[0] != 1:
            raise ValueError(f"--depths needs rising numbers, 1 and a larger one among them, got {self.depths}.")
        if self.sizes % 2:
            raise ValueError(f"--sizes must be even (no class has the predicted size itself), got {self.sizes}.")
