"""The independent side of the tests of deep linear theories: NumPy and SciPy on the raw weight equations."""

import numpy as np
import scipy.integrate


def chained(weights):
    """The product of weights, the first acting first."""
    product = np.eye(weights[0].shape[1])
    for weight in weights:
        product = weight @ product
    return product


def gradients(weights, xx, yx):
    """The descent directions of all weights, written out as products."""
    error = yx - chained(weights) @ xx
    found = []
    for layer in range(len(weights)):
        before = chained(weights[:layer]) if layer else np.eye(weights[0].shape[1])
        after = chained(weights[layer + 1 :]) if layer + 1 < len(weights) else np.eye(weights[-1].shape[0])
        found.append(after.T @ error @ before.T)
    return found


def integrate(weights, xx, yx, ts, rtol=1e-11, atol=1e-14, method="DOP853"):
    """All weights of a deep linear network at the times `ts`, by SciPy."""
    shapes = [np.shape(weight) for weight in weights]
    borders = np.cumsum([0, *(np.prod(shape) for shape in shapes)])

    def unpack(flat):
        return [flat[a:b].reshape(shape) for a, b, shape in zip(borders[:-1], borders[1:], shapes)]

    def field(t, flat):
        return np.concatenate([g.ravel() for g in gradients(unpack(flat), xx, yx)])

    start = np.concatenate([np.ravel(weight) for weight in weights])
    solution = scipy.integrate.solve_ivp(
        field, (0, ts[-1]), start, t_eval=ts, rtol=rtol, atol=atol, method=method, max_step=np.inf
    )
    assert solution.success, solution.message
    return [unpack(column) for column in solution.y.T]


def loss(linear_map, xx, yx, yy):
    """The loss in its expanded form."""
    return 0.5 * np.trace(yy - 2 * linear_map @ yx.T + linear_map @ xx @ linear_map.T)


def orthonormal(rng, rows, columns):
    """Random orthonormal columns."""
    return np.linalg.qr(rng.normal(size=(rows, columns)))[0]


def white_task(rng, num_in, num_out, variance=1.0, rank=None):
    """Moments of white inputs and noisy targets: xx, yx, yy."""
    num = min(num_in, num_out)
    values = np.sort(rng.uniform(0.2, 2.0, num))[::-1]
    values[num if rank is None else rank :] = 0
    yx = (orthonormal(rng, num_out, num) * values) @ orthonormal(rng, num_in, num).T
    return variance * np.eye(num_in), yx, yx @ yx.T / variance + 0.1 * np.eye(num_out)


def diagonal_task(rng, num_in, num_out):
    """Moments of inputs that are diagonal in the basis of the modes (and anything outside it): xx, yx, yy."""
    num = min(num_in, num_out)
    basis = orthonormal(rng, num_in, num_in)
    outside = rng.normal(size=(num_in - num, num_in - num))
    inner = np.zeros((num_in, num_in))
    inner[:num, :num] = np.diag(rng.uniform(0.4, 2.5, num))
    inner[num:, num:] = outside @ outside.T
    xx = basis @ inner @ basis.T
    values = np.sort(rng.uniform(0.3, 1.5, num))[::-1]
    yx = (orthonormal(rng, num_out, num) * values) @ basis[:, :num].T
    return xx, yx, yx @ np.linalg.pinv(xx) @ yx.T + 0.1 * np.eye(num_out)


def half_time(ts, strengths, final):
    """The first passing of half the final value, by linear interpolation, one mode at a time."""
    times = []
    for curve, end in zip(strengths.T, final):
        index = np.argmax(curve / end >= 0.5)
        fraction = (0.5 * end - curve[index - 1]) / (curve[index] - curve[index - 1])
        times.append(ts[index - 1] + fraction * (ts[index] - ts[index - 1]))
    return np.array(times)


def train_ensemble(weights, yx, step, num_steps):
    """The map of every member over time on white inputs, by classical Runge-Kutta on all members at once.

    Args:
        weights: each "member out in".
        yx: input-output moments.
        step: time step.
        num_steps: steps.

    Returns:
        Times, and maps "time member out in".
    """

    def field(weights):
        forward = [weights[0]]
        for weight in weights[1:]:
            forward.append(weight @ forward[-1])
        back = yx - forward[-1]
        found = []
        for layer in range(len(weights) - 1, -1, -1):
            found.insert(0, back @ np.swapaxes(forward[layer - 1], 1, 2) if layer else back)
            back = np.swapaxes(weights[layer], 1, 2) @ back
        return found, forward[-1]

    maps = []
    for _ in range(num_steps + 1):
        first, linear_map = field(weights)
        maps.append(linear_map)
        second = field([w + step / 2 * k for w, k in zip(weights, first)])[0]
        third = field([w + step / 2 * k for w, k in zip(weights, second)])[0]
        fourth = field([w + step * k for w, k in zip(weights, third)])[0]
        slopes = zip(weights, first, second, third, fourth)
        weights = [w + step / 6 * (a + 2 * b + 2 * c + d) for w, a, b, c, d in slopes]
    return step * np.arange(num_steps + 1), np.array(maps)
