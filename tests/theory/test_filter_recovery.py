"""The recovery of a ReLU filter against NumPy integrations in all dimensions, Monte Carlo and finite differences."""

import functools as ft

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import scipy.integrate

from linnet import LpLoss, analyse, learn, nn, tasks, theory

RNG = np.random.default_rng(3)
CORRELATIONS = np.array([[1.0, 0.6, 0.1], [0.6, 1.0, 0.3], [0.1, 0.3, 1.0]])
TEACHER, START = RNG.normal(size=4), RNG.normal(size=4)
WHITE = tasks.FilterTeacher.correlated(jnp.asarray(TEACHER), jnp.asarray(CORRELATIONS), 1.7)
#: Windows of a smooth signal: neither white nor independent.
SIGNAL = tasks.FilterTeacher.of_signal(jnp.asarray(TEACHER), jnp.array([1.0, 0.7, 0.3, 0.1]), 3, stride=2)
TS = np.linspace(0, 30, 31)

solve_rates = eqx.filter_jit(theory.filter_rates)


@ft.cache
def predict_white(start=tuple(START)):
    return theory.predict(nn.PatchFilter(np.array(start)), WHITE, TS, theory=theory.FilterRecovery())


def white(correlations):
    return tasks.FilterTeacher.correlated(jnp.asarray(TEACHER), jnp.asarray(correlations))


def numpy_slope(w, teacher, covariance):
    """The expected gradient, from E[relu(u) 1(v > 0) Z_j] by hand."""
    slope, num = np.zeros_like(w), len(covariance)
    for i in range(num):
        for j in range(num):
            for other, sign in ((w, 1), (teacher, -1)):
                own, drive = w @ covariance[j, j] @ w, other @ covariance[i, i] @ other
                both = other @ covariance[i, j] @ w
                angle = np.arccos(np.clip(both / np.sqrt(own * drive), -1, 1))
                # E[relu(u) 1(v>0) Z] = (pi - angle)/2pi C_Zu + sin(angle)/2pi sqrt(s_u/s_v) C_Zv
                part = (np.pi - angle) * covariance[j, i] @ other
                part = part + np.sin(angle) * np.sqrt(drive / own) * covariance[j, j] @ w
                slope += sign * part / (2 * np.pi * num**2)
    return slope


@pytest.mark.parametrize("task", [WHITE, SIGNAL], ids=["white", "signal"])
def test_loss_and_slope_are_expectations(task):
    network = nn.PatchFilter(START)
    value, slope = eqx.filter_jit(eqx.filter_value_and_grad(lambda net: task.loss(net)))(network)
    np.testing.assert_allclose(slope.filter, numpy_slope(START, TEACHER, np.asarray(task.covariance)), rtol=1e-10)
    patches = np.asarray(task.sample(200_000, key=jr.key(0)))
    errors = 0.5 * np.mean(np.maximum(patches @ START, 0) - np.maximum(patches @ TEACHER, 0), axis=1) ** 2
    assert abs(errors.mean() - value) < 4 * errors.std() / np.sqrt(len(errors))
    seen = np.einsum("nia,njb->ijab", patches[:20_000], patches[:20_000]) / 20_000
    np.testing.assert_allclose(seen, task.covariance, atol=0.08)
    sampled = tasks.FilterPatches(TEACHER, patches[:500])
    np.testing.assert_allclose(sampled.loss(network), errors[:500].mean(), rtol=1e-10)


def test_the_signal_is_the_one_asked_for():
    covariance = np.asarray(SIGNAL.covariance)
    known = [1.0, 0.7, 0.3, 0.1] + [0.0] * 10
    for i, j, a, b in ((0, 0, 1, 3), (0, 1, 2, 0), (2, 0, 0, 3), (0, 2, 0, 0)):
        assert covariance[i, j, a, b] == known[abs(2 * i + a - 2 * j - b)]


