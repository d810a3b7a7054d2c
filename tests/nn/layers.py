"""Every layer of sequence models, small, with its oracle: what the layers' contract runs through.

A new layer is one more line: `name: Layer(make, oracle)`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

#: The width of all of them: no power of two.
WIDTH = 6


class Layer(NamedTuple):
    """A layer under test.

    Args:
        make: `make(key, dtype, **options)`, with `mode` and `chunk_size` among the options; small and of odd sizes.
        oracle: `oracle(layer, xs, start=None) -> ys`, the papers' formula as a token loop in plain NumPy, from the
            parameters of the layer alone: no function of linnet. All arrays are float64. It begins from nothing.
        eager: modes that are too slow to compile for the default tests.
    """

    make: Callable[..., Any]
    oracle: Callable[[Any, np.ndarray], np.ndarray]
    eager: tuple[str, ...] = ()


LAYERS: dict[str, Layer] = {}
