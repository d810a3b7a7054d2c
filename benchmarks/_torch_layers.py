"""linnet's layers in PyTorch by name: by a token loop, and by flash-linear-attention's chunks where there are some."""

import functools as ft
from collections.abc import Callable
from typing import Any, NamedTuple

from . import (
    _fla,
    _torch_delta_layers as delta,
    _torch_loops as loops,
    _torch_matrix_layers as matrix,
    _torch_vector_layers as vector,
)

Forward = Callable[[Any, Any], Any]


class Peer(NamedTuple):
    """A layer in PyTorch, `forward(module, xs)`, the module being linnet's layer with tensors for parameters."""

    loop: Forward
    chunked: Forward | None = None


def _decay(queries: Any, keys: Any, values: Any, logs: Any) -> Any:
    return loops.outer_products(queries, keys, values, None if logs is None else logs.exp())


def _delta(*parts: Any) -> Any:
    return loops.delta_rule(*parts[:-1], None if parts[-1] is None else parts[-1].exp())


def _low_rank(*parts: Any) -> Any:
    return loops.diagonal_plus_rank_one(*parts[:-1], parts[-1].exp())


def _peer(layer: Callable[..., Any], loop: Any, chunked: Any = None) -> Peer:
    return Peer(ft.partial(layer, memory=loop), None if chunked is None else ft.partial(layer, memory=chunked))


PEERS: dict[str, Peer] = {
    "lssl": Peer(vector.lssl),
    "s4": Peer(vector.s4),
    "s4d": Peer(vector.s4d),
    "s5": Peer(vector.s5),
    "lru": Peer(vector.lru),
    "linear-attention": _peer(matrix.linear_attention, _decay, _fla.linear_attention),
    "retnet": _peer(matrix.retnet, _decay, _fla.head_decay),
    "tnl": _peer(matrix.tnl, _decay, _fla.head_decay),
    "gla": _peer(matrix.gla, _decay),
    "hgrn": Peer(vector.hgrn),
    "hgrn2": _peer(matrix.hgrn2, _decay),
    "mamba": Peer(vector.mamba),
    "mamba2": _peer(matrix.mamba2, _decay, _fla.head_decay),
    "rglru": Peer(vector.rglru),
    "mingru": Peer(vector.min_gru),
    "mlstm": _peer(matrix.mlstm, _decay, _fla.head_decay),
    "lightnet": _peer(matrix.lightnet, _decay),
    "aaren": Peer(vector.aaren),
    "delta-net": _peer(delta.delta_net, _delta, _fla.delta_rule),
    "gated-delta-net": _peer(delta.gated_delta, _delta, _fla.delta_rule),
    "delta-product": _peer(delta.gated_delta, _delta, _fla.delta_rule),
    "rwkv7": _peer(delta.rwkv7, _low_rank, _fla.diagonal_plus_rank_one),
    "kimi-delta": _peer(delta.kimi_delta, _delta, _fla.delta_rule),
    "block-diagonal-lrnn": Peer(vector.block_diagonal_lrnn),
}
