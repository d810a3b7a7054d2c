"""Judges the seeds of `linnet reconstruct`: by divergences in state space, or by spectra where those tell nothing."""

import dataclasses
from typing import Any

import jax.random as jr
import numpy as np
import xarray as xr

from .. import analyse
from ..config import ReconstructConfig

_CLOUD = 0x636C6F
#: In more dimensions or with fewer points than this most bins would be empty.
_DIMENSIONS, _BINNED = 5, 1000


@dataclasses.dataclass(frozen=True)
class Measure:
    """How orbits are compared in state space: by bins whose number follows that of the points, or by mixtures.

    Args:
        method: "bins" or "mixture".
        bins: of each axis.
        variance: of the mixtures, in variances of the data.
    """

    method: str
    bins: int
    variance: float

    def options(self, key: Any) -> dict[str, Any]:
        """Arguments of `linnet.analyse.state_space_divergence`."""
        if self.method == "bins":
            return {"method": "bins", "bins": self.bins}
        return {"method": "mixture", "variance": self.variance, "key": key}


def make_measure(num: int, columns: int) -> Measure:
    """The measure for a series of so many points in so many dimensions."""
    bins = int(np.clip(round(num**0.37), 4, 30))
    binned = columns <= _DIMENSIONS and num >= _BINNED
    return Measure("bins" if binned else "mixture", bins, 0.3 if columns <= 10 else 1.0)


def spectrum_width(num: int) -> float:
    """The width of smoothing of power spectra: 20 bins of long series, as published, less of short ones."""
    return float(np.clip(num / 125, 1, 20))


def judge(train: np.ndarray, runs: np.ndarray, verdicts: np.ndarray, config: ReconstructConfig) -> xr.Dataset:
    """How far each seed's free run is from what it was trained on, and which seeds have failed.

    The threshold lies in the middle between the floor (one half of the series against the other) and a Gaussian cloud
    with the covariance of the data, or is half as much again as the floor. That is of the divergence in state space.
    Where the series is so short, or changes so much, that its halves are no nearer to each other than two thirds of
    what the cloud is, nothing can be told by it, and power spectra decide if they tell more.
    """
    mean, scale = train.mean(axis=0), train.std(axis=0)
    truth = (train - mean) / scale
    measure, key = make_measure(len(truth), truth.shape[1]), jr.fold_in(jr.key(config.seed), _CLOUD)

    def divergence(first: Any, second: Any) -> float:
        return float(analyse.state_space_divergence(first, second, **measure.options(key)))

    def spectrum(first: Any, second: Any) -> float:
        return float(analyse.power_spectrum_distance(first, second, sigma=spectrum_width(len(first))))

    cloud = np.random.default_rng(config.seed).multivariate_normal(
        np.zeros(truth.shape[1]), np.cov(truth.T).reshape(2 * (truth.shape[1],)), len(truth)
    )
    half, left = len(truth) // 2, verdicts == 2
    ways = {"divergence": divergence, "spectrum": spectrum}
    scales = {name: (way(truth[-half:], truth[:half]), way(truth, cloud)) for name, way in ways.items()}
    far = {
        name: np.array([np.inf if gone else way(truth, (run - mean) / scale) for run, gone in zip(runs, left)])
        for name, way in ways.items()
    }
    decides = next((name for name, (floor, gaussian) in scales.items() if 1.5 * floor < gaussian), "divergence")
    floor, gaussian = scales[decides]
    threshold = min(max(floor + 0.5 * (gaussian - floor), 1.5 * floor), gaussian)
    above = 5 if decides == "divergence" else 6
    codes = np.where((verdicts == 0) & ~(far[decides] <= threshold), above, verdicts)
    return xr.Dataset(
        {
            "divergence": ("seed", far["divergence"]),
            "distance": ("seed", far[decides]),
            "verdict": ("seed", codes.astype(np.int32)),
        },
        {"seed": np.arange(len(runs))},
        {"threshold": threshold, "gaussian": gaussian, "floor": floor, "decides": decides},
    )


def order(found: xr.Dataset) -> list[int]:
    """The seeds from the best to the worst, by what they were trained on: those that did not fail first."""
    failed = found["verdict"].values != 0
    return [int(seed) for seed in np.lexsort((found["distance"].values, failed))]
