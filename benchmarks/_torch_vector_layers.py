"""Layers with a vector or small blocks for a state, in PyTorch, by token loops: `layer(module, xs)`."""

import math
from typing import Any

from ._torch_loops import diagonal_plus_low_rank, elements, matrices
from ._torch_parts import F, convolved, linear, rms_norm, split_heads, torch


def hgrn(layer: Any, xs: Any) -> Any:
    inputs, logits, gates = linear(
        xs, torch.cat([layer.input_weights, layer.forget_weights, layer.gate_weights])
    ).chunk(3, -1)
    if layer.input_conv is not None:
        inputs, logits = convolved(layer.input_conv, inputs), convolved(layer.forget_conv, logits)
    rest = 1 - layer.lower_bound
    states = elements(layer.lower_bound + rest * logits.sigmoid(), rest * (-logits).sigmoid() * F.silu(inputs))
    return linear(rms_norm(states, layer.norm_weight) * F.silu(gates), layer.output_weights)


def mamba(layer: Any, xs: Any) -> Any:
    inputs, gates = linear(xs, layer.input_weights, layer.input_bias).chunk(2, -1)
    inputs = convolved(layer.conv, inputs)
    size, rank = layer.log_poles.shape[1], layer.step_weights.shape[1]
    small, write, read = linear(inputs, layer.selection_weights).split([rank, size, size], -1)
    steps = F.softplus(linear(small, layer.step_weights, layer.step_bias))
    factors = (-steps[..., None] * layer.log_poles.exp()).exp()
    states = elements(factors, (steps * inputs)[..., None] * write[..., None, :])
    out = (states @ read[..., None]).squeeze(-1) + layer.skip * inputs
    return linear(out * F.silu(gates), layer.output_weights, layer.output_bias)


def rglru(layer: Any, xs: Any) -> Any:
    def gate(weights: Any, bias: Any) -> Any:
        parts = torch.einsum("bthi,hoi->btho", split_heads(inputs, len(weights)), weights)
        return (parts.flatten(-2) + bias).sigmoid()

    inputs = linear(xs, layer.input_weights, layer.input_bias)
    inputs = inputs if layer.conv is None else convolved(layer.conv, inputs)
    logs = -8 * F.softplus(layer.decay) * gate(layer.decay_weights, layer.decay_bias)
    scale = (-torch.expm1(2 * logs)).sqrt()
    scale = torch.cat([torch.ones_like(scale[:, :1]), scale[:, 1:]], 1)
    states = elements(logs.exp(), scale * gate(layer.write_weights, layer.write_bias) * inputs)
    if layer.gate_weights is not None:
        states = states * F.gelu(linear(xs, layer.gate_weights, layer.gate_bias), approximate="tanh")
    return linear(states, layer.output_weights, layer.output_bias)


def min_gru(layer: Any, xs: Any) -> Any:
    gates = linear(xs, layer.gate_weights, layer.gate_bias)
    candidates = linear(xs, layer.candidate_weights, layer.candidate_bias)
    states = elements((-gates).sigmoid(), gates.sigmoid() * candidates)
    return states if layer.output_weights is None else linear(states, layer.output_weights)


def aaren(layer: Any, xs: Any) -> Any:
    heads, size = layer.query.shape
    keys = split_heads(linear(xs, layer.key_weights), heads)
    values = split_heads(linear(xs, layer.value_weights), heads)
    scores = torch.einsum("bthd,hd->bth", keys, layer.query) / math.sqrt(size)
    maxima = scores.cummax(1).values
    factors = torch.cat([torch.ones_like(maxima[:, :1]), (maxima[:, :-1] - maxima[:, 1:]).exp()], 1)
    terms = torch.cat([torch.ones_like(values[..., :1]), values], -1)
    states = elements(factors[..., None], (scores - maxima).exp()[..., None] * terms)
    return linear((states[..., 1:] / states[..., :1]).flatten(-2), layer.output_weights)


def block_diagonal_lrnn(layer: Any, xs: Any) -> Any:
    def mlp(weights: Any, biases: Any) -> Any:
        return linear(F.relu(linear(xs, weights[0], biases[0])), weights[1], biases[1])

    heads, size = layer.start.shape
    blocks = mlp(layer.block_weights, layer.block_biases).unflatten(-1, (heads, size, size))
    blocks = blocks - blocks.mean(-2, keepdim=True)
    powers = blocks.abs().pow(layer.norm).sum(-2, keepdim=True).amax(-1, keepdim=True)
    blocks = blocks / powers ** (1 / layer.norm)
    drives = split_heads(mlp(layer.value_weights, layer.value_biases), heads)
    first = drives[:, :1] + torch.einsum("bthij,hj->bthi", blocks[:, :1], layer.start)
    return matrices(blocks, torch.cat([first, drives[:, 1:]], 1)).flatten(-2)


