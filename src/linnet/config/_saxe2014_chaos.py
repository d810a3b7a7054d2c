"""The settings of the study `saxe2014-chaos`."""

import dataclasses
from typing import ClassVar

from ._check import at_least


@dataclasses.dataclass(frozen=True)
class Saxe2014Chaos:
    """Orthogonal tanh networks are at the edge of chaos at gain 1; products of Gaussian matrices are highly kurtotic.

    Args:
        width: units in every layer.
        layers: layers of the network.
        gains: gains of the orthogonal weights.
        factors: numbers of matrices in a product.
        seeds: realisations.
        seed: the seed of everything random.
    """

    study: ClassVar[str] = "saxe2014-chaos"

    width: int = 200
    layers: int = 100
    gains: tuple[float, ...] = (0.9, 1.0, 1.1)
    factors: tuple[int, ...] = (2, 10, 50)
    seeds: int = 5
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(self, width=1, layers=1, factors=1, seeds=1, seed=0)
