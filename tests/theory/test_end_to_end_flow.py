"""The flow of the product of balanced layers against SciPy's integration of the layers themselves."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import scipy.integrate
import scipy.linalg

import linnet as ln
from linnet import theory as T
from tests.theory import reference
from tests.tolerances import assert_close

TS = np.linspace(0.0, 3.0, 7)


def balanced(rng, sizes, values):
    """Zero-balanced weights whose product has these singular values, from random bases; first layer first."""
    rank, depth = len(values), len(sizes) - 1
    bases = [reference.orthonormal(rng, size, rank) for size in sizes]
    root = np.asarray(values) ** (1 / depth)
    return [(after * root) @ before.T for before, after in zip(bases[:-1], bases[1:])]


def integrate(weights, gradient, ts):
    """The product of all layers over time, each layer following its own gradient: `gradient` is that of the map."""
    shapes = [w.shape for w in weights]
    ends = np.cumsum([0, *(w.size for w in weights)])

    def unpack(flat):
        return [flat[a:b].reshape(s) for a, b, s in zip(ends[:-1], ends[1:], shapes)]

    def field(t, flat):
        layers = unpack(flat)
        slope, found = gradient(reference.chained(layers)), []
        for i in range(len(layers)):
            before = reference.chained(layers[:i]) if i else np.eye(shapes[0][1])
            after = reference.chained(layers[i + 1 :]) if i + 1 < len(layers) else np.eye(shapes[-1][0])
            found.append(-(after.T @ slope @ before.T).ravel())
        return np.concatenate(found)

    start = np.concatenate([w.ravel() for w in weights])
    solved = scipy.integrate.solve_ivp(field, (0, ts[-1]), start, "DOP853", ts, rtol=1e-11, atol=1e-14)
    assert solved.success, solved.message
    return np.stack([reference.chained(unpack(column)) for column in solved.y.T])


def lp_problem(rng, p, num=24, num_in=4, num_out=3):
    x = rng.normal(size=(num, num_in)) * np.linspace(0.4, 1.5, num_in)
    y = x @ rng.normal(size=(num_in, num_out)) / 2 + 0.1 * rng.normal(size=(num, num_out))
    weight = rng.uniform(0.5, 2, num)

    def gradient(linear_map):
        error = x @ linear_map.T - y
        return (weight[:, None] * np.sign(error) * np.abs(error) ** (p - 1)).T @ x / weight.sum()

    def loss(linear_map):
        return np.sum(weight[:, None] * np.abs(x @ linear_map.T - y) ** p) / p / weight.sum()

    return ln.tasks.Batch(x, y, weight=jnp.asarray(weight)), gradient, loss


@pytest.mark.parametrize("depth", [1, 2, 3, 5])
@pytest.mark.parametrize("shape", [(3, 5), (4, 4), (1, 6)])
def test_the_preconditioner_is_that_of_matrix_powers(depth, shape):
    rng = np.random.default_rng(depth)
    linear_map, gradient = rng.normal(size=shape), rng.normal(size=shape)
    expected = 0
    for j in range(1, depth + 1):
        left = scipy.linalg.fractional_matrix_power(linear_map @ linear_map.T, (j - 1) / depth)
        # Of the larger side, which is singular, by its eigenvectors.
        values, vectors = np.linalg.eigh(linear_map.T @ linear_map)
        values = np.where(values > 1e-12, values, 0)
        right = (vectors * values ** ((depth - j) / depth)) @ vectors.T
        expected = expected + left @ gradient @ right
    found = T.implicit_preconditioner(jnp.asarray(linear_map), jnp.asarray(gradient), depth)
    assert_close(found, expected, "closed_form")
    if shape[0] == 1 and depth > 1:
        size, direction = np.linalg.norm(linear_map), linear_map / np.linalg.norm(linear_map)
        along = (gradient @ direction.T) * direction
        assert_close(found, size ** (2 - 2 / depth) * (gradient + (depth - 1) * along), "exact")


@pytest.mark.parametrize("rank", [0, 1, 2])
def test_the_preconditioner_is_the_product_rule_at_any_rank(rank):
    """One infinitesimal step on all layers, also where the map has lost rank (or is only 1e-12 from it)."""
    rng = np.random.default_rng(rank)
    gradient = rng.normal(size=(3, 5))
    for depth in (2, 3, 4):
        values = [*[1.0, 0.5][:rank], *[1e-12] * (2 - rank)]
        weights = balanced(rng, [5, *[4] * (depth - 1), 3], values)
        expected = 0
        for i in range(depth):
            before = reference.chained(weights[:i]) if i else np.eye(5)
            after = reference.chained(weights[i + 1 :]) if i + 1 < depth else np.eye(3)
            expected = expected + after @ after.T @ gradient @ before.T @ before
        found = T.implicit_preconditioner(jnp.asarray(reference.chained(weights)), jnp.asarray(gradient), depth)
        # Singular values of 1e-12 are known to 1e-16: their fractional powers to about 1e-4 of their own size.
        np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)


CASES = [
    # sizes, singular values of the initial map
    ((5, 3), (0.4, 0.2, 0.1)),
    ((5, 4, 3), (0.4, 1e-2, 1e-3)),
    ((4, 6, 5, 3), (0.3, 0.2, 1e-3)),
    ((3, 2, 4, 5), (0.3, 1e-2)),  # a bottleneck of two units
    ((4, 4, 4, 4), (0.5, 0.1)),  # two modes that are absent from the beginning
    ((3, 3, 3, 3, 3, 1), (0.2,)),
]


@pytest.mark.parametrize("sizes, values", CASES, ids=str)
def test_moments_against_the_layers(sizes, values):
    rng = np.random.default_rng(len(sizes))
    num_in, num_out = sizes[0], sizes[-1]
    x = rng.normal(size=(40, num_in)) * np.linspace(0.5, 1.5, num_in)
    y = x @ rng.normal(size=(num_in, num_out)) + 0.3 * rng.normal(size=(40, num_out))
    xx, yx, yy = x.T @ x / 40, y.T @ x / 40, y.T @ y / 40
    weights = balanced(rng, sizes, values)
    maps = integrate(weights, lambda m: m @ xx - yx, TS)
    split = ln.tasks.Split(ln.tasks.Batch(x, y), test=ln.tasks.Batch(x[:9], y[:9]))
    predicted = T.predict(ln.nn.DeepLinear(weights), split, TS, theory=T.EndToEndFlow())
    assert int(predicted.result) == 0
    assert_close(predicted["loss"], [reference.loss(m, xx, yx, yy) for m in maps], "ode")
    test = [0.5 * np.sum((y[:9] - x[:9] @ m.T) ** 2) / 9 for m in maps]
    assert_close(predicted["test_loss"], test, "ode")
    modes = ln.tasks.Moments(xx, yx, yy).singular_modes()
    strengths = [np.diag(np.asarray(modes.left).T @ m @ np.asarray(modes.right)) for m in maps]
    assert_close(predicted["mode_strengths"], strengths, "ode")


@pytest.mark.parametrize("p, sizes", [(4.0, (4, 4, 3)), (4.0, (4, 5, 3, 3)), (3.0, (4, 4, 3)), (3.0, (4, 3))])
def test_any_loss_against_the_layers(p, sizes):
    rng = np.random.default_rng(int(p))
    batch, gradient, loss = lp_problem(rng, p)
    weights = balanced(rng, sizes, (0.5, 0.3, 0.05))
    maps = integrate(weights, gradient, TS)
    network = ln.nn.DeepLinear(weights)
    task = ln.tasks.Split(batch, validation=ln.tasks.Batch(batch.x[:5], batch.y[:5]))
    predicted = T.predict(network, task, TS, loss=ln.LpLoss(p))
    assert predicted.theory == "EndToEndFlow" and all(bool(a.holds) for a in predicted.assumptions)
    assert_close(predicted["loss"], [loss(m) for m in maps], "ode")
    held = [np.sum(np.abs(batch.y[:5] - batch.x[:5] @ m.T) ** p) / p / 5 for m in maps]
    assert_close(predicted["validation_loss"], held, "ode")
    if p == 3:
        return
    simulated = ln.learn.simulate(network, task, TS, loss=ln.LpLoss(p))
    assert set(simulated.names()) == set(predicted.names())
    assert_close(simulated["mode_strengths"], predicted["mode_strengths"], "ode")


def test_singular_values_move_at_their_own_rates():
    """Arora et al. 2019: d sigma_r / dt = -D sigma_r^(2 - 2/D) u_r^T G v_r, here by differences of SciPy's layers."""
    rng = np.random.default_rng(5)
    xx, yx, _ = reference.white_task(rng, 4, 3)
    step = 1e-5
    for depth in (2, 4):
        weights = balanced(rng, [4] * depth + [3], (0.6, 0.3, 0.05))
        maps = integrate(weights, lambda m: m @ xx - yx, np.array([0.0, step, 2 * step]))
        values = np.linalg.svd(maps)[1]
        left, middle, right_t = np.linalg.svd(maps[1], full_matrices=False)
        slope = left.T @ (maps[1] @ xx - yx) @ right_t.T
        expected = -depth * middle ** (2 - 2 / depth) * np.diag(slope)
        np.testing.assert_allclose((values[2] - values[0]) / (2 * step), expected, rtol=1e-6)
        applied = T.implicit_preconditioner(jnp.asarray(maps[1]), jnp.asarray(maps[1] @ xx - yx), depth)
        np.testing.assert_allclose(-np.diag(left.T @ applied @ right_t.T), expected, rtol=1e-10)


