"""Token loops in NumPy for the layers with a matrix for a state, from the papers' formulas."""

import numpy as np


def sigmoid(x):
    return np.where(x >= 0, 1 / (1 + np.exp(-np.abs(x))), np.exp(-np.abs(x)) / (1 + np.exp(-np.abs(x))))


def silu(x):
    return x * sigmoid(x)


def softplus(x):
    return np.maximum(x, 0) + np.log1p(np.exp(-np.abs(x)))


FEATURES = {
    "elu": lambda x: np.where(x > 0, x + 1, np.exp(np.minimum(x, 0))),
    "relu": lambda x: np.maximum(x, 0),
    "exp": np.exp,
    "silu": silu,
    "square": lambda x: x**2,
    "identity": lambda x: x,
}


def convolved(convolution, xs):
    kernel = np.asarray(convolution.kernel)
    bias = 0 if convolution.bias is None else np.asarray(convolution.bias)
    ys = np.empty_like(xs)
    for t in range(len(xs)):
        ys[t] = bias + sum(kernel[:, lag] * xs[t - lag] for lag in range(kernel.shape[1]) if t >= lag)
    return silu(ys) if convolution.activation else ys


def projected(inputs, xs):
    """Queries, keys and values, `(step, head, size)`."""
    parts = [xs @ np.asarray(weights).T for weights in (inputs.query, inputs.key, inputs.value)]
    if inputs.convolution is not None:
        joined = convolved(inputs.convolution, np.concatenate(parts, axis=1))
        keys = parts[0].shape[1]
        parts = [joined[:, :keys], joined[:, keys : 2 * keys], joined[:, 2 * keys :]]
    return [part.reshape(len(xs), inputs.num_heads, -1) for part in parts]


def read_out(outputs, read, x):
    """Norm, gate and output matrix for one token: `read` is `(head, value)`."""
    scale = 1 if outputs.scale is None else np.asarray(outputs.scale)
    if outputs.norm == "group":
        read = scale * (read - read.mean(-1, keepdims=True)) / np.sqrt(read.var(-1, keepdims=True) + outputs.epsilon)
    elif outputs.norm == "rms":
        read = scale * read / np.sqrt((read**2).mean(-1, keepdims=True) + outputs.epsilon)
    read = read.reshape(-1)
    if outputs.norm == "all":
        read = scale * read / np.sqrt((read**2).mean() + outputs.epsilon)
    if outputs.gate is not None:
        low = x if outputs.gate_down is None else np.asarray(outputs.gate_down) @ x
        gate = np.asarray(outputs.gate) @ low
        read = read * {"silu": silu, "sigmoid": sigmoid, "identity": lambda g: g}[outputs.activation](gate)
    return np.asarray(outputs.output) @ read


def linear_attention(layer, xs, start=None):
    queries, keys, values = projected(layer.inputs, xs)
    features = FEATURES[layer.feature_map]
    heads, size = keys.shape[1:]
    sums, normalizers = np.zeros((heads, size, values.shape[2])), np.zeros((heads, size))
    ys = []
    for q, k, v, x in zip(features(queries), features(keys), values, xs):
        sums = sums + k[:, :, None] * v[:, None, :]
        normalizers = normalizers + k
        read = np.stack([sums[h].T @ q[h] for h in range(heads)])
        if layer.use_normalizer:
            read = read / (np.sum(normalizers * q, axis=1) + 1e-6)[:, None]
        ys.append(read_out(layer.outputs, read, x))
    return np.stack(ys)


def decayed(layer, xs, queries, keys, values, decays):
    """The loop that gated layers share: `decays` is `(step, head, key)`."""
    heads = keys.shape[1]
    state = np.zeros((heads, keys.shape[2], values.shape[2]))
    ys = []
    for t, x in enumerate(xs):
        for h in range(heads):
            state[h] = np.diag(decays[t, h]) @ state[h] + np.outer(keys[t, h], values[t, h])
        read = np.stack([state[h].T @ queries[t, h] for h in range(heads)])
        ys.append(read_out(layer.outputs, read, x))
    return np.stack(ys)


def turned(vectors, base=10_000.0):
    """Pairs as complex numbers, times a rotation by the position."""
    half = vectors.shape[-1] // 2
    turned = np.array(vectors)
    for t in range(len(vectors)):
        angle = t * base ** (-np.arange(half) / half)
        pairs = (vectors[t, :, :half] + 1j * vectors[t, :, half : 2 * half]) * np.exp(1j * angle)
        turned[t, :, :half], turned[t, :, half : 2 * half] = pairs.real, pairs.imag
    return turned


def retnet(layer, xs, start=None):
    queries, keys, values = projected(layer.inputs, xs)
    gammas = np.array([1 - 2.0 ** (-5 - head) for head in range(keys.shape[1])])
    decays = np.broadcast_to(gammas[None, :, None], keys.shape)
    return decayed(layer, xs, turned(queries) / np.sqrt(keys.shape[2]), turned(keys), values, decays)


def tnl(layer, xs, start=None):
    queries, keys, values = projected(layer.inputs, xs)
    heads = keys.shape[1]
    slopes = np.array([2.0 ** (-8 * head / heads) for head in range(1, heads + 1)]) * layer.slope
    decays = np.broadcast_to(np.exp(-slopes)[None, :, None], keys.shape)
    return decayed(layer, xs, silu(queries), silu(keys), values, decays)


