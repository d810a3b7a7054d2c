"""The delta family in PyTorch.

`layer(module, xs, memory)` with `memory(queries, keys, values, betas, logs)`, where keys, values and betas have an axis
over a token's ranks; RWKV-7's is `memory(queries, keys, values, erase, write, logs)`.
"""

import math
from typing import Any

from ._torch_parts import F, convolved, linear, read_out, rms_norm, split_heads, torch, unit_norm


def _projected(inputs: Any, xs: Any) -> tuple[Any, Any, Any]:
    mixed = linear(xs, inputs.weight)
    mixed = F.silu(mixed) if inputs.convolution is None else convolved(inputs.convolution, mixed)
    first = inputs.num_heads * inputs.key_size
    second = first * (1 + inputs.rank)
    form = (inputs.rank, inputs.num_heads, -1)
    keys, values = (
        part.unflatten(-1, form).transpose(2, 3) for part in (mixed[..., first:second], mixed[..., second:])
    )
    queries = split_heads(mixed[..., :first], inputs.num_heads)
    return unit_norm(queries) / math.sqrt(inputs.key_size), unit_norm(keys), values


def _betas(layer: Any, xs: Any) -> Any:
    logits = linear(xs, layer.b_proj).unflatten(-1, (layer.inputs.rank, -1)).transpose(2, 3)
    return (2 if layer.allow_neg_eigval else 1) * logits.sigmoid()


def _fading(decay: Any, xs: Any) -> Any:
    """Logarithms of decays, for each head or each key."""
    rates = decay.A_log.exp()
    rates = rates if decay.dt_bias.ndim == 1 else rates[:, None]
    return -rates * F.softplus(xs + decay.dt_bias)


def delta_net(layer: Any, xs: Any, memory: Any) -> Any:
    return read_out(layer.outputs, memory(*_projected(layer.inputs, xs), _betas(layer, xs), None), xs)


def gated_delta(layer: Any, xs: Any, memory: Any) -> Any:
    """Gated DeltaNet and DeltaProduct."""
    logs = _fading(layer.decay, linear(xs, layer.a_proj))[..., None]
    return read_out(layer.outputs, memory(*_projected(layer.inputs, xs), _betas(layer, xs), logs), xs)


def kimi_delta(layer: Any, xs: Any, memory: Any) -> Any:
    drive = split_heads(linear(linear(xs, layer.f_down), layer.f_up), layer.inputs.num_heads)
    read = memory(*_projected(layer.inputs, xs), _betas(layer, xs), _fading(layer.decay, drive))
    gate = linear(linear(xs, layer.g_down), layer.g_up, layer.g_bias).sigmoid()
    return linear(rms_norm(read, layer.o_norm, layer.norm_eps).flatten(-2) * gate, layer.o_proj)


def rwkv7(layer: Any, xs: Any, memory: Any) -> Any:
    def low_rank(part: Any, xs: Any, activation: Any = None) -> Any:
        low = linear(xs, part.down)
        return linear(low if activation is None else activation(low), part.up, part.bias)

    heads = layer.r_k.shape[0]
    change = F.pad(xs, (0, 0, 1, 0))[:, :-1] - xs
    xr, xw, xk, xv, xa, xg = (torch.addcmul(xs, change, shift) for shift in layer.shifts)
    logs = -math.exp(-0.5) * low_rank(layer.w_lora, xw, torch.tanh).sigmoid()
    rates = low_rank(layer.a_lora, xa).sigmoid()
    reads, keys, values = linear(xr, layer.r_proj), linear(xk, layer.k_proj), linear(xv, layer.v_proj)
    directions = unit_norm(split_heads(keys * layer.k_k, heads), 1e-12)
    keys = keys * (1 + (rates - 1) * layer.k_a)
    reads, keys, values, logs, rates = (split_heads(part, heads) for part in (reads, keys, values, logs, rates))
    strengths = 2 * rates if layer.allow_neg_eigval else rates
    out = memory(reads, keys, values, -directions, strengths * directions, logs)
    normed = F.layer_norm(out, out.shape[-1:], eps=1e-5 * out.shape[-1]).flatten(-2)
    bonus = (reads * keys * layer.r_k).sum(-1, keepdim=True) * values
    merged = normed * layer.norm_weight + layer.norm_bias + bonus.flatten(-2)
    return linear(merged * low_rank(layer.g_lora, xg, torch.sigmoid), layer.o_proj)
