"""Token loops in NumPy for layers whose state is a vector, from the papers' formulas and the parameters alone."""

import numpy as np


def sigmoid(x):
    return np.exp(-np.logaddexp(0, -x))


def silu(x):
    return x * sigmoid(x)


def softplus(x):
    return np.logaddexp(0, x)


def gelu(x):
    return 0.5 * x * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3)))


def array(x):
    return np.asarray(x, np.float64)


def convolved(conv, rows, activation):
    """The causal convolution over a whole sequence, by its definition."""
    kernel, bias = array(conv.kernel), 0 if conv.bias is None else array(conv.bias)
    width = kernel.shape[1]
    out = []
    for t in range(len(rows)):
        total = bias + sum(kernel[:, j] * rows[t - j] for j in range(width) if t >= j)
        out.append(silu(total) if activation else total)
    return out


def hgrn(layer, xs):
    inputs = [array(layer.input_weights) @ x for x in xs]
    logits = [array(layer.forget_weights) @ x for x in xs]
    if layer.input_conv is not None:
        inputs, logits = convolved(layer.input_conv, inputs, False), convolved(layer.forget_conv, logits, False)
    h, ys = 0.0, []
    for x, i, f in zip(xs, inputs, logits):
        keep = layer.lower_bound + (1 - layer.lower_bound) * sigmoid(f)
        h = keep * h + (1 - keep) * silu(i)
        out = h / np.sqrt(np.mean(h**2) + 1e-5) * array(layer.norm_weight)
        if layer.gate_weights is not None:
            out = out * silu(array(layer.gate_weights) @ x)
        ys.append(array(layer.output_weights) @ out)
    return np.stack(ys)


def mamba(layer, xs):
    poles = np.exp(array(layer.log_poles))
    inner, size = poles.shape
    rank = layer.step_weights.shape[1]
    both = [array(layer.input_weights) @ x + (0 if layer.input_bias is None else array(layer.input_bias)) for x in xs]
    inputs = convolved(layer.conv, [row[:inner] for row in both], True)
    h, ys = np.zeros((inner, size)), []
    for u, row in zip(inputs, both):
        selected = array(layer.selection_weights) @ u
        small, write, read = selected[:rank], selected[rank : rank + size], selected[rank + size :]
        step = softplus(array(layer.step_weights) @ small + array(layer.step_bias))
        factor = np.exp(-step[:, None] * poles)
        factor = 2 * factor - 1 if layer.allow_neg_eigval else factor
        h = factor * h + np.outer(step * u, write)
        y = array(layer.output_weights) @ ((h @ read + array(layer.skip) * u) * silu(row[inner:]))
        ys.append(y if layer.output_bias is None else y + array(layer.output_bias))
    return np.stack(ys)


def rglru(layer, xs):
    def gate(weights, bias, u):
        parts = u.reshape(weights.shape[0], -1)
        return sigmoid(np.concatenate([w @ part for w, part in zip(array(weights), parts)]) + array(bias))

    rows = [array(layer.input_weights) @ x + array(layer.input_bias) for x in xs]
    rows = rows if layer.conv is None else convolved(layer.conv, rows, False)
    h, ys = np.zeros(rows[0].shape), []
    for t, (x, u) in enumerate(zip(xs, rows)):
        log = -8 * softplus(array(layer.decay)) * gate(layer.decay_weights, layer.decay_bias, u)
        a = np.exp(log)
        scale = 1.0 if t == 0 else np.sqrt(-np.expm1(2 * log))  # 1 - a^2, also where a is close to 1
        h = a * h + scale * gate(layer.write_weights, layer.write_bias, u) * u
        out = h
        if layer.gate_weights is not None:
            out = out * gelu(array(layer.gate_weights) @ x + array(layer.gate_bias))
        ys.append(array(layer.output_weights) @ out + array(layer.output_bias))
    return np.stack(ys)


def min_gru(layer, xs):
    h, ys = 0.0, []
    for x in xs:
        z = sigmoid(array(layer.gate_weights) @ x + (0 if layer.gate_bias is None else array(layer.gate_bias)))
        new = array(layer.candidate_weights) @ x
        new = new if layer.candidate_bias is None else new + array(layer.candidate_bias)
        if layer.log_space:
            new = np.where(new >= 0, new + 0.5, sigmoid(new))
        h = (1 - z) * h + z * new
        ys.append(h if layer.output_weights is None else array(layer.output_weights) @ h)
    return np.stack(ys)


def aaren(layer, xs):
    """Masked softmax attention, row by row: no running maximum, no recurrence."""
    heads, size = layer.query.shape
    keys = (xs @ array(layer.key_weights).T).reshape(-1, heads, size)
    values = (xs @ array(layer.value_weights).T).reshape(-1, heads, size)
    ys = []
    for t in range(len(xs)):
        scores = np.einsum("thd,hd->th", keys[: t + 1], array(layer.query)) / np.sqrt(size)
        weights = np.exp(scores - scores.max(axis=0))
        weights = weights / weights.sum(axis=0)
        ys.append(array(layer.output_weights) @ np.einsum("th,thd->hd", weights, values[: t + 1]).reshape(-1))
    return np.stack(ys)


def block_diagonal_lrnn(layer, xs):
    def mlp(x, weights, biases):
        hidden = np.maximum(array(weights[0]) @ x + array(biases[0]), 0)
        return array(weights[1]) @ hidden + array(biases[1])

    s, ys = array(layer.start), []
    heads, size = s.shape
    for x in xs:
        blocks = mlp(x, layer.block_weights, layer.block_biases).reshape(heads, size, size)
        drive = mlp(x, layer.value_weights, layer.value_biases).reshape(heads, size)
        new = []
        for block, part, add in zip(blocks, s, drive):
            block = block - block.mean(axis=0)
            block = block / max(np.sum(np.abs(block[:, j]) ** layer.norm) ** (1 / layer.norm) for j in range(size))
            new.append(block @ part + add)
        s = np.stack(new)
        ys.append(s.reshape(-1))
    return np.stack(ys)
