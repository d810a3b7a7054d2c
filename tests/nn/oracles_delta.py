"""The delta family as token loops in plain NumPy, one head, one token and one correction at a time."""

import numpy as np


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softplus(x):
    return np.logaddexp(0, x)


def unit(x, epsilon=1e-6):
    return x / np.sqrt(x @ x + epsilon)


def array(x):
    return np.asarray(x, "float64")


def convolved(inputs, xs):
    """SiLU of the short convolution, or of nothing."""
    mixed = xs @ array(inputs.weight).T
    if inputs.convolution is None:
        return mixed * sigmoid(mixed)
    kernel, bias = array(inputs.convolution.kernel), inputs.convolution.bias
    out = np.zeros_like(mixed)
    for t in range(len(mixed)):
        for lag in range(kernel.shape[1]):
            if t >= lag:
                out[t] += kernel[:, lag] * mixed[t - lag]
        if bias is not None:
            out[t] += array(bias)
    return out * sigmoid(out)


def read_memory(layer, xs, betas, logs):
    """What all heads read: `betas` (step, head, rank), `logs` (step, head, key) the logarithms of decays."""
    inputs = layer.inputs
    heads, rank, size, wide = inputs.num_heads, inputs.rank, inputs.key_size, inputs.value_size
    features, ys = convolved(inputs, xs), np.zeros((len(xs), heads, wide))
    starts = heads * size * np.array([1, 1 + rank])
    for head in range(heads):
        memory = np.zeros((size, wide))
        for t, token in enumerate(features):
            memory = np.exp(logs[t, head])[:, None] * memory
            for j in range(rank):
                at = j * heads + head
                key = token[starts[0] + at * size : starts[0] + (at + 1) * size]
                value = token[starts[1] + at * wide : starts[1] + (at + 1) * wide]
                key = unit(key) if layer.qk_norm == "l2" else key
                beta = betas[t, head, j]
                memory = (np.eye(size) - beta * np.outer(key, key)) @ memory + beta * np.outer(key, value)
            query = token[head * size : (head + 1) * size]
            query = unit(query) if layer.qk_norm == "l2" else query
            ys[t, head] = memory.T @ query / np.sqrt(size)
    return ys


def strengths(layer, xs):
    """The betas of all ranks and heads."""
    heads, rank = layer.inputs.num_heads, layer.inputs.rank
    top = 2 if layer.allow_neg_eigval else 1
    if layer.b_proj is None:
        return np.full((len(xs), heads, rank), float(top))
    flat, out = top * sigmoid(xs @ array(layer.b_proj).T), np.zeros((len(xs), heads, rank))
    for head in range(heads):
        for j in range(rank):
            out[:, head, j] = flat[:, j * heads + head]
    return out


def slow(layer, xs):
    """Logarithms of the decays of GatedDeltaNet, or zeros."""
    heads, size = layer.inputs.num_heads, layer.inputs.key_size
    if layer.decay is None:
        return np.zeros((len(xs), heads, size))
    steps = softplus(xs @ array(layer.a_proj).T + array(layer.decay.dt_bias))
    return np.repeat((-np.exp(array(layer.decay.A_log)) * steps)[:, :, None], size, axis=2)


def normed(read, weight):
    """RMS norm of each head, side by side."""
    for t in range(len(read)):
        for head in range(read.shape[1]):
            o = read[t, head]
            read[t, head] = o / np.sqrt(np.mean(o * o) + 1e-5) * weight
    return read.reshape(len(read), -1)


def outputs(layer, read, xs):
    merged = normed(read, array(layer.outputs.scale))
    if layer.outputs.gate is not None:
        gate = xs @ array(layer.outputs.gate).T
        merged = merged * gate * sigmoid(gate)
    return merged @ array(layer.outputs.output).T


def delta_net(layer, xs):
    logs = np.zeros((len(xs), layer.inputs.num_heads, layer.inputs.key_size))
    return outputs(layer, read_memory(layer, xs, strengths(layer, xs), logs), xs)


def gated_delta(layer, xs):
    """Gated DeltaNet, and DeltaProduct with and without a gate."""
    return outputs(layer, read_memory(layer, xs, strengths(layer, xs), slow(layer, xs)), xs)


def kimi_delta(layer, xs):
    heads, size = layer.inputs.num_heads, layer.inputs.key_size
    drive = (xs @ array(layer.f_down).T @ array(layer.f_up).T).reshape(len(xs), heads, size)
    drive, rates = drive + array(layer.decay.dt_bias), np.exp(array(layer.decay.A_log))[:, None]
    logs = -rates * softplus(drive) if layer.lower_bound is None else layer.lower_bound * sigmoid(rates * drive)
    read = read_memory(layer, xs, strengths(layer, xs), logs)
    gate = sigmoid(xs @ array(layer.g_down).T @ array(layer.g_up).T + array(layer.g_bias))
    return (normed(read, array(layer.o_norm)) * gate) @ array(layer.o_proj).T


def rwkv7(layer, xs, first_values=None):
    heads, size = layer.r_k.shape
    low = {
        name: (array(part.down), array(part.up), 0 if part.bias is None else array(part.bias))
        for name in ("w", "a", "g", "v")
        if (part := getattr(layer, name + "_lora")) is not None
    }
    memory, before, ys = np.zeros((heads, size, size)), np.zeros(xs.shape[1]), []
    for t, x in enumerate(xs):
        xr, xw, xk, xv, xa, xg = (x + mu * (before - x) for mu in array(layer.shifts))
        r, k, v = array(layer.r_proj) @ xr, array(layer.k_proj) @ xk, array(layer.v_proj) @ xv
        w = np.exp(-sigmoid(low["w"][1] @ np.tanh(low["w"][0] @ xw) + low["w"][2]) / np.sqrt(np.e))
        a = sigmoid(low["a"][1] @ (low["a"][0] @ xa) + low["a"][2])
        g = low["g"][1] @ sigmoid(low["g"][0] @ xg)
        if first_values is not None:
            v = v + (first_values[t] - v) * sigmoid(low["v"][1] @ (low["v"][0] @ xv) + low["v"][2])
        kappa, k = k * array(layer.k_k), k * (1 + (a - 1) * array(layer.k_a))
        out = []
        for head in range(heads):
            part = slice(head * size, (head + 1) * size)
            direction = unit(kappa[part], 1e-12)
            rate = (2 if layer.allow_neg_eigval else 1) * a[part]
            transition = np.diag(w[part]) - np.outer(rate * direction, direction)
            memory[head] = transition @ memory[head] + np.outer(k[part], v[part])
            o = memory[head].T @ r[part]
            o = (o - o.mean()) / np.sqrt(o.var() + 1e-5 * size)
            o = o * array(layer.norm_weight)[part] + array(layer.norm_bias)[part]
            out.append(o + np.sum(r[part] * k[part] * array(layer.r_k)[head]) * v[part])
        ys.append(array(layer.o_proj) @ (np.concatenate(out) * g))
        before = x
    return np.stack(ys)