def test_the_plane_is_the_whole_flow():
    covariance = np.asarray(WHITE.covariance)
    solved = scipy.integrate.solve_ivp(
        lambda t, w: -numpy_slope(w, TEACHER, covariance), (0, TS[-1]), START, t_eval=TS, rtol=1e-10, atol=1e-12
    ).y.T
    predicted = predict_white()
    norm = np.linalg.norm(solved, axis=1)
    np.testing.assert_allclose(predicted["filter_norm"], norm, rtol=1e-6)
    np.testing.assert_allclose(predicted["filter_distance"], np.linalg.norm(solved - TEACHER, axis=1), atol=1e-6)
    angle = np.arccos(np.clip(solved @ TEACHER / norm / np.linalg.norm(TEACHER), -1, 1))
    np.testing.assert_allclose(predicted["filter_angle"], angle, atol=1e-5)


@pytest.mark.slow
def test_both_roads_have_the_same_quantities():
    observe = [learn.TeacherFilter(quantity) for quantity in ("norm", "angle", "distance")]
    found = learn.simulate(nn.PatchFilter(START), WHITE, TS, observe=observe)
    predicted = theory.predict(nn.PatchFilter(START), WHITE, TS)
    assert predicted.theory == "FilterRecovery"
    assert set(found.names()) == set(predicted.names())
    for name in found.names():
        np.testing.assert_allclose(found[name], predicted[name], atol=1e-6)


def test_the_printed_equations_are_those_in_the_plane():
    """Norm and angle by their own equations, integrated by SciPy."""
    size, variance = np.linalg.norm(TEACHER), 1.7

    def means(angle):
        between = np.arccos(CORRELATIONS * np.cos(angle))
        g = np.mean(np.sin(between) + (np.pi - between) * np.cos(between)) / (2 * np.pi)
        return g, np.mean(CORRELATIONS * (np.pi - between)) / (2 * np.pi)

    def slope(t, y):
        g, m = means(y[1])
        return variance * np.array([g * size - means(0)[0] * y[0], -m * size / y[0] * np.sin(y[1])])

    norm = np.linalg.norm(START)
    start = [norm, np.arccos(START @ TEACHER / norm / size)]
    solved = scipy.integrate.solve_ivp(slope, (0, TS[-1]), start, t_eval=TS, rtol=1e-10, atol=1e-12).y
    predicted = predict_white()
    np.testing.assert_allclose(predicted["filter_norm"], solved[0], rtol=1e-6)
    np.testing.assert_allclose(predicted["filter_angle"], solved[1], atol=1e-7)


@pytest.mark.parametrize("task", [WHITE, SIGNAL], ids=["white", "signal"])
def test_rates_are_curvatures(task):
    """Finite differences of the gradient at the teacher, which NumPy's formula has."""
    covariance, step = np.asarray(task.covariance), 1e-5
    columns = [
        (numpy_slope(TEACHER + step * e, TEACHER, covariance) - numpy_slope(TEACHER - step * e, TEACHER, covariance))
        / (2 * step)
        for e in np.eye(4)
    ]
    rates = solve_rates(task)
    np.testing.assert_allclose(rates, np.linalg.eigvalsh(np.stack(columns)), rtol=1e-4)


def test_rates_in_closed_form_grow_with_correlation():
    last = 0.0
    for rho in (0.0, 0.4, 0.99, 1.0):
        correlations = np.array([[1.0, rho], [rho, 1.0]])
        rates = np.asarray(solve_rates(white(correlations)))
        between = np.arccos(correlations)
        across = np.mean(correlations * (np.pi - between)) / (2 * np.pi)
        along = across + np.mean(np.sin(between)) / (2 * np.pi)
        np.testing.assert_allclose(rates, [across] * 3 + [along], rtol=1e-5)
        assert rates[0] > last
        last = rates[0]
    assert last == pytest.approx(0.5)  # one patch: half the variance


