"""Layers with a matrix for a state and decay, in PyTorch.

Each is `layer(module, xs, memory)`: the module holds linnet's parameters as tensors, and `memory` computes the
recurrence, `memory(queries, keys, values, logs)` with the logarithms of decays for each key, or each head ("... 1").
"""

import math
from typing import Any

from ._torch_parts import F, convolved, linear, projected, read_out, rms_norm, split_heads, torch

_FEATURES = {"elu": lambda x: F.elu(x) + 1, "relu": lambda x: F.relu(x), "exp": lambda x: x.exp()}


def _with_sum(values: Any) -> Any:
    """Values with a column of 1, in which keys are summed."""
    return torch.cat([values, torch.ones_like(values[..., :1])], -1)


def linear_attention(layer: Any, xs: Any, memory: Any) -> Any:
    queries, keys, values = projected(layer.inputs, xs)
    features = _FEATURES[layer.feature_map]
    read = memory(features(queries), features(keys), _with_sum(values), None)
    return read_out(layer.outputs, read[..., :-1] / (read[..., -1:] + layer.epsilon), xs)


def _turned(xs: Any, base: float = 10_000.0) -> Any:
    """Rotary positions."""
    half = xs.shape[-1] // 2
    frequencies = base ** (-torch.arange(half, dtype=xs.dtype) / half)
    angles = torch.arange(xs.shape[1], dtype=xs.dtype)[:, None, None] * frequencies
    cosine, sine, first, second = angles.cos(), angles.sin(), xs[..., :half], xs[..., half:]
    return torch.cat([first * cosine - second * sine, first * sine + second * cosine], -1)


def _constant(logs: Any, like: Any) -> Any:
    """The same number for each head at all steps."""
    return logs[:, None].expand(*like.shape[:3], 1)


def retnet(layer: Any, xs: Any, memory: Any) -> Any:
    queries, keys, values = projected(layer.inputs, xs)
    heads = torch.arange(keys.shape[2], dtype=xs.dtype)
    logs = _constant(torch.log1p(-(2.0 ** (-5 - heads))), keys)
    read = memory(_turned(queries) / math.sqrt(keys.shape[-1]), _turned(keys), values, logs)
    return read_out(layer.outputs, read, xs)


def tnl(layer: Any, xs: Any, memory: Any) -> Any:
    queries, keys, values = projected(layer.inputs, xs)
    heads = keys.shape[2]
    slopes = 2.0 ** (-8 * torch.arange(1, heads + 1, dtype=xs.dtype) / heads)
    read = memory(F.silu(queries), F.silu(keys), values, _constant(-layer.slope * slopes, keys))
    return read_out(layer.outputs, read, xs)


def gla(layer: Any, xs: Any, memory: Any) -> Any:
    queries, keys, values = projected(layer.inputs, xs)
    logits = linear(linear(xs, layer.decay_down), layer.decay_up, layer.decay_bias)
    logs = split_heads(F.logsigmoid(logits) / layer.gate_logit_normalizer, keys.shape[2])
    return read_out(layer.outputs, memory(queries / math.sqrt(keys.shape[-1]), keys, values, logs), xs)


def hgrn2(layer: Any, xs: Any, memory: Any) -> Any:
    queries, logits, values = projected(layer.inputs, xs)
    rest = 1 - layer.lower_bound
    forget = layer.lower_bound + rest * logits.sigmoid()
    return read_out(layer.outputs, memory(F.silu(queries), rest * (-logits).sigmoid(), values, forget.log()), xs)


def lightnet(layer: Any, xs: Any, memory: Any) -> Any:
    queries, keys, values = projected(layer.inputs, xs)
    sums = torch.logcumsumexp(keys, 1)
    logs = torch.cat([torch.zeros_like(sums[:, :1]), sums[:, :-1] - sums[:, 1:]], 1)
    read = memory(F.silu(queries) / math.sqrt(keys.shape[-1]), (keys - sums).exp(), values, logs)
    return read_out(layer.outputs, read, xs)


def mamba2(layer: Any, xs: Any, memory: Any) -> Any:
    mixed = convolved(layer.convolution, linear(xs, layer.inputs))
    heads, shared = len(layer.D), layer.n_groups * layer.state_size
    values = split_heads(mixed[..., : -2 * shared], heads)
    keys, queries = (
        split_heads(part, layer.n_groups).repeat_interleave(heads // layer.n_groups, 2)
        for part in (mixed[..., -2 * shared : -shared], mixed[..., -shared:])
    )
    steps = F.softplus(linear(xs, layer.step_size, layer.dt_bias))
    logs = (-steps * layer.A_log.exp())[..., None]
    read = memory(queries, keys, values * steps[..., None], logs) + layer.D[:, None] * values
    gated = rms_norm(read.flatten(-2) * F.silu(linear(xs, layer.gate)), layer.scale)
    return linear(gated, layer.output)


def mlstm(layer: Any, xs: Any, memory: Any) -> Any:
    queries, keys, values = projected(layer.inputs, xs)
    write = linear(xs, layer.input_gate, layer.input_bias)
    keep = F.logsigmoid(linear(xs, layer.forget_gate, layer.forget_bias))
    # The maximum m = max(log f + m, i) as a running maximum, with the sums of log f taken off.
    sums = keep.cumsum(1)
    largest = sums + (write - sums).cummax(1).values
    logs = torch.cat([torch.zeros_like(keep[:, :1]), keep[:, 1:] + largest[:, :-1] - largest[:, 1:]], 1)
    keys = keys * ((write - largest).exp() / math.sqrt(keys.shape[-1]))[..., None]
    read = memory(queries, keys, _with_sum(values), logs[..., None])
    below = torch.maximum(read[..., -1:].abs(), (-largest).exp()[..., None])
    return read_out(layer.outputs, read[..., :-1] / below, xs)