def _output(output: Any, ys: Any) -> Any:
    """What follows a state space model."""
    if output.kind == "none":
        return ys
    active = F.gelu(ys)
    mixed = linear(active, output.weight, output.bias)
    if output.kind == "glu":
        return F.glu(mixed, -1)
    return active * mixed.sigmoid() if output.kind == "half_glu" else mixed


def s4d(layer: Any, xs: Any) -> Any:
    poles = torch.complex(-layer.log_decay.exp(), layer.frequency)
    factors = (poles * layer.log_dt.exp()[:, None]).exp()
    states = elements(factors, (factors - 1) / poles * xs[..., None])
    read_out = torch.complex(*layer.read_out)
    return _output(layer.output, 2 * torch.einsum("bthn,hn->bth", states, read_out).real + layer.skip * xs)


def _mixed(states: Any, read_out: Any) -> Any:
    return linear(states.real, read_out[0]) - linear(states.imag, read_out[1])


def s5(layer: Any, xs: Any) -> Any:
    real = layer.eigenvalues[0].clamp(max=-1e-4) if layer.clip_eigs else layer.eigenvalues[0]
    poles = torch.complex(real, layer.eigenvalues[1])
    factors = (poles * layer.log_dt.exp()).exp()
    weights = ((factors - 1) / poles)[:, None] * torch.complex(*layer.read_in)
    states = elements(factors, torch.complex(linear(xs, weights.real), linear(xs, weights.imag)))
    ys = (2 if layer.conj_sym else 1) * _mixed(states, layer.read_out)
    return _output(layer.output, ys + layer.skip * xs)


def lru(layer: Any, xs: Any) -> Any:
    factors = torch.complex(-layer.nu_log.exp(), layer.theta_log.exp()).exp()
    weights = layer.gamma_log.exp()[:, None] * layer.read_in
    states = elements(factors, torch.complex(linear(xs, weights[0]), linear(xs, weights[1])))
    return _output(layer.output, _mixed(states, layer.read_out) + layer.skip * xs)


def _bilinear(matrices_: Any, inputs: Any, log_dt: Any) -> tuple[Any, Any]:
    """The bilinear rule for one matrix, or one for each feature."""
    half = log_dt.exp()[:, None, None] / 2
    one = torch.eye(matrices_.shape[-1], dtype=matrices_.dtype)
    both = torch.cat([one + half * matrices_, (2 * half * inputs[..., None]).expand(len(half), -1, 1)], -1)
    found = torch.linalg.solve(one - half * matrices_, both)
    return found[..., :-1], found[..., -1:]


def lssl(layer: Any, xs: Any) -> Any:
    parts = layer.transition, layer.read_in, layer.log_dt
    factors, inputs = _bilinear(*(part.detach() if layer.fixed else part for part in parts))
    states = matrices(factors, inputs * xs.permute(1, 2, 0)[:, :, None])
    ys = torch.einsum("thnb,hmn->bthm", states, layer.read_out) + layer.skip * xs[..., None]
    return _output(layer.output, ys.flatten(-2))


def s4(layer: Any, xs: Any) -> Any:
    """The bilinear step by Woodbury's identity, as a diagonal plus rank one; inverses are those of numbers."""
    low_rank, inputs = torch.complex(*layer.low_rank)[..., 0], torch.complex(*layer.read_in)
    rate = 2 / layer.log_dt.exp()[:, None]
    inverse = 1 / (rate - torch.complex(-layer.log_decay.exp(), layer.frequency))
    solved, back = inverse * low_rank, inverse * low_rank.conj()
    below = 1 + 2 * (low_rank.conj() * solved).sum(-1, keepdim=True).real
    drive = 2 * (inverse * inputs - solved * 2 * (back * inputs).sum(-1, keepdim=True).real / below)
    states = diagonal_plus_low_rank(2 * rate * inverse - 1, 2 * back, -2 * rate * solved / below, drive * xs[..., None])
    read_out = torch.complex(*layer.read_out)
    return _output(layer.output, 2 * torch.einsum("bthn,hn->bth", states, read_out).real + layer.skip * xs)
