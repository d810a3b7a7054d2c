"""Races between pathways against SciPy's integration of all weights, with deficits, and the invariants of the race."""

import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
import scipy.integrate
import scipy.optimize

import linnet as ln
from linnet import learn, nn, tasks, theory as T
from tests.theory import reference
from tests.tolerances import assert_close

TS = np.linspace(0.0, 6.0, 7)


def problem(rng, num_in=4, num_out=3):
    """Inputs that are diagonal in the basis of the targets, but not white."""
    right, left = (reference.orthonormal(rng, num, 3) for num in (num_in, num_out))
    variances = np.array([1.3, 0.7, 1.0])
    xx = (right * variances) @ right.T + 0.4 * (np.eye(num_in) - right @ right.T)
    yx = (left * np.array([2.1, 1.0, 0.4])) @ right.T
    return tasks.Moments(xx, yx, yx @ np.linalg.inv(xx) @ yx.T + np.eye(num_out)), left, right


def chain_of(rng, left, right, layers):
    """Weights with these strengths of the modes in each layer, in random bases between the layers."""
    inner = [reference.orthonormal(rng, 5, layers.shape[1]) for _ in range(len(layers) - 1)]
    bases = [right, *inner, left]
    return [(after * row) @ before.T for before, after, row in zip(bases, bases[1:], layers)]


def integrate(pathways, moments, ts, window, held, silent, keep=None):
    """The maps of all pathways over time, each layer by its own product of neighbours, from window to window."""
    shapes = [[w.shape for w in weights] for weights in pathways]
    xx, yx = np.asarray(moments.xx), np.asarray(moments.yx)

    def unpack(flat):
        found, place = [], 0
        for each in shapes:
            found.append([])
            for shape in each:
                found[-1].append(flat[place : place + np.prod(shape)].reshape(shape))
                place += np.prod(shape)
        return found

    def field(t, flat, inside):
        layers = unpack(flat)
        maps = [reference.chained(weights) for weights in layers]
        shown = sum(m for p, m in enumerate(maps) if not (inside and silent and p == held))
        error, found = yx - shown @ xx, []
        for p, weights in enumerate(layers):
            for i, weight in enumerate(weights):
                before = reference.chained(weights[:i]) if i else np.eye(weights[0].shape[1])
                after = reference.chained(weights[i + 1 :]) if i + 1 < len(weights) else np.eye(weights[-1].shape[0])
                slope = after.T @ error @ before.T
                found.append(np.zeros_like(weight) if inside and p == held else slope)
        return np.concatenate([f.ravel() for f in found])

    state = np.concatenate([w.ravel() for weights in pathways for w in weights])
    borders, out = sorted({0.0, *window, ts[-1]}), {0.0: state}
    for begin, end in zip(borders, borders[1:]):
        inside = window[0] <= begin < window[1]
        wanted = np.array([t for t in ts if begin < t <= end] + [end])
        solved = scipy.integrate.solve_ivp(
            field, (begin, end), state, "DOP853", np.unique(wanted), args=(inside,), rtol=1e-10, atol=1e-13
        )
        state = solved.y[:, -1]
        out |= dict(zip(solved.t, solved.y.T))
    return np.stack([[reference.chained(w) for w in unpack(out[t])] for t in ts])


@pytest.mark.parametrize(
    ("depths", "window", "held", "silent"),
    [((2, 2), (0.7, 2.3), 1, False), ((3, 1), (0.0, 1.4), 0, True), ((1, 4, 2), (3.0, 3.5), 2, False)],
)
def test_a_race_is_the_flow_of_all_weights(depths, window, held, silent):
    rng = np.random.default_rng(len(depths) + held)
    moments, left, right = problem(rng)
    layers = [rng.uniform(0.2, 0.9, size=(depth, 3)) * np.where(np.arange(depth) == 0, 0.5, 1)[:, None]
              for depth in depths]  # fmt: skip
    pathways = [chain_of(rng, left, right, each) for each in layers]
    maps = integrate(pathways, moments, TS, window, held, silent)
    network = nn.Pathways([nn.DeepLinear(weights) for weights in pathways])
    task = tasks.PathwayDeficit(moments, *window, pathway=held, silent=silent)
    found = T.predict(network, task, TS)
    assert found.theory == "PathwayRace"
    modes = moments.singular_modes()
    expected = np.einsum("om,tpoi,im->tpm", modes.left, maps, modes.right)
    assert_close(found["pathway_strengths"], expected, "ode")
    losses = [reference.loss(m, *(np.asarray(a) for a in (moments.xx, moments.yx, moments.yy))) for m in maps.sum(1)]
    assert_close(found["loss"], losses, "ode")


