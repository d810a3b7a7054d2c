"""The settings of the study `kumar2024-grokking`."""

import dataclasses
from typing import ClassVar

from ._check import at_least, positive


@dataclasses.dataclass(frozen=True)
class Kumar2024Grokking:
    """Lazy and misaligned kernels fit the sample long before features generalise, if the sample is of middle size.

    Args:
        inputs: input dimensions D.
        hidden: hidden units N.
        few: samples in the control that cannot generalise, about D.
        samples: samples of all sweeps, between D and D^2 / 2.
        many: samples in the control that generalises at once, above D^2 / 2.
        scales: output scales alpha, rising.
        curvature: epsilon of the sweep over output scales.
        curvatures: epsilon of the sweep over alignment, rising, at a constant product with alpha.
        product: alpha times epsilon of that sweep.
        seeds: tasks and initialisations.
        duration: learning time over N / alpha^2.
        times: recorded times.
        fresh: fresh samples on which test losses are measured.
        seed: the seed of everything random.
    """

    study: ClassVar[str] = "kumar2024-grokking"

    inputs: int = 20
    hidden: int = 40
    few: int = 20
    samples: int = 90
    many: int = 420
    scales: tuple[float, ...] = (0.125, 0.5, 2.0, 8.0)
    curvature: float = 0.25
    curvatures: tuple[float, ...] = (0.1, 0.3, 1.0)
    product: float = 0.4
    seeds: int = 4
    duration: float = 6000.0
    times: int = 81
    fresh: int = 20000
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(self, inputs=2, hidden=1, few=1, seeds=1, times=10, fresh=100, seed=0)
        positive(self, "curvature", "product", "duration")
        if not self.few < self.samples < self.many:
            raise ValueError(
                f"--few, --samples and --many must rise, got {self.few}, {self.samples} and {self.many} samples."
            )
        for name in ("scales", "curvatures"):
            values = getattr(self, name)
            if len(values) < 2 or values[0] <= 0 or list(values) != sorted(set(values)):
                raise ValueError(f"--{name} needs two or more rising positive numbers, got {values}.")
