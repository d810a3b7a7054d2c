"""The settings of the study `gilpin2021-chaos`."""

import dataclasses
from typing import ClassVar

from ._check import at_least, positive


@dataclasses.dataclass(frozen=True)
class Gilpin2021Chaos:
    """Published exponents of many chaotic systems are far off, and ridge regressions forecast best once they are tuned.

    Args:
        systems: their names; none for all flows and delay flows that the paper's collection has.
        recomputed: systems whose exponents are computed anew; Lorenz, Rossler and Henon among them.
        duration: of that computation, as a fraction of what it takes by itself.
        known: points of each series that are learned, 100 a period; a multiple of 200.
        horizon: points after those that are scored by their error, as published.
        ahead: points that are forecast, of which the valid time is counted.
        pieces: series of each system that are learned and forecast, besides the one for choosing settings.
        noise: of a second set of series, in standard deviations; 0 for none.
        noisy_networks: whether networks are trained on those too.
        units: of the tuned reservoirs.
        published_units: of those with the published settings.
        radii: spectral radii that are tried.
        leaks: leaks that are tried.
        published_leaks: those tried with the other settings as published.
        scales: input scales that are tried.
        bias: the scale of the reservoirs' biases.
        ridges: those that are tried, of sums of squares of standardised data.
        delays: numbers of delays of linear maps that are tried, with the published settings too.
        degrees: of polynomials of the last point that are tried.
        pairs: likewise of polynomials of the last two points.
        features: polynomials with more terms are not tried.
        mlp_units: of each of two layers.
        mlp_steps: gradient steps.
        gru_units: hidden units.
        gru_steps: gradient steps.
        rate: the learning rate of both at first.
        resamples: of the systems, for confidence intervals.
        seed: the seed of everything random.
    """

    study: ClassVar[str] = "gilpin2021-chaos"

    systems: tuple[str, ...] = ()
    recomputed: tuple[str, ...] = ("Lorenz", "Rossler", "Henon", "Thomas", "Halvorsen", "SprottB", "Chua", "SaltonSea")
    duration: float = 1.0
    known: int = 1000
    horizon: int = 200
    ahead: int = 1000
    pieces: int = 1
    noise: float = 0.01
    noisy_networks: bool = False
    units: int = 200
    published_units: int = 500
    radii: tuple[float, ...] = (0.1, 0.4, 0.9)
    leaks: tuple[float, ...] = (0.4, 1.0)
    published_leaks: tuple[float, ...] = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
    scales: tuple[float, ...] = (0.03, 0.1, 0.3)
    bias: float = 0.5
    ridges: tuple[float, ...] = (1e-12, 1e-9, 1e-6, 1e-3, 1.0)
    delays: tuple[int, ...] = (2, 5, 15, 30, 60, 120)
    degrees: tuple[int, ...] = (2, 3, 4)
    pairs: tuple[int, ...] = (2, 3)
    features: int = 300
    mlp_units: int = 64
    mlp_steps: int = 2000
    gru_units: int = 32
    gru_steps: int = 1000
    rate: float = 1e-2
    resamples: int = 4000
    seed: int = 0

    def __post_init__(self) -> None:
        counts = ("known", "horizon", "pieces", "units", "published_units", "delays", "degrees", "pairs", "features",
                  "mlp_units", "mlp_steps", "gru_units", "gru_steps")  # fmt: skip
        at_least(self, **dict.fromkeys(counts, 1), ahead=self.horizon, resamples=100, noise=0, seed=0)
        positive(self, "duration", "radii", "leaks", "published_leaks", "scales", "bias", "ridges", "rate")
        if self.known % 200 or self.known < 2 * max(self.delays):
            raise ValueError(f"--known must be a multiple of 200 and twice the largest of --delays, got {self.known}.")
        if not {"Lorenz", "Rossler", "Henon"} <= set(self.recomputed):
            raise ValueError(
                f"--recomputed needs Lorenz, Rossler and Henon, of which the literature has values, got"
                f" {', '.join(self.recomputed)}."
            )
        if max(*self.leaks, *self.published_leaks) > 1:
            raise ValueError(f"--leaks are at most 1, got {max(*self.leaks, *self.published_leaks)}.")
