"""The layers by the names that the command line knows."""

import difflib
import inspect
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
from ._lssl import LSSL
from ._mamba import Mamba
from ._mamba2 import Mamba2
from ._min_gru import MinGRU
from ._mlstm import MLSTM
from ._retnet import RetNet
from ._rglru import RGLRU
from ._rwkv7 import RWKV7
from ._s4 import S4
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
    "lssl": LSSL,
    "s4": S4,
}


def layer(name: str, hidden_size: int, *, key: PRNGKey, **settings: Any) -> AbstractSequenceLayer:
    """Makes a layer by its name.

    Args:
        name: one of `linnet.nn.LAYERS`.
        hidden_size: features of the layer's inputs and outputs.
        key: randomness of its parameters.
        **settings: other arguments of its class.

    Raises:
        ValueError: for an unknown name or setting, with the closest ones.
    """
    made = LAYERS[layer_name(name)]
    known = inspect.signature(made).parameters
    unknown = [setting for setting in settings if setting not in known]
    if unknown:
        takes = [n for n in known if n not in ("hidden_size", "key", "dtype")]
        close = difflib.get_close_matches(unknown[0], takes, n=3, cutoff=0.4) or takes
        raise ValueError(f"The layer {name!r} has no setting {unknown[0]!r}; the closest are {', '.join(close)}.")
    return made(hidden_size, key=key, **settings)


def layer_name(name: str) -> str:
    """The name in `LAYERS` that is meant: capitals, hyphens and underscores do not matter, as in "DeltaNet".

    Raises:
        ValueError: for an unknown name, with the closest ones.
    """
    bare = {_bare(known): known for known in LAYERS}
    if _bare(name) not in bare:
        close = difflib.get_close_matches(name.lower(), LAYERS, n=3, cutoff=0.4) or list(LAYERS)
        raise ValueError(f"There is no layer {name!r}; the closest are {', '.join(close)}.")
    return bare[_bare(name)]


def _bare(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")