def test_a_lost_rank_stays_lost_at_long_times():
    """What rounding leaves of absent modes would be learned long before the end."""
    rng = np.random.default_rng(6)
    left, right = reference.orthonormal(rng, 4, 4), reference.orthonormal(rng, 4, 4)
    values = np.array([1.5, 1.0, 0.5, 0.2])
    task = ln.tasks.Moments(np.eye(4), (left * values) @ right.T, (left * values**2) @ left.T)
    network = ln.nn.DeepLinear(balanced(rng, (4, 2, 4), (0.3, 0.2)))
    predicted = T.predict(network, task, np.array([0.0, 100.0]), theory=T.EndToEndFlow())
    assert_close(predicted["loss"][-1], 0.5 * np.sum(values[2:] ** 2), "ode")


@pytest.mark.slow
def test_it_ranks_after_closed_forms_and_before_the_fallback():
    rng = np.random.default_rng(7)
    white = ln.tasks.Moments(*reference.white_task(rng, 4, 3))
    x = rng.normal(size=(30, 4)) * np.array([0.3, 1, 1.5, 2])
    other = ln.tasks.Batch(x, x @ rng.normal(size=(4, 3)) + rng.normal(size=(30, 3))).moments()
    two, three = (ln.nn.zero_balanced()(ln.nn.DeepLinear, s, key=jr.key(1)) for s in ((4, 3, 3), (4, 4, 4, 3)))
    order = [type(theory).__name__ for theory in sorted(T.THEORIES, key=lambda theory: theory.strength)]
    assert order.index("BalancedRiccati") < order.index("EndToEndFlow") < order.index("MomentFlow")
    aligned = ln.nn.aligned(white, 0.1)(ln.nn.DeepLinear, (4, 4, 4, 3), key=jr.key(2))
    glorot = ln.nn.glorot()(ln.nn.DeepLinear, (4, 4, 3), key=jr.key(3))
    chosen = [(aligned, white, "DeepLinearModes"), (two, white, "BalancedRiccati"), (two, other, "EndToEndFlow"),
              (three, white, "EndToEndFlow"), (glorot, other, "MomentFlow")]  # fmt: skip
    assert [T.predict(net, task, TS).theory for net, task, _ in chosen] == [name for *_, name in chosen]


