"""Every layer of sequence models, small, with its oracle: what the layers' contract runs through.

A new layer is one more line: `name: Layer(make, oracle)`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from linnet import nn
from tests.nn import oracles_vector

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


LAYERS: dict[str, Layer] = {
    "hgrn": Layer(
        lambda key, dtype, **options: nn.HGRN(
            WIDTH, 1.5, lower_bound=0.3, use_short_conv=True, conv_size=3, dtype=dtype, key=key, **options
        ),
        oracles_vector.hgrn,
    ),
    "mamba": Layer(
        lambda key, dtype, **options: nn.Mamba(
            WIDTH, 3, expand=1.5, conv_size=3, time_step_rank=2, use_bias=True, dtype=dtype, key=key, **options
        ),
        oracles_vector.mamba,
    ),
    "mamba, signed": Layer(
        lambda key, dtype, **options: nn.Mamba(
            WIDTH, 2, allow_neg_eigval=True, use_conv_bias=False, dtype=dtype, key=key, **options
        ),
        oracles_vector.mamba,
    ),
    "rglru": Layer(
        lambda key, dtype, **options: nn.RGLRU(WIDTH, 3, lru_width=9, conv_size=3, dtype=dtype, key=key, **options),
        oracles_vector.rglru,
    ),
    "mingru": Layer(
        lambda key, dtype, **options: nn.MinGRU(WIDTH, 1.5, dtype=dtype, key=key, **options), oracles_vector.min_gru
    ),
    "mingru, logarithms": Layer(
        lambda key, dtype, **options: nn.MinGRU(WIDTH, log_space=True, dtype=dtype, key=key, **options),
        oracles_vector.min_gru,
    ),
    "aaren": Layer(
        lambda key, dtype, **options: nn.Aaren(WIDTH, 2, head_dim=5, dtype=dtype, key=key, **options),
        oracles_vector.aaren,
    ),
    "block diagonal lrnn": Layer(
        lambda key, dtype, **options: nn.BlockDiagonalLRNN(WIDTH, 3, dtype=dtype, key=key, **options),
        oracles_vector.block_diagonal_lrnn,
    ),
}
