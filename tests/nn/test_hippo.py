"""HiPPO matrices against the functions they project on, discretisations against SciPy, timescales, initial values."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import scipy.linalg
import scipy.signal
import scipy.special
import scipy.stats

from linnet import nn
from linnet.nn._discretise import exponential_mean
from tests.tolerances import assert_close

MEMORIES = {"LegS": nn.LegS(), "LegT": nn.LegT(), "FouT": nn.FouT()}


def impulse(kind, size, time):
    """$e^{tA} B$ by SciPy."""
    matrix, inputs = nn.hippo(kind, size)
    return scipy.linalg.expm(time * matrix) @ inputs


@pytest.mark.parametrize("size", [1, 7, 32])
def test_legs_projects_on_warped_legendre_polynomials(size):
    order = np.arange(size)
    for time in (0.1, 0.5, 1.0, 3.0):
        shrunk = np.exp(-time)
        expected = shrunk * np.sqrt(2 * order + 1) * scipy.special.eval_legendre(order, 2 * shrunk - 1)
        np.testing.assert_allclose(impulse("LegS", size, time), expected, atol=1e-12)
        np.testing.assert_allclose(nn.LegS().basis(np.array([time]), size)[0], expected, atol=1e-13)


def legt(time, order):
    return (-1.0) ** order * np.sqrt(2 * order + 1) * scipy.special.eval_legendre(order, 2 * time - 1)


def fout(time, order):
    frequency = (order + 1) // 2
    waves = np.where(order % 2, np.cos(2 * np.pi * frequency * time), np.sin(2 * np.pi * frequency * time))
    return np.where(order == 0, 1.0, np.sqrt(2) * waves)


# Measured: the gap of the first three functions within the window and after it, at two sizes.
@pytest.mark.parametrize(
    ("kind", "formula", "few", "many", "bounds"),
    [("LegT", legt, 16, 64, (0.13, 0.07)), ("FouT", fout, 17, 257, (0.06, 0.005))],
)
def test_windows_are_approached_with_more_states(kind, formula, few, many, bounds):
    times, order, gaps = np.array([0.3, 0.5, 1.2]), np.arange(3), []
    for size, bound in zip((few, many), bounds):
        expected = np.array([formula(time, order) * (time < 1) for time in times])
        np.testing.assert_allclose(MEMORIES[kind].basis(times, size)[:, :3], expected, atol=1e-13)
        gap = np.max(np.abs([impulse(kind, size, time)[:3] for time in times] - expected))
        assert gap < bound
        gaps.append(gap)
    assert gaps[1] < 0.6 * gaps[0]


@pytest.mark.parametrize("size", [2, 7, 16, 64])
@pytest.mark.parametrize("kind", MEMORIES)
def test_normal_plus_low_rank_is_the_matrix(kind, size):
    matrix, inputs = nn.hippo(kind, size)
    found = nn.nplr(kind, size)
    middle = np.diag(found.eigenvalues) - found.low_rank @ found.low_rank.conj().T
    scale = np.max(np.abs(matrix))
    np.testing.assert_allclose(found.vectors @ middle @ found.vectors.conj().T, matrix, atol=1e-13 * scale)
    np.testing.assert_allclose(found.vectors @ found.inputs, inputs, atol=1e-12)
    np.testing.assert_allclose(found.vectors.conj().T @ found.vectors, np.eye(size), atol=1e-13)
    # Half of it is all of it: conjugate pairs.
    half = size // 2
    np.testing.assert_allclose(found.eigenvalues[:half], found.eigenvalues[::-1][:half].conj(), atol=1e-11 * scale)
    projector = found.vectors[:, :half] @ found.vectors[:, :half].conj().T
    rest = found.vectors[:, half : size - half] @ found.vectors[:, half : size - half].conj().T
    np.testing.assert_allclose(2 * projector.real + rest, np.eye(size), atol=1e-12)
    expected = -0.5 if kind == "LegS" else 0.0
    np.testing.assert_allclose(found.eigenvalues.real, expected, atol=1e-12)
    assert np.all(np.linalg.eigvals(matrix).real < 1e-9)


@pytest.mark.parametrize(("method", "theirs", "alpha"), [
    ("zoh", "zoh", None), ("bilinear", "bilinear", None), ("euler", "euler", None),
    ("backward_euler", "backward_diff", None), (0.3, "gbt", 0.3),
])  # fmt: skip
def test_discretisations_are_those_of_scipy(method, theirs, alpha):
    rng = np.random.default_rng(0)
    matrix, inputs = nn.hippo("LegS", 6)
    inputs = np.stack([inputs, rng.normal(size=6)], axis=1)
    system = (matrix, inputs, np.eye(6), np.zeros((6, 2)))
    expected = scipy.signal.cont2discrete(system, 0.2, method=theirs, alpha=alpha)
    found = nn.discretise_dense(jnp.asarray(matrix), jnp.asarray(inputs), jnp.asarray(0.2), method)
    for mine, other in zip(found, expected):
        np.testing.assert_allclose(mine, other, rtol=1e-10, atol=1e-12)
    # Diagonal: SciPy takes complex systems too.
    poles = np.array([-0.5 + 3j, -2.0 - 1j, -0.1])
    expected = scipy.signal.cont2discrete((np.diag(poles), np.eye(3), np.eye(3), 0 * np.eye(3)), 0.3, theirs, alpha)
    step, factor = nn.discretise_diagonal(jnp.asarray(poles), jnp.asarray(0.3), method)
    np.testing.assert_allclose(np.diag(step), expected[0], atol=1e-12)
    np.testing.assert_allclose(np.diag(factor), expected[1], atol=1e-12)


def test_zero_order_hold_has_its_limit():
    tiny = np.array([0.0, 1e-300, -1e-17, 1e-9, -1e-5, 9e-4, -1.1e-3, 0.3])
    exact = np.array([1 + z / 2 + z**2 / 6 + z**3 / 24 + z**4 / 120 for z in tiny[:-1]] + [np.expm1(0.3) / 0.3])
    np.testing.assert_allclose(exponential_mean(jnp.asarray(tiny)), exact, rtol=2e-14)
    turned = exponential_mean(1j * jnp.asarray(tiny))
    np.testing.assert_allclose(turned.real, np.sinc(tiny / np.pi), rtol=1e-13)
    slope = jax.vmap(jax.grad(exponential_mean))(jnp.asarray(tiny))
    np.testing.assert_allclose(slope[:-1], 0.5 + tiny[:-1] / 3 + tiny[:-1] ** 2 / 8, rtol=1e-8)
    # Integrators: x' = u.
    step, factor = nn.discretise_diagonal(jnp.zeros(2), jnp.asarray(0.3), "zoh")
    np.testing.assert_allclose([step, factor], [[1, 1], [0.3, 0.3]])
    step, drive = nn.discretise_dense(jnp.zeros((2, 2)), jnp.ones(2), jnp.asarray(0.3), "zoh")
    np.testing.assert_allclose(drive, 0.3, rtol=1e-14)


def test_timescales():
    assert nn.timescale_range(10, 1000) == pytest.approx((1e-3, 1e-1))
    layer = nn.S4D(512, 2, dt_min=1e-3, dt_max=1e-1, key=jr.key(0))
    # Kolmogorov and Smirnov: uniform logarithms at 5 sigma.
    steps = (np.asarray(layer.log_dt) - np.log(1e-3)) / np.log(100)
    assert scipy.stats.kstest(steps, "uniform").pvalue > 1e-6
    # Of a slow input every second step is nearly enough.
    layer = nn.S4D(3, 8, output="none", dt_min=0.005, dt_max=0.01, key=jr.key(0))
    layer = eqx.tree_at(lambda found: found.skip, layer, jnp.zeros(3))
    xs = jnp.sin(jnp.arange(400)[:, None] / 100 + jnp.arange(3))
    full, half = layer(xs)[0][1::2], nn.resample(layer, 2.0)(xs[::2])[0]
    wrong = layer(xs[::2])[0]
    scale = jnp.max(jnp.abs(full))
    assert jnp.max(jnp.abs(half - full)) < 0.03 * scale < 0.3 * scale < jnp.max(jnp.abs(wrong - full))


def test_lru_begins_on_its_ring_with_states_of_variance_one():
    num, low, high, phase = 4000, 0.6, 0.99, 1.0
    layer = nn.LRU(8, num, r_min=low, r_max=high, max_phase=phase, output="none", key=jr.key(0))
    poles = np.asarray(layer.poles())
    area = (np.abs(poles) ** 2 - low**2) / (high**2 - low**2)
    for uniform in (area, np.angle(poles) / phase):
        assert scipy.stats.kstest(uniform, "uniform").pvalue > 1e-6
    # E |h|^2 = sum |lambda|^2t e^{2 gamma} |B|^2, with B of variance 1 / 2H in both parts: 1 for each state.
    b = np.asarray(layer.read_in)
    power = np.exp(2 * np.asarray(layer.gamma_log)) * np.sum(b**2, axis=(0, 2)) / (1 - np.abs(poles) ** 2)
    assert np.mean(power) == pytest.approx(1, abs=5 * np.sqrt(1 / 8 / num))
    # By simulation, long after the start: states of one sequence are correlated, 64 sequences are not (5 sigma).
    layer = nn.LRU(8, 200, r_min=low, r_max=high, max_phase=phase, output="none", key=jr.key(0))
    xs = jnp.asarray(np.random.default_rng(0).normal(size=(64, 400, 8)))
    last = eqx.filter_jit(eqx.filter_vmap(lambda layer, x: layer(x)[1], in_axes=(None, 0)))
    power = jnp.mean(jnp.sum(last(layer, xs) ** 2, axis=1), axis=1)
    assert float(jnp.mean(power)) == pytest.approx(1, abs=5 * float(jnp.std(power)) / 8)
    bare = eqx.tree_at(lambda found: found.gamma_log, layer, jnp.zeros(200))
    assert float(jnp.mean(last(bare, xs) ** 2)) > 1.5


@pytest.mark.parametrize("init", ["legs", "lin", "inv"])
def test_diagonal_inits(init):
    layer = nn.S4D(2, 8, init=init, key=jr.key(0))
    poles = np.asarray(layer.poles())
    index = np.arange(4)
    if init == "legs":
        matrix, inputs = nn.hippo("LegS", 8)
        found = np.linalg.eigvals(matrix + 0.5 * np.outer(inputs, inputs))
        expected = found[found.imag > 0][np.argsort(-found.imag[found.imag > 0])]
    elif init == "lin":
        expected = -0.5 + 1j * np.pi * index
    else:
        expected = -0.5 + 1j * 8 / np.pi * (8 / (2 * index + 1) - 1)
    assert_close(poles, np.tile(expected, (2, 1)), "closed_form")


def test_s5_begins_as_blocks_of_legs():
    layer = nn.S5(6, 12, num_blocks=3, key=jr.key(0))
    poles = np.asarray(layer.poles()).reshape(3, 2)
    assert_close(poles, np.tile(nn.nplr("LegS", 4).eigenvalues[:2], (3, 1)), "exact")
    every = nn.S5(6, 12, num_blocks=3, conj_sym=False, key=jr.key(0))
    # In the basis of LegS: B and C are real and complex Gaussian, V B in real numbers.
    vectors = np.kron(np.eye(3), nn.nplr("LegS", 4).vectors)
    pair = np.asarray(every.read_in)
    back = vectors @ (pair[0] + 1j * pair[1])
    assert np.max(np.abs(back.imag)) < 1e-12 and 0.5 < np.var(back.real) * 6 < 1.6
    clipped = nn.S5(6, 4, clip_eigs=True, key=jr.key(0))
    clipped = eqx.tree_at(lambda found: found.eigenvalues, clipped, clipped.eigenvalues + 1)
    assert np.all(np.asarray(clipped.poles()).real == -1e-4)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: nn.hippo("LegU", 4), "There is no HiPPO memory 'LegU': choose from LegS, LegT, FouT"),
        (lambda: nn.hippo("legs", 0), "at least 1 state, got 0"),
        (lambda: nn.S4D(4, 3, key=jr.key(0)), "even state_size of at least 2, got 3"),
        (lambda: nn.S4D(4, 4, init="real", key=jr.key(0)), "choose from legs, lin, inv"),
        (lambda: nn.S4D(4, 4, dt_min=0.2, key=jr.key(0)), "needs 0 < dt_min <= dt_max, got 0.2 and 0.1"),
        (lambda: nn.S4D(4, 4, discretisation="foh", key=jr.key(0)), "no discretisation 'foh'"),
        (lambda: nn.S4D(4, 4, discretisation=1.5, key=jr.key(0)), "between 0 and 1, got 1.5"),
        (lambda: nn.S4D(4, 4, output="relu", key=jr.key(0)), "choose from none, linear, glu, half_glu"),
        (lambda: nn.S5(4, 6, num_blocks=2, key=jr.key(0)), "each of even size, got 6 and 2"),
        (lambda: nn.LRU(4, r_min=0.9, r_max=0.5, key=jr.key(0)), "0 <= r_min < r_max <= 1, got 0.9 and 0.5"),
        (lambda: nn.LRU(4, max_phase=7.0, key=jr.key(0)), "at most 2 pi, got 7.0"),
        (lambda: nn.timescale_range(0), "0 < shortest <= longest"),
        (lambda: nn.resample(nn.LRU(4, key=jr.key(0)), 2.0), "LRU has none"),
        (
            lambda: nn.S4D(2, 4, mode="fft", key=jr.key(0))(jnp.zeros((3, 2)), resets=jnp.zeros(3, bool)),
            "S4D cannot forget in the mode 'fft'.*Choose from auto, step, scan, associative, chunk",
        ),
    ],
)
def test_what_does_not_fit_is_a_sentence(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@eqx.filter_jit
def kernel(layer, num):
    return layer.kernel(num)


@pytest.mark.parametrize("kind", ["LegS", "LegT"])
def test_s4_begins_as_the_lssl_of_its_memory(kind):
    """One system in two bases: dense with real states, and diagonal plus low rank with half of the conjugate pairs."""
    dense = nn.LSSL(3, 8, hippo=kind, output="none", key=jr.key(0))
    sparse = nn.S4(3, 8, hippo=kind, output="none", key=jr.key(0))
    vectors = nn.nplr(kind, 8).vectors[:, :4]
    rows = np.asarray(dense.read_out)[:, 0] @ vectors
    decay = jnp.full((3, 4), -np.inf if kind == "LegT" else np.log(0.5))
    sparse = eqx.tree_at(
        lambda found: (found.read_out, found.log_dt, found.log_decay),
        sparse,
        (jnp.asarray(np.stack([rows.real, rows.imag])), dense.log_dt, decay),
    )
    # Half of the pairs, and twice the real part: y = 2 Re(C V x).
    assert_close(kernel(sparse, 50), kernel(dense, 50)[..., 0], "closed_form")


def test_a_fixed_lssl_passes_no_gradient_to_its_memory():
    layer = nn.LSSL(3, 4, key=jr.key(0))
    gradient = eqx.filter_grad(lambda layer: jnp.sum(layer(jnp.ones((5, 3)))[0] ** 2))(layer)
    frozen = gradient.transition, gradient.read_in, gradient.log_dt
    assert all(not np.any(part) for part in frozen) and np.any(gradient.read_out)


@pytest.mark.parametrize("make", [nn.S4, nn.S4D, nn.LSSL])
def test_kernels_are_impulse_responses(make):
    layer = make(2, 4, output="none", mode="scan", key=jr.key(0))
    layer = eqx.tree_at(lambda found: found.skip, layer, jnp.zeros_like(layer.skip))
    assert_close(layer(jnp.zeros((6, 2)).at[0].set(1.0))[0], kernel(layer, 6).reshape(6, 2), "exact")


def test_inverses_are_those_of_numpy():
    from linnet.nn._inverse import inverse

    rng = np.random.default_rng(0)
    # The last has a leading entry of 0: rows are exchanged.
    for matrix in (
        rng.normal(size=(7, 7)),
        np.array([[2.0]]),
        np.array([[0.0, 1.0, 2.0], [1.0, 0.0, 0.0], [3.0, 1.0, 1.0]]),
    ):
        assert_close(inverse(jnp.asarray(matrix)), np.linalg.inv(matrix), "closed_form")
        # d sum A^-1 = -sum A^-1 dA A^-1
        slope, found = jax.grad(lambda found: jnp.sum(inverse(found)))(jnp.asarray(matrix)), np.linalg.inv(matrix)
        assert_close(slope, -np.outer(found.sum(axis=0), found.sum(axis=1)), "closed_form")
