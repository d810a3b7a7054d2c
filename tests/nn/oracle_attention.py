"""Softmax attention as a token loop in NumPy."""

import numpy as np


def softmax_attention(layer, xs):
    """Each token looks at itself and those before it; positions turn pairs of features."""
    query, key, value, output = (np.asarray(w) for w in (layer.query, layer.key, layer.value, layer.output))
    size = query.shape[0] // layer.num_heads
    half = size // 2

    def turned(vector, position):
        if not layer.rotary:
            return vector
        pairs = vector[:half] + 1j * vector[half : 2 * half]
        pairs = pairs * np.exp(1j * position * 10_000.0 ** (-np.arange(half) / half))
        return np.concatenate([pairs.real, pairs.imag, vector[2 * half :]])

    ys = []
    for t in range(len(xs)):
        parts = []
        for head in range(layer.num_heads):
            rows = slice(head * size, (head + 1) * size)
            asked = turned(query[rows] @ xs[t], t)
            scores = np.array([asked @ turned(key[rows] @ xs[s], s) for s in range(t + 1)]) / np.sqrt(size)
            weights = np.exp(scores - scores.max())
            parts.append(sum(w * (value[rows] @ xs[s]) for s, w in enumerate(weights)) / weights.sum())
        ys.append(output @ np.concatenate(parts))
    return np.array(ys)
