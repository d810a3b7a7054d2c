"""The task that all contestants of the ensemble benchmark learn, from the same initial weights."""

from typing import NamedTuple

import numpy as np


class Size(NamedTuple):
    """How large a problem is.

    Args:
        members: networks.
        inputs: input units.
        hidden: hidden units.
        outputs: output units.
        samples: samples.
        steps: steps of gradient descent.
        rate: the learning rate.
    """

    members: int = 256
    inputs: int = 16
    hidden: int = 32
    outputs: int = 8
    samples: int = 64
    steps: int = 2000
    rate: float = 0.01


class Problem(NamedTuple):
    """A linear teacher with noise, and initial weights of every network.

    Args:
        x: "num in".
        y: "num out".
        first: "member hidden in".
        last: "member out hidden".
        steps: steps of gradient descent.
        rate: the learning rate.
    """

    x: np.ndarray
    y: np.ndarray
    first: np.ndarray
    last: np.ndarray
    steps: int
    rate: float

    def moments(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The second moments xx, yx and yy of the samples."""
        return self.x.T @ self.x / len(self.x), self.y.T @ self.x / len(self.x), self.y.T @ self.y / len(self.x)


def make_problem(size: Size, seed: int = 0) -> Problem:
    """A problem of a size, in float32."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((size.samples, size.inputs))
    teacher = rng.standard_normal((size.outputs, size.inputs)) / np.sqrt(size.inputs)
    y = x @ teacher.T + 0.1 * rng.standard_normal((size.samples, size.outputs))
    first = 0.1 * rng.standard_normal((size.members, size.hidden, size.inputs))
    last = 0.1 * rng.standard_normal((size.members, size.outputs, size.hidden))
    single = (np.asarray(array, np.float32) for array in (x, y, first, last))
    return Problem(*single, size.steps, size.rate)
