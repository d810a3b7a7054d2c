"""Oracles of the time-invariant layers: the papers' recurrences as token loops in NumPy, from the parameters alone."""

import numpy as np
import scipy.linalg
import scipy.special


def _output(layer, ys):
    """What follows the state space model; GELU by the error function."""
    if layer.output.kind == "none":
        return ys
    weight, bias = np.asarray(layer.output.weight), np.asarray(layer.output.bias)
    active = ys * (1 + scipy.special.erf(ys / np.sqrt(2))) / 2
    mixed = active @ weight.T + bias
    if layer.output.kind == "linear":
        return mixed
    if layer.output.kind == "half_glu":
        return active * scipy.special.expit(mixed)
    size = len(bias) // 2
    return mixed[..., :size] * scipy.special.expit(mixed[..., size:])


def _complex(pair):
    return np.asarray(pair[0]) + 1j * np.asarray(pair[1])


def s4d(layer, xs):
    """Zero-order hold, or the bilinear rule, of x' = a x + u for each state."""
    a = -np.exp(np.asarray(layer.log_decay)) + 1j * np.asarray(layer.frequency)
    dt = np.exp(np.asarray(layer.log_dt))[:, None]
    if layer.discretisation == "zoh":
        step, drive = np.exp(dt * a), np.expm1(dt * a) / a
    else:
        step, drive = (1 + dt / 2 * a) / (1 - dt / 2 * a), dt / (1 - dt / 2 * a)
    c, d = _complex(layer.read_out), np.asarray(layer.skip)
    state, ys = np.zeros_like(a), []
    for x in xs:
        state = step * state + drive * x[:, None]
        ys.append(2 * np.sum(c * state, axis=1).real + d * x)
    return _output(layer, np.array(ys))


def s5(layer, xs):
    real, imaginary = np.asarray(layer.eigenvalues)
    a = (np.minimum(real, -1e-4) if layer.clip_eigs else real) + 1j * imaginary
    dt = np.exp(np.asarray(layer.log_dt))
    if layer.discretisation == "zoh":
        step, drive = np.exp(dt * a), np.expm1(dt * a) / a
    else:
        step, drive = (1 + dt / 2 * a) / (1 - dt / 2 * a), dt / (1 - dt / 2 * a)
    b, c, d = drive[:, None] * _complex(layer.read_in), _complex(layer.read_out), np.asarray(layer.skip)
    state, ys = np.zeros_like(a), []
    for x in xs:
        state = step * state + b @ x
        ys.append((2 if layer.conj_sym else 1) * (c @ state).real + d * x)
    return _output(layer, np.array(ys))


def lru(layer, xs):
    poles = np.exp(-np.exp(np.asarray(layer.nu_log)) + 1j * np.exp(np.asarray(layer.theta_log)))
    b = np.exp(np.asarray(layer.gamma_log))[:, None] * _complex(layer.read_in)
    c, d = _complex(layer.read_out), np.asarray(layer.skip)
    state, ys = np.zeros_like(poles), []
    for x in xs:
        state = poles * state + b @ x
        ys.append((c @ state).real + d * x)
    return _output(layer, np.array(ys))


def lssl(layer, xs):
    """The bilinear rule by inverses, for each feature."""
    a, b, c = (np.asarray(part) for part in (layer.transition, layer.read_in, layer.read_out))
    one, columns = np.eye(len(a)), []
    for feature, dt in enumerate(np.exp(np.asarray(layer.log_dt))):
        inverse = np.linalg.inv(one - dt / 2 * a)
        step, drive = inverse @ (one + dt / 2 * a), inverse @ b * dt
        state, found = np.zeros(len(a)), []
        for x in xs[:, feature]:
            state = step @ state + drive * x
            found.append(c[feature] @ state + np.asarray(layer.skip)[feature] * x)
        columns.append(found)
    return _output(layer, np.transpose(columns, (1, 0, 2)).reshape(len(xs), -1))


def s4(layer, xs):
    """The same for the full complex matrix of all conjugate pairs."""
    half = -np.exp(np.asarray(layer.log_decay)) + 1j * np.asarray(layer.frequency)
    low_rank, inputs, c = (_complex(part) for part in (layer.low_rank, layer.read_in, layer.read_out))
    columns = []
    for feature, dt in enumerate(np.exp(np.asarray(layer.log_dt))):
        p, b, row = (np.concatenate([part[feature], part[feature].conj()]) for part in (low_rank, inputs, c))
        a = np.diag(np.concatenate([half[feature], half[feature].conj()])) - p @ p.conj().T
        one = np.eye(len(a))
        step = np.linalg.solve(one - dt / 2 * a, one + dt / 2 * a)
        drive, state, found = np.linalg.solve(one - dt / 2 * a, dt * b), np.zeros(len(a), complex), []
        for x in xs[:, feature]:
            state = step @ state + drive * x
            found.append((row @ state).real + layer.skip[feature] * x)
        columns.append(found)
    return _output(layer, np.array(columns).T)
