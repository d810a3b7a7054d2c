"""The settings of `linnet learn`."""

import dataclasses

from ._check import at_least, positive


@dataclasses.dataclass(frozen=True)
class LearnConfig:
    """All that decides the result of `linnet learn`, besides the data.

    Args:
        target: columns to predict; empty for a series that predicts its own columns.
        columns: input columns; empty for all but the target.
        window: steps of a time series in one input; without it the file is a table.
        horizon: how many steps ahead of the window a series' target lies.
        drop_missing: leave out rows with missing values instead of refusing them.
        whiten: white inputs, as the closed forms need, fitted on the training part; without it standardised ones.
        depths: numbers of weight matrices of the linear networks (tables only).
        hidden: size of every hidden layer.
        scale: standard deviation of the initial Gaussian weights.
        seeds: members of each ensemble.
        seed: the seed of everything random.
        rate: learning rate; by default a twentieth of the largest stable one; the linear networks follow the gradient
            flow.
        steps: the most steps the networks trained by steps may take; the slowest modes may then stay unlearned.
        times: how many times are recorded.
        time: learning time at which training ends; by default when the slowest mode above the noise edge is learned.
        permutations: shuffles of the targets that the noise edge is estimated from.
    """

    target: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    window: int | None = None
    horizon: int = 1
    drop_missing: bool = False
    whiten: bool = True
    depths: tuple[int, ...] = (1, 2, 3)
    hidden: int = 32
    scale: float = 1e-3
    seeds: int = 16
    seed: int = 0
    rate: float | None = None
    steps: int = 2000
    times: int = 300
    time: float | None = None
    permutations: int = 200

    def __post_init__(self) -> None:
        at_least(self, window=1, horizon=1, depths=1, hidden=1, seeds=1, seed=0, steps=1, times=3, permutations=20)
        positive(self, "scale", "rate", "time")
        if not self.depths or len(set(self.depths)) < len(self.depths):
            raise ValueError(f"--depths needs at least one depth and each only once, got {list(self.depths)}.")
        if self.seed >= 2**32:
            raise ValueError(f"--seed must be below {2**32}, got {self.seed}.")
