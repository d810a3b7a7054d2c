"""Aligned recurrent modes against SciPy's integration of the full weight matrices, written out as sums."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import scipy.integrate

import linnet as ln
from tests.compilations import count_compilations
from tests.tolerances import assert_close

# Directions out of alignment are unstable while a mode is weak: rounding grows like exp(s t), so not for long.
TS = jnp.linspace(0.0, 5.0, 26)
STEPS, IN, HIDDEN, OUT = 4, 4, 5, 3
MODES = ln.theory.LinearRNNModes()


def orthonormal(rng, rows, columns):
    return np.linalg.qr(rng.normal(size=(rows, columns)))[0]


def integrate(weights, yx, xx=None):
    """The gradient flow of the weights, by the sums over steps of the equations (targets: the last step or every step).

    Args:
        weights: input, recurrent and output weights.
        yx: "step out in" or "step step out in".
        xx: "step step in in"; white if None.
    """
    steps, shapes = yx.shape[0], [w.shape for w in weights]
    cuts = np.cumsum([w.size for w in weights])[:-1]
    white = np.einsum("st,ij->stij", np.eye(steps), np.eye(yx.shape[-1]))
    xx = white if xx is None else xx
    targets = [(steps - 1, yx)] if yx.ndim == 3 else [(t, yx[t]) for t in range(steps)]

    def field(t, flat):
        w_in, w_rec, w_out = (part.reshape(shape) for part, shape in zip(np.split(flat, cuts), shapes))
        power = [np.linalg.matrix_power(w_rec, k) for k in range(steps)]
        d_in, d_rec, d_out = (np.zeros(shape) for shape in shapes)
        for end, cross in targets:
            maps = [w_out @ power[end - i] @ w_in for i in range(end + 1)]
            for i in range(end + 1):
                error = cross[i] - sum(maps[j] @ xx[j, i] for j in range(end + 1))
                d_in += power[end - i].T @ w_out.T @ error
                d_out += error @ w_in.T @ power[end - i].T
                for r in range(end - i):
                    d_rec += power[r].T @ w_out.T @ error @ w_in.T @ power[end - i - 1 - r].T
        return np.concatenate([d_in.ravel(), d_rec.ravel(), d_out.ravel()])

    start = np.concatenate([w.ravel() for w in weights])
    ts = np.asarray(TS)
    solved = scipy.integrate.solve_ivp(
        field, (0, ts[-1]), start, t_eval=ts, rtol=1e-10, atol=1e-12, method="DOP853"
    ).y.T
    return [part.reshape(-1, *shape) for part, shape in zip(np.split(solved, cuts, axis=1), shapes)]


def aligned(rng, a, b, c):
    u, v, r = orthonormal(rng, OUT, 3), orthonormal(rng, IN, 3), orthonormal(rng, HIDDEN, 3)
    return (r * a) @ v.T, (r * b) @ r.T, (u * c) @ r.T, u, v, r


def check(task, weights, solved, u, v, theory=MODES):
    """The prediction against the integrated matrices: maps, loss, and modes."""
    network = ln.nn.LinearRNN(*(jnp.array(w) for w in weights))
    predicted = ln.theory.predict(network, task, TS, theory=theory)
    w_in, w_rec, w_out = solved
    maps = np.stack([w_out @ np.linalg.matrix_power(w_rec, STEPS - 1 - i) @ w_in for i in range(STEPS)], axis=1)
    modes = task.singular_modes()
    by_step = np.einsum("om,tsoi,im->tsm", modes.left, maps, modes.right)
    assert_close(predicted["step_mode_strengths"], by_step, "ode")
    profile = np.asarray(modes.step_singular_values / modes.singular_values)
    assert_close(predicted["mode_strengths"], np.sum(profile * by_step, axis=1), "ode")
    return predicted, maps, w_rec


def test_last_target():
    rng = np.random.default_rng(0)
    *weights, u, v, r = aligned(rng, np.array([0.3, 0.2, -0.1]), np.array([0.4, -0.2, 0.1]), np.array([0.1, 0.3, 0.2]))
    s = rng.normal(size=(STEPS, 3))
    yx = np.einsum("om,tm,im->toi", u, s, v)
    task = ln.tasks.TemporalMoments(None, jnp.array(yx), jnp.eye(OUT) * 20)
    predicted, maps, w_rec = check(task, weights, integrate(weights, yx), u, v)
    loss = 0.5 * (60 - np.sum(yx**2)) + 0.5 * np.sum((yx - maps) ** 2, axis=(1, 2, 3))
    assert_close(predicted["loss"], loss, "ode")
    # the modes themselves: the eigenvalues of the integrated recurrent weights on the modes' hidden directions
    b = np.einsum("hm,thk,km->tm", r, w_rec, r)
    np.testing.assert_allclose(np.sort(predicted["recurrent_modes"]), np.sort(b), rtol=1e-6, atol=1e-8)
    conserved = predicted["input_modes"] ** 2 - predicted["output_modes"] ** 2
    assert np.max(np.abs(conserved - conserved[0])) < 1e-7


def test_every_step_and_fewer_modes_than_directions():
    rng = np.random.default_rng(1)
    *weights, u, v, _ = aligned(rng, np.array([0.3, 0.2, 0.0]), np.array([0.4, -0.2, 0.0]), np.array([0.1, 0.3, 0.0]))
    s = np.tril(rng.normal(size=(3, STEPS, STEPS))).transpose(1, 2, 0)
    s[..., 2] = 0
    yx = np.einsum("om,tsm,im->tsoi", u, s, v)
    task = ln.tasks.SequenceMoments(None, jnp.array(yx), jnp.eye(OUT) * 40)
    predicted, maps, _ = check(task, weights, integrate(weights, yx), u, v)
    causal = sum(
        np.sum((yx[t, i] - maps[:, STEPS - 1 - (t - i)]) ** 2, axis=(1, 2)) for t in range(STEPS) for i in range(t + 1)
    )
    assert_close(predicted["loss"], 0.5 * (120 - np.sum(yx**2)) + 0.5 * causal, "ode")


@pytest.mark.parametrize("every_step", [False, True])
def test_inputs_correlated_over_time(every_step):
    rng = np.random.default_rng(2)
    *weights, u, v, _ = aligned(rng, np.array([0.3, 0.2, -0.1]), np.array([0.4, -0.2, 0.1]), np.array([0.1, 0.3, 0.2]))
    full = np.hstack([v, scipy.linalg.null_space(v.T)])
    roots = rng.normal(size=(IN, STEPS, STEPS)) / STEPS
    memory = np.einsum("mst,mrt->msr", roots, roots) + 0.5 * np.eye(STEPS)
    xx = np.einsum("im,mst,jm->stij", full, memory, full)
    s = rng.normal(size=(STEPS, STEPS, 3) if every_step else (STEPS, 3))
    s = s * np.tril(np.ones((STEPS, STEPS)))[..., None] if every_step else s
    yx = np.einsum("om,...m,im->...oi", u, s, v)
    kind = ln.tasks.SequenceMoments if every_step else ln.tasks.TemporalMoments
    task = kind(jnp.array(xx), jnp.array(yx), jnp.eye(OUT) * 400)
    check(task, weights, integrate(weights, yx, xx), u, v)


def rotation(radius, angle):
    blocks = [r * np.array([[np.cos(p), -np.sin(p)], [np.sin(p), np.cos(p)]]) for r, p in zip(radius, angle)]
    return scipy.linalg.block_diag(*blocks)


@pytest.mark.slow
def test_rotating_modes():
    rng = np.random.default_rng(3)
    u, v, r = orthonormal(rng, 5, 4), orthonormal(rng, 4, 4), orthonormal(rng, 6, 4)
    a, b, c = rotation([0.2, 0.3], [0.4, 1.0]), rotation([0.3, 0.1], [0.1, -0.2]), rotation([0.2, 0.1], [-0.3, 0.4])
    weights = r @ a @ v.T, r @ b @ r.T, u @ c @ r.T
    maps = [rotation([0.9**k, 0.6 * 0.7**k], [0.5 * k, -0.8 * k]) for k in range(STEPS - 1, -1, -1)]
    yx = np.stack([u @ m @ v.T for m in maps])
    task = ln.tasks.TemporalMoments(None, jnp.array(yx), jnp.eye(5))
    theory = ln.theory.LinearRNNModes(rotating=True)
    network = ln.nn.LinearRNN(*(jnp.array(w) for w in weights))
    assert (
        not ln.theory.LinearRNNModes().assumptions(network, task, ln.learn.GradientFlow(), ln.SquaredError())[0].holds
    )
    predicted, _, w_rec = check(task, weights, integrate(weights, yx), u, v, theory)
    eigenvalues = np.linalg.eigvals(np.einsum("hm,hk,kn->mn", r, w_rec[-1], r))
    radius, angle = predicted["recurrent_modes_radius"][-1], predicted["recurrent_modes_angle"][-1]
    order = np.argsort(angle), np.argsort(np.angle(eigenvalues))
    np.testing.assert_allclose((radius * np.exp(1j * angle))[order[0]], eigenvalues[order[1]], rtol=1e-6)
    assert all(not jnp.iscomplexobj(value) for value in predicted.values.values())


def test_predict_chooses_the_modes_and_compiles_once():
    rng = np.random.default_rng(4)
    tasks, networks = [], []
    for _ in range(2):
        *weights, u, v, _ = aligned(rng, rng.normal(size=3), 0.3 * rng.normal(size=3), rng.normal(size=3))
        yx = np.einsum("om,tm,im->toi", u, rng.normal(size=(STEPS, 3)), v)
        tasks.append(ln.tasks.TemporalMoments(None, jnp.array(yx), jnp.eye(OUT) * 40))
        networks.append(ln.nn.LinearRNN(*(jnp.array(w) for w in weights)))
    assert ln.theory.predict(networks[0], tasks[0], TS).theory == "LinearRNNModes"
    with count_compilations() as compilations:
        assert ln.theory.predict(networks[1], tasks[1], TS).theory == "LinearRNNModes"
    assert not compilations
    assert ln.theory.predict(networks[0], tasks[1], TS).theory == "MomentFlow"  # aligned with another task


def test_two_rotations_are_refused():
    """The paper's own form, W_h = R_y b R_x^T with different rotations, is not diagonal in its powers."""
    rng = np.random.default_rng(5)
    first, _, _, u, v, r = aligned(rng, np.full(3, 0.3), np.full(3, 0.4), np.full(3, 0.2))
    other = orthonormal(rng, HIDDEN, 3)
    network = ln.nn.LinearRNN(*(jnp.array(w) for w in (first, 0.4 * other @ r.T, 0.2 * u @ other.T)))
    task = ln.tasks.TemporalMoments(
        None, jnp.array(np.einsum("om,tm,im->toi", u, rng.normal(size=(STEPS, 3)), v)), jnp.eye(OUT) * 40
    )
    with pytest.raises(ValueError, match="aligned weights fails.*MomentFlow"):
        ln.theory.predict(network, task, TS, theory=MODES)