@pytest.mark.slow
def test_both_roads_agree_where_a_deficit_takes_one_mode():
    rng = np.random.default_rng(5)
    moments, left, right = problem(rng)
    network = nn.Pathways([nn.DeepLinear(chain_of(rng, left, right, np.full((2, 3), 0.3))) for _ in range(2)])
    task = tasks.PathwayDeficit(moments, 0.0, 1.0, modes=[True, False, False])
    observe = (learn.Loss(), learn.PathwayStrengths())
    simulated = learn.simulate(network, task, TS, observe=observe)
    predicted = T.predict(network, task, TS)
    assert max(ln.compare.difference(simulated, predicted).relative.values()) < 1e-6
    first, second = np.asarray(predicted["pathway_strengths"])[-1]
    assert first[0] > 2 * second[0]
    np.testing.assert_allclose(first[1:], second[1:], rtol=1e-8)


@pytest.mark.slow
def test_descent_follows_the_window_by_its_steps_and_no_window_changes_nothing():
    rng = np.random.default_rng(5)
    moments, left, right = problem(rng)
    network = nn.Pathways([nn.DeepLinear(chain_of(rng, left, right, np.full((2, 3), 0.3))) for _ in range(2)])
    task, observe = tasks.PathwayDeficit(moments, 0.0, 1.0), (learn.Loss(), learn.PathwayStrengths())
    predicted = T.predict(network, task, TS)
    descended = learn.simulate(network, task, TS, rule=learn.Descent(1e-3), observe=observe)
    np.testing.assert_allclose(descended["pathway_strengths"][-1], predicted["pathway_strengths"][-1], rtol=5e-3)
    none = T.predict(network, tasks.PathwayDeficit(moments, 1.0, 1.0), TS)
    plain = T.predict(network, moments, TS)
    np.testing.assert_allclose(none["pathway_strengths"], plain["pathway_strengths"], rtol=1e-6)


@pytest.mark.parametrize(("depth", "gap"), [(1, 0.0), (2, 0.0), (3, 1.0), (5, 0.0)])
def test_the_reduced_race_conserves_what_it_must(depth, gap):
    """Pathways that all learn share one clock: the integral of dp over its speed is the same for all."""
    start, value = np.array([0.25, 0.2, 0.1]), 3.0
    ts = np.array([0.0, 0.3, 400.0])
    found = np.asarray(T.race(ts, value, jnp.asarray(start), depth, gap=gap))
    np.testing.assert_allclose(found[-1].sum(), value, rtol=1e-6)

    def smallest(strength):
        return scipy.optimize.brentq(lambda p: p * (p * p + gap) ** ((depth - 1) / 2) - strength, 0, 9, xtol=1e-14)

    for row in found[1:]:
        clocks = [scipy.integrate.quad(lambda p: (p * p + gap) ** ((1 - depth) / 2), p0, smallest(k))[0]
                  for p0, k in zip(start, row)]  # fmt: skip
        np.testing.assert_allclose(clocks, clocks[0], rtol=1e-5)
    if gap == 0:
        np.testing.assert_allclose(T.race_outcome(value, jnp.asarray(found[1]), depth), found[-1], rtol=1e-5)


def test_large_pathways_are_one_small_layer_among_large_ones():
    p, depth, value = np.array([0.1, 0.4]), 3, 1.5
    moments = tasks.Moments(jnp.eye(1), jnp.full((1, 1), value), jnp.full((1, 1), value**2))
    weights = [[np.full((1, 1), x) for x in (each, *[np.sqrt(each**2 + 1)] * (depth - 1))] for each in p]
    network = nn.Pathways([nn.DeepLinear(each) for each in weights])
    ts = np.linspace(0, 1, 5)
    expected = T.predict(network, tasks.PathwayDeficit(moments, 0.0, 0.3), ts)["pathway_strengths"][..., 0]
    found = T.race(ts, value, jnp.asarray(p), depth, gap=1.0, deficit=(0.0, 0.3))
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_who_is_behind_stays_below_a_bound():
    start, depth = np.array([2e-3, 1e-3]), 3
    outcome = np.asarray(T.race_outcome(np.array(1e4), jnp.asarray(start), depth))
    bound = (start[1] ** (-1 / 3) - start[0] ** (-1 / 3)) ** -3.0
    assert outcome[1] < bound < 1.2 * outcome[1]
    np.testing.assert_allclose(T.race_outcome(2.0, jnp.array([0.0, 0.3]), 4), [0, 2.0], atol=1e-10)
    np.testing.assert_allclose(T.race_outcome(1.0, jnp.array([0.7, 0.7]), 3), [0.5, 0.5], rtol=1e-10)


