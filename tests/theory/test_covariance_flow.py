"""Linear networks that generate a covariance, against SciPy's roots and integration, and finite differences."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import scipy.integrate
import scipy.linalg

import linnet as ln
from tests.theory import reference
from tests.tolerances import assert_close

T = ln.theory
EIGENVALUES = np.array([2.0, 1.2, 0.7, 0.3])


def target(rng, values=EIGENVALUES):
    basis = reference.orthonormal(rng, len(values), len(values))
    return (basis * values) @ basis.T, basis


def bures(linear_map, covariance, smoothing=0.0):
    """The distance as the paper writes it, by SciPy."""
    root = scipy.linalg.sqrtm(covariance).real
    made = linear_map @ linear_map.T + smoothing * np.eye(len(covariance))
    return np.trace(covariance + made - 2 * scipy.linalg.sqrtm(root @ made @ root).real)


def transport(linear_map, covariance, smoothing):
    """The gradient 2 (I - T) W, by SciPy."""
    root = scipy.linalg.sqrtm(covariance).real
    made = root @ (linear_map @ linear_map.T + smoothing * np.eye(len(covariance))) @ root
    # The pseudo-inverse, without the directions that a narrow network lacks.
    values, basis = np.linalg.eigh(made)
    inverse = (basis * np.where(values > 1e-12, 1 / np.sqrt(np.maximum(values, 1e-12)), 0)) @ basis.T
    return 2 * (linear_map - root @ inverse @ root @ linear_map)


def numpy_flow(weights, covariance, smoothing, ts):
    """The product of all layers over time, by SciPy."""
    weights = [np.asarray(w) for w in weights]
    shapes = [w.shape for w in weights]
    borders = np.cumsum([0, *(w.size for w in weights)])

    def unpack(flat):
        return [flat[a:b].reshape(s) for a, b, s in zip(borders[:-1], borders[1:], shapes, strict=True)]

    def field(_, flat):
        weights = unpack(flat)
        slope, found = transport(reference.chained(weights), covariance, smoothing), []
        for layer, weight in enumerate(weights):
            before = reference.chained(weights[:layer]) if layer else np.eye(weight.shape[1])
            after = reference.chained(weights[layer + 1 :]) if layer + 1 < len(weights) else np.eye(weight.shape[0])
            found.append(-(after.T @ slope @ before.T).ravel())
        return np.concatenate(found)

    start = np.concatenate([w.ravel() for w in weights])
    solved = scipy.integrate.solve_ivp(field, (0, ts[-1]), start, t_eval=ts, rtol=1e-9, atol=1e-11)
    assert solved.success
    return [reference.chained(unpack(column)) for column in solved.y.T]


@pytest.mark.parametrize(("shape", "smoothing"), [((4, 6), 0.0), ((4, 2), 0.0), ((4, 3), 0.05), ((4, 4), 0.2)])
def test_distance_gradient_and_curvature(shape, smoothing):
    """Against SciPy's square roots and finite differences, also of maps too narrow for the target's rank."""
    rng = np.random.default_rng(shape[1])
    covariance, _ = target(rng)
    setting = ln.tasks.CovarianceMatching(covariance, smoothing)
    linear_map, direction = (jnp.asarray(m) for m in rng.normal(size=(2, *shape)))
    # SciPy's roots of singular matrices are good to half of the digits.
    np.testing.assert_allclose(
        setting.distance(linear_map), bures(np.asarray(linear_map), covariance, smoothing), rtol=1e-6
    )
    gradient = jax.grad(setting.distance)
    assert_close(gradient(linear_map), transport(np.asarray(linear_map), covariance, smoothing), "finite_difference")
    change = (setting.distance(linear_map + 1e-5 * direction) - setting.distance(linear_map - 1e-5 * direction)) / 2e-5
    assert_close(jnp.sum(gradient(linear_map) * direction), change, "finite_difference")
    turned = jax.jvp(gradient, (linear_map,), (direction,))[1]
    change = (gradient(linear_map + 1e-5 * direction) - gradient(linear_map - 1e-5 * direction)) / 2e-5
    assert_close(turned, change, "finite_difference")


@pytest.mark.parametrize(("sizes", "smoothing"), [((5, 3, 4), 0.0), ((4, 4, 4, 4), 0.1), ((4, 4), 0.0)])
def test_both_roads_against_matrices(sizes, smoothing):
    rng = np.random.default_rng(len(sizes))
    covariance, basis = target(rng)
    setting = ln.tasks.CovarianceMatching(covariance, smoothing)
    network = ln.nn.zero_balanced(ln.nn.fan_in(0.7))(ln.nn.DeepLinear, sizes, key=jr.key(1))
    ts = np.array([0.0, 0.3, 1.0, 4.0])
    maps = numpy_flow(network.weights, covariance, smoothing, ts)
    predicted = T.predict(network, setting, ts)
    assert predicted.theory == "CovarianceFlow"
    variances = np.stack([np.sum((basis.T @ m) ** 2, axis=1) for m in maps])
    losses = np.array([bures(m, covariance, smoothing) for m in maps])
    np.testing.assert_allclose(predicted["generated_variances"], variances, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(predicted["loss"], losses, rtol=1e-5, atol=1e-6)
    if len(sizes) == 3:
        simulated = ln.learn.simulate(network, setting, ts, observe=[ln.learn.GeneratedVariances()])
        np.testing.assert_allclose(simulated["generated_variances"], variances, rtol=1e-6, atol=1e-7)
        np.testing.assert_allclose(simulated["loss"], predicted["loss"], rtol=1e-6, atol=1e-7)


def test_shared_eigenvectors_are_chains():
    """Singular values grow as modes of strength sqrt(lambda) at twice the speed."""
    covariance, basis = target(np.random.default_rng(2))
    start, ts, depth = 0.05, jnp.linspace(0, 3, 7), 3
    network = ln.nn.DeepLinear([start ** (1 / depth) * np.eye(4)] * (depth - 1) + [start ** (1 / depth) * basis])
    found = eqx.filter_jit(T.CovarianceFlow().solve)(network, ln.tasks.CovarianceMatching(covariance), ts)
    expected = T.mode_strength(2 * ts, np.sqrt(EIGENVALUES), start, depth=depth)
    assert_close(np.sqrt(found["generated_variances"]), expected, "ode")


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_critical_losses_are_those_of_points_without_a_gradient(smoothing):
    covariance, basis = target(np.random.default_rng(3))
    setting = ln.tasks.CovarianceMatching(covariance, smoothing)
    losses, kept = T.critical_covariance_losses(EIGENVALUES, 2, smoothing=smoothing)
    assert losses.shape == (6,) and np.all(np.diff(losses) >= 0)
    np.testing.assert_array_equal(kept[0], [True, True, False, False])
    for loss, subset in zip(losses, kept, strict=True):
        linear_map = jnp.asarray(basis[:, subset] * np.sqrt(EIGENVALUES[subset] - smoothing))
        assert_close(setting.distance(linear_map), loss, "closed_form")
        np.testing.assert_allclose(jax.grad(setting.distance)(linear_map), 0, atol=1e-12)
    if smoothing == 0:
        assert_close(losses[0], 1.0, "exact")


@pytest.mark.parametrize(("depth", "rank"), [(1, 4), (3, 4), (1, 2), (2, 3)])
def test_the_rate_is_that_of_the_linearised_flow(depth, rank):
    """The least eigenvalue of the flow at its end, apart from rotations of the noise, which change nothing."""
    covariance, basis = target(np.random.default_rng(4))
    setting = ln.tasks.CovarianceMatching(covariance)
    end = jnp.asarray(basis[:, :rank] * np.sqrt(EIGENVALUES[:rank]))

    @jax.jit
    def velocity(linear_map):
        slope = jax.grad(setting.distance)(linear_map)
        return T.implicit_preconditioner(linear_map, slope, depth)

    # Central differences: singular vectors of products have no derivative in JAX where singular values are equal.
    columns = [
        (velocity(end + h) - velocity(end - h)).ravel() / 2e-6 for h in 1e-6 * np.eye(end.size).reshape(-1, *end.shape)
    ]
    rates = np.sort(np.linalg.eigvals(np.stack(columns, axis=1)).real)
    rotations = rank * (rank - 1) // 2
    np.testing.assert_allclose(rates[:rotations], 0, atol=1e-6)
    np.testing.assert_allclose(
        2 * rates[rotations], T.covariance_convergence_rate(EIGENVALUES, rank, depth=depth), rtol=1e-6
    )


def test_a_lost_rank_stays_lost():
    """Two balanced layers keep it; the loss ends at what is left out."""
    covariance, basis = target(np.random.default_rng(5))
    narrow = np.sqrt(0.3) * np.eye(4)[:2]
    network = ln.nn.DeepLinear([narrow.T @ narrow, np.sqrt(0.3) * basis @ np.diag([1.0, 1, 0, 0])])
    wide = ln.nn.rebalance(network)
    found = T.predict(wide, ln.tasks.CovarianceMatching(covariance), jnp.array([0.0, 40.0]))
    assert_close(found["loss"][-1], 1.0, "ode")


def test_refusals_say_what_failed():
    rng = np.random.default_rng(6)
    covariance, basis = target(rng)
    setting, ts = ln.tasks.CovarianceMatching(covariance), jnp.linspace(0, 1, 3)

    def refused(match, network, setting, **settings):
        with pytest.raises(ValueError, match=match):
            T.predict(network, setting, ts, theory=T.CovarianceFlow(), **settings)

    network = ln.nn.zero_balanced()(ln.nn.DeepLinear, (4, 4, 4), key=jr.key(0))
    refused("balanced layers fails", ln.nn.fan_in()(network, key=jr.key(0)), setting)
    refused("got Descent", network, setting, rule=ln.learn.Descent(0.1))
    refused("3 outputs and the covariance 4", ln.nn.fan_in()(ln.nn.DeepLinear, (4, 3), key=jr.key(0)), setting)
    refused("about a `CovarianceMatching`, got Moments", network, ln.tasks.Moments(covariance, covariance, covariance))
    lost = ln.nn.DeepLinear([basis @ np.diag([1.0, 1.0, 1.0, 0.0])])
    refused("gradient fails.* is 1 ", lost, setting)
    assert T.predict(lost, ln.tasks.CovarianceMatching(covariance, 0.1), ts).theory == "CovarianceFlow"
    with pytest.raises(ValueError, match=r"shape \(out, out\), got \(2, 4\)"):
        ln.tasks.CovarianceMatching(np.ones((2, 4)))
    with pytest.raises(ValueError, match="smoothing of at least 0, got -1"):
        ln.tasks.CovarianceMatching(covariance, -1)
    with pytest.raises(ValueError, match="from 0 to 4, got 5"):
        T.critical_covariance_losses(EIGENVALUES, 5)
    with pytest.raises(ValueError, match="rank from 1 to 4"):
        T.covariance_convergence_rate(EIGENVALUES, 0)


@pytest.mark.slow
def test_float32_and_vmap():
    covariance, _ = target(np.random.default_rng(7))
    networks = [ln.nn.zero_balanced(ln.nn.fan_in(g))(ln.nn.DeepLinear, (4, 3, 4), key=jr.key(0)) for g in (0.3, 0.6)]
    setting, ts = ln.tasks.CovarianceMatching(covariance), jnp.array([0.0, 0.5, 2.0])
    two = jax.tree.map(lambda *leaves: jnp.stack(leaves), *networks)
    both = jax.jit(jax.vmap(lambda n: T.CovarianceFlow().solve(n, setting, ts)["loss"]))(two)
    low = jax.tree.map(lambda a: jnp.asarray(a, jnp.float32), (networks[1], setting, ts))
    alone = eqx.filter_jit(T.CovarianceFlow().solve)(*low)["loss"]
    assert alone.dtype == jnp.float32
    assert_close(alone, both[1], "ode", jnp.float32)