@pytest.mark.parametrize("size", [1e-3, 1e-2])
def test_errors_are_as_small_as_what_is_neglected(size):
    """Weights and moments off by a relative `size` move the true curve away from the prediction by about as much."""
    rng = np.random.default_rng(6)
    *weights, u, v, _ = aligned(rng, np.array([0.3, 0.2, -0.1]), np.array([0.4, -0.2, 0.1]), np.array([0.1, 0.3, 0.2]))
    yx = np.einsum("om,tm,im->toi", u, rng.normal(size=(STEPS, 3)), v)
    off = [w + size * np.linalg.norm(w) * (n := rng.normal(size=w.shape)) / np.linalg.norm(n) for w in weights]
    task = ln.tasks.TemporalMoments(None, jnp.array(yx), jnp.eye(OUT) * 40)
    network = ln.nn.LinearRNN(*(jnp.array(w) for w in off))
    predicted = ln.theory.predict(network, task, TS, theory=MODES, strict=False)
    value = float(next(a for a in predicted.assumptions if a.name == "aligned weights").value)
    assert 0.3 * size < value < 3 * size
    exact = ln.theory.predict(network, task, TS, theory=ln.theory.MomentFlow())
    assert ln.compare.difference(exact, predicted).relative["mode_strengths"] < 10 * size