@pytest.mark.parametrize("depth", [pytest.param(1, marks=pytest.mark.slow), 2, pytest.param(3, marks=pytest.mark.slow)])
def test_transfer_is_the_flow_of_all_layers(depth):
    rng = np.random.default_rng(depth)
    first, second = (np.outer(rng.normal(size=4), rng.normal(size=3)) for _ in range(2))
    seen = rng.random((4, 3)) < 0.7
    network = nn.zero_balanced(nn.small(0.3))(nn.DeepLinear, (3, *[4] * (depth - 1), 4), key=jr.key(depth))
    weights = [np.asarray(w) for w in network.weights]
    ts, switch = np.array([0.0, 2.0, 5.0, 9.0]), 4.0

    def slope_of(target):
        return lambda m: np.where(seen, m - target, 0) / seen.sum()

    state, maps = weights, []
    for target, span in ((first, [0.0, 2.0, switch]), (second, [switch, 5.0, 9.0])):
        states = descend(state, slope_of(target), span)
        maps += [reference.chained(s) for s in states[:-1]]
        state = states[-1]
    maps = [maps[0], maps[1], maps[3], reference.chained(state)]
    task = tasks.EntryTransfer(first, second, seen, switch)
    found = T.predict(network, task, ts)
    assert found.theory == "TransferFlow"
    values = np.linalg.svd(np.stack(maps), compute_uv=False)
    np.testing.assert_allclose(found["singular_values"], values, rtol=1e-5, atol=1e-7)
    losses = [0.5 * np.sum(np.where(seen, m - second, 0) ** 2) / seen.sum() for m in maps]
    np.testing.assert_allclose(found["loss"], losses, rtol=1e-5, atol=1e-8)
    trained = learn.simulate(network, task, ts, observe=(learn.Loss(), learn.SingularValues()))
    assert max(ln.compare.difference(trained, found).relative.values()) < 1e-5


def descend(weights, slope_of, ts):
    """All layers over time by SciPy, under the gradient of a function of their product."""
    shapes = [w.shape for w in weights]
    borders = np.cumsum([0, *(w.size for w in weights)])

    def unpack(flat):
        return [flat[a:b].reshape(s) for a, b, s in zip(borders, borders[1:], shapes)]

    def field(t, flat):
        layers, found = unpack(flat), []
        slope = slope_of(reference.chained(layers))
        for i in range(len(layers)):
            before = reference.chained(layers[:i]) if i else np.eye(shapes[0][1])
            after = reference.chained(layers[i + 1 :]) if i + 1 < len(layers) else np.eye(shapes[-1][0])
            found.append(-(after.T @ slope @ before.T).ravel())
        return np.concatenate(found)

    start = np.concatenate([w.ravel() for w in weights])
    solved = scipy.integrate.solve_ivp(field, (ts[0], ts[-1]), start, "DOP853", ts, rtol=1e-11, atol=1e-14)
    return [unpack(column) for column in solved.y.T]


def test_what_is_outside_is_refused_with_sentences():
    rng = np.random.default_rng(0)
    moments, left, right = problem(rng)
    deficit = tasks.PathwayDeficit(moments, 0.0, 1.0)
    drawn = nn.Pathways([nn.fan_in()(nn.DeepLinear, (4, 5, 3), key=key) for key in jr.split(jr.key(0))])
    with pytest.raises(ValueError, match="decoupled modes fails.*aligned"):
        T.predict(drawn, deficit, TS)
    with pytest.raises(ValueError, match="needs a network of pathways"):
        learn.simulate(drawn.pathways[0], deficit, TS)
    with pytest.raises(ValueError, match=r"\(3, 4\).*\(2, 4\)"):
        learn.simulate(drawn, tasks.PathwayDeficit(tasks.Moments(jnp.eye(4), moments.yx[:2], jnp.eye(2)), 0, 1), TS)
    with pytest.raises(ValueError, match="there are 2"):
        learn.simulate(drawn, tasks.PathwayDeficit(moments, 0, 1, pathway=2), TS)
    with pytest.raises(ValueError, match="each of the task's 3 modes"):
        tasks.PathwayDeficit(moments, 0, 1, modes=[True])
    with pytest.raises(ValueError, match="without steps"):
        tasks.PathwayDeficit(tasks.TemporalMoments(None, jnp.ones((2, 1, 1)), jnp.eye(1)), 0, 1)
    with pytest.raises(ValueError, match="same number of outputs"):
        nn.Pathways([nn.DeepLinear([jnp.ones((2, 3))]), nn.DeepLinear([jnp.ones((2, 4))])])
    square = jnp.eye(4)
    with pytest.raises(ValueError, match="matrices of one shape"):
        tasks.EntryTransfer(square, jnp.ones((3, 4)), square > 0, 1.0)
    transfer = tasks.EntryTransfer(square, square, square > 0, 1.0)
    with pytest.raises(ValueError, match=r"\(3, 4\), the matrices \(4, 4\)"):
        learn.simulate(drawn, transfer, TS)
    uneven = nn.fan_in()(nn.DeepLinear, (4, 5, 4), key=jr.key(1))
    with pytest.raises(ValueError, match="balanced layers fails"):
        T.predict(uneven, transfer, TS)