def test_unbalanced_layers_are_refused_with_the_number():
    rng = np.random.default_rng(8)
    batch, gradient, loss = lp_problem(rng, 4.0)
    first, last = balanced(rng, (4, 3, 3), (0.5, 0.4, 0.1))
    network = ln.nn.DeepLinear((1.2 * first, last / 1.2))
    with pytest.raises(ValueError, match=r"balanced layers fails.*at most 0.001.*zero_balanced"):
        T.predict(network, batch, TS, loss=ln.LpLoss(4.0))
    loose = T.predict(network, batch, TS, loss=ln.LpLoss(4.0), strict=False)
    (failed,) = [a for a in loose.assumptions if not bool(a.holds)]
    # W2^T W2 - W1 W1^T = (1 / 1.44 - 1.44) R S R^T, and the weakest mode's weight squared is 0.1.
    assert_close(failed.value, (1.44 - 1 / 1.44) * 0.5 / 0.1, "closed_form")
    maps = integrate([1.2 * first, last / 1.2], gradient, TS)
    assert abs(float(loose["loss"][1]) - loss(maps[1])) > 1e-3 * loss(maps[1]), "The balance does not matter here."


def test_refusals_are_sentences():
    rng = np.random.default_rng(9)
    batch, *_ = lp_problem(rng, 4.0)
    network = ln.nn.DeepLinear(balanced(rng, (4, 3, 3), (0.5, 0.4, 0.1)))
    quartic, flow = ln.LpLoss(4.0), ln.learn.GradientFlow()
    moments = batch.moments()
    theory = T.EndToEndFlow()
    for net, task, rule, loss, message in [
        (network, moments, flow, quartic, "needs samples for LpLoss, got Moments"),
        (network, ln.tasks.Split(batch, test=moments), flow, quartic, "needs samples"),
        (network, batch, flow, ln.LpLoss(1.0), "gradient everywhere"),
        (network, batch, ln.learn.Descent(0.1), quartic, "use `GradientFlow"),
        (network, ln.tasks.Batch(batch.x, batch.y[:, :2]), flow, quartic, r"\(3, 4\), the samples need \(2, 4\)"),
        (object(), batch, flow, quartic, "about `DeepLinear` networks"),
    ]:
        reason = theory.applies(net, task, rule, loss)
        assert reason is not None
        pytest.raises(ValueError, lambda r=reason: (_ for _ in ()).throw(ValueError(r))).match(message)
    tiny = ln.nn.DeepLinear([1e-5 * w for w in balanced(rng, (4, 3, 3, 3), (0.5, 0.4, 0.1))])
    with pytest.raises(ValueError, match="resolved initial map fails"):
        T.predict(tiny, moments, TS, theory=theory)
    with pytest.raises(ValueError, match="a depth of at least 1 and a gradient of the shape of the map"):
        T.implicit_preconditioner(jnp.ones((3, 4)), jnp.ones((3, 4)), 0)


@pytest.mark.slow
def test_float32_and_members():
    rng = np.random.default_rng(10)
    xx, yx, yy = reference.white_task(rng, 4, 3)
    networks = [ln.nn.DeepLinear(balanced(rng, (4, 4, 4, 3), (0.5, 0.2, 0.1))) for _ in range(2)]
    high, task = T.EndToEndFlow(), ln.tasks.Moments(xx, yx, yy)
    solve = jax.jit(jax.vmap(lambda net: high.solve(net, task, jnp.asarray(TS))["loss"]))
    together = solve(jax.tree.map(lambda *leaves: jnp.stack(leaves), *networks))
    single = T.predict(networks[1], task, TS, theory=high)
    assert_close(together[1], single["loss"], "ode")
    low = jax.tree.map(lambda leaf: jnp.asarray(leaf, jnp.float32), (networks[1], task))
    predicted = T.predict(*low, jnp.asarray(TS, jnp.float32), theory=high)
    assert predicted["loss"].dtype == jnp.float32
    assert_close(predicted["loss"], single["loss"], "ode", jnp.float32)
