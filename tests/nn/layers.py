"""Every layer of sequence models, small, with its oracle: what the layers' contract runs through.

A new layer is one more line: `name: Layer(make, oracle)`.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from linnet import nn
from tests.nn import oracle_attention, oracles_delta, oracles_invariant, oracles_matrix, oracles_vector

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
    "delta net": Layer(
        lambda key, dtype, **options: nn.DeltaNet(
            WIDTH, 2, 0.67, 1.0, conv_size=3, conv_bias=True, dtype=dtype, key=key, **options
        ),
        oracles_delta.delta_net,
    ),
    "gated delta net": Layer(
        lambda key, dtype, **options: nn.GatedDeltaNet(
            WIDTH, 2, 5, 0.6, allow_neg_eigval=True, dtype=dtype, key=key, **options
        ),
        oracles_delta.gated_delta,
    ),
    "delta product": Layer(
        lambda key, dtype, **options: nn.DeltaProduct(
            WIDTH, 2, 5, 0.6, num_householder=3, conv_size=2, dtype=dtype, key=key, **options
        ),
        oracles_delta.gated_delta,
    ),
    "delta product, ungated": Layer(
        lambda key, dtype, **options: nn.DeltaProduct(
            WIDTH,
            2,
            use_forget_gate=False,
            use_output_gate=False,
            allow_neg_eigval=False,
            dtype=dtype,
            key=key,
            **options,
        ),
        oracles_delta.gated_delta,
    ),
    "rwkv7": Layer(
        lambda key, dtype, **options: nn.RWKV7(
            WIDTH,
            2,
            decay_low_rank_dim=2,
            gate_low_rank_dim=3,
            a_low_rank_dim=2,
            layer_idx=1,
            num_hidden_layers=3,
            dtype=dtype,
            key=key,
            **options,
        ),
        oracles_delta.rwkv7,
    ),
    "kimi delta": Layer(
        lambda key, dtype, **options: nn.KimiDelta(
            WIDTH, 2, 5, 0.6, allow_neg_eigval=True, gate_low_rank_dim=2, dtype=dtype, key=key, **options
        ),
        oracles_delta.kimi_delta,
    ),
    "softmax attention": Layer(
        lambda key, dtype, **options: nn.SoftmaxAttention(
            WIDTH, 2, head_dim=5, max_length=300, dtype=dtype, key=key, **options
        ),
        oracle_attention.softmax_attention,
    ),
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
    "linear attention": Layer(
        lambda key, dtype, **options: nn.LinearAttention(WIDTH, 2, expand_v=4 / 3, dtype=dtype, key=key, **options),
        oracles_matrix.linear_attention,
    ),
    "retnet": Layer(
        lambda key, dtype, **options: nn.RetNet(
            WIDTH, 2, expand_v=4 / 3, use_short_conv=True, conv_size=3, dtype=dtype, key=key, **options
        ),
        oracles_matrix.retnet,
    ),
    "tnl": Layer(
        lambda key, dtype, **options: nn.TNL(WIDTH, 3, expand_k=1.5, dtype=dtype, key=key, **options),
        oracles_matrix.tnl,
    ),
    "gla": Layer(
        lambda key, dtype, **options: nn.GLA(
            WIDTH,
            2,
            expand_k=1.0,
            expand_v=4 / 3,
            gate_low_rank_dim=3,
            gate_logit_normalizer=2.0,
            dtype=dtype,
            key=key,
            **options,
        ),
        oracles_matrix.gla,
    ),
    "gla, signed": Layer(
        lambda key, dtype, **options: nn.GLA(
            WIDTH, 2, expand_k=2 / 3, gate_logit_normalizer=1.0, allow_neg_eigval=True, dtype=dtype, key=key, **options
        ),
        oracles_matrix.gla,
    ),
    "hgrn2": Layer(
        lambda key, dtype, **options: nn.HGRN2(
            WIDTH, 2, expand_ratio=5, lower_bound=0.2, dtype=dtype, key=key, **options
        ),
        oracles_matrix.hgrn2,
    ),
    "mamba2": Layer(
        lambda key, dtype, **options: nn.Mamba2(
            WIDTH, head_dim=3, state_size=5, n_groups=2, conv_size=3, dtype=dtype, key=key, **options
        ),
        oracles_matrix.mamba2,
    ),
    "mamba2, signed": Layer(
        lambda key, dtype, **options: nn.Mamba2(
            WIDTH, head_dim=4, state_size=3, allow_neg_eigval=True, dtype=dtype, key=key, **options
        ),
        oracles_matrix.mamba2,
    ),
    "mlstm": Layer(
        lambda key, dtype, **options: nn.MLSTM(WIDTH, 2, expand_k=1.0, expand_v=4 / 3, dtype=dtype, key=key, **options),
        oracles_matrix.mlstm,
    ),
    "lightnet": Layer(
        lambda key, dtype, **options: nn.LightNet(
            WIDTH, 2, expand_ratio=5, gate_low_rank_dim=2, dtype=dtype, key=key, **options
        ),
        oracles_matrix.lightnet,
    ),
    "lru": Layer(
        lambda key, dtype, **options: nn.LRU(WIDTH, 5, r_min=0.3, max_phase=0.9, dtype=dtype, key=key, **options),
        oracles_invariant.lru,
    ),
    "s4d": Layer(
        lambda key, dtype, **options: nn.S4D(WIDTH, 4, dt_min=0.03, dt_max=0.5, dtype=dtype, key=key, **options),
        oracles_invariant.s4d,
    ),
    "s4d, bilinear": Layer(
        lambda key, dtype, **options: nn.S4D(
            WIDTH, 6, init="inv", discretisation="bilinear", output="none", dtype=dtype, key=key, **options
        ),
        oracles_invariant.s4d,
    ),
    "s5": Layer(
        lambda key, dtype, **options: nn.S5(
            WIDTH, 12, num_blocks=3, dt_min=0.03, dt_max=0.5, dtype=dtype, key=key, **options
        ),
        oracles_invariant.s5,
    ),
    "s5, all states": Layer(
        lambda key, dtype, **options: nn.S5(
            WIDTH,
            5,
            conj_sym=False,
            clip_eigs=True,
            discretisation="bilinear",
            output="linear",
            dtype=dtype,
            key=key,
            **options,
        ),
        oracles_invariant.s5,
    ),
    "lssl": Layer(
        lambda key, dtype, **options: nn.LSSL(
            WIDTH, 5, output_channels=2, fixed=False, dt_min=0.03, dt_max=0.5, dtype=dtype, key=key, **options
        ),
        oracles_invariant.lssl,
        ("associative", "chunk"),
    ),
    "s4": Layer(
        lambda key, dtype, **options: nn.S4(WIDTH, 6, dt_min=0.03, dt_max=0.5, dtype=dtype, key=key, **options),
        oracles_invariant.s4,
        ("associative", "chunk"),
    ),
    "s4, rank 2": Layer(
        lambda key, dtype, **options: nn.S4(
            WIDTH, 4, hippo="LegT", dt_min=0.03, dt_max=0.5, output="none", dtype=dtype, key=key, **options
        ),
        oracles_invariant.s4,
        ("associative", "chunk"),
    ),
}
