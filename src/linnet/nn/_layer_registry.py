"""The layers by the names that the command line knows."""

import difflib
from collections.abc import Callable
from typing import Any

from .._types import PRNGKey
from ._aaren import Aaren
from ._block_diagonal_lrnn import BlockDiagonalLRNN
from ._hgrn import HGRN
from ._mamba import Mamba
from ._min_gru import MinGRU
from ._rglru import RGLRU
from ._sequence_layer import AbstractSequenceLayer

#: name -> a class `(hidden_size, *, key, ...)`. A new layer is one more line.
LAYERS: dict[str, Callable[..., AbstractSequenceLayer]] = {
    "aaren": Aaren,
    "block-diagonal-lrnn": BlockDiagonalLRNN,
    "hgrn": HGRN,
    "mamba": Mamba,
    "mingru": MinGRU,
    "rglru": RGLRU,
}


def layer(name: str, hidden_size: int, *, key: PRNGKey, **settings: Any) -> AbstractSequenceLayer:
    """Makes a layer by its name.

    Args:
        name: one of `linnet.nn.LAYERS`.
        hidden_size: features of the layer's inputs and outputs.
        key: randomness of its parameters.
        **settings: other arguments of its class.

    Raises:
        ValueError: for an unknown name, with the closest ones.
    """
    if name not in LAYERS:
        close = difflib.get_close_matches(name, LAYERS, n=3, cutoff=0.4) or list(LAYERS)
        raise ValueError(f"There is no layer {name!r}; the closest are {', '.join(close)}.")
    return LAYERS[name](hidden_size, key=key, **settings)