@pytest.mark.parametrize("num_patches", [1, 3])
@pytest.mark.parametrize("angle", [0.3, 1.2, 2.4])
def test_the_bound_is_below_the_rate(num_patches, angle):
    rng = np.random.default_rng(5)
    patches = rng.laplace(size=(20_000, 1, 3)) + 0.3 + 0.5 * rng.normal(size=(20_000, num_patches, 3))
    teacher = np.array([0.8, -0.5, 0.2])
    teacher = teacher / np.linalg.norm(teacher)
    across = np.linalg.qr(np.stack([teacher, rng.normal(size=3)], axis=1))[0][:, 1]
    for size in (0.3, 1.0, 2.0):
        filter = size * (np.cos(angle) * teacher + np.sin(angle) * across)
        bound = jax.jit(theory.recovery_bound)(jnp.asarray(patches), jnp.asarray(filter), jnp.asarray(teacher))
        drive, wanted = patches @ filter, patches @ teacher
        error = np.mean(np.maximum(drive, 0) - np.maximum(wanted, 0), axis=1)
        slope = np.mean(error[:, None] * np.mean((drive > 0)[..., None] * patches, axis=1), axis=0)
        rate = slope @ (filter - teacher) / np.sum((filter - teacher) ** 2)
        assert float(bound.rate) <= rate + 1e-12
        seen = np.mean(patches * ((drive > 0) & (wanted > 0))[..., None], axis=1)
        np.testing.assert_allclose(bound.shared, np.linalg.eigvalsh(seen.T @ seen / len(seen))[0], rtol=1e-8)
        alone = (patches * ((drive > 0) & (wanted <= 0))[..., None]).reshape(-1, 3)
        np.testing.assert_allclose(bound.exclusive, np.linalg.eigvalsh(alone.T @ alone / len(alone))[-1], rtol=1e-8)
        assert (float(bound.cross) == 0) == (num_patches == 1)


def test_recovery_from_the_opposite_and_from_nothing():
    """At angle pi and at 0 equations by norm and angle have no sense; the plane has."""
    for start in (-0.5 * TEACHER, np.zeros(4)):
        predicted = predict_white(tuple(start))
        assert np.all(np.isfinite(predicted["filter_norm"])) and np.all(np.isfinite(predicted["loss"]))


def test_flow_on_the_exact_loss_has_a_sharpness():
    """Far from the teacher the Hessian is that of finite differences."""
    step, covariance = 1e-5, np.asarray(SIGNAL.covariance)
    columns = [
        (numpy_slope(START + step * e, TEACHER, covariance) - numpy_slope(START - step * e, TEACHER, covariance))
        / (2 * step)
        for e in np.eye(4)
    ]
    expected = np.max(np.abs(np.linalg.eigvalsh(np.stack(columns))))
    found = abs(float(analyse.sharpness(nn.PatchFilter(START), SIGNAL)))
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_what_is_refused():
    network = nn.PatchFilter(START)
    with pytest.raises(ValueError, match="white patches"):
        theory.predict(network, SIGNAL, TS, theory=theory.FilterRecovery())
    with pytest.raises(ValueError, match=r"shape \(3,\), the teacher's \(4,\)"):
        theory.predict(nn.PatchFilter(np.ones(3)), WHITE, TS, theory=theory.FilterRecovery())
    with pytest.raises(ValueError, match="needs a PatchFilter"):
        learn.simulate(nn.DeepLinear((jnp.ones((1, 4)),)), WHITE, TS)
    with pytest.raises(ValueError, match="squared error"):
        learn.simulate(network, WHITE, TS, loss=LpLoss(4.0))
    with pytest.raises(ValueError, match=r"\(patch, patch, 4, 4\), got"):
        tasks.FilterTeacher(TEACHER, np.ones((2, 2, 3, 3)))
    with pytest.raises(ValueError, match=r"\(num, patch, 4\), got"):
        tasks.FilterPatches(TEACHER, np.ones((5, 2, 3)))
    with pytest.raises(ValueError, match='got "size"'):
        learn.TeacherFilter("size")
    with pytest.raises(ValueError, match="needs a FilterTeacher"):
        learn.TeacherFilter().bind(network, None, LpLoss(2.0))