def gla(layer, xs, start=None):
    queries, keys, values = projected(layer.inputs, xs)
    logits = xs @ np.asarray(layer.decay_down).T @ np.asarray(layer.decay_up).T + np.asarray(layer.decay_bias)
    alphas = np.exp(-softplus(-logits) / layer.gate_logit_normalizer).reshape(keys.shape)
    alphas = 2 * alphas - 1 if layer.allow_neg_eigval else alphas
    return decayed(layer, xs, queries / np.sqrt(keys.shape[2]), keys, values, alphas)


def hgrn2(layer, xs, start=None):
    queries, logits, values = projected(layer.inputs, xs)
    forget = layer.lower_bound + (1 - layer.lower_bound) * sigmoid(logits)
    keep = (1 - layer.lower_bound) * sigmoid(-logits)
    return decayed(layer, xs, silu(queries), keep, values, forget)


def lightnet(layer, xs, start=None):
    """Without a recurrence: at each token a softmax over all tokens so far, for each key by itself."""
    queries, keys, values = projected(layer.inputs, xs)
    ys = []
    for t, x in enumerate(xs):
        past = keys[: t + 1]
        weights = np.exp(past - past.max(0))
        weights = weights / weights.sum(0)
        state = np.einsum("shk,shv->hkv", weights, values[: t + 1])
        read = np.einsum("hkv,hk->hv", state, silu(queries[t]) / np.sqrt(keys.shape[2]))
        ys.append(read_out(layer.outputs, read, x))
    return np.stack(ys)


def mamba2(layer, xs, start=None):
    mixed = convolved(layer.convolution, xs @ np.asarray(layer.inputs).T)
    heads, size, groups = len(layer.D), layer.state_size, layer.n_groups
    inner = mixed.shape[1] - 2 * groups * size
    x, b, c = np.split(mixed, [inner, inner + groups * size], axis=1)
    x, b, c = x.reshape(len(xs), heads, -1), b.reshape(len(xs), groups, -1), c.reshape(len(xs), groups, -1)
    steps = softplus(xs @ np.asarray(layer.step_size).T + np.asarray(layer.dt_bias))
    decays = np.exp(-steps * np.exp(np.asarray(layer.A_log)))
    decays = 2 * decays - 1 if layer.allow_neg_eigval else decays
    state = np.zeros((heads, size, x.shape[2]))
    ys = []
    for t in range(len(xs)):
        read = np.empty(x.shape[1:])
        for h in range(heads):
            group = h // (heads // groups)
            state[h] = decays[t, h] * state[h] + steps[t, h] * np.outer(b[t, group], x[t, h])
            read[h] = state[h].T @ c[t, group] + np.asarray(layer.D)[h] * x[t, h]
        gated = read.reshape(-1) * silu(np.asarray(layer.gate) @ xs[t])
        normed = gated / np.sqrt(np.mean(gated**2) + 1e-5) * np.asarray(layer.scale)
        ys.append(np.asarray(layer.output) @ normed)
    return np.stack(ys)


def mlstm_gates(layer, xs):
    write = xs @ np.asarray(layer.input_gate).T + np.asarray(layer.input_bias)
    keep = xs @ np.asarray(layer.forget_gate).T + np.asarray(layer.forget_bias)
    if layer.gate_soft_cap is not None:
        write, keep = (layer.gate_soft_cap * np.tanh(gate / layer.gate_soft_cap) for gate in (write, keep))
    return write, keep if layer.forget_kind == "exp" else -softplus(-keep)


def mlstm(layer, xs, start=None):
    queries, keys, values = projected(layer.inputs, xs)
    write, keep = mlstm_gates(layer, xs)
    heads, size = keys.shape[1:]
    memory, normalizer = np.zeros((heads, size, values.shape[2])), np.zeros((heads, size))
    largest, ys = np.full(heads, -np.inf), []
    for t, x in enumerate(xs):
        before, largest = largest, np.maximum(keep[t] + largest, write[t])
        fades, writes = np.exp(keep[t] + before - largest), np.exp(write[t] - largest)
        key = writes[:, None] * keys[t] / np.sqrt(size)
        memory = fades[:, None, None] * memory + key[:, :, None] * values[t][:, None, :]
        normalizer = fades[:, None] * normalizer + key
        read = np.einsum("hkv,hk->hv", memory, queries[t])
        below = np.maximum(np.abs(np.sum(normalizer * queries[t], axis=1)), np.exp(-largest))
        ys.append(read_out(layer.outputs, read / below[:, None], x))
    return np.stack(ys)


def mlstm_unstabilised(layer, xs):
    """Without the maximum: gates as they are."""
    queries, keys, values = projected(layer.inputs, xs)
    write, keep = mlstm_gates(layer, xs)
    heads, size = keys.shape[1:]
    memory, normalizer, ys = np.zeros((heads, size, values.shape[2])), np.zeros((heads, size)), []
    for t, x in enumerate(xs):
        key = np.exp(write[t])[:, None] * keys[t] / np.sqrt(size)
        memory = np.exp(keep[t])[:, None, None] * memory + key[:, :, None] * values[t][:, None, :]
        normalizer = np.exp(keep[t])[:, None] * normalizer + key
        read = np.einsum("hkv,hk->hv", memory, queries[t])
        below = np.maximum(np.abs(np.sum(normalizer * queries[t], axis=1)), 1)
        ys.append(read_out(layer.outputs, read / below[:, None], x))
    return np.stack(ys)
