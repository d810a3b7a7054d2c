"""The settings of the study `khajehabdollahi2024-timescales`."""

import dataclasses
from typing import ClassVar

from ._check import at_least, positive


@dataclasses.dataclass(frozen=True)
class Khajehabdollahi2024Timescales:
    """Memory is in the neurons where one task after the other is learned, in the connections where all are kept.

    Args:
        largest: N, the bits that must be remembered at most.
        units: of the networks.
        seeds: networks of each task and curriculum.
        batch: sequences in an update.
        interval: updates between two tests, each of which may move a network on to the next N.
        intervals: how many of these there are.
        test: sequences in a test.
        solved: the accuracy above which a network moves on.
        stretch: lengths of sequences are from N + 2 to this times N more.
        learning_rate: of gradient descent.
        momentum: of Nesterov's kind.
        clip: the largest norm of a gradient.
        probes: at how many N, evenly spread, the timescales of activity are measured.
        probe_steps: of the noise that drives the networks there.
        max_lag: the largest lag of autocorrelations.
        seed: the seed of everything random.
    """

    study: ClassVar[str] = "khajehabdollahi2024-timescales"

    largest: int = 20
    units: int = 64
    seeds: int = 3
    batch: int = 32
    interval: int = 100
    intervals: int = 200
    test: int = 128
    solved: float = 0.98
    stretch: float = 1.5
    learning_rate: float = 0.1
    momentum: float = 0.1
    clip: float = 2.0
    probes: int = 4
    probe_steps: int = 2_000
    max_lag: int = 30
    seed: int = 0

    def __post_init__(self) -> None:
        at_least(
            self, largest=3, units=2, seeds=1, batch=1, interval=1, intervals=2, test=1, probes=2, max_lag=5, seed=0
        )
        positive(self, "stretch", "learning_rate", "clip")
        if not 0.5 < self.solved < 1:
            raise ValueError(f"--solved needs an accuracy between 0.5 and 1, got {self.solved}.")
        if not 0 <= self.momentum < 1:
            raise ValueError(f"--momentum needs a number from 0 to less than 1, got {self.momentum}.")
        if self.probe_steps <= self.max_lag:
            raise ValueError(f"--probe-steps needs more than --max-lag {self.max_lag}, got {self.probe_steps}.")