@pytest.mark.slow
def test_small_random_weights():
    profile = jnp.array([1.1, 0.8, 0.5]) * jnp.array([0.5, 0.9, -0.4]) ** jnp.arange(5, -1, -1)[:, None]
    rng = np.random.default_rng(7)
    yx = np.einsum("om,tm,im->toi", orthonormal(rng, OUT, 3), profile, orthonormal(rng, IN, 3))
    task = ln.tasks.TemporalMoments(None, jnp.array(yx), jnp.eye(OUT) * 40)
    ts = jnp.linspace(0.0, 30.0, 1201)
    theory = ln.theory.SmallRecurrentInitialization()
    for seed in range(2):
        network = ln.nn.small(1e-3)(ln.nn.LinearRNN, (IN, 32, OUT), key=jr.key(seed))
        predicted = ln.theory.predict(network, task, ts, theory=theory)
        exact = ln.theory.predict(network, task, ts)
        assert exact.theory == "MomentFlow"
        np.testing.assert_allclose(predicted.half_times(), exact.half_times(), rtol=0.05)
    large = ln.nn.small(0.1)(ln.nn.LinearRNN, (IN, 32, OUT), key=jr.key(0))
    with pytest.raises(ValueError, match="small weights fails"):
        ln.theory.predict(large, task, ts, theory=theory)
