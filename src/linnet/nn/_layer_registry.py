"""The layers by the names that the command line knows."""

import difflib
from collections.abc import Callable
from typing import Any

from .._types import PRNGKey
from ._aaren import Aaren
from ._block_diagonal_lrnn import BlockDiagonalLRNN
from ._delta_net import DeltaNet
from ._delta_product import DeltaProduct
from ._gated_delta_net import GatedDeltaNet
from ._gla import GLA
from ._hgrn import HGRN
from ._hgrn2 import HGRN2
from ._kimi_delta import KimiDelta
from ._lightnet import LightNet
from ._linear_attention import LinearAttention
from ._lru import LRU
from ._mamba import Mamba
from ._mamba2 import Mamba2
from ._min_gru import MinGRU
from ._mlstm import MLSTM
from ._retnet import RetNet
from ._rglru import RGLRU
from ._rwkv7 import RWKV7
from ._s4d import S4D
from ._s5 import S5
from ._sequence_layer import AbstractSequenceLayer
from ._softmax_attention import SoftmaxAttention
from ._tnl import TNL

#: name -> a class `(hidden_size, *, key, ...)`. A new layer is one more line.
LAYERS: dict[str, Callable[..., AbstractSequenceLayer]] = {
    "softmax-attention": SoftmaxAttention,
    "delta-net": DeltaNet,
    "gated-delta-net": GatedDeltaNet,
    "delta-product": DeltaProduct,
    "rwkv7": RWKV7,
    "kimi-delta": KimiDelta,
    "aaren": Aaren,
    "block-diagonal-lrnn": BlockDiagonalLRNN,
    "hgrn": HGRN,
    "mamba": Mamba,
    "mingru": MinGRU,
    "rglru": RGLRU,
    "linear-attention": LinearAttention,
    "retnet": RetNet,
    "tnl": TNL,
    "gla": GLA,
    "hgrn2": HGRN2,
    "mamba2": Mamba2,
    "mlstm": MLSTM,
    "lightnet": LightNet,
    "lru": LRU,
    "s4d": S4D,
    "s5": S5,
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
