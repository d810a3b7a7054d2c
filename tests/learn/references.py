"""The equations of learning once more, in NumPy and by hand: what the engine is held against."""

import jax.numpy as jnp
import numpy as np
from scipy.integrate import solve_ivp

import linnet as ln


def random_moments(rng, num_in, num_out, dtype=np.float64):
    """Moments of a linear teacher with noise, all NumPy: xx, yx, yy."""
    root = rng.standard_normal((num_in, num_in)) / np.sqrt(num_in) + 0.5 * np.eye(num_in)
    xx = root @ root.T
    teacher = rng.standard_normal((num_out, num_in))
    yx = teacher @ xx
    yy = teacher @ xx @ teacher.T + 0.3 * np.eye(num_out)
    return tuple(a.astype(dtype) for a in (xx, yx, yy))


def product(weights):
    """W_D ... W_1."""
    out = weights[0]
    for weight in weights[1:]:
        out = weight @ out
    return out


def moment_loss(weights, xx, yx, yy):
    """The expanded form, with its constant."""
    w = product(weights)
    return 0.5 * np.trace(yy - 2 * w @ yx.T + w @ xx @ w.T)


def moment_gradients(weights, xx, yx):
    """dL/dW_l = (W_D ... W_{l+1})^T (W xx - yx) (W_{l-1} ... W_1)^T."""
    error = product(weights) @ xx - yx
    grads = []
    for index, weight in enumerate(weights):
        left = product(weights[index + 1 :]) if index + 1 < len(weights) else np.eye(weight.shape[0])
        right = product(weights[:index]) if index else np.eye(weight.shape[1])
        grads.append(left.T @ error @ right.T)
    return grads


def flow(gradients, weights, ts, rates=None):
    """Gradient flow by SciPy, tight: the list of weights at each time."""
    shapes = [w.shape for w in weights]
    sizes = np.cumsum([0] + [w.size for w in weights])
    rates = [1.0] * len(weights) if rates is None else rates

    def unpack(flat):
        return [flat[a:b].reshape(s) for a, b, s in zip(sizes, sizes[1:], shapes)]

    def field(_, flat):
        return -np.concatenate([r * g.ravel() for r, g in zip(rates, gradients(unpack(flat)))])

    start = np.concatenate([w.ravel() for w in weights])
    out = solve_ivp(field, (0, ts[-1]), start, "DOP853", t_eval=ts, rtol=1e-11, atol=1e-13)
    assert out.success
    return [unpack(flat) for flat in out.y.T]


def rnn_maps(params, steps):
    """C A^{T-i} B for the inputs i = 1 ... T."""
    b, a, c = params
    return [c @ np.linalg.matrix_power(a, steps - 1 - i) @ b for i in range(steps)]


def rnn_gradients(params, xx, yx):
    """The gradient of the loss on temporal moments by the chain rule, term by term."""
    b, a, c = params
    steps = len(yx)
    maps = rnn_maps(params, steps)
    power = np.linalg.matrix_power
    grads = [np.zeros_like(p) for p in params]
    for i in range(steps):
        error = sum(maps[j] @ xx[j, i] for j in range(steps)) - yx[i]
        k = steps - 1 - i
        grads[0] += (c @ power(a, k)).T @ error
        grads[2] += error @ (power(a, k) @ b).T
        for j in range(k):
            grads[1] += (c @ power(a, j)).T @ error @ (power(a, k - 1 - j) @ b).T
    return grads


def deep_linear(weights):
    """The network with these weights."""
    return ln.nn.DeepLinear(tuple(jnp.asarray(w) for w in weights))


def random_weights(rng, sizes, scale=0.3):
    """Gaussian weights of a chain."""
    return [scale * rng.standard_normal((b, a)) for a, b in zip(sizes, sizes[1:])]
